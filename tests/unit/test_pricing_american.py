"""American options: the laws of early exercise, on the tree and where it has a closed form."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from engine.pricing import Contracts, Model, greeks, price
from engine.pricing.american import never_early, solve
from tests.unit.contracts import americans, as_european, column, intrinsic, laws

TREE_NOISE = 2e-4
"""Share of the spot within which the laws hold on the tree of default size."""


@laws(25)
@given(americans())
def test_an_american_is_worth_at_least_what_exercise_pays_now(contracts: Contracts) -> None:
    assert (price(contracts) >= intrinsic(contracts)).all()


@laws(25)
@given(americans(tame=True))
def test_an_american_is_worth_at_least_the_european(contracts: Contracts) -> None:
    lead = price(contracts) - price(as_european(contracts))
    assert (lead >= -TREE_NOISE * contracts.spot).all()


@laws(25)
@given(americans())
def test_without_dividends_the_american_never_falls_short_of_the_european(contracts: Contracts) -> None:
    plain = replace(contracts, dividend_amounts=np.zeros_like(contracts.dividend_amounts))
    assert (price(plain) >= price(as_european(plain))).all()


@laws(20)
@given(americans(), column(0.0, 0.3))
def test_an_american_gains_with_volatility(contracts: Contracts, more: np.ndarray) -> None:
    change = price(replace(contracts, sigma=contracts.sigma + more)) - price(contracts)
    assert (change >= -TREE_NOISE * contracts.spot).all()


@laws(20)
@given(americans(), column(1.0, 1.3))
def test_an_american_call_falls_and_a_put_gains_with_the_strike(
    contracts: Contracts, factor: np.ndarray
) -> None:
    change = price(replace(contracts, strike=contracts.strike * factor)) - price(contracts)
    assert (np.where(contracts.is_call, -change, change) >= -TREE_NOISE * contracts.spot).all()


@laws(15)
@given(americans())
def test_doubling_spot_strike_and_dividends_doubles_the_price(contracts: Contracts) -> None:
    doubled = replace(
        contracts,
        spot=2.0 * contracts.spot,
        strike=2.0 * contracts.strike,
        dividend_amounts=2.0 * contracts.dividend_amounts,
    )
    np.testing.assert_allclose(price(doubled), 2.0 * price(contracts), rtol=1e-10, atol=1e-12)


@laws(15)
@given(americans())
def test_a_call_is_a_put_with_spot_and_strike_rate_and_yield_exchanged(contracts: Contracts) -> None:
    c = replace(contracts, dividend_amounts=np.zeros_like(contracts.dividend_amounts))
    mirrored = replace(
        c, is_call=~c.is_call, spot=c.strike, strike=c.spot, rate=c.dividend_yield, dividend_yield=c.rate
    )
    assert (np.abs(price(c) - price(mirrored)) <= TREE_NOISE * (c.spot + c.strike)).all()


def book(model: Model = Model.AMERICAN, **changes: object) -> Contracts:
    strikes, calls = np.meshgrid([80.0, 90.0, 100.0, 110.0, 120.0], [True, False])
    inputs = {
        "is_call": calls.ravel(),
        "strike": strikes.ravel(),
        "spot": 100.0,
        "sigma": 0.25,
        "tau": 0.5,
        "rate": 0.05,
        "dividend_yield": 0.03,
    }
    return Contracts.of(model=model, **(inputs | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rate": -0.02, "dividend_yield": 0.01},
        {"sigma": 0.6, "tau": 0.05},
        {"dividend_yield": 0.0, "dividends": [[(0.1, 0.8), (0.35, 0.8)]]},
        {"dividend_yield": 0.0, "dividends": [[(0.02, 1.5), (0.49, 1.5)]]},
        {"dividend_yield": 0.0, "dividends": [[((k + 0.5) / 24.0, 0.3) for k in range(8)]]},
    ],
)
def test_the_tree_of_default_size_is_within_half_a_cent_of_one_eight_times_as_fine(changes: dict) -> None:
    c = book(**changes)
    early = np.ones(len(c), dtype=bool)
    np.testing.assert_allclose(solve(c, early).price, solve(c, early, steps=801).price, rtol=0, atol=0.005)


def test_an_american_call_without_dividends_or_yield_is_the_european_bit_for_bit() -> None:
    c = book(dividend_yield=0.0)
    calls = c.take(c.is_call)
    np.testing.assert_array_equal(price(calls), price(as_european(calls)))


def test_early_exercise_pays_for_neither_side_of_an_option_on_a_forward_at_a_negative_rate() -> None:
    american, european = (book(model, rate=-0.02) for model in (Model.AMERICAN_76, Model.BLACK_76))
    np.testing.assert_array_equal(price(american), price(european))


def test_early_exercise_pays_for_both_sides_of_an_option_on_a_forward_at_a_positive_rate() -> None:
    american, european = (book(model, rate=0.06) for model in (Model.AMERICAN_76, Model.BLACK_76))
    assert (price(american) > price(european)).all()


def test_at_a_negative_rate_a_put_is_european_and_a_call_on_a_yet_lower_yield_is_too() -> None:
    c = book(rate=-0.02, dividend_yield=[-0.03] * 5 + [0.01] * 5)
    assert never_early(c).all()
    np.testing.assert_array_equal(price(c), price(as_european(c)))


def test_a_put_with_two_exercise_boundaries_is_worth_more_than_the_european() -> None:
    c = book(rate=-0.01, dividend_yield=-0.04, sigma=0.1, tau=3.0)
    puts = c.take(~c.is_call)
    assert not never_early(puts).any()
    assert (price(puts) > price(as_european(puts)) + 0.005).any()
    assert (price(puts) >= intrinsic(puts)).all()


def test_where_exercise_is_due_now_the_value_is_intrinsic_and_delta_is_one_share() -> None:
    deep = Contracts.of(
        model=Model.AMERICAN, is_call=False, spot=60.0, strike=100.0, sigma=0.2, tau=1.0, rate=0.05
    )
    at = greeks(deep)
    assert (at.price[0], at.delta[0], at.gamma[0], at.theta[0]) == (40.0, -1.0, 0.0, 0.0)


def test_a_call_is_exercised_just_before_a_dividend_larger_than_its_time_value() -> None:
    c = Contracts.of(
        model=Model.AMERICAN,
        spot=120.0,
        strike=100.0,
        sigma=0.15,
        tau=30.0 / 365.0,
        rate=0.04,
        dividends=[[(10.0 / 365.0, 5.0)]],
    )
    waits = 120.0 - 100.0 * np.exp(-0.04 * 10.0 / 365.0)
    assert price(c)[0] == pytest.approx(waits, abs=0.002)


def bumped(c: Contracts, name: str, step: float) -> np.ndarray:
    up, down = (price(replace(c, **{name: getattr(c, name) + h})) for h in (step, -step))
    return (up - down) / (2.0 * step)


@pytest.mark.parametrize("dividends", [(), [[(0.1, 0.8), (0.35, 0.8)]]])
@pytest.mark.parametrize(
    ("greek", "name", "step", "unit", "atol"),
    [
        ("delta", "spot", 1.0, 1.0, 0.004),
        ("vega", "sigma", 0.01, 0.01, 0.002),
        ("rho", "rate", 0.005, 0.01, 0.004),
    ],
)
def test_the_greeks_of_the_tree_are_the_slopes_of_its_price(
    dividends: list, greek: str, name: str, step: float, unit: float, atol: float
) -> None:
    c = book(dividends=dividends)
    np.testing.assert_allclose(getattr(greeks(c), greek), bumped(c, name, step) * unit, rtol=0, atol=atol)


@pytest.mark.parametrize("dividends", [(), [[(0.1, 0.8), (0.35, 0.8)]]])
def test_theta_is_what_a_day_takes(dividends: list) -> None:
    c, day = book(dividends=dividends), 1.0 / 365.0
    tomorrow = replace(c, tau=c.tau - day, dividend_times=c.dividend_times - day)
    yesterday = replace(c, tau=c.tau + day, dividend_times=c.dividend_times + day)
    np.testing.assert_allclose(
        greeks(c).theta, 0.5 * (price(tomorrow) - price(yesterday)), rtol=0, atol=0.0015
    )


@pytest.mark.parametrize("dividends", [(), [[(0.1, 0.8), (0.35, 0.8)]]])
def test_gamma_is_the_slope_of_delta_on_the_tree(dividends: list) -> None:
    c = book(dividends=dividends, tau=0.5, sigma=0.3)
    up, down = (greeks(replace(c, spot=c.spot + h)).delta for h in (2.0, -2.0))
    np.testing.assert_allclose(greeks(c).gamma, (up - down) / 4.0, rtol=0.06, atol=0.0008)


@pytest.mark.parametrize("steps", [0, 1, 100])
def test_a_tree_has_an_odd_number_of_steps(steps: int) -> None:
    c = book()
    with pytest.raises(ValueError, match="odd number of steps"):
        solve(c, np.ones(len(c), dtype=bool), steps)


def test_the_value_of_a_contract_does_not_depend_on_its_company() -> None:
    c = book(dividends=[[(0.1, 0.8), (0.35, 0.8)]])
    alone = [float(price(c.take(np.array([i])))[0]) for i in range(len(c))]
    np.testing.assert_array_equal(price(c), alone)
