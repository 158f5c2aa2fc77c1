"""European options: the laws of the closed form and its Greeks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.pricing import Contracts, GreekColumns, Model, greeks, price

N = 16


def column(low: float, high: float) -> st.SearchStrategy:
    return hnp.arrays(np.float64, N, elements=st.floats(low, high))


@st.composite
def europeans(draw: st.DrawFn) -> Contracts:
    spot = draw(column(1.0, 1000.0))
    return Contracts.of(
        model=Model.BLACK_SCHOLES,
        is_call=draw(hnp.arrays(np.bool_, N)),
        spot=spot,
        strike=spot * draw(column(0.5, 2.0)),
        sigma=draw(column(0.005, 4.0)),
        tau=draw(column(1.0 / 365.0, 3.0)),
        rate=draw(column(-0.1, 0.2)),
        dividend_yield=draw(column(-0.1, 0.2)),
    )


def of_type(contracts: Contracts, *, call: bool) -> Contracts:
    return replace(contracts, is_call=np.full(len(contracts), call))


@settings(derandomize=True, deadline=None)
@given(europeans())
def test_put_call_parity_holds_to_rounding(contracts: Contracts) -> None:
    c = contracts
    forward = c.spot * np.exp(-c.dividend_yield * c.tau) - c.strike * np.exp(-c.rate * c.tau)
    difference = price(of_type(c, call=True)) - price(of_type(c, call=False))
    np.testing.assert_allclose(difference, forward, rtol=0, atol=1e-12 * (c.spot + c.strike).max())


@settings(derandomize=True, deadline=None)
@given(europeans())
def test_a_european_is_worth_at_least_its_discounted_intrinsic_value_and_at_most_its_leg(
    c: Contracts,
) -> None:
    spot_pv, strike_pv = c.spot * np.exp(-c.dividend_yield * c.tau), c.strike * np.exp(-c.rate * c.tau)
    value = price(c)
    assert (value >= np.maximum(np.where(c.is_call, spot_pv - strike_pv, strike_pv - spot_pv), 0.0)).all()
    assert (value <= np.where(c.is_call, spot_pv, strike_pv) * (1.0 + 1e-12)).all()


@settings(derandomize=True, deadline=None)
@given(europeans(), column(1e-4, 0.5))
def test_a_european_gains_with_volatility(contracts: Contracts, more: np.ndarray) -> None:
    dearer = price(replace(contracts, sigma=contracts.sigma + more))
    assert (dearer >= price(contracts) - 1e-12 * contracts.spot).all()


@settings(derandomize=True, deadline=None)
@given(europeans(), column(1.0, 1.5))
def test_a_call_falls_and_a_put_gains_with_the_strike(contracts: Contracts, factor: np.ndarray) -> None:
    change = price(replace(contracts, strike=contracts.strike * factor)) - price(contracts)
    towards_put = np.where(contracts.is_call, -change, change)
    assert (towards_put >= -1e-12 * contracts.strike * factor).all()


@settings(derandomize=True, deadline=None)
@given(europeans())
def test_doubling_spot_and_strike_doubles_the_price(contracts: Contracts) -> None:
    doubled = price(replace(contracts, spot=2.0 * contracts.spot, strike=2.0 * contracts.strike))
    np.testing.assert_allclose(doubled, 2.0 * price(contracts), rtol=1e-13)


def grid(model: Model) -> Contracts:
    strikes, calls, rates = np.meshgrid([80.0, 95.0, 100.0, 120.0], [True, False], [-0.03, 0.0, 0.06])
    return Contracts.of(
        model=model,
        is_call=calls.ravel(),
        strike=strikes.ravel(),
        spot=100.0,
        sigma=0.25,
        tau=0.4,
        rate=rates.ravel(),
        dividend_yield=0.02,
    )


def slope(c: Contracts, name: str, step: float) -> np.ndarray:
    up, down = (price(replace(c, **{name: getattr(c, name) + h})) for h in (step, -step))
    return (up - down) / (2.0 * step)


@pytest.mark.parametrize("model", [Model.BLACK_SCHOLES, Model.BLACK_76])
@pytest.mark.parametrize(
    ("greek", "name", "step", "unit"),
    [
        ("delta", "spot", 1e-3, 1.0),
        ("vega", "sigma", 1e-5, 0.01),
        ("theta", "tau", 1e-5, -1.0 / 365.0),
        ("rho", "rate", 1e-5, 0.01),
    ],
)
def test_the_closed_greeks_are_the_slopes_of_the_price(
    model: Model, greek: str, name: str, step: float, unit: float
) -> None:
    c = grid(model)
    np.testing.assert_allclose(getattr(greeks(c), greek), slope(c, name, step) * unit, rtol=1e-6, atol=1e-8)


def test_gamma_is_the_slope_of_delta() -> None:
    c = grid(Model.BLACK_SCHOLES)
    up, down = (greeks(replace(c, spot=c.spot + h)).delta for h in (1e-3, -1e-3))
    np.testing.assert_allclose(greeks(c).gamma, (up - down) / 2e-3, rtol=1e-6)


def test_black_76_is_black_scholes_with_the_rate_as_yield() -> None:
    c = grid(Model.BLACK_76)
    as_spot = replace(grid(Model.BLACK_SCHOLES), dividend_yield=c.rate)
    np.testing.assert_array_equal(price(c), price(as_spot))


def one(**changes: object) -> Contracts:
    inputs = {
        "strike": 100.0,
        "spot": 100.0,
        "sigma": 0.2,
        "tau": 1.0,
        "rate": 0.05,
        "is_call": [True, False],
    }
    return Contracts.of(model=Model.BLACK_SCHOLES, **(inputs | changes))


def assert_greeks(actual: GreekColumns, name: str, expected: list[float]) -> None:
    np.testing.assert_allclose(getattr(actual, name), expected, rtol=1e-12, atol=1e-15)


def test_an_expired_option_is_worth_its_intrinsic_value() -> None:
    assert price(one(spot=110.0, tau=0.0)).tolist() == [10.0, 0.0]
    assert price(one(spot=90.0, tau=-0.01)).tolist() == [0.0, 10.0]


def test_an_expired_option_has_a_delta_and_no_other_greek() -> None:
    at = greeks(one(spot=110.0, tau=0.0))
    assert_greeks(at, "delta", [1.0, 0.0])
    for name in ("gamma", "vega", "theta", "rho"):
        assert_greeks(at, name, [0.0, 0.0])


def test_without_volatility_it_is_worth_the_discounted_intrinsic_value_of_the_forward() -> None:
    forward_gain = 100.0 - 100.0 * np.exp(-0.05)
    np.testing.assert_allclose(price(one(sigma=0.0)), [forward_gain, 0.0], rtol=1e-14)


def test_without_volatility_the_greeks_are_those_of_the_forward() -> None:
    at = greeks(one(sigma=0.0))
    assert_greeks(at, "delta", [1.0, 0.0])
    assert_greeks(at, "gamma", [0.0, 0.0])
    assert_greeks(at, "theta", [-0.05 * 100.0 * np.exp(-0.05) / 365.0, 0.0])


def test_a_strike_or_spot_of_zero_is_a_sure_thing() -> None:
    assert price(one(strike=0.0)).tolist() == [100.0, 0.0]
    np.testing.assert_allclose(price(one(spot=0.0)), [0.0, 100.0 * np.exp(-0.05)], rtol=1e-15)
