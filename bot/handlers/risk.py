"""/risk: Value at Risk and who causes it."""

from collections.abc import Awaitable, Callable
from typing import Final

from bot.handlers.context import Context, symbol_of
from bot.handlers.model import model
from bot.replies import Reply, button
from bot.risk_text import risk_text, symbol_risk_text
from engine.errors import RequestError

LONGEST_HORIZON: Final = 250

VIEWS: Final[dict[str, Callable[[Context, str], Awaitable[list[Reply]]]]] = {"model": model}
"""What else /risk shows, by the word that follows it; each is given what follows that."""


async def risk(context: Context, text: str) -> list[Reply]:
    """Value at Risk and expected shortfall of the book, or one underlying's part, over one day or so many; or another view."""
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
    card = risk_text(view.report, days) if symbol is None else symbol_risk_text(view.report, symbol, days)
    again = ((button("Refresh", "risk", days, symbol or ""),),)
    return Reply(f"{card}\n{context.foot(view)}", keyboard=again)


def _risk_asked(text: str) -> tuple[str, int]:
    """The symbol, '' for none, and the days of '', '10', '10d', 'aapl' or 'aapl 10d'."""
    words = text.split()
    last = words[-1].casefold().removesuffix("d") if words else ""
    if not (last.isascii() and last.isdigit()):
        return " ".join(words), 1
    if not 1 <= int(last[:6]) <= LONGEST_HORIZON:
        raise RequestError(
            f"{words[-1][:20]} is not 1 to {LONGEST_HORIZON} days. Try: /risk 10d or /risk AAPL 10d"
        )
    return " ".join(words[:-1]), int(last)
