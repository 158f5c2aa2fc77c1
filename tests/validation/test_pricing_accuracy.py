"""Shocked Americans against two oracles: QuantLib, and this package's own tree, eight times as fine.

Contracts of 5 days to two years (with dividends to half a year), moved by -40 … +30 % of spot and -40 … +120 % of
volatility. Errors are cents on a spot of 100, so the bounds are shares of 1e-4.
"""

from dataclasses import replace

import numpy as np
import pytest

from engine.pricing import Contracts, Model, Shocks, value
from engine.pricing.american import solve
from tests.validation.quantlib import american_values

DAY = 1.0 / 365.0
SHOCKS = 3
RMS, P99, WORST = 0.05, 0.2, 1.0
"""Cents on a spot of 100."""


def book(rng: np.random.Generator, n: int, longest: int, *, paying: bool) -> Contracts:
    """Americans on a spot of 100 that expire in 5 to `longest` whole days; quarterly dividends instead of a yield if paying."""
    days = rng.integers(5, longest + 1, n)
    firsts, amounts = rng.integers(1, 91, n), rng.uniform(0.2, 0.8, n)
    dividends = [
        [(day * DAY, float(cash)) for day in range(int(first), longest, 91)]
        for first, cash in zip(firsts, amounts, strict=True)
    ]
    return Contracts.of(
        model=Model.AMERICAN,
        is_call=rng.random(n) < 0.5,
        spot=100.0,
        strike=rng.uniform(70.0, 130.0, n),
        sigma=np.exp(rng.uniform(np.log(0.15), np.log(0.9), n)),
        tau=days * DAY,
        rate=rng.uniform(0.0, 0.05, n),
        dividend_yield=0.0 if paying else rng.uniform(0.0, 0.03, n),
        dividends=dividends if paying else (),
    )


def moved(rng: np.random.Generator, c: Contracts) -> Shocks:
    shape = (SHOCKS, len(c))
    return Shocks(
        c.spot * rng.uniform(0.6, 1.3, shape), c.sigma * rng.uniform(0.6, 2.2, shape), np.zeros(SHOCKS)
    )


def tree_values(c: Contracts, spot: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """(n_shocks, n), by the tree of 801 steps."""
    everyone = np.ones(len(c), dtype=bool)
    return np.array(
        [
            solve(replace(c, spot=s, sigma=v), everyone, steps=801).price
            for s, v in zip(spot, sigma, strict=True)
        ]
    )


def cents(n: int, *, paying: bool, oracle=american_values, seed: int = 1) -> np.ndarray:
    """How far shocked values are from the oracle's."""
    rng = np.random.default_rng(seed)
    c = book(rng, n, 182 if paying else 730, paying=paying)
    shocks = moved(rng, c)
    return 100.0 * np.abs(value(c, shocks) - oracle(c, shocks.spot, shocks.sigma))


@pytest.fixture(scope="module", params=["plain", "paying"])
def off_quantlib(request: pytest.FixtureRequest) -> np.ndarray:
    return cents(90, paying=request.param == "paying")


@pytest.fixture(scope="module", params=["plain", "paying"])
def off_the_tree(request: pytest.FixtureRequest) -> np.ndarray:
    return cents(300, paying=request.param == "paying", oracle=tree_values)


def rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def test_shocked_values_are_within_a_twentieth_of_a_cent_of_quantlib_in_the_mean(
    off_quantlib: np.ndarray,
) -> None:
    assert rms(off_quantlib) <= RMS


def test_shocked_values_are_within_a_fifth_of_a_cent_of_quantlib_99_times_of_100(
    off_quantlib: np.ndarray,
) -> None:
    assert np.quantile(off_quantlib, 0.99) <= P99


def test_no_shocked_value_is_a_cent_off_quantlib(off_quantlib: np.ndarray) -> None:
    assert off_quantlib.max() <= WORST


def test_shocked_values_are_within_a_twentieth_of_a_cent_of_a_fine_tree_in_the_mean(
    off_the_tree: np.ndarray,
) -> None:
    assert rms(off_the_tree) <= RMS


def test_shocked_values_are_within_a_fifth_of_a_cent_of_a_fine_tree_99_times_of_100(
    off_the_tree: np.ndarray,
) -> None:
    assert np.quantile(off_the_tree, 0.99) <= P99


def test_no_shocked_value_is_a_cent_off_a_fine_tree(off_the_tree: np.ndarray) -> None:
    assert off_the_tree.max() <= WORST


@pytest.mark.slow
@pytest.mark.parametrize("paying", [False, True])
def test_a_larger_sample_is_as_close_to_quantlib(paying: bool) -> None:
    errors = cents(400, paying=paying, seed=2)
    assert rms(errors) <= RMS
    assert np.quantile(errors, 0.99) <= P99
    assert errors.max() <= WORST
