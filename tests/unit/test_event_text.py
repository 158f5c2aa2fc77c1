"""/events and the "coming up" lines: what a person reads, in their own zone, and what is said of what nobody knows."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest

from bot.event_text import coming_up_lines, events_text, when_text
from engine.analysis import analyse
from engine.calendar import detect, new_york
from engine.calendar.days import CLOSE, OPEN
from engine.model import Dividend, Event, EventKind, Impact, Kind, Timing, Underlying
from tests.unit.books import SETTINGS, holding, option, snapshot

NOW = datetime(2026, 12, 7, 15, 0, tzinfo=UTC)
FOMC = Event(
    EventKind.FOMC, datetime(2026, 12, 9, 19, tzinfo=UTC), True, Impact.HIGH, name="FOMC, press conference",
    source="fed_meetings.csv", fetched_at=NOW,
)  # fmt: skip
AVGO = Event(
    EventKind.EARNINGS, new_york(date(2026, 12, 10), CLOSE), False, Impact.HIGH, ("AVGO",), timing=Timing.AFTER_CLOSE,
    source="yahoo", fetched_at=NOW - timedelta(days=5),
)  # fmt: skip
MARKET = [
    Underlying("AVGO", Kind.STOCK, 370.0, iv30=0.4, dividends=(Dividend(date(2026, 12, 21), 0.65),)),
    Underlying("A&B", Kind.STOCK, 50.0),
    Underlying("SPY", Kind.ETF, 640.0, iv30=0.16),
]
NEW_YORK, BERLIN, TOKYO = (ZoneInfo(name) for name in ("America/New_York", "Europe/Berlin", "Asia/Tokyo"))


def stock(symbol):
    return holding(symbol, kind=Kind.STOCK)


def book(*positions, events=(FOMC, AVGO)):
    held = positions or (stock("AVGO"), option("AVGO", 380, "C", -1.0, expiry=date(2026, 12, 18), iv=0.5))
    return snapshot(held, MARKET, events=events, as_of=NOW)


def findings(snap):
    return detect(snap, analyse(snap, SETTINGS).positions)


def card(snap, days=30, symbol=None, zone=NEW_YORK, problems=()):
    return unescape(events_text(snap, findings(snap), days=days, symbol=symbol, zone=zone, problems=problems))


def rows(text):
    return re.search(r"<pre>(.*?)</pre>", text, re.DOTALL).group(1).split("\n")


def test_the_list_is_by_date_and_fits_thirty_columns():
    listed = rows(card(book()))
    assert listed == [
        "09Dec 14:00 FOMC           T+2",
        "10Dec AMC   AVGO earns~    T+3",
        "18Dec 16:00 AVGO monthly   T+9",
        "21Dec open  AVGO ex-div   T+10",
    ]
    assert max(map(len, listed)) == 30


def test_a_date_that_is_not_confirmed_and_a_source_that_is_silent_are_marked():
    text = card(book())
    assert "~ not confirmed" in text and "BMO before the open, AMC after the close" in text
    assert "⚠ yahoo: last heard 5 d ago" in text


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        (NEW_YORK, ("09Dec", "14:00")),
        (BERLIN, ("09Dec", "20:00")),
        (TOKYO, ("10Dec", "04:00")),
        (UTC, ("09Dec", "19:00")),
    ],
)
def test_exchange_time_utc_and_the_user_s_zone_say_one_instant(zone, shown):
    assert when_text(FOMC, zone) == shown
    day, hour = shown
    local = datetime.strptime(f"2026{day} {hour}", "%Y%d%b %H:%M").replace(tzinfo=zone)
    assert local == FOMC.at


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, TOKYO])
@pytest.mark.parametrize(
    ("timing", "hour"), [(Timing.BEFORE_OPEN, "BMO"), (Timing.AFTER_CLOSE, "AMC"), (None, "?")]
)
def test_a_report_has_the_exchange_s_day_in_every_zone(zone, timing, hour):
    at = new_york(date(2026, 12, 10), OPEN if timing is Timing.BEFORE_OPEN else CLOSE)
    assert when_text(replace(AVGO, at=at, timing=timing), zone) == ("10Dec", hour)


def test_findings_of_one_kind_on_one_event_are_one_sentence():
    held = [
        option("AVGO", strike, "P", -1.0, expiry=date(2026, 12, 18), iv=0.5)
        for strike in (300, 310, 320, 330)
    ]
    text = card(book(*held))
    (line,) = [one for one in text.split("\n") if one.startswith("<b>Earnings inside expiration</b>")]
    assert line == (
        "<b>Earnings inside expiration</b>: AVGO 2026-12-18 300 P, AVGO 2026-12-18 310 P, AVGO 2026-12-18 320 P and 1 more "
        "(earnings AVGO Thu 10 Dec, T+3, not confirmed). It expires 8 d after the report: its volatility holds that move and "
        "falls after it."
    )


def test_a_symbol_has_its_own_and_the_market_s_events_only():
    text = card(book(stock("AVGO"), holding("SPY"), stock("A&B")), symbol="SPY")
    assert [row[12:16] for row in rows(text)] == ["FOMC"]
    assert "A&B" not in text and "Events</b> of SPY" in text


def test_fewer_days_show_less():
    assert [row[:5] for row in rows(card(book(), days=2))] == ["09Dec"]
    assert "Nothing is known to come" in card(book(events=()), days=1)


def test_a_stock_without_a_date_is_said_and_never_quietly_left_out():
    text = card(book(stock("A&B"), events=(FOMC,)))
    assert "Earnings date unknown</b>: A&B. No source has its date" in text


def test_what_the_sources_could_not_say_is_at_the_foot():
    text = card(book(), problems=["events.csv, line 3: '<x>' is not a date"])
    assert "⚠ events.csv, line 3: '<x>' is not a date" in text


def test_names_are_escaped():
    snap = book(stock("A&B"), events=(FOMC,))
    html = events_text(snap, findings(snap), days=9, symbol="A&B", zone=NEW_YORK, problems=["<x>"])
    assert "A&amp;B" in html and "&lt;x&gt;" in html and "A&B" not in html


def test_coming_up_has_the_next_five_sessions_and_what_they_mean():
    snap = book()
    text = "\n".join(coming_up_lines(findings(snap), NEW_YORK))
    assert text.startswith("<b>Coming up</b>\nT+2 Wed 09 Dec 14:00: FOMC, press conference\n")
    assert "T+3 Thu 10 Dec: earnings AVGO (not confirmed)" in text
    assert "Earnings inside expiration" in text and "T+10" not in text


def test_nothing_coming_up_is_no_line():
    snap = book(holding("SPY"), events=())
    assert coming_up_lines(findings(snap), NEW_YORK) == []


def test_a_crowded_week_is_cut_and_says_where_the_rest_is():
    many = [replace(FOMC, name=f"X{i}", at=FOMC.at + timedelta(minutes=i)) for i in range(9)]
    lines = coming_up_lines(findings(book(holding("SPY"), events=many)), NEW_YORK)
    assert "and 3 more: /events" in lines
