"""The shape of each underlying's implied volatility: term structure, smile, the bump of an earnings report.

At-the-money total variance to time T is that of a mean-reverting variance (Heston 1993, expected variance),
`w(T) = vl·T + (vs − vl)·(1 − e^(−κT))/κ`, plus the variance of a report that comes before T. The volatility of a
strike is `atm(T)·(1 + skew·z + curve·(√(1 + z²) − 1))` with z = ln(K/F)/√w(T), bent to stay within ±4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.universe import EARNINGS, Kind, Underlying

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

MONTH = 30.0 / 365.0
_FURTHEST_Z = 4.0
_LOWEST, _HIGHEST = 0.04, 6.0
# kind: (short over long at-the-money volatility, speed of reversion, skew, curve, response to own log return)
_SHAPES = {
    Kind.INDEX: (0.80, 5.0, -0.125, 0.10, -6.0),
    Kind.ETF: (0.82, 5.0, -0.115, 0.09, -6.0),
    Kind.STOCK: (0.95, 4.0, -0.055, 0.06, -3.5),
    Kind.VOLATILITY: (1.90, 6.0, 0.110, 0.05, 0.6),
}
_LONG_RESPONSE = 0.4  # how much of a move of the short volatility the long one makes


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """The parameters of n underlyings as columns, each (n,); volatilities as they are at level 0."""

    short: Floats
    long: Floats
    speed: Floats
    skew: Floats
    curve: Floats
    response: Floats
    report_variance: Floats

    @classmethod
    def of(cls, universe: Sequence[Underlying]) -> "Surfaces":
        """Surfaces whose at-the-money volatility at 30 days, without reports, is each underlying's iv30."""
        ratio, speed, skew, curve, response = np.array([_SHAPES[row.kind] for row in universe], dtype=float).T
        unscaled = np.sqrt(_mean_variance(ratio**2, np.ones_like(ratio), speed, np.full_like(ratio, MONTH)))
        long = np.array([row.iv30 for row in universe]) / unscaled
        moves = np.array([EARNINGS.get(row.symbol, (0, 0.0))[1] for row in universe])
        return cls(ratio * long, long, speed, skew, curve, response, moves**2)

    def total_variance(self, at: Index, tau: Floats, level: Floats, report_in: Floats) -> Floats:
        """At-the-money variance to expiry.

        Args:
            at: (n,) which underlying each element belongs to.
            tau: (n,) years.
            level: (all underlyings,) log change of the short volatility.
            report_in: (all underlyings,) years to the next report; not positive or infinite when there is none.
        """
        move = level[at]
        short = (self.short[at] * np.exp(move)) ** 2
        long = (self.long[at] * np.exp(_LONG_RESPONSE * move)) ** 2
        years = np.maximum(tau, 1e-9)
        due = (report_in[at] > 0) & (report_in[at] < years)
        return _mean_variance(short, long, self.speed[at], years) * years + due * self.report_variance[at]

    def sigma(self, at: Index, log_moneyness: Floats, tau: Floats, variance: Floats) -> Floats:
        """Volatility of strikes at ln(K/F), given the at-the-money total variance; decimals per year, (n,)."""
        years = np.maximum(tau, 1e-9)
        z = _FURTHEST_Z * np.tanh(log_moneyness / np.sqrt(variance) / _FURTHEST_Z)
        shape = 1 + self.skew[at] * z + self.curve[at] * (np.sqrt(1 + z * z) - 1)
        sigma: Floats = np.clip(np.sqrt(variance / years) * shape, _LOWEST, _HIGHEST)
        return sigma


def _mean_variance(short: Floats, long: Floats, speed: Floats, tau: Floats) -> Floats:
    """Expected variance per year to tau when it reverts from `short` to `long`."""
    decay = speed * tau
    return long + (short - long) * -np.expm1(-decay) / decay
