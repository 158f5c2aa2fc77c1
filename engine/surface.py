"""What the book's own sigmas say of an underlying's smile and term structure.

Interpolation is linear in log-moneyness within an expiry and linear in total variance (sigma^2 * tau) between expiries, flat
in sigma beyond the known ones (the standard practice of e.g. Gatheral, The Volatility Surface, 2006, ch. 3).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from engine.model import Floats

NEAR_THE_MONEY: Final = 0.10
"""An expiry says something of the at-the-money volatility when it has a strike within this much of spot, in log-moneyness."""


@dataclass(frozen=True, slots=True)
class Point:
    """A known sigma: years to expiry, ln(strike / spot), decimals per year."""

    tau: float
    log_moneyness: float
    sigma: float


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The known points of one underlying by expiry: `taus` (m,) ascending, and for each the log-moneyness and sigma columns."""

    taus: Floats
    slices: tuple[tuple[Floats, Floats], ...]

    def sigma(self, tau: float, log_moneyness: float) -> float | None:
        """The sigma of a strike, or None where nothing is known."""
        if not self.slices or tau <= 0.0:
            return None
        at_strike = [float(np.interp(log_moneyness, ks, sigmas)) for ks, sigmas in self.slices]
        return float(_between(self.taus, np.array(at_strike), np.array([tau]))[0])

    def slide(self, tau: Floats, years: float) -> Floats:
        """ATM(tau - years) / ATM(tau), shape (n,): 1 where that is unknown or the option is gone by then (D6)."""
        money = [
            (t, float(np.interp(0.0, ks, s)))
            for t, (ks, s) in zip(self.taus, self.slices, strict=True)
            if _near(ks)
        ]
        ratio = np.ones_like(tau)
        if len(money) < 2:
            return ratio
        taus, atm = np.array(money).T
        alive = tau - years > 0.0
        ratio[alive] = _between(taus, atm, tau[alive] - years) / _between(taus, atm, tau[alive])
        return ratio


def surface(points: Iterable[Point]) -> Surface:
    """The Surface through `points`; of several at one strike and expiry the mean is taken, points with no time left are left
    out."""
    usable = sorted(
        (p for p in points if p.tau > 0.0 and p.sigma > 0.0), key=lambda p: (p.tau, p.log_moneyness)
    )
    slices: list[tuple[Floats, Floats]] = []
    taus: list[float] = []
    for tau, expiry in groupby(usable, key=lambda p: p.tau):
        strikes = [(k, [p.sigma for p in same]) for k, same in groupby(expiry, key=lambda p: p.log_moneyness)]
        taus.append(tau)
        slices.append((np.array([k for k, _ in strikes]), np.array([_mean(sigmas) for _, sigmas in strikes])))
    return Surface(np.array(taus), tuple(slices))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _near(log_moneyness: Floats) -> bool:
    return bool(np.min(np.abs(log_moneyness)) <= NEAR_THE_MONEY)


def _between(taus: Floats, sigmas: Floats, wanted: Floats) -> Floats:
    """Sigmas at the `wanted` taus, linear in total variance between the known ones, flat in sigma beyond."""
    inside = np.sqrt(np.interp(wanted, taus, sigmas**2 * taus) / wanted)
    return np.asarray(
        np.where(wanted <= taus[0], sigmas[0], np.where(wanted >= taus[-1], sigmas[-1], inside)),
        dtype=np.float64,
    )
