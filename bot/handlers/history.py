"""/history: the account over time."""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bot.handlers.context import Context
from bot.history_text import MOST_DAYS, NONE_STORED, history_frame, history_text, notes, period, summary
from bot.replies import Keyboard, Reply, button
from engine.errors import RequestError
from engine.store import Headline

USUAL_DAYS: Final = 30
OFFERED: Final = (1, 7, 30, 365)
FOR_EVER: Final = 36_600


async def history(context: Context, text: str) -> list[Reply]:
    """Net liquidation, P&L by day, Value at Risk and the worst scenario of the last days: a picture, the words a tap away."""
    return [await _history(context, _days(text), "p")]


async def history_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [(await _history(context, _days(arguments[0]), arguments[1])).editing()]


async def _history(context: Context, days: int, shown: str) -> Reply:
    points = await context.diary.headlines(begin(context.now(), days, context.zone))
    if not points:
        every = await context.diary.headlines(context.now() - timedelta(days=FOR_EVER))
        return Reply(nothing(every, days, context.zone))
    found, limits = summary(points, context.zone), context.desk.settings.risk_limits
    words = history_text(found, limits, days, context.zone)
    picture = None
    if shown != "t":
        picture = await context.pictures.history(
            history_frame(points, context.zone),
            title=f"History, {period(days)}, in {found.currency}",
            note="; ".join(notes(found, context.zone)),
            loss_limit=limits.max_portfolio_loss,
            var_limit=limits.var_limit,
        )
    return Reply(words, picture, _keyboard(days, shown))


def _keyboard(days: int, shown: str) -> Keyboard:
    others = tuple(button(_name(one), "history", one, shown) for one in OFFERED if one != days)
    other = (
        button("As text", "history", days, "t")
        if shown != "t"
        else button("As picture", "history", days, "p")
    )
    return (others, (other, button("Refresh", "history", days, shown)))


def _name(days: int) -> str:
    return {1: "Today", 365: "1 year"}.get(days, f"{days} days")


def begin(now: datetime, days: int, zone: ZoneInfo) -> datetime:
    """Midnight of the first of so many calendar days, today's included."""
    day = now.astimezone(zone).date() - timedelta(days=days - 1)
    return datetime.combine(day, time(), zone)


def nothing(every: list[Headline], days: int, zone: ZoneInfo) -> str:
    """Why there is no history of so many days, and what there is."""
    if not every:
        return NONE_STORED
    last = every[-1].at.astimezone(zone)
    return f"Nothing is stored of {period(days)}; the newest figures are of {last:%a %d %b %Y}. Try: /history {USUAL_DAYS}"


def _days(text: str) -> int:
    """The days of '', '30' or '30d'."""
    words = text.split()
    if not words:
        return USUAL_DAYS
    number = words[0].casefold().removesuffix("d")
    if len(words) > 1 or not (number.isascii() and number.isdigit()) or not 1 <= int(number[:6]) <= MOST_DAYS:
        raise RequestError(
            f"{text.strip()[:20]!r} is not a number of days from 1 to {MOST_DAYS}. Try: /history 30"
        )
    return int(number)
