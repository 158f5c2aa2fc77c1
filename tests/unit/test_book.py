"""The live Book: facts in, Snapshots out, and nothing that arrives late or twice spoils what is known."""

from datetime import date, timedelta

import pytest

from engine.book import Book, Holding, Quote
from engine.model import Account, BrokerView, DataMode, Dividend, Kind, RateCurve, Underlying
from engine.snapshot_file import dump_snapshot, load_snapshot
from tests.unit.books import AS_OF, MONTHLY, holding, option, snapshot

LATER = AS_OF + timedelta(seconds=1)


def held(position, quantity=1.0):
    return Holding(position.id, position.contract, quantity, "DU1", 5.0)


PUT, STOCK = option("SPY", 640, "P", id="put"), holding("AAA")


@pytest.fixture
def book():
    book = Book()
    book.hold([held(PUT), held(STOCK)])
    book.set_underlying("SPY", Kind.ETF)
    return book


def frozen(book, i=0):
    return book.freeze(AS_OF).positions[i]


def test_a_new_book_is_not_complete():
    snapshot = Book("EUR").freeze(AS_OF)
    assert not snapshot.complete and snapshot.positions == () and snapshot.base_currency == "EUR"


def test_an_underlying_that_nobody_described_is_there_without_a_price(book):
    underlyings = book.freeze(AS_OF).underlyings
    assert underlyings["SPY"].kind is Kind.ETF
    assert (underlyings["AAA"].kind, underlyings["AAA"].spot) == (Kind.STOCK, None)


def test_a_quote_is_in_the_next_snapshot_with_its_time(book):
    book.set_quote("put", Quote(8.0, 8.1, 7.9, 7.5, DataMode.DELAYED, LATER))
    position = frozen(book)
    assert (position.bid, position.ask, position.last, position.data) == (8.0, 8.1, 7.9, DataMode.DELAYED)
    assert position.as_of == LATER


def test_a_snapshot_does_not_change_when_the_book_does(book):
    before = book.freeze(AS_OF)
    book.set_spot("SPY", 640.0, DataMode.LIVE, LATER)
    book.set_quote("put", Quote(8.0, 8.1))
    book.set_account(1e5, Account(cash=1.0), {"EUR": 1.1})
    book.hold([])
    assert before.underlyings["SPY"].spot is None and len(before.positions) == 2
    assert before.positions[0].bid is None and before.fx == {} and before.net_liquidation is None


def test_a_known_position_keeps_its_prices_when_its_quantity_changes(book):
    book.set_quote("put", Quote(8.0, 8.1))
    book.hold([held(PUT, -3.0)])
    (position,) = book.freeze(AS_OF).positions
    assert (position.quantity, position.bid) == (-3.0, 8.0)


def test_a_position_that_is_gone_is_gone(book):
    book.hold([held(STOCK)])
    assert [position.id for position in book.freeze(AS_OF).positions] == [STOCK.id]


@pytest.mark.parametrize("say", [
    lambda book: book.set_quote("gone", Quote(1.0, 2.0)),
    lambda book: book.set_model("gone", BrokerView(iv=0.2)),
    lambda book: book.set_portfolio_mark("gone", 1.0, AS_OF),
    lambda book: book.set_spot("GONE", 1.0, DataMode.LIVE, AS_OF),
    lambda book: book.remember_sigmas({"gone": 0.2}),
])  # fmt: skip
def test_what_is_said_of_something_unknown_changes_nothing(book, say):
    before = book.freeze(AS_OF)
    say(book)
    assert book.freeze(AS_OF) == before


def test_the_broker_s_model_and_its_portfolio_mark_live_side_by_side(book):
    book.set_portfolio_mark("put", 8.04, AS_OF)
    book.set_model("put", BrokerView(mark=99.0, iv=0.158, delta=-0.47))
    assert frozen(book).broker == BrokerView(mark=8.04, iv=0.158, delta=-0.47)
    book.set_portfolio_mark("put", 8.05, LATER)
    assert frozen(book).broker == BrokerView(mark=8.05, iv=0.158, delta=-0.47)


def test_without_a_quote_the_time_is_that_of_the_portfolio_mark(book):
    book.set_portfolio_mark("put", 8.04, LATER)
    assert frozen(book).as_of == LATER
    book.set_quote("put", Quote(8.0, 8.1, at=AS_OF))
    assert frozen(book).as_of == AS_OF


def test_a_remembered_sigma_outlives_its_quote(book):
    book.remember_sigmas({"put": 0.21})
    book.set_quote("put", Quote())
    assert frozen(book).last_good_iv == 0.21


def test_facts_of_an_underlying_do_not_push_each_other_out(book):
    book.set_spot("SPY", 640.0, DataMode.FROZEN, LATER)
    book.set_iv30("SPY", 0.16)
    book.set_dividends("SPY", (Dividend(date(2026, 9, 18), 1.9),))
    book.set_forward("SPY", MONTHLY, 641.0)
    book.set_forward("SPY", date(2026, 9, 18), 642.0)
    book.set_underlying("SPY", Kind.ETF)
    spy = book.freeze(AS_OF).underlyings["SPY"]
    assert (spy.spot, spy.spot_as_of, spy.data, spy.iv30) == (640.0, LATER, DataMode.FROZEN, 0.16)
    assert spy.forwards == {MONTHLY: 641.0, date(2026, 9, 18): 642.0} and len(spy.dividends) == 1


def test_a_curve_is_the_rates_of_its_own_currency_and_of_no_other(book):
    curve = RateCurve("USD", AS_OF.date(), ((0.5, 0.04), (1.0, 0.05)))
    before = book.freeze(AS_OF)
    book.set_rates(curve)
    assert before.rates == {}
    assert book.freeze(AS_OF).rates == {"USD": ((0.5, 0.04), (1.0, 0.05))}
    assert (book.curve("USD"), book.curve("EUR")) == (curve, None)


def test_a_newer_curve_takes_the_place_of_the_older(book):
    for rate in (0.04, 0.03):
        book.set_rates(RateCurve("USD", AS_OF.date(), ((1.0, rate),)))
    assert book.freeze(AS_OF).rates == {"USD": ((1.0, 0.03),)}


def test_the_book_waits_for_the_prices_that_its_options_and_stocks_need(book):
    assert book.awaits_prices
    book.set_spot("SPY", 640.0, DataMode.LIVE, AS_OF)
    assert book.awaits_prices
    book.set_underlying("AAA", Kind.STOCK)
    book.set_spot("AAA", 100.0, DataMode.LIVE, AS_OF)
    assert not book.awaits_prices


def test_every_change_is_counted(book):
    before = book.changes
    book.set_quote("put", Quote(8.0, 8.1))
    book.set_spot("SPY", 640.0, DataMode.LIVE, AS_OF)
    book.set_rates(RateCurve("USD", AS_OF.date(), ((1.0, 0.04),)))
    assert book.changes == before + 3


def test_a_live_snapshot_comes_back_from_its_file(book):
    book.complete = True
    book.set_account(1e5, Account(cash=1.0, initial_margin=2.0), {"EUR": 1.1})
    book.set_spot("SPY", 640.0, DataMode.LIVE, LATER)
    book.set_quote("put", Quote(8.0, 8.1, 7.9, 7.5, DataMode.LIVE, LATER))
    book.set_rates(RateCurve("USD", AS_OF.date(), ((1 / 12, 0.0371), (1.0, 0.0349))))
    snapshot = book.freeze(AS_OF)
    assert load_snapshot(dump_snapshot(snapshot)) == snapshot


def test_the_past_of_a_symbol_is_there_once_it_is_an_underlying_and_changes_with_news(book):
    closes, levels = ((date(2026, 7, 27), 638.0),), ((date(2026, 7, 27), 0.16),)
    book.set_closes("QQQ", closes)
    book.set_iv_history("QQQ", levels)
    book.set_underlying("QQQ", Kind.ETF)
    book.set_closes("SPY", closes)
    underlyings = book.freeze(AS_OF).underlyings
    assert (underlyings["QQQ"].closes, underlyings["QQQ"].iv_history) == (closes, levels)
    assert (underlyings["SPY"].closes, underlyings["SPY"].iv_history) == (closes, None)


def test_the_past_of_what_is_not_held_makes_no_underlying(book):
    book.set_closes("XYZ", ((date(2026, 7, 27), 1.0),))
    assert "XYZ" not in book.freeze(AS_OF).underlyings


def test_other_dividends_count_until_the_broker_tells_its_own(book):
    other, own = (Dividend(date(2026, 9, 18), 1.8),), (Dividend(date(2026, 9, 18), 1.9),)
    book.set_other_dividends("SPY", other)
    assert book.freeze(AS_OF).underlyings["SPY"].dividends == other and book.told_dividends == frozenset()
    book.set_dividends("SPY", own)
    book.set_other_dividends("SPY", other)
    assert book.freeze(AS_OF).underlyings["SPY"].dividends == own and book.told_dividends == {"SPY"}


def test_a_stored_snapshot_gets_the_past_that_it_was_stored_without():
    book = Book()
    book.set_closes("SPY", ((date(2026, 7, 27), 640.0),))
    kept = ((date(2026, 7, 27), 100.0),)
    stored = {
        "SPY": Underlying("SPY", Kind.ETF, 641.0),
        "AAA": Underlying("AAA", Kind.STOCK, 101.0, closes=kept),
    }
    past = book.with_past(snapshot([], stored)).underlyings
    assert past["SPY"].closes == ((date(2026, 7, 27), 640.0),) and past["SPY"].spot == 641.0
    assert past["AAA"].closes == kept and past["AAA"].iv_history is None
