"""What if: /scenarios, /scenario and /matrix."""

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
from engine.results import RiskReport, ScenarioResult
from engine.scenarios import TEMPLATES, Scenario, find, for_symbol, template

MOST_CHOICES: Final = 24
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
    """The risk matrix of the book, or of one symbol, as a heat map."""
    view = await context.desk.view()
    return [await _heat_map(context, view, symbol_of(view.report, text, "matrix"))]


async def matrix_page(context: Context, arguments: list[str]) -> list[Reply]:
    """The heat map anew, or its numbers."""
    kind, name = arguments[0], arguments[1]
    view = await context.desk.view()
    symbol = symbol_of(view.report, name, "matrix")
    return [
        await _numbers(context, view, symbol)
        if kind == "t"
        else (await _heat_map(context, view, symbol)).editing()
    ]


def loss_limit(context: Context, report: RiskReport) -> float | None:
    """The loss at which the critical alert fires, base currency."""
    return None if not report.basis else context.desk.settings.risk_limits.max_portfolio_loss * report.basis


async def _heat_map(context: Context, view: View, symbol: str | None) -> Reply:
    report = view.report
    cells = report.matrix if symbol is None else await context.desk.matrix(view, symbol)
    title = "Risk matrix" + (f" of {symbol}" if symbol else "")
    foot = context.foot(view)
    drawn = await context.pictures.matrix(
        cells,
        title=title,
        note=note(foot),
        unit=report.base_currency,
        limit=loss_limit(context, report),
    )
    if drawn is None:
        return await _numbers(context, view, symbol)
    name = symbol or ""
    keyboard: Keyboard = ((button("Numbers", "matrix", "t", name), button("Refresh", "matrix", "p", name)),)
    return Reply(f"<b>{title}</b>: spot down the side, IV along the top\n{foot}", drawn, keyboard)


async def _numbers(context: Context, view: View, symbol: str | None) -> Reply:
    cells = view.report.matrix if symbol is None else await context.desk.matrix(view, symbol)
    title = "Risk matrix" + (f" of {symbol}" if symbol else "")
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
