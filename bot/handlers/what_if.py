"""What if: /scenarios, /scenario and /matrix."""

import re
from html import escape
from typing import Final

from bot.cards import (
    PAGE_ROWS,
    known_symbols,
    matrix_text,
    pages,
    scenario_head,
    scenario_text,
    scenarios_text,
)
from bot.desk import View
from bot.handlers.context import Context, note, symbol_of
from bot.replies import Button, Keyboard, Reply, button, page_number, rows_of
from engine.errors import RequestError
from engine.reports.tables import matrix_title
from engine.results import RiskReport, ScenarioResult
from engine.scenarios import TEMPLATES, Scenario, find, for_symbol, template
from engine.settings import MatrixSettings

MOST_CHOICES: Final = 24
DAYS: Final = re.compile(r"[0-9]{1,4}d")
MOST_DAYS: Final = 365
TEMPLATE_NAMES: Final = tuple(scenario.name for scenario in TEMPLATES)


async def scenarios(context: Context, text: str) -> list[Reply]:
    """All scenarios at a glance, with a keyboard to open one; with a name, that one."""
    if text.strip():
        return await scenario(context, text)
    view = await context.desk.view()
    words = f"{scenarios_text(view.report)}\n{context.foot(view)}"
    names = [result.name for result in view.report.scenarios]
    choices = rows_of([_choice(name, i) for i, name in enumerate(names[:MOST_CHOICES])], 2)
    last = (button("Bars", "bars"), button("Refresh", "scenarios"))
    return [Reply(words, keyboard=(*choices, last))]


async def scenarios_again(context: Context, arguments: list[str]) -> list[Reply]:
    return [reply.editing() for reply in await scenarios(context, "")]


async def bars(context: Context, arguments: list[str]) -> list[Reply]:
    """The scenarios as bars against the loss limit."""
    view = await context.desk.view()
    foot = context.foot(view)
    drawn = await context.pictures.scenarios(
        view.report, limit=loss_limit(context, view.report), note=note(foot)
    )
    return [Reply("<b>Scenarios</b>\n" + foot, drawn)] if drawn else await scenarios(context, "")


async def scenario(context: Context, text: str) -> list[Reply]:
    """One scenario by position; a part of its name is enough, several that fit are offered."""
    if not text.strip():
        return await scenarios(context, "")
    view = await context.desk.view()
    narrowed = _for_one_symbol(view.report, text)
    if narrowed is not None:
        return [await _picture(context, view, await context.desk.scenario(view, narrowed), 0)]
    names = tuple(result.name for result in view.report.scenarios)
    found = find(text, names)
    if len(found) > 1:
        choices = rows_of([_choice(name, names.index(name)) for name in found[:MOST_CHOICES]], 2)
        return [Reply(f"{len(found)} scenarios fit. Which one?", keyboard=choices)]
    return [await _picture(context, view, _named(view.report, found[0]), 0)]


def _for_one_symbol(report: RiskReport, text: str) -> Scenario | None:
    """The template for one symbol alone, where `text` ends with a symbol that is held: "earnings beat tsla"."""
    words, _, symbol = text.strip().rpartition(" ")
    if not words or symbol.upper() not in known_symbols(report):
        return None
    found = find(words, TEMPLATE_NAMES)
    return for_symbol(template(found[0]), symbol.upper()) if len(found) == 1 else None


async def scenario_page(context: Context, arguments: list[str]) -> list[Reply]:
    """A page of one scenario, as picture or text; the first picture of a chosen one is a new message."""
    number, page, kind = page_number(arguments[0]), page_number(arguments[1]), arguments[2]
    view = await context.desk.view()
    if number >= len(view.report.scenarios):
        raise RequestError("That scenario is not in the list any more. Send /scenarios again.")
    result = view.report.scenarios[number]
    page = min(page, pages(len(view.report.positions)) - 1)
    if kind == "t":
        return [_text(context, view, result, page).editing()]
    reply = await _picture(context, view, result, page)
    return [reply if kind == "n" else reply.editing()]


async def matrix(context: Context, text: str) -> list[Reply]:
    """The risk matrix of the book, or of one symbol, as a heat map; "spy 5d shaped" says which."""
    view = await context.desk.view()
    return [await _heat_map(context, view, *matrix_asked(view.report, context.desk.settings.matrix, text))]


async def matrix_page(context: Context, arguments: list[str]) -> list[Reply]:
    """The heat map anew, or its numbers."""
    kind, text = arguments[0], arguments[1]
    view = await context.desk.view()
    asked = matrix_asked(view.report, context.desk.settings.matrix, text)
    return [
        await _numbers(context, view, *asked)
        if kind == "t"
        else (await _heat_map(context, view, *asked)).editing()
    ]


def matrix_asked(report: RiskReport, grid: MatrixSettings, text: str) -> tuple[str | None, MatrixSettings]:
    """The symbol and the grid that `text` means: "spy", "5d", "shaped", "uniform", in any order; `grid` is the configured one.

    Raises:
        RequestError: If it has days out of range, a symbol that is not held, or two.
    """
    symbols: list[str] = []
    for word in text.casefold().split():
        if word in {"shaped", "uniform"}:
            grid = grid.model_copy(update={"shaped": word == "shaped"})
        elif DAYS.fullmatch(word):
            days = int(word[:-1])
            if days > MOST_DAYS:
                raise RequestError(f"{word} is too far: at most {MOST_DAYS}d. Try: /matrix 5d")
            grid = grid.model_copy(update={"days": days})
        else:
            symbols.append(word)
    if len(symbols) > 1:
        raise RequestError(f"One symbol at a time, not {len(symbols)}. Try: /matrix {symbols[0][:20]} 5d")
    return symbol_of(report, "".join(symbols), "matrix"), grid


def matrix_words(symbol: str | None, grid: MatrixSettings) -> str:
    """The text that `matrix_asked` reads as these."""
    return f"{symbol or ''} {grid.days}d {'shaped' if grid.shaped else 'uniform'}".strip()


def loss_limit(context: Context, report: RiskReport) -> float | None:
    """The loss at which the critical alert fires, base currency."""
    return None if not report.basis else context.desk.settings.risk_limits.max_portfolio_loss * report.basis


async def _heat_map(context: Context, view: View, symbol: str | None, grid: MatrixSettings) -> Reply:
    report = view.report
    cells = await context.desk.matrix(view, symbol, grid)
    title = matrix_title(cells, symbol)
    foot = context.foot(view)
    drawn = await context.pictures.matrix(
        cells,
        title=title,
        note=note(foot),
        unit=report.base_currency,
        limit=loss_limit(context, report),
    )
    if drawn is None:
        return await _numbers(context, view, symbol, grid)
    return Reply(
        f"<b>{escape(title)}</b>: spot down the side, IV along the top\n{foot}",
        drawn,
        _matrix_keyboard(symbol, grid),
    )


def _matrix_keyboard(symbol: str | None, grid: MatrixSettings) -> Keyboard:
    """Numbers, refresh, and the neighbours: the other shape, a week on or now."""

    def to(text: str, kind: str, **changes: object) -> Button:
        return button(text, "matrix", kind, matrix_words(symbol, grid.model_copy(update=changes)))

    shape = to("IV uniform" if grid.shaped else "IV shaped", "p", shaped=not grid.shaped)
    later = to("Now", "p", days=0) if grid.days else to("A week on", "p", days=7)
    return ((to("Numbers", "t"), to("Refresh", "p")), (shape, later))


async def _numbers(context: Context, view: View, symbol: str | None, grid: MatrixSettings) -> Reply:
    cells = await context.desk.matrix(view, symbol, grid)
    title = matrix_title(cells, symbol)
    return Reply(f"{matrix_text(cells, title, view.report.base_currency)}\n{context.foot(view)}")


async def _picture(context: Context, view: View, result: ScenarioResult, page: int) -> Reply:
    drawn = None
    foot = context.foot(view)
    if view.report.positions:
        drawn = await context.pictures.scenario(
            view.report, result, page * PAGE_ROWS, PAGE_ROWS, note=note(foot)
        )
    if drawn is None:
        return _text(context, view, result, page)
    caption = f"{scenario_head(view.report, result)}\n{foot}"
    return Reply(caption, drawn, _keyboard(view.report, result, "p", page))


def _text(context: Context, view: View, result: ScenarioResult, page: int) -> Reply:
    words = f"{scenario_text(view.report, result, page)}\n{context.foot(view)}"
    return Reply(words, keyboard=_keyboard(view.report, result, "t", page))


def _keyboard(report: RiskReport, result: ScenarioResult, kind: str, page: int) -> Keyboard:
    everything = (button("All scenarios", "all"),)
    names = [one.name for one in report.scenarios]
    if result.name not in names:
        return (everything,)
    number = names.index(result.name)
    last = pages(len(report.positions)) - 1
    turning: list[Button] = []
    if last > 0:
        turning = [
            button("◀", "scenario", number, max(page - 1, 0), kind),
            button(f"{page + 1}/{last + 1}", "scenario", number, page, kind),
            button("▶", "scenario", number, min(page + 1, last), kind),
        ]
    other = ("As text", "t") if kind == "p" else ("As picture", "p")
    rows = [tuple(turning)] if turning else []
    return (
        *rows,
        (
            button(other[0], "scenario", number, page, other[1]),
            button("Refresh", "scenario", number, page, kind),
        ),
        everything,
    )


def _choice(name: str, number: int) -> Button:
    return button(name, "scenario", number, 0, "n")


def _named(report: RiskReport, name: str) -> ScenarioResult:
    return next(result for result in report.scenarios if result.name == name)


async def all_scenarios(context: Context, arguments: list[str]) -> list[Reply]:
    return await scenarios(context, "")
