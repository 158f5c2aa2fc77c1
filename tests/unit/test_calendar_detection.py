"""What the calendar means for positions: who is found, who is not, and what is said where a number is unknown."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from engine.analysis import analyse
from engine.calendar import FindingKind, coming, detect, earnings_unknown, new_york, one_word
from engine.calendar.days import CLOSE, OPEN
from engine.model import Dividend, Event, EventKind, Impact, Kind, Settlement, Timing, Underlying
from tests.unit.books import SETTINGS, holding, option, snapshot

NOW = datetime(2026, 12, 7, 15, 0, tzinfo=UTC)  # Monday, 10:00 in New York
TODAY, FRIDAY, MONTHLY, NEXT_WEEK = (
    date(2026, 12, 7),
    date(2026, 12, 11),
    date(2026, 12, 18),
    date(2026, 12, 24),
)
FOMC = Event(EventKind.FOMC, datetime(2026, 12, 9, 19, tzinfo=UTC), True, Impact.HIGH, name="FOMC")
STOCK = Underlying("AAA", Kind.STOCK, 100.0, iv30=0.32)
FUND = Underlying("SPY", Kind.ETF, 640.0, iv30=0.16)
INDEX = Underlying("SPX", Kind.INDEX, 6400.0, iv30=0.16)


def reports(day, timing=Timing.AFTER_CLOSE, symbol="AAA", confirmed=True, **facts):
    at = new_york(day, OPEN if timing is Timing.BEFORE_OPEN else CLOSE)
    return Event(EventKind.EARNINGS, at, confirmed, Impact.HIGH, (symbol,), timing=timing, **facts)


def book(*positions, events=(), underlyings=(STOCK, FUND, INDEX), as_of=NOW):
    return snapshot(positions, list(underlyings), events=tuple(events), as_of=as_of)


def found(snap, kind):
    return [one for one in detect(snap, analyse(snap, SETTINGS).positions) if one.kind is kind]


def only(snap, kind):
    (one,) = found(snap, kind)
    return one


# Today, the next session, five sessions


@pytest.mark.parametrize(
    ("at", "count"),
    [
        (new_york(TODAY, CLOSE), 0),
        (new_york(date(2026, 12, 8), OPEN), 1),
        (FOMC.at, 2),
        (new_york(date(2026, 12, 14), CLOSE), 5),
        (new_york(date(2026, 12, 12), CLOSE), 5),  # Saturday counts for Monday
    ],
)
def test_what_falls_within_five_sessions_is_coming_up(at, count):
    one = only(book(holding("SPY"), events=[replace(FOMC, at=at)]), FindingKind.SOON)
    assert (one.sessions, one.event, one.position) == (count, "FOMC", None)
    assert one.why.startswith("rates and the whole surface")


@pytest.mark.parametrize("at", [NOW - timedelta(seconds=1), new_york(date(2026, 12, 15), OPEN)])
def test_what_is_past_or_later_is_not(at):
    assert found(book(holding("SPY"), events=[replace(FOMC, at=at)]), FindingKind.SOON) == []


def test_another_company_s_report_is_not_coming_up():
    assert found(book(holding("SPY"), events=[reports(FRIDAY)]), FindingKind.SOON) == []


# Earnings


@pytest.mark.parametrize(("days", "is_found"), [(0, True), (30, True), (31, False)])
def test_every_position_over_a_report_within_thirty_days_is_named(days, is_found):
    day = TODAY + timedelta(days=days)
    snap = book(holding("AAA"), option("AAA", 100, "P", -2.0, expiry=MONTHLY, iv=0.4), events=[reports(day)])
    named = [one.label for one in found(snap, FindingKind.EARNINGS)]
    assert named == (["AAA", "AAA 2026-12-18 100 P"] if is_found else [])


def test_the_finding_says_who_when_and_why():
    snap = book(
        option("AAA", 100, "P", -2.0, expiry=MONTHLY, iv=0.4), events=[reports(FRIDAY, confirmed=False)]
    )
    one = only(snap, FindingKind.EARNINGS)
    assert (one.event, one.day, one.sessions, one.estimated) == ("earnings AAA", FRIDAY, 4, True)
    assert one.why == "short 2 over a report in 4 d, after close"
    assert one.position == "AAA 2026-12-18 100 P"


@pytest.mark.parametrize(
    ("expiry", "settlement", "day", "timing", "inside"),
    [
        (MONTHLY, Settlement.PM, FRIDAY, Timing.AFTER_CLOSE, True),
        (FRIDAY, Settlement.PM, FRIDAY, Timing.BEFORE_OPEN, True),
        (FRIDAY, Settlement.PM, FRIDAY, Timing.AFTER_CLOSE, False),  # it is gone when the report comes
        (FRIDAY, Settlement.PM, FRIDAY, None, True),  # may come first
        (FRIDAY, Settlement.AM, FRIDAY, None, False),
        (FRIDAY, Settlement.PM, MONTHLY, Timing.AFTER_CLOSE, False),
    ],
)
def test_an_option_that_outlives_the_report_has_it_inside(expiry, settlement, day, timing, inside):
    held = option("AAA", 100, "C", expiry=expiry, settlement=settlement, iv=0.4)
    assert bool(found(book(held, events=[reports(day, timing)]), FindingKind.EARNINGS_INSIDE)) is inside


def test_an_unknown_hour_is_said():
    held = option("AAA", 100, "C", expiry=FRIDAY, iv=0.4)
    one = only(book(held, events=[reports(FRIDAY, None)]), FindingKind.EARNINGS_INSIDE)
    assert "whose hour is not known" in one.why


def test_a_report_without_an_hour_is_ahead_until_its_day_ends():
    evening = new_york(TODAY, CLOSE) + timedelta(hours=2)
    snap = book(holding("AAA"), events=[reports(TODAY, None)], as_of=evening)
    assert only(snap, FindingKind.EARNINGS).sessions == 0
    assert earnings_unknown(replace(snap, as_of=evening + timedelta(days=1))) == ("AAA",)


def test_a_stock_without_a_date_is_unknown_and_never_without_a_report():
    one = only(book(holding("AAA"), holding("SPY")), FindingKind.EARNINGS_UNKNOWN)
    assert (one.label, one.day, one.sessions) == ("AAA", None, None)
    assert "no source has its date" in one.why


# Two words on one report


def test_the_user_s_word_counts_before_another_s_and_a_newer_before_an_older():
    yahoo = reports(FRIDAY, None, source="yahoo", fetched_at=NOW)
    newer = replace(yahoo, at=yahoo.at + timedelta(days=1), fetched_at=NOW + timedelta(hours=1))
    mine = replace(
        yahoo, at=yahoo.at + timedelta(days=3), source="events.csv", fetched_at=NOW - timedelta(days=9)
    )
    assert one_word([yahoo, newer]) == (newer,)
    assert one_word([yahoo, mine, newer]) == (mine,)


def test_the_report_after_next_is_another_one():
    near, far = reports(FRIDAY), reports(FRIDAY + timedelta(days=91))
    assert one_word([far, near]) == (near, far)


# Weeklies


@pytest.mark.parametrize(
    ("expiry", "event", "is_found"),
    [
        (FRIDAY, FOMC, True),
        (date(2026, 12, 9), FOMC, True),  # the same day, two hours before it stops
        (date(2026, 12, 8), FOMC, False),  # gone before
        (date(2026, 12, 14), FOMC, False),  # three sessions later
        (MONTHLY, replace(FOMC, at=new_york(date(2026, 12, 17), OPEN)), False),  # a monthly
        (FRIDAY, replace(FOMC, impact=Impact.MEDIUM), False),
        (FRIDAY, reports(date(2026, 12, 10)), False),  # of another company
    ],
)
def test_weeklies_within_two_sessions_after_a_major_event(expiry, event, is_found):
    snap = book(option("SPY", 640, "P", expiry=expiry, iv=0.2), events=[event])
    assert [one.event for one in found(snap, FindingKind.WEEKLY)] == (["FOMC"] if is_found else [])


# Expiring


def test_what_expires_today_is_named_until_it_has_stopped():
    held = option("SPY", 700, "P", expiry=TODAY, iv=0.2)
    assert only(book(held), FindingKind.EXPIRES_TODAY).why == "it stops at 16:00 New York"
    assert found(book(held, as_of=new_york(TODAY, CLOSE)), FindingKind.EXPIRES_TODAY) == []


def test_a_half_day_stops_options_at_one():
    noon = datetime(2026, 11, 27, 16, tzinfo=UTC)
    one = only(
        book(option("SPY", 700, "P", expiry=noon.date(), iv=0.2), as_of=noon), FindingKind.EXPIRES_TODAY
    )
    assert one.why == "it stops at 13:00 New York"


def test_an_am_settled_option_is_named_on_its_last_day_of_trading():
    held = option("SPX", 6400, "P", expiry=MONTHLY, settlement=Settlement.AM, iv=0.2)
    thursday = new_york(date(2026, 12, 17), OPEN)
    one = only(book(held, as_of=thursday), FindingKind.EXPIRES_TODAY)
    assert (one.event, one.day, one.sessions) == ("last day of trading", MONTHLY, 1)


# Pins: half a daily sigma of 32 % on 100 is 1.008


@pytest.mark.parametrize(
    ("strike", "pinned"), [(100, True), (101, True), (99, True), (101.01, False), (98.9, False)]
)
def test_a_short_option_near_its_strike_on_its_last_day_may_be_pinned(strike, pinned):
    held = option("AAA", strike, "C", -1.0, expiry=TODAY, iv=0.32)
    assert bool(found(book(held), FindingKind.PIN)) is pinned


def test_a_pin_says_the_numbers_and_what_follows():
    one = only(book(option("AAA", 100, "C", -1.0, expiry=TODAY, iv=0.32)), FindingKind.PIN)
    assert one.why == (
        "spot 100.00 is within half a daily sigma (1.01) of the strike; whether it is assigned may not be known until the next "
        "morning"
    )


@pytest.mark.parametrize("facts", [{"quantity": 1.0}, {"expiry": FRIDAY}])
def test_a_long_option_and_another_day_are_no_pin(facts):
    facts = {"quantity": -1.0, "expiry": TODAY} | facts
    held = option("AAA", 100, "C", facts["quantity"], expiry=facts["expiry"], iv=0.32)
    assert found(book(held), FindingKind.PIN) == []


def test_without_a_price_a_pin_can_t_be_told_and_is_said():
    held = option("AAA", 130, "C", -1.0, expiry=TODAY, iv=0.32)
    one = only(book(held, underlyings=[replace(STOCK, spot=None)]), FindingKind.PIN)
    assert "can't be told" in one.why


# Early assignment


def call(mark, quantity=-1.0, expiry=MONTHLY, strike=90, **facts):
    return option("AAA", strike, "C", quantity, expiry=expiry, mark=mark, iv=0.3, **facts)


def paying(amount, ex_date=FRIDAY):
    return [replace(STOCK, dividends=(Dividend(ex_date, amount),))]


@pytest.mark.parametrize(
    ("held", "market", "is_found"),
    [
        (call(10.2), paying(0.5), True),  # time value 0.20
        (call(10.6), paying(0.5), False),
        (call(10.5), paying(0.5), False),  # equal: nothing is gained
        (call(10.2, quantity=1.0), paying(0.5), False),
        (call(1.0, strike=101), paying(5.0), False),  # out of the money
        (call(10.2, expiry=date(2026, 12, 10)), paying(0.5), False),  # gone before the ex-date
        (call(10.2), paying(0.5, ex_date=TODAY), False),  # too late to exercise for it
        (call(10.2), paying(0.5, ex_date=MONTHLY), True),
        (call(10.2, exercise="european"), paying(0.5), False),
        (
            call(10.4),
            [replace(STOCK, dividends=(Dividend(FRIDAY, 0.2), Dividend(MONTHLY, 5.0)))],
            True,
        ),  # the second
        (
            call(10.4),
            [replace(STOCK, dividends=(Dividend(FRIDAY, 0.2), Dividend(FRIDAY, 0.3)))],
            True,
        ),  # both of a day
        (option("AAA", 110, "P", -1.0, expiry=MONTHLY, mark=10.2, iv=0.3), paying(0.5), False),
    ],
)
def test_a_short_call_whose_dividend_exceeds_its_time_value_may_be_assigned(held, market, is_found):
    assert bool(found(book(held, underlyings=market), FindingKind.ASSIGNMENT)) is is_found


def test_an_assignment_names_the_ex_date_and_both_numbers():
    one = only(book(call(10.2), underlyings=paying(0.5)), FindingKind.ASSIGNMENT)
    assert (one.day, one.sessions) == (FRIDAY, 4)
    assert one.why == "in the money, and the dividend of 0.5 exceeds its time value of 0.20: exercise pays"


def test_without_a_price_an_assignment_can_t_be_told_and_is_said():
    market = [replace(paying(0.5)[0], spot=None)]
    one = only(book(option("AAA", 90, "C", -1.0, expiry=MONTHLY), underlyings=market), FindingKind.ASSIGNMENT)
    assert "can't be told" in one.why


# All together


def test_the_most_pressing_comes_first_and_an_empty_book_has_the_market_s_events_only():
    snap = book(option("AAA", 100, "C", -1.0, expiry=TODAY, iv=0.3), events=[FOMC, reports(FRIDAY)])
    kinds = [one.kind for one in detect(snap, analyse(snap, SETTINGS).positions)]
    assert kinds == sorted(kinds, key=list(FindingKind).index)
    assert kinds[0] is FindingKind.EXPIRES_TODAY
    assert [one.event for one in detect(book(events=[FOMC, reports(FRIDAY)]), ())] == ["FOMC"]


def test_coming_lists_what_the_book_makes_too():
    market = [replace(STOCK, dividends=(Dividend(FRIDAY, 0.5),)), FUND]
    snap = book(
        call(10.2),
        call(10.2, strike=95),
        holding("SPY"),
        events=[FOMC, reports(NEXT_WEEK)],
        underlyings=market,
    )
    assert [one.label for one in coming(snap, 30)] == [
        "FOMC", "ex-dividend AAA 0.5", "AAA monthly: 2 options held", "earnings AAA",
    ]  # fmt: skip
    assert [one.label for one in coming(snap, 30, "SPY")] == ["FOMC"]
    assert [one.label for one in coming(snap, 4)] == ["FOMC", "ex-dividend AAA 0.5"]
