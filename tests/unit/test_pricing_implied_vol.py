"""Implied volatility: the inverse of the price where there is one, and the reason where there is none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.pricing import Contracts, IvReason, Model, greeks, implied_volatility, price

N = 16


def column(low: float, high: float) -> st.SearchStrategy:
    return hnp.arrays(np.float64, N, elements=st.floats(low, high))


@st.composite
def options(draw: st.DrawFn, models: tuple[Model, ...]) -> Contracts:
    spot = draw(column(1.0, 1000.0))
    return Contracts.of(
        model=draw(hnp.arrays(np.int64, N, elements=st.sampled_from([int(m) for m in models]))),
        is_call=draw(hnp.arrays(np.bool_, N)),
        spot=spot,
        strike=spot * draw(column(0.3, 3.0)),
        sigma=draw(column(0.005, 4.0)),
        tau=draw(column(1.0 / 31_536_000.0, 3.0)),
        rate=draw(column(-0.05, 0.1)),
        dividend_yield=draw(column(-0.05, 0.1)),
    )


@settings(derandomize=True, deadline=None, max_examples=200)
@given(options((Model.BLACK_SCHOLES, Model.BLACK_76)))
def test_the_implied_volatility_of_a_european_price_is_the_volatility_where_identified(c: Contracts) -> None:
    implied = implied_volatility(c, price(c))
    found = implied.reason == IvReason.OK
    assert np.isin(implied.reason, [IvReason.OK, IvReason.NO_TIME_VALUE, IvReason.ABOVE_UPPER_BOUND]).all()
    np.testing.assert_allclose(implied.sigma[found], c.sigma[found], rtol=3e-8)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(options((Model.BLACK_SCHOLES, Model.BLACK_76)))
def test_a_european_volatility_is_identified_wherever_a_millionth_of_the_spot_is_at_stake(
    c: Contracts,
) -> None:
    at = greeks(c)
    matters = 100.0 * at.vega * c.sigma > 1e-6 * np.maximum(np.maximum(c.spot, c.strike), at.price)
    assert (implied_volatility(c, at.price).reason[matters] == IvReason.OK).all()


@settings(derandomize=True, deadline=None, max_examples=15)
@given(options((Model.AMERICAN, Model.AMERICAN_76)))
def test_the_implied_volatility_of_an_american_price_gives_the_price_back(contracts: Contracts) -> None:
    c = replace(contracts, sigma=np.clip(contracts.sigma, 0.05, 2.0), tau=np.clip(contracts.tau, 0.01, 1.0))
    value = price(c)
    implied = implied_volatility(c, value)
    found = implied.reason == IvReason.OK
    again = price(replace(c, sigma=np.where(found, implied.sigma, c.sigma)))
    np.testing.assert_allclose(again, value, rtol=0, atol=2e-9 * c.spot.max())


def chain(model: Model, sigma: float = 0.3, **changes: object) -> Contracts:
    strikes, calls = np.meshgrid([90.0, 95.0, 100.0, 105.0, 110.0], [True, False])
    inputs = {"is_call": calls.ravel(), "strike": strikes.ravel(), "spot": 100.0, "tau": 0.4, "rate": 0.05}
    return Contracts.of(model=model, sigma=sigma, **(inputs | changes))


@pytest.mark.parametrize("model", [Model.AMERICAN, Model.AMERICAN_76, Model.BLACK_SCHOLES])
@pytest.mark.parametrize("dividends", [(), [[(0.15, 1.0), (0.39, 1.0)]]])
@pytest.mark.parametrize("sigma", [0.2, 0.4, 1.2])
def test_a_chain_gives_its_volatility_back(model: Model, dividends: list, sigma: float) -> None:
    c = chain(model, sigma, dividends=dividends)
    implied = implied_volatility(c, price(c))
    assert (implied.reason == IvReason.OK).all()
    np.testing.assert_allclose(implied.sigma, sigma, rtol=1e-8)


def reasons(c: Contracts, prices: list[float]) -> list[IvReason]:
    implied = implied_volatility(c, np.array(prices))
    assert (np.isnan(implied.sigma) == (implied.reason != IvReason.OK)).all()
    return [IvReason(reason) for reason in implied.reason]


def call(model: Model, **changes: object) -> Contracts:
    inputs = {"spot": 100.0, "strike": 90.0, "tau": 0.5, "rate": 0.05, "dividend_yield": 0.02}
    return Contracts.of(model=model, **(inputs | changes))


BOTH = pytest.mark.parametrize("model", [Model.BLACK_SCHOLES, Model.AMERICAN])


@BOTH
def test_a_price_above_the_bound_has_no_volatility(model: Model) -> None:
    assert reasons(call(model), [101.0]) == [IvReason.ABOVE_UPPER_BOUND]


@BOTH
def test_a_price_below_intrinsic_has_no_volatility(model: Model) -> None:
    assert reasons(call(model), [9.0]) == [IvReason.BELOW_INTRINSIC]


@BOTH
def test_a_worthless_option_has_no_volatility(model: Model) -> None:
    assert reasons(call(model, strike=150.0), [0.0]) == [IvReason.NO_TIME_VALUE]


@BOTH
def test_an_expired_option_has_no_volatility(model: Model) -> None:
    assert reasons(call(model, tau=0.0), [10.0]) == [IvReason.EXPIRED]


@BOTH
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_bad_price_has_no_volatility(model: Model, bad: float) -> None:
    assert reasons(call(model), [bad]) == [IvReason.BAD_INPUT]


@BOTH
def test_a_bad_input_has_no_volatility(model: Model) -> None:
    assert reasons(call(model, spot=float("nan")), [10.0]) == [IvReason.BAD_INPUT]


@BOTH
@pytest.mark.parametrize("changes", [{"spot": 0.0}, {"strike": 0.0}])
def test_a_sure_thing_has_no_volatility(model: Model, changes: dict) -> None:
    c = call(model, **changes)
    assert reasons(c, [float(price(c)[0])]) == [IvReason.NO_TIME_VALUE]


def test_a_put_that_is_exercised_now_has_no_volatility() -> None:
    c = call(Model.AMERICAN, is_call=False, spot=60.0, strike=100.0)
    assert reasons(c, [40.0]) == [IvReason.NO_TIME_VALUE]


def test_a_stock_is_not_an_option() -> None:
    assert reasons(call(Model.LINEAR), [100.0]) == [IvReason.NOT_AN_OPTION]


def test_the_contracts_own_sigma_is_not_looked_at() -> None:
    c = call(Model.BLACK_SCHOLES, sigma=0.3)
    implied = implied_volatility(replace(c, sigma=np.array([np.nan])), price(c))
    np.testing.assert_allclose(implied.sigma, 0.3, rtol=1e-10)


def test_an_implied_volatility_is_the_same_in_any_company() -> None:
    """One search ends later than another; what has arrived does not move on with it."""
    random = np.random.default_rng(12)
    n = 60
    c = Contracts.of(
        model=Model.AMERICAN,
        is_call=random.random(n) < 0.5,
        spot=100.0,
        strike=random.uniform(60, 140, n),
        sigma=random.uniform(0.1, 2.0, n),
        tau=random.uniform(0.02, 1.5, n),
        rate=random.uniform(-0.05, 0.1, n),
        dividends=[[(0.01, 1.0)] if i % 3 else [] for i in range(n)],
    )
    prices = price(c)
    together = implied_volatility(c, prices)
    for i in range(0, n, 7):
        alone = implied_volatility(c.take(np.array([i])), prices[i : i + 1])
        np.testing.assert_allclose(alone.sigma, together.sigma[i : i + 1], rtol=1e-12)
