"""Forecasts of a Value at Risk and what is made of their exceptions, against published tables and by property."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.risk.backtest import (
    DECAY,
    SEED_DAYS,
    Zone,
    back_test,
    basel_zone,
    ewma_var,
    ewma_volatility,
    filtered_var,
    historical_var,
    independence_ratio,
    kupiec_ratio,
    normal_var,
    restarted_var,
    student_var,
)

N = 130
FORECASTS = {
    "normal": lambda returns: normal_var(returns, 0.95, 40),
    "historical": lambda returns: historical_var(returns, 0.95, 40),
    "ewma": lambda returns: ewma_var(returns, 0.95),
    "filtered": lambda returns: filtered_var(returns, 0.95, 40),
    "restarted": lambda returns: restarted_var(returns, 0.95, SEED_DAYS + 40),
    "student": lambda returns: student_var(returns, 0.95, 5.0, SEED_DAYS + 40),
}
some_returns = hnp.arrays(np.float64, N, elements=st.floats(-0.2, 0.2).map(lambda x: round(x, 6) or 1e-6))


@pytest.mark.parametrize("name", FORECASTS)
@settings(deadline=None, max_examples=30)
@given(returns=some_returns, day=st.integers(0, N - 1), other=some_returns)
def test_a_forecast_knows_nothing_of_its_own_day_or_later(name, returns, day, other):
    changed = np.concatenate([returns[:day], other[day:]])
    np.testing.assert_array_equal(FORECASTS[name](returns)[: day + 1], FORECASTS[name](changed)[: day + 1])


@pytest.mark.parametrize("name", FORECASTS)
@settings(deadline=None, max_examples=30)
@given(returns=some_returns, size=st.floats(0.1, 10.0))
def test_a_position_of_twice_the_size_has_twice_the_value_at_risk(name, returns, size):
    np.testing.assert_allclose(
        FORECASTS[name](size * returns), size * FORECASTS[name](returns), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("normal", 40),
        ("historical", 40),
        ("ewma", SEED_DAYS),
        ("filtered", SEED_DAYS + 40),
        ("restarted", SEED_DAYS + 40),
        ("student", SEED_DAYS + 40),
    ],
)
def test_there_is_no_forecast_before_its_window_is_full(name, first):
    forecast = FORECASTS[name](np.random.default_rng(1).normal(0.0, 0.01, N))
    assert np.isnan(forecast[:first]).all() and np.isfinite(forecast[first:]).all()


@pytest.mark.parametrize("name", FORECASTS)
@pytest.mark.parametrize("days", [0, 1, 2, 40])
def test_a_short_series_has_no_forecast(name, days):
    assert (
        np.isnan(FORECASTS[name](np.full(days, 0.01))).all() and len(FORECASTS[name](np.ones(days))) == days
    )


def test_historical_by_hand():
    """40 losses of 1 to 40 %: type 7 puts the 5 % point at 39 * 0.05 = 1.95 places above the worst."""
    losses = np.arange(1.0, 41.0) / 100.0
    forecast = historical_var(np.concatenate([-losses, [0.0]]), 0.95, 40)
    assert forecast[-1] == pytest.approx(0.40 - 0.0195)


def test_the_exponential_volatility_by_hand():
    returns = np.concatenate([np.full(SEED_DAYS, 0.01), [0.03, -0.02, 0.0]])
    first = 0.01**2
    second = DECAY * first + (1 - DECAY) * 0.03**2
    third = DECAY * second + (1 - DECAY) * 0.02**2
    np.testing.assert_allclose(ewma_volatility(returns)[SEED_DAYS:] ** 2, [first, second, third])


# Kupiec (1995), table: the numbers between these do not reject at 5 % (it says "below 7" of 255 days; none at all does reject)
KUPIEC = [
    (255, 0.99, 0, 7),
    (510, 0.99, 1, 11),
    (1000, 0.99, 4, 17),
    (255, 0.95, 6, 21),
    (510, 0.95, 16, 36),
    (1000, 0.95, 37, 65),
]


@pytest.mark.parametrize(("days", "level", "low", "high"), KUPIEC)
def test_kupiec_rejects_what_his_table_rejects(days, level, low, high):
    def passes(exceptions):
        losses = np.where(np.arange(days) < exceptions, 2.0, 0.0)
        return back_test(losses, np.ones(days), level).passes()

    assert not passes(high) and passes(high - 1) and passes(low + 1)
    assert not passes(low)


def test_kupiec_by_hand():
    """4 of 250 at 99 %: 2 (4 ln 1.6 + 246 ln(0.984 / 0.99))."""
    assert kupiec_ratio(4, 250, 0.99) == pytest.approx(2 * (4 * math.log(1.6) + 246 * math.log(0.984 / 0.99)))
    assert kupiec_ratio(0, 250, 0.99) == pytest.approx(-2 * 250 * math.log(0.99))


@pytest.mark.parametrize(
    ("exceptions", "zone"),
    [(0, Zone.GREEN), (4, Zone.GREEN), (5, Zone.YELLOW), (9, Zone.YELLOW), (10, Zone.RED), (250, Zone.RED)],
)
def test_the_committees_zones_at_250_days(exceptions, zone):
    assert basel_zone(exceptions, 250) is zone


def test_exceptions_in_a_row_are_not_independent_and_the_same_number_far_apart_are():
    together, apart = np.zeros(500, dtype=bool), np.zeros(500, dtype=bool)
    together[100:108] = True
    apart[20::60] = True
    assert together.sum() == apart.sum() == 8
    assert independence_ratio(together) > 30.0
    assert independence_ratio(apart) < 1.0


def test_independence_by_hand():
    """Days 0 1 1 0 0: transitions 00 once, 01 once, 10 once, 11 once; all shares are a half, so the chain is no better."""
    assert independence_ratio(np.array([False, True, True, False, False])) == pytest.approx(0.0, abs=1e-12)


def test_a_true_model_is_rejected_about_as_often_as_the_test_says():
    random = np.random.default_rng(5)
    rejected = sum(
        not back_test((random.random(1000) < 0.05).astype(float), np.full(1000, 0.5), 0.95).passes()
        for _ in range(400)
    )
    assert 0.02 < rejected / 400 < 0.09


def test_days_without_a_loss_or_a_forecast_do_not_count():
    losses, var = np.array([2.0, np.nan, 2.0, 0.0, 2.0]), np.array([1.0, 1.0, np.nan, 1.0, 1.0])
    found = back_test(losses, var, 0.9)
    assert (found.days, found.exceptions, found.expected) == (3, 2, pytest.approx(0.3))


def test_without_a_day_nothing_is_known_and_nothing_passes():
    found = back_test(np.array([]), np.array([]), 0.99)
    assert found.zone is None and not found.passes()
    assert all(math.isnan(x) for x in (found.kupiec, found.independence, found.coverage, found.kupiec_p))


def test_without_an_exception_only_their_number_can_be_judged():
    found = back_test(np.zeros(1000), np.ones(1000), 0.99)
    assert math.isnan(found.independence) and not found.passes() and found.zone is Zone.GREEN


@pytest.mark.parametrize("level", [0.0, 1.0, 99.0, float("nan")])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        back_test(np.zeros(3), np.zeros(3), level)


def test_losses_and_forecasts_are_of_the_same_days():
    with pytest.raises(ValueError, match="one shape"):
        back_test(np.zeros(3), np.zeros(4), 0.99)
