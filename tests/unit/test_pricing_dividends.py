"""Cash dividends: their columns, and what they do to a price on the tree."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pricing import Contracts, Model, american, greeks, price
from engine.pricing.dividends import by_date, present_value, roots, shifted
from engine.pricing.interpolation import Interpolation

DAY = 1.0 / 365.0


def option(dividends: list, model: Model = Model.BLACK_SCHOLES, **changes: object) -> Contracts:
    inputs = {
        "spot": 100.0,
        "strike": 100.0,
        "sigma": 0.25,
        "tau": 0.5,
        "rate": 0.04,
        "is_call": [True, False],
    }
    return Contracts.of(model=model, dividends=[dividends] if dividends else (), **(inputs | changes))


def test_present_value_discounts_what_goes_ex_before_expiry() -> None:
    times, amounts = np.array([[0.25, 0.75, np.inf]]), np.array([[1.0, 2.0, 0.0]])
    worth = present_value(times, amounts, np.array([0.5]), np.array([0.04]))
    np.testing.assert_allclose(worth, [np.exp(-0.01)], rtol=1e-15)


def test_with_time_dividends_come_nearer_and_those_gone_ex_are_padding() -> None:
    times, amounts = shifted(np.array([[0.25, 0.5]]), np.array([[1.0, 2.0]]), np.array([0.25]))
    assert times.tolist() == [[np.inf, 0.25]]
    assert amounts.tolist() == [[0.0, 2.0]]


def test_dividends_are_put_in_the_order_of_their_dates_without_unused_columns() -> None:
    times = np.array([[0.4, -0.1, 0.2, np.inf], [np.inf, 0.3, 0.9, np.inf]])
    amounts = np.array([[1.0, 9.0, 2.0, 0.0], [0.0, 3.0, 9.0, 0.0]])
    dates, cash = by_date(times, amounts, np.array([0.5, 0.5]))
    assert dates.tolist() == [[0.2, 0.4], [0.3, 0.5]]
    assert cash.tolist() == [[2.0, 1.0], [3.0, 0.0]]


def test_a_dividend_takes_no_more_than_nine_tenths_of_the_spot() -> None:
    left = roots(np.array([100.0]), np.array([[0.1, 0.2]]), np.array([[500.0, 4.0]]), np.array([0.0]))
    np.testing.assert_allclose(left, [[100.0, 10.0, 6.0]], rtol=1e-14)


@settings(derandomize=True, deadline=None)
@given(st.floats(1.0001, 3.0), st.floats(0.01, 10.0), st.floats(-5.0, 5.0))
def test_interpolation_leaves_linear_functions_as_they_are(ratio: float, slope: float, shift: float) -> None:
    nodes = 2.0 * ratio ** np.arange(9.0)[:, None]
    at = np.array([[0.3], [1.9], [2.0], [2.5], [3.0 * ratio**4], [nodes[-1, 0] * ratio**2]])
    ratios = np.array([ratio])
    spot = Interpolation(nodes[0], ratios, np.log(ratios), at, len(nodes))
    np.testing.assert_allclose(spot.of(slope * nodes + shift), slope * at + shift, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "dividends",
    [
        [(0.2, 3.0)],
        [(1e-6, 2.0), (0.4999, 2.0)],
        [((k + 0.3) / 16.0, 0.4) for k in range(8)],
        [(0.2, 10.0)],
    ],
)
@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.9])
def test_put_call_parity_of_europeans_holds_through_dividends(dividends: list, sigma: float) -> None:
    call, put = price(option(dividends, sigma=sigma))
    worth = sum(cash * np.exp(-0.04 * date) for date, cash in dividends)
    assert call - put == pytest.approx(100.0 - worth - 100.0 * np.exp(-0.02), abs=2e-6)


def test_a_vanishing_dividend_gives_the_closed_form() -> None:
    np.testing.assert_allclose(price(option([(0.2, 1e-9)])), price(option([])), rtol=0, atol=2e-4)


@pytest.mark.parametrize("rate", [0.0, -0.01])
@pytest.mark.parametrize("share", [0.95, 0.98, 0.995, 0.999, 0.9999])
def test_a_put_that_is_only_held_for_a_late_dividend_is_worth_what_a_fine_tree_says(
    rate: float, share: float
) -> None:
    put = option([(share, 1.0)], Model.AMERICAN, rate=rate, sigma=[0.2, 0.75], is_call=False, tau=1.0)
    tree = american.solve(put, np.ones(2, dtype=np.bool_), 1601).price
    np.testing.assert_allclose(price(put), tree, rtol=0, atol=2e-3)


@pytest.mark.parametrize("times", [(1e-145,), (1e-145, 1e-7), (1e-300, 1e-145), (0.5 - 1e-12,)])
def test_dividends_of_nothing_however_close_together_give_the_price_without(times: tuple[float, ...]) -> None:
    nothing = [(time, 5e-324) for time in times]
    np.testing.assert_allclose(
        price(option(nothing, Model.AMERICAN)), price(option([], Model.AMERICAN)), rtol=0, atol=5e-4
    )


def test_a_dividend_due_at_once_is_a_lower_spot() -> None:
    np.testing.assert_allclose(price(option([(1e-7, 3.0)])), price(option([], spot=97.0)), rtol=0, atol=1e-3)


def test_a_dividend_due_at_the_end_is_a_higher_strike() -> None:
    np.testing.assert_allclose(
        price(option([(0.5 - 1e-7, 3.0)])), price(option([], strike=103.0)), rtol=0, atol=2e-3
    )


@pytest.mark.parametrize("date", [-DAY, 0.0, 0.5, 0.7, np.inf])
@pytest.mark.parametrize("model", [Model.BLACK_SCHOLES, Model.AMERICAN])
def test_a_dividend_outside_the_options_life_changes_no_bit(date: float, model: Model) -> None:
    np.testing.assert_array_equal(price(option([(date, 3.0)], model)), price(option([], model)))


@pytest.mark.parametrize("model", [Model.BLACK_SCHOLES, Model.AMERICAN])
def test_the_order_of_dividends_and_their_splitting_on_one_date_change_nothing(model: Model) -> None:
    whole = price(option([(0.1, 1.0), (0.3, 2.0)], model))
    np.testing.assert_allclose(price(option([(0.3, 1.2), (0.1, 1.0), (0.3, 0.8)], model)), whole, rtol=1e-12)


def test_a_dividend_moves_the_price_without_a_jump_as_its_date_passes_the_tree_steps() -> None:
    dates = np.linspace(0.2, 0.22, 81)
    c = option([], Model.AMERICAN, is_call=True).take(np.zeros(len(dates), dtype=np.int64))
    c = replace(c, dividend_times=dates[:, None], dividend_amounts=np.full((len(dates), 1), 2.0))
    steps = np.diff(price(c))
    assert np.abs(steps - steps.mean()).max() < 5e-4


@pytest.mark.parametrize("cash", [80.0, 100.0, 250.0])
@pytest.mark.parametrize("model", [Model.BLACK_SCHOLES, Model.AMERICAN])
def test_a_dividend_above_the_spot_leaves_every_number_finite_and_in_bounds(
    cash: float, model: Model
) -> None:
    at = greeks(option([(0.2, cash), (0.3, cash)], model))
    call, put = at.price
    assert 0.0 <= call <= 100.0
    assert 0.0 <= put <= 100.0
    for name in ("delta", "gamma", "vega", "theta", "rho"):
        assert np.isfinite(getattr(at, name)).all()


def test_without_volatility_an_american_call_is_exercised_just_before_the_dividend() -> None:
    call, put = price(option([(0.2, 10.0)], Model.AMERICAN, sigma=0.0))
    assert call == pytest.approx(100.0 - 100.0 * np.exp(-0.04 * 0.2), rel=1e-12)
    assert put == pytest.approx(100.0 * np.exp(-0.04 * 0.2) - (100.0 - 10.0 * np.exp(-0.04 * 0.2)), rel=1e-12)


def test_without_volatility_a_european_pays_at_expiry_on_the_forward_without_dividends() -> None:
    call, put = price(option([(0.2, 10.0)], sigma=0.0))
    assert call == 0.0
    assert put == pytest.approx(100.0 * np.exp(-0.02) - 100.0 + 10.0 * np.exp(-0.04 * 0.2), rel=1e-12)
