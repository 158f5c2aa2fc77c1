"""Custom scenarios: from their text to a Scenario, and what one does to each position of a book.

What is named moves by the percentage as written, whatever it is: a leveraged fund, a future, a volatility index. What is not
follows as in a template (D4): by its ratio or beta, a volatility product by the IV shift at the money.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.errors import RequestError
from engine.marks import MarkedBook
from engine.model import UNSHOCKED_KINDS, Bools, Floats, Right
from engine.scenarios.clauses import Custom, IvClause, Part, Rule, Strikes, Wing, iv_change
from engine.scenarios.grammar import parse, symbol_key
from engine.scenarios.iv_model import hold
from engine.scenarios.movers import LOWEST_MOVE, Movers
from engine.scenarios.shapes import Uniform
from engine.scenarios.templates import BY_NAME, Scenario
from engine.settings import ScenarioSettings

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,23}")
NOT_NAMES: Final = frozenset({"save", "delete", *BY_NAME})
MOST_NAMED: Final = 6
USUAL_VOLATILITY: Final = 0.20
"""What vol points are a share of for a volatility fund when no volatility index has a price."""


def scenario_name(text: str) -> str:
    """The name of a custom scenario, in lower case.

    Raises:
        RequestError: If it can't be one; the text says what can.
    """
    name = text.lower()
    if name in NOT_NAMES:
        raise RequestError(
            f"{text!r} has a meaning of its own and can't name a scenario of yours. Try: crash2"
        )
    if not NAME.fullmatch(name):
        raise RequestError(
            f"{text[:30]!r} can't name a scenario: a letter, then up to 23 letters, digits, - or _. Try: crash2"
        )
    return name


def custom_scenario(name: str, text: str, say: str = "") -> Scenario:
    """The scenario that `text` says (`grammar.parse`), called `name`.

    Raises:
        GrammarError: If the text can't be understood.
    """
    custom = parse(text, say)
    market = 0.0 if custom.rest is None or custom.rest.spot is None else custom.rest.spot
    return Scenario(name, (market,), Uniform(0.0), custom.days, custom=custom)


FLAT: Final = "flat"


def custom_set(texts: Mapping[str, str]) -> tuple[Scenario, ...]:
    """A scenario for each name and text.

    Raises:
        GrammarError: If a text can't be understood.
    """
    return tuple(custom_scenario(name, text) for name, text in texts.items())


def spot_model(custom: Custom | None, settings: ScenarioSettings) -> str:
    """The spot model of a scenario: its own, or the configured one."""
    return settings.spot_model if custom is None or custom.spot_model is None else custom.spot_model


def remarks(book: MarkedBook, who: Movers, custom: Custom) -> tuple[str, ...]:
    """What a reader must know of this scenario on this book: who is not held, whose beta is unknown."""
    held = {symbol_key(name) for name in who.underlying}
    absent = [symbol for symbol in custom.symbols if symbol not in held]
    said = [f"not held: {', '.join(absent)}"] if absent else []
    as_written = {symbol for symbol, part in custom.named if part.spot is not None or not custom.inherits}
    assumed = [name for name in who.proxied if symbol_key(name) not in as_written]
    if custom.spot_model == "beta" and custom.rest is not None and assumed:
        more = f" and {len(assumed) - MOST_NAMED} more" if len(assumed) > MOST_NAMED else ""
        said.append(f"beta unknown, 1 assumed: {', '.join(assumed[:MOST_NAMED])}{more}")
    return tuple(said)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """One part of a scenario on the rows it is for: the move stated, and which of its values the rows take from it."""

    rows: Bools
    move: float
    as_written: bool
    iv: tuple[IvClause, ...]
    iv_named: bool


def custom_market(
    book: MarkedBook, who: Movers, custom: Custom, settings: ScenarioSettings
) -> tuple[Floats, Floats, Bools, Bools]:
    """Spot and sigma after, where floor or cap held a volatility, and what neither moves nor ages, each (n,)."""
    base = book.contracts
    movable = np.array(
        [
            position.contract.kind not in UNSHOCKED_KINDS
            and position.contract.underlying in book.snapshot.underlyings
            for position in book.snapshot.positions
        ],
        dtype=np.bool_,
    )
    is_option = np.array(
        [position.contract.is_option for position in book.snapshot.positions], dtype=np.bool_
    )
    strikes = _strikes(book, settings)
    move, sigma = np.zeros(len(base)), base.sigma.copy()
    held, still = np.zeros(len(base), dtype=np.bool_), np.ones(len(base), dtype=np.bool_)
    for part in _parts(who, custom):
        still &= ~part.rows
        extra = _extra(custom, part.move, settings)
        relative, points = _change(custom, part.iv, extra, strikes)
        shifts = part.rows & (movable & is_option if part.iv_named else who.iv_moves)
        wanted, bound = hold(base.sigma, base.sigma * (1.0 + relative) + points, settings)
        sigma = np.where(shifts, wanted, sigma)
        held |= shifts & bound
        if part.as_written:
            move = np.where(part.rows & movable, part.move, move)
            continue
        market_iv = () if custom.rest is None else custom.rest.iv
        level, level_held = _level_move(book, who, custom, market_iv, extra, settings)
        follows = part.rows & (who.volatility != 0.0)
        move = np.where(part.rows, who.market * part.move, move)
        move = np.where(follows, who.volatility * level, move)
        held |= follows & level_held
    spot = base.spot * (1.0 + np.maximum(move, LOWEST_MOVE))
    return spot, sigma, held, still


def _parts(who: Movers, custom: Custom) -> Iterable[_Rows]:
    """The rows of each named symbol, and the rest."""
    names = np.array([symbol_key(name) for name in who.underlying], dtype=object)
    others = np.ones(len(names), dtype=np.bool_)
    base = custom.rest if custom.inherits and custom.rest is not None else Part()
    for symbol, part in custom.named:
        rows = np.asarray(names == symbol, dtype=np.bool_)
        others &= ~rows
        as_written = part.spot is not None or not custom.inherits
        stated = base.spot if part.spot is None else part.spot
        yield _Rows(rows, stated or 0.0, as_written, part.iv or base.iv, bool(part.iv))
    if custom.rest is not None:
        yield _Rows(others, custom.rest.spot or 0.0, False, custom.rest.iv, False)


def _extra(custom: Custom, move: float, settings: ScenarioSettings) -> list[IvClause]:
    """What rules add at this move: the scenario's own, else the configured one (D3)."""
    rules = custom.rules
    if not rules and settings.crash_put_extra and settings.default_iv_model != FLAT:  # it has no put wing
        rules = (Rule(True, -settings.crash_move, IvClause(Wing.PUTS, settings.crash_put_extra)),)
    return [rule.then for rule in rules if rule.holds(move)]


def _change(
    custom: Custom, clauses: Iterable[IvClause], extra: Iterable[IvClause], strikes: Strikes
) -> tuple[Floats, Floats]:
    return iv_change(clauses, extra, strikes, by_right=custom.by_right, scaled=custom.scaled)


def _strikes(book: MarkedBook, settings: ScenarioSettings) -> Strikes:
    rights = np.array([position.contract.right for position in book.snapshot.positions], dtype=object)
    return Strikes(
        book.moneyness,
        book.dte,
        np.asarray(rights == Right.PUT, dtype=np.bool_),
        np.asarray(rights == Right.CALL, dtype=np.bool_),
        settings.wing_at,
    )


def _level_move(
    book: MarkedBook,
    who: Movers,
    custom: Custom,
    clauses: Iterable[IvClause],
    extra: Iterable[IvClause],
    settings: ScenarioSettings,
) -> tuple[Floats, Bools]:
    """The relative move of the at-the-money volatility that each volatility product follows, and where floor or cap held it."""
    relative, points = _change(custom, clauses, extra, Strikes.at_the_money(who.tenor, settings.wing_at))
    level = np.where(who.level > 0.0, who.level, np.nan)
    after, bound = hold(level, level * (1.0 + relative) + points, settings)
    unknown = np.isnan(level)
    return np.where(unknown, relative + points / _usual_level(book, settings), after / level - 1.0), bound


def _usual_level(book: MarkedBook, settings: ScenarioSettings) -> float:
    """The volatility, a decimal, of which vol points are a share where a product shows none itself."""
    for name in settings.volatility_indices:
        underlying = book.snapshot.underlyings.get(name)
        if underlying is not None and underlying.spot is not None and underlying.spot > 0.0:
            return underlying.spot / 100.0
    return USUAL_VOLATILITY
