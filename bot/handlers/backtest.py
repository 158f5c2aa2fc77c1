"""/risk backtest: how the Values at Risk of past closes fared."""

from collections.abc import Sequence

from bot.backtest_text import backtest_text
from bot.handlers.context import Context
from bot.replies import Reply
from engine.errors import RequestError
from engine.results import TailDay
from engine.risk import methods_of


async def backtest(context: Context, text: str) -> list[Reply]:
    """Exceptions and their tests by the method relied on, or by the one that `text` means."""
    days = await context.track.days()
    view = await context.desk.view()
    words = backtest_text(days, method_asked(days, text), view.report.base_currency)
    return [Reply(f"{words}\n{context.foot(view)}")]


def method_asked(days: Sequence[TailDay], text: str, command: str = "/risk backtest") -> str | None:
    """The stored method that `text` means by a part of its name; without text the one relied on; None where none is stored.

    Raises:
        RequestError: If none is called so, or several are.
    """
    methods, wanted = methods_of(days), " ".join(text.casefold().split())
    if not methods or not wanted:
        return methods[0] if methods else None
    found = [one for one in methods if wanted == one] or [one for one in methods if wanted in one.casefold()]
    if len(found) == 1:
        return found[0]
    short = methods[0].split()[0]
    said = "No stored method is" if not found else "Several stored methods are"
    raise RequestError(
        f"{said} called {wanted[:20]!r}; there are: {', '.join(methods)}. Try: {command} {short}"
    )
