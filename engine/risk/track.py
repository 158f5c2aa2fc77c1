"""How the Values at Risk that were stored fared: the days on which the book lost more, and what the tests make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from engine.results import TailDay
from engine.risk.backtest import BackTest, back_test


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A day on which the book lost more than its Value at Risk of the evening before."""

    day: date
    loss: float
    var: float


@dataclass(frozen=True, slots=True)
class Track:
    """One method and level over the days that are stored.

    Attributes:
        test: over the days that have a forecast and a P&L.
        stored: days with a forecast; those that are not in the test are `waiting` for their next day, or `unknown`.
        exceeded: oldest first.
        actual: exceptions by the change of net liquidation, trades and payments included, of so many `actual_days`.
    """

    method: str
    level: float
    test: BackTest
    stored: int
    waiting: int
    unknown: int
    exceeded: tuple[Exceeded, ...]
    actual: int
    actual_days: int


def track(days: Sequence[TailDay], method: str, level: float) -> Track:
    """How a method fared at a level.

    Args:
        days: oldest first.
    """
    told = [(one, var) for one in days if (var := one.var(method, level)) is not None]
    forecasts = np.array([var for _, var in told])
    losses = np.array([np.nan if one.pnl is None else -one.pnl for one, _ in told])
    actual = back_test(
        np.array([np.nan if one.change is None else -one.change for one, _ in told]), forecasts, level
    )
    test = back_test(losses, forecasts, level)
    waiting = sum(one.until is None for one, _ in told)
    return Track(
        method=method,
        level=level,
        test=test,
        stored=len(told),
        waiting=waiting,
        unknown=len(told) - waiting - test.days,
        exceeded=tuple(
            Exceeded(one.until, -one.pnl, var)
            for one, var in told
            if one.until is not None and one.pnl is not None and -one.pnl > var
        ),
        actual=actual.exceptions,
        actual_days=actual.days,
    )


def methods_of(days: Sequence[TailDay]) -> tuple[str, ...]:
    """The methods that are stored, those of the newest day first, as they stand there."""
    return tuple(dict.fromkeys(figure.method for one in reversed(days) for figure in one.figures))
