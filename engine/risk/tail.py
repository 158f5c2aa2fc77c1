"""Value at Risk and expected shortfall of the book, and who causes them: full revaluation under days of history (D15).

Losses are positive. One day; n days are the square root of n times it. The quantile is linear between order statistics (Hyndman
and Fan's type 7); expected shortfall is the mean of the worst share of days, the last of them in part (Acerbi and Tasche 2002).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.marks import MarkedBook
from engine.model import UNSHOCKED_KINDS, Bools, Floats
from engine.results import EXPIRED, Remark, TailFigure, TailRisk, TailShare
from engine.risk.correlation import correlations
from engine.risk.moves import DailyMoves, daily_moves
from engine.risk.simulation import es_error, simulated_pnl, var_error
from engine.scenarios import pnl_under
from engine.settings import EngineSettings, ScenarioSettings

LEVELS: Final = (0.95, 0.975, 0.99)
SHARES_AT: Final = 0.975
"""The level at which expected shortfall is allocated."""
FILTERED, PLAIN = "filtered history", "plain history"
SIMULATED, BY_GREEKS = "simulated paths", "delta-gamma-vega"
AROUND: Final = 0.02
"""Share of the days, on each side of the quantile, that a component of Value at Risk is the mean of."""


def tail_risk(book: MarkedBook, settings: ScenarioSettings) -> TailRisk:
    """Value at Risk and expected shortfall by filtered and by plain history, and the filtered one by position and underlying.

    Positions that can't be valued, or whose underlying's days are unknown, are in no sum and are named.
    """
    positions = book.snapshot.positions
    if not positions:
        return _unknown(book, "nothing is held")
    moves = daily_moves(book, settings)
    if isinstance(moves, str):
        return _unknown(book, moves)
    shocks = {PLAIN: moves.shocked(book, False, settings)}
    if moves.has_filter:
        shocks = {FILTERED: moves.shocked(book, True, settings), **shocks}
    methods = {method: pnl_under(book, *shocked) for method, shocked in shocks.items()}
    chosen, counted = next(iter(methods.values())), _counted(methods.values()) & ~book.expired
    if not counted.any():
        return _unknown(book, "nothing could be valued", moves)
    methods[BY_GREEKS] = pnl_by_greeks(book, *next(iter(shocks.values())))
    figures = tuple(
        TailFigure(method, level, value_at_risk(total, level), expected_shortfall(total, level), len(total))
        for method, total in ((method, pnl[:, counted].sum(axis=1)) for method, pnl in methods.items())
        for level in LEVELS
    )
    of_var, of_es = np.full((2, len(positions)), np.nan)
    pnl = chosen[:, counted]
    of_var[counted], of_es[counted] = component_var(pnl, LEVELS[-1]), component_es(pnl, SHARES_AT)
    names = np.array([position.contract.underlying for position in positions], dtype=object)[counted]
    shares = _by_underlying(pnl, names, of_var[counted], of_es[counted])
    together = correlations(np.where(counted, chosen, np.nan), positions)
    return TailRisk(
        figures, of_var, of_es, shares, len(moves.days), _left_out(book, moves, counted), moves.notes, None,
        correlation=together[0], correlation_by_underlying=together[1],
    )  # fmt: skip


def simulated(book: MarkedBook, tail: TailRisk, settings: EngineSettings) -> TailRisk:
    """`tail` with the figures of the simulation, of the positions that are in the others, each with its standard error."""
    counted = np.isfinite(tail.component_es)
    moves = daily_moves(book, settings.scenarios)
    if isinstance(moves, str) or not counted.any():
        return tail
    pnl = simulated_pnl(book, moves, counted, settings.scenarios, settings.simulation)
    if np.isnan(pnl).any():
        return replace(tail, notes=(*tail.notes, "no simulated figures: some paths give no value"))
    figures = tuple(
        TailFigure(
            SIMULATED,
            level,
            value_at_risk(pnl, level),
            expected_shortfall(pnl, level),
            len(pnl),
            var_error(pnl, level),
            es_error(pnl, level),
        )
        for level in LEVELS
    )
    return replace(tail, figures=(*tail.figures, *figures))


def pnl_by_greeks(book: MarkedBook, spot: Floats, sigma: Floats) -> Floats:
    """P&L of each position, (k, n), as `pnl_under`, but by today's delta, gamma and vega alone: a cross-check of the models, and
    of how much of the tail lies beyond them."""
    unit, step = book.greeks, spot - book.contracts.spot
    points = np.where(np.isfinite(sigma), 100.0 * (sigma - book.contracts.sigma), 0.0)
    change = unit.delta * step + 0.5 * unit.gamma * step**2 + unit.vega * points
    still = [position.contract.kind in UNSHOCKED_KINDS for position in book.snapshot.positions]
    return np.asarray(np.where(still, 0.0, change * book.scale))


def _counted(methods: Iterable[Floats]) -> Bools:
    """(n,): which positions have a value on all days of all methods, each (k, n)."""
    return np.asarray(np.all([np.isfinite(pnl).all(axis=0) for pnl in methods], axis=0))


def _unknown(book: MarkedBook, reason: str, moves: DailyMoves | None = None) -> TailRisk:
    n = len(book.snapshot.positions)
    none = np.full(n, np.nan)
    if moves is None:
        return TailRisk((), none, none, (), 0, (), (), reason)
    nobody = np.zeros(n, dtype=np.bool_)
    return TailRisk((), none, none, (), len(moves.days), _left_out(book, moves, nobody), moves.notes, reason)


def _left_out(book: MarkedBook, moves: DailyMoves, counted: Bools) -> tuple[Remark, ...]:
    """Positions that have a value and are in no figure; those without a value are named by the report's quality."""
    reasons = {remark.id: remark.reason for remark in moves.left_out}
    gone = zip(book.snapshot.positions, book.expired, strict=True)
    reasons |= {position.id: EXPIRED for position, expired in gone if expired}
    return tuple(
        Remark(position.id, reasons.get(position.id, "some days give it no value"))
        for position, valued, known in zip(book.snapshot.positions, book.valued, counted, strict=True)
        if valued and not known
    )


def value_at_risk(pnl: Floats, level: float) -> float:
    """The loss that P&L (k,) goes beyond with the chance 1 - level; negative where even that day gains."""
    return float(-np.quantile(pnl, 1.0 - level))


def expected_shortfall(pnl: Floats, level: float) -> float:
    """The mean loss of the worst 1 - level of the days of P&L (k,)."""
    return float(-(pnl @ _worst(pnl, level)))


def component_es(pnl: Floats, level: float) -> Floats:
    """(n,): each position's mean loss on the book's worst days; they sum to the book's expected shortfall (Euler; Tasche 1999).

    Args:
        pnl: (k, n).
    """
    return np.asarray(-(_worst(pnl.sum(axis=1), level) @ pnl) + 0.0)


def component_var(pnl: Floats, level: float) -> Floats:
    """(n,): each position's mean loss on the days around the book's quantile, scaled to sum to its Value at Risk.

    One day alone says little of what is usual there. NaN where those days do not lose.

    Args:
        pnl: (k, n).
    """
    total = pnl.sum(axis=1)
    k, order = len(total), np.argsort(total, kind="stable")
    at, reach = (k - 1) * (1.0 - level), max(AROUND * k, 1.0)
    near = np.maximum(1.0 - np.abs(np.arange(k) - at) / reach, 0.0)
    around = -(near / near.sum()) @ pnl[order]
    whole, target = float(around.sum()), value_at_risk(total, level)
    if target == 0.0:
        return np.zeros(pnl.shape[1])
    if whole * target <= 0.0:
        return np.full(pnl.shape[1], np.nan)
    return np.asarray(around * (target / whole) + 0.0)


def incremental_es(pnl: Floats, groups: Sequence[Floats], level: float) -> list[float]:
    """By how much the book's expected shortfall would fall without each group.

    Args:
        pnl: (k, n). groups: masks (n,).
    """
    total = pnl.sum(axis=1)
    whole = expected_shortfall(total, level)
    return [whole - expected_shortfall(total - pnl[:, mask].sum(axis=1), level) for mask in groups]


def _worst(pnl: Floats, level: float) -> Floats:
    """(k,): the weights of the days in the mean of the worst 1 - level of them."""
    k, weights = len(pnl), np.zeros(len(pnl))
    share = (1.0 - level) * k
    whole = min(math.floor(share + 1e-9), k)
    order = np.argsort(pnl, kind="stable")
    weights[order[:whole]] = 1.0
    if whole < k:
        weights[order[whole]] = max(share - whole, 0.0)
    return np.asarray(weights / weights.sum())


def _by_underlying(
    pnl: Floats, names: npt.NDArray[Any], of_var: Floats, of_es: Floats
) -> tuple[TailShare, ...]:
    """The largest component first.

    Args:
        pnl: (k, n). names, of_var, of_es: (n,).
    """
    kept = list(dict.fromkeys(names.tolist()))
    masks = [names == name for name in kept]
    rows = [
        TailShare(
            name,
            float(of_var[mask].sum()),
            float(of_es[mask].sum()),
            expected_shortfall(pnl[:, mask].sum(axis=1), SHARES_AT),
            less,
        )
        for name, mask, less in zip(kept, masks, incremental_es(pnl, masks, SHARES_AT), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.component_es))
