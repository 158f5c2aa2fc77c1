"""An export against a Snapshot: which figures differ by more than their tolerance, by how much money, and a likely cause.

Figures are compared as the export has them: riskbot's are brought to the scale that a column was read at (scales.py), and a
figure that was rounded for the screen is compared as rounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from engine.marks import MarkedBook, mark_book
from engine.model import Snapshot
from engine.navigator.causes import Causes
from engine.navigator.cells import Number
from engine.navigator.export import Export, Unread
from engine.navigator.figures import Figures, figures
from engine.navigator.headers import Column, Key, Measure
from engine.navigator.matching import Match, Matching, Of, match_lines
from engine.navigator.scales import Reading, Scale, factors, reading
from engine.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What may differ: a share of the larger figure, or an amount; of unit figures the amount is per unit."""

    share: float
    amount: float


TOLERANCES: Final[Mapping[Measure, Tolerance]] = {
    Measure.QUANTITY: Tolerance(0.0, 1e-6),
    Measure.PRICE: Tolerance(0.005, 0.01),
    Measure.SPOT: Tolerance(0.001, 0.01),
    Measure.VALUE: Tolerance(0.005, 0.01),
    Measure.IV: Tolerance(0.0, 0.005),
    Measure.DELTA: Tolerance(0.0, 0.02),
    Measure.DOLLAR_DELTA: Tolerance(0.0, 0.02),
    Measure.GAMMA: Tolerance(0.05, 0.0005),
    Measure.VEGA: Tolerance(0.03, 0.01),
    Measure.THETA: Tolerance(0.05, 0.01),
    Measure.RHO: Tolerance(0.05, 0.01),
    Measure.PNL: Tolerance(0.02, 1.0),
}
"""A dollar delta's amount is in shares, as a delta's; that of P&L is money."""

ADDITIVE: Final = frozenset({Measure.QUANTITY, Measure.PNL})
"""Unit figures of whole holdings."""
IN_A_TOTAL: Final = frozenset(
    {Measure.VALUE, Measure.DOLLAR_DELTA, Measure.VEGA, Measure.THETA, Measure.RHO, Measure.PNL}
)
"""What adds up over underlyings; shares of different things do not."""
ROUNDING: Final = 1e-9
PERCENT_ABOVE: Final = 3.0
"""A column of volatilities whose middle one is above this is in percent."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of the export that differs. `money` is what the gap means for the holding, base currency, unsigned."""

    row: int
    of: Of
    label: str
    ids: tuple[str, ...]
    figure: str
    theirs: float
    ours: float
    allowed: float
    money: float
    cause: str


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a figure over the positions compared, theirs and ours."""

    figure: str
    theirs: float
    ours: float
    allowed: float
    positions: int

    @property
    def agrees(self) -> bool:
        return abs(self.theirs - self.ours) <= self.allowed


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `riskbot compare` says.

    Attributes:
        readings: what each column was taken as.
        differences: by money, the largest first.
        positions, agreeing: lines of single holdings with at least one figure compared, and those without a difference.
        sums, sums_agreeing: the same of lines of underlyings and of the portfolio.
        figures: how many figures were compared.
        not_comparable: figures that riskbot has no value for.
        missing: positions of the snapshot that are not in the export.
    """

    as_of: datetime
    source: str
    base_currency: str
    layout: str
    beta: bool
    readings: tuple[Reading, ...]
    differences: tuple[Difference, ...]
    totals: tuple[Total, ...]
    positions: int
    agreeing: int
    sums: int
    sums_agreeing: int
    figures: int
    not_comparable: tuple[Unread, ...]
    unmatched: tuple[Unread, ...]
    ambiguous: tuple[Unread, ...]
    missing: tuple[str, ...]
    unread: tuple[Unread, ...]
    headings: tuple[Unread, ...]
    unknown_columns: tuple[str, ...]


def compare(
    export: Export,
    snapshot: Snapshot,
    settings: EngineSettings,
    *,
    beta: bool = False,
    factor: float = 1.0,
) -> Comparison:
    """Compare every figure of an export with riskbot's of a Snapshot.

    Args:
        beta: P&L columns are of moves by beta, as Risk Navigator's Beta Weighted Aggregation plots them.
        factor: of all tolerances.
    """
    book = mark_book(snapshot, settings)
    matching = match_lines(export, snapshot.positions)
    ours = figures(book, [column.key for column in export.columns], settings.scenarios, beta)
    return _Comparing(export, book, matching, ours, factor).comparison(beta)


class _Comparing:
    def __init__(
        self, export: Export, book: MarkedBook, matching: Matching, ours: Figures, factor: float
    ) -> None:
        self.export, self.book, self.matching, self.ours, self.factor = export, book, matching, ours, factor
        self.columns = {column.key: column for column in export.columns}
        self.readings = {column.key: self._reading(column) for column in export.columns}
        self.finest = {
            key: min((one.half_unit for one in self._said(key) if not one.short), default=np.inf)
            for key in self.columns
        }
        self.iv_in_percent = self._iv_in_percent()
        self.not_comparable: list[Unread] = []
        self.found: list[tuple[Match, Column, float, float, float]] = []
        self.compared: dict[int, int] = {}

    def comparison(self, beta: bool) -> Comparison:
        for match in self.matching.matches:
            for key, said in match.line.figures.items():
                self._compare(match, self.columns[key], said)
        causes = Causes(self.book, self.matching, self.readings, self._spots(), self._differing())
        differences = [self._difference(causes, *one) for one in self.found]
        differences.sort(key=lambda one: (-one.money, one.row))
        counts = {
            single: [
                m
                for m in self.matching.matches
                if (m.of is Of.HOLDING) is single and m.line.row in self.compared
            ]
            for single in (True, False)
        }
        wrong = {one.row for one in differences}
        snapshot, matching = self.book.snapshot, self.matching
        return Comparison(
            as_of=snapshot.as_of,
            source=snapshot.source,
            base_currency=snapshot.base_currency,
            layout=self.export.layout,
            beta=beta,
            readings=tuple(self.readings.values()),
            differences=tuple(differences),
            totals=tuple(total for key in self.columns if (total := self._total(key)) is not None),
            positions=len(counts[True]),
            agreeing=sum(match.line.row not in wrong for match in counts[True]),
            sums=len(counts[False]),
            sums_agreeing=sum(match.line.row not in wrong for match in counts[False]),
            figures=sum(self.compared.values()),
            not_comparable=tuple(self.not_comparable),
            unmatched=matching.unmatched,
            ambiguous=matching.ambiguous,
            missing=tuple(snapshot.positions[i].id for i in matching.missing),
            unread=self.export.unread,
            headings=self.export.headings,
            unknown_columns=self.export.unknown_columns,
        )

    def _reading(self, column: Column) -> Reading:
        """How a column is taken, from the lines of holdings, or of underlyings where there are no others."""
        rows = [m for m in self.matching.matches if column.key in m.line.figures and m.of is not Of.PORTFOLIO]
        single = [match for match in rows if match.of is Of.HOLDING]
        rows = single or rows
        theirs = np.array([match.line.figures[column.key].value for match in rows])
        return reading(column, theirs, [match.members for match in rows], self.ours, sums=not single)

    def _compare(self, match: Match, column: Column, said: Number) -> None:
        if not _is_of(column.measure, match.of, self.readings[column.key].scale):
            return
        theirs, rounding = self._as_ours(column, said)
        expected, allowed = self._expected(match, column)
        if not np.isfinite(expected):
            self.not_comparable.append(
                Unread(match.line.row, f"{match.line.name}: {column.label}", self._why_not(match))
            )
            return
        row = match.line.row
        self.compared[row] = self.compared.get(row, 0) + 1
        share = TOLERANCES[column.measure].share
        allowed = (
            self.factor * max(allowed, share * abs(theirs)) + rounding + ROUNDING * max(abs(expected), 1.0)
        )
        if abs(theirs - expected) > allowed:
            self.found.append((match, column, theirs, expected, allowed))

    def _as_ours(self, column: Column, said: Number) -> tuple[float, float]:
        """A figure and what it may have been rounded by, in riskbot's units: volatilities are decimals.

        Trailing zeros may have been left out, so a column is as fine as its finest figure; quantities are never rounded.
        """
        if column.measure is Measure.QUANTITY:
            return said.value, 0.0
        rounding = said.half_unit if said.short else min(said.half_unit, self.finest[column.key])
        if column.measure is Measure.IV and not said.percent and self.iv_in_percent:
            return said.value / 100.0, rounding / 100.0
        return said.value, rounding

    def _said(self, key: Key) -> list[Number]:
        """Every figure of a column."""
        return [line.figures[key] for line in self.export.lines if key in line.figures]

    def _iv_in_percent(self) -> bool:
        """Whether volatilities without a percent sign are in percent: their header says so, or their size."""
        column = self.columns.get((Measure.IV, None))
        bare = [] if column is None else [one.value for one in self._said(column.key) if not one.percent]
        return (
            column is not None
            and bool(bare)
            and ("%" in column.header or float(np.median(bare)) > PERCENT_ABOVE)
        )

    def _expected(self, match: Match, column: Column) -> tuple[float, float]:
        """riskbot's figure at the scale of the column, and what may differ: the sum of what may of each position."""
        members = list(match.members)
        unit, scale = (
            self.ours.unit[column.key][members],
            factors(self.ours, self.readings[column.key].scale)[members],
        )
        tolerance = TOLERANCES[column.measure]
        each = unit * scale
        if column.measure is Measure.PRICE and match.of is Of.UNDERLYING:
            each = self.ours.market[members]
        amount = np.abs(scale) * tolerance.amount
        if column.measure is Measure.DOLLAR_DELTA:
            amount = amount * self.ours.spot[members]
        allowed = np.maximum(amount, tolerance.share * np.abs(each))
        if not _adds_up(column.measure, self.readings[column.key].scale):
            return float(each[0]), float(allowed[0])
        return float(each.sum()), float(allowed.sum())

    def _difference(
        self, causes: Causes, match: Match, column: Column, theirs: float, ours: float, allowed: float
    ) -> Difference:
        positions = self.book.snapshot.positions
        label = match.line.name if match.of is not Of.HOLDING else positions[match.members[0]].contract.label
        money = abs(theirs - ours) * self._money(match, column)
        return Difference(
            match.line.row, match.of, label, tuple(positions[i].id for i in match.members), column.label, theirs, ours,
            allowed, float(np.nan_to_num(money)), causes.of(match, column, theirs, ours),
        )  # fmt: skip

    def _money(self, match: Match, column: Column) -> float:
        """What one unit of a column's figure means in base currency: of a delta a 1 % move, of a Greek its own unit."""
        i = match.members[0]
        base, spot = float(self.ours.base[i]), float(self.ours.spot[i])
        scale = float(factors(self.ours, self.readings[column.key].scale)[i])
        per_unit = base / scale if scale else 0.0
        delta, vega = float(self.book.greeks.delta[i]), float(self.book.greeks.vega[i])
        means = {
            Measure.QUANTITY: float(self.book.mark[i]) * base / (float(self.ours.quantity[i]) or 1.0),
            Measure.SPOT: delta * base,
            Measure.IV: 100.0 * vega * base,
            Measure.DELTA: 0.01 * spot * per_unit,
            Measure.DOLLAR_DELTA: 0.01 * per_unit,
            Measure.GAMMA: 0.5 * (0.01 * spot) ** 2 * per_unit,
            Measure.PNL: 1.0,
        }
        return abs(means.get(column.measure, per_unit))

    def _spots(self) -> dict[str, float]:
        """Each underlying's price as the export has it: in a column, or as the price of the stock or of the underlying."""
        positions = self.book.snapshot.positions
        said: dict[str, float] = {}
        for match in self.matching.matches:
            contract = positions[match.members[0]].contract if match.members else None
            if contract is None or match.of is Of.PORTFOLIO:
                continue
            found = match.line.figures.get((Measure.SPOT, None))
            own = (
                not contract.is_option and contract.symbol == contract.underlying and contract.expiry is None
            )
            if found is None and (own or match.of is Of.UNDERLYING):
                found = match.line.figures.get((Measure.PRICE, None))
            if found is not None:
                said.setdefault(contract.underlying, found.value)
        return said

    def _differing(self) -> dict[int, dict[Key, tuple[float, float]]]:
        """By row, the figures that differ: theirs and ours."""
        rows: dict[int, dict[Key, tuple[float, float]]] = {}
        for match, column, theirs, ours, _ in self.found:
            rows.setdefault(match.line.row, {})[column.key] = (theirs, ours)
        return rows

    def _total(self, key: Key) -> Total | None:
        """The sum over the lines of holdings that were compared; None for what does not add up."""
        column, scale = self.columns[key], self.readings[key].scale
        lines = [m for m in self.matching.matches if m.of is Of.HOLDING and key in m.line.figures]
        if column.measure not in IN_A_TOTAL or not _adds_up(column.measure, scale):
            return None
        pairs = [(self._as_ours(column, m.line.figures[key]), self._expected(m, column)) for m in lines]
        known = [(theirs, ours) for theirs, ours in pairs if np.isfinite(ours[0])]
        if not known:
            return None
        return Total(
            column.label,
            sum(theirs[0] for theirs, _ in known),
            sum(ours[0] for _, ours in known),
            sum(theirs[1] + self.factor * ours[1] for theirs, ours in known),
            len(known),
        )

    def _why_not(self, match: Match) -> str:
        reasons = {remark.id: remark.reason for remark in self.book.left_out}
        for i in match.members:
            id_ = self.book.snapshot.positions[i].id
            if id_ in reasons:
                return f"riskbot has no value for {id_}: {reasons[id_]}"
        return "riskbot has no such figure"


def _adds_up(measure: Measure, scale: Scale) -> bool:
    return measure in ADDITIVE or scale is not Scale.UNIT


def _is_of(measure: Measure, of: Of, scale: Scale) -> bool:
    """Whether a figure of such a line can be compared: sums have those that add up, and an underlying its price."""
    if of is Of.HOLDING:
        return True
    if of is Of.UNDERLYING:
        return measure in {Measure.PRICE, Measure.SPOT} or (
            measure is not Measure.QUANTITY and _adds_up(measure, scale)
        )
    return measure in IN_A_TOTAL and _adds_up(measure, scale)
