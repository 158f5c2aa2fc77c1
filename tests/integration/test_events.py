"""The calendar at work: tables and earnings in store and Book, a source that fails, a day that begins, a table that is edited."""

import logging
import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from bot.earnings import DATES, KnownReporter, YahooReport, YahooReporter, read_report
from bot.events import KNOWN_FOR_S, LOOK_EVERY_S, RETRY_S, Events, events_for_once
from bot.health import Health
from bot.yahoo import EVERY_S, FAILURES_IN_A_ROW, REST_S, Turns, Unknown
from engine.book import Book, Holding
from engine.calendar import NEW_YORK, day_of
from engine.errors import MarketDataError
from engine.model import Contract, EventKind, Kind, Timing
from engine.settings import DataSettings
from engine.store import AsyncStore, Store
from tests.integration.stepped import Ended, Time

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
DAY = date(2026, 12, 10)
FED = "date,time,press_conference,status\n"


class Yahoo:
    """Answers by symbol and notes who was asked for, and when."""

    def __init__(self, clock, **answers):
        self.clock = clock
        self.answers = answers
        self.asked = []

    def __call__(self, symbol):
        self.asked.append((symbol, self.clock.seconds))
        answer = self.answers[symbol]
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(*days, **details):
    return YahooReport({DATES: list(days), "Earnings Average": 1.0}, details)


def stamp(text):
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


@pytest.fixture
async def store(tmp_path):
    async with AsyncStore.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


@pytest.fixture
def tables(tmp_path):
    """The user's tables: one meeting, nothing else."""
    meetings = tmp_path / "fed.csv"
    meetings.write_text(FED + "2026-12-09\n")
    return DataSettings(fed_meetings=str(meetings), events=None), meetings


def book_of(*symbols, kind=Kind.STOCK):
    book = Book()
    book.hold(Holding(symbol, Contract(symbol, kind, symbol), 1.0, None, None) for symbol in symbols)
    for symbol in symbols:
        book.set_underlying(symbol, kind)
    book.complete = True
    return book


async def run(events, clock, times=1):
    clock.left = times
    with pytest.raises(Ended):
        await events.run()


def labels(book):
    return [one.label for one in book.freeze(NOW).events if one.source != "computed"]


# What Yahoo's answer says


def test_a_day_alone_has_no_hour_and_nobody_says_how_certain():
    found = read_report("AVGO", answer(DAY), NOW)
    assert (day_of(found.at), found.timing, found.confirmed) == (DAY, None, None)
    assert (found.kind, found.symbols, found.source, found.fetched_at) == (
        EventKind.EARNINGS,
        ("AVGO",),
        "yahoo",
        NOW,
    )


def test_several_days_are_an_estimate_of_which_the_first_counts():
    found = read_report("AVGO", answer(DAY + timedelta(days=4), DAY), NOW)
    assert (day_of(found.at), found.confirmed) == (DAY, False)


@pytest.mark.parametrize(
    ("moment", "day", "timing"),
    [
        ("2026-12-10 16:15", DAY, Timing.AFTER_CLOSE),
        ("2026-12-10 07:00", DAY, Timing.BEFORE_OPEN),
        ("2026-12-10 12:00", DAY, None),
        ("2026-12-10 00:00", DAY, None),
        ("2026-12-09 19:00", DAY, None),  # midnight in UTC: a day without an hour
        (
            "2026-12-09 16:15",
            DAY - timedelta(days=1),
            Timing.AFTER_CLOSE,
        ),  # the library's day is of a zone east of here
        ("2026-09-10 16:15", DAY, None),  # of the report before
    ],
)
def test_the_details_have_the_hour_and_new_york_s_day(moment, day, timing):
    found = read_report("AVGO", answer(DAY, earningsTimestampStart=stamp(moment)), NOW)
    assert (day_of(found.at), found.timing) == (day, timing)


@pytest.mark.parametrize(
    ("estimate", "confirmed"), [(True, False), (False, True), (None, None), ("no", None)]
)
def test_the_details_say_whether_it_is_an_estimate(estimate, confirmed):
    assert read_report("AVGO", answer(DAY, isEarningsDateEstimate=estimate), NOW).confirmed is confirmed


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -1, 0, 1e18, True, "x", None])
def test_an_instant_that_is_none_leaves_the_day(moment):
    found = read_report("AVGO", answer(DAY, earningsTimestampStart=moment), NOW)
    assert (day_of(found.at), found.timing) == (DAY, None)


@pytest.mark.parametrize(
    "given",
    [
        YahooReport({}, {}),
        YahooReport(None, {}),
        YahooReport({DATES: []}, {}),
        YahooReport({"Ex-Dividend Date": DAY}, {}),
        YahooReport({DATES: "2026-12-10", "x": 1}, {}),
        answer(date(2026, 8, 1)),
        answer(date(2028, 8, 1)),
        answer(datetime(2026, 12, 10)),
    ],
)
def test_an_empty_a_malformed_and_a_past_answer_are_unknown(given):
    assert isinstance(read_report("AVGO", given, NOW), Unknown)


# One request each two seconds, and a rest


async def test_requests_are_two_seconds_apart():
    clock = Time(NOW)
    turns = Turns(clock, clock.pause)
    at = []
    for requests in (1, 3, 1):
        await turns.take(requests)
        at.append(clock.seconds)
    assert at == [0.0, EVERY_S, 4 * EVERY_S]


async def test_after_failures_in_a_row_nobody_is_let_through_for_an_hour_and_then_one_at_a_time():
    clock = Time(NOW)
    turns = Turns(clock, clock.pause)
    for _ in range(FAILURES_IN_A_ROW):
        await turns.take()
        turns.failed()
    with pytest.raises(MarketDataError, match="failed 4 times in a row; asked again in 60 min"):
        await turns.take()
    clock.seconds += REST_S
    await turns.take()
    turns.failed()
    with pytest.raises(MarketDataError):
        await turns.take()
    clock.seconds += REST_S
    await turns.take()
    turns.succeeded()
    turns.failed()
    await turns.take()


async def test_a_yahoo_that_hangs_is_left_and_is_unknown():
    clock = Time(NOW)
    hanging = threading.Event()

    def hang(symbol):
        hanging.wait(5)
        return answer(DAY)

    reporter = YahooReporter(hang, Turns(clock, clock.pause), within_s=0.05)
    found = await reporter.next_report("AVGO", NOW)
    hanging.set()
    assert found == Unknown("Yahoo did not answer within 0.05 s")


def test_of_a_range_the_first_day_ahead_counts_and_it_is_no_confirmed_day():
    today = day_of(NOW)
    days = [today - timedelta(days=1), today + timedelta(days=2)]
    found = read_report("AVGO", YahooReport({DATES: days}, {"isEarningsDateEstimate": False}), NOW)
    assert (day_of(found.at), found.confirmed) == (days[1], False)
    gone = [today - timedelta(days=5), today + timedelta(days=2)]
    found = read_report("AVGO", YahooReport({DATES: gone}, {"isEarningsDateEstimate": False}), NOW)
    assert found.confirmed is False, "a range of which one day is left is a range"


async def test_stocks_without_a_date_do_not_keep_yahoo_from_the_others():
    clock = Time(NOW)
    reporter = YahooReporter(lambda _: YahooReport({"Ex-Dividend Date": DAY}, {}), Turns(clock, clock.pause))
    for _ in range(12):
        found = await reporter.next_report("KO", NOW)
        assert found == Unknown("Yahoo has no earnings date of it")


# Into the Book


async def test_tables_rules_and_earnings_are_in_the_book_and_the_store(store, tables):
    clock, book = Time(NOW), book_of("AVGO")
    yahoo = Yahoo(clock, AVGO=answer(DAY, earningsTimestampStart=stamp("2026-12-10 16:15")))
    events = Events(
        book,
        store,
        clock,
        tables[0],
        Health(NOW),
        YahooReporter(yahoo, Turns(clock, clock.pause)),
        clock.pause,
    )
    await events.load()
    assert labels(book) == ["FOMC"]
    await run(events, clock)
    assert labels(book) == ["FOMC", "earnings AVGO"]
    assert "triple witching" in [one.label for one in book.events]
    assert list(await store.read(Store.events, NOW)) == list(book.events)


async def test_a_failure_leaves_the_old_row_with_its_age_and_is_told(store, tables, caplog):
    caplog.set_level(logging.INFO)
    clock, book, health = Time(NOW), book_of("AVGO"), Health(NOW)
    yahoo = Yahoo(clock, AVGO=answer(DAY))
    events = Events(
        book, store, clock, tables[0], health, YahooReporter(yahoo, Turns(clock, clock.pause)), clock.pause
    )
    await run(events, clock)
    yahoo.answers["AVGO"] = YahooReport({}, {})
    clock.seconds += KNOWN_FOR_S
    await run(events, clock)
    (kept,) = [one for one in book.events if one.kind is EventKind.EARNINGS]
    assert kept.fetched_at == NOW and len(yahoo.asked) == 2
    assert health.earnings == {"AVGO": "Yahoo has no calendar of it"}
    yahoo.answers["AVGO"] = answer(DAY + timedelta(days=1))
    clock.seconds += RETRY_S
    await run(events, clock)
    (moved,) = [one for one in book.events if one.kind is EventKind.EARNINGS]
    assert day_of(moved.at) == DAY + timedelta(days=1) and health.earnings == {}


async def test_a_symbol_is_asked_once_a_day_and_funds_never(store, tables):
    clock = Time(NOW)
    book = book_of("AVGO", "TSLA")
    book.hold([*book.holdings, Holding("SPY", Contract("SPY", Kind.ETF, "SPY"), 1.0, None, None)])
    book.set_underlying("SPY", Kind.ETF)
    yahoo = Yahoo(clock, AVGO=answer(DAY), TSLA=RuntimeError("429 Too Many\nRequests"))
    health = Health(NOW)
    events = Events(
        book, store, clock, tables[0], health, YahooReporter(yahoo, Turns(clock, clock.pause)), clock.pause
    )
    await run(events, clock, times=int(RETRY_S / LOOK_EVERY_S) - 2)
    assert [symbol for symbol, _ in yahoo.asked] == ["AVGO", "TSLA"]
    assert yahoo.asked[1][1] - yahoo.asked[0][1] == 3 * EVERY_S
    assert health.earnings == {"TSLA": "RuntimeError: 429 Too Many Requests"}


async def test_nobody_is_asked_before_the_account_is_whole(store, tables):
    clock, book = Time(NOW), book_of("AVGO")
    book.complete = False
    yahoo = Yahoo(clock, AVGO=answer(DAY))
    events = Events(
        book,
        store,
        clock,
        tables[0],
        Health(NOW),
        YahooReporter(yahoo, Turns(clock, clock.pause)),
        clock.pause,
    )
    await run(events, clock, times=3)
    assert yahoo.asked == []


async def test_a_table_that_is_edited_is_read_again_and_its_bad_line_named(store, tables):
    clock, book, health = Time(NOW), book_of("AVGO"), Health(NOW)
    settings, meetings = tables
    events = Events(book, store, clock, settings, health, None, clock.pause)
    await events.load()
    meetings.write_text(FED + "2026-12-16\n9 Dec\n")
    await run(events, clock)
    assert [day_of(one.at).isoformat() for one in book.events if one.kind is EventKind.FOMC] == ["2026-12-16"]
    assert health.calendar == ("fed.csv, line 3: '9 Dec' is not a date such as 2026-12-09",)


async def test_a_table_that_is_gone_leaves_what_it_said(store, tables):
    clock, book, health = Time(NOW), book_of("AVGO"), Health(NOW)
    settings, meetings = tables
    events = Events(book, store, clock, settings, health, None, clock.pause)
    await events.load()
    meetings.unlink()
    await run(events, clock)
    assert labels(book) == ["FOMC"]
    assert "can't be read" in health.calendar[0]


async def test_a_new_day_reads_everything_anew_and_drops_what_is_past(store, tables):
    clock, book = Time(NOW), book_of("AVGO")
    events = Events(book, store, clock, tables[0], Health(NOW), None, clock.pause)
    await events.load()
    before = {one.fetched_at for one in book.events}
    clock.seconds += 16 * 86_400.0
    await run(events, clock)
    assert labels(book) == [] and before == {NOW}
    assert {one.fetched_at for one in book.events} == {clock.now() - timedelta(seconds=LOOK_EVERY_S)}


async def test_a_table_whose_dates_are_all_past_is_said(store, tables):
    clock, book, health = Time(NOW), book_of("AVGO"), Health(NOW)
    tables[1].write_text(FED + "2025-12-10\n")
    await Events(book, store, clock, tables[0], health, None, clock.pause).load()
    assert health.calendar == ("fed.csv: its last date, 2025-12-10, is past",)


async def test_what_a_switched_off_source_said_is_not_shown(store, tables):
    clock = Time(NOW)
    known = KnownReporter("embedded world", {"AVGO": datetime(2026, 12, 10, 21, 15, tzinfo=UTC)})
    first = book_of("AVGO")
    await run(Events(first, store, clock, tables[0], Health(NOW), known, clock.pause), clock)
    assert labels(first) == ["FOMC", "earnings AVGO"]
    second = book_of("AVGO")
    await Events(second, store, clock, tables[0], Health(NOW), None, clock.pause).load()
    assert labels(second) == ["FOMC"]


async def test_a_command_that_runs_once_has_the_tables_and_the_stored_earnings(tmp_path, tables):
    clock = Time(NOW)
    url = f"sqlite:///{tmp_path / 'bot.sqlite3'}"
    assert "FOMC" in [one.label for one in await events_for_once(tables[0], url, clock)]
    assert not (tmp_path / "bot.sqlite3").exists(), "it makes no database"
    known = KnownReporter("yahoo", {"AVGO": datetime(2026, 12, 10, 21, 15, tzinfo=UTC)})
    async with AsyncStore.open(url) as opened:
        await run(Events(book_of("AVGO"), opened, clock, tables[0], Health(NOW), known, clock.pause), clock)
    assert "earnings AVGO" in [one.label for one in await events_for_once(tables[0], url, clock)]
