"""The user's tables of dates: what a line says, and what is said of a bad one, with its number."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import NEW_YORK, read_events, read_fed_meetings
from engine.calendar.files import parse_events, parse_fed_meetings
from engine.errors import MarketDataError
from engine.model import EventKind, Impact, Timing

AT = datetime(2026, 11, 25, 15, tzinfo=UTC)
FED = "date,time,press_conference,status\n"
HEAD = "date,time,kind,name,symbols,impact,status\n"


def fed(*lines):
    return parse_fed_meetings(FED + "\n".join(lines), "fed_meetings.csv", AT)


def events(*lines):
    return parse_events(HEAD + "\n".join(lines), "events.csv", AT)


def only(table):
    assert table.bad == ()
    (event,) = table.events
    return event


def complaint(table):
    (bad,) = table.bad
    assert "\n" not in str(bad)
    return str(bad)


def test_a_meeting_is_at_two_in_new_york_unless_its_line_says_otherwise():
    assert only(fed("2026-12-09")).at == datetime(2026, 12, 9, 19, tzinfo=UTC)
    assert only(fed("2026-12-09,13:30,no,")).at == datetime(2026, 12, 9, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "confirmed"),
    [("confirmed", True), ("tentative", False), ("estimated", False), ("unknown", None), ("", None)],
)
def test_a_line_says_how_certain_it_is(status, confirmed):
    assert only(fed(f"2026-12-09,14:00,yes,{status}")).confirmed is confirmed


def test_an_event_of_the_market():
    found = only(events("2026-12-10,08:30,ECONOMIC,CPI,MARKET,high,confirmed"))
    assert (found.kind, found.name, found.symbols, found.impact) == (
        EventKind.ECONOMIC,
        "CPI",
        ("MARKET",),
        Impact.HIGH,
    )
    assert (found.source, found.fetched_at) == ("events.csv", AT)
    assert found.label == "CPI" and found.touches("ANY")


@pytest.mark.parametrize(
    ("when", "clock", "timing"),
    [
        ("before open", "09:30", Timing.BEFORE_OPEN),
        ("After  Close", "16:00", Timing.AFTER_CLOSE),
        ("", "16:00", None),
        ("07:00", "09:30", Timing.BEFORE_OPEN),
        ("16:05", "16:00", Timing.AFTER_CLOSE),
        ("12:00", "16:00", None),
    ],
)
def test_earnings_come_before_the_open_after_the_close_or_at_an_unknown_hour(when, clock, timing):
    found = only(events(f"2026-12-10,{when},earnings,,avgo,,estimated"))
    assert (f"{found.at.astimezone(NEW_YORK):%H:%M}", found.timing) == (clock, timing)
    assert (found.symbols, found.label, found.confirmed) == (("AVGO",), "earnings AVGO", False)
    assert not found.touches("SPY")


def test_a_class_of_shares_has_a_dot_and_several_symbols_a_space():
    assert only(events("2026-12-10,10:00,ECONOMIC,x,BRK.B aapl")).symbols == ("BRK B", "AAPL")


def test_remarks_empty_lines_and_a_byte_order_mark_are_no_lines(tmp_path):
    path = tmp_path / "fed_meetings.csv"
    path.write_text("\ufeff# the Fed\n\n" + FED + "\n  # none\n2026-12-09\n", encoding="utf-8")
    assert only(read_fed_meetings(path, AT)).kind is EventKind.FOMC


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2026-13-09", "'2026-13-09' is no day of the calendar"),
        ("2026-02-29", "'2026-02-29' is no day of the calendar"),
        ("9 Dec 2026", "'9 Dec 2026' is not a date such as 2026-12-09"),
        ("1026-12-09", "'1026-12-09' is not a date such as 2026-12-09"),
        ("2026-12-09,25:00", "'25:00' is not a time such as 14:00"),
        ("2026-12-09,2pm", "'2pm' is not a time such as 14:00"),
        ("2026-12-09,14:00,perhaps", "press_conference is 'perhaps'; write yes or no"),
        ("2026-12-09,14:00,yes,sure", "status is 'sure'; write confirmed, estimated or unknown"),
        ("2026-12-09,14:00,yes,,,", "6 columns instead of 4"),
        ("2026-03-08,02:30", "New York's clocks skip 02:30 on 2026-03-08"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_the_others_count(line, reason):
    table = fed("2026-10-28", line, "2027-01-27")
    assert complaint(table) == f"fed_meetings.csv, line 3: {reason}"
    assert len(table.events) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "2026-12-10,08:30,PARTY,x",
            "kind is 'PARTY'; write one of FOMC, EARNINGS, EXPIRATION, ECONOMIC, DIVIDEND",
        ),
        ("2026-12-10,08:30,ECONOMIC,x,,huge", "impact is 'huge'; write one of high, medium, low"),
        ("2026-12-10,,ECONOMIC,CPI", "'' is not a time such as 14:00"),
        ("2026-12-10,,EARNINGS,x,MARKET", "symbols: earnings are of a company; write its ticker"),
        ("2026-12-10,08:30,ECONOMIC," + "x" * 61, "name: at most 60 plain characters"),
    ],
)
def test_a_bad_line_of_events_is_named_too(line, reason):
    assert complaint(events(line)) == f"events.csv, line 2: {reason}"


def test_a_line_that_stands_twice_counts_once():
    table = fed("2026-12-09", "2026-12-09,14:00")
    assert complaint(table) == "fed_meetings.csv, line 3: stands twice; the first one counts"
    assert len(table.events) == 1


def test_a_file_with_other_columns_says_which_it_needs():
    for text in ("when,what\n2026-12-09,x\n", ""):  # no source at all: what it said before stays
        with pytest.raises(
            MarketDataError, match=r"events\.csv, line 1: the first line must be date,time,kind"
        ):
            parse_events(text, "events.csv", AT)


def test_a_file_that_is_missing_or_no_text_is_said(tmp_path):
    with pytest.raises(MarketDataError, match=r"none\.csv: can't be read: No such file"):
        read_events(tmp_path / "none.csv", AT)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MarketDataError, match="is not UTF-8 text"):
        read_fed_meetings(tmp_path / "bytes.csv", AT)


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text):
    for table in (
        parse_events(HEAD + text, "e", AT),
        parse_fed_meetings(FED + text, "f", AT),
    ):
        assert all(one.number >= 1 and one.reason for one in table.bad)
    with suppress(MarketDataError):
        parse_events(text, "e", AT)
