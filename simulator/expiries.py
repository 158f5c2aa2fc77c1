"""Which option expiries are listed: the exchanges' conventions, relative to a date.

Stocks and ETFs: weeklies on Fridays, monthlies on third Fridays. SPX: AM-settled third Fridays (class SPX)
and PM-settled dailies and weeklies (SPXW). VIX: the Wednesday 30 days before the next month's third Friday,
AM-settled; its futures (class VX) settle together with the options of their month and trade until then. An
expiry that falls on an exchange holiday moves to the day before; AM-settled options stop trading the day before.
The embedded market never closes, so that the daily options expire every day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from simulator.trading_days import NEW_YORK, at_new_york, is_trading_day, trading_day_before
from simulator.universe import Kind, Underlying

_LAST_HOUR = timedelta(hours=1)
_DAILY = ("SPY", "QQQ", "IWM", "SPX")
_DAY = timedelta(days=1)
_VIX_OPTION_MONTHS, _VIX_FUTURE_MONTHS = 6, 9


@dataclass(frozen=True, slots=True)
class Expiry:
    """One listed expiry of one trading class; `at` is the instant of the last value, in UTC."""

    day: date
    last_trade: date
    at: datetime
    trading_class: str

    @property
    def is_am_settled(self) -> bool:
        return self.last_trade != self.day


def zero_day(now: datetime) -> date:
    """The day on which today's options expire: today in New York, tomorrow when less than an hour is left."""
    today = now.astimezone(NEW_YORK).date()
    close = at_new_york(today, time(16))
    return today if close - now >= _LAST_HOUR else today + _DAY


def listed(underlying: Underlying, now: datetime) -> tuple[Expiry, ...]:
    """Every listed expiry of an underlying that has not passed, soonest first."""
    symbol, first = underlying.symbol, zero_day(now)
    if underlying.kind is Kind.VOLATILITY:
        rows = [_am(day, symbol) for day in _take(_vix_wednesdays(first), _VIX_OPTION_MONTHS)]
    elif underlying.kind is Kind.INDEX:
        pm = {*_dailies(first), *_take(_fridays(first), 8), *_take(_monthlies(first), 6)}
        rows = [_pm(day, symbol + "W") for day in pm] + [
            _am(day, symbol) for day in _take(_monthlies(first), 9)
        ]
    else:
        days = {*_take(_fridays(first), 6), *_take(_monthlies(first), 6), *_leaps(first)}
        days |= set(_dailies(first)) if symbol in _DAILY else set()
        rows = [_pm(day, symbol) for day in days]
    return tuple(sorted((row for row in rows if row.at > now), key=lambda row: (row.at, row.trading_class)))


def listed_futures(underlying: Underlying, now: datetime) -> tuple[Expiry, ...]:
    """The futures listed on an underlying, soonest first: the months of VIX, none on anything else."""
    if underlying.kind is not Kind.VOLATILITY:
        return ()
    days = _take(_vix_wednesdays(zero_day(now)), _VIX_FUTURE_MONTHS)
    return tuple(Expiry(day, day, at_new_york(day, time(9, 30)), "VX") for day in days)


def third_friday(year: int, month: int) -> date:
    """The third Friday of a month, as the calendar has it (holidays not considered)."""
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def _am(day: date, trading_class: str) -> Expiry:
    return Expiry(day, trading_day_before(day - _DAY), at_new_york(day, time(9, 30)), trading_class)


def _pm(day: date, trading_class: str) -> Expiry:
    return Expiry(day, day, at_new_york(day, time(16)), trading_class)


def _take(days: Iterator[date], count: int) -> list[date]:
    return [next(days) for _ in range(count)]


def _dailies(first: date) -> list[date]:
    """The zero day itself, always, and the trading days of the week after it."""
    return [first, *(day for n in range(1, 8) if is_trading_day(day := first + timedelta(days=n)))]


def _fridays(first: date) -> Iterator[date]:
    friday = first + timedelta(days=(4 - first.weekday()) % 7)
    while True:
        if (day := trading_day_before(friday)) >= first:
            yield day
        friday += timedelta(days=7)


def _monthlies(first: date) -> Iterator[date]:
    return _each_month(first, lambda year, month: trading_day_before(third_friday(year, month)))


def _leaps(first: date) -> list[date]:
    return [trading_day_before(third_friday(first.year + years, 1)) for years in (1, 2)]


def _vix_wednesdays(first: date) -> Iterator[date]:
    """Thirty days before the third Friday of the month after: a Wednesday."""

    def wednesday(year: int, month: int) -> date:
        following = third_friday(year + month // 12, month % 12 + 1)
        return trading_day_before(following - timedelta(days=30))

    return _each_month(first, wednesday)


def _each_month(first: date, day_of: Callable[[int, int], date]) -> Iterator[date]:
    year, month = first.year, first.month
    while True:
        if (day := day_of(year, month)) > first:
            yield day
        year, month = year + month // 12, month % 12 + 1
