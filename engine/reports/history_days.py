"""Figures over time, seen by days: where each point lies on an axis of trading days, what belongs together, what each day made.

An axis of plain time would be three quarters nights and weekends. Here every weekday between the first and the last has a slot,
also one without figures (an outage, a holiday: a gap to be seen), and so has a weekend's day that has some; within a slot time
runs from the earliest to the latest hour of any day. A weekend is a narrow space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHORTEST_GAP: Final = timedelta(minutes=15)
STEPS_IN_A_GAP: Final = 3
WEEKEND: Final = 0.5
"""The width of the space between Friday and Monday, in slots."""
SIDE: Final = 0.12
"""The free share of a slot at each of its sides, where there are several."""
SATURDAY: Final = 5
ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayAxis:
    """Places from 0 to 1: `lefts` and `width` of the days' slots. `first` and `last` are the hours at a slot's sides, seconds of
    the day."""

    days: tuple[date, ...]
    lefts: tuple[float, ...]
    width: float
    first: float
    last: float

    def place(self, at: datetime) -> float:
        """Where an instant of one of the days lies."""
        left = self.lefts[self.days.index(at.date())]
        span = self.last - self.first
        share = 0.5 if span <= 0.0 else (_seconds(at) - self.first) / span
        side = 0.0 if len(self.days) == 1 else SIDE
        return left + self.width * (side + (1.0 - 2.0 * side) * share)

    def middle(self, day: date) -> float:
        return self.lefts[self.days.index(day)] + self.width / 2.0


def day_axis(times: Sequence[datetime]) -> DayAxis:
    """The axis of these local times, at least one, in order."""
    days = _days_shown(times)
    lefts, at = [0.0], 0.0
    for earlier, later in pairwise(days):
        at += 1.0 + (WEEKEND if (later - earlier).days > 1 else 0.0)
        lefts.append(at)
    width = 1.0 / (at + 1.0)
    hours = [_seconds(one) for one in times]
    return DayAxis(tuple(days), tuple(left * width for left in lefts), width, min(hours), max(hours))


def _days_shown(times: Sequence[datetime]) -> list[date]:
    known = {one.date() for one in times}
    first, last = min(known), max(known)
    span = [first + i * ONE_DAY for i in range((last - first).days + 1)]
    return [day for day in span if day.weekday() < SATURDAY or day in known]


def strokes(times: Sequence[datetime], values: Floats) -> list[list[int]]:
    """The places in `values` of points that belong to one line: known ones, no farther apart than figures usually are."""
    steps = np.array([(later - earlier).total_seconds() for earlier, later in pairwise(times)])
    usual = float(np.median(steps)) if len(steps) else 0.0
    most = max(STEPS_IN_A_GAP * usual, SHORTEST_GAP.total_seconds())
    found: list[list[int]] = []
    for i in range(len(times)):
        if not np.isfinite(values[i]):
            found.append([])
        elif i == 0 or not found or not found[-1] or steps[i - 1] > most:
            found.append([i])
        else:
            found[-1].append(i)
    return [one for one in found if one]


def daily_strokes(days: Sequence[date], values: Floats) -> list[list[int]]:
    """The same of one point a day: a weekend or a day without a figure parts them."""
    found: list[list[int]] = []
    for i, value in enumerate(values.tolist()):
        if not np.isfinite(value):
            found.append([])
        elif not found or not found[-1] or days[i] - days[i - 1] > ONE_DAY:
            found.append([i])
        else:
            found[-1].append(i)
    return [one for one in found if one]


def daily_changes(net_liquidation: pd.Series) -> pd.Series:
    """What each day made: from the last figure before it, the first day's from its own first, to its last; by date.

    Deposits and withdrawals are in it. Unknown figures are passed over.
    """
    known = net_liquidation.dropna()
    if known.empty:
        return pd.Series(dtype=float)
    dates = pd.Index([at.date() for at in known.index])
    ends = known.groupby(dates).last()
    return ends - ends.shift(1).fillna(known.iloc[0])


def missing_days(times: Sequence[datetime]) -> list[date]:
    """The weekdays between the first and the last without a figure."""
    known = {one.date() for one in times}
    return [day for day in _days_shown(times) if day not in known]


def _seconds(at: datetime) -> float:
    return at.hour * 3600.0 + at.minute * 60.0 + at.second
