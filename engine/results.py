"""The nouns of an answer: what `analyse` returns and every table, card and picture is a view of.

Money is in the account's base currency, P&L signed, gains positive. Arrays have one entry per position, in the order of
`RiskReport.positions`; NaN there, and None elsewhere, is *unknown*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.model import Floats, IvSource, Kind, MarkSource, Right

Ints = npt.NDArray[np.int64]


EXPIRED: Final = "it has expired"
"""Why a position is in no Value at Risk without anything being unknown."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a reader must know of one position: why it is left out, or what its numbers rest on."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exposure:
    """Greeks of a holding or a sum of holdings (section 3 of the design has the units).

    Attributes:
        delta: shares-equivalent, summed as it is (of use for one underlying only).
        dollar_delta: base currency.
        dollar_gamma: change of dollar_delta for a 1 % move of the underlying.
        vega: per vol point.
        theta: per calendar day.
        rho: per 1 % of rate.
        vanna: change of dollar_delta for a vol point.
        volga: change of vega for a vol point.
        charm: change of dollar_delta for a calendar day.

    All are NaN where something is held and none of it could be valued.
    """

    delta: float
    dollar_delta: float
    dollar_gamma: float
    vega: float
    theta: float
    rho: float
    vanna: float
    volga: float
    charm: float


@dataclass(frozen=True, slots=True)
class NamedPnl:
    """P&L, base currency, of the position or in the scenario of that name."""

    id: str
    pnl: float


@dataclass(frozen=True, slots=True)
class PositionRisk:
    """One position, valued. Greeks are per unit of the underlying; `exposure` is of the whole holding; IV rank and percentile,
    0 to 1, are of the underlying's 30-day volatility in its year. `extrinsic` is the mark less what exercise now would give, per
    unit; `worst` and `best` are the scenarios in which the holding loses and gains most."""

    id: str
    label: str
    underlying: str
    kind: Kind
    quantity: float
    multiplier: float
    currency: str
    expiry: date | None
    strike: float | None
    right: Right | None
    dte: int | None
    mark: float | None
    mark_source: MarkSource | None
    model_price: float | None
    value: float | None
    iv: float | None
    iv_source: IvSource | None
    iv_rank: float | None
    iv_percentile: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    rho: float | None
    vanna: float | None
    volga: float | None
    charm: float | None
    extrinsic: float | None
    exposure: Exposure | None
    unrealized_pnl: float | None
    worst: NamedPnl | None
    best: NamedPnl | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioResult:
    """One scenario over the book.

    Attributes:
        leg: which side of a two-sided scenario is reported, the worse one; None for the rest (D5).
        pnl: portfolio P&L of the positions that could be valued; None when none could.
        pct: 100 * pnl over the report's `basis`, a percentage (D9).
        value: portfolio value after.
        position_pnl, position_value, position_iv: (n_positions,).
        left_out: ids of the positions that are in no sum here.
        held: ids of the options whose IV met the floor or the cap.
    """

    name: str
    leg: str | None
    note: str | None
    pnl: float | None
    pct: float | None
    value: float | None
    worst: NamedPnl | None
    best: NamedPnl | None
    position_pnl: Floats
    position_value: Floats
    position_iv: Floats
    greeks: Exposure
    left_out: tuple[str, ...]
    held: tuple[str, ...]

    @property
    def position_pct(self) -> Floats:
        """(n_positions,): 100 * P&L over the position's |value| before; NaN where that is nothing."""
        before = np.abs(self.position_value - self.position_pnl)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(before > 0.0, 100.0 * self.position_pnl / before, np.nan))

    def worst_positions(self, ids: tuple[str, ...], count: int) -> list[NamedPnl]:
        """The `count` positions that lose most, largest loss first; gains are not listed."""
        losing = [(pnl, id_) for pnl, id_ in zip(self.position_pnl.tolist(), ids, strict=True) if pnl < 0]
        return [NamedPnl(id_, pnl) for pnl, id_ in sorted(losing)[:count]]


@dataclass(frozen=True, slots=True)
class MatrixMark:
    """Where a scenario lies on the matrix: the cell nearest to its moves (decimals; IV at the money of 30 days).

    `off` is set where a move is beyond the grid: the cell is then the nearest at the edge.
    """

    name: str
    row: int
    column: int
    spot: float
    iv: float
    off: bool


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """P&L over spot and IV shocks (decimals) after `days` calendar days, of the portfolio or of one symbol.

    Attributes:
        pnl: (n_spot, n_iv), base currency; NaN where nothing could be valued.
        shaped: the IV step is that of a month at the money and the volatility model does the rest; else it is every option's.
        marks: where the templates lie.
    """

    spot: tuple[float, ...]
    iv: tuple[float, ...]
    pnl: Floats
    days: int = 0
    shaped: bool = False
    marks: tuple[MatrixMark, ...] = ()


@dataclass(frozen=True, slots=True)
class TailFigure:
    """One day's Value at Risk and expected shortfall, losses positive, base currency; `method` and `level` say of what, over so
    many `days` of history or simulated paths. The standard errors are of what is simulated."""

    method: str
    level: float
    var: float
    es: float
    days: int
    var_error: float | None = None
    es_error: float | None = None


@dataclass(frozen=True, slots=True)
class TailShare:
    """What one underlying has to do with the book's tail, losses positive, base currency; NaN is unknown.

    Attributes:
        component_var, component_es: its parts of the book's; they sum to them.
        standalone_es: of its positions alone.
        incremental_es: what the book's would be less without them.
    """

    name: str
    component_var: float
    component_es: float
    standalone_es: float
    incremental_es: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two that have a correlation."""

    one: str
    other: str
    correlation: float


@dataclass(frozen=True, slots=True, eq=False)
class Correlation:
    """How the P&L of several things moves together over the days of history, Pearson's.

    Attributes:
        names: (m,), ids of positions or underlyings.
        matrix: (m, m), symmetric, ones on the diagonal, positive semi-definite; NaN in the rows and columns of what is left out.
        deviation: (m,), standard deviation of a day's P&L, base currency; NaN where a day is unknown.
        order: places of those that have a correlation, alike ones beside each other.
        left_out: those that have none, and why.
    """

    names: tuple[str, ...]
    matrix: Floats
    deviation: Floats
    order: tuple[int, ...]
    left_out: tuple[Remark, ...]

    @property
    def average(self) -> float | None:
        """The mean over all pairs; None where there is no pair."""
        found = self._pairs()[2]
        return float(found.mean()) if len(found) else None

    def closest(self, count: int) -> tuple[Pair, ...]:
        """The pairs that move together most, of those that do."""
        return tuple(pair for pair in self._first(count, -1.0) if pair.correlation > 0.0)

    def most_opposed(self, count: int) -> tuple[Pair, ...]:
        """The pairs that offset each other most, of those that do."""
        return tuple(pair for pair in self._first(count, 1.0) if pair.correlation < 0.0)

    def of(self, places: Sequence[int]) -> "Correlation":
        """The same of those at `places` alone, in the order of this one."""
        kept = sorted(set(places))
        new = {place: i for i, place in enumerate(kept)}
        names = tuple(self.names[i] for i in kept)
        return Correlation(
            names,
            self.matrix[np.ix_(kept, kept)],
            self.deviation[kept],
            tuple(new[i] for i in self.order if i in new),
            tuple(remark for remark in self.left_out if remark.id in names),
        )

    def _pairs(self) -> tuple[Ints, Ints, Floats]:
        row, column = np.tril_indices(len(self.names), -1)
        values = self.matrix[row, column]
        known = np.isfinite(values)
        return row[known], column[known], values[known]

    def _first(self, count: int, sign: float) -> list[Pair]:
        row, column, values = self._pairs()
        return [
            Pair(self.names[column[i]], self.names[row[i]], float(values[i]))
            for i in np.argsort(sign * values, kind="stable")[:count].tolist()
        ]


NO_CORRELATION: Final = Correlation((), np.empty((0, 0)), np.empty(0), (), ())


@dataclass(frozen=True, slots=True, eq=False)
class TailRisk:
    """Value at Risk and expected shortfall of today's book, one day; n days are the square root of n times it (D15).

    Attributes:
        figures: the method that is relied on first, each by rising level; empty where unknown, and `unknown` says why.
        component_var, component_es: (n_positions,), of the first method, at 99 % and 97.5 %; NaN for what is left out.
        by_underlying: the largest component of expected shortfall first.
        days: daily moves that are known.
        left_out: positions that are valued but in no figure here, and why.
        notes: what was proxied.
        correlation, correlation_by_underlying: of the P&L that the first method's figures are of, by position in the order of
            `RiskReport.positions`, and by underlying; both of nothing where the tail is unknown.
    """

    figures: tuple[TailFigure, ...]
    component_var: Floats
    component_es: Floats
    by_underlying: tuple[TailShare, ...]
    days: int
    left_out: tuple[Remark, ...]
    notes: tuple[str, ...]
    unknown: str | None
    correlation: Correlation = NO_CORRELATION
    correlation_by_underlying: Correlation = NO_CORRELATION

    def figure(self, level: float, method: str | None = None) -> TailFigure | None:
        """A method's figure at a level; without a method the one that is relied on."""
        return next(
            (one for one in self.figures if one.level == level and method in (None, one.method)), None
        )


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How large the book is beside the account. Base currency; None is unknown.

    Attributes:
        gross, net: sums of the positions' |market value| and of their market value.
        leverage: gross over net liquidation value; None without a positive one.
        margin_cushion: excess liquidity over net liquidation value, from the account; 0 where that is not positive.
        beta_delta: dollar delta times beta to the reference, of what follows the market.
        beta_shares: the same in shares of the reference.
        assumed_betas: underlyings whose beta is unknown and counts as 1 there.
        gamma_pnl: (n_positions,), what gamma alone makes of a day of two deviations of the underlying; NaN where unknown.
        vega_30: vega of each option times the root of 30 over its days to expiry: what a point of a month's volatility is worth,
            where far expiries move less.
    """

    gross: float | None
    net: float | None
    leverage: float | None
    margin_cushion: float | None
    reference: str
    beta_delta: float | None
    beta_shares: float | None
    assumed_betas: tuple[str, ...]
    gamma_pnl: Floats
    vega_30: float | None


@dataclass(frozen=True, slots=True)
class Concentration:
    """One underlying's share: of |market value| and |dollar delta| over the report's basis, and of expected shortfall (negative:
    a hedge). Decimals; None is unknown."""

    name: str
    value: float | None
    dollar_delta: float | None
    es: float | None


@dataclass(frozen=True, slots=True)
class TailDay:
    """The Value at Risk of a trading day's close, kept, and what that very book made until the next close.

    Attributes:
        figures: as of the day, for the one after; empty where it was unknown.
        net_liquidation: the account's; value: the sum of what its positions were worth; base currency.
        left_out: ids of the positions that no figure and no P&L here is of.
        until: the next day that was stored; None while there is none.
        pnl: of the positions as they were on `day`, valued on `until`, without trades; None where it is unknown.
        change: of net liquidation, trades and payments included.
        remark: why there is no P&L, or what it rests on.
    """

    day: date
    as_of: datetime
    figures: tuple[TailFigure, ...]
    net_liquidation: float | None
    value: float | None
    left_out: tuple[str, ...]
    until: date | None = None
    pnl: float | None = None
    change: float | None = None
    remark: str | None = None

    def var(self, method: str, level: float) -> float | None:
        """The Value at Risk by a method at a level."""
        named = (one.var for one in self.figures if (one.method, one.level) == (method, level))
        return next(named, None)


@dataclass(frozen=True, slots=True)
class Quality:
    """What the numbers rest on.

    Attributes:
        left_out: positions that can't be valued, each with its reason; they are in no total.
        flagged: positions whose sigma or mark is second best, or old.
        stale: underlyings whose price is older than `data.stale_after` though their market is not closed.
        notes: what holds for the whole report.
        oldest_price: the time of the oldest price in use.
    """

    left_out: tuple[Remark, ...]
    flagged: tuple[Remark, ...]
    stale: tuple[Remark, ...]
    notes: tuple[str, ...]
    oldest_price: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class RiskReport:
    """Everything said of one Snapshot. `basis` is what percentages are of, and `basis_name` says which it is (D9)."""

    as_of: datetime
    source: str
    complete: bool
    base_currency: str
    net_liquidation: float | None
    basis: float | None
    basis_name: str
    value: float | None
    positions: tuple[PositionRisk, ...]
    greeks: Exposure
    by_underlying: dict[str, Exposure]
    by_expiry: dict[str, Exposure]
    by_sector: dict[str, Exposure]
    standing: Standing
    concentration: tuple[Concentration, ...]
    scenarios: tuple[ScenarioResult, ...]
    matrix: Matrix
    quality: Quality
    tail: TailRisk

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(position.id for position in self.positions)
