"""The door of pricing: models picked, shocks applied, nothing shocked is nothing changed, NaN stays where it is."""

from dataclasses import replace

import numpy as np
import pytest

from engine.pricing import (
    Contracts,
    GreekColumns,
    Model,
    Shocks,
    greeks,
    implied_volatility,
    price,
    rate_at,
    value,
)

DAY = 1.0 / 365.0
NAMES = GreekColumns.__slots__


def book() -> Contracts:
    """Every model, twice; the spot options with and without a dividend ahead."""
    dividends = [[], [], [(20 * DAY, 0.9)], [], [], [], [(5 * DAY, 0.7), (96 * DAY, 0.7)], [], [], []]
    return Contracts.of(
        model=[0, 1, 1, 2, 2, 3, 3, 3, 4, 4],
        is_call=[True, True, False, True, False, False, True, True, False, True],
        strike=[0.0, 95.0, 105.0, 100.0, 90.0, 110.0, 98.0, 120.0, 102.0, 80.0],
        spot=[100.0, 100.0, 100.0, 101.0, 101.0, 100.0, 100.0, 100.0, 99.0, 99.0],
        sigma=[0.0, 0.2, 0.25, 0.3, 0.8, 0.2, 0.4, 0.35, 0.3, 0.2],
        tau=[0.0, 0.2, 0.4, 0.1, 0.02, 0.5, 0.3, 1.0, 0.2, 0.7],
        rate=0.04,
        dividends=dividends,
    )


def shocks_of(c: Contracts, spot: list[float], sigma: list[float], years: list[float]) -> Shocks:
    factors = (np.array(column)[:, None] for column in (spot, sigma))
    shocked = [factor * base for factor, base in zip(factors, (c.spot, c.sigma), strict=True)]
    return Shocks(shocked[0], shocked[1], np.array(years))


def test_a_shock_of_nothing_gives_the_price_bit_for_bit() -> None:
    c = book()
    shocked = value(c, shocks_of(c, [1.0, 0.9, 1.0], [1.0, 1.5, 1.0], [0.0, 0.0, 0.0]))
    np.testing.assert_array_equal(shocked[0], price(c))
    np.testing.assert_array_equal(shocked[2], price(c))


def test_a_shock_of_one_contract_leaves_the_others_bit_for_bit() -> None:
    c = book()
    spot = np.repeat(c.spot[None, :], len(c), axis=0)
    np.fill_diagonal(spot, 0.93 * c.spot)
    shocked = value(c, Shocks(spot, np.repeat(c.sigma[None, :], len(c), axis=0), np.zeros(len(c))))
    unmoved = ~np.eye(len(c), dtype=bool)
    np.testing.assert_array_equal(shocked[unmoved], np.repeat(price(c)[None, :], len(c), axis=0)[unmoved])
    assert (shocked.diagonal() != price(c)).all()


def test_a_shock_is_the_price_of_the_contracts_in_it_to_the_accuracy_of_a_table() -> None:
    c = book()
    later = replace(
        c,
        spot=0.9 * c.spot,
        sigma=1.3 * c.sigma,
        tau=c.tau - 7 * DAY,
        dividend_times=c.dividend_times - 7 * DAY,
    )
    shocked = value(c, shocks_of(c, [0.9], [1.3], [7 * DAY]))[0]
    np.testing.assert_allclose(shocked, price(later), rtol=0, atol=0.005)


def test_what_expires_inside_the_horizon_is_worth_its_intrinsic_value_at_the_shocked_spot() -> None:
    c = book()
    options = c.take(c.model != Model.LINEAR)
    shocked = value(options, shocks_of(options, [0.8], [2.0], [1.0]))[0]
    gain = np.where(options.is_call, 0.8 * options.spot - options.strike, options.strike - 0.8 * options.spot)
    np.testing.assert_array_equal(shocked, np.maximum(gain, 0.0))


def test_a_linear_contract_is_worth_its_own_price_whatever_else_moves() -> None:
    c = book().take(np.array([0]))
    shocked = value(c, Shocks(np.array([[93.1], [-5.0]]), np.array([[np.nan], [9.0]]), np.array([3.0, 0.0])))
    assert shocked.ravel().tolist() == [93.1, -5.0]


def test_a_linear_contract_has_a_delta_of_one_and_no_other_greek() -> None:
    at = greeks(book())
    assert [float(getattr(at, name)[0]) for name in NAMES] == [100.0, 1.0, *[0.0] * 7]


def test_the_price_among_the_greeks_is_the_price() -> None:
    np.testing.assert_array_equal(greeks(book()).price, price(book()))


COLUMNS = ("spot", "strike", "sigma", "tau", "rate", "dividend_yield", "dividend_times", "dividend_amounts")


@pytest.mark.parametrize(
    ("column", "bad"),
    [(column, np.nan) for column in COLUMNS]
    + [(column, np.inf) for column in COLUMNS if column != "dividend_times"],  # there, infinity is padding
)
def test_one_bad_input_makes_one_value_unknown_and_touches_no_other(column: str, bad: float) -> None:
    c, row = book(), 6
    spoilt = getattr(c, column).copy()
    spoilt[row] = bad
    others = np.arange(len(c)) != row
    broken = replace(c, **{column: spoilt})
    for name in NAMES:
        got, sound = getattr(greeks(broken), name), getattr(greeks(c), name)
        assert np.isnan(got[row])
        np.testing.assert_array_equal(got[others], sound[others])


@pytest.mark.parametrize("column", ["spot", "strike", "sigma", "dividend_amounts"])
def test_a_brokers_minus_one_is_not_a_price_or_a_volatility(column: str) -> None:
    c = book()
    negative = np.full_like(getattr(c, column), -1.0)
    spot_options = np.isin(c.model, [Model.BLACK_SCHOLES, Model.AMERICAN])
    assert np.isnan(price(replace(c, **{column: negative}))[spot_options]).all()


def test_an_unknown_stock_price_is_unknown_in_every_number() -> None:
    c = Contracts.of(model=Model.LINEAR, spot=float("nan"))
    assert all(np.isnan(getattr(greeks(c), name)).all() for name in NAMES)


def test_options_on_a_forward_take_neither_yield_nor_dividends() -> None:
    c = book()
    forward = c.take(np.isin(c.model, [Model.BLACK_76, Model.AMERICAN_76]))
    paying = replace(
        forward,
        dividend_yield=np.full(len(forward), 0.07),
        dividend_times=np.full((len(forward), 1), 0.01),
        dividend_amounts=np.full((len(forward), 1), 5.0),
    )
    np.testing.assert_array_equal(price(paying), price(forward))


@pytest.mark.parametrize("model", [Model.BLACK_SCHOLES, Model.BLACK_76, Model.AMERICAN, Model.AMERICAN_76])
def test_every_number_is_finite_from_a_second_to_ten_years_in_the_deepest_wings(model: Model) -> None:
    moneyness, sigma, tau, rate = np.meshgrid(
        [0.01, 0.5, 0.99, 1.0, 1.01, 2.0, 100.0],
        [0.0, 0.005, 0.2, 4.0],
        [0.0, 1.0 / 31_536_000.0, 0.02, 10.0],
        [-0.05, 0.0, 0.1],
    )
    for is_call in (True, False):
        c = Contracts.of(
            model=model,
            is_call=is_call,
            strike=100.0 * moneyness.ravel(),
            spot=100.0,
            sigma=sigma.ravel(),
            tau=tau.ravel(),
            rate=rate.ravel(),
            dividend_yield=-0.3,
            dividends=[[(DAY, 1.0), (0.5, 30.0)]],
        )
        at = greeks(c)
        assert all(np.isfinite(getattr(at, name)).all() for name in NAMES)
        assert (at.price >= 0.0).all()


def test_no_contracts_have_no_values() -> None:
    c = book().take(np.array([], dtype=np.int64))
    assert price(c).shape == (0,)
    assert greeks(c).theta.shape == (0,)
    assert implied_volatility(c, np.array([])).sigma.shape == (0,)
    assert value(c, Shocks(np.empty((3, 0)), np.empty((3, 0)), np.zeros(3))).shape == (3, 0)


def test_shocks_for_another_book_are_refused() -> None:
    c = book()
    with pytest.raises(ValueError, match="shocks for 10 contracts, not 2"):
        value(c.take(np.array([0, 1])), shocks_of(c, [1.0], [1.0], [0.0]))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        replace(book(), strike=np.ones(3))


def test_shocks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Shocks(np.ones((2, 3)), np.ones((2, 2)), np.zeros(2))


def test_one_list_of_dividends_is_everyones() -> None:
    c = Contracts.of(model=Model.AMERICAN, spot=[100.0, 90.0], dividends=[[(0.1, 1.0)]])
    assert c.dividend_amounts.tolist() == [[1.0], [1.0]]


def test_a_rate_is_linear_between_the_points_of_its_curve_and_flat_beyond() -> None:
    curve = [(1.0, 0.05), (0.5, 0.04)]
    assert rate_at(curve, [0.0, 0.5, 0.75, 1.0, 30.0]).tolist() == pytest.approx(
        [0.04, 0.04, 0.045, 0.05, 0.05]
    )


def test_a_rate_at_an_unknown_time_is_unknown() -> None:
    assert np.isnan(rate_at([(1.0, 0.05)], float("nan")))


def test_a_curve_without_points_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        rate_at([], 1.0)
