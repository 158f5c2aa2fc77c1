"""riskbot's implied volatility and Greeks against the broker's model, contract by contract, by what each gap means in money.

What a gap means: of delta, a 1 % move of the underlying; of gamma, the second half of that move; of vega, a vol point; of theta,
a day; of volatility, its points times riskbot's own vega. The causes are likely ones. A higher forward lowers the volatility of
calls and raises that of puts of one price (put-call parity), and at one volatility it raises the delta of both: that tells a
dividend or a rate from another price or moment.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from engine.model import (
    CLOSED_MODES,
    SHARES,
    Contract,
    Exercise,
    IvSource,
    Position,
    Right,
    Snapshot,
    Underlying,
)
from engine.results import PositionRisk, Remark

STALE_AFTER_S: Final = 60.0
SPOT_MOVED: Final = 0.001
"""A quote made at a spot further away than this share is another moment's."""
LONG_DAYS: Final = 90
"""From here on a rate of half a percent more moves a Greek visibly."""
SHALLOW: Final = 0.02


class Cause(StrEnum):
    """Why two models differ; the words fit a phone's table."""

    STALE = "stale"
    DEEP = "deep ITM"
    DIVIDEND = "dividend"
    RATE = "rate"
    IV = "IV"
    EXERCISE = "exercise"
    MODEL = "model"


CAUSE_WORDS: Final[Mapping[Cause, str]] = {
    Cause.STALE: "the quote here is of another moment",
    Cause.DEEP: "the price identifies no volatility here; one of its strike, smile or underlying is used",
    Cause.DIVIDEND: "a dividend before expiry that the broker counts otherwise",
    Cause.RATE: "another rate or carry",
    Cause.IV: "the broker's volatility is not that of the mark here",
    Cause.EXERCISE: "early exercise counted otherwise",
    Cause.MODEL: "none of these",
}


class Figure(StrEnum):
    IV = "IV"
    DELTA = "delta"
    GAMMA = "gamma"
    VEGA = "vega"
    THETA = "theta"


AGREES_WITHIN: Final[Mapping[Figure, tuple[float, float]]] = {
    Figure.IV: (0.0, 0.005),
    Figure.DELTA: (0.0, 0.02),
    Figure.GAMMA: (0.05, 0.0005),
    Figure.VEGA: (0.03, 0.01),
    Figure.THETA: (0.05, 0.01),
}
"""A share of the larger figure, and an amount per unit: figures nearer than either agree."""


@dataclass(frozen=True, slots=True)
class FigureGap:
    """One figure per unit, riskbot's and the broker's; `money` is broker minus riskbot of the holding, in base currency."""

    figure: Figure
    ours: float
    theirs: float
    money: float

    @property
    def agrees(self) -> bool:
        share, least = AGREES_WITHIN[self.figure]
        allowed = max(share * max(abs(self.ours), abs(self.theirs)), least)
        return abs(self.theirs - self.ours) <= allowed + 1e-12


@dataclass(frozen=True, slots=True)
class ModelGap:
    """One contract: its figures, and where they differ, a likely cause with its details. None where all agree."""

    id: str
    figures: tuple[FigureGap, ...]
    cause: Cause | None
    detail: str

    @property
    def largest(self) -> FigureGap:
        """The figure that differs by most money; of those that agree where all do."""
        differing = [figure for figure in self.figures if not figure.agrees] or self.figures
        return max(differing, key=lambda figure: abs(figure.money))

    @property
    def agrees(self) -> bool:
        return all(figure.agrees for figure in self.figures)


@dataclass(frozen=True, slots=True)
class ModelGaps:
    """The largest gap in money first, what agrees after what differs.

    Attributes:
        without: options that the broker gave nothing for, or that have no value here, and why.
        money: the sum over all contracts of broker minus riskbot, by figure, base currency.
    """

    gaps: tuple[ModelGap, ...]
    without: tuple[Remark, ...]
    money: Mapping[Figure, float]

    @property
    def agreeing(self) -> int:
        return sum(gap.agrees for gap in self.gaps)


def model_gaps(snapshot: Snapshot, rows: Sequence[PositionRisk]) -> ModelGaps:
    """Compare every option that is not expired.

    Args:
        rows: the report's positions, in the order of the Snapshot's.
    """
    found: list[tuple[Position, tuple[FigureGap, ...], PositionRisk]] = []
    without: list[Remark] = []
    for position, row in zip(snapshot.positions, rows, strict=True):
        if not position.contract.is_option or (row.dte is not None and row.dte < 0):
            continue
        figures = _figures(snapshot, position, row)
        if isinstance(figures, str):
            without.append(Remark(position.id, figures))
        else:
            found.append((position, figures, row))
    forwards = _parity(found)
    gaps = [
        ModelGap(
            position.id, figures, *_cause(snapshot, position, row, figures, forwards.get(_strike(position)))
        )
        for position, figures, row in found
    ]
    gaps.sort(key=lambda gap: (gap.agrees, -abs(gap.largest.money)))
    money = {figure: _sum(gaps, figure) for figure in Figure}
    return ModelGaps(tuple(gaps), tuple(without), money)


def _sum(gaps: Sequence[ModelGap], figure: Figure) -> float:
    return sum(one.money for gap in gaps for one in gap.figures if one.figure is figure)


def _figures(snapshot: Snapshot, position: Position, row: PositionRisk) -> tuple[FigureGap, ...] | str:
    """The figures that both sides have; why not, where there are none."""
    contract, said = position.contract, position.broker
    rate = 1.0 if contract.currency == snapshot.base_currency else snapshot.fx.get(contract.currency)
    underlying = snapshot.underlyings.get(contract.underlying)
    spot = None if underlying is None else underlying.spot
    if all(x is None for x in (said.iv, said.delta, said.gamma, said.vega, said.theta)):
        return "the broker's model has said nothing of it"
    if rate is None or spot is None or row.delta is None or row.vega is None:
        return "it has no value here"
    holding, one_percent = position.quantity * contract.multiplier * rate, 0.01 * spot
    pairs = (
        (Figure.IV, row.iv, said.iv, 100.0 * row.vega),
        (Figure.DELTA, row.delta, said.delta, one_percent),
        (Figure.GAMMA, row.gamma, said.gamma, 0.5 * one_percent**2),
        (Figure.VEGA, row.vega, said.vega, 1.0),
        (Figure.THETA, row.theta, said.theta, 1.0),
    )
    gaps = tuple(
        FigureGap(figure, ours, theirs, (theirs - ours) * unit * holding)
        for figure, ours, theirs, unit in pairs
        if ours is not None and theirs is not None and math.isfinite(ours) and math.isfinite(theirs)
    )
    return gaps or "the broker's model has said nothing of it"


def _strike(position: Position) -> tuple[str, date | None, float | None]:
    contract = position.contract
    return contract.underlying, contract.expiry, contract.strike


def _parity(
    found: Sequence[tuple[Position, tuple[FigureGap, ...], PositionRisk]],
) -> dict[tuple[str, date | None, float | None], bool]:
    """The strikes whose call and put tell that the broker's forward is higher (True) or lower (False)."""
    sides: dict[tuple[str, date | None, float | None], dict[Right, float]] = {}
    for position, figures, _ in found:
        for gap in figures:
            if gap.figure is Figure.IV and not gap.agrees and position.contract.right is not None:
                side = sides.setdefault(_strike(position), {})
                side[position.contract.right] = gap.theirs - gap.ours
    return {
        strike: side[Right.CALL] < 0.0
        for strike, side in sides.items()
        if len(side) > 1 and side[Right.CALL] * side[Right.PUT] < 0.0
    }


def _cause(
    snapshot: Snapshot,
    position: Position,
    row: PositionRisk,
    figures: tuple[FigureGap, ...],
    higher: bool | None,
) -> tuple[Cause | None, str]:
    differing = {gap.figure: gap for gap in figures if not gap.agrees}
    if not differing:
        return None, ""
    underlying = snapshot.underlyings.get(position.contract.underlying)
    stale = staleness(position, underlying, snapshot.as_of)
    if stale is not None:
        return Cause.STALE, stale
    if row.iv_source not in {IvSource.MARK, IvSource.GIVEN, IvSource.BROKER}:
        return Cause.DEEP, f"volatility here is from: {row.iv_source}"
    if Figure.IV in differing and higher is None:
        gap = differing[Figure.IV]
        return (
            Cause.IV,
            f"{100.0 * gap.theirs:.1f} % there, {100.0 * gap.ours:.1f} % here from {row.iv_source}",
        )
    if higher is None and Figure.DELTA in differing:
        higher = differing[Figure.DELTA].theirs > differing[Figure.DELTA].ours
    return carry_cause(position.contract, underlying, snapshot.as_of, higher)


def staleness(position: Position, underlying: Underlying | None, as_of: datetime) -> str | None:
    """Why a position's quote is of another moment than its Snapshot; None where it is not."""
    if position.data in CLOSED_MODES:
        return None
    if position.as_of is not None:
        age = (as_of - position.as_of).total_seconds()
        if age > STALE_AFTER_S:
            return f"its quote here is {age / 60.0:.0f} min old"
    spot = None if underlying is None else underlying.spot
    if position.quote_spot is not None and spot and abs(position.quote_spot / spot - 1.0) > SPOT_MOVED:
        return f"quoted at {position.quote_spot:g}, the spot here is {spot:g}"
    return None


def carry_cause(
    contract: Contract, underlying: Underlying | None, as_of: datetime, higher: bool | None
) -> tuple[Cause, str]:
    """What may lie behind Greeks that differ at one price and volatility.

    Args:
        higher: whether the broker's forward looks higher; None where nothing tells.
    """
    forward = "" if higher is None else f"; the broker's forward looks {'higher' if higher else 'lower'}"
    if underlying is None or contract.expiry is None:
        return Cause.MODEL, ""
    today = as_of.date()
    coming = [one.ex_date for one in underlying.dividends if today < one.ex_date <= contract.expiry]
    if coming:
        more = f" and {len(coming) - 1} more" if len(coming) > 1 else ""
        return Cause.DIVIDEND, f"ex {min(coming):%d %b}{more} before expiry{forward}"
    if (contract.expiry - today).days > LONG_DAYS or underlying.dividend_yield:
        return Cause.RATE, f"{(contract.expiry - today).days} days to expiry{forward}"
    if _may_be_exercised(contract, underlying):
        return Cause.EXERCISE, "American and in the money"
    return (Cause.MODEL, "") if higher is None else (Cause.RATE, forward.removeprefix("; "))


def _may_be_exercised(contract: Contract, underlying: Underlying) -> bool:
    american = contract.exercise is not Exercise.EUROPEAN and underlying.kind in SHARES
    if not american or underlying.spot is None or contract.strike is None:
        return False
    inside = underlying.spot / contract.strike - 1.0
    return (inside if contract.right is Right.CALL else -inside) > SHALLOW
