"""The laws of option prices, over random contracts and shocks, as the door of pricing answers them.

Laws without a tolerance hold by construction. The others hold to what a table is good for: half a cent on a spot of 100 for
contracts that `tame` describes, once for each table that the law reads.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pricing import (
    Contracts,
    IvReason,
    Model,
    Shocks,
    greeks,
    implied_volatility,
    price,
    shocked_greeks,
    valuation,
    value,
)
from engine.pricing.dividends import by_date, roots, shifted
from engine.pricing.tables import Tables
from tests.unit.contracts import (
    Factors,
    N,
    americans,
    as_european,
    column,
    intrinsic,
    later,
    laws,
    moves,
    of_model,
    shocked,
)

TABLE = 5e-5
"""Share of the larger of spot and strike that one look-up may be off."""
ROUNDING = 1e-12

DAY = 1.0 / 365.0


def size(c: Contracts, shocks: Shocks) -> np.ndarray:
    return np.maximum(shocks.spot, c.strike)


@laws(25)
@given(americans(tame=True), moves())
def test_a_european_call_less_the_put_is_the_forward_less_the_strike(
    american: Contracts, factors: Factors
) -> None:
    c = as_european(american)
    shocks = shocked(c, factors)
    call, put = (value(replace(c, is_call=np.full(N, side)), shocks) for side in (True, False))
    forward = np.empty_like(call)
    for k, years in enumerate(shocks.years):
        times, amounts = shifted(c.dividend_times, c.dividend_amounts, np.full(N, years))
        life = np.maximum(c.tau - years, 0.0)
        paid = by_date(times, amounts, life)
        left = roots(shocks.spot[k], *paid, c.rate - c.dividend_yield)[:, -1]
        forward[k] = left * np.exp(-c.dividend_yield * life) - c.strike * np.exp(-c.rate * life)
    wing = 1e-6 * (c.dividend_amounts.any(axis=1))  # a residual of less than nothing is cut off at zero
    assert (np.abs(call - put - forward) <= (ROUNDING + wing) * size(c, shocks)).all()


@laws(25)
@given(americans(), moves())
def test_a_european_is_never_worth_less_than_nothing(c: Contracts, factors: Factors) -> None:
    assert (value(as_european(c), shocked(c, factors)) >= 0.0).all()


@laws(25)
@given(americans(), moves())
def test_a_shocked_american_is_worth_at_least_what_exercise_pays(c: Contracts, factors: Factors) -> None:
    shocks = shocked(c, factors)
    assert (value(c, shocks) >= intrinsic(c, shocks.spot)).all()


@laws(25)
@given(americans(dividends=False), moves())
def test_without_dividends_a_shocked_american_never_falls_short_of_the_european(
    c: Contracts, factors: Factors
) -> None:
    shocks = shocked(c, factors)
    assert (value(c, shocks) >= value(as_european(c), shocks)).all()


@laws(25)
@given(americans(dividends=True, tame=True), moves())
def test_with_dividends_a_shocked_american_falls_short_of_the_european_by_no_more_than_two_tables_errors(
    c: Contracts, factors: Factors
) -> None:
    shocks = shocked(c, factors)
    lead = value(c, shocks) - value(as_european(c), shocks)
    assert (lead >= -2.0 * TABLE * size(c, shocks)).all()


@laws(20)
@given(americans(tame=True), moves(), column(1.001, 1.3))
def test_calls_fall_and_puts_gain_with_the_strike(c: Contracts, factors: Factors, up: np.ndarray) -> None:
    shocks, higher = shocked(c, factors), replace(c, strike=up * c.strike)
    gain = np.where(c.is_call, -1.0, 1.0) * (value(higher, shocks) - value(c, shocks))
    assert (gain >= -TABLE * size(c, shocks)).all()


@laws(20)
@given(americans(tame=True), moves(), column(0.001, 0.2))
def test_values_are_convex_in_the_strike(c: Contracts, factors: Factors, step: np.ndarray) -> None:
    shocks = shocked(c, factors)
    below, above = (value(replace(c, strike=c.strike * (1.0 + h)), shocks) for h in (-step, step))
    bend = below + above - 2.0 * value(c, shocks)
    assert (bend >= -4.0 * TABLE * size(c, shocks)).all()


@laws(20)
@given(americans(dividends=False, tame=True), moves(), column(0.0, 0.5))
def test_without_dividends_more_time_takes_nothing_from_an_american(
    c: Contracts, factors: Factors, more: np.ndarray
) -> None:
    shocks = shocked(c, factors)
    gain = value(replace(c, tau=c.tau * (1.0 + more)), shocks) - value(c, shocks)
    assert (gain >= -2.0 * TABLE * size(c, shocks)).all()


@laws(20)
@given(americans(tame=True), moves(), column(1.001, 1.5), st.booleans())
def test_volatility_takes_nothing_from_an_option(
    american: Contracts, factors: Factors, up: np.ndarray, european: bool
) -> None:
    c = as_european(american) if european else american
    shocks = shocked(c, factors)
    wilder = Shocks(shocks.spot, shocks.sigma * up, shocks.years)
    assert (value(c, wilder) - value(c, shocks) >= -2.0 * TABLE * size(c, shocks)).all()


@laws(20)
@given(americans(dividends=False), moves())
def test_a_shocked_american_call_without_dividends_or_yield_is_its_european_bit_for_bit(
    american: Contracts, factors: Factors
) -> None:
    c = replace(
        american, is_call=np.ones(N, dtype=bool), dividend_yield=np.zeros(N), rate=np.abs(american.rate)
    )
    shocks = shocked(c, factors)
    np.testing.assert_array_equal(value(c, shocks), value(as_european(c), shocks))


@laws(20)
@given(americans(dividends=False, tame=True), column(0.7, 1.3), column(0.7, 1.4))
def test_a_shocked_call_is_the_put_with_spot_and_strike_rate_and_yield_exchanged(
    c: Contracts, spot: np.ndarray, sigma: np.ndarray
) -> None:
    shocks = Shocks((spot * c.spot)[None, :], (sigma * c.sigma)[None, :], np.zeros(1))
    mirrored = replace(
        c,
        is_call=~c.is_call,
        spot=c.strike,
        strike=spot * c.spot,
        rate=c.dividend_yield,
        dividend_yield=c.rate,
    )
    there = value(mirrored, Shocks(c.strike[None, :], shocks.sigma, np.zeros(1)))
    assert (np.abs(value(c, shocks) - there) <= 2.0 * TABLE * size(c, shocks)).all()


@laws(20)
@given(americans(tame=True), moves(), column(0.01, 100.0), st.booleans())
def test_values_scale_with_spot_strike_and_dividends_together(
    american: Contracts, factors: Factors, k: np.ndarray, european: bool
) -> None:
    c = as_european(american) if european else american
    shocks = shocked(c, factors)
    scaled = replace(
        c, spot=k * c.spot, strike=k * c.strike, dividend_amounts=k[:, None] * c.dividend_amounts
    )
    there = value(scaled, Shocks(k * shocks.spot, shocks.sigma, shocks.years)) / k
    assert (np.abs(there - value(c, shocks)) <= ROUNDING * size(c, shocks)).all()


def slopes(c: Contracts, at: Shocks, h: float, day: float) -> dict[str, np.ndarray]:
    """Each Greek as a central difference of values or Greeks: `h` is the share of spot and sigma, `day` the days."""

    def between(name: str, up: tuple[Contracts, Shocks], down: tuple[Contracts, Shocks]) -> np.ndarray:
        def answer(contracts: Contracts, shocks: Shocks) -> np.ndarray:
            if name == "price":
                return value(contracts, shocks)
            return np.asarray(getattr(shocked_greeks(contracts, shocks), name))

        return answer(*up) - answer(*down)

    def spot(share: float) -> tuple[Contracts, Shocks]:
        return c, Shocks(at.spot * (1.0 + share), at.sigma, at.years)

    def sigma(share: float) -> tuple[Contracts, Shocks]:
        return c, Shocks(at.spot, at.sigma * (1.0 + share), at.years)

    points = 200.0 * h * at.sigma
    dates, rates = (
        ((later(c, s * day * DAY), at) for s in (1, -1)),
        ((replace(c, rate=c.rate + s * h), at) for s in (1, -1)),
    )
    tomorrow, yesterday = dates
    return {
        "delta": between("price", spot(h), spot(-h)) / (2.0 * h * at.spot),
        "gamma": between("delta", spot(h), spot(-h)) / (2.0 * h * at.spot),
        "vega": between("price", sigma(h), sigma(-h)) / points,
        "theta": between("price", tomorrow, yesterday) / (2.0 * day),
        "rho": between("price", *rates) / (200.0 * h),
        "vanna": between("delta", sigma(h), sigma(-h)) / points,
        "volga": between("vega", sigma(h), sigma(-h)) / points,
        "charm": between("delta", tomorrow, yesterday) / (2.0 * day),
    }


UNITS_OF_SPOT = {"delta": 0, "gamma": -1, "vega": 1, "theta": 1, "rho": 1, "vanna": 0, "volga": 1, "charm": 0}
"""The power of spot by which each Greek grows when everything in dollars doubles."""


@laws(20)
@given(americans(dividends=False, tame=True), moves(), st.sampled_from(list(UNITS_OF_SPOT)))
def test_the_greeks_of_a_european_are_the_slopes_of_its_value(
    american: Contracts, factors: Factors, name: str
) -> None:
    c = as_european(replace(american, tau=np.maximum(american.tau, 0.05)))
    shocks = shocked(c, (factors[0], factors[1], np.zeros(3)))
    off = getattr(shocked_greeks(c, shocks), name) - slopes(c, shocks, 1e-4, 0.01)[name]
    assert (np.abs(off) * shocks.spot ** -UNITS_OF_SPOT[name] <= (1e-4 if name == "gamma" else 1e-6)).all()


AWAY = 0.02
"""Share of spot by which the value lies above exercise: its boundary is far."""

BEND = 0.01

TOLERANCES = {
    "delta": 1e-3, "gamma": 5e-2, "vega": 1e-6, "theta": 1e-4, "rho": 1e-3, "vanna": 1e-4, "volga": 2e-6, "charm": 2e-3,
}  # fmt: skip
"""For a spot of 1."""


@laws(25)
@given(americans(tame=True), moves(), st.sampled_from(list(UNITS_OF_SPOT)))
def test_the_greeks_of_an_american_are_the_slopes_of_its_value_away_from_exercise(
    american: Contracts, factors: Factors, name: str
) -> None:
    c = replace(american, tau=np.maximum(american.tau, 0.05))
    shocks = shocked(c, (factors[0], factors[1], np.zeros(3)))
    off = getattr(shocked_greeks(c, shocks), name) - slopes(c, shocks, 2e-3, 0.5)[name]
    away = value(c, shocks) > intrinsic(c, shocks.spot) + AWAY * shocks.spot
    away &= (np.abs(c.dividend_times - 0.5 * c.tau[:, None]) < 0.5 * c.tau[:, None] - 2.0 * DAY).all(
        axis=1
    ) | (c.dividend_amounts == 0.0).all(axis=1)  # no dividend comes or goes within the days of the difference
    if name == "rho":  # a put is exercised early at rates above 0 only: there its slope in the rate bends
        away &= np.abs(c.rate) > BEND
    assert (np.abs(off) * shocks.spot ** -UNITS_OF_SPOT[name] <= TOLERANCES[name])[away].all()


@laws(25)
@given(americans(), moves())
def test_the_price_among_shocked_greeks_is_the_shocked_value(c: Contracts, factors: Factors) -> None:
    shocks = shocked(c, (0.999 * factors[0], factors[1], factors[2]))
    off = shocked_greeks(c, shocks).price - value(c, shocks)
    # the same formula in another loop: the compiler may fuse a multiplication with an addition in one and not in the other
    assert (np.abs(off) <= 1e-14 * size(c, shocks)).all()


@laws(25)
@given(americans(tame=True), st.sampled_from([Model.AMERICAN, Model.BLACK_SCHOLES, Model.AMERICAN_76]))
def test_the_implied_volatility_of_a_price_is_its_sigma_where_a_point_is_worth_a_ten_thousandth_of_spot(
    contracts: Contracts, model: Model
) -> None:
    c = of_model(contracts, model)
    at = greeks(c)
    implied = implied_volatility(c, at.price)
    found = (implied.reason == IvReason.OK) & (at.vega > 1e-4 * c.spot)
    np.testing.assert_allclose(implied.sigma[found], c.sigma[found], rtol=1e-7)


@laws(25)
@given(americans(tame=True), st.sampled_from([Model.AMERICAN, Model.BLACK_SCHOLES, Model.AMERICAN_76]))
def test_a_volatility_is_identified_where_a_point_is_worth_a_thousandth_of_spot(
    contracts: Contracts, model: Model
) -> None:
    c = of_model(contracts, model)
    at = greeks(c)
    assert (implied_volatility(c, at.price).reason[at.vega > 1e-3 * c.spot] == IvReason.OK).all()


@laws(20)
@given(
    americans(),
    moves(),
    st.sampled_from(["spot", "sigma"]),
    st.sampled_from([np.nan, np.inf, -np.inf, -1.0]),
    st.integers(0, 2),
    st.integers(0, N - 1),
)
def test_a_shock_that_makes_no_sense_gives_nan_there_and_touches_no_other_element(
    c: Contracts, factors: Factors, name: str, bad: float, k: int, i: int
) -> None:
    sound = shocked(c, factors)
    spoilt = getattr(sound, name).copy()
    spoilt[k, i] = bad
    got, others = value(c, replace(sound, **{name: spoilt})), np.ones_like(spoilt, dtype=bool)
    others[k, i] = False
    assert np.isnan(got[k, i])
    np.testing.assert_array_equal(got[others], value(c, sound)[others])


CONTRACT_COLUMNS = ("strike", "tau", "rate", "dividend_yield", "dividend_times", "dividend_amounts")


@laws(20)
@given(americans(dividends=True), moves(), st.sampled_from(CONTRACT_COLUMNS), st.integers(0, N - 1))
def test_nan_in_a_contract_makes_all_its_shocks_nan_and_touches_no_other_contract(
    c: Contracts, factors: Factors, name: str, i: int
) -> None:
    shocks, spoilt = shocked(c, factors), getattr(c, name).copy()
    spoilt[i] = np.nan
    got, others = value(replace(c, **{name: spoilt}), shocks), np.arange(N) != i
    assert np.isnan(got[:, i]).all()
    np.testing.assert_array_equal(got[:, others], value(c, shocks)[:, others])


@laws(20)
@given(americans(), moves())
def test_a_shock_of_nothing_among_others_is_the_price_bit_for_bit(c: Contracts, factors: Factors) -> None:
    np.testing.assert_array_equal(
        value(c, Shocks(factors[0] * c.spot, factors[1] * c.sigma, factors[2]))[0], price(c)
    )


LAST_BITS = 1e-13
"""Vector code and the scalar code of a loop's last elements may round differently; the tables are the same."""


@laws(20)
@given(americans(), moves(), st.integers(0, N - 1))
def test_a_shocked_value_does_not_depend_on_the_other_contracts(
    c: Contracts, factors: Factors, i: int
) -> None:
    shocks, only = shocked(c, factors), np.array([i])
    alone = value(c.take(only), Shocks(shocks.spot[:, only], shocks.sigma[:, only], shocks.years))
    assert (np.abs(alone - value(c, shocks)[:, only]) <= LAST_BITS * size(c, shocks)[:, only]).all()


@laws(20)
@given(americans(), moves(), st.integers(0, 2))
def test_a_shocked_value_does_not_depend_on_the_other_shocks(c: Contracts, factors: Factors, k: int) -> None:
    shocks = shocked(c, (0.999 * factors[0], factors[1], factors[2]))
    alone = value(c, Shocks(shocks.spot[[k]], shocks.sigma[[k]], shocks.years[[k]]))[0]
    assert (np.abs(alone - value(c, shocks)[k]) <= LAST_BITS * size(c, shocks)[k]).all()


@laws(20)
@given(americans(), moves())
def test_a_shocked_value_does_not_depend_on_what_was_asked_before(c: Contracts, factors: Factors) -> None:
    shocks = shocked(c, factors)
    warm = [value(c, shocks), value(c, shocks)][1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(valuation, "_TABLES", Tables(1_000_000))
        fresh = value(c, shocks)
    np.testing.assert_array_equal(warm, fresh)
