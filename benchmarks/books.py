"""The books that are measured: strikes, dates and dividends as a large account has them, and two years of days, seeded."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from engine.model import Snapshot
from engine.pricing import Contracts, Model, Shocks

SPOTS, SIGMAS = (-0.40, 0.30), (-0.40, 1.20)
"""Moves that the error is measured over."""


def book(n: int, seed: int = 1) -> Contracts:
    """n options on spots of 20 to 600: 83 % American on stocks and funds, half of those with quarterly dividends ahead, the rest European."""
    random = np.random.default_rng(seed)
    american = random.random(n) < 0.83
    pays = american & (random.random(n) < 0.494)
    spot = np.exp(random.uniform(np.log(20), np.log(600), n))
    days = np.rint(np.exp(random.uniform(np.log(7), np.log(730), n)))
    dividends = []
    for i in range(n):
        dates = np.arange(random.integers(1, 91), days[i], 91) if pays[i] else np.array([])
        if pays[i] and not len(dates):
            dates = np.array([max(1.0, days[i] // 2)])
        dividends.append(
            [(float(day) / 365.0, float(spot[i] * random.uniform(0.002, 0.01))) for day in dates]
        )
    sigma = random.uniform(0.12, 0.65, n)
    width = np.clip(sigma * np.sqrt(days / 365.0), 0.02, 0.4)
    return Contracts.of(
        model=np.where(american, Model.AMERICAN, Model.BLACK_SCHOLES),
        is_call=random.random(n) < 0.5,
        spot=spot,
        strike=spot * np.exp(random.uniform(-1.5, 1.5, n) * width),
        sigma=sigma,
        tau=days / 365.0,
        rate=random.uniform(0.03, 0.05, n),
        dividend_yield=np.where(american, 0.0, random.uniform(0.0, 0.02, n)),
        dividends=dividends,
    )


def shocks(c: Contracts, count: int, seed: int = 2) -> Shocks:
    """count states: spot and volatility of every contract moved together, over SPOTS and SIGMAS."""
    random = np.random.default_rng(seed)
    spot = 1.0 + random.uniform(*SPOTS, (count, 1)) * random.uniform(0.5, 1.0, (1, len(c)))
    sigma = 1.0 + random.uniform(*SIGMAS, (count, 1)) * random.uniform(0.5, 1.0, (1, len(c)))
    return Shocks(c.spot * spot, c.sigma * sigma, np.zeros(count))


def with_history(snapshot: Snapshot, days: int = 551, seed: int = 3) -> Snapshot:
    """The snapshot with daily closes and volatilities of each underlying that end where it is."""
    random = np.random.default_rng(seed)
    dates = [snapshot.as_of.date() - timedelta(days=days - i) for i in range(days)]

    def path(ends: float, size: float) -> tuple[tuple[object, float], ...]:
        steps = random.normal(0.0, size, days)
        return tuple(zip(dates, (ends * np.exp(np.cumsum(steps) - steps.sum())).tolist(), strict=True))

    known = {
        name: replace(one, closes=path(one.spot or 100.0, 0.015), iv_history=path(one.iv30 or 0.3, 0.05))
        for name, one in snapshot.underlyings.items()
    }
    return replace(snapshot, underlyings=known)
