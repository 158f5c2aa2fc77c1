"""The edges of pricing: what markets seldom show and a matrix of shocks often asks for."""

from dataclasses import replace

import numpy as np
import pytest

from engine.pricing import Contracts, Model, Shocks, greeks, price, shocked_greeks, value
from engine.pricing.american import solve
from tests.unit.contracts import as_european, intrinsic, later
from tests.validation.quantlib import american_values

DAY = 1.0 / 365.0
SECOND = DAY / 86_400.0
HALF_A_CENT = 0.005
"""On a spot of 100."""

SPOTS = np.array([0.01, 0.3, 0.6, 0.8, 0.95, 1.0, 1.05, 1.3, 2.0, 10.0])
SIGMAS = np.array([0.25, 0.6, 1.0, 1.5, 2.2])


def book(model: Model = Model.AMERICAN, **changes: object) -> Contracts:
    """Calls and puts at five strikes on a spot of 100."""
    strikes, calls = np.meshgrid([70.0, 90.0, 100.0, 110.0, 140.0], [True, False])
    inputs = {
        "is_call": calls.ravel(),
        "strike": strikes.ravel(),
        "spot": 100.0,
        "sigma": 0.3,
        "tau": 0.5,
        "rate": 0.04,
    }
    return Contracts.of(model=model, **(inputs | changes))


def matrix(c: Contracts) -> Shocks:
    """Every spot with every volatility, today and a week on."""
    spot, sigma, years = (axis.ravel() for axis in np.meshgrid(SPOTS, SIGMAS, [0.0, 7.0 * DAY]))
    return Shocks(spot[:, None] * c.spot, sigma[:, None] * c.sigma, years)


def fine_tree(c: Contracts) -> np.ndarray:
    return solve(c, c.model == Model.AMERICAN, steps=801).price


EIGHT_MONTHS = [[((30.0 * k + 11.0) * DAY, 0.3) for k in range(8)]]

EDGES = {
    "a second to expiry": {"tau": SECOND},
    "a second to expiry, a dividend in between": {"tau": SECOND, "dividends": [[(0.5 * SECOND, 1.0)]]},
    "half a percent of volatility": {"sigma": 0.005},
    "four hundred percent of volatility": {"sigma": 4.0},
    "deep wings": {"strike": [1.0, 5.0, 20.0, 500.0, 2000.0] * 2},
    "two exercise boundaries of a put": {"rate": -0.01, "dividend_yield": -0.04, "tau": 2.0, "sigma": 0.1},
    "two exercise boundaries of a call": {"rate": -0.04, "dividend_yield": -0.01, "tau": 2.0, "sigma": 0.1},
    "borrow of 25 percent": {"dividend_yield": 0.25},
    "borrow of 80 percent": {"dividend_yield": 0.8},
    "a dividend above the spot": {"dividends": [[(0.2, 130.0)]]},
    "eight monthly dividends": {"tau": 250.0 * DAY, "dividends": EIGHT_MONTHS},
    "a dividend of a fifth of the spot": {"dividends": [[(0.2, 20.0)]]},
    "a dividend tomorrow": {"dividends": [[(DAY, 1.5)]]},
    "a dividend in a second": {"dividends": [[(SECOND, 1.5)]]},
    "a dividend on the last day": {"dividends": [[(0.5 - DAY, 1.5)]]},
    "no time": {"tau": 0.0},
    "less than no time": {"tau": -0.1},
    "no volatility": {"sigma": 0.0},
    "ten years": {"tau": 10.0},
}
EVERY_EDGE = pytest.mark.parametrize("changes", EDGES.values(), ids=EDGES.keys())
MODELS = pytest.mark.parametrize("model", [Model.AMERICAN, Model.BLACK_SCHOLES])


@EVERY_EDGE
@MODELS
def test_values_are_finite_in_every_shock(model: Model, changes: dict) -> None:
    c = book(model, **changes)
    assert np.isfinite(value(c, matrix(c))).all()


@EVERY_EDGE
@MODELS
def test_greeks_are_finite_in_every_shock(model: Model, changes: dict) -> None:
    c = book(model, **changes)
    at = shocked_greeks(c, matrix(c))
    assert all(np.isfinite(getattr(at, name)).all() for name in at.__slots__)


@EVERY_EDGE
def test_no_american_falls_below_what_exercise_pays(changes: dict) -> None:
    c = book(**changes)
    shocks = matrix(c)
    assert (value(c, shocks) >= intrinsic(c, shocks.spot)).all()


@EVERY_EDGE
def test_no_european_falls_below_nothing(changes: dict) -> None:
    c = book(Model.BLACK_SCHOLES, **changes)
    assert (value(c, matrix(c)) >= 0.0).all()


ACCURATE = (
    "a second to expiry",
    "deep wings",
    "eight monthly dividends",
    "a dividend tomorrow",
    "a dividend of a fifth of the spot",
    "a dividend on the last day",
)


@pytest.mark.parametrize("name", ACCURATE)
def test_an_american_is_within_half_a_cent_of_a_tree_eight_times_as_fine(name: str) -> None:
    c = book(**EDGES[name])
    size = np.maximum(c.spot, c.strike) / 100.0
    assert (np.abs(price(c) - fine_tree(c)) <= HALF_A_CENT * size).all()


@pytest.mark.parametrize(
    "name", ["eight monthly dividends", "a dividend tomorrow", "a dividend of a fifth of the spot"]
)
def test_a_european_with_dividends_is_within_half_a_cent_of_a_tree_eight_times_as_fine(name: str) -> None:
    c = book(Model.BLACK_SCHOLES, **EDGES[name])
    np.testing.assert_allclose(price(c), fine_tree(c), rtol=0, atol=HALF_A_CENT)


@pytest.mark.parametrize("tau", [0.0, -0.1])
@MODELS
def test_without_time_an_option_is_worth_its_intrinsic_value(model: Model, tau: float) -> None:
    c = book(model, tau=tau)
    np.testing.assert_array_equal(price(c), intrinsic(c))


def test_an_option_that_expires_in_the_shock_is_worth_its_intrinsic_value() -> None:
    c = book(tau=3.0 * DAY)
    shocks = Shocks(0.9 * c.spot[None, :], c.sigma[None, :], np.array([7.0 * DAY]))
    np.testing.assert_array_equal(value(c, shocks)[0], intrinsic(c, 0.9 * c.spot))


def test_a_second_before_expiry_an_option_is_worth_its_intrinsic_value_to_the_third_of_a_cent_at_most() -> (
    None
):
    c = book(tau=SECOND)
    most = 0.4 * c.spot * c.sigma * np.sqrt(SECOND)
    assert (price(c) - intrinsic(c) <= most).all()


def test_without_volatility_a_european_is_its_discounted_intrinsic_value() -> None:
    c = book(Model.BLACK_SCHOLES, sigma=1e-7)
    gain = np.where(c.is_call, 1.0, -1.0) * (c.spot - c.strike * np.exp(-c.rate * c.tau))
    np.testing.assert_allclose(price(c), np.maximum(gain, 0.0), rtol=1e-14)


def test_without_volatility_an_american_put_is_exercised_at_once() -> None:
    c = book(sigma=1e-7)
    puts = c.take(~c.is_call)
    np.testing.assert_array_equal(price(puts), intrinsic(puts))


def test_without_volatility_an_american_call_is_exercised_on_the_eve_of_its_dividend() -> None:
    c = book(sigma=1e-7, dividends=[[(0.2, 20.0)]])
    calls = c.take(c.is_call)
    eve = np.maximum(calls.spot - calls.strike * np.exp(-0.04 * 0.2), 0.0)
    np.testing.assert_allclose(price(calls), eve, rtol=1e-12)


def test_next_to_no_volatility_there_is_no_jump() -> None:
    around = [price(book(sigma=s / np.sqrt(0.5))) for s in (0.99e-6, 1.01e-6)]
    np.testing.assert_allclose(around[0], around[1], rtol=0, atol=1e-4)


def test_a_dividend_takes_no_more_than_nine_tenths_of_a_spot_that_cannot_pay_it() -> None:
    c = book(Model.BLACK_SCHOLES, strike=1.0, sigma=0.1, rate=0.0, dividends=[[(0.2, 130.0)]])
    calls = c.take(c.is_call)
    np.testing.assert_allclose(price(calls), 9.0, atol=HALF_A_CENT)


@pytest.mark.parametrize("sigma", [1.0, 1.6])
def test_without_dividends_a_deviation_above_two_is_within_two_cents_of_the_integral_equation(
    sigma: float,
) -> None:
    c = book(sigma=sigma, tau=657.0 * DAY, dividend_yield=0.02)
    shocks = Shocks(c.spot[None, :], np.full((1, len(c)), 1.6), np.zeros(1))
    assert (shocks.sigma * np.sqrt(c.tau) > 2.0).all()
    np.testing.assert_allclose(
        value(c, shocks), american_values(c, shocks.spot, shocks.sigma), rtol=0, atol=0.02
    )


OUTSIDE = {
    "calm": (0.06, 1.0),
    "wild": (3.5, 1.0),
    "calm and fallen": (0.06, 0.7),
    "wild and fallen": (2.0, 0.6),
    "calm and risen": (0.06, 1.3),
    "wild and risen": (2.0, 1.3),
}


@pytest.mark.parametrize(("sigma", "spot"), OUTSIDE.values(), ids=OUTSIDE.keys())
@pytest.mark.parametrize("paid", [(), [[(0.05, 0.5), (0.15, 0.5)]]], ids=["plain", "paying"])
@MODELS
def test_a_shock_outside_the_band_is_the_price_of_the_shocked_contract(
    model: Model, paid: list, sigma: float, spot: float
) -> None:
    c = book(model, tau=0.2, dividends=paid)
    moved = replace(c, spot=spot * c.spot, sigma=np.full(len(c), sigma))
    shocks = Shocks(moved.spot[None, :], moved.sigma[None, :], np.zeros(1))
    np.testing.assert_allclose(value(c, shocks)[0], price(moved), rtol=0, atol=HALF_A_CENT)


@MODELS
def test_a_shock_in_time_is_the_price_of_the_later_contract(model: Model) -> None:
    c = book(model, dividends=[[(5.0 * DAY, 0.7), (100.0 * DAY, 0.7)]])
    shocks = Shocks(c.spot[None, :], c.sigma[None, :], np.array([30.0 * DAY]))
    np.testing.assert_allclose(value(c, shocks)[0], price(later(c, 30.0 * DAY)), rtol=0, atol=HALF_A_CENT)


def test_two_exercise_boundaries_leave_a_put_above_its_european() -> None:
    c = book(**EDGES["two exercise boundaries of a put"])
    puts = c.take(~c.is_call)
    assert (price(puts) >= price(as_european(puts))).all()


@pytest.mark.parametrize(
    "absurd", [{"rate": 1e300}, {"tau": 1e300}, {"dividend_yield": -1e300}, {"tau": 1e6}]
)
def test_an_absurd_input_is_worth_nothing_known_and_touches_no_other(absurd: dict[str, float]) -> None:
    ordinary = {
        "spot": 100.0,
        "strike": 100.0,
        "sigma": 0.3,
        "tau": 0.5,
        "rate": 0.03,
        "dividend_yield": 0.01,
    }
    rows = [ordinary, ordinary | absurd, ordinary]
    book = Contracts.of(
        model=Model.AMERICAN,
        dividends=[[(0.2, 1.0)]] * 3,
        **{name: [row[name] for row in rows] for name in ordinary},
    )
    found = greeks(book)
    assert np.isnan(found.price[1]) and found.price[0] == found.price[2] > 0.0


def test_a_volatility_beyond_all_measure_leaves_the_price_at_its_bound_and_delta_a_number() -> None:
    c = Contracts.of(model=Model.BLACK_SCHOLES, spot=100.0, strike=100.0, sigma=1e300, tau=0.5, rate=0.03)
    found = greeks(c)
    assert found.price[0] == pytest.approx(100.0, abs=1e-3) and found.delta[0] == pytest.approx(1.0)
