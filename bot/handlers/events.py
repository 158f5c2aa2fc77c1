"""What is coming: /events, and the lines of the end-of-day message."""

from typing import Final

from anyio import to_thread

from bot.desk import View
from bot.event_text import coming_up_lines, events_text
from bot.handlers.context import Context, symbol_of
from bot.replies import Reply, button
from engine.calendar import Finding, detect
from engine.errors import RequestError

DEFAULT_DAYS: Final = 30
MOST_DAYS: Final = 180
MOST_PROBLEMS: Final = 4
MOST_NAMED: Final = 3


async def events(context: Context, text: str) -> list[Reply]:
    """What comes for the book, or for one symbol, and what it means."""
    view = await context.desk.view()
    words = text.split()
    days = _days(words.pop()) if words and words[-1].lstrip("+-").isdecimal() else DEFAULT_DAYS
    return [await _card(context, view, symbol_of(view.report, " ".join(words), "events"), days)]


async def events_again(context: Context, arguments: list[str]) -> list[Reply]:
    view = await context.desk.view()
    symbol = symbol_of(view.report, arguments[0], "events")
    return [(await _card(context, view, symbol, _days(arguments[1]))).editing()]


async def coming_up(context: Context, view: View) -> list[str]:
    """The lines of the end-of-day message on the next sessions."""
    return coming_up_lines(await _findings(view), context.zone)


async def _card(context: Context, view: View, symbol: str | None, days: int) -> Reply:
    words = events_text(
        view.snapshot,
        await _findings(view),
        days=days,
        symbol=symbol,
        zone=context.zone,
        problems=_problems(context),
    )
    keyboard = ((button("Refresh", "events", symbol or "", days),),)
    return Reply(f"{words}\n{context.foot(view)}", keyboard=keyboard)


async def _findings(view: View) -> tuple[Finding, ...]:
    """In a thread: the calendar of a year is slow to make the first time."""
    return await to_thread.run_sync(detect, view.snapshot, view.report.positions)


def _problems(context: Context) -> list[str]:
    """What the sources could not say."""
    lines = list(context.health.calendar[:MOST_PROBLEMS])
    more = len(context.health.calendar) - MOST_PROBLEMS
    if more > 0:
        lines.append(f"and {more} more lines of the tables that can't be read")
    failed = sorted(context.health.earnings.items())
    if failed:
        named = ", ".join(symbol for symbol, _ in failed[:MOST_NAMED])
        rest = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
        lines.append(f"no earnings date of {named}{rest}: {failed[0][1]}")
    return lines


def _days(text: str) -> int:
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MOST_DAYS:
        raise RequestError(f"{text[:10]} is not a number of days from 1 to {MOST_DAYS}. Try: /events 30")
    return int(text)
