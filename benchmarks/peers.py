"""Our pricing beside the textbook's, on the same contracts in one run."""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from engine.pricing import Contracts, Model, price

COUNT = 200


def peer_ratios() -> Iterator[str]:
    """Lines of (job, ours, the plain loop's, ratio)."""
    random = np.random.default_rng(1)
    spot, tau = np.full(COUNT, 100.0), random.uniform(0.02, 1.0, COUNT)
    strike, sigma = random.uniform(80, 120, COUNT), random.uniform(0.1, 0.6, COUNT)
    american = Contracts.of(
        model=Model.AMERICAN, is_call=False, spot=spot, strike=strike, sigma=sigma, tau=tau, rate=0.04
    )
    ours = _seconds(lambda: price(american))
    plain = _seconds(lambda: [_crr(100.0, k, s, t, 0.04) for k, s, t in zip(strike, sigma, tau, strict=True)])
    yield f"American puts: {COUNT / ours:,.0f}/s; a Cox-Ross-Rubinstein loop of 101 steps per contract {COUNT / plain:,.0f}/s; {plain / ours:.1f} x"
    european = Contracts.of(
        model=Model.BLACK_SCHOLES, is_call=False, spot=spot, strike=strike, sigma=sigma, tau=tau, rate=0.04
    )
    ours = _seconds(lambda: price(european))
    plain = _seconds(
        lambda: [_black_scholes_put(100.0, k, s, t, 0.04) for k, s, t in zip(strike, sigma, tau, strict=True)]
    )
    yield f"European puts: {COUNT / ours:,.0f}/s; a loop over math.erf {COUNT / plain:,.0f}/s; {plain / ours:.1f} x"


def _seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return sorted(times)[2]


def _crr(spot: float, strike: float, sigma: float, tau: float, rate: float, steps: int = 101) -> float:
    """Cox, Ross, Rubinstein (1979): the tree most programs start with, one contract at a time."""
    dt = tau / steps
    up = math.exp(sigma * math.sqrt(dt))
    p = (math.exp(rate * dt) - 1 / up) / (up - 1 / up)
    nodes = spot * up ** np.arange(-steps, steps + 1, 2)
    values = np.maximum(strike - nodes, 0.0)
    for step in range(steps - 1, -1, -1):
        nodes = spot * up ** np.arange(-step, step + 1, 2)
        values = np.maximum(math.exp(-rate * dt) * (p * values[1:] + (1 - p) * values[:-1]), strike - nodes)
    return float(values[0])


def _black_scholes_put(spot: float, strike: float, sigma: float, tau: float, rate: float) -> float:
    d1 = (math.log(spot / strike) + (rate + sigma * sigma / 2) * tau) / (sigma * math.sqrt(tau))
    d2 = d1 - sigma * math.sqrt(tau)
    n = lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2)))  # noqa: E731
    return strike * math.exp(-rate * tau) * n(-d2) - spot * n(-d1)
