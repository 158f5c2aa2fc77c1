"""From when on a P&L counts: closes and opens that lie back, over weekends, holidays and half-days."""

from datetime import UTC, datetime

import pytest

from engine.calendar import close_back, last_open


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "count", "close"),
    [
        ("2026-11-25 15:30", 1, "2026-11-24 21:00"),  # in the session of Wednesday: Tuesday's close
        ("2026-11-25 14:29", 1, "2026-11-23 21:00"),  # before Wednesday's open the day is still Tuesday
        ("2026-11-25 14:30", 1, "2026-11-24 21:00"),
        ("2026-11-25 23:00", 1, "2026-11-24 21:00"),  # after the close the day is still Wednesday
        ("2026-11-26 18:00", 1, "2026-11-24 21:00"),  # Thanksgiving has no session
        ("2026-11-28 18:00", 1, "2026-11-25 21:00"),  # on a Saturday the day is Friday's, which was half
        ("2026-11-30 18:00", 1, "2026-11-27 18:00"),  # Friday's close was at one
        ("2026-11-30 18:00", 3, "2026-11-24 21:00"),
        ("2026-01-02 18:00", 2, "2025-12-30 21:00"),  # over the turn of the year
    ],
)
def test_the_close_so_many_sessions_back(now, count, close):
    assert close_back(at(now), count) == at(close)


def test_the_last_open_is_that_of_the_running_session_or_of_the_last_one():
    assert last_open(at("2026-11-25 15:30")) == at("2026-11-25 14:30")
    assert last_open(at("2026-11-26 15:30")) == at("2026-11-25 14:30")
    assert last_open(at("2026-07-01 13:29")) == at("2026-06-30 13:30")


def test_where_the_calendar_does_not_reach_there_is_none():
    assert close_back(at("1990-01-03 18:00"), 250) is None
    assert last_open(at("1980-01-03 18:00")) is None
