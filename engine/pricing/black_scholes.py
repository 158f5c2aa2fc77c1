"""European options in closed form, vectorised: price and all Greeks.

Black and Scholes (1973) and Merton (1973) with a continuous yield; Black (1976) is the case yield = rate with the
forward as spot. Formulas as in Haug, The Complete Guide to Option Pricing Formulas, chapters 1 and 2. The value is
the out-of-the-money option's plus the discounted intrinsic value, so that put-call parity holds to rounding and no
value is negative. Rates and yields of either sign are fine.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from engine.pricing.types import BoolArray, Floats, GreekColumns

DETERMINISTIC = 1e-6
"""Below this sigma * sqrt(tau) the underlying is taken to move along its forward."""

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What all the formulas share, each (n,)."""

    sign: Floats  # +1 call, -1 put
    root: Floats  # sqrt(tau), 0 when expired
    spot_pv: Floats  # S exp(-q tau)
    strike_pv: Floats  # K exp(-r tau)
    deviation: Floats  # sigma sqrt(tau)
    d1: Floats
    d2: Floats


def density(x: Floats) -> Floats:
    """Of the standard normal distribution."""
    return np.asarray(np.exp(-0.5 * np.square(x)) / np.sqrt(2.0 * np.pi))


def terms(
    is_call: BoolArray, spot: Floats, strike: Floats, sigma: Floats, tau: Floats, rate: Floats, yield_: Floats
) -> Terms:
    """d1, d2 and the discounted legs; d1 = d2 = ±inf where the underlying is deterministic, 0 at its strike."""
    life = np.maximum(tau, 0.0)
    root = np.sqrt(life)
    deviation = sigma * root
    with np.errstate(divide="ignore", invalid="ignore"):
        log_moneyness = np.log(spot / strike) + (rate - yield_) * life
        middle = log_moneyness / deviation
    spot_pv, strike_pv = spot * np.exp(-yield_ * life), strike * np.exp(-rate * life)
    certain = (deviation < DETERMINISTIC) | (spot == 0.0) | (strike == 0.0)
    with np.errstate(invalid="ignore"):
        side = np.where(spot_pv == strike_pv, 0.0, np.copysign(np.inf, spot_pv - strike_pv))
    half = np.where(certain, 0.0, 0.5 * deviation)
    middle = np.where(certain, side, middle)
    sign = np.where(is_call, 1.0, -1.0)
    return Terms(sign, root, spot_pv, strike_pv, deviation, middle + half, middle - half)


def value_of(t: Terms) -> Floats:
    """The options' values from their terms, (n,)."""
    out = np.where(t.spot_pv < t.strike_pv, 1.0, -1.0)
    time_value = out * (t.spot_pv * ndtr(out * t.d1) - t.strike_pv * ndtr(out * t.d2))
    intrinsic = np.maximum(t.sign * (t.spot_pv - t.strike_pv), 0.0)
    return np.asarray(np.maximum(time_value, 0.0) + intrinsic)


def price(
    is_call: BoolArray, spot: Floats, strike: Floats, sigma: Floats, tau: Floats, rate: Floats, yield_: Floats
) -> Floats:
    """European value per unit of the underlying, (n,).

    Args:
        is_call, spot, strike, sigma, tau, rate, yield_: (n,). Expired where tau <= 0: worth intrinsic.
    """
    return value_of(terms(is_call, spot, strike, sigma, tau, rate, yield_))


def greeks(
    is_call: BoolArray, spot: Floats, strike: Floats, sigma: Floats, tau: Floats, rate: Floats, yield_: Floats
) -> GreekColumns:
    """Price and Greeks in closed form, in the units of GreekColumns; an expired option has a delta only.

    Args:
        is_call, spot, strike, sigma, tau, rate, yield_: (n,). rho holds the yield.
    """
    t = terms(is_call, spot, strike, sigma, tau, rate, yield_)
    value = value_of(t)
    alive = tau > 0.0
    random = np.isfinite(t.d1) & (t.deviation >= DETERMINISTIC)
    bell = np.where(random, density(np.where(random, t.d1, 0.0)), 0.0)
    spot_share, strike_share = t.sign * ndtr(t.sign * t.d1), t.sign * ndtr(t.sign * t.d2)
    spread = np.where(random, spot * t.deviation, 1.0)
    gamma = t.spot_pv * bell / (spot * spread + (spot == 0.0))
    decay = -0.5 * t.spot_pv * bell * sigma / np.where(alive, t.root, 1.0)
    theta = decay + yield_ * t.spot_pv * spot_share - rate * t.strike_pv * strike_share
    rho = np.maximum(tau, 0.0) * t.strike_pv * strike_share
    vega = t.spot_pv * bell * t.root
    d1, d2 = np.where(random, t.d1, 0.0), np.where(random, t.d2, 0.0)
    per_sigma = np.where(random, sigma, 1.0)
    spot_carry = np.exp(-yield_ * np.maximum(tau, 0.0))
    turn = (rate - yield_) / np.where(random, per_sigma * t.root, 1.0) - 0.5 * d2 / np.where(alive, tau, 1.0)
    charm = spot_carry * (yield_ * spot_share - np.where(random, bell * turn, 0.0))
    unknown = value * 0.0
    return GreekColumns(
        price=value,
        delta=spot_carry * spot_share + unknown,
        gamma=gamma + unknown,
        vega=vega / 100.0 + unknown,
        theta=np.where(alive, theta, 0.0) / DAYS_PER_YEAR + unknown,
        rho=rho / 100.0 + unknown,
        vanna=-spot_carry * bell * d2 / per_sigma / 100.0 + unknown,
        volga=vega * d1 * d2 / per_sigma / 1e4 + unknown,
        charm=np.where(alive, charm, 0.0) / DAYS_PER_YEAR + unknown,
    )
