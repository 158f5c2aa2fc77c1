"""How a template states what happens to implied volatility (D3): four shapes over moneyness and days to expiry, and the slide.

A shape answers with the *relative* shift of sigma, one per option. Volatility belongs to a strike (D2): "puts", "money" and
"calls" are strikes below, at and above spot, so that put and call of one strike move together.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from engine.model import Floats

MONEYNESS_BETA: Final = (1.3, 1.0, 0.8)
"""Put wing, money, call wing."""

TIME_BETAS: Final = ((7, 1.5), (30, 1.0), (90, 0.7))
"""(up to this many days, beta); beyond the last, LONG_TIME_BETA."""
LONG_TIME_BETA: Final = 0.5


class IvShape(Protocol):
    def relative_shift(self, moneyness: Floats, dte: Floats, wing_at: float) -> Floats:
        """Relative change of sigma, shape (n,). `moneyness` is strike / spot of the base, `dte` whole days of the base date."""


def wing_weights(moneyness: Floats, wing_at: float) -> tuple[Floats, Floats]:
    """How far each strike lies in the put and in the call wing: 0 at the money, 1 at and beyond `wing_at`, linear between."""
    put = np.clip((1.0 - moneyness) / wing_at, 0.0, 1.0)
    call = np.clip((moneyness - 1.0) / wing_at, 0.0, 1.0)
    return put, call


def by_moneyness(moneyness: Floats, wing_at: float, put: float, money: float, call: float) -> Floats:
    """Linear between the put wing, the money and the call wing; flat beyond the wings."""
    in_put, in_call = wing_weights(moneyness, wing_at)
    return money + in_put * (put - money) + in_call * (call - money)


def time_betas(dte: Floats) -> Floats:
    """1.5 up to 7 days, 1.0 up to 30, 0.7 up to 90, 0.5 beyond."""
    edges = np.array([edge for edge, _ in TIME_BETAS], dtype=np.float64)
    betas = np.array([*(beta for _, beta in TIME_BETAS), LONG_TIME_BETA])
    return np.asarray(betas[np.searchsorted(edges, dte, side="left")], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every option by `shift`, as written."""

    shift: float

    def relative_shift(self, moneyness: Floats, dte: Floats, wing_at: float) -> Floats:
        return np.full_like(moneyness, self.shift)


@dataclass(frozen=True, slots=True)
class ByDte:
    """By days to expiry, as written: `buckets` are (up to and with this dte, shift), ascending; `beyond` is the rest."""

    buckets: tuple[tuple[int, float], ...]
    beyond: float

    def relative_shift(self, moneyness: Floats, dte: Floats, wing_at: float) -> Floats:
        edges = np.array([edge for edge, _ in self.buckets], dtype=np.float64)
        shifts = np.array([*(shift for _, shift in self.buckets), self.beyond])
        return np.asarray(shifts[np.searchsorted(edges, dte, side="left")], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ByWing:
    """A number for each part of the smile, scaled by time beta."""

    put: float
    money: float
    call: float

    def relative_shift(self, moneyness: Floats, dte: Floats, wing_at: float) -> Floats:
        return by_moneyness(moneyness, wing_at, self.put, self.money, self.call) * time_betas(dte)


@dataclass(frozen=True, slots=True)
class Proportional:
    """multiplier * moneyness_beta * time_beta."""

    multiplier: float

    def relative_shift(self, moneyness: Floats, dte: Floats, wing_at: float) -> Floats:
        return self.multiplier * by_moneyness(moneyness, wing_at, *MONEYNESS_BETA) * time_betas(dte)


@dataclass(frozen=True, slots=True)
class TermSlide:
    """Slides along the underlying's own at-the-money term structure (D6): by itself it shifts nothing; `iv_model.slides` has
    the ratio."""

    def relative_shift(self, moneyness: Floats, dte: Floats, wing_at: float) -> Floats:
        return np.zeros_like(moneyness)
