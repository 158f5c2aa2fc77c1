"""Prices, Greeks and volatilities against published tables and named software (shared/data/pricing_ref)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.pricing import Contracts, IvReason, Model, greeks, implied_volatility, price
from engine.pricing.american import solve


@pytest.fixture(scope="module")
def reference(reference_data: Path) -> Path:
    return reference_data / "pricing_ref"


def options(table: pd.DataFrame, model: Model, **changes: object) -> Contracts:
    inputs = {
        "is_call": table["type"].to_numpy() == "C",
        "strike": table["strike"],
        "spot": table["spot"],
        "sigma": table["vol"],
        "tau": table["t"],
        "rate": table["r"],
        "dividend_yield": table.get("q", 0.0),
    }
    return Contracts.of(model=model, **(inputs | changes))


def test_european_prices_of_haug_agree_to_their_printed_digits(reference: Path) -> None:
    table = pd.read_csv(reference / "european_haug1998.csv")
    value = price(options(table, Model.BLACK_SCHOLES))
    np.testing.assert_allclose(value, table["bsm_check"], rtol=0, atol=1e-10)
    assert (np.abs(value - table["value"]) <= table["tol"]).all()


def test_european_greeks_of_haug_agree_to_their_printed_digits(reference: Path) -> None:
    table = pd.read_csv(reference / "european_greeks_haug1998.csv")
    c = options(table, Model.BLACK_SCHOLES)
    at = greeks(c)
    ours = {
        "delta": at.delta,
        "elasticity": at.delta * c.spot / at.price,
        "gamma": at.gamma,
        "vega": 100.0 * at.vega,
        "theta": 365.0 * at.theta,
        "theta per day": at.theta,
        "rho": 100.0 * at.rho,
    }
    known = table["greek"].isin(ours)
    assert known.sum() == len(table) - 1  # dividendRho is not a Greek of ours
    for i in table.index[known]:
        assert ours[table["greek"][i]][i] == pytest.approx(table["value"][i], abs=5.1e-5)


def test_prices_and_greeks_of_vollib_agree_to_its_printed_digits(reference: Path) -> None:
    table = pd.read_csv(reference / "vollib_bs_greeks_testdata.csv")
    units = {
        "delta": ("D", 1.0),
        "gamma": ("G", 1.0),
        "theta": ("T", 365.0),
        "vega": ("V", 100.0),
        "rho": ("R", 100.0),
    }
    for letter, is_call, column in (("C", True, "bs_call"), ("P", False, "bs_put")):
        c = Contracts.of(
            model=Model.BLACK_SCHOLES,
            is_call=is_call,
            strike=table["K"],
            spot=table["S"],
            sigma=table["v"],
            tau=table["t"],
            rate=table["R"],
        )
        at = greeks(c)
        np.testing.assert_allclose(at.price, table[column], rtol=1e-6, atol=1e-6)
        for name, (suffix, unit) in units.items():
            np.testing.assert_allclose(unit * getattr(at, name), table[letter + suffix], rtol=1e-6, atol=1e-6)


def american_errors(table: pd.DataFrame, steps: int) -> np.ndarray:
    """Cents on a spot of 100, against QuantLib's high-precision engine."""
    c = options(table, Model.AMERICAN)
    value = solve(c, np.ones(len(c), dtype=bool), steps).price
    return np.abs(value - table["quantlib_qdfp"].to_numpy()) / table["spot"].to_numpy() * 1e4


@pytest.fixture(scope="module")
def american_table(reference: Path) -> pd.DataFrame:
    return pd.read_csv(reference / "american_published_tables.csv")


def test_americans_up_to_a_year_are_within_half_a_cent(american_table: pd.DataFrame) -> None:
    normal = american_table[(american_table["t"] <= 1.1) & (american_table["vol"] < 1.0)]
    assert len(normal) > 400
    errors = american_errors(normal, steps=101)
    assert errors.max() < 0.5
    assert np.sqrt(np.mean(np.square(errors))) < 0.05


def test_americans_up_to_three_years_are_within_three_cents(american_table: pd.DataFrame) -> None:
    assert american_errors(american_table[american_table["vol"] < 1.0], steps=101).max() < 3.0


@pytest.mark.slow
def test_finer_trees_converge_to_the_americans_of_quantlib(american_table: pd.DataFrame) -> None:
    normal = american_table[american_table["vol"] < 1.0]
    rms = [np.sqrt(np.mean(np.square(american_errors(normal, steps)))) for steps in (51, 101, 201, 401)]
    assert rms[0] > rms[1] > rms[2] > rms[3]
    assert rms[3] < 0.06


SURE = "zero|extreme spot|extreme strike|one day left"
APPROXIMATED = "zero interest rate call"
"""QuantLib's own figure there is of its QD+ approximation; a binomial tree of 8,001 steps gives 8.8657."""


def test_the_edge_cases_of_quantlib_that_have_an_exact_answer_are_met(reference: Path) -> None:
    table = pd.read_csv(reference / "american_edge_cases_quantlib.csv")
    exact = table[table["comment"].str.contains(SURE) & (table["comment"] != APPROXIMATED)]
    smallest_volatility = exact["vol"] * np.sqrt(exact["t"]) < 1e-5
    tolerance = np.where(exact["tol"] < 0.0, 0.005 * exact["value"], np.maximum(exact["tol"], 1e-9))
    tolerance = np.where(smallest_volatility & (exact["t"] > 10.0), 0.02, tolerance)
    assert len(exact) >= 27
    assert (np.abs(price(options(exact, Model.AMERICAN)) - exact["value"]) <= tolerance).all()


def test_an_option_at_maturity_is_worth_its_intrinsic_value(reference: Path) -> None:
    table = pd.read_csv(reference / "american_edge_cases_quantlib.csv")
    expired = table[table["comment"] == "put option at maturity"]
    assert price(options(expired, Model.AMERICAN)).tolist() == [20.0]


@pytest.fixture(scope="module")
def dividend_table(reference: Path) -> pd.DataFrame:
    return pd.read_csv(reference / "discrete_dividend_published.csv")


def paying(table: pd.DataFrame) -> Contracts:
    dividends = [
        [(float(date), float(cash)) for date, cash in (pair.split(":") for pair in row.split())]
        for row in table["dividends(t:amount)"]
    ]
    return options(table, Model.BLACK_SCHOLES, dividends=dividends)


def test_europeans_with_dividends_are_within_a_tenth_of_a_cent_of_the_exact_spot_model(
    dividend_table: pd.DataFrame,
) -> None:
    value = price(paying(dividend_table))
    np.testing.assert_allclose(value, dividend_table["quantlib_exact_spot_model"], rtol=0, atol=0.001)


def test_published_dividend_formulas_agree_where_they_are_of_the_spot_model(
    dividend_table: pd.DataFrame,
) -> None:
    rows = dividend_table[dividend_table["method"] != "Escrowed(Merton73)"]
    np.testing.assert_allclose(price(paying(rows)), rows["value"], rtol=0, atol=0.07)


@pytest.fixture(scope="module")
def volatilities(reference: Path) -> pd.DataFrame:
    return pd.read_csv(reference / "iv_lets_be_rational_testvalues.csv")


def black_76(table: pd.DataFrame) -> Contracts:
    return Contracts.of(
        model=Model.BLACK_76, is_call=table["q"] == 1, strike=table["K"], spot=table["F"], tau=table["T"]
    )


def test_implied_volatilities_agree_with_lets_be_rational_to_1e_8_or_are_said_not_to_be_identified(
    volatilities: pd.DataFrame,
) -> None:
    implied = implied_volatility(black_76(volatilities), volatilities["black"].to_numpy())
    found = implied.reason == IvReason.OK
    np.testing.assert_allclose(implied.sigma[found], volatilities["sigma"][found], rtol=1e-8, atol=0)
    returned = np.abs(volatilities["iv_lbr"] - volatilities["sigma"]) <= 1e-8
    assert not found[~returned].any()
    assert found.sum() >= returned.sum() - 5


def test_black_76_agrees_with_lets_be_rational(volatilities: pd.DataFrame) -> None:
    c = black_76(volatilities)
    at = Contracts.of(
        model=Model.BLACK_76,
        is_call=c.is_call,
        strike=c.strike,
        spot=c.spot,
        tau=c.tau,
        sigma=volatilities["sigma"],
    )
    np.testing.assert_allclose(price(at), volatilities["black"], rtol=1e-12, atol=1e-11)
