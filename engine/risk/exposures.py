"""Greeks of holdings, in the units of the design, and their sums."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.marks import MarkedBook
from engine.model import UNSHOCKED_KINDS, Bools, Floats
from engine.pricing import GreekColumns, Shocks, shocked_greeks
from engine.results import Exposure
from engine.scenarios import Outcome

NOTHING: Final = Exposure(*[0.0] * 9)
UNKNOWN: Final = Exposure(*[float("nan")] * 9)


def position_exposures(book: MarkedBook) -> Floats:
    """(n, 9): the fields of `Exposure` for each position; NaN rows for what can't be valued."""
    return exposure_columns(book.greeks, book.contracts.spot, book)


def exposure_columns(columns: GreekColumns, spot: Floats, book: MarkedBook) -> Floats:
    """(n, 9) from unit Greeks (n,): delta, dollar delta, dollar gamma per 1 %, vega per point, theta per day, rho per 1 %, and
    what a vol point and a day do to them: vanna, volga, charm.

    Currencies, bonds and what else stays in every scenario have none.
    """
    positions = book.snapshot.positions
    quantity = np.array([position.quantity * position.contract.multiplier for position in positions])
    still = np.array([position.contract.kind in UNSHOCKED_KINDS for position in positions], dtype=np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):  # absurd inputs give absurd numbers, not warnings
        table = np.stack(
            [
                columns.delta * quantity,
                columns.delta * spot * book.scale,
                columns.gamma * spot**2 / 100.0 * book.scale,
                columns.vega * book.scale,
                columns.theta * book.scale,
                columns.rho * book.scale,
                columns.vanna * spot * book.scale,
                columns.volga * book.scale,
                columns.charm * spot * book.scale,
            ],
            axis=1,
        )
    table[still] = 0.0
    return np.asarray(np.where(book.valued[:, None], table, np.nan))


def exposure_sum(table: Floats, rows: Bools | slice = slice(None)) -> Exposure:
    """The sum of the valued rows; what is left out is named by the report's quality. NaN where there are rows and none is
    valued."""
    counted = table[rows]
    if not len(counted):
        return NOTHING
    if np.isnan(counted).any(axis=1).all():
        return UNKNOWN
    return Exposure(*np.nansum(counted, axis=0).tolist())


def exposures_after(book: MarkedBook, outcomes: Sequence[Outcome]) -> list[Exposure]:
    """The portfolio's Greeks in the market of each outcome, from one valuation of all of them."""
    if not outcomes:
        return []
    shocks = Shocks(
        spot=np.stack([outcome.market.spot for outcome in outcomes]),
        sigma=np.stack([outcome.market.sigma for outcome in outcomes]),
        years=np.array([outcome.years for outcome in outcomes]),
    )
    columns = shocked_greeks(book.contracts, shocks)
    sums = []
    for k, outcome in enumerate(outcomes):
        mine = GreekColumns(*(getattr(columns, name)[k] for name in GreekColumns.__slots__))
        table = exposure_columns(mine, shocks.spot[k], book)
        if outcome.market.still is not None:
            table[outcome.market.still] = position_exposures(book)[outcome.market.still]
        sums.append(exposure_sum(table))
    return sums
