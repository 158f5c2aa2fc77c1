"""Random contracts and shocks for the laws of pricing, in columns: one example of hypothesis is a small book."""

from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.pricing import Contracts, Model, Shocks

N = 12
"""Contracts per example."""


def column(low: float, high: float) -> st.SearchStrategy:
    return hnp.arrays(np.float64, N, elements=st.floats(low, high))


def laws(examples: int) -> settings:
    return settings(derandomize=True, deadline=None, max_examples=examples)


@st.composite
def americans(draw: st.DrawFn, *, dividends: bool | None = None) -> Contracts:
    """Americans of a day to a year; with up to three dividends of up to 5 % of spot, without, or (None) one of both."""
    spot = draw(column(1.0, 1000.0))
    dates, shares = (
        draw(hnp.arrays(np.float64, (N, 3), elements=st.floats(0.0, top))) for top in (1.2, 0.05)
    )
    paid = [
        [(float(t), float(s * x)) for t, x in zip(*pair, strict=True)]
        for *pair, s in zip(dates, shares, spot, strict=True)
    ]
    return Contracts.of(
        model=Model.AMERICAN,
        is_call=draw(hnp.arrays(np.bool_, N)),
        spot=spot,
        strike=spot * draw(column(0.6, 1.6)),
        sigma=draw(column(0.05, 1.5)),
        tau=draw(column(1.0 / 365.0, 1.0)),
        rate=draw(column(-0.03, 0.08)),
        dividend_yield=draw(column(-0.02, 0.06)),
        dividends=paid if (draw(st.booleans()) if dividends is None else dividends) else (),
    )


@st.composite
def moves(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors of spot and sigma, (3, N), and years that pass, (3,): a shock of nothing, one of spot and sigma, one a month on."""
    spot, sigma = (
        np.vstack([np.ones(N), draw(column(*around)), draw(column(*around))])
        for around in ((0.6, 1.3), (0.6, 2.2))
    )
    return spot, sigma, np.array([0.0, 0.0, draw(st.floats(0.0, 0.1))])


def shocked(c: Contracts, factors: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Shocks:
    """The shocks that move these contracts so."""
    spot, sigma, years = factors
    return Shocks(spot * c.spot, sigma * c.sigma, years)


def as_european(contracts: Contracts) -> Contracts:
    return replace(contracts, model=np.full(len(contracts), int(Model.BLACK_SCHOLES)))


def without_dividends(contracts: Contracts) -> Contracts:
    return replace(contracts, dividend_amounts=np.zeros_like(contracts.dividend_amounts))


def intrinsic(c: Contracts, spot: np.ndarray | None = None) -> np.ndarray:
    """What exercise pays at the contracts' spot, or at another (…, n)."""
    at = c.spot if spot is None else spot
    return np.maximum(np.where(c.is_call, at - c.strike, c.strike - at), 0.0)
