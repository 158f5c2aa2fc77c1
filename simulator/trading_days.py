"""Days and hours of New York: which days the exchanges open, and what an instant there is in UTC."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_DAY = timedelta(days=1)


def at_new_york(day: date, clock: time) -> datetime:
    """The instant of a New York wall-clock time, in UTC."""
    return datetime.combine(day, clock, NEW_YORK).astimezone(UTC)


def is_trading_day(day: date) -> bool:
    """True for the weekdays on which the New York exchanges open."""
    return day.weekday() < 5 and day not in _holidays(day.year)


def trading_day_before(day: date) -> date:
    """The day itself, or the last trading day before it."""
    while not is_trading_day(day):
        day -= _DAY
    return day


@cache
def _holidays(year: int) -> frozenset[date]:
    """The full-day closures of the New York exchanges by rule (no special closures)."""
    new_year = date(year, 1, 1)
    fixed = [date(year, 6, 19), date(year, 7, 4), date(year, 12, 25)]
    days = [day + {5: -_DAY, 6: _DAY}.get(day.weekday(), timedelta(0)) for day in fixed]
    days += [
        new_year + (_DAY if new_year.weekday() == 6 else timedelta(0))
    ]  # a Saturday's is not made up for
    days += [_nth(year, 1, 0, 3), _nth(year, 2, 0, 3), _nth(year, 9, 0, 1), _nth(year, 11, 3, 4)]
    last_monday = date(year, 5, 31)
    days += [last_monday - timedelta(days=last_monday.weekday()), _easter(year) - timedelta(days=2)]
    return frozenset(days)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _easter(year: int) -> date:
    """Easter Sunday (anonymous Gregorian algorithm, valid for 1900-2099)."""
    a, b, c = year % 19, year % 4, year % 7
    d = (19 * a + 24) % 30
    e = (2 * b + 4 * c + 6 * d + 5) % 7
    if (d, e) == (29, 6) or (d == 28 and e == 6 and a > 10):
        e -= 7
    return date(year, 3, 22) + timedelta(days=d + e)
