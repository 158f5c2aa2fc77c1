"""Random contracts and shocks for the laws of pricing, in columns: one example of hypothesis is a small book."""

from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.pricing import Contracts, Model, Shocks

N = 12
"""Contracts per example."""

WIDEST = 0.8
"""Of sigma sqrt(tau) in `tame` contracts and their moves."""

Factors = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of spot and of sigma, (3, N), and the years that pass, (3,)."""


def column(low: float, high: float) -> st.SearchStrategy:
    return hnp.arrays(np.float64, N, elements=st.floats(low, high))


def laws(examples: int) -> settings:
    return settings(derandomize=True, deadline=None, max_examples=examples)


@st.composite
def americans(draw: st.DrawFn, *, dividends: bool | None = None, tame: bool = False) -> Contracts:
    """Americans of a day to a year.

    Args:
        dividends: up to three of up to 5 % of spot, none, or (None) one of both.
        tame: volatility from 15 %, rates to 5 %, a deviation up to WIDEST: where a table is good for half a cent.
    """
    spot = draw(column(1.0, 1000.0))
    dates, shares = (
        draw(hnp.arrays(np.float64, (N, 3), elements=st.floats(0.0, top))) for top in (1.2, 0.05)
    )
    paid = [
        [(float(t), float(s * x)) for t, x in zip(*pair, strict=True)]
        for *pair, s in zip(dates, shares, spot, strict=True)
    ]
    tau = draw(column(1.0 / 365.0, 1.0))
    sigma = draw(column(0.15 if tame else 0.05, 1.5))
    return Contracts.of(
        model=Model.AMERICAN,
        is_call=draw(hnp.arrays(np.bool_, N)),
        spot=spot,
        strike=spot * draw(column(0.6, 1.6)),
        sigma=np.minimum(sigma, WIDEST / np.sqrt(tau)) if tame else sigma,
        tau=tau,
        rate=draw(column(-0.03, 0.05 if tame else 0.08)),
        dividend_yield=draw(column(-0.02, 0.04 if tame else 0.06)),
        dividends=paid if (draw(st.booleans()) if dividends is None else dividends) else (),
    )


@st.composite
def moves(draw: st.DrawFn) -> Factors:
    """A shock of nothing, one of spot and sigma, and one of both up to a month later."""
    spot, sigma = (
        np.vstack([np.ones(N), draw(column(*reach)), draw(column(*reach))])
        for reach in ((0.6, 1.3), (0.6, 2.2))
    )
    return spot, sigma, np.array([0.0, 0.0, draw(st.floats(0.0, 1.0 / 12.0))])


def shocked(c: Contracts, factors: Factors) -> Shocks:
    """The shocks that move these contracts so, deviations held at WIDEST."""
    spot, sigma, years = factors
    return Shocks(spot * c.spot, np.minimum(sigma * c.sigma, WIDEST / np.sqrt(c.tau)), years)


def later(c: Contracts, years: float | np.ndarray) -> Contracts:
    """The contracts after so much time; negative for before."""
    passed = np.broadcast_to(years, len(c))
    return replace(c, tau=c.tau - passed, dividend_times=c.dividend_times - passed[:, None])


def of_model(contracts: Contracts, model: Model) -> Contracts:
    return replace(contracts, model=np.full(len(contracts), int(model)))


def as_european(contracts: Contracts) -> Contracts:
    return of_model(contracts, Model.BLACK_SCHOLES)


def without_dividends(contracts: Contracts) -> Contracts:
    return replace(contracts, dividend_amounts=np.zeros_like(contracts.dividend_amounts))


def intrinsic(c: Contracts, spot: np.ndarray | None = None) -> np.ndarray:
    """What exercise pays at the contracts' spot, or at another (…, n)."""
    at = c.spot if spot is None else spot
    return np.maximum(np.where(c.is_call, at - c.strike, c.strike - at), 0.0)
