"""/explain: why the value changed since a close or an open."""

import re
from typing import Final

from bot.desk import View
from bot.diary import Since, Start
from bot.explain_text import (
    causes_text,
    explain_head,
    notes_text,
    positions_explained_text,
    underlyings_explained_text,
)
from bot.handlers.context import Context, note, symbol_of
from bot.replies import Keyboard, Reply, button
from engine.calendar import MOST_BACK
from engine.errors import RequestError
from engine.explained import Explanation

DAYS: Final = re.compile(r"([0-9]{1,6})d", re.IGNORECASE)
VIEWS: Final = {
    "c": ("By cause", causes_text),
    "u": ("By underlying", underlyings_explained_text),
    "p": ("By position", positions_explained_text),
}
PICTURE: Final = "w"


async def explain(context: Context, text: str) -> list[Reply]:
    """The P&L since yesterday's close, today's open or a close some days ago, of the book or one underlying, by cause."""
    since, name = asked(text)
    return [await _explain(context, since, name, "c")]


async def explain_page(context: Context, arguments: list[str]) -> list[Reply]:
    """Another view of it, at the prices of now."""
    view, (since, _), name = arguments[0], asked(arguments[1]), arguments[2]
    if view not in {*VIEWS, PICTURE}:
        raise RequestError("That button is not valid any more. Send the command again.")
    return [(await _explain(context, since, name, view)).editing()]


def asked(text: str) -> tuple[Since, str]:
    """From when, and the symbol, '' for none, of '', 'open', '3d', 'aapl', 'aapl open', '3d aapl'.

    Raises:
        RequestError: If the days are out of range, or two times or two symbols are named.
    """
    since, names = [], []
    for word in text.split():
        days = DAYS.fullmatch(word)
        if days is not None:
            since.append(Since(_in_range(int(days[1]))))
        elif word.casefold() in {"open", "close"}:
            since.append(Since(at_open=word.casefold() == "open"))
        else:
            names.append(word)
    if len(since) > 1 or len(names) > 1:
        raise RequestError(
            "One time and one symbol, please. Try: /explain open, /explain 3d or /explain AAPL 3d"
        )
    return since[0] if since else Since(), names[0] if names else ""


def _in_range(days: int) -> int:
    if not 1 <= days <= MOST_BACK:
        raise RequestError(f"{days}d is not 1d to {MOST_BACK}d. Try: /explain 3d")
    return days


async def _explain(context: Context, since: Since, name: str, shown: str) -> Reply:
    view = await context.desk.view()
    start = await context.diary.start(since, view.snapshot.as_of)
    if start is None:
        raise RequestError(
            f"No snapshot is stored yet to explain from: one is every {context.desk.settings.data.snapshot_interval:g} s in "
            "market hours. Ask again after the next."
        )
    symbol = _symbol(view, start, name)
    trades = await context.diary.trades(start.snapshot.as_of)
    found = await context.desk.explain(view, start.snapshot, trades, symbol)
    head = explain_head(found, start, symbol, view.report.basis)
    foot = f"{_times(context, found)}\n{context.foot(view)}"
    keyboard = _keyboard(since, symbol, shown)
    if shown == PICTURE:
        title = f"P&L{f' of {symbol}' if symbol else ''} since {start.name}, {found.base_currency}"
        doubts = "; ".join(one for one in (start.doubt, note(foot)) if one)
        drawn = await context.pictures.explained(found.total, title=title, note=doubts)
        if drawn is not None:
            return Reply(f"{head}\n{foot}", drawn, keyboard)
    words = VIEWS.get(shown, VIEWS["c"])[1](found)
    return Reply("\n".join([head, words, *notes_text(found), foot]), keyboard=keyboard)


def _symbol(view: View, start: Start, name: str) -> str | None:
    """A symbol that is held now, or was at the start."""
    held = {position.contract.underlying for position in start.snapshot.positions}
    return name.upper() if name.upper() in held else symbol_of(view.report, name, "explain")


def _times(context: Context, found: Explanation) -> str:
    begin = found.earlier.astimezone(context.zone)
    return f"<i>from {begin:%d %b %H:%M:%S %Z}</i>"


def _keyboard(since: Since, symbol: str | None, shown: str) -> Keyboard:
    arguments = (since.words, symbol or "")
    others = [
        button(name, "explain", view, *arguments)
        for view, (name, _) in VIEWS.items()
        if view != shown and (view != "u" or not symbol)
    ]
    last = [button("Refresh", "explain", shown, *arguments)]
    if shown != PICTURE:
        last.append(button("Waterfall", "explain", PICTURE, *arguments))
    return (tuple(others), tuple(last))
