"""Two years of days for the books of the tests."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from engine.model import Kind
from engine.risk.backtest import SEED_DAYS
from engine.risk.moves import DAYS
from tests.unit.books import AS_OF, MARKET

TODAYS = [AS_OF.date() - timedelta(days=DAYS + SEED_DAYS + 1 - i) for i in range(DAYS + SEED_DAYS + 1)]


def history(seed, spot, volatility=0.012, days=TODAYS):
    """(day, level) pairs that end at `spot`."""
    moves = np.random.default_rng(seed).normal(0.0, volatility, len(days))
    moves[-1] = 0.0
    path = spot * np.exp(np.cumsum(moves) - moves.sum())
    return tuple(zip(days, path.tolist(), strict=True))


def market(*, closes=True, iv=True, names=MARKET):
    """MARKET with a history of closes and volatilities."""
    return {
        name: replace(
            one,
            closes=history(i, one.spot) if closes and one.kind is not Kind.FUTURE else None,
            iv_history=history(100 + i, one.iv30 or 0.3, 0.04)
            if iv and one.kind is not Kind.FUTURE
            else None,
        )
        for i, (name, one) in enumerate(names.items())
    }
