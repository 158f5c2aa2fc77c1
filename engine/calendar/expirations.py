"""Which options expire when, by the exchanges' rules; a holiday moves an expiration to the session before it.

Monthlies: the third Friday. Weeklies: every other Friday. Quarterlies: the last session of a quarter. Dailies: every session, of
the symbols in DAILY. VIX: the Wednesday 30 days before the next month's third Friday, the session before it where that Wednesday
or that Friday is a holiday (Cboe, VIX contract specifications). AM-settled options trade until the session before their expiry.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from engine.calendar.days import CLOSE, DAY, OPEN, is_trading_day, new_york, on_or_before, session
from engine.model import MARKET, Contract, Event, EventKind, Impact, Settlement

FRIDAY: Final = 4
QUARTERS: Final = (3, 6, 9, 12)
DAILY: Final = frozenset({"SPX", "XSP", "NDX", "RUT", "SPY", "QQQ", "IWM"})
VOLATILITY: Final = frozenset({"VIX"})
SOURCE: Final = "computed"


class Series(StrEnum):
    MONTHLY = "monthly"
    WEEKLY = "weekly"
    QUARTERLY = "quarterly"
    DAILY = "daily"


def third_friday(year: int, month: int) -> date:
    """The third Friday as the calendar has it, holiday or not."""
    first = date(year, month, 1)
    return first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)


def monthly(year: int, month: int) -> date:
    """When the month's standard options expire."""
    return on_or_before(third_friday(year, month))


def quarterly(year: int, month: int) -> date:
    """The last session of a quarter that ends in `month`."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return on_or_before(following - DAY)


def volatility_monthly(year: int, month: int) -> date:
    """When the month's VIX options and futures settle."""
    friday = third_friday(year + month // 12, month % 12 + 1)
    wednesday = friday - timedelta(days=30)
    return (
        wednesday if is_trading_day(wednesday) and is_trading_day(friday) else on_or_before(wednesday - DAY)
    )


@lru_cache(maxsize=4096)
def series_of(day: date, symbol: str) -> Series:
    """Which series an option of `symbol` belongs to that expires on `day`."""
    if symbol in VOLATILITY:
        return Series.MONTHLY if day == volatility_monthly(day.year, day.month) else Series.WEEKLY
    if day == monthly(day.year, day.month):
        return Series.MONTHLY
    if day.month in QUARTERS and day == quarterly(day.year, day.month):
        return Series.QUARTERLY
    if _ends_its_week(day):
        return Series.WEEKLY
    return Series.DAILY if symbol in DAILY else Series.WEEKLY


def _ends_its_week(day: date) -> bool:
    """Whether it is the Friday, or the session before where that Friday is a holiday."""
    return day == on_or_before(day + timedelta(days=FRIDAY - day.weekday()))


def expirations(symbol: str, first: date, last: date) -> Iterator[tuple[date, Series]]:
    """The days from `first` to `last` on which options of `symbol` expire by rule, with the series of each."""
    day = first
    while day <= last:
        if is_trading_day(day):
            series = series_of(day, symbol)
            if symbol in VOLATILITY:
                if series is Series.MONTHLY or day.weekday() == FRIDAY - 2:
                    yield day, series
            elif symbol in DAILY or series is Series.MONTHLY or _ends_its_week(day):
                yield day, series
        day += DAY


def stops_at(contract: Contract) -> datetime | None:
    """When an option's last value is fixed: the close of its expiry date, an early one on a half day; the open where AM-settled.

    UTC; None for what does not expire.
    """
    if contract.expiry is None:
        return None
    if contract.settlement is Settlement.AM:
        return new_york(contract.expiry, OPEN)
    trading = session(contract.expiry)
    return new_york(contract.expiry, CLOSE) if trading is None else trading.closes


def last_trading_day(contract: Contract) -> date | None:
    """The last date on which it can be traded: its expiry, or where AM-settled the session before it."""
    if contract.expiry is None:
        return None
    return on_or_before(contract.expiry - DAY) if contract.settlement is Settlement.AM else contract.expiry


def expiration_events(first: date, last: date, at: datetime) -> tuple[Event, ...]:
    """What the whole market sees expire from `first` to `last`: monthlies, quarter ends and VIX, as computed `at`."""
    found = []
    for year in range(first.year, last.year + 1):
        for month in range(1, 13):
            day = monthly(year, month)
            name, impact = (
                ("triple witching", Impact.HIGH) if month in QUARTERS else ("monthly expiry", Impact.MEDIUM)
            )
            found.append(_event(day, name, impact, MARKET, at))
            found.append(_event(volatility_monthly(year, month), "VIX expiry", Impact.MEDIUM, "VIX", at))
            if month in QUARTERS:
                found.append(_event(quarterly(year, month), "quarter-end expiry", Impact.LOW, MARKET, at))
    within = (one for one in found if new_york(first, OPEN) <= one.at <= new_york(last, CLOSE))
    return tuple(sorted(within, key=lambda one: one.at))


def _event(day: date, name: str, impact: Impact, symbol: str, at: datetime) -> Event:
    trading = session(day)
    assert trading is not None, "an expiration is a session"
    instant = trading.opens if symbol in VOLATILITY else trading.closes
    return Event(
        EventKind.EXPIRATION, instant, True, impact, (symbol,), name=name, source=SOURCE, fetched_at=at
    )
