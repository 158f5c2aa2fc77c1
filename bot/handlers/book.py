"""What is held and what moves it: /positions and /greeks."""

from bot.cards import (
    PAGE_ROWS,
    greeks_text,
    pages,
    positions_head,
    positions_text,
    selected,
)
from bot.desk import View
from bot.handlers.context import Context, note, symbol_of
from bot.replies import Button, Keyboard, Reply, button, page_number
from engine.errors import RequestError
from engine.reports.tables import GREEKS_BY


async def positions(context: Context, text: str) -> list[Reply]:
    """The positions, or those on one symbol, as a picture with the text a tap away."""
    view = await context.desk.view()
    return [await _picture(context, view, symbol_of(view.report, text, "positions"), 0)]


async def positions_page(context: Context, arguments: list[str]) -> list[Reply]:
    """A page of the picture, or of the text."""
    page, kind, name = page_number(arguments[0]), arguments[1], arguments[2]
    view = await context.desk.view()
    symbol = symbol_of(view.report, name, "positions")
    page = min(page, pages(len(selected(view.report, symbol))) - 1)
    reply = _text(context, view, symbol, page) if kind == "t" else await _picture(context, view, symbol, page)
    return [reply.editing()]


async def greeks(context: Context, text: str) -> list[Reply]:
    """Greeks by underlying, by expiry or by sector, and in total."""
    by = text.strip().casefold() or GREEKS_BY[0]
    if by not in GREEKS_BY:
        raise RequestError(f"Greeks are by {', '.join(GREEKS_BY)}, not {by[:20]!r}. Try: /greeks expiry")
    view = await context.desk.view()
    if by == "sector" and not view.report.by_sector:
        raise RequestError("No sector is known of what is held. Try: /greeks expiry")
    others = tuple(button(f"By {one}", "greeks", one) for one in GREEKS_BY if one != by)
    keyboard = (others, (button("Refresh", "greeks", by),))
    return [Reply(f"{greeks_text(view.report, by)}\n{context.foot(view)}", keyboard=keyboard)]


async def greeks_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await greeks(context, arguments[0])]


async def _picture(context: Context, view: View, symbol: str | None, page: int) -> Reply:
    rows = selected(view.report, symbol)
    shown = rows[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    if not shown:
        return _text(context, view, symbol, page)
    title = f"Positions on {symbol}" if symbol else "Positions"
    foot = context.foot(view)
    drawn = await context.pictures.positions(shown, view.report.quality, title=title, note=note(foot))
    if drawn is None:
        return _text(context, view, symbol, page)
    caption = f"{positions_head(view.report, symbol)}\n{foot}"
    return Reply(caption, drawn, _keyboard("p", symbol, page, len(rows)))


def _text(context: Context, view: View, symbol: str | None, page: int) -> Reply:
    rows = selected(view.report, symbol)
    words = f"{positions_text(view.report, symbol, page)}\n{context.foot(view)}"
    return Reply(words, keyboard=_keyboard("t", symbol, page, len(rows)))


def _keyboard(kind: str, symbol: str | None, page: int, count: int) -> Keyboard:
    name, last = symbol or "", pages(count) - 1
    turning: list[Button] = []
    if last > 0:
        turning = [
            button("◀", "positions", max(page - 1, 0), kind, name),
            button(f"{page + 1}/{last + 1}", "positions", page, kind, name),
            button("▶", "positions", min(page + 1, last), kind, name),
        ]
    other = (
        button("As text", "positions", page, "t", name)
        if kind == "p"
        else button("As picture", "positions", page, "p", name)
    )
    rows = [tuple(turning)] if turning else []
    return (*rows, (other, button("Refresh", "positions", page, kind, name)))
