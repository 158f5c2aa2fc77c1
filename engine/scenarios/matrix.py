"""The risk matrix: portfolio P&L over a grid of spot and IV moves, each cell a uniform scenario."""

from typing import Final

import numpy as np

from engine.marks import MarkedBook
from engine.results import Matrix
from engine.scenarios.apply import Leg, position_pnl, shock
from engine.scenarios.movers import movers
from engine.scenarios.shapes import Uniform
from engine.scenarios.templates import Scenario
from engine.settings import ScenarioSettings

SPOT_STEPS: Final = (-0.20, -0.15, -0.10, -0.05, 0.0, 0.05, 0.10, 0.15, 0.20)
IV_STEPS: Final = (-0.50, -0.25, 0.0, 0.25, 0.50, 0.75, 1.00)


def risk_matrix(book: MarkedBook, settings: ScenarioSettings, symbol: str | None = None) -> Matrix:
    """P&L of the portfolio, or of the positions on one underlying, over SPOT_STEPS by IV_STEPS."""
    who = movers(book, settings)
    cells = [
        shock(book, who, Leg(Scenario("cell", (spot,), Uniform(iv), symbol=symbol), spot), settings)
        for spot in SPOT_STEPS
        for iv in IV_STEPS
    ]
    pnl = position_pnl(book, cells, [0] * len(cells))
    counted = who.touched_by(symbol, single_stocks=False)
    known = counted & book.valued
    sums = (
        np.nansum(pnl[:, counted], axis=1)
        if known.any() or not counted.any()
        else np.full(len(cells), np.nan)
    )
    return Matrix(SPOT_STEPS, IV_STEPS, sums.reshape(len(SPOT_STEPS), len(IV_STEPS)))
