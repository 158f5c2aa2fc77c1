"""Dates of 2025-2027: meetings, half days, holidays on third Fridays, both clock changes, year ends, each against a list."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.calendar import (
    INDEX_OPTIONS,
    NEW_YORK,
    STOCKS,
    day_of,
    expiration_events,
    expirations,
    last_trading_day,
    monthly,
    new_york,
    quarterly,
    read_events,
    read_fed_meetings,
    series_of,
    session,
    sessions_until,
    stops_at,
    trading_days,
    volatility_monthly,
)
from engine.calendar.days import on_or_before, sessions_between
from engine.calendar.expirations import third_friday
from engine.model import Contract, EventKind, Exercise, Kind, Right, Settlement

REPO = Path(__file__).parents[2]
AT = datetime(2026, 11, 25, 15, tzinfo=UTC)


def listed(text):
    return text.split()


MEETINGS = listed("""
2025-01-29 2025-03-19 2025-05-07 2025-06-18 2025-07-30 2025-09-17 2025-10-29 2025-12-10
2026-01-28 2026-03-18 2026-04-29 2026-06-17 2026-07-29 2026-09-16 2026-10-28 2026-12-09
2027-01-27 2027-03-17 2027-04-28 2027-06-09 2027-07-28 2027-09-15 2027-10-27 2027-12-08
""")
"""The Federal Reserve's releases of 9 August 2024 (2025, 2026) and 5 September 2025 (2027)."""
HALF_DAYS = ["2025-07-03", "2025-11-28", "2025-12-24", "2026-11-27", "2026-12-24", "2027-11-26"]
CLOSED = listed("""
2025-01-01 2025-01-09 2025-01-20 2025-02-17 2025-04-18 2025-05-26 2025-06-19 2025-07-04 2025-09-01 2025-11-27 2025-12-25
2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-11-26 2026-12-25
2027-01-01 2027-01-18 2027-02-15 2027-03-26 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-11-25 2027-12-24
""")
"""NYSE's published holidays; 2025-01-09 was the day of mourning for President Carter."""
ZONES = [UTC, NEW_YORK, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo"), ZoneInfo("Pacific/Auckland")]


def day(text):
    return date.fromisoformat(text)


def option(expiry, settlement=Settlement.PM, symbol="SPX"):
    return Contract(
        symbol,
        Kind.OPTION,
        symbol,
        "USD",
        100.0,
        day(expiry),
        100.0,
        Right.CALL,
        Exercise.EUROPEAN,
        settlement,
    )


# The Fed


def test_the_meetings_are_those_that_the_fed_published():
    table = read_fed_meetings(REPO / "fed_meetings.csv", AT)
    assert table.bad == ()
    assert [day_of(one.at).isoformat() for one in table.events] == MEETINGS
    assert {one.confirmed for one in table.events if one.at.year < 2027} == {True}
    assert {one.confirmed for one in table.events if one.at.year == 2027} == {False}, "tentative"


def test_every_statement_is_at_two_in_new_york_whatever_the_season():
    for one in read_fed_meetings(REPO / "fed_meetings.csv", AT).events:
        assert f"{one.at.astimezone(NEW_YORK):%H:%M}" == "14:00"
        assert session(day_of(one.at)) is not None, "a trading day"


@pytest.mark.parametrize(
    ("meeting", "utc"),
    [
        ("2025-01-29", "19:00"),
        ("2025-03-19", "18:00"),  # ten days after the clocks went forward
        ("2025-10-29", "18:00"),  # four days before they go back
        ("2025-12-10", "19:00"),
        ("2026-03-18", "18:00"),
        ("2026-10-28", "18:00"),
        ("2027-03-17", "18:00"),
        ("2027-10-27", "18:00"),
        ("2027-12-08", "19:00"),
    ],
)
def test_the_statement_in_utc_follows_the_clock_change(meeting, utc):
    (found,) = [
        one
        for one in read_fed_meetings(REPO / "fed_meetings.csv", AT).events
        if day_of(one.at) == day(meeting)
    ]
    assert f"{found.at.astimezone(UTC):%Y-%m-%d %H:%M}" == f"{meeting} {utc}"


def test_the_releases_of_2026_are_whole_and_on_trading_days_or_good_friday():
    table = read_events(REPO / "events.csv", AT)
    assert table.bad == ()
    names = [one.name.split()[0] for one in table.events]
    assert {name: names.count(name) for name in set(names)} == {
        "CPI": 12,
        "GDP": 13,
        "NFP": 12,
        "PCE": 13,
        "PPI": 13,
    }
    off = [day_of(one.at).isoformat() for one in table.events if session(day_of(one.at)) is None]
    assert off == ["2026-04-03"], "the employment report came out while the exchanges were closed"
    assert {one.kind for one in table.events} == {EventKind.ECONOMIC}


# Sessions


@pytest.mark.parametrize("exchange", [STOCKS, INDEX_OPTIONS])
@pytest.mark.parametrize("year", [2025, 2026, 2027])
def test_half_days_are_those_of_the_exchanges(year, exchange):
    early = [one.day.isoformat() for one in trading_days(year, exchange) if one.early]
    assert early == [text for text in HALF_DAYS if text.startswith(str(year))]


@pytest.mark.parametrize("exchange", [STOCKS, INDEX_OPTIONS])
@pytest.mark.parametrize("year", [2025, 2026, 2027])
def test_the_weekdays_without_a_session_are_the_holidays(year, exchange):
    first, last = date(year, 1, 1), date(year, 12, 31)
    weekdays = {date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)}
    open_ = {one.day for one in trading_days(year, exchange)}
    closed = sorted(one.isoformat() for one in weekdays - open_ if one.weekday() < 5)
    assert closed == [text for text in CLOSED if text.startswith(str(year))]


@pytest.mark.parametrize(
    ("exchange", "full", "half"), [(STOCKS, "16:00", "13:00"), (INDEX_OPTIONS, "16:15", "13:15")]
)
def test_half_days_end_three_hours_early_at_both_exchanges(exchange, full, half):
    for year in (2025, 2026, 2027):
        for one in trading_days(year, exchange):
            assert f"{one.closes.astimezone(NEW_YORK):%H:%M}" == (half if one.early else full)
            assert f"{one.opens.astimezone(NEW_YORK):%H:%M}" == "09:30"


@pytest.mark.parametrize(
    ("on", "opens"),
    [
        ("2025-03-07", 14), ("2025-03-10", 13), ("2025-10-31", 13), ("2025-11-03", 14),
        ("2026-03-06", 14), ("2026-03-09", 13), ("2026-10-30", 13), ("2026-11-02", 14),
        ("2027-03-12", 14), ("2027-03-15", 13), ("2027-11-05", 13), ("2027-11-08", 14),
    ],
)  # fmt: skip
def test_the_session_in_utc_follows_both_clock_changes_of_each_year(on, opens):
    assert session(day(on)).opens.hour == opens


@pytest.mark.parametrize(
    ("today", "on", "count"),
    [
        ("2026-11-25", "2026-11-25", 0),
        ("2026-11-25", "2026-11-26", 1),  # Thanksgiving: what falls on it counts for the half day after it
        ("2026-11-25", "2026-11-27", 1),
        ("2026-11-27", "2026-11-30", 1),
        ("2026-11-28", "2026-11-30", 1),  # from a Saturday
        ("2026-11-28", "2026-11-29", 1),
        ("2026-12-24", "2026-12-28", 1),
        ("2026-12-31", "2027-01-04", 1),  # over the year end
        ("2026-12-30", "2027-01-06", 4),
        ("2025-12-31", "2026-01-02", 1),
        ("2027-12-23", "2027-12-27", 1),  # the 24th is the day off for a Saturday's Christmas
        ("2025-04-17", "2025-04-21", 1),
        ("2026-11-30", "2026-11-27", -1),
    ],
)
def test_sessions_are_counted_without_weekends_and_holidays(today, on, count):
    assert sessions_until(day(today), day(on)) == count


@settings(deadline=None)  # the first call of a year reads its calendar
@given(st.dates(date(2025, 1, 1), date(2027, 12, 31)), st.integers(0, 400), st.integers(0, 400))
def test_sessions_between_add_up(start, first, second):
    middle = date.fromordinal(start.toordinal() + first)
    end = date.fromordinal(middle.toordinal() + second)
    assert sessions_between(start, middle) + sessions_between(middle, end) == sessions_between(start, end)
    assert sessions_between(end, start) == -sessions_between(start, end)


@settings(deadline=None)  # the first call of a year reads its calendar
@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)).map(lambda at: at.replace(tzinfo=UTC)))
def test_an_instant_has_one_exchange_date_in_whatever_zone_it_is_said(at):
    assert len({day_of(at.astimezone(zone)) for zone in ZONES}) == 1


# Expirations


@pytest.mark.parametrize(
    ("year", "month", "expires"),
    [
        (2025, 3, "2025-03-21"),
        (2025, 4, "2025-04-17"),  # Good Friday
        (2025, 12, "2025-12-19"),
        (2026, 1, "2026-01-16"),
        (2026, 6, "2026-06-18"),  # Juneteenth
        (2027, 6, "2027-06-17"),  # its day off, as the 19th is a Saturday
        (2027, 3, "2027-03-19"),
    ],
)
def test_monthlies_are_third_fridays_moved_by_holidays(year, month, expires):
    assert monthly(year, month).isoformat() == expires


def test_exactly_three_third_fridays_are_holidays():
    months = [(year, month) for year in (2025, 2026, 2027) for month in range(1, 13)]
    moved = [third_friday(*each).isoformat() for each in months if monthly(*each) != third_friday(*each)]
    assert moved == ["2025-04-18", "2026-06-19", "2027-06-18"]


@pytest.mark.parametrize(
    ("year", "month", "settles"),
    [
        (2025, 1, "2025-01-22"),
        (2025, 3, "2025-03-18"),  # the Friday 30 days on is Good Friday
        (2025, 12, "2025-12-17"),
        (2026, 5, "2026-05-19"),  # the Friday 30 days on is Juneteenth
        (2026, 7, "2026-07-22"),
        (2026, 11, "2026-11-18"),
        (2026, 12, "2026-12-16"),
        (2027, 5, "2027-05-18"),
    ],
)
def test_vix_settles_thirty_days_before_the_next_third_friday(year, month, settles):
    assert volatility_monthly(year, month).isoformat() == settles


@pytest.mark.parametrize(
    ("on", "symbol", "series"),
    [
        ("2025-04-17", "SPY", "monthly"),
        ("2026-12-18", "AAPL", "monthly"),
        ("2026-12-11", "AAPL", "weekly"),
        ("2026-12-24", "AAPL", "weekly"),  # Friday is Christmas
        ("2026-12-31", "SPX", "quarterly"),
        ("2026-09-30", "SPY", "quarterly"),
        ("2026-12-09", "SPX", "daily"),
        ("2026-12-09", "TSLA", "weekly"),
        ("2026-12-16", "VIX", "monthly"),
        ("2026-12-09", "VIX", "weekly"),
    ],
)
def test_an_expiry_belongs_to_a_series(on, symbol, series):
    assert series_of(day(on), symbol) == series


def test_the_year_ends_on_its_last_session():
    assert [quarterly(year, 12).isoformat() for year in (2025, 2026, 2027)] == [
        "2025-12-31",
        "2026-12-31",
        "2027-12-31",
    ]


def test_dailies_expire_every_session_and_stocks_on_fridays():
    spx = [one for one, _ in expirations("SPX", date(2026, 11, 23), date(2026, 11, 30))]
    assert [one.isoformat() for one in spx] == [
        "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27", "2026-11-30",
    ]  # fmt: skip
    stock = list(expirations("AAPL", date(2025, 4, 7), date(2025, 4, 25)))
    assert [(one.isoformat(), series) for one, series in stock] == [
        ("2025-04-11", "weekly"), ("2025-04-17", "monthly"), ("2025-04-25", "weekly"),
    ]  # fmt: skip


@settings(deadline=None)  # the first call of a year reads its calendar
@given(st.sampled_from(["SPX", "AAPL", "VIX"]), st.dates(date(2025, 1, 1), date(2027, 11, 1)))
def test_every_expiration_is_a_session(symbol, first):
    found = list(expirations(symbol, first, date.fromordinal(first.toordinal() + 45)))
    assert found and all(session(one) is not None for one, _ in found)


@pytest.mark.parametrize(
    ("expiry", "settlement", "stops", "last"),
    [
        ("2026-12-18", Settlement.PM, "2026-12-18 16:00", "2026-12-18"),
        ("2026-12-18", Settlement.AM, "2026-12-18 09:30", "2026-12-17"),
        ("2025-04-17", Settlement.AM, "2025-04-17 09:30", "2025-04-16"),
        ("2026-11-27", Settlement.PM, "2026-11-27 13:00", "2026-11-27"),  # a half day
        ("2026-01-20", Settlement.AM, "2026-01-20 09:30", "2026-01-16"),  # after a long weekend
    ],
)
def test_am_settled_options_trade_until_the_session_before(expiry, settlement, stops, last):
    held = option(expiry, settlement)
    assert f"{stops_at(held).astimezone(NEW_YORK):%Y-%m-%d %H:%M}" == stops
    assert last_trading_day(held).isoformat() == last


def test_what_does_not_expire_never_stops():
    stock = Contract("AAPL", Kind.STOCK, "AAPL")
    assert stops_at(stock) is None and last_trading_day(stock) is None


def test_the_market_s_expirations_of_a_year_end():
    found = expiration_events(date(2026, 12, 1), date(2027, 1, 31), AT)
    assert [(day_of(one.at).isoformat(), one.name) for one in found] == [
        ("2026-12-16", "VIX expiry"),
        ("2026-12-18", "triple witching"),
        ("2026-12-31", "quarter-end expiry"),
        ("2027-01-15", "monthly expiry"),
        ("2027-01-20", "VIX expiry"),
    ]
    assert all(one.source == "computed" and one.fetched_at == AT for one in found)


def test_a_wall_clock_time_is_one_instant():
    assert new_york(date(2026, 11, 1), datetime(2026, 1, 1, 9, 30).time()) == datetime(
        2026, 11, 1, 14, 30, tzinfo=UTC
    )
    assert on_or_before(date(2026, 11, 26)) == date(2026, 11, 25)
