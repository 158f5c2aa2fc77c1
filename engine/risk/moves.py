"""What each position's underlying did on each day of history: the shocks that Value at Risk revalues today's book under.

A day moves all underlyings together, each by its own return, and each option's volatility by its underlying's 30-day IV. What a
name has no history for is proxied and said: its return by beta times the reference's, its IV by the reference's, and without
that by the points that a percent of the market has moved a month's volatility. Nothing is proxied by nothing: a name without
closes and without a beta is unknown, and its positions are named and left out (D10).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np

from engine.marks import MarkedBook
from engine.model import UNSHOCKED_KINDS, Floats, Snapshot, Underlying
from engine.results import Remark
from engine.risk.backtest import SEED_DAYS, ewma_volatility
from engine.scenarios.betas import betas
from engine.scenarios.iv_model import hold
from engine.scenarios.movers import LOWEST_MOVE, Movers, movers
from engine.settings import ScenarioSettings

DAYS: Final = 500
"""Returns that are used, besides those that the filter starts from."""
LEAST_DAYS: Final = 60

TERM_POWER, SHORTEST = 0.46, 9.0
"""A month's volatility moves others by (30 / days)^0.46, held below nine days: the first principal component of index
volatilities of 9 to 184 days, 2011-2026."""

POINTS_DOWN, POINTS_UP = 1.65, 1.05
"""Vol points at 30 days per percent that the market falls and rises: S&P 500 and VIX, 2011-2026."""
LEVEL: Final = 0.20
"""What those points are added to where no 30-day volatility is known."""

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

    def shocked(self, book: MarkedBook, filtered: bool, settings: ScenarioSettings) -> tuple[Floats, Floats]:
        """Spot and sigma of each position on each day's terms, two (k, n): of the last DAYS days, or, `filtered`, of those that
        have a filter, each move in today's size."""
        spot, iv = self.spot, self.iv
        if filtered:
            spot, iv = (spot * self.spot_filter)[SEED_DAYS:], (iv * self.iv_filter)[SEED_DAYS:]
        base = book.contracts
        after = base.spot * np.maximum(np.exp(spot[-DAYS:]), 1.0 + LOWEST_MOVE)
        sigma, _ = hold(base.sigma, base.sigma * np.exp(iv[-DAYS:]), settings)
        return after, sigma


def daily_moves(book: MarkedBook, settings: ScenarioSettings) -> DailyMoves | str:
    """The moves of the book's positions, or in words why there are none."""
    return _History(book, settings).moves()


@dataclass(slots=True)
class _Proxied:
    """What stands in for history, by symbol."""

    returns: dict[str, str] = field(default_factory=dict)
    iv_by_reference: list[str] = field(default_factory=list)
    iv_by_move: list[str] = field(default_factory=list)

    def notes(self, reference: str) -> tuple[str, ...]:
        """A sentence for each kind."""
        said = []
        if self.returns:
            parts = ", ".join(f"{name} ({how})" for name, how in sorted(self.returns.items()))
            said.append(f"daily moves by beta to {reference}: {parts}")
        if self.iv_by_reference:
            said.append(f"IV moves with {reference}'s: {', '.join(sorted(self.iv_by_reference))}")
        if self.iv_by_move:
            names = ", ".join(sorted(self.iv_by_move))
            said.append(
                f"IV moves {POINTS_DOWN} points per 1 % that the market falls, {POINTS_UP} per 1 % it rises: {names}"
            )
        return tuple(said)


class _History:
    """The steps of `daily_moves`, sharing one book."""

    def __init__(self, book: MarkedBook, settings: ScenarioSettings) -> None:
        self.book, self.settings = book, settings
        self.snapshot: Snapshot = book.snapshot
        self.who: Movers = movers(book, settings.model_copy(update={"spot_model": "uniform"}))
        self.reference = self.snapshot.underlyings.get(settings.reference_index)
        self.proxied = _Proxied()

    def moves(self) -> DailyMoves | str:
        positions = self.snapshot.positions
        names = [position.contract.underlying for position in positions]
        moving = [
            name
            for position, name in zip(positions, names, strict=True)
            if position.contract.kind not in UNSHOCKED_KINDS
        ]
        days = self._days(moving)
        if len(days) <= LEAST_DAYS:
            return f"{max(len(days) - 1, 0)} daily moves are known, {LEAST_DAYS} needed"
        market = None if self.reference is None else _changes(_positive(self.reference.closes), days)
        market = None if market is None or np.isnan(market).any() else market
        month = self._market_iv(days, market)
        k, n = len(days) - 1, len(positions)
        spot, iv = np.zeros((k, n)), np.zeros((k, n))
        left_out, known = [], {name: self._returns(name, days, market) for name in dict.fromkeys(moving)}
        moved_iv = {name: self._iv(name, days, market, month, known[name]) for name in known}
        for i, position in enumerate(positions):
            contract = position.contract
            if contract.kind in UNSHOCKED_KINDS:
                continue
            returns = self._own(i, known[names[i]], month)
            if isinstance(returns, str):
                left_out.append(Remark(position.id, returns))
                spot[:, i] = np.nan
                continue
            spot[:, i] = returns
            if contract.is_option and not self.who.volatility[i]:
                iv[:, i] = moved_iv[names[i]] * term_scale(self.book.dte[i])
        filters = _filter(spot), _filter(iv)
        return DailyMoves(
            tuple(days[1:]),
            spot,
            iv,
            *filters,
            tuple(left_out),
            self.proxied.notes(self.settings.reference_index),
        )

    def _days(self, moving: Iterable[str]) -> list[date]:
        """The days of the reference, or without it of the name that has most, the last DAYS and what the filter needs."""
        ref = _positive(self.reference.closes) if self.reference is not None else {}
        held = [
            _positive(one.closes)
            for one in map(self.snapshot.underlyings.get, dict.fromkeys(moving))
            if one is not None
        ]
        longest = ref if len(ref) > LEAST_DAYS else max([ref, *held], key=len)
        return sorted(longest)[-(DAYS + SEED_DAYS + 1) :]

    def _returns(self, name: str, days: list[date], market: Floats | None) -> Floats | str:
        """Log returns of a name, (k,); gaps by beta; or why they are unknown."""
        underlying = self.snapshot.underlyings.get(name)
        if underlying is None:
            return "nothing is known of its underlying"
        own = _changes(_positive(underlying.closes), days)
        missing = np.isnan(own)
        if not missing.any():
            return own
        ratio = self._ratio(underlying)
        if ratio is None or market is None:
            gaps = (
                "no daily closes"
                if missing.all()
                else f"{int(missing.sum())} of {len(own)} days have no close"
            )
            return f"{gaps}, and no beta to {self.settings.reference_index} stands in"
        if name != self.settings.reference_index:
            part = "" if missing.all() else f", {int(missing.sum())} of {len(own)} days"
            self.proxied.returns[name] = f"{ratio:.2f}{part}"
        return np.where(missing, ratio * market, own)

    def _ratio(self, underlying: Underlying) -> float | None:
        """How a name without closes follows the reference: by a fund's ratio, an equity future's 1, or beta."""
        if underlying.symbol in self.settings.leveraged_funds:
            return self.settings.leveraged_funds[underlying.symbol]
        if underlying.symbol in self.settings.equity_futures:
            return 1.0
        return betas(self.snapshot, [underlying.symbol], self.settings)[underlying.symbol].value

    def _own(self, i: int, returns: Floats | str, month: Floats | None) -> Floats | str:
        """Log returns of one position's price: what follows volatility follows the market's, whatever its own closes say."""
        if not self.who.volatility[i]:
            return returns
        if month is None:
            return f"no daily volatility of {self.settings.reference_index}, which it follows"
        relative = self.who.volatility[i] * (np.exp(month * term_scale(self.who.tenor[i])) - 1.0)
        return np.asarray(np.log1p(np.maximum(relative, LOWEST_MOVE)))

    def _market_iv(self, days: list[date], market: Floats | None) -> Floats | None:
        """Log changes of the reference's 30-day IV, (k,): its own history, its gaps by its moves."""
        if self.reference is None:
            return None
        own = _changes(_positive(self.reference.iv_history), days)
        missing = np.isnan(own)
        if not missing.any():
            return own
        return None if market is None else np.where(missing, _by_points(market, self.reference.iv30), own)

    def _iv(
        self, name: str, days: list[date], market: Floats | None, month: Floats | None, returns: Floats | str
    ) -> Floats:
        """Log changes of a name's 30-day IV, (k,)."""
        underlying = self.snapshot.underlyings.get(name)
        if underlying is None or isinstance(returns, str):
            return np.zeros(len(days) - 1)
        own = _changes(_positive(underlying.iv_history), days)
        missing = np.isnan(own)
        if not missing.any():
            return own
        if month is not None and name != self.settings.reference_index:
            self.proxied.iv_by_reference.append(name)
            return np.where(missing, month, own)
        self.proxied.iv_by_move.append(name)
        moved = returns if market is None else market
        return np.where(missing, _by_points(moved, underlying.iv30), own)


def term_scale(days: float) -> float:
    """By how much more than a month's the volatility of so many days moves."""
    return float((30.0 / max(days, SHORTEST)) ** TERM_POWER)


def _by_points(returns: Floats, level: float | None) -> Floats:
    """Log change of a 30-day volatility on days when the market moved by so much."""
    points = np.where(returns < 0.0, POINTS_DOWN, POINTS_UP) * -returns
    return np.asarray(np.log1p(np.maximum(points / (level or LEVEL), -0.5)))


def _positive(series: Iterable[tuple[date, float]] | None) -> Days:
    return {day: value for day, value in series or () if value > 0.0}


def _changes(series: Days, days: list[date]) -> Floats:
    """Log changes from day to day, (len(days) - 1,); NaN where either is missing."""
    levels = np.array([series.get(day, np.nan) for day in days])
    return np.asarray(np.diff(np.log(levels)))


def _filter(moves: Floats) -> Floats:
    """(k, n): what is expected of the next day's move over what was expected of each day's; 1 for what never moved so far."""
    expected = ewma_volatility(np.vstack([moves, np.zeros((1, moves.shape[1]))]))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = expected[-1] / expected[:-1]
    return np.asarray(np.where(expected[:-1] == 0.0, 1.0, ratio))
