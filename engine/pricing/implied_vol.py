"""Implied volatility, by bracketed solvers over columns, and the honest answer where a price does not tell it.

European prices are reduced to the out-of-the-money option in units of sqrt(S' K') (Jäckel 2015): b(x, s), with
x = -|ln(S'/K')| and s = sigma sqrt(tau). Newton's method solves ln b, or the logarithm of the distance to the upper
bound for high prices, and is held inside a bracket that every step narrows. On the tables Chandrupatla's bracketed
method (1997) is used, on what no table serves SciPy's version of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.special import erf, erfcx, ndtr

from engine.pricing import american
from engine.pricing.bands import base_middle, rows_of
from engine.pricing.black_scholes import DETERMINISTIC
from engine.pricing.deterministic import best_exercise
from engine.pricing.dividends import present_value
from engine.pricing.grid import CHEBYSHEV_NODES, LARGEST_DEVIATION
from engine.pricing.imminent import almost_due
from engine.pricing.tables import Tables
from engine.pricing.types import BoolArray, Contracts, Floats, IntArray, IvReason

ROUNDING = 2.0 * np.finfo(np.float64).eps
"""How much rounding may hide: of the price of an option out of the money, of the larger leg of one in the money."""

IDENTIFIED = 1e-8
"""A volatility is identified when the rounding of its price moves it by less than this share of itself."""

TIME_VALUE = 1e-5
"""On a table, the least time value that tells a volatility, as a share of the larger of spot and strike."""

AT_CEILING = 1e-6
"""A table tells no volatility from a price so close to its upper bound, as a share of it."""

MOST_BANDS, SETTLE_WITHIN = 12, 4
EDGE = 1.05  # how far into the next band the search goes on

ITERATIONS = 100
MOST_DEVIATION = 40.0  # of sigma sqrt(tau); N(-20) is below what a double next to 1 can tell

SMALLEST_DEVIATION = 1e-4
"""Of sigma sqrt(tau), that is searched for without a table."""

REACHES = 0.25, 0.02
"""Of the logarithm of sigma, one search inside the other: the European's is mostly so near."""

POLISH, POLISHED = 4, 1e-9
"""Steps of Newton's method behind them at most, and the step of the logarithm of sigma that ends them."""

GUESSED = 1e-3
"""A European's volatility that another search starts from may be off by this share."""

Answer = tuple[Floats, IntArray]
ValueAt = Callable[[Contracts, Floats], Floats]
"""From n contracts and sigmas (k, n) to prices (k, n)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Normalised:
    """Each (n,): the problem b(x, s) = target, and what rounding may have done to target."""

    x: Floats
    target: Floats
    most: Floats  # b can't reach it: exp(x / 2)
    rounding: Floats


def european(c: Contracts, prices: Floats, to: float = 1e-15) -> Answer:
    """sigma and reason of European options without cash dividends.

    Args:
        c: n options with finite inputs; the yield as carried (a forward's is its rate). Its sigma is not looked at.
        prices: (n,).
        to: the search ends when its step is this share of sigma or less.
    """
    life = np.maximum(c.tau, 0.0)
    spot_pv, strike_pv = c.spot * np.exp(-c.dividend_yield * life), c.strike * np.exp(-c.rate * life)
    intrinsic = np.maximum(np.where(c.is_call, spot_pv - strike_pv, strike_pv - spot_pv), 0.0)
    unit = np.sqrt(spot_pv * strike_pv)
    x = -np.abs(np.log(spot_pv / strike_pv))
    rounding = ROUNDING * np.where(intrinsic > 0.0, np.maximum(spot_pv, strike_pv), prices) / unit
    problem = _Normalised(x, (prices - intrinsic) / unit, np.exp(0.5 * x), rounding)
    reason = np.select(
        [
            c.tau <= 0.0,
            ~(np.isfinite(prices) & (prices >= 0.0)),
            unit == 0.0,
            problem.target < -rounding,
            problem.target <= rounding,
            problem.target >= problem.most,
        ],
        [
            IvReason.EXPIRED,
            IvReason.BAD_INPUT,
            IvReason.NO_TIME_VALUE,
            IvReason.BELOW_INTRINSIC,
            IvReason.NO_TIME_VALUE,
            IvReason.ABOVE_UPPER_BOUND,
        ],
        default=IvReason.OK,
    ).astype(np.int64)
    rows = np.flatnonzero(reason == IvReason.OK)
    sigma = np.full(len(c), np.nan)
    if len(rows):
        some = _Normalised(x[rows], problem.target[rows], problem.most[rows], rounding[rows])
        s = _solve(some, to)
        blurred = some.rounding > IDENTIFIED * s * _vega(some.x, s)
        high = some.target > 0.5 * some.most
        sigma[rows] = np.where(blurred, np.nan, s / np.sqrt(c.tau[rows]))
        lost = np.where(high, IvReason.ABOVE_UPPER_BOUND, IvReason.NO_TIME_VALUE)
        reason[rows] = np.where(blurred, lost, IvReason.OK)
    return sigma, reason


def on_tables(c: Contracts, early: BoolArray, prices: Floats, tables: Tables, value_at: ValueAt) -> Answer:
    """sigma and reason of options that have no closed form.

    Args:
        c: n options as for european, cash dividends allowed.
        early: (n,), whether exercise before expiry is allowed.
        prices: (n,).
        tables: what the options' residuals are read off.
        value_at: prices at other sigmas, for what no table serves.
    """
    alive = (c.tau > 0.0) & (c.strike > 0.0) & (c.spot > 0.0)
    certain, _ = best_exercise(replace(c, tau=np.maximum(c.tau, 0.0)), early)
    floor = np.where(early, np.maximum(certain, american.intrinsic(c)), certain)
    least = TIME_VALUE * np.maximum(c.spot, c.strike)
    ceiling = np.where(early, american.ceiling(c), american.european_ceiling(c))
    reason = np.select(
        [
            c.tau <= 0.0,
            ~(np.isfinite(prices) & (prices >= 0.0)),
            prices < floor - ROUNDING * np.maximum(c.spot, c.strike),
            (prices <= floor + least) | ~alive,
            prices >= ceiling * (1.0 - AT_CEILING),
        ],
        [
            IvReason.EXPIRED,
            IvReason.BAD_INPUT,
            IvReason.BELOW_INTRINSIC,
            IvReason.NO_TIME_VALUE,
            IvReason.ABOVE_UPPER_BOUND,
        ],
        default=IvReason.OK,
    ).astype(np.int64)
    rows = np.flatnonzero(reason == IvReason.OK)
    sigma = np.full(len(c), np.nan)
    if len(rows):
        some, exercise, paid = c.take(rows), early[rows], prices[rows]
        some = replace(some, sigma=_european_guess(some, paid))
        due = almost_due(some)
        readable, other = np.flatnonzero(~due), np.flatnonzero(due)
        if len(readable):
            sigma[rows[readable]], unserved = _table_root(
                some.take(readable), exercise[readable], paid[readable], tables
            )
            other = np.concatenate([other, readable[unserved]])
        if len(other):
            sigma[rows[other]] = _searched(some.take(other), paid[other], value_at)
        reason[rows] = np.where(np.isnan(sigma[rows]), IvReason.NO_TIME_VALUE, IvReason.OK)
    return sigma, reason


def _table_root(c: Contracts, early: BoolArray, prices: Floats, tables: Tables) -> tuple[Floats, BoolArray]:
    """The sigma at which the tables give the price: of the band that the answer itself belongs to; and where none serves.

    The contracts' sigma is a first guess, and picks a band; an answer beyond its edges, or in another's middle, picks the
    next one.
    """
    root, guess = np.sqrt(c.tau), c.sigma.copy()
    found = np.full(len(c), np.nan)
    open_, unserved = np.arange(len(c)), np.zeros(len(c), dtype=np.bool_)
    for attempt in range(MOST_BANDS):
        part = replace(c.take(open_), sigma=guess[open_])
        everywhere = np.ones(len(open_), dtype=np.bool_)
        bands, contract = rows_of(
            part, early[open_], np.full(len(open_), np.inf), np.zeros(len(open_)), everywhere
        )
        which = open_[contract]
        unserved[open_] = True
        unserved[which] = False
        deviation = tables.implied(bands, c.spot[which], prices[which])
        below, above = deviation == 0.0, np.isinf(deviation)
        beyond = np.where(below, bands.low / EDGE, bands.high * EDGE) / root[which]
        sigma = np.where(below | above, beyond, deviation / root[which])
        settled = ~(below | above)
        moved = base_middle(replace(c.take(which), sigma=sigma)) != bands.middle
        guess[which] = sigma
        found[which] = np.where(settled, sigma, np.nan)
        open_ = which[~settled | (moved & (attempt < SETTLE_WITHIN))]
        lost = (guess[open_] * root[open_] < DETERMINISTIC) | (guess[open_] * root[open_] > LARGEST_DEVIATION)
        open_ = open_[~lost]
        if not len(open_):
            break
    return found, unserved


def _searched(c: Contracts, prices: Floats, value_at: ValueAt) -> Floats:
    """The sigma at which the model gives the price, without a table to solve on; NaN where none does. The contracts' is a guess.

    Polynomials through the prices of a few sigmas give the sigma as a function of the price, closer in each time; what
    leaves their reach has a bracketed method.
    """
    root = np.sqrt(c.tau)
    log_sigma = np.log(c.sigma)
    inside = np.ones(len(c), dtype=np.bool_)
    for reach in REACHES:
        x = reach * CHEBYSHEV_NODES[:, None]
        # the tables of the volatility itself, once it is nearly known
        near = replace(c, sigma=np.exp(log_sigma))
        values = value_at(near, np.exp(log_sigma + x))
        step = _through(values, x, prices)
        inside &= np.abs(step) <= reach
        log_sigma = np.where(inside, log_sigma + step, log_sigma)
    slope = (values[-1] - values[0]) / (x[-1] - x[0])
    settled = np.zeros(len(c), dtype=np.bool_)
    for _ in range(POLISH):  # the tables are smooth in pieces, and a polynomial may lie across two
        near = replace(c, sigma=np.exp(log_sigma))
        step = (prices - value_at(near, near.sigma[None, :])[0]) / slope
        inside &= settled | (np.abs(step) <= REACHES[-1])
        log_sigma = np.where(inside & ~settled, log_sigma + step, log_sigma)
        settled |= np.abs(step) <= POLISHED
        if settled[inside].all():
            break
    sigma, rest = np.where(inside, np.exp(log_sigma), np.nan), np.flatnonzero(~inside)
    if len(rest):

        def miss(log_deviation: Floats, which: Floats) -> Floats:
            index = which.astype(np.int64)
            sigmas = np.exp(log_deviation) / root[index]
            return np.asarray(
                value_at(replace(c.take(index), sigma=sigmas), sigmas[None, :])[0] - prices[index]
            )

        bracket = np.log(SMALLEST_DEVIATION), np.log(LARGEST_DEVIATION)
        found = find_root(miss, bracket, args=(rest.astype(np.float64),))
        sigma[rest] = np.where(found.success, np.exp(found.x) / root[rest], np.nan)
    return sigma


def _through(x: Floats, y: Floats, at: Floats) -> Floats:
    """(n,): Lagrange's polynomial through (x, y), each (k, n) or (k, 1), at (n,); NaN where two x are one."""
    out = np.zeros_like(at)
    for i in range(len(x)):
        others = np.delete(x, i, axis=0)
        out += y[i] * np.prod((at - others) / (x[i] - others), axis=0)
    return out


def _solve(p: _Normalised, to: float) -> Floats:
    """The s of b(x, s) = target, inside (0, most), found by steps of the share `to` of it at last."""
    inflection = np.sqrt(-2.0 * p.x)
    high = p.target > 0.5 * p.most
    goal = np.log(np.where(high, p.most - p.target, p.target))
    low, top = np.maximum(p.target * np.sqrt(2.0 * np.pi), -p.x / 60.0), np.full_like(p.x, MOST_DEVIATION)
    s, done = np.clip(inflection, low, top), np.zeros(len(p.x), dtype=np.bool_)
    for _ in range(ITERATIONS):
        log_b, slope = _log_price(p.x, s)
        log_gap, gap_slope = _log_gap(p.x, s)
        miss = np.where(high, goal - log_gap, log_b - goal)
        slope = np.where(high, gap_slope, slope)
        low, top = np.where(miss <= 0.0, s, low), np.where(miss >= 0.0, s, top)
        newton = s - miss / slope
        inside = (newton > low) & (newton < top)
        following = np.where(inside, newton, 0.5 * (low + top))
        arrives = (np.abs(following - s) <= to * s) | (miss == 0.0)
        s = np.where(done | (miss == 0.0), s, following)  # what has arrived stays, whatever the others need
        done |= arrives
        if done.all():
            break
    return s


def _vega(x: Floats, s: Floats) -> Floats:
    """The derivative of b by s."""
    return np.asarray(np.exp(-0.5 * (np.square(x / s) + 0.25 * s * s)) / np.sqrt(2.0 * np.pi))


def _log_price(x: Floats, s: Floats) -> tuple[Floats, Floats]:
    """ln b(x, s) and its derivative by s: below the inflection free of underflow, above it free of cancellation."""
    h, t = x / s, 0.5 * s
    scaled = 0.5 * (erfcx(-(h + t) / np.sqrt(2.0)) - erfcx(-(h - t) / np.sqrt(2.0)))
    up, down = np.exp(0.5 * x), np.exp(-0.5 * x)
    upper = 0.5 * (up * erf((h + t) / np.sqrt(2.0)) - down * erf((h - t) / np.sqrt(2.0))) + np.sinh(0.5 * x)
    wing = h + t < 0.0
    log_b = np.where(wing, np.log(scaled) - 0.5 * (h * h + t * t), np.log(upper))
    slope = np.where(wing, 1.0 / (np.sqrt(2.0 * np.pi) * scaled), _vega(x, s) / upper)
    return log_b, slope


def _log_gap(x: Floats, s: Floats) -> tuple[Floats, Floats]:
    """ln(exp(x / 2) - b(x, s)), and minus its derivative by s."""
    h, t = x / s, 0.5 * s
    gap = np.exp(0.5 * x) * ndtr(-(h + t)) + np.exp(-0.5 * x) * ndtr(h - t)
    return np.log(gap), _vega(x, s) / gap


def _european_guess(c: Contracts, prices: Floats) -> Floats:
    """The volatility if the option were European and its dividends already off the spot; 0.3 where there is none."""
    worth = present_value(c.dividend_times, c.dividend_amounts, c.tau, c.rate)
    escrowed = replace(c, spot=np.maximum(c.spot - worth, 0.1 * c.spot))
    sigma, _ = european(escrowed, prices, GUESSED)
    return np.where(np.isnan(sigma), 0.3, sigma)
