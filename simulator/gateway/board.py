"""What every option in use is worth right now, without solving each one on every tick.

Each row keeps an anchor: price and Greeks solved at a spot, a volatility and a time. Between solutions its value
is the anchor's Taylor expansion at the current spot, volatility and time. A row is solved anew when spot has
moved by a small part of a standard deviation to expiry, its volatility by a few percent, or the anchor is old, so
that the expansion stays well inside the spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.pricing import Contracts, Model, greeks
from simulator.gateway.contracts import Instrument
from simulator.gateway.market import YEAR_S, Market
from simulator.gateway.surface import Floats, Index
from simulator.universe import RATE, Kind

_SPOT_STEP = 0.1  # of a standard deviation of spot to expiry
_SIGMA_STEP = 0.03
_OLDEST_S = 240.0
_OLDEST_OF_TAU = 0.01
_SOON = 4.0  # so many times over a step, a row can't wait for its turn
_PER_TURN = 24
_CHUNK = 32
_DAY_S = 86_400.0
_SHORTEST_TAU = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The columns of contracts that do not change, each (n,)."""

    at: Index
    strike: Floats
    is_call: npt.NDArray[np.bool_]
    model: npt.NDArray[np.int64]
    expires: Floats

    @classmethod
    def of(cls, instruments: Sequence[Instrument], index: Mapping[str, int]) -> "Terms":
        return cls(
            np.array([index[one.symbol] for one in instruments], dtype=np.intp),
            np.array([one.strike for one in instruments], dtype=float),
            np.array([one.right == "C" for one in instruments], dtype=bool),
            np.array([_model(one) for one in instruments], dtype=np.int64),
            np.array([one.expiry.at.timestamp() for one in instruments if one.expiry], dtype=float),
        )

    def take(self, rows: Index) -> "Terms":
        return Terms(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Every row of the board at one moment, each (n,): model value, volatility, Greeks in the broker's units
    (vega per vol point, theta per day), the forward and the present value of dividends to expiry."""

    price: Floats
    sigma: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    forward: Floats
    dividends_pv: Floats


class Board:
    """The options in use, one row each."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._row_of: dict[int, int] = {}
        self._instruments: list[Instrument] = []
        self._terms = Terms.of([], market.index)
        self._anchor = np.empty((8, 0))  # spot, sigma, time, price, delta, gamma, vega, theta
        self._dividends_pv = np.empty(0)
        self.view = View(*(np.empty(0) for _ in range(8)))

    def __len__(self) -> int:
        return len(self._instruments)

    def row(self, instrument: Instrument) -> int:
        """The option's row; a new one is solved by the next refresh."""
        if instrument.con_id not in self._row_of:
            self.add([instrument])
        return self._row_of[instrument.con_id]

    def add(self, instruments: Sequence[Instrument]) -> None:
        """Gives rows to the options that have none."""
        new = [one for one in instruments if one.con_id not in self._row_of]
        if not new:
            return
        for one in new:
            self._row_of[one.con_id] = len(self._instruments)
            self._instruments.append(one)
        self._terms = Terms.of(self._instruments, self._market.index)
        self._anchor = np.hstack([self._anchor, np.full((8, len(new)), np.nan)])
        self._dividends_pv = np.append(self._dividends_pv, np.zeros(len(new)))
        self.view = View(
            *(np.append(getattr(self.view, name), np.full(len(new), np.nan)) for name in View.__slots__)
        )

    def is_priced(self, instrument: Instrument) -> bool:
        """True once a refresh has seen the option's first solution."""
        return bool(np.isfinite(self.view.price[self._row_of[instrument.con_id]]))

    def chores(self) -> list[Index]:
        """What is to be solved now, in batches: whatever the market has left behind, and the next in turn."""
        urgency = self._urgency()
        due = np.flatnonzero(urgency > 1)
        order = due[np.argsort(-urgency[due], kind="stable")]
        must = int(np.count_nonzero(urgency[order] > _SOON))
        order = order[: max(must, _PER_TURN)]
        return [order[i : i + _CHUNK] for i in range(0, len(order), _CHUNK)]

    def solve(self, rows: Index) -> None:
        """Prices these rows in full and makes that their anchor."""
        spot, sigma, _ = self._now()
        contracts = self.contracts(rows, spot[rows], sigma[rows])
        solved = greeks(contracts)
        present = np.isfinite(contracts.dividend_times)
        times = np.where(present, contracts.dividend_times, 0.0)
        self._dividends_pv[rows] = (contracts.dividend_amounts * np.exp(-RATE * times)).sum(axis=1)
        at = np.full(len(rows), self._market.now)
        columns = (
            spot[rows],
            sigma[rows],
            at,
            solved.price,
            solved.delta,
            solved.gamma,
            solved.vega,
            solved.theta,
        )
        self._anchor[:, rows] = np.vstack(columns)

    def refresh(self) -> None:
        """Brings the view to the market's moment by expansion around the anchors."""
        spot, sigma, forward = self._now()
        spot0, sigma0, time0, price0, delta0, gamma0, vega0, theta0 = self._anchor
        move, days = spot - spot0, (self._market.now - time0) / _DAY_S
        delta = delta0 + gamma0 * move
        price = (
            price0 + (delta0 + 0.5 * gamma0 * move) * move + vega0 * 100 * (sigma - sigma0) + theta0 * days
        )
        sign = np.where(self._terms.is_call, 1.0, -1.0)
        intrinsic = np.maximum(sign * (spot - self._terms.strike), 0.0)
        alive = self._market.now < self._terms.expires
        american = self._terms.model == Model.AMERICAN
        floor = np.where(american | ~alive, intrinsic, 0.0)
        price = np.where(alive, np.maximum(price, floor), intrinsic)
        delta = np.where(sign > 0, np.clip(delta, 0.0, 1.0), np.clip(delta, -1.0, 0.0))
        delta = np.where(alive, delta, sign * (intrinsic > 0))
        gamma, vega, theta = (np.where(alive, greek, 0.0) for greek in (gamma0, vega0, theta0))
        self.view = View(price, sigma, delta, gamma, vega, theta, forward, self._dividends_pv.copy())

    def refresh_all(self) -> None:
        """Solves every row that needs it and brings the view up to date, in one go."""
        for batch in self.chores():
            self.solve(batch)
        self.refresh()

    def contracts(self, rows: Index, spot: Floats, sigma: Floats) -> Contracts:
        """These rows as pricing's columns, at a spot (VIX: the forward) and a volatility, each (len(rows),)."""
        terms = self._terms.take(rows)
        tau = np.maximum((terms.expires - self._market.now) / YEAR_S, _SHORTEST_TAU)
        times, amounts = self._dividend_columns(rows, tau)
        carried = np.where(terms.model == Model.BLACK_SCHOLES, self._market.dividend_yield[terms.at], 0.0)
        rate = np.full(len(rows), RATE)
        return Contracts(
            terms.model, terms.is_call, terms.strike, spot, sigma, tau, rate, carried, times, amounts
        )

    def inputs(self) -> tuple[Floats, Floats]:
        """Spot (VIX: the same-expiry forward) and volatility of every row now."""
        spot, sigma, _ = self._now()
        return spot, sigma

    @property
    def instruments(self) -> Sequence[Instrument]:
        return self._instruments

    def _now(self) -> tuple[Floats, Floats, Floats]:
        """What each row is priced on: spot (VIX: forward), volatility, forward."""
        terms = self._terms
        tau = np.maximum((terms.expires - self._market.now) / YEAR_S, _SHORTEST_TAU)
        forward = self._market.forward(terms.at, tau, self._dividends_pv)
        sigma = self._market.sigma(terms.at, terms.strike, forward, tau)
        spot = np.where(terms.model == Model.BLACK_76, forward, self._market.spot[terms.at])
        return spot, sigma, forward

    def _urgency(self) -> Floats:
        """How far each row is from its anchor, in steps; infinite when it was never solved. Expired rows rest."""
        spot, sigma, _ = self._now()
        spot0, sigma0, time0 = self._anchor[:3]
        left = np.maximum(self._terms.expires - self._market.now, 1.0)
        deviation = sigma0 * np.sqrt(left / YEAR_S)
        age = (self._market.now - time0) / np.minimum(_OLDEST_S, _OLDEST_OF_TAU * left)
        by_spot = np.abs(np.log(spot / spot0)) / (_SPOT_STEP * deviation)
        by_sigma = np.abs(sigma / sigma0 - 1) / _SIGMA_STEP
        urgency = np.maximum(np.maximum(by_spot, by_sigma), np.minimum(age, _SOON))
        alive = self._market.now < self._terms.expires
        return np.where(np.isnan(urgency), np.inf, np.where(alive, urgency, 0.0))

    def _dividend_columns(self, rows: Index, tau: Floats) -> tuple[Floats, Floats]:
        """Cash dividends before each row's expiry as (n, m) columns of years and amounts, padded inf and 0."""
        now = self._market.now
        each = []
        for row, end in zip(rows, tau, strict=True):
            ahead = self._market.dividends.get(self._instruments[row].symbol, ())
            due = [((one.at.timestamp() - now) / YEAR_S, one.amount) for one in ahead]
            each.append([(years, amount) for years, amount in due if 0 < years < end])
        width = max((len(one) for one in each), default=0)
        times, amounts = np.full((len(rows), width), np.inf), np.zeros((len(rows), width))
        for i, one in enumerate(each):
            for j, (years, amount) in enumerate(one):
                times[i, j], amounts[i, j] = years, amount
        return times, amounts


def _model(instrument: Instrument) -> Model:
    if instrument.underlying.kind is Kind.VOLATILITY:
        return Model.BLACK_76
    return Model.BLACK_SCHOLES if instrument.underlying.is_index else Model.AMERICAN
