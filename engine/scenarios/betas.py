"""How much of the market's move each underlying makes: beta against the reference index, shrunk towards 1 by its own error.

Slope of daily log returns by least squares, then Vasicek (1973), A Note on Using Cross-Sectional Information in Bayesian
Estimation of Security Betas, eq. 9: beta = w * slope + (1 - w) * 1 with w = PRIOR_SD^2 / (PRIOR_SD^2 + error^2).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import numpy as np

from engine.model import Floats, Snapshot
from engine.settings import ScenarioSettings

WINDOW: Final = timedelta(days=731)
"""Two years back from the newest day that both have."""
LEAST_DAYS: Final = 60
"""Returns below which there is no estimate."""
ENOUGH_DAYS: Final = 250
"""Returns below which the estimate is named as one of a short history."""
OLD_AFTER: Final = timedelta(days=30)
PRIOR_SD: Final = 0.3
"""Spread of true betas around 1: of 0.2 to 0.5 the value that best foretold the next two years from 60, 120 and 504 days."""

Days = tuple[tuple[date, float], ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A beta from history.

    Attributes:
        beta: shrunk towards 1.
        slope: as least squares give it.
        error: standard error of the slope.
        days: returns that both had.
        newest: the last day that both had.
    """

    beta: float
    slope: float
    error: float
    days: int
    newest: date


@dataclass(frozen=True, slots=True)
class Beta:
    """What is used for an underlying: `value` None is unknown, and `remark` says why, or what it rests on where that is weak."""

    value: float | None
    remark: str | None = None


def betas(snapshot: Snapshot, symbols: Iterable[str], settings: ScenarioSettings) -> Mapping[str, Beta]:
    """The beta of each of `symbols`: the config's, 1 for the reference itself, the snapshot's own, else the one of its closes."""
    reference = snapshot.underlyings.get(settings.reference_index)
    market = None if reference is None else reference.closes
    return {symbol: _beta(snapshot, symbol, market, settings) for symbol in symbols}


def _beta(snapshot: Snapshot, symbol: str, market: Days | None, settings: ScenarioSettings) -> Beta:
    if symbol in settings.betas:
        return Beta(settings.betas[symbol])
    if symbol == settings.reference_index:
        return Beta(1.0)
    underlying = snapshot.underlyings.get(symbol)
    if underlying is not None and underlying.beta is not None:
        return Beta(underlying.beta)
    if underlying is None or not underlying.closes:
        return Beta(None, "no daily closes")
    if not market:
        return Beta(None, f"no daily closes of {settings.reference_index}")
    found = estimate(underlying.closes, market)
    if isinstance(found, str):
        return Beta(None, found)
    if snapshot.as_of.date() - found.newest > OLD_AFTER:
        return Beta(found.beta, f"until {found.newest}")
    return Beta(found.beta, f"{found.days} days" if found.days < ENOUGH_DAYS else None)


@lru_cache(maxsize=256)
def estimate(closes: Days, market: Days) -> Estimate | str:
    """Beta of `closes` against `market`, or in words why there is none.

    Args:
        closes, market: (day, close) pairs of one currency each, in any order. Days that only one of them has, and closes
            that are not positive, are left out: the return then spans the gap in both.
    Returns:
        The estimate over the last two years, or a reason such as "12 days, 60 needed".
    """
    own, other = _usable(closes), _usable(market)
    shared = sorted(own.keys() & other.keys())
    shared = [day for day in shared if day >= shared[-1] - WINDOW]
    if len(shared) <= LEAST_DAYS:
        return f"{max(len(shared) - 1, 0)} days, {LEAST_DAYS} needed"
    x, y = (_returns(np.array([of[day] for day in shared])) for of in (other, own))
    x, y = x - x.mean(), y - y.mean()
    spread = float(x @ x)
    if spread <= 0.0:
        return "the reference did not move"
    slope = float(x @ y) / spread
    residual = y - slope * x
    error = float(np.sqrt(residual @ residual / (len(x) - 2) / spread))
    weight = PRIOR_SD**2 / (PRIOR_SD**2 + error**2)
    return Estimate(weight * slope + (1.0 - weight), slope, error, len(x), shared[-1])


def _usable(closes: Days) -> dict[date, float]:
    return {day: close for day, close in closes if close > 0.0}


def _returns(closes: Floats) -> Floats:
    return np.asarray(np.diff(np.log(closes)), dtype=np.float64)
