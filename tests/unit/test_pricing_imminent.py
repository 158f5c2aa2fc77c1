"""Options whose next dividend is almost due, against a fine tree and against themselves."""

from dataclasses import replace

import numpy as np
import pytest

from engine.pricing import Contracts, IvReason, Model, Shocks, greeks, implied_volatility, price, value
from engine.pricing.american import solve
from engine.pricing.imminent import PER_SHARE, SOON, almost_due
from tests.unit.contracts import as_european, intrinsic

CENT = 0.01
N = 60


def soon(paid: float) -> float:
    """Share of the life within which a dividend is almost due whatever the strike of the book's contracts."""
    return min(SOON, PER_SHARE * paid / 300.0)


@pytest.fixture(scope="module")
def book() -> Contracts:
    """Calls and puts on a spot of 100, a dividend of 0.2 to 5 almost due, and a later one."""
    random = np.random.default_rng(11)
    tau, sigma = random.uniform(0.05, 1.0, N), np.exp(random.uniform(np.log(0.12), np.log(0.6), N))
    dividends = [
        [(t * random.uniform(0.0, 1.0) * soon(paid), paid), (t * 0.5, random.uniform(0.2, 1.5))]
        for t, paid in zip(tau, random.uniform(0.2, 5.0, N), strict=True)
    ]
    return Contracts.of(
        model=Model.AMERICAN,
        is_call=np.arange(N) % 2 == 0,
        spot=100.0,
        strike=100.0 * np.exp(0.7 * random.normal(size=N) * sigma * np.sqrt(tau)),
        sigma=sigma,
        tau=tau,
        rate=random.uniform(0.0, 0.06, N),
        dividend_yield=random.choice([0.0, 0.01, 0.03], N),
        dividends=dividends,
    )


def test_the_value_is_a_fine_trees(book: Contracts) -> None:
    assert almost_due(book).all()
    for early in (True, False):
        c = book if early else as_european(book)
        off = price(c) - solve(c, np.full(N, early), steps=1601).price
        assert np.sqrt(np.mean(off**2)) < 0.15 * CENT
        assert np.abs(off).max() < 0.8 * CENT


def test_it_is_where_the_tables_take_over_what_they_say(book: Contracts) -> None:
    small = replace(book, dividend_amounts=0.3 * book.dividend_amounts)  # so are nearly all dividends
    edge = np.minimum(SOON, PER_SHARE * small.dividend_amounts[:, 0] / small.strike) * small.tau
    before, after = (
        replace(small, dividend_times=np.column_stack([share * edge, book.dividend_times[:, 1]]))
        for share in (1.0 - 1e-9, 1.0 + 1e-9)
    )
    assert almost_due(before).all() and not almost_due(after).any()
    off = price(before) - price(after)
    assert np.sqrt(np.mean(off**2)) < 0.3 * CENT


def test_at_the_last_moment_it_is_the_better_of_exercise_now_and_what_remains(book: Contracts) -> None:
    first = book.dividend_amounts[:, 0]
    times = np.column_stack([np.full(N, 1e-12), book.dividend_times[:, 1]])
    rest = replace(
        book,
        spot=book.spot - first,
        dividend_times=times[:, 1:],
        dividend_amounts=book.dividend_amounts[:, 1:],
    )
    better = np.maximum(intrinsic(book), price(rest))
    np.testing.assert_allclose(price(replace(book, dividend_times=times)), better, rtol=0, atol=1e-6)


def test_two_dividends_almost_due_are_two_choices(book: Contracts) -> None:
    c = replace(book, dividend_times=np.column_stack([0.002 * book.tau, 0.006 * book.tau]))
    off = price(c) - solve(c, np.ones(N, dtype=bool), steps=1601).price
    assert np.sqrt(np.mean(off**2)) < 0.15 * CENT


def test_the_greeks_are_the_slopes_of_the_value(book: Contracts) -> None:
    g, h, ds = greeks(book), 0.05, 0.002
    up, down = (greeks(replace(book, spot=book.spot + s * h)) for s in (1, -1))
    more, less = (greeks(replace(book, sigma=book.sigma + s * ds)) for s in (1, -1))
    higher, lower = (greeks(replace(book, rate=book.rate + s * 1e-3)) for s in (1, -1))
    step = 0.2 * book.dividend_times[:, 0]  # the ex-date stays ahead
    sooner, later = (
        greeks(replace(book, tau=book.tau - s * step, dividend_times=book.dividend_times - s * step[:, None]))
        for s in (1, -1)
    )
    days = 2.0 * step * 365.0
    pairs = {
        "delta": ((up.price - down.price) / (2 * h), 5e-3),
        "gamma": ((up.delta - down.delta) / (2 * h), 1e-2),
        "vega": ((more.price - less.price) / (200 * ds), 2e-3),
        "vanna": ((more.delta - less.delta) / (200 * ds), 5e-3),
        "volga": ((more.vega - less.vega) / (200 * ds), 1e-2),
        "rho": ((higher.price - lower.price) / 0.2, 2e-2),
        "theta": ((sooner.price - later.price) / days, 1e-2),
        "charm": ((sooner.delta - later.delta) / days, 2e-2),
    }
    held = price(book) > intrinsic(book) + 2.0  # far from exercise, where every slope is smooth
    assert held.sum() > N / 3
    for name, (slope, tolerance) in pairs.items():
        off = np.abs(getattr(g, name) - slope)[held]
        assert off.max() < tolerance, (name, off.max())
        assert np.quantile(off, 0.8) < 0.1 * tolerance, (name, off)


def test_the_volatility_of_its_price_is_found(book: Contracts) -> None:
    found = implied_volatility(book, price(book))
    told = greeks(book).vega > CENT
    assert (found.reason[told] == IvReason.OK).all()
    off = np.abs(found.sigma / book.sigma - 1.0)[told]
    assert np.quantile(off, 0.95) < 1e-7
    assert off.max() < 3e-4  # at the edge between two tables' bands either is an answer


def test_a_shock_that_brings_the_ex_date_near_is_priced_so_too(book: Contracts) -> None:
    wait = 0.03
    ahead = replace(book, tau=book.tau + wait, dividend_times=book.dividend_times + wait)
    got = value(ahead, Shocks(book.spot[None, :], book.sigma[None, :], np.array([wait])))[0]
    np.testing.assert_allclose(got, price(book), rtol=0, atol=1e-9 * 100.0)


def test_a_senseless_spot_or_sigma_gives_nan_and_no_spot_what_is_left(book: Contracts) -> None:
    states = np.array([[np.nan, 0.3], [-1.0, 0.3], [np.inf, 0.3], [100.0, np.nan], [100.0, -0.1], [0.0, 0.3]])
    shocks = Shocks(np.tile(states[:, :1], (1, N)), np.tile(states[:, 1:], (1, N)), np.zeros(len(states)))
    got = value(book, shocks)
    assert np.isnan(got[:-1]).all()
    np.testing.assert_allclose(got[-1], np.where(book.is_call, 0.0, book.strike), atol=1e-9)


DAY = 1.0 / 365.0


@pytest.mark.parametrize(
    ("facts", "dividends"),
    [
        ({"sigma": 0.12, "tau": 30 * DAY}, [(2 * DAY, 8.0)]),  # jumps of more than a deviation
        ({"sigma": 0.10, "tau": 7 * DAY}, [(DAY, 3.0)]),
        ({"sigma": 0.15, "tau": 20 * DAY}, [(2 * DAY, 5.0)]),
        ({"sigma": 0.12, "tau": 30 * DAY}, [(0.1199 * 30 * DAY, 4.0)]),
        ({"sigma": 0.12, "tau": 30 * DAY}, [(0.1201 * 30 * DAY, 4.0)]),
        ({"sigma": 0.12, "tau": 60 * DAY}, [(DAY, 0.01), (2 * DAY, 8.0)]),  # a small one before a large one
        ({"sigma": 0.30, "tau": 2.0, "dividend_yield": 0.3, "strike": 117.0}, []),  # a dear borrow
        ({"sigma": 0.1438, "tau": 2.0908, "dividend_yield": 0.1669, "strike": 107.7221}, []),
        ({"sigma": 0.7375199512, "tau": 1.6362736293, "dividend_yield": 0.109431, "strike": 56.8234}, []),
    ],
)
def test_hard_calls_are_within_half_a_cent_of_a_fine_tree(facts, dividends) -> None:
    at = {"model": Model.AMERICAN, "spot": 100.0, "strike": 100.0, "rate": 0.04, "dividends": [dividends]}
    c = Contracts.of(**(at | facts))
    assert price(c)[0] == pytest.approx(solve(c, np.ones(1, dtype=bool), steps=1601).price[0], abs=0.5 * CENT)


def test_weekly_dividends_are_priced_in_bounded_time_and_memory() -> None:
    weekly = [(0.005 + 7.0 * k * DAY, 1.0) for k in range(52)]
    c = Contracts.of(
        model=Model.AMERICAN, is_call=[True, False], spot=100.0, strike=100.0, sigma=0.5, tau=1.0, rate=0.04,
        dividends=[weekly],
    )  # fmt: skip
    off = price(c) - solve(c, np.ones(2, dtype=bool), steps=1601).price
    assert np.abs(off).max() < 15.0 * CENT  # half the spot is paid out in a year


def test_no_price_passes_its_bounds_at_absurd_volatilities() -> None:
    c = Contracts.of(
        model=Model.AMERICAN, is_call=[True, False, True], spot=100.0, strike=100.0, sigma=[5.0, 5.0, 50.0],
        tau=[2.0, 2.0, 0.5], rate=0.03, dividends=[[(0.01, 4.0)]],
    )  # fmt: skip
    assert (price(c) <= 100.0).all()


@pytest.mark.parametrize(
    ("name", "value_of_it"), [("strike", 0.0), ("sigma", np.inf), ("spot", 1e300), ("sigma", 1e300)]
)
def test_extremes_beside_a_dividend_warn_of_nothing(name: str, value_of_it: float) -> None:
    at = {"model": Model.AMERICAN, "spot": 100.0, "strike": 100.0, "sigma": 0.2, "tau": 1.0, "rate": 0.03}
    c = Contracts.of(**(at | {name: value_of_it}), dividends=[[(0.01, 1.0)]])
    assert len(price(c)) == len(greeks(c).delta) == 1


def test_a_volatility_far_from_the_europeans_is_found_as_exactly() -> None:
    c = Contracts.of(
        model=Model.AMERICAN, is_call=True, spot=1.0, strike=0.8125, sigma=0.5, tau=0.25, rate=0.0,
        dividend_yield=0.03125, dividends=[[(0.00390625, 0.03125)]],
    )  # fmt: skip
    assert implied_volatility(c, price(c)).sigma[0] == pytest.approx(0.5, rel=1e-7)
