"""The risk matrix: P&L over a grid of spot and IV moves, each cell a scenario, some days on, with the templates' places.

The portfolio's spot axis is the market's move, which each position follows as in any market scenario (D4); a symbol's is its own.
"""

from collections.abc import Sequence

import numpy as np

from engine.marks import MarkedBook
from engine.results import Matrix, MatrixMark
from engine.scenarios.apply import Leg, position_pnl, shock
from engine.scenarios.iv_model import iv_model
from engine.scenarios.movers import INDEX_TENOR, Movers, movers
from engine.scenarios.shapes import Proportional, Uniform
from engine.scenarios.templates import TEMPLATES, Scenario, Scope
from engine.settings import MatrixSettings, ScenarioSettings

DEFAULT_GRID = MatrixSettings()


def risk_matrix(
    book: MarkedBook,
    settings: ScenarioSettings,
    symbol: str | None = None,
    grid: MatrixSettings = DEFAULT_GRID,
) -> Matrix:
    """P&L of the portfolio, or of the positions on one underlying, over the grid's steps.

    A shaped cell of IV step x is the formula with multiplier x: a month's option at the money moves by x, the rest by the model.
    """
    who = movers(book, settings)
    shape = Proportional if grid.shaped else Uniform
    scope = Scope.MARKET if symbol is None else Scope.SINGLE_STOCKS
    cells = [
        shock(
            book, who, Leg(Scenario("cell", (spot,), shape(iv), scope=scope, symbol=symbol), spot), settings
        )
        for spot in grid.spot_steps
        for iv in grid.iv_steps
    ]
    pnl = position_pnl(book, cells, [grid.days] * len(cells))
    counted = who.touched_by(symbol, single_stocks=False)
    known = counted & book.valued
    sums = (
        np.nansum(pnl[:, counted], axis=1)
        if known.any() or not counted.any()
        else np.full(len(cells), np.nan)
    )
    return Matrix(
        grid.spot_steps,
        grid.iv_steps,
        sums.reshape(len(grid.spot_steps), len(grid.iv_steps)),
        grid.days,
        grid.shaped,
        _marks(who, settings, symbol, grid),
    )


def _marks(
    who: Movers, settings: ScenarioSettings, symbol: str | None, grid: MatrixSettings
) -> tuple[MatrixMark, ...]:
    """The places of the templates that belong on this matrix; of a two-sided one those of both legs, once where they share one.

    Market templates do, those of earnings where the matrix is one stock's, those of time where it is as many days on. On a
    symbol's matrix a market template lies where it takes that symbol.
    """
    touched = who.touched_by(symbol, single_stocks=False)
    of_one_stock = symbol is not None and bool(who.single_stock[touched].any())
    ratio = (
        1.0
        if symbol is None or not touched.any()
        else float(who.market[touched][np.argmax(who.own[touched])])
    )
    places: dict[tuple[str, int, int], MatrixMark] = {}
    for scenario in TEMPLATES:
        own = scenario.scope is Scope.SINGLE_STOCKS
        if scenario.days not in {0, grid.days} or (own and not of_one_stock) or _is_nothing(scenario):
            continue
        for leg in scenario.spot:
            iv = float(
                iv_model(settings).at_the_money(scenario.iv, np.array([INDEX_TENOR]), leg, settings)[0]
            )
            spot = leg if own else leg * ratio
            row, row_off = _nearest(grid.spot_steps, spot)
            column, column_off = _nearest(grid.iv_steps, iv)
            mark = MatrixMark(scenario.name, row, column, spot, iv, row_off or column_off)
            places.setdefault((mark.name, row, column), mark)
    return tuple(places.values())


def _is_nothing(scenario: Scenario) -> bool:
    return scenario.spot == (0.0,) and scenario.days == 0


def _nearest(steps: Sequence[float], value: float) -> tuple[int, bool]:
    """The index of the nearest step, and whether the value is beyond the first or last by more than half a step's width."""
    ascending = np.array(steps)
    i = int(np.argmin(np.abs(ascending - value)))
    if len(ascending) == 1:
        return i, abs(value - ascending[0]) > 1e-9
    low, high = ascending[1] - ascending[0], ascending[-1] - ascending[-2]
    off = value < ascending[0] - low / 2 - 1e-9 or value > ascending[-1] + high / 2 + 1e-9
    return i, bool(off)
