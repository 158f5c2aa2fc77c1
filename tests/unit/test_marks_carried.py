"""A quote that is older than its underlying's price is carried to the present, not taken for it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.marks import mark_book
from engine.model import IvSource, MarkSource, Position
from engine.snapshot_file import dump_snapshot, load_snapshot
from tests.unit.books import AS_OF, FAR, MARKET, SETTINGS, option, snapshot

OLD = AS_OF - timedelta(seconds=90)
THEN = 600.0
SIGMA = 0.22


def marked(*positions: Position, market=MARKET):
    return mark_book(snapshot(positions, market), SETTINGS)


def at_spot(symbol: str, spot: float):
    """The market with one underlying elsewhere, as of now."""
    return {**MARKET, symbol: replace(MARKET[symbol], spot=spot, spot_as_of=AS_OF)}


def old_quote(position: Position, symbol: str) -> Position:
    """The position with the quote that it had 90 s ago, when the underlying stood at THEN and its sigma was SIGMA."""
    worth = marked(replace(position, iv=SIGMA), market=at_spot(symbol, THEN)).base[0]
    return replace(position, iv=None, bid=worth - 0.01, ask=worth + 0.01, as_of=OLD, quote_spot=THEN)


@pytest.mark.parametrize(("right", "now"), [("P", 570.0), ("C", 570.0), ("P", 640.0), ("C", 640.0)])
def test_its_sigma_is_that_of_its_own_spot_and_its_mark_that_of_the_present_one(right, now):
    one = option("SPY", 600, right, expiry=FAR)
    book = marked(old_quote(one, "SPY"), market=at_spot("SPY", now))
    fresh = marked(replace(one, iv=SIGMA), market=at_spot("SPY", now))
    assert book.iv_source == (IvSource.MARK,)
    assert book.contracts.sigma[0] == pytest.approx(SIGMA, abs=2e-5)
    assert book.mark[0] == pytest.approx(fresh.base[0], abs=0.01)
    assert book.mark_source == (MarkSource.CARRIED,)
    assert book.mark[0] == pytest.approx(book.base[0], abs=1e-6), "no basis is left"


def test_without_its_spot_an_old_quote_tells_no_volatility():
    one = replace(old_quote(option("SPY", 600, "P", expiry=FAR), "SPY"), quote_spot=None)
    book = marked(one, market=at_spot("SPY", 570.0))
    assert book.iv_source != (IvSource.MARK,)
    assert book.mark_source == (MarkSource.QUOTE,)


def test_a_quote_as_young_as_the_spot_is_the_mark_itself():
    one = replace(old_quote(option("SPY", 600, "P", expiry=FAR), "SPY"), as_of=AS_OF - timedelta(seconds=2))
    book = marked(one, market=at_spot("SPY", 600.5))
    assert book.mark_source == (MarkSource.QUOTE,)
    assert book.mark[0] == pytest.approx((one.bid + one.ask) / 2.0)


def test_the_forward_of_a_pair_is_carried_too():
    pair = [old_quote(replace(option("SPX", 600, right, expiry=FAR)), "SPX") for right in ("P", "C")]
    then, now = (marked(*pair, market=at_spot("SPX", spot)) for spot in (THEN, 0.95 * THEN))
    assert now.contracts.dividend_yield == pytest.approx(then.contracts.dividend_yield, abs=1e-9)


def test_a_pair_of_two_spots_gives_no_forward():
    put, call = (old_quote(option("SPX", 600, right, expiry=FAR), "SPX") for right in ("P", "C"))
    book = marked(put, replace(call, quote_spot=1.01 * THEN), market=at_spot("SPX", THEN))
    assert "no forward for its expiry; carried from rate and yield" in [one.reason for one in book.flagged]


def test_the_spot_of_a_quote_is_in_the_file():
    one = snapshot([old_quote(option("SPY", 600, "P", expiry=FAR), "SPY")], at_spot("SPY", 570.0))
    assert load_snapshot(dump_snapshot(one)).positions[0].quote_spot == THEN
