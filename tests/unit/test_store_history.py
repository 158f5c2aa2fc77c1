"""The past in the store: the newest day of each series, closes by symbol, fills, dividends."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from engine.errors import StoreError
from engine.model import Contract, Dividend, Kind, Right, Settlement
from engine.store import Bar, DividendSource, Execution, Store

DAY = date(2026, 11, 24)
AT = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
STOCK = Execution("1.1", "DU1", 265598, Contract("AAPL", Kind.STOCK, "AAPL"), AT, 10.0, 271.5)
OPTION = Execution(
    "1.2",
    "DU1",
    756733,
    Contract("SPX", Kind.OPTION, "SPX", "USD", 100.0, date(2026, 12, 18), 6800.0, Right.PUT, settlement=Settlement.AM),
    AT + timedelta(minutes=1),
    -2.0,
    41.3,
    2.6,
    "USD",
    -120.5,
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def bar(days_ago, close=1.0, symbol="SPY", what="TRADES"):
    return Bar(symbol, what, DAY - timedelta(days=days_ago), close, close, close, close)


def test_the_newest_day_of_each_series(store):
    assert store.newest_bars() == {}
    store.put_bars([bar(3), bar(1), bar(2), bar(5, what="HISTORICAL_VOLATILITY"), bar(0, symbol="VIX")])
    assert store.newest_bars() == {
        ("SPY", "TRADES"): DAY - timedelta(days=1),
        ("SPY", "HISTORICAL_VOLATILITY"): DAY - timedelta(days=5),
        ("VIX", "TRADES"): DAY,
    }


def test_closes_come_by_symbol_oldest_first_from_the_day_asked_for(store):
    store.put_bars(
        [
            bar(0, 3.0),
            bar(2, 1.0),
            bar(1, 2.0),
            bar(0, 17.0, "VIX"),
            bar(0, 0.2, what="OPTION_IMPLIED_VOLATILITY"),
        ]
    )
    since = DAY - timedelta(days=1)
    spy = ((since, 2.0), (DAY, 3.0))
    assert store.closes("TRADES", since) == {"SPY": spy, "VIX": ((DAY, 17.0),)}
    assert store.closes("TRADES", since, "SPY") == {"SPY": spy}
    assert store.closes("TRADES", DAY + timedelta(days=1)) == {}


def test_fills_come_back_as_they_were_oldest_first(store):
    store.put_executions([OPTION, STOCK])
    assert store.executions(AT) == [STOCK, OPTION]
    assert store.executions(AT + timedelta(seconds=1)) == [OPTION]


def test_a_fill_that_comes_again_replaces_the_first(store):
    store.put_executions([OPTION])
    corrected = replace(OPTION, quantity=-3.0, commission=3.9)
    store.put_executions([corrected])
    assert store.executions(AT) == [corrected]


def test_a_commission_once_told_stays_when_it_is_not_told_again(store):
    store.put_executions([OPTION])
    store.put_executions(
        [replace(OPTION, price=41.2, commission=None, commission_currency=None, realized=None)]
    )
    assert store.executions(AT) == [replace(OPTION, price=41.2)]


def test_a_commission_that_comes_later_is_added(store):
    store.put_executions([STOCK])
    told = replace(STOCK, commission=1.0, commission_currency="USD")
    store.put_executions([told])
    assert store.executions(AT) == [told]


@pytest.mark.parametrize("bad", [{"price": math.nan}, {"quantity": 0.0}, {"commission": math.inf}])
def test_a_fill_that_can_t_be_is_refused_with_its_batch(store, bad):
    with pytest.raises(StoreError) as refusal:
        store.put_executions([STOCK, replace(OPTION, **bad)])
    assert "\n" not in str(refusal.value)
    assert store.executions(AT) == []


def told(store, *dividends, symbol="SPY", source=DividendSource.BROKER, at=AT):
    store.put_dividends(symbol, dividends, source, at)


FIRST, SECOND = Dividend(date(2026, 12, 18), 1.9), Dividend(date(2027, 3, 19), 1.7)


def test_dividends_come_by_symbol_earliest_first(store):
    told(store, SECOND, FIRST)
    told(store, SECOND, symbol="QQQ")
    assert store.dividends(DAY) == {"SPY": (FIRST, SECOND), "QQQ": (SECOND,)}
    assert store.dividends(date(2026, 12, 19)) == {"SPY": (SECOND,), "QQQ": (SECOND,)}


def test_a_date_that_moves_leaves_none_behind(store):
    told(store, FIRST)
    moved = Dividend(date(2026, 12, 21), 1.9)
    told(store, moved)
    assert store.dividends(DAY) == {"SPY": (moved,)}


def test_what_was_paid_stays(store):
    told(store, FIRST)
    told(store, SECOND, at=datetime(2026, 12, 20, tzinfo=UTC))
    assert store.dividends(DAY) == {"SPY": (FIRST, SECOND)}


def test_none_announced_takes_the_announced_away(store):
    told(store, FIRST, SECOND)
    told(store, source=DividendSource.YAHOO)
    assert store.dividends(DAY) == {}


@pytest.mark.parametrize("amount", [0.0, -1.0, math.nan])
def test_an_amount_that_is_none_is_refused_and_the_stored_ones_stay(store, amount):
    told(store, FIRST)
    with pytest.raises(StoreError):
        told(store, Dividend(date(2027, 1, 4), amount))
    assert store.dividends(DAY) == {"SPY": (FIRST,)}
