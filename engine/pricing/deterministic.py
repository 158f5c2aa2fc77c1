"""What an option is worth when the underlying is sure to follow its forward: the best exercise date is known now.

This is the limit of zero volatility, and of a spot or strike of zero. An American option is exercised at the best
moment between dividends, just before or after one, now or at expiry; a European one at expiry.
"""

import numpy as np

from engine.pricing.dividends import by_date, roots
from engine.pricing.types import BoolArray, Contracts, Floats


def best_exercise(contracts: Contracts, early: BoolArray) -> tuple[Floats, Floats]:
    """Price and delta, each (n,).

    Args:
        contracts: n options; the yield as carried (a forward's is its rate), tau at least 0.
        early: (n,), whether exercise before expiry is allowed.
    """
    c = contracts
    times, amounts = by_date(c.dividend_times, c.dividend_amounts, c.tau)
    left = roots(c.spot, times, amounts, c.rate - c.dividend_yield)
    value, delta = _exercised(c, left[:, -1], c.tau)
    opens = np.zeros_like(c.tau)
    for i in range(left.shape[1]):
        closes = times[:, i] if i < times.shape[1] else c.tau
        for date in (opens, _turning_point(c, left[:, i], opens, closes), closes):
            candidate, its_delta = _exercised(c, left[:, i], date)
            better = early & (candidate > value)
            value, delta = np.where(better, candidate, value), np.where(better, its_delta, delta)
        opens = closes
    return value, delta


def _exercised(c: Contracts, root: Floats, date: Floats) -> tuple[Floats, Floats]:
    sign = np.where(c.is_call, 1.0, -1.0)
    growth = np.exp(-c.dividend_yield * date)
    payoff = sign * (root * growth - c.strike * np.exp(-c.rate * date))
    return np.maximum(payoff, 0.0), np.where(payoff > 0.0, sign * growth, 0.0)


def _turning_point(c: Contracts, root: Floats, opens: Floats, closes: Floats) -> Floats:
    """Where the discounted payoff is stationary, held inside its interval (any date there may be exercised)."""
    with np.errstate(all="ignore"):
        date = np.log(c.rate * c.strike / (c.dividend_yield * root)) / (c.rate - c.dividend_yield)
    return np.clip(np.where(np.isfinite(date), date, opens), opens, closes)
