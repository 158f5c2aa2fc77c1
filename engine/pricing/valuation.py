"""Which model values which contract: the door of this package.

LINEAR is worth its own price. Europeans without cash dividends, and Americans for which early exercise can't pay, have the
closed form; the others the closed form plus the residual of a table, made once per contract and read for every shock. With a
dividend almost due they are what remains after it, or exercise just before (`imminent`). What no table serves (expiry, no
volatility, a spot of nothing, a forward that drifts over many deviations) is solved directly.
A contract with an input that is NaN, infinite or negative (sigma, strike, spot, a dividend; not the price of LINEAR), or with
a rate beyond all measure, is worth NaN, and touches no other contract.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from engine.pricing import american, backend, implied_vol
from engine.pricing.bands import rows_of
from engine.pricing.dividends import shifted
from engine.pricing.grid import Rows
from engine.pricing.imminent import Choice, almost_due
from engine.pricing.tables import Tables
from engine.pricing.types import (
    UNITS,
    BoolArray,
    Contracts,
    Floats,
    GreekColumns,
    ImpliedVolatility,
    IntArray,
    IvReason,
    Model,
    Shocks,
)

RATE_STEP: Final = 0.001
NAMES: Final = GreekColumns.__slots__
CHOICES: Final = 2
"""Each dividend that is almost due multiplies the states that are valued after it."""

MOST_CARRY: Final = 700.0
"""Rate or yield times the life of an option, beyond which its growth is no number."""

LINEAR, BLACK_76, AMERICAN, AMERICAN_76 = map(
    int, (Model.LINEAR, Model.BLACK_76, Model.AMERICAN, Model.AMERICAN_76)
)  # numpy compares with a plain number four times as fast

_TABLES: Final = Tables()  # a memo: what is in it changes no value


def price(contracts: Contracts) -> Floats:
    """Value of each contract per unit of its underlying, (n,)."""
    return np.asarray(_valued(contracts, _unshocked(contracts))[0])


def value(contracts: Contracts, shocks: Shocks) -> Floats:
    """Value of each contract in each shock, (n_shocks, n), per unit of its underlying.

    An element that a shock leaves as it is has the value of price(contracts), bit for bit. The others are read off the
    tables of the contracts as they are unshocked.

    Raises:
        ValueError: If the shocks are for another number of contracts.
    """
    _refuse_others(contracts, shocks)
    out = _valued(contracts, shocks)
    still = (shocks.spot == contracts.spot) & (shocks.sigma == contracts.sigma)
    still[shocks.years != 0.0] = False
    if still.any():
        np.copyto(out, price(contracts), where=still)
    return out


def greeks(contracts: Contracts) -> GreekColumns:
    """Price and Greeks of each contract, (n,) each; LINEAR has delta 1 and no other."""
    out = _greeks(contracts, _unshocked(contracts))
    return GreekColumns(*out[:, 0])


def shocked_greeks(contracts: Contracts, shocks: Shocks) -> GreekColumns:
    """Price and Greeks of each contract in each shock, (n_shocks, n) each.

    Raises:
        ValueError: If the shocks are for another number of contracts.
    """
    _refuse_others(contracts, shocks)
    return GreekColumns(*_greeks(contracts, shocks))


def implied_volatility(contracts: Contracts, prices: Floats) -> ImpliedVolatility:
    """The sigma at which this package's own model gives each price; the contracts' sigma is not looked at.

    Args:
        prices: (n,), per unit of the underlying.
    Returns:
        sigma, NaN where it is not identified, and the reason of each.
    """
    c = replace(contracts, sigma=np.ones(len(contracts)))
    sigma, reason = np.full(len(c), np.nan), np.full(len(c), int(IvReason.BAD_INPUT), dtype=np.int64)
    reason[c.model == LINEAR] = IvReason.NOT_AN_OPTION
    usable = (c.model != LINEAR) & _usable(c) & np.isfinite(c.spot) & (c.spot >= 0.0)
    carried, early = _carried(c), _early(c)
    tabled = _tabled(carried, early)
    with np.errstate(all="ignore"):
        closed, other = np.flatnonzero(usable & ~tabled), np.flatnonzero(usable & tabled)
        if len(closed):
            sigma[closed], reason[closed] = implied_vol.european(carried.take(closed), prices[closed])
        if len(other):
            part = carried.take(other)
            sigma[other], reason[other] = implied_vol.on_tables(
                part, early[other], prices[other], _TABLES, _value_at
            )
    return ImpliedVolatility(sigma, reason)


def _value_at(contracts: Contracts, sigmas: Floats) -> Floats:
    return _valued(
        contracts, Shocks(np.broadcast_to(contracts.spot, sigmas.shape), sigmas, np.zeros(len(sigmas)))
    )


def _refuse_others(contracts: Contracts, shocks: Shocks) -> None:
    if shocks.spot.shape[1] != len(contracts):
        raise ValueError(f"shocks for {shocks.spot.shape[1]} contracts, not {len(contracts)}")


def _unshocked(c: Contracts) -> Shocks:
    return Shocks(c.spot[None, :], c.sigma[None, :], np.zeros(1))


@np.errstate(all="ignore")
def _valued(contracts: Contracts, shocks: Shocks, choices: int = CHOICES) -> Floats:
    """(n_shocks, n). `choices`: so many dividends, one after the other, may be almost due; the others are for the tables."""
    out = np.full(shocks.spot.shape, np.nan)
    linear = contracts.model == LINEAR
    out[:, linear] = shocks.spot[:, linear]
    for asked in _horizons(contracts, shocks, choices):
        if (choice := asked.choice) is not None:
            out[asked.cells_before_dividends] = choice.prices(_valued(choice.after, choice.held, choices - 1))
        if not len(asked.columns):
            continue
        rows, columns = asked.rows()
        _TABLES.values(rows, columns, asked.shocks, shocks.spot, shocks.sigma, out)
        where = asked.unanswered(out)
        if where is not None:
            solved = american.solve(asked.contracts_at(*where), asked.early[where[1]])
            out[asked.cells(*where)] = solved.price
    return out


@np.errstate(all="ignore")
def _greeks(contracts: Contracts, shocks: Shocks, choices: int = CHOICES) -> Floats:
    """(9, n_shocks, n), in the units of GreekColumns; the price is to the bit that of `_valued`."""
    out = np.full((len(NAMES), *shocks.spot.shape), np.nan)
    for asked in _horizons(contracts, shocks, choices):
        if (choice := asked.choice) is not None:
            after = _greeks(choice.after, choice.held, choices - 1) / UNITS[:, None, None]
            shock, column = asked.cells_before_dividends
            out[:, shock, column] = choice.greeks(after)
        if not len(asked.columns):
            continue
        shock, column = np.ix_(asked.shocks, asked.closed_columns)
        out[:, shock, column] = asked.closed_form()
        rows, columns = asked.rows()
        _TABLES.greeks(
            rows, asked.moved(rows, columns), RATE_STEP, columns, asked.shocks, shocks.spot, shocks.sigma, out
        )
        where = asked.unanswered(out[0])
        if where is not None:
            direct = asked.contracts_at(*where)
            solved = american.greeks(direct, asked.early[where[1]], asked.on_forward[where[1]])
            for k, name in enumerate(NAMES):
                out[(k, *asked.cells(*where))] = getattr(solved, name) / UNITS[k]
    out *= UNITS[:, None, None]
    linear = contracts.model == LINEAR
    if linear.any():
        own = shocks.spot[:, linear]
        out[:, :, linear] = np.where(np.isnan(own), np.nan, 0.0)
        out[0][:, linear] = own
        out[1][:, linear] += 1.0
    return out


class _Horizon:
    """The options of a book that can be valued, as they are at one horizon, and the shocks that go there.

    `choice` has those of them whose next dividend is almost due, at `cells_before_dividends` of the matrices; all else is
    about the others.
    """

    def __init__(
        self,
        contracts: Contracts,
        columns: IntArray,
        years: float,
        which: IntArray,
        shocks: Shocks,
        choices: int,
    ) -> None:
        c = contracts if len(columns) == len(contracts) else contracts.take(columns)
        if years:
            times, amounts = shifted(c.dividend_times, c.dividend_amounts, np.full(len(c), years))
            c = replace(c, tau=c.tau - years, dividend_times=times, dividend_amounts=amounts)
        c = _carried(c)
        early = _early(c)
        due = almost_due(c) if choices > 0 else np.zeros(len(c), dtype=np.bool_)
        self.choice: Choice | None = None
        if due.any():
            self.cells_before_dividends = at = np.ix_(which, columns[due])
            self.choice = Choice.of(c.take(due), early[due], shocks.spot[at], shocks.sigma[at])
            c, early, columns = c.take(~due), early[~due], columns[~due]
        self.contracts, self.early, self.on_forward = c, early, _on_forward(c)
        self.columns, self.shocks, self._all = columns, which, shocks
        self._tabled = _tabled(c, early)
        self.closed_columns = columns[~self._tabled]

    def closed_form(self) -> Floats:
        """(9, k, m): price and Greeks, per year and per 1.00, of the contracts of `closed_columns` in each shock."""
        at = np.ix_(self.shocks, self.closed_columns)
        c, closed = self.contracts, ~self._tabled
        columns = (
            np.where(c.is_call, 1.0, -1.0)[closed],
            self._all.spot[at],
            c.strike[closed],
            self._all.sigma[at],
            c.tau[closed],
            c.rate[closed],
            c.dividend_yield[closed],
            self.on_forward[closed].astype(np.float64),
        )
        shape = at[0].size, at[1].size
        flat = [
            column.ravel() if column.ndim == 2 else np.concatenate([column] * shape[0]) for column in columns
        ]
        out = np.empty((len(NAMES), shape[0] * shape[1]))
        with np.errstate(all="ignore"):
            backend.kernels().european(*flat, 0, out.shape[1], out)
        out[:, ~(np.isfinite(flat[1]) & np.isfinite(flat[3]))] = np.nan
        return out.reshape(len(NAMES), *shape)

    def rows(self) -> tuple[Rows, IntArray]:
        """The rows that serve these contracts' shocks, and the column of each."""
        asked = (self.contracts.tau > 0.0) & (self.contracts.strike > 0.0)
        c, early, columns, tabled = self.contracts, self.early, self.columns, self._tabled
        if not asked.all():
            c, early, columns, tabled = c.take(asked), early[asked], columns[asked], tabled[asked]
        sigmas = self._all.sigma if len(self.shocks) == len(self._all) else self._all.sigma[self.shocks]
        with np.errstate(all="ignore"):
            root = np.sqrt(c.tau)
            lowest = np.fmin.reduce(sigmas, axis=0)[columns] * root
            highest = np.fmax.reduce(sigmas, axis=0)[columns] * root
            if not (c.sigma >= 0.0).all():
                c = replace(c, sigma=np.where(c.sigma >= 0.0, c.sigma, np.nan_to_num(highest / root)))
            rows, contract = rows_of(c, early, lowest, highest, tabled)
        return rows, columns[contract]

    def moved(self, rows: Rows, columns: IntArray) -> Rows:
        """The rows at a rate higher by RATE_STEP: of a contract on a forward the yield, which is its rate, moves along."""
        on_forward = self.on_forward[np.searchsorted(self.columns, columns)]
        return rows._replace(rate=rows.rate + RATE_STEP, yield_=rows.yield_ + RATE_STEP * on_forward)

    def cells(self, shock: IntArray, contract: IntArray) -> tuple[IntArray, IntArray]:
        """Where they are in the matrices of all."""
        return self.shocks[shock], self.columns[contract]

    def unanswered(self, out: Floats) -> tuple[IntArray, IntArray] | None:
        """Where `out` has no value though the shocked spot and sigma are sound: shocks and contracts, None for nowhere."""
        shock, column = np.nonzero(np.isnan(out))
        if not len(shock):
            return None
        spot, sigma = self._all.spot[shock, column], self._all.sigma[shock, column]
        sound = np.isfinite(spot) & (spot >= 0.0) & np.isfinite(sigma) & (sigma >= 0.0)
        sound &= np.isin(shock, self.shocks) & np.isin(column, self.columns)
        if not sound.any():
            return None
        return np.searchsorted(self.shocks, shock[sound]), np.searchsorted(self.columns, column[sound])

    def contracts_at(self, shock: IntArray, contract: IntArray) -> Contracts:
        """One contract per (shock, contract), as it is in that shock."""
        at = self.cells(shock, contract)
        return replace(self.contracts.take(contract), spot=self._all.spot[at], sigma=self._all.sigma[at])


def _horizons(contracts: Contracts, shocks: Shocks, choices: int) -> list[_Horizon]:
    columns = np.flatnonzero((contracts.model != LINEAR) & _usable(contracts))
    if not len(columns) or not len(shocks):
        return []
    return [
        _Horizon(contracts, columns, float(years), np.flatnonzero(shocks.years == years), shocks, choices)
        for years in np.unique(shocks.years)
    ]


def _tabled(carried: Contracts, early: BoolArray) -> BoolArray:
    """Which contracts have no closed form."""
    return np.where(early, ~american.never_early(carried), american.pays_dividends(carried))


def _usable(c: Contracts) -> BoolArray:
    """Contracts that are sound in all but spot and sigma."""
    finite = np.isfinite(c.strike + c.tau + c.rate + c.dividend_yield) & (c.strike >= 0.0)
    finite &= np.maximum(np.abs(c.rate), np.abs(c.dividend_yield)) * np.maximum(c.tau, 0.0) < MOST_CARRY
    amounts = c.dividend_amounts
    dividends = ~np.isnan(c.dividend_times).any(axis=1) & (np.isfinite(amounts) & (amounts >= 0.0)).all(
        axis=1
    )
    return np.asarray(finite & (dividends | _on_forward(c)))


def _early(c: Contracts) -> BoolArray:
    return np.asarray((c.model == AMERICAN) | (c.model == AMERICAN_76))


def _on_forward(c: Contracts) -> BoolArray:
    return np.asarray((c.model == BLACK_76) | (c.model == AMERICAN_76))


def _carried(c: Contracts) -> Contracts:
    """The same contracts, those on a forward as on a spot whose yield is the rate and which pays no dividend."""
    forward = _on_forward(c)
    amounts = np.where(forward[:, None], 0.0, c.dividend_amounts)
    return replace(c, dividend_yield=np.where(forward, c.rate, c.dividend_yield), dividend_amounts=amounts)
