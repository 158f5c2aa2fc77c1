"""/risk correlation: how positions move together."""

from bot.correlation_text import (
    correlation_caption,
    correlation_text,
    picture_note,
    shown_correlation,
)
from bot.desk import View
from bot.handlers.context import Context, note, symbol_of
from bot.replies import Keyboard, Reply, button


async def correlation(context: Context, text: str) -> list[Reply]:
    """A heat map of the book's positions, or of its underlyings where they are many; with a symbol, of the positions on it."""
    view = await context.desk.view()
    return [await _picture(context, view, symbol_of(view.report, text, "risk correlation"))]


async def correlation_again(context: Context, arguments: list[str]) -> list[Reply]:
    """The heat map anew, or its pairs in words."""
    kind, name = arguments
    view = await context.desk.view()
    symbol = symbol_of(view.report, name, "risk correlation")
    return [
        _words(context, view, symbol) if kind == "t" else (await _picture(context, view, symbol)).editing()
    ]


async def _picture(context: Context, view: View, symbol: str | None) -> Reply:
    shown, foot = shown_correlation(view.report, symbol), context.foot(view)
    drawn = None
    if len(shown.part.order) > 1:
        about = "; ".join(one for one in (note(foot), picture_note(shown)) if one)
        drawn = await context.pictures.correlation(shown.part, shown.labels, title=shown.title, note=about)
    if drawn is None:
        return _words(context, view, symbol)
    keyboard: Keyboard = (
        (
            button("Pairs", "correlation", "t", symbol or ""),
            button("Refresh", "correlation", "p", symbol or ""),
        ),
    )
    return Reply(f"{correlation_caption(view.report, shown)}\n{foot}", drawn, keyboard)


def _words(context: Context, view: View, symbol: str | None) -> Reply:
    words = correlation_text(view.report, shown_correlation(view.report, symbol))
    return Reply(f"{words}\n{context.foot(view)}")
