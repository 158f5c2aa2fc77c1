"""Market hours: half-days, holidays and the days on which the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import anyio
import pytest

from engine.calendar import Sessions
from engine.errors import ConfigError
from scheduler.hours import MarketHours
from scheduler.settings import ScheduleSettings

NEW_YORK = ZoneInfo("America/New_York")

"""The calendars use a pandas name that pandas is about to rename."""


@pytest.fixture(scope="module")
def hours():
    return MarketHours(ScheduleSettings())


def new_york(text):
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def is_open(hours, text):
    return anyio.run(hours.is_open, new_york(text).astimezone(UTC))


def next_close(hours, text):
    return anyio.run(hours.next_close, new_york(text).astimezone(UTC)).astimezone(NEW_YORK)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-07-28 09:29:59", False),
        ("2026-07-28 09:30:00", True),
        ("2026-07-28 15:59:59", True),
        ("2026-07-28 16:00:00", False),
        ("2026-07-25 12:00:00", False),  # Saturday
        ("2026-07-26 12:00:00", False),
        ("2026-11-27 12:59:59", True),  # half-days
        ("2026-11-27 13:00:00", False),
        ("2026-12-24 12:59:59", True),
        ("2026-12-24 13:00:00", False),
        ("2026-11-26 12:00:00", False),  # Thanksgiving
        ("2026-12-25 12:00:00", False),
        ("2026-07-03 12:00:00", False),  # Independence Day, observed
        ("2026-04-03 12:00:00", False),  # Good Friday
        ("2026-03-06 09:30:00", True),  # Friday before the clocks go forward
        ("2026-03-09 09:29:59", False),
        ("2026-03-09 09:30:00", True),  # Monday after
        ("2026-10-30 15:59:59", True),
        ("2026-11-02 15:59:59", True),  # Monday after they go back
        ("2026-11-02 16:00:00", False),
    ],
)
def test_the_market_is_open_in_its_sessions_only(hours, at, expected):
    assert is_open(hours, at) is expected


@pytest.mark.parametrize(
    ("at", "close"),
    [
        ("2026-07-28 10:00:00", "2026-07-28 16:00:00"),
        ("2026-07-28 16:00:00", "2026-07-29 16:00:00"),  # the close itself is past
        ("2026-07-24 17:00:00", "2026-07-27 16:00:00"),
        ("2026-11-25 17:00:00", "2026-11-27 13:00:00"),
        ("2026-12-24 09:00:00", "2026-12-24 13:00:00"),
        ("2026-12-24 14:00:00", "2026-12-28 16:00:00"),
        ("2026-03-06 17:00:00", "2026-03-09 16:00:00"),
        ("2026-10-30 17:00:00", "2026-11-02 16:00:00"),
    ],
)
def test_the_next_close_skips_weekends_and_holidays_and_knows_half_days(hours, at, close):
    assert next_close(hours, at) == new_york(close)


def test_the_clock_change_moves_the_close_in_utc(hours):
    assert next_close(hours, "2026-03-06 10:00:00").astimezone(UTC).hour == 21
    assert next_close(hours, "2026-03-09 10:00:00").astimezone(UTC).hour == 20


def test_the_sessions_are_read_anew_as_the_days_go_by(hours):
    at = new_york("2026-11-20 10:00:00").astimezone(UTC)
    for day in range(0, 40, 3):
        close = anyio.run(hours.next_close, at + timedelta(days=day))
        assert at + timedelta(days=day) < close <= at + timedelta(days=day + 5)


def test_going_back_in_time_finds_the_earlier_sessions(hours):
    assert is_open(hours, "2026-12-28 12:00:00")
    assert is_open(hours, "2026-07-28 12:00:00")


def test_always_open_never_closes():
    demo = MarketHours(ScheduleSettings(always_open=True))
    assert is_open(demo, "2026-12-25 03:00:00")
    assert anyio.run(demo.next_close, datetime(2026, 12, 25, tzinfo=UTC)) is None


def test_another_exchange_has_its_own_sessions():
    london = MarketHours(ScheduleSettings(exchange="LSE"))
    assert is_open(london, "2026-07-28 04:00:00") and not is_open(london, "2026-07-28 12:00:00")


def test_an_exchange_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match=r"schedule\.exchange: 'MOON' is not a known exchange"):
        Sessions("MOON")


def test_sessions_are_in_utc_and_in_order():
    found = Sessions("NYSE").around(datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert found == sorted(found, key=lambda session: session.opens)
    assert all(session.opens.tzinfo is UTC and session.opens < session.closes for session in found)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-07-28 15:59:59", "2026-07-27"),
        ("2026-07-28 16:00:00", "2026-07-28"),
        ("2026-11-27 12:59:59", "2026-11-25"),  # a half-day after a holiday
        ("2026-11-27 13:00:00", "2026-11-27"),
        ("2026-01-20 10:00:00", "2026-01-16"),  # a Tuesday after a long weekend
        ("2026-07-28 22:00:00", "2026-07-28"),  # the next day in UTC
    ],
)
def test_the_last_closed_session_is_a_trading_day(at, day):
    found = Sessions("NYSE").last_closed(new_york(at).astimezone(UTC))
    assert found.isoformat() == day
