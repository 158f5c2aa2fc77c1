"""How a Value at Risk fared: forecasts from a series of returns, the days that broke them, and what chance makes of their number.

A forecast for a day knows the days before it and nothing else. Losses are positive. Tests: Kupiec (1995), Christoffersen (1998),
the zones of the Basel Committee (1996).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import xlogy
from scipy.stats import binom, chi2, norm, t

from engine.model import Bools, Floats

DECAY: Final = 0.94
"""RiskMetrics' (1996), for daily returns."""
WINDOW: Final = 250
FILTERED_WINDOW: Final = 500
SEED_DAYS: Final = 50
"""The first so many returns give the variance that the exponential average starts from, and no forecast."""

GREEN_BELOW: Final = 0.95
RED_FROM: Final = 0.9999
"""Chance of fewer exceptions under a true model: at 99 % and 250 days green is 0 to 4, yellow 5 to 9, red 10 and more."""


class Zone(StrEnum):
    """The Basel Committee's traffic lights."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class BackTest:
    """One Value at Risk against what happened.

    Attributes:
        days: that had a forecast; exceptions: those whose loss was over it.
        expected: exceptions of a true model.
        kupiec: likelihood ratio of the number of exceptions, chi-squared with one degree of freedom under a true model.
        independence: Christoffersen's, of exceptions that follow exceptions; likewise; NaN with no
            exception or fewer than two days.
        coverage: Christoffersen's, of both; two degrees of freedom.
        kupiec_p, independence_p, coverage_p: chance of a ratio so large under a true model.
        zone: None without a day.
    """

    days: int
    exceptions: int
    expected: float
    kupiec: float
    independence: float
    coverage: float
    kupiec_p: float
    independence_p: float
    coverage_p: float
    zone: Zone | None

    def passes(self, at: float = 0.05) -> bool:
        """Whether Kupiec's test does not reject at this significance."""
        return self.kupiec_p > at


def normal_var(returns: Floats, level: float, window: int = WINDOW) -> Floats:
    """(n,): the normal quantile of the window's mean and standard deviation before each day, a loss; NaN before it is full.

    Args:
        returns: (n,), simple, oldest first.
        level: such as 0.99.
    """
    past = _past(returns, window)
    return _led(len(returns), norm.ppf(level) * past.std(axis=1, ddof=1) - past.mean(axis=1))


def historical_var(returns: Floats, level: float, window: int = WINDOW) -> Floats:
    """(n,): the window's empirical quantile before each day, as normal_var.

    Linear between order statistics (Hyndman and Fan's type 7).
    """
    return _led(len(returns), -np.quantile(_past(returns, window), 1.0 - level, axis=1))


def ewma_var(returns: Floats, level: float, decay: float = DECAY) -> Floats:
    """(n,): the normal quantile of the exponentially weighted volatility before each day, mean zero, as normal_var."""
    return np.asarray(norm.ppf(level) * ewma_volatility(returns, decay))


def filtered_var(
    returns: Floats, level: float, window: int = FILTERED_WINDOW, decay: float = DECAY
) -> Floats:
    """(n,): filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999), as historical_var: the quantile of
    the window's returns, each in units of the volatility that was expected for its day, times what is expected for this one."""
    volatility = ewma_volatility(returns, decay)
    with np.errstate(divide="ignore", invalid="ignore"):
        standardised = np.asarray(returns, dtype=np.float64) / volatility
    return historical_var(standardised, level, window) * volatility


def restarted_var(
    returns: Floats, level: float, window: int = FILTERED_WINDOW, decay: float = DECAY
) -> Floats:
    """(n,): as filtered_var where nothing is known but the window: its first SEED_DAYS start the volatility and have no part in
    the quantile. It is what a book's Value at Risk is made of."""
    standardised, expected = _restarted(returns, window, decay)
    return _led(len(returns), -np.quantile(standardised, 1.0 - level, axis=0) * expected)


def student_var(
    returns: Floats, level: float, freedom: float = 5.0, window: int = FILTERED_WINDOW, decay: float = DECAY
) -> Floats:
    """(n,): as restarted_var, with the quantile of Student's t in place of the window's own, of the window's mean square. It is
    what simulated paths of one return come to."""
    standardised, expected = _restarted(returns, window, decay)
    quantile = t.ppf(level, freedom) * np.sqrt((freedom - 2.0) / freedom)
    return _led(len(returns), quantile * np.sqrt(np.mean(np.square(standardised), axis=0)) * expected)


def ewma_volatility(returns: Floats, decay: float = DECAY) -> Floats:
    """What is expected of each day's return by those before it, a standard deviation about zero; NaN for the first SEED_DAYS,
    whose mean square the average starts from.

    Args:
        returns: (n,) or (n, m), oldest first; the answer has the same shape.
    """
    squares = np.square(np.asarray(returns, dtype=np.float64))
    out = np.full(squares.shape, np.nan)
    if len(squares) <= SEED_DAYS:
        return out
    variance = squares[:SEED_DAYS].mean(axis=0)
    for day in range(SEED_DAYS, len(squares)):
        out[day] = variance
        variance = decay * variance + (1.0 - decay) * squares[day]
    return np.asarray(np.sqrt(out))


def back_test(losses: Floats, var: Floats, level: float) -> BackTest:
    """The tests over the days that have both.

    Args:
        losses: (n,), a loss positive, oldest first.
        var: (n,), the forecast for the same day; NaN for none.
        level: what the forecasts claim, such as 0.99.
    Raises:
        ValueError: If the two are not of one length, or the level is not inside (0, 1).
    """
    losses, var = np.asarray(losses, dtype=np.float64), np.asarray(var, dtype=np.float64)
    if losses.shape != var.shape or losses.ndim != 1:
        raise ValueError("losses and forecasts need one shape (n,)")
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level lies between 0 and 1, not {level:g}")
    known = np.isfinite(losses) & np.isfinite(var)
    hits = losses[known] > var[known]
    days, exceptions = len(hits), int(hits.sum())
    kupiec, independence = kupiec_ratio(exceptions, days, level), independence_ratio(hits)
    coverage = kupiec + independence
    return BackTest(
        days=days,
        exceptions=exceptions,
        expected=(1.0 - level) * days,
        kupiec=kupiec,
        independence=independence,
        coverage=coverage,
        kupiec_p=float(chi2.sf(kupiec, 1)),
        independence_p=float(chi2.sf(independence, 1)),
        coverage_p=float(chi2.sf(coverage, 2)),
        zone=basel_zone(exceptions, days, level) if days else None,
    )


def kupiec_ratio(exceptions: int, days: int, level: float) -> float:
    """-2 ln of the likelihood of so many exceptions under the claimed level over that under their own share; NaN without days."""
    if not days:
        return float("nan")
    claimed, seen = 1.0 - level, exceptions / days
    calm = days - exceptions
    return float(
        2.0
        * (
            xlogy(exceptions, seen)
            + xlogy(calm, 1.0 - seen)
            - xlogy(exceptions, claimed)
            - xlogy(calm, level)
        )
    )


def independence_ratio(hits: Bools) -> float:
    """-2 ln of the likelihood of the exceptions as independent over that as a Markov chain of first order.

    Args:
        hits: (n,), whether each day was an exception, in order.
    Returns:
        NaN with no exception or fewer than two days, where nothing can be told.
    """
    if len(hits) < 2 or not np.any(hits):
        return float("nan")
    before, after = hits[:-1], hits[1:]
    calm_calm, calm_hit = int((~before & ~after).sum()), int((~before & after).sum())
    hit_calm, hit_hit = int((before & ~after).sum()), int((before & after).sum())
    whole = (calm_hit + hit_hit) / (len(hits) - 1)
    of_calm = calm_hit / max(calm_calm + calm_hit, 1)
    of_hit = hit_hit / max(hit_calm + hit_hit, 1)
    chain = (
        xlogy(calm_calm, 1.0 - of_calm) + xlogy(calm_hit, of_calm) + xlogy(hit_calm, 1.0 - of_hit) + xlogy(hit_hit, of_hit)
    )  # fmt: skip
    alone = xlogy(calm_calm + hit_calm, 1.0 - whole) + xlogy(calm_hit + hit_hit, whole)
    return float(max(2.0 * (chain - alone), 0.0))


def basel_zone(exceptions: int, days: int, level: float = 0.99) -> Zone:
    """The zone by the chance of fewer exceptions than so many and one more under a true model (Basel Committee 1996, table 2)."""
    chance = float(binom.cdf(exceptions, days, 1.0 - level))
    if chance < GREEN_BELOW:
        return Zone.GREEN
    return Zone.YELLOW if chance < RED_FROM else Zone.RED


def _restarted(returns: Floats, window: int, decay: float) -> tuple[Floats, Floats]:
    """Of each day's window the returns in units of what was expected of them, (window - SEED_DAYS, m), and what the window makes
    one expect of the day, (m,)."""
    past = _past(returns, window).T
    if not past.shape[1]:
        return np.empty((window - SEED_DAYS, 0)), np.empty(0)
    expected = ewma_volatility(np.vstack([past, np.zeros((1, past.shape[1]))]), decay)
    with np.errstate(divide="ignore", invalid="ignore"):
        return past[SEED_DAYS:] / expected[SEED_DAYS:-1], expected[-1]


def _past(returns: Floats, window: int) -> npt.NDArray[np.float64]:
    """(n - window, window): what came before each day from the first that has so much."""
    series = np.asarray(returns, dtype=np.float64)
    if window < 2:
        raise ValueError(f"a window has two days at least, not {window}")
    if len(series) <= window:
        return np.empty((0, window))
    return sliding_window_view(series, window)[:-1]


def _led(n: int, forecasts: Floats) -> Floats:
    return np.concatenate([np.full(n - len(forecasts), np.nan), forecasts])
