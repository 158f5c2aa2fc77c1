"""What each position's underlying did on each day of history: the shocks that Value at Risk revalues today's book under.

A day moves all underlyings together, each by its own return, and each option's volatility by its underlying's 30-day IV. What a
name has no history for is proxied and said: its return by beta times the reference's, its IV by the reference's, and without
that by the points that a percent has moved a month's volatility. Nothing is proxied by nothing: a name without
closes and without a beta is unknown, and its positions are named and left out (D10).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np

from engine.marks import MarkedBook
from engine.model import UNSHOCKED_KINDS, Floats, Kind, Snapshot, Underlying
from engine.results import Remark
from engine.risk.backtest import SEED_DAYS, ewma_volatility
from engine.scenarios.betas import betas
from engine.scenarios.iv_model import hold
from engine.scenarios.movers import LOWEST_MOVE, Movers, movers
from engine.settings import ScenarioSettings

DAYS: Final = 500
"""Returns that are used, besides those that the filter starts from."""
LEAST_DAYS: Final = 60
LEAST_FILTERED: Final = 60
"""Days with a filter below which there is no filtered history."""

TERM_POWER, SHORTEST = 0.46, 9.0
"""A month's volatility moves others by (30 / days)^0.46, held below nine days: the first principal component of index
volatilities of 9 to 184 days, 2011-2026."""

POINTS_DOWN, POINTS_UP = 1.65, 1.05
"""Vol points at 30 days per percent that the market falls and rises: S&P 500 and VIX, 2011-2026."""
LEVEL: Final = 0.20
"""What those points are added to where no 30-day volatility is known."""

OLD_AFTER: Final = 10
"""Calendar days after which history is not of today's market any more."""
LONGEST_STEP: Final = 10
"""Calendar days between two closes, beyond which what lies before is another series."""
LEAP: Final = 0.7
"""Size of a log return that is said: as likely a split as a move."""
CALMEST: Final = 0.25
"""Share of the root mean square of all days that is the least expected of any."""

Days = Mapping[date, float]


@dataclass(frozen=True, slots=True, eq=False)
class DailyMoves:
    """Days of history, oldest first, as moves of n positions.

    Attributes:
        days: (k,). The first SEED_DAYS of them have no `filter`.
        spot: (k, n), log returns; 0 for what stays, NaN for what is unknown.
        iv: (k, n), log changes of the position's own volatility; 0 for what has none.
        spot_filter, iv_filter: (k, n), today's expected size of such a move over what was expected for that day; NaN for the
            first days.
        left_out: positions whose moves are unknown.
        notes: what was proxied, a sentence each.
    """

    days: tuple[date, ...]
    spot: Floats
    iv: Floats
    spot_filter: Floats
    iv_filter: Floats
    left_out: tuple[Remark, ...]
    notes: tuple[str, ...]

    @property
    def has_filter(self) -> bool:
        """Whether enough days have a filter."""
        return len(self.days) > SEED_DAYS + LEAST_FILTERED

    def shocked(self, book: MarkedBook, filtered: bool, settings: ScenarioSettings) -> tuple[Floats, Floats]:
        """Spot and sigma of each position on each day's terms, two (k, n): of the last DAYS days, or, `filtered`, of those that
        have a filter, each move in today's size."""
        spot, iv = self.spot, self.iv
        if filtered:
            spot, iv = (spot * self.spot_filter)[SEED_DAYS:], (iv * self.iv_filter)[SEED_DAYS:]
        return after(book, spot[-DAYS:], iv[-DAYS:], settings)


def after(book: MarkedBook, spot: Floats, iv: Floats, settings: ScenarioSettings) -> tuple[Floats, Floats]:
    """Spot and sigma of each position, two (k, n), after log moves (k, n)."""
    base = book.contracts
    moved = base.spot * np.maximum(np.exp(spot), 1.0 + LOWEST_MOVE)
    sigma, _ = hold(base.sigma, base.sigma * np.exp(iv), settings)
    return moved, sigma


def daily_moves(book: MarkedBook, settings: ScenarioSettings) -> DailyMoves | str:
    """The moves of the book's positions, or in words why there are none."""
    return _History(book, settings).moves()


class _History:
    """The steps of `daily_moves`, sharing one book and what is said of it."""

    def __init__(self, book: MarkedBook, settings: ScenarioSettings) -> None:
        self.book, self.settings = book, settings
        self.snapshot: Snapshot = book.snapshot
        self.today = book.snapshot.as_of.date()
        self.who: Movers = movers(book, settings.model_copy(update={"spot_model": "uniform"}))
        self.reference = self.snapshot.underlyings.get(settings.reference_index)
        self.days = self._days()
        self.said: dict[str, list[str]] = {}
        """Names by what stands in for their history, in words."""

    def moves(self) -> DailyMoves | str:
        positions, days = self.snapshot.positions, self.days
        if len(days) <= LEAST_DAYS:
            return f"{max(len(days) - 1, 0)} daily moves are known, {LEAST_DAYS} needed"
        if (self.today - days[-1]).days > OLD_AFTER:
            return f"the daily closes end on {days[-1]}"
        k, n = len(days) - 1, len(positions)
        spot, iv = np.zeros((k, n)), np.zeros((k, n))
        left_out = []
        returns: dict[str, Floats | str] = {}
        volatility: dict[str, Floats] = {}
        for i, position in enumerate(positions):
            contract, name = position.contract, position.contract.underlying
            if contract.kind in UNSHOCKED_KINDS:
                if contract.kind is not Kind.CASH or contract.currency != self.snapshot.base_currency:
                    self._say("no daily moves, counted as still", contract.label)
                continue
            if name not in returns:
                returns[name] = self._returns(name)
            found = self._of_volatility(i, returns[name]) if self.who.volatility[i] else returns[name]
            if isinstance(found, str):
                left_out.append(Remark(position.id, found))
                spot[:, i] = np.nan
                continue
            spot[:, i] = found
            if contract.is_option and name not in self.settings.volatility_indices:
                if name not in volatility:
                    volatility[name] = self._volatility(name, found)
                iv[:, i] = volatility[name] * term_scale(self.book.dte[i])
        return DailyMoves(
            tuple(days[1:]), spot, iv, _filter(spot), _filter(iv), tuple(left_out), self._notes()
        )

    def _say(self, how: str, name: str) -> None:
        names = self.said.setdefault(how, [])
        if name not in names:
            names.append(name)

    def _notes(self) -> tuple[str, ...]:
        return tuple(f"{how}: {', '.join(sorted(names))}" for how, names in self.said.items())

    def _days(self) -> list[date]:
        """The days of the reference, or without it of the name that has most: up to today, since the last long gap, the last
        DAYS and what the filter needs."""
        moving = [one.contract for one in self.snapshot.positions if one.contract.kind not in UNSHOCKED_KINDS]
        known = [
            self.snapshot.underlyings.get(name) for name in dict.fromkeys(one.underlying for one in moving)
        ]
        own = [] if self.reference is None else sorted(self._levels(self.reference.closes))
        if len(own) <= LEAST_DAYS:
            held = [sorted(self._levels(one.closes)) for one in known if one is not None]
            own = max([own, *held], key=len)
        gaps = [i for i in range(1, len(own)) if (own[i] - own[i - 1]).days > LONGEST_STEP]
        return own[gaps[-1] if gaps else 0 :][-(DAYS + SEED_DAYS + 1) :]

    def _levels(self, series: Iterable[tuple[date, float]] | None) -> Days:
        return {day: x for day, x in series or () if day <= self.today and 0.0 < x < math.inf}

    def _column(self, series: Iterable[tuple[date, float]] | None) -> Floats:
        """Logarithms of the levels on the days, (k + 1,); NaN where one is missing."""
        levels = self._levels(series)
        return np.asarray(np.log(np.array([levels.get(day, np.nan) for day in self.days])))

    @cached_property
    def market(self) -> Floats | None:
        """Log returns of the reference, (k,)."""
        if self.reference is None:
            return None
        returns = np.diff(self._column(self.reference.closes))
        return None if np.isnan(returns).any() else returns

    def _returns(self, name: str) -> Floats | str:
        """Log returns of a name, (k,); gaps by beta; or why they are unknown."""
        underlying = self.snapshot.underlyings.get(name)
        if underlying is None:
            return "nothing is known of its underlying"
        own = self._column(underlying.closes)
        missing = int(np.isnan(own).sum())
        if missing:
            ratio = self._ratio(underlying)
            if ratio is None or self.market is None:
                gaps = (
                    "no daily closes"
                    if missing == len(own)
                    else f"{missing} of {len(own)} days have no close"
                )
                return f"{gaps}, and no beta to {self.settings.reference_index} stands in"
            part = "" if missing == len(own) else f", {missing} of {len(own)} days"
            self._say(
                f"daily moves by beta to {self.settings.reference_index}", f"{name} ({ratio:.2f}{part})"
            )
            returns = bridged(own, ratio * self.market)
        else:
            returns = np.diff(own)
        self._say_leaps(name, returns)
        return returns

    def _say_leaps(self, name: str, returns: Floats) -> None:
        leaps = np.flatnonzero(np.abs(returns) > LEAP)
        if len(leaps):
            worst = int(leaps[np.argmax(np.abs(returns[leaps]))])
            move = 100.0 * (math.exp(returns[worst]) - 1.0)
            self._say("a leap in its closes (a split?)", f"{name} {self.days[worst + 1]} {move:+.0f} %")

    def _ratio(self, underlying: Underlying) -> float | None:
        """How a name without closes follows the reference: by a fund's ratio, an equity future's 1, or beta."""
        if underlying.symbol in self.settings.leveraged_funds:
            return self.settings.leveraged_funds[underlying.symbol]
        if underlying.symbol in self.settings.equity_futures:
            return 1.0
        return betas(self.snapshot, [underlying.symbol], self.settings)[underlying.symbol].value

    def _of_volatility(self, i: int, own: Floats | str) -> Floats | str:
        """Log returns of a volatility product, (k,): a fund's own closes, else the reference's volatility at its tenor (D4)."""
        contract = self.snapshot.positions[i].contract
        underlying = self.snapshot.underlyings[contract.underlying]
        fund = contract.underlying in self.settings.volatility_funds
        if fund and not isinstance(own, str) and not np.isnan(self._column(underlying.closes)).any():
            return own
        if self.month is None:
            return f"no daily volatility of {self.settings.reference_index}, which it follows"
        self._say(f"daily moves with the volatility of {self.settings.reference_index}", contract.underlying)
        relative = self.who.volatility[i] * (np.exp(self.month * term_scale(self.who.tenor[i])) - 1.0)
        return np.asarray(np.log1p(np.maximum(relative, LOWEST_MOVE)))

    @cached_property
    def month(self) -> Floats | None:
        """Log changes of the reference's 30-day IV, (k,): its own, its gaps by its moves."""
        if self.reference is None or self.market is None:
            return None
        own = self._column(self.reference.iv_history)
        if np.isnan(own).any():
            self._by_points(self.settings.reference_index)
            return bridged(own, _points(self.market, self.reference.iv30))
        return np.diff(own)

    def _volatility(self, name: str, returns: Floats) -> Floats:
        """Log changes of a name's 30-day IV, (k,)."""
        underlying = self.snapshot.underlyings[name]
        own = self._column(underlying.iv_history)
        if not np.isnan(own).any():
            return np.diff(own)
        if name == self.settings.reference_index and self.month is not None:
            return self.month
        if self.month is not None:
            self._say(f"IV moves with that of {self.settings.reference_index}", name)
            return bridged(own, self.month)
        self._by_points(name)
        return bridged(own, _points(returns, underlying.iv30))

    def _by_points(self, name: str) -> None:
        self._say(f"IV moves {POINTS_DOWN} points for each 1 % of its fall, {POINTS_UP} of its rise", name)


def bridged(levels: Floats, stand_in: Floats) -> Floats:
    """Log changes from day to day, (k,), where some levels are missing: those are the stand-in's, and what they leave to the next
    known level is on its day.

    Args:
        levels: (k + 1,), logarithms; NaN is missing.
        stand_in: (k,), log changes.
    """
    filled = levels.copy()
    known = np.flatnonzero(~np.isnan(levels))
    if not len(known):
        return stand_in
    for day in range(known[0] + 1, len(filled)):
        if np.isnan(filled[day]):
            filled[day] = filled[day - 1] + stand_in[day - 1]
    for day in range(known[0] - 1, -1, -1):
        filled[day] = filled[day + 1] - stand_in[day]
    return np.asarray(np.diff(filled))


def term_scale(days: float) -> float:
    """By how much more than a month's the volatility of so many days moves."""
    return float((30.0 / max(days, SHORTEST)) ** TERM_POWER)


def _points(returns: Floats, level: float | None) -> Floats:
    """Log change of a 30-day volatility, now at `level`, on days of such returns."""
    points = np.where(returns < 0.0, POINTS_DOWN, POINTS_UP) * -returns
    return np.asarray(np.log1p(np.maximum(points / (level or LEVEL), -0.5)))


def expected_size(moves: Floats) -> Floats:
    """(k + 1, n): what the days before it make one expect of each day's move, and of the next one, a standard deviation; NaN for
    the first days.

    No day's expectation is less than CALMEST of the whole's size: after days without a move the next one would be divided by
    nothing, and be multiplied without bound.

    Args:
        moves: (k, n), oldest first.
    """
    expected = ewma_volatility(np.vstack([moves, np.zeros((1, moves.shape[1]))]))
    return np.asarray(np.maximum(expected, CALMEST * np.sqrt(np.mean(np.square(moves), axis=0))))


def _filter(moves: Floats) -> Floats:
    """(k, n): what is expected of the next day's move over what was expected of each day's, NaN for the first days."""
    expected = expected_size(moves)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = expected[-1] / expected[:-1]
    return np.asarray(np.where(expected[:-1] == 0.0, 1.0, ratio))
