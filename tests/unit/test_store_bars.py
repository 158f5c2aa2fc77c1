"""Daily bars: stored once a day and series, replaced when they come again, never with a number that is none."""

import math
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import StoreError
from engine.store import Bar, Store

DAY = date(2026, 7, 28)
numbers = st.floats(-1e12, 1e12)
bars = st.builds(
    Bar,
    st.sampled_from(["SPY", "VIX", "ON"]),
    st.sampled_from(["TRADES", "OPTION_IMPLIED_VOLATILITY"]),
    st.dates(date(2020, 1, 1), date(2020, 1, 20)),
    numbers,
    numbers,
    numbers,
    numbers,
)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def bar(day=DAY, close=640.1, symbol="SPY", what="TRADES"):
    return Bar(symbol, what, day, 636.0, 641.5, 634.9, close)


def test_bars_come_back_oldest_first(store):
    days = [bar(DAY - timedelta(days=n)) for n in range(5)]

    store.put_bars(days)

    assert store.bars("SPY", "TRADES") == days[::-1]


def test_a_bar_that_comes_again_replaces_the_first(store):
    store.put_bars([bar(close=1.0)])
    store.put_bars([bar(close=2.0), bar(close=3.0)])

    assert [each.close for each in store.bars("SPY", "TRADES")] == [3.0]


def test_each_series_is_its_own(store):
    store.put_bars([bar(), bar(symbol="QQQ"), bar(what="OPTION_IMPLIED_VOLATILITY")])

    assert store.bars("SPY", "TRADES") == [bar()]


def test_bars_since_a_day_include_that_day(store):
    store.put_bars(bar(DAY - timedelta(days=n)) for n in range(5))

    assert [each.day for each in store.bars("SPY", "TRADES", since=DAY - timedelta(days=1))] == [
        DAY - timedelta(days=1),
        DAY,
    ]


def test_no_bars_are_no_work(store):
    store.put_bars([])

    assert store.bars("SPY", "TRADES") == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1.797e308])
def test_a_number_that_is_none_is_refused_and_nothing_of_the_batch_is_stored(store, bad):
    with pytest.raises(StoreError, match=r"bars\.close: .* is not a number that can be stored"):
        store.put_bars([bar(DAY - timedelta(days=1)), bar(close=bad)])

    assert store.bars("SPY", "TRADES") == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(batches=st.lists(st.lists(bars, max_size=12), max_size=4))
def test_the_last_bar_of_a_day_is_the_one_that_is_kept(store, batches):
    kept = {}
    with store._write("empty the table") as session:
        session.connection().exec_driver_sql("DELETE FROM bars")
    for batch in batches:
        store.put_bars(batch)
        kept.update({(each.symbol, each.what, each.day): each for each in batch})

    for symbol, what in {(each.symbol, each.what) for each in kept.values()}:
        expected = [kept[key] for key in sorted(kept) if key[:2] == (symbol, what)]
        assert store.bars(symbol, what) == expected
