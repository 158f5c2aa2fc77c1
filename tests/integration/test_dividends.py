"""Dividends: the broker's are stored, Yahoo's stand in where it tells none, and a failure is never "pays none"."""

import logging
import sys
import threading
import time
from datetime import UTC, date, datetime

import pytest

from bot.dividends import (
    EX_DATE,
    GRACE_S,
    KNOWN_FOR_S,
    LOOK_EVERY_S,
    RETRY_S,
    Announced,
    Dividends,
    YahooAnswer,
    announced,
    ask_yahoo,
    read_answer,
)
from bot.yahoo import Unknown
from engine.book import Book, Holding
from engine.errors import MarketDataError
from engine.model import Contract, Dividend, Kind
from engine.store import AsyncStore, DividendSource, Store
from tests.integration.stepped import Ended, Time

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
TODAY = NOW.date()
EX = date(2026, 12, 18)
PAID = ((date(2026, 6, 18), 1.7), (date(2026, 9, 18), 1.9))
KNOWN = YahooAnswer({EX_DATE: EX, "Earnings Date": []}, PAID)
NONE_ANNOUNCED = YahooAnswer({"Earnings Date": [date(2027, 1, 28)]}, ())


class Yahoo:
    """Answers by symbol and notes who was asked for."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def __call__(self, symbol):
        self.asked.append(symbol)
        answer = self.answers[symbol]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def store(tmp_path):
    async with AsyncStore.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def book_of(*symbols, kind=Kind.STOCK, currency="USD"):
    book = Book()
    book.hold(
        Holding(symbol, Contract(symbol, kind, symbol, currency), 1.0, None, None) for symbol in symbols
    )
    for symbol in symbols:
        book.set_underlying(symbol, kind)
    book.complete = True
    return book


async def run(dividends, clock, for_s):
    clock.left = for_s / LOOK_EVERY_S
    with pytest.raises(Ended):
        await dividends.run()


def in_book(book, symbol):
    return book.freeze(NOW).underlyings[symbol].dividends


# What an answer says


def test_an_ex_date_ahead_has_the_last_amount_paid():
    assert read_answer(KNOWN, TODAY) == Announced((Dividend(EX, 1.9),))


def test_an_ex_date_of_today_is_still_ahead():
    assert read_answer(YahooAnswer({EX_DATE: TODAY}, PAID), TODAY) == Announced((Dividend(TODAY, 1.9),))


@pytest.mark.parametrize("answer", [NONE_ANNOUNCED, YahooAnswer({EX_DATE: date(2026, 9, 18)}, PAID)])
def test_other_dates_and_none_ahead_is_none_announced(answer):
    assert read_answer(answer, TODAY) == Announced(())


@pytest.mark.parametrize("calendar", [
    {}, None, [], "", {"Earnings Date": []}, {EX_DATE: None}, {EX_DATE: "2026-12-18"}, {EX_DATE: 1_797_552_000},
    {EX_DATE: datetime(2026, 12, 18, tzinfo=UTC)}, {EX_DATE: date(2062, 1, 1)},
])  # fmt: skip
def test_an_empty_or_strange_calendar_is_unknown_never_none(calendar):
    assert isinstance(read_answer(YahooAnswer(calendar, PAID), TODAY), Unknown)


@pytest.mark.parametrize("paid", [
    (), ((date(2024, 9, 18), 1.9),), ((date(2026, 9, 18), float("nan")),), ((date(2026, 9, 18), 0.0),),
    ((date(2027, 9, 18), 1.9),),
])  # fmt: skip
def test_a_date_without_a_recent_amount_is_unknown(paid):
    assert isinstance(read_answer(YahooAnswer({EX_DATE: EX}, paid), TODAY), Unknown)


@pytest.mark.parametrize(("zone", "told"), [("UTC", 18), ("Europe/Berlin", 18), ("America/New_York", 17)])
def test_the_machine_s_zone_does_not_move_the_ex_date(monkeypatch, zone, told):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        answer = YahooAnswer({EX_DATE: date(2026, 12, told)}, PAID)
        assert read_answer(answer, TODAY) == Announced((Dividend(EX, 1.9),))
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_whatever_the_library_raises_is_unknown_in_one_line():
    answer = await announced("SPY", TODAY, Yahoo(SPY=RuntimeError("Too many\nrequests")))
    assert answer == Unknown("RuntimeError: Too many requests")


async def test_an_answer_that_does_not_come_is_unknown():
    release = threading.Event()

    def hang(symbol):
        release.wait(10.0)
        return KNOWN

    try:
        assert await announced("SPY", TODAY, hang, within_s=0.05) == Unknown(
            "Yahoo did not answer within 0.05 s"
        )
    finally:
        release.set()


async def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(MarketDataError, match="need the Python package yfinance"):
        ask_yahoo("SPY")
    assert isinstance(await announced("SPY", TODAY, ask_yahoo), Unknown)


def test_the_library_is_asked_in_its_own_words(monkeypatch):
    import pandas as pd

    class Ticker:
        def __init__(self, symbol):
            assert symbol == "BRK-B"
            self.calendar = {EX_DATE: EX}

        def get_dividends(self, period):
            days = pd.DatetimeIndex(["2026-09-18"], tz="America/New_York")
            return pd.Series([1.9], index=days)

    monkeypatch.setitem(sys.modules, "yfinance", type(sys)("yfinance"))
    sys.modules["yfinance"].Ticker = Ticker
    assert ask_yahoo("BRK B") == YahooAnswer({EX_DATE: EX}, [(date(2026, 9, 18), 1.9)])


# In the Book and the store


async def test_yahoo_stands_in_after_the_grace_and_is_asked_once_a_day(store):
    clock, book, yahoo = Time(NOW), book_of("AAPL", "SPY"), Yahoo(AAPL=KNOWN, SPY=NONE_ANNOUNCED)
    dividends = Dividends(book, store, clock, yahoo, clock.pause)
    await run(dividends, clock, GRACE_S)
    assert yahoo.asked == []
    await run(dividends, clock, KNOWN_FOR_S - LOOK_EVERY_S)
    assert yahoo.asked == ["AAPL", "SPY"]
    assert in_book(book, "AAPL") == (Dividend(EX, 1.9),) and in_book(book, "SPY") == ()
    assert await store.read(Store.dividends, TODAY) == {"AAPL": (Dividend(EX, 1.9),)}
    await run(dividends, clock, 3 * LOOK_EVERY_S)
    assert yahoo.asked == ["AAPL", "SPY"] * 2


async def test_unknown_is_asked_again_each_hour_told_once_and_takes_nothing_away(store, caplog):
    clock, book, yahoo = Time(NOW), book_of("AAPL"), Yahoo(AAPL=KNOWN)
    dividends = Dividends(book, store, clock, yahoo, clock.pause)
    await run(dividends, clock, 2 * GRACE_S)
    yahoo.answers["AAPL"] = YahooAnswer({}, ())
    await run(dividends, clock, KNOWN_FOR_S + 2.5 * RETRY_S)
    assert 3 <= len(yahoo.asked) <= 5
    assert in_book(book, "AAPL") == (Dividend(EX, 1.9),)
    assert await store.read(Store.dividends, TODAY) == {"AAPL": (Dividend(EX, 1.9),)}


async def test_unknown_from_the_start_is_one_warning(store, caplog):
    clock, book = Time(NOW), book_of("AAPL")
    with caplog.at_level(logging.WARNING, "bot.dividends"):
        await run(
            Dividends(book, store, clock, Yahoo(AAPL=OSError("no route")), clock.pause), clock, 3 * RETRY_S
        )
    assert [one.getMessage() for one in caplog.records] == [
        "dividends of AAPL are unknown: OSError: no route"
    ]


async def test_what_the_broker_tells_is_stored_and_nobody_else_is_asked(store):
    clock, book, yahoo = Time(NOW), book_of("AAPL"), Yahoo()
    book.set_dividends("AAPL", (Dividend(EX, 2.0),))
    await run(Dividends(book, store, clock, yahoo, clock.pause), clock, 2 * KNOWN_FOR_S / 24)
    assert yahoo.asked == []
    assert await store.read(Store.dividends, TODAY) == {"AAPL": (Dividend(EX, 2.0),)}


async def test_the_broker_s_word_replaces_yahoo_s(store):
    clock, book = Time(NOW), book_of("AAPL")
    dividends = Dividends(book, store, clock, Yahoo(AAPL=KNOWN), clock.pause)
    await run(dividends, clock, 2 * GRACE_S)
    book.set_dividends("AAPL", (Dividend(EX, 2.0),))
    await run(dividends, clock, LOOK_EVERY_S)
    book.set_other_dividends("AAPL", (Dividend(EX, 9.0),))
    assert in_book(book, "AAPL") == (Dividend(EX, 2.0),)
    assert await store.read(Store.dividends, TODAY) == {"AAPL": (Dividend(EX, 2.0),)}


async def test_a_new_process_has_the_stored_ones_before_the_broker_speaks(store):
    await store.write(Store.put_dividends, "AAPL", [Dividend(EX, 2.0)], DividendSource.BROKER, NOW)
    clock, book, yahoo = Time(NOW), Book(), Yahoo()
    dividends = Dividends(book, store, clock, yahoo, clock.pause)
    await dividends.load()
    book.hold([Holding("AAPL", Contract("AAPL", Kind.STOCK, "AAPL"), 1.0, None, None)])
    book.set_underlying("AAPL", Kind.STOCK)
    book.complete = True
    assert in_book(book, "AAPL") == (Dividend(EX, 2.0),)
    await run(dividends, clock, 2 * GRACE_S)
    assert yahoo.asked == [], "the broker has told it, in an earlier run"


@pytest.mark.parametrize("book", [
    book_of("SPX", kind=Kind.INDEX), book_of("SAP", currency="EUR"), Book(), book_of("ES", kind=Kind.FUTURE),
])  # fmt: skip
async def test_only_stocks_and_etfs_in_dollars_are_asked_for(store, book):
    clock, yahoo = Time(NOW), Yahoo()
    await run(Dividends(book, store, clock, yahoo, clock.pause), clock, 3 * GRACE_S)
    assert yahoo.asked == []


async def test_switched_off_nobody_is_asked(store):
    clock, book = Time(NOW), book_of("AAPL")
    await run(Dividends(book, store, clock, None, clock.pause), clock, 3 * GRACE_S)
    assert in_book(book, "AAPL") == ()


async def test_while_the_account_is_incomplete_nobody_is_asked(store):
    clock, book, yahoo = Time(NOW), book_of("AAPL"), Yahoo(AAPL=KNOWN)
    book.complete = False
    dividends = Dividends(book, store, clock, yahoo, clock.pause)
    await run(dividends, clock, 3 * GRACE_S)
    book.complete = True
    await run(dividends, clock, GRACE_S)
    assert yahoo.asked == []
