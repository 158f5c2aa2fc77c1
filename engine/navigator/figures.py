"""What riskbot says of the figures of an export: a column for each of its columns, per unit, and what scales it to a holding.

Unit figures are those of `PositionRisk`; P&L under a move of every spot by the same percentage (or each by its beta), with
volatility, time and rates as they are, leveraged funds by their ratio: what Risk Navigator plots as Equal Percentage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from engine.marks import MarkedBook
from engine.model import Floats
from engine.navigator.headers import Key, Measure
from engine.scenarios import Scenario, run_scenarios
from engine.scenarios.shapes import Uniform
from engine.settings import ScenarioSettings


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Columns (n,) in the order of the Snapshot's positions; NaN is unknown.

    Attributes:
        unit: by figure; of a P&L and of the quantity the whole holding's.
        quantity: signed.
        holding: quantity * multiplier.
        base: quantity * multiplier * exchange rate: to base currency.
        spot: the underlying's price, or forward, that each position is valued on.
        market: the underlying's own price.
    """

    unit: Mapping[Key, Floats]
    quantity: Floats
    holding: Floats
    base: Floats
    spot: Floats
    market: Floats


def figures(book: MarkedBook, keys: Iterable[Key], settings: ScenarioSettings, beta: bool = False) -> Figures:
    """riskbot's figures for the columns `keys` of an export."""
    positions = book.snapshot.positions
    quantity = np.array([position.quantity for position in positions], dtype=np.float64)
    multiplier = np.array([position.contract.multiplier for position in positions], dtype=np.float64)
    known = book.snapshot.underlyings
    market = np.array([_price(known.get(p.contract.underlying)) for p in positions], dtype=np.float64)
    options = np.array([position.contract.is_option for position in positions], dtype=np.bool_)
    greeks, spot = book.greeks, book.contracts.spot
    units = {
        Measure.QUANTITY: quantity,
        Measure.PRICE: book.mark,
        Measure.SPOT: market,
        Measure.VALUE: book.mark,
        Measure.IV: np.where(options, book.contracts.sigma, np.nan),
        Measure.DELTA: greeks.delta,
        Measure.DOLLAR_DELTA: greeks.delta * spot,
        Measure.GAMMA: greeks.gamma,
        Measure.VEGA: greeks.vega,
        Measure.THETA: greeks.theta,
        Measure.RHO: greeks.rho,
    }
    keys = tuple(keys)
    moves = tuple(dict.fromkeys(move for _, move in keys if move is not None))
    pnl = _pnl(book, moves, settings, beta)
    unit = {key: pnl[key[1]] if key[1] is not None else units[key[0]] for key in keys}
    return Figures(unit, quantity, quantity * multiplier, book.scale, spot, market)


def _pnl(
    book: MarkedBook, moves: tuple[float, ...], settings: ScenarioSettings, beta: bool
) -> dict[float, Floats]:
    """P&L (n,) of each move, in base currency."""
    scenarios = tuple(Scenario(repr(move), (move,), Uniform(0.0)) for move in moves)
    model = settings.model_copy(update={"spot_model": "beta" if beta else "uniform"})
    return {
        move: outcome.pnl for move, outcome in zip(moves, run_scenarios(book, scenarios, model), strict=True)
    }


def _price(underlying: object) -> float:
    spot = getattr(underlying, "spot", None)
    return float("nan") if spot is None else float(spot)
