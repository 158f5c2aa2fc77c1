"""Two years of daily bars that lead to today: prices, implied and realised volatility, correlated across symbols.

Returns follow the same factors as the live market, in regimes of a slow log-volatility that market falls push up.
Yesterday's close lies near the starting spot and today's bar is the live one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zlib import crc32

import numpy as np

from simulator.gateway.surface import Floats
from simulator.trading_days import is_trading_day
from simulator.universe import Kind, Underlying

DAYS = 510  # trading days kept: a little over two years
_YEAR = 252
_REALISED = 0.85
_RANGE = 0.6  # a day's range over its volatility, about
_REALISED_WINDOW = 30
_DRIFT = 0.10
VOLUMES = {"SPX": 0, "VIX": 0, "SPY": 72_000_000, "QQQ": 48_000_000}
_TYPICAL_VOLUME = 3_000_000_000  # dollars a day of other names


@dataclass(frozen=True, slots=True)
class Bar:
    """One day; `volume` is -1 for series that have none (volatilities)."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """One symbol's finished days, oldest first, each (DAYS,)."""

    days: tuple[date, ...]
    close: Floats
    implied: Floats
    realised: Floats
    adjustment: Floats  # factor that takes the dividends paid since out of a close


class History:
    """The finished days of every symbol, the same for a seed and a date."""

    def __init__(self, universe: Sequence[Underlying], spots: Floats, seed: int, today: date) -> None:
        self.today = today
        days = _trading_days_before(today)
        shocks, stress = _market_days(seed)
        self._past = {
            row.symbol: _past(row, float(spot), days, shocks, stress, seed)
            for row, spot in zip(universe, spots, strict=True)
            if row.kind is not Kind.VOLATILITY
        }
        vix = next(row for row in universe if row.kind is Kind.VOLATILITY)
        level = self._past["SPX"].implied * 112.0
        own = _volatility_of(vix, level)
        self._past[vix.symbol] = Past(days, level, own, _realised(level), np.ones(DAYS))

    def previous_close(self, symbol: str) -> float:
        return float(self._past[symbol].close[-1])

    def prices(self, symbol: str, today: Bar, *, adjusted: bool = False) -> list[Bar]:
        """Daily prices up to and including today's bar; adjusted ones have the dividends taken out."""
        past = self._past[symbol]
        close = past.close * past.adjustment if adjusted else past.close
        rng = np.random.default_rng(crc32(symbol.encode()))
        start = np.concatenate([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.002, DAYS))
        reach = past.implied / np.sqrt(_YEAR) * _RANGE
        high = np.maximum(start, close) * np.exp(reach * rng.uniform(0.1, 0.8, DAYS))
        low = np.minimum(start, close) * np.exp(-reach * rng.uniform(0.1, 0.8, DAYS))
        typical = VOLUMES.get(symbol, int(_TYPICAL_VOLUME / close[-1]))
        volume = (typical * np.exp(rng.normal(0, 0.25, DAYS))).astype(int)
        columns = zip(past.days, start, high, low, close, volume, strict=True)
        return [*(_bar(*row) for row in columns), today]

    def volatilities(self, symbol: str, today: float | None) -> list[Bar]:
        """Daily volatility as decimals per year, ending with today's: implied where a level is given, else the
        realised volatility of the last 30 days."""
        past = self._past[symbol]
        column = past.realised if today is None else past.implied
        end = float(column[-1]) if today is None else today
        values = [round(float(v), 6) for v in (*column, end)]
        opens = [values[0], *values[:-1]]
        days = (*past.days, self.today)
        return [
            Bar(day, before, max(before, v), min(before, v), v, -1)
            for day, before, v in zip(days, opens, values, strict=True)
        ]

    def realised(self, symbol: str) -> float:
        """The 30-day historical volatility that the broker shows as tick 23, decimal per year."""
        return float(self._past[symbol].realised[-1])


def _bar(day: date, start: float, high: float, low: float, close: float, volume: int) -> Bar:
    first, top, bottom, last = (round(float(price), 2) for price in (start, high, low, close))
    return Bar(day, first, top, bottom, last, int(volume))


def _market_days(seed: int) -> tuple[Floats, Floats]:
    """The market's standardised daily shocks, and the log of its volatility over today's, each (DAYS,)."""
    rng = np.random.default_rng([seed, crc32(b"history")])
    shocks = rng.standard_t(5, DAYS) / np.sqrt(5 / 3)
    stress = np.empty(DAYS)
    level = 0.0
    for i in range(DAYS):
        level = 0.97 * level - 0.055 * shocks[i] + 0.03 * rng.standard_normal()
        stress[i] = level
    ramp = np.linspace(0.0, 1.0, DAYS)  # the last days lead to today's level
    return shocks, np.clip(stress - stress[-1] * ramp, -0.45, 1.3)


def _past(
    row: Underlying, spot: float, days: tuple[date, ...], shocks: Floats, stress: Floats, seed: int
) -> Past:
    rng = np.random.default_rng([seed, crc32(row.symbol.encode())])
    market_vol = 0.15 * _REALISED
    own_vol = np.sqrt(max((row.iv30 * _REALISED) ** 2 - (row.beta * market_vol) ** 2, 0.02**2))
    own = rng.standard_t(4, DAYS) / np.sqrt(2.0) if row.symbol not in ("SPX", "SPY") else np.zeros(DAYS)
    heat = np.exp(stress) / np.sqrt(_YEAR)
    returns = _DRIFT * row.beta / _YEAR + (row.beta * market_vol * shocks + own_vol * own) * heat
    end = spot * float(np.exp(-rng.normal(0, 0.004))) if own.any() else spot * 0.998
    close = end * np.exp(np.cumsum(returns) - np.sum(returns))
    wander = np.cumsum(rng.normal(0, 0.018, DAYS))
    wander = 0.5 * (wander - wander[-1]) if own.any() else np.zeros(DAYS)
    implied = row.iv30 * np.exp(0.8 * stress + np.clip(wander, -0.4, 0.4))
    return Past(days, close, implied, _realised(close), _adjustment(row, days, close))


def _volatility_of(vix: Underlying, level: Floats) -> Floats:
    """The VIX's own implied volatility: higher when the index is."""
    wanted: Floats = vix.iv30 * (level / level[-1]) ** 0.6
    return wanted


def _realised(close: Floats) -> Floats:
    """Annualised standard deviation of the log returns of the last 30 days, (DAYS,); the first days share one."""
    returns = np.diff(np.log(close), prepend=np.log(close[0]))
    windows = np.lib.stride_tricks.sliding_window_view(returns, _REALISED_WINDOW)
    tail = windows.std(axis=1, ddof=1) * np.sqrt(_YEAR)
    return np.concatenate([np.full(_REALISED_WINDOW - 1, tail[0]), tail])


def _adjustment(row: Underlying, days: tuple[date, ...], close: Floats) -> Floats:
    """Product of 1 − dividend / close of the ex-dates that come after each day."""
    factor = np.ones(len(days))
    if row.dividend_in is None:
        return factor
    ex_date = days[-1] + timedelta(days=row.dividend_in - 91)
    while ex_date > days[0]:
        before = sum(day < ex_date for day in days)
        factor[:before] *= 1 - row.dividend / close[before - 1]
        ex_date -= timedelta(days=91)
    return factor


def _trading_days_before(today: date) -> tuple[date, ...]:
    days: list[date] = []
    day = today
    while len(days) < DAYS:
        day -= timedelta(days=1)
        if is_trading_day(day):
            days.append(day)
    return tuple(reversed(days))
