"""Where an underlying's volatility stands in its year: both definitions, since one spike in the year makes the first look low."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from engine.model import Underlying

YEAR: Final = timedelta(days=365)
LEAST_DAYS: Final = 200
OLD_AFTER: Final = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class IvRank:
    """Of the 30-day implied volatility, both from 0 to 1.

    Attributes:
        rank: (now - lowest) / (highest - lowest) of the year.
        percentile: share of the year's days that were below now.
        days: days that were known.
    """

    rank: float
    percentile: float
    days: int


def iv_rank(underlying: Underlying, today: date) -> IvRank | None:
    """The standing of the live 30-day volatility, or of its last daily close, in the closes of the year up to `today`.

    None where fewer than LEAST_DAYS of them are known, where the last is OLD_AFTER days old, or where they never moved.
    """
    known = [
        (day, level)
        for day, level in underlying.iv_history or ()
        if today - YEAR <= day <= today and np.isfinite(level) and level > 0.0
    ]
    if len(known) < LEAST_DAYS or today - known[-1][0] > OLD_AFTER:
        return None
    history = [level for _, level in known]
    now = underlying.iv30 if underlying.iv30 is not None and underlying.iv30 > 0.0 else history[-1]
    levels = np.array(history)
    lowest, highest = min(float(levels.min()), now), max(float(levels.max()), now)
    if highest <= lowest:
        return None
    return IvRank((now - lowest) / (highest - lowest), float((levels < now).mean()), len(history))
