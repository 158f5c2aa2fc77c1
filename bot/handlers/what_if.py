"""What if: /scenarios, /scenario, /whatif and /matrix."""

import re
from difflib import get_close_matches
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
from bot.saved import SAVE_EXAMPLE
from engine.errors import RequestError
from engine.reports.tables import matrix_title
from engine.results import RiskReport, ScenarioResult
from engine.scenarios import (
    EXAMPLE,
    TEMPLATES,
    GrammarError,
    Scenario,
    Wing,
    custom_scenario,
    find,
    for_symbol,
    symbol_key,
    template,
)
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
    word, _, rest = text.strip().partition(" ")
    if word.casefold() in {"save", "delete"}:
        return await (_save if word.casefold() == "save" else _delete)(context, rest.strip())
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


async def _save(context: Context, text: str) -> list[Reply]:
    name, _, words = text.partition(" ")
    if not words.strip():
        raise RequestError(f"A name and what happens are needed. Try: {SAVE_EXAMPLE}")
    replaced = await context.saved.save(name, words)
    name = name.lower()
    absent = _absent((await context.desk.view()).report, custom_scenario(name, words))
    lines = [
        f"<b>{escape(name)}</b> {'replaced' if replaced else 'saved'}: {escape(' '.join(words.split()))}",
        f"It is run with all others and counts for the loss limit: /scenario {escape(name)}",
    ]
    if absent:
        lines.append(f"⚠ not held now: {escape(', '.join(absent))}")
    return [Reply("\n".join(lines))]


async def _delete(context: Context, text: str) -> list[Reply]:
    words = await context.saved.delete(text)
    return [Reply(f"<b>{escape(text.lower())}</b> deleted. It was: {escape(words)}")]


async def whatif(context: Context, text: str) -> list[Reply]:
    """A scenario in the owner's own words, by position."""
    asked = " ".join(text.split())
    view = await context.desk.view()
    try:
        what = custom_scenario(asked, text, "/whatif ")
    except GrammarError:
        if _is_a_name(view.report, asked):
            return await scenario(context, asked)
        raise
    absent = _absent(view.report, what)
    if absent:
        raise RequestError(_not_held(view.report, absent[0]))
    result = await context.desk.scenario(view, what)
    return [await _picture(context, view, result, 0, context.saved.ticket(asked))]


def _is_a_name(report: RiskReport, text: str) -> bool:
    """Whether `text` means a scenario that has a name: "panic", "crash2"."""
    try:
        return bool(text and find(text, tuple(result.name for result in report.scenarios)))
    except RequestError:
        return False


async def whatif_page(context: Context, arguments: list[str]) -> list[Reply]:
    """A page of a what-if, as picture or text."""
    page, kind, ticket = page_number(arguments[0]), arguments[1], arguments[2]
    text = context.saved.asked(ticket)
    view = await context.desk.view()
    result = await context.desk.scenario(view, custom_scenario(text, text, "/whatif "))
    page = min(page, pages(len(view.report.positions)) - 1)
    if kind == "t":
        return [_text(context, view, result, page, ticket).editing()]
    return [(await _picture(context, view, result, page, ticket)).editing()]


def _absent(report: RiskReport, scenario: Scenario) -> list[str]:
    """The symbols that `scenario` names and nobody holds."""
    held = {symbol_key(symbol) for symbol in known_symbols(report)}
    named = () if scenario.custom is None else scenario.custom.symbols
    return [symbol for symbol in named if symbol not in held]


def _not_held(report: RiskReport, symbol: str) -> str:
    """That there is no position on `symbol`, and what was meant, perhaps a misspelt word."""
    known = {symbol_key(name): name.lower().replace(" ", ".") for name in known_symbols(report)}
    words = {wing.upper(): wing.value for wing in Wing}
    near = get_close_matches(symbol, {**words, **known}, 1, 0.6)
    meant = f" Nearest: {near[0]}." if near else ""
    example = f"{known[near[0]]} -10%" if near and near[0] in known else EXAMPLE
    example = f"{words[near[0]]} +30%" if near and near[0] in words and near[0] not in known else example
    return f"No position on {symbol[:20]!r}.{meant} Try: /whatif {example}"


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


async def open_scenario(context: Context, arguments: list[str]) -> list[Reply]:
    """The scenario that an alert was about, by its name, as a message of its own."""
    view = await context.desk.view()
    named = [one for one in view.report.scenarios if one.name.startswith(arguments[0])]
    if not named:
        raise RequestError("That scenario is not run any more. Send /scenarios for those that are.")
    return [await _picture(context, view, named[0], 0)]


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


async def _picture(
    context: Context, view: View, result: ScenarioResult, page: int, ticket: str | None = None
) -> Reply:
    drawn = None
    foot = context.foot(view)
    if view.report.positions:
        drawn = await context.pictures.scenario(
            view.report, result, page * PAGE_ROWS, PAGE_ROWS, note=note(foot)
        )
    if drawn is None:
        return _text(context, view, result, page, ticket)
    caption = f"{scenario_head(view.report, result)}\n{foot}"
    return Reply(caption, drawn, _keyboard(view.report, result, "p", page, ticket))


def _text(
    context: Context, view: View, result: ScenarioResult, page: int, ticket: str | None = None
) -> Reply:
    words = f"{scenario_text(view.report, result, page)}\n{context.foot(view)}"
    return Reply(words, keyboard=_keyboard(view.report, result, "t", page, ticket))


def _keyboard(
    report: RiskReport, result: ScenarioResult, kind: str, page: int, ticket: str | None = None
) -> Keyboard:
    """Paging, text or picture, and refresh, of a scenario in the report or of the what-if that `ticket` stands for."""
    everything = (button("All scenarios", "all"),)
    names = [one.name for one in report.scenarios]

    def turn(text: str, to_page: int, to_kind: str) -> Button:
        if ticket is not None:
            return button(text, "whatif", to_page, to_kind, ticket)
        return button(text, "scenario", names.index(result.name), to_page, to_kind)

    if ticket is None and result.name not in names:
        return (everything,)
    last = pages(len(report.positions)) - 1
    turning: list[Button] = []
    if last > 0:
        turning = [
            turn("◀", max(page - 1, 0), kind),
            turn(f"{page + 1}/{last + 1}", page, kind),
            turn("▶", min(page + 1, last), kind),
        ]
    other = ("As text", "t") if kind == "p" else ("As picture", "p")
    rows = [tuple(turning)] if turning else []
    return (
        *rows,
        (
            turn(other[0], page, other[1]),
            turn("Refresh", page, kind),
        ),
        everything,
    )


def _choice(name: str, number: int) -> Button:
    return button(name, "scenario", number, 0, "n")


def _named(report: RiskReport, name: str) -> ScenarioResult:
    return next(result for result in report.scenarios if result.name == name)


async def all_scenarios(context: Context, arguments: list[str]) -> list[Reply]:
    return await scenarios(context, "")
