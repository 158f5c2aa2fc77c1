"""Options that need a tree: American exercise, and European exercise with cash dividends.

Two trees of Leisen and Reimer, with `steps` and about half as many, extrapolated (Richardson: the error of early
exercise at the steps only, and of dividends, falls as 1/steps). Without dividends the tree gives the early-exercise
premium alone, on top of Black-Scholes-Merton: American = BSM + (tree American - tree European). Where the tree
exercises at once the value is the intrinsic value.
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.pricing import black_scholes, lattice
from engine.pricing.deterministic import best_exercise
from engine.pricing.dividends import still_ahead
from engine.pricing.lattice import STEPS
from engine.pricing.types import BoolArray, Contracts, Floats, GreekColumns

CHUNK = 128
"""Contracts per pass: their nodes stay in the processor's cache. Those of one tau come together, because they mostly
share their dividends, and each pass handles every date once."""

SIGMA_BUMP = 0.005
RATE_BUMP = 0.001
SPOT_BUMP = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Price, delta and gamma, each (n,)."""

    price: Floats
    delta: Floats
    gamma: Floats


def never_early(c: Contracts) -> BoolArray:
    """(n,): exercise before expiry can't pay, and no dividend is ahead: the closed form is the value.

    A call's time value is never negative where yield <= 0 and yield <= rate; a put's where rate <= 0 and
    rate <= yield.
    """
    q, r = c.dividend_yield, c.rate
    patient = np.where(c.is_call, (q <= 0.0) & (q <= r), (r <= 0.0) & (r <= q))
    return np.asarray(patient & ~pays_dividends(c))


def pays_dividends(c: Contracts) -> BoolArray:
    """(n,): a cash dividend goes ex before expiry."""
    return np.asarray(still_ahead(c.dividend_times, c.dividend_amounts, c.tau).any(axis=1))


def solve(contracts: Contracts, early: BoolArray, steps: int = STEPS) -> Solution:
    """Price, delta and gamma of each option.

    Args:
        contracts: n options with finite inputs; the yield as carried (a forward's is its rate).
        early: (n,), whether exercise before expiry is allowed.
        steps: of the finer tree, odd.
    """
    c = contracts
    alive = c.tau > 0.0
    certain = (c.sigma * np.sqrt(np.maximum(c.tau, 0.0)) < black_scholes.DETERMINISTIC) | ~alive
    certain |= (c.spot == 0.0) | (c.strike == 0.0)
    paying = pays_dividends(c)
    price, delta, gamma = np.empty(len(c)), np.empty(len(c)), np.zeros(len(c))
    price[certain], delta[certain] = best_exercise(_expired_now(c.take(certain)), early[certain])
    groups = (~paying & early, _premium), (paying & early, _with_dividends), (~early, _european)
    for group, method in groups:
        rows = np.flatnonzero(group & ~certain)
        rows = rows[np.argsort(c.tau[rows], kind="stable")]
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            solved = method(c.take(part), steps)
            price[part], delta[part], gamma[part] = solved.price, solved.delta, solved.gamma
    return Solution(price, delta, gamma)


def greeks(contracts: Contracts, early: BoolArray, on_forward: BoolArray, steps: int = STEPS) -> GreekColumns:
    """Price and Greeks in the units of GreekColumns.

    Delta and gamma are read off the tree's nodes, theta and charm are the pricing equation's (0 where exercised at once),
    the others are differences. The rho of an option on a forward moves its rate and yield together.

    Args:
        contracts, early, steps: as in solve.
        on_forward: (n,).
    """
    c = contracts
    at = solve(c, early, steps)
    random = c.sigma * np.sqrt(np.maximum(c.tau, 0.0)) >= black_scholes.DETERMINISTIC
    below = np.minimum(SIGMA_BUMP, 0.5 * c.sigma)
    up = solve(replace(c, sigma=c.sigma + SIGMA_BUMP), early, steps)
    down = solve(replace(c, sigma=c.sigma - below), early, steps)
    spread = np.where(random, below + SIGMA_BUMP, 1.0)
    higher, lower = _rate_moved(c, RATE_BUMP, on_forward), _rate_moved(c, -RATE_BUMP, on_forward)
    rho = (solve(higher, early, steps).price - solve(lower, early, steps).price) / (2.0 * RATE_BUMP)
    slope_up = (up.price - at.price) / SIGMA_BUMP
    slope_down = np.where(below > 0.0, (at.price - down.price) / np.where(below > 0.0, below, 1.0), slope_up)
    right, left = (
        solve(replace(c, spot=c.spot * (1.0 + h)), early, steps).gamma for h in (SPOT_BUMP, -SPOT_BUMP)
    )
    speed = (right - left) / np.where(c.spot > 0.0, 2.0 * SPOT_BUMP * c.spot, 1.0)
    carry, variance = c.rate - c.dividend_yield, np.square(c.sigma * c.spot)
    theta = c.rate * at.price - carry * c.spot * at.delta - 0.5 * variance * at.gamma
    convexity = c.spot * at.gamma
    charm = (c.rate - carry) * at.delta - (carry + c.sigma**2) * convexity - 0.5 * variance * speed
    held = (c.tau > 0.0) & ~(early & (at.price <= intrinsic(c)))
    vega = np.where(random, (up.price - down.price) / spread, 0.0)
    vanna = np.where(random & held, (up.delta - down.delta) / spread, 0.0)
    volga = np.where(random & held, (slope_up - slope_down) / (0.5 * spread), 0.0)
    theta, charm = np.where(held, theta, 0.0), np.where(held, charm, 0.0)
    return GreekColumns(
        price=at.price,
        delta=at.delta,
        gamma=at.gamma,
        vega=vega / 100.0,
        theta=theta / black_scholes.DAYS_PER_YEAR,
        rho=rho / 100.0,
        vanna=vanna / 100.0,
        volga=volga / 1e4,
        charm=charm / black_scholes.DAYS_PER_YEAR,
    )


def intrinsic(c: Contracts) -> Floats:
    """(n,): what exercise now pays."""
    return np.asarray(np.maximum(np.where(c.is_call, c.spot - c.strike, c.strike - c.spot), 0.0))


def _rate_moved(c: Contracts, by: float, on_forward: BoolArray) -> Contracts:
    return replace(c, rate=c.rate + by, dividend_yield=c.dividend_yield + np.where(on_forward, by, 0.0))


def _expired_now(c: Contracts) -> Contracts:
    return replace(c, tau=np.maximum(c.tau, 0.0))


def _premium(c: Contracts, steps: int) -> Solution:
    """American without dividends: the closed form plus the tree's early-exercise premium."""
    european = black_scholes.greeks(c.is_call, c.spot, c.strike, c.sigma, c.tau, c.rate, c.dividend_yield)
    trees = [lattice.backward(c, (True, False), k) for k in _pair(steps)]
    extra = _extrapolated([_derivatives(t.spot, t.values[0] - t.values[1]) for t in trees], steps)
    floor = np.maximum(intrinsic(c), european.price)
    price = np.clip(european.price + extra.price, floor, np.maximum(floor, ceiling(c)))
    whole = Solution(price, european.delta + extra.delta, european.gamma + extra.gamma)
    return _exercised_now(c, trees[0].values[0][1], whole)


def _with_dividends(c: Contracts, steps: int) -> Solution:
    """American with cash dividends: the tree's value."""
    trees = [lattice.backward(c, (True,), k) for k in _pair(steps)]
    whole = _extrapolated([_derivatives(t.spot, t.values[0]) for t in trees], steps)
    price = np.clip(whole.price, intrinsic(c), np.maximum(intrinsic(c), ceiling(c)))
    return _exercised_now(c, trees[0].values[0][1], replace(whole, price=price))


def _european(c: Contracts, steps: int) -> Solution:
    """European with cash dividends: the tree's value."""
    trees = [lattice.backward(c, (False,), k) for k in _pair(steps)]
    whole = _extrapolated([_derivatives(t.spot, t.values[0]) for t in trees], steps)
    return replace(whole, price=np.clip(whole.price, 0.0, european_ceiling(c)))


def _pair(steps: int) -> tuple[int, int]:
    return steps, (steps // 2) | 1


def _extrapolated(trees: list[Solution], steps: int) -> Solution:
    fine, coarse = trees
    n, k = _pair(steps)

    def limit(a: Floats, b: Floats) -> Floats:
        return (n * a - k * b) / (n - k)

    return Solution(
        limit(fine.price, coarse.price), limit(fine.delta, coarse.delta), limit(fine.gamma, coarse.gamma)
    )


def _derivatives(spot: Floats, value: Floats) -> Solution:
    """Value and two derivatives at the middle of three nodes (3, n), by the parabola through them."""
    left, right = spot[1] - spot[0], spot[2] - spot[1]
    slope_left, slope_right = (value[1] - value[0]) / left, (value[2] - value[1]) / right
    width = left + right
    delta = (right * slope_left + left * slope_right) / width
    return Solution(value[1], delta, 2.0 * (slope_right - slope_left) / width)


def _exercised_now(c: Contracts, tree: Floats, whole: Solution) -> Solution:
    """The solution, and where the tree (n,) exercises now, the intrinsic value's."""
    payoff = intrinsic(c)
    now = (payoff > 0.0) & (tree <= payoff * (1.0 + 1e-14))
    sign = np.where(c.is_call, 1.0, -1.0)
    return Solution(
        np.where(now, payoff, whole.price), np.where(now, sign, whole.delta), np.where(now, 0.0, whole.gamma)
    )


def ceiling(c: Contracts, spot: Floats | None = None) -> Floats:
    """No option is worth more: a call than the spot, a put than the strike, whichever date is the best for it.

    Args:
        spot: (…, n), in place of the contracts' own.
    """
    at = (c.spot if spot is None else spot) * np.exp(np.maximum(-c.dividend_yield * c.tau, 0.0))
    strike = c.strike * np.exp(np.maximum(-c.rate * c.tau, 0.0))
    return np.where(c.is_call, at, strike)


def european_ceiling(c: Contracts, spot: Floats | None = None) -> Floats:
    """No European option is worth more: a call than the spot less its yield, a put than the discounted strike.

    Args:
        spot: (…, n), in place of the contracts' own.
    """
    at = c.spot if spot is None else spot
    return np.where(c.is_call, at * np.exp(-c.dividend_yield * c.tau), c.strike * np.exp(-c.rate * c.tau))
