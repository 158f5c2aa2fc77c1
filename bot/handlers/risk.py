"""/risk: Value at Risk and who causes it."""

from collections.abc import Awaitable, Callable
from typing import Final

from bot.handlers.backtest import backtest
from bot.handlers.context import Context, symbol_of
from bot.handlers.correlation import correlation
from bot.handlers.model import model
from bot.replies import Reply, button
from bot.risk_text import concentration_text, risk_text, symbol_risk_text
from engine.errors import RequestError

LONGEST_HORIZON: Final = 250
AGAIN: Final = "again"
SHOWN: Final = ("concentration", "correlation", "backtest", "model")
"""The views that have a button below the card."""


async def risk(context: Context, text: str) -> list[Reply]:
    """Value at Risk and expected shortfall of the book, or one underlying's part, over one day or so many; or one of VIEWS."""
    word, *rest = text.split(maxsplit=1) or [""]
    view = VIEWS.get(word.casefold())
    if view is not None:
        return await view(context, rest[0] if rest else "")
    name, days = _risk_asked(text)
    return [await _risk(context, name, days)]


async def risk_again(context: Context, arguments: list[str]) -> list[Reply]:
    _, days = _risk_asked(arguments[0])
    return [(await _risk(context, arguments[1], days)).editing()]


async def _risk(context: Context, name: str, days: int) -> Reply:
    view = await context.desk.view()
    symbol = symbol_of(view.report, name, "risk")
    report = view.report if symbol else await context.desk.simulated(view)
    card = symbol_risk_text(report, symbol, days) if symbol else risk_text(report, days)
    others = tuple(button(name.capitalize(), "view", name, "") for name in SHOWN)
    keyboard = (others, (button("Refresh", "risk", days, symbol or ""),))
    return Reply(f"{card}\n{context.foot(view)}", keyboard=keyboard)


def _risk_asked(text: str) -> tuple[str, int]:
    """The symbol, '' for none, and the days of '', '10', '10d', 'aapl' or 'aapl 10d'."""
    words = text.split()
    if len(words) > 1 and words[0].casefold().removesuffix("d").isdecimal():
        words = [*words[1:], words[0]]
    last = words[-1].casefold().removesuffix("d") if words else ""
    if not (last.isascii() and last.isdigit()):
        return " ".join(words), 1
    if not 1 <= int(last[:6]) <= LONGEST_HORIZON:
        raise RequestError(
            f"{words[-1][:20]} is not 1 to {LONGEST_HORIZON} days. Try: /risk 10d or /risk AAPL 10d"
        )
    return " ".join(words[:-1]), int(last)


async def _concentration(context: Context, text: str) -> list[Reply]:
    view = await context.desk.view()
    again = ((button("Refresh", "view", "concentration", AGAIN),),)
    return [Reply(f"{concentration_text(view.report)}\n{context.foot(view)}", keyboard=again)]


async def view_again(context: Context, arguments: list[str]) -> list[Reply]:
    """One of VIEWS by its name: as a message of its own, or, "again", in place of the one whose button was pressed."""
    view = VIEWS.get(arguments[0])
    if view is None:
        raise RequestError("That button is not valid any more. Send the command again.")
    replies = await view(context, "")
    return [reply.editing() for reply in replies] if arguments[1] == AGAIN else replies


VIEWS: Final[dict[str, Callable[[Context, str], Awaitable[list[Reply]]]]] = {
    "concentration": _concentration,
    "correlation": correlation,
    "corr": correlation,
    "backtest": backtest,
    "model": model,
}
"""What else /risk shows, by the word that follows it; each is given what follows that."""
