"""Interest rate curves: a day's curve is stored and replaced whole, the newest of its currency is given back."""

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest

from engine.errors import StoreError
from engine.model import RateCurve
from engine.store import Store

DAY = date(2026, 11, 24)
CURVE = RateCurve("USD", DAY, ((1 / 12, 0.0371), (1.0, 0.0349), (30.0, 0.0483)))


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def test_a_curve_comes_back_to_the_bit_in_ascending_years(store):
    store.put_curve(replace(CURVE, points=CURVE.points[::-1]))
    assert store.latest_curve("USD") == CURVE


def test_without_a_curve_there_is_none(store):
    assert store.latest_curve("USD") is None


def test_the_newest_day_is_the_latest_whatever_came_last(store):
    store.put_curve(CURVE)
    store.put_curve(RateCurve("USD", DAY - timedelta(days=1), ((2.0, 0.01),)))
    assert store.latest_curve("USD") == CURVE


def test_a_curve_that_comes_again_replaces_all_of_the_first(store):
    store.put_curve(CURVE)
    again = RateCurve("USD", DAY, ((0.25, 0.04), (1.0, 0.05)))
    store.put_curve(again)
    assert store.latest_curve("USD") == again


def test_the_curve_before_is_there_still(store):
    store.put_curve(RateCurve("USD", DAY - timedelta(days=1), ((2.0, 0.01),)))
    store.put_curve(CURVE)
    with store._read() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM rates").scalar() == 4


def test_each_currency_has_its_own_curve(store):
    for day in (DAY, DAY + timedelta(days=1)):
        euro = RateCurve("EUR", day, ((0.5, 0.02),))
        store.put_curve(CURVE)
        store.put_curve(euro)
        assert (store.latest_curve("USD"), store.latest_curve("EUR")) == (CURVE, euro)


@pytest.mark.parametrize("point", [
    (1.0, math.nan), (1.0, math.inf), (math.nan, 0.04), (math.inf, 0.04), (0.0, 0.04), (-1.0, 0.04), (1.0, 1.0), (1.0, -0.5),
])  # fmt: skip
def test_a_point_that_is_none_is_refused_and_the_stored_curve_stays(store, point):
    store.put_curve(CURVE)
    with pytest.raises(StoreError) as refusal:
        store.put_curve(replace(CURVE, points=((0.5, 0.04), point)))
    assert "\n" not in str(refusal.value)
    assert store.latest_curve("USD") == CURVE
