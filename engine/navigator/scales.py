"""What a column of figures is of: one unit, the quantity, the holding, or the holding in base currency.

The header says so, or the magnitudes do: the scale that brings riskbot's figures nearest to the file's is taken, and where two
do about equally well and differ, both are named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from engine.model import Bools, Floats
from engine.navigator.figures import Figures
from engine.navigator.headers import GREEKS, Column, Level, Measure

NEAR: Final = 1.5
"""Figures within this factor of each other, and of one sign, fit."""
CLEARLY: Final = 0.25
"""The share of rows by which the best scale must fit more than the next to be clear."""


class Scale(StrEnum):
    """What a figure is of; the words are for people."""

    UNIT = "per unit"
    QUANTITY = "times the position"
    HOLDING = "times position and multiplier"
    BASE = "times position and multiplier, in base currency"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column was taken. `doubt` says what else it could be, or that nothing fits."""

    column: Column
    scale: Scale
    why: str
    doubt: str | None = None


_CANDIDATES: Final[Mapping[Measure, tuple[Scale, ...]]] = {
    Measure.QUANTITY: (Scale.UNIT,),
    Measure.PRICE: (Scale.UNIT,),
    Measure.SPOT: (Scale.UNIT,),
    Measure.IV: (Scale.UNIT,),
    Measure.PNL: (Scale.UNIT,),
    Measure.VALUE: (Scale.BASE, Scale.HOLDING, Scale.QUANTITY),
    Measure.DOLLAR_DELTA: (Scale.BASE, Scale.HOLDING),
}
_OF_GREEKS: Final = (Scale.HOLDING, Scale.BASE, Scale.QUANTITY, Scale.UNIT)
"""In the order of what an export most likely means: the first of equals is taken."""


def factors(ours: Figures, scale: Scale) -> Floats:
    """(n,): what brings a unit figure to `scale`."""
    if scale is Scale.UNIT:
        return np.ones(len(ours.quantity))
    return {Scale.QUANTITY: ours.quantity, Scale.HOLDING: ours.holding, Scale.BASE: ours.base}[scale]


def reading(
    column: Column, theirs: Floats, members: Sequence[tuple[int, ...]], ours: Figures, *, sums: bool = False
) -> Reading:
    """How to take a column.

    Args:
        theirs: (k,) the figures of lines that are single holdings.
        members: the positions of each, as indices.
        ours: riskbot's figures.
        sums: the lines are sums, which unit figures have none of.
    """
    candidates = _candidates(column)
    if sums and len(candidates) > 1:
        candidates = tuple(scale for scale in candidates if scale is not Scale.UNIT)
    if len(candidates) == 1:
        return Reading(column, candidates[0], "")
    expected = {scale: _expected(column, scale, members, ours) for scale in candidates}
    fits = {scale: _fit(theirs, row) for scale, row in expected.items()}
    best = max(candidates, key=lambda scale: fits[scale])
    said = "as its header says" if column.says is not None else "by its size"
    if not _comparable(theirs, expected[best]).any():
        return Reading(column, best, "nothing to tell by; the usual")
    if fits[best][0] == 0.0:
        return Reading(column, best, "the usual", "no scale fits its figures")
    others = [
        scale
        for scale in candidates
        if scale is not best
        and fits[scale][0] > fits[best][0] - CLEARLY
        and not np.allclose(expected[scale], expected[best], rtol=1e-9, equal_nan=True)
    ]
    doubt = f"it could be {others[0].value} as well" if others else None
    return Reading(column, best, said, doubt)


def _candidates(column: Column) -> tuple[Scale, ...]:
    if column.measure not in GREEKS:
        return _CANDIDATES[column.measure]
    if column.says is Level.UNIT:
        return (Scale.UNIT,)
    wanted = _OF_GREEKS[:3] if column.says is Level.POSITION else _OF_GREEKS
    return tuple(scale for scale in wanted if scale is not Scale.BASE or column.measure in _MONEY)


_MONEY: Final = frozenset({Measure.VEGA, Measure.THETA, Measure.RHO})
"""Greeks that are amounts of money, and so may be given in base currency."""


def _expected(column: Column, scale: Scale, members: Sequence[tuple[int, ...]], ours: Figures) -> Floats:
    """(k,): riskbot's figure of each line at a scale; of a unit figure that of the first position."""
    each = ours.unit[column.key] * factors(ours, scale)
    if scale is Scale.UNIT:
        return np.array([each[rows[0]] for rows in members], dtype=np.float64)
    return np.array([each[list(rows)].sum() for rows in members], dtype=np.float64)


def _comparable(theirs: Floats, expected: Floats) -> Bools:
    known = np.isfinite(theirs) & np.isfinite(expected)
    return np.asarray(known & (theirs != 0.0) & (expected != 0.0), dtype=np.bool_)


def _fit(theirs: Floats, expected: Floats) -> tuple[float, float]:
    """The share of rows that fit, and how near the typical row is (minus the median distance in logarithms)."""
    rows = _comparable(theirs, expected)
    if not rows.any():
        return 0.0, 0.0
    ratio = theirs[rows] / expected[rows]
    distance = np.where(ratio > 0.0, np.abs(np.log(np.abs(ratio))), np.inf)
    return float(np.mean(distance < np.log(NEAR))), -float(min(np.median(distance), 1e3))
