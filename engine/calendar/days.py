"""Trading days by date: which there are, when they open and close, and how many lie between two dates.

The days are pandas_market_calendars'. Its calendar of Cboe's index options lacks the early closes of Christmas Eve (version 5.5),
so that a day on which New York closes early also ends early there, a quarter of an hour later, as Cboe's notices say.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import pandas_market_calendars

NEW_YORK: Final = ZoneInfo("America/New_York")
STOCKS: Final = "NYSE"
INDEX_OPTIONS: Final = "CBOE_Index_Options"
OPEN: Final = time(9, 30)
CLOSE: Final = time(16, 0)
CBOE_LATER: Final = timedelta(minutes=15)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One session's regular hours, UTC. `early`: it closes before its usual hour."""

    day: date
    opens: datetime
    closes: datetime
    early: bool


def new_york(day: date, at: time) -> datetime:
    """The instant of a wall-clock time in New York, UTC."""
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def day_of(at: datetime) -> date:
    """The date in New York at an instant."""
    return at.astimezone(NEW_YORK).date()


@cache
def trading_days(year: int, exchange: str = STOCKS) -> tuple[TradingDay, ...]:
    """The sessions of a year, in order. Slow the first time (a quarter of a second): call it in a thread.

    Args:
        year: 1990-2199; other years have none.
        exchange: STOCKS or INDEX_OPTIONS.
    """
    if not 1990 <= year < 2200:
        return ()
    table = pandas_market_calendars.get_calendar(exchange).schedule(f"{year}-01-01", f"{year}-12-31")
    opens, closes = (table[name].dt.tz_convert(UTC).to_list() for name in ("market_open", "market_close"))
    stocks = {} if exchange == STOCKS else {one.day: one for one in trading_days(year)}
    found = []
    for stamp, first, last in zip(table.index, opens, closes, strict=True):
        day = stamp.date()
        first, last = first.to_pydatetime(), last.to_pydatetime()
        usual = new_york(day, CLOSE)
        if exchange != STOCKS and day in stocks and stocks[day].early:
            last = min(last, stocks[day].closes + CBOE_LATER)
        found.append(TradingDay(day, first, last, last < usual))
    return tuple(found)


def session(day: date, exchange: str = STOCKS) -> TradingDay | None:
    """The session of a date; None on a day without one."""
    return _by_day(day.year, exchange).get(day)


@cache
def _by_day(year: int, exchange: str) -> dict[date, TradingDay]:
    return {one.day: one for one in trading_days(year, exchange)}


@cache
def _dates(year: int, exchange: str) -> tuple[date, ...]:
    return tuple(one.day for one in trading_days(year, exchange))


def is_trading_day(day: date) -> bool:
    return session(day) is not None


def on_or_before(day: date) -> date:
    """The day itself, or the last trading day before it."""
    while not is_trading_day(day):
        day -= DAY
    return day


def on_or_after(day: date) -> date:
    """The day itself, or the first trading day after it."""
    while not is_trading_day(day):
        day += DAY
    return day


def sessions_between(after: date, until: date) -> int:
    """How many trading days lie in (after, until]; negative where `until` is the earlier."""
    if until < after:
        return -sessions_between(until, after)
    count = 0
    for year in range(after.year, until.year + 1):
        dates = _dates(year, STOCKS)
        count += bisect_right(dates, until) - bisect_left(dates, after + DAY)
    return count


@lru_cache(maxsize=4096)
def sessions_until(today: date, day: date) -> int:
    """The n of T+n: 0 today, 1 the next session; what falls on a day without one counts as the session after it."""
    return 0 if day == today else sessions_between(today, on_or_after(day))
