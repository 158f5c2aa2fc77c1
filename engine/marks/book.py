"""From a Snapshot's facts to marks and sigmas: the valued book, as columns (D1, D7, D8, D9).

The order of work: forwards, marks, sigmas that the marks give, sigmas from elsewhere, then one valuation of the whole book.
What can't be valued stays in its row as NaN and is named with a reason; what rests on something second best is flagged.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from engine.marks.expiry import days_to_expiry
from engine.marks.prices import positive
from engine.marks.rows import TOGETHER_S, Row, Rows
from engine.model import (
    CLOSED_MODES,
    Bools,
    Floats,
    IvSource,
    Kind,
    MarkSource,
    Position,
    Right,
    Snapshot,
)
from engine.pricing import Contracts, GreekColumns, greeks, implied_volatility, price
from engine.results import Remark
from engine.settings import EngineSettings
from engine.surface import Point, Surface, surface

IDENTIFIED_ABOVE: Final = 0.001
"""In the money, a time value under this share of spot does not identify a volatility (D7)."""


@dataclass(frozen=True, slots=True, eq=False)
class MarkedBook:
    """The positions of a Snapshot as columns, each (n,) in the order of `snapshot.positions`.

    Attributes:
        contracts: market inputs of the base; sigma is the chosen one, NaN for what has none.
        scale: base currency per 1.00 of unit price: quantity * multiplier * exchange rate; NaN where the rate is unknown.
        mark: per unit, the instrument's currency.
        value: of the holding in base currency; of a future its variation since entry.
        base: the model's price per unit; `mark - base` is the constant basis.
        dte: whole calendar days to expiry; NaN for what has no expiry.
        moneyness: strike / spot; NaN for what has no strike.
        valued: where mark, base and scale are all known.
        expired: options that have stopped; what comes after does not move them any more.
    """

    snapshot: Snapshot
    contracts: Contracts
    scale: Floats
    mark: Floats
    mark_source: tuple[MarkSource | None, ...]
    iv_source: tuple[IvSource | None, ...]
    value: Floats
    base: Floats
    greeks: GreekColumns
    dte: Floats
    moneyness: Floats
    valued: Bools
    expired: Bools
    surfaces: Mapping[str, Surface]
    left_out: tuple[Remark, ...]
    flagged: tuple[Remark, ...]


def mark_book(snapshot: Snapshot, settings: EngineSettings) -> MarkedBook:
    """Value every position of `snapshot`: marks by D1, sigmas by D7, models by D8.

    Nothing raises for a value: what is unknown is NaN in its row and named in `left_out`.
    """
    return _Marking(snapshot, settings).book()


class _Marking:
    """The steps of `mark_book`, sharing one Snapshot and one list of rows."""

    def __init__(self, snapshot: Snapshot, settings: EngineSettings) -> None:
        self.snapshot = snapshot
        self.settings = settings
        rows = Rows(snapshot, settings)
        self.rows = [rows.row(position) for position in snapshot.positions]
        self.flags = rows.flags

    def book(self) -> MarkedBook:
        self._imply_sigmas()
        surfaces = self._surfaces()
        self._borrow(surfaces)
        for row in self.rows:
            if row.contract.is_option and math.isnan(row.sigma):
                self._fall_back(row, surfaces.get(row.contract.underlying))
        return self._valued(surfaces)

    def _imply_sigmas(self) -> None:
        """Sigmas as given, and those that the marks give where quote and spot belong together and time value identifies one."""
        for row in self.rows:
            if row.contract.is_option and row.position.iv is not None:
                row.sigma, row.iv_source = row.position.iv, row.position.iv_source or IvSource.GIVEN
        self._find_floors()
        solvable = [row for row in self.rows if self._solvable(row)]
        if not solvable:
            return
        solved = implied_volatility(_columns_then(solvable), np.array([row.mark for row in solvable]))
        for row, sigma in zip(solvable, solved.sigma.tolist(), strict=True):
            if not math.isnan(sigma) and 0.0 < sigma <= self.settings.scenarios.iv_cap:
                row.sigma, row.iv_source = sigma, IvSource.MARK

    def _find_floors(self) -> None:
        """What each option would be worth without volatility: intrinsic value, discounted and carried as its model does."""
        options = [row for row in self.rows if row.contract.is_option]
        if options:
            still = replace(_columns_then(options), sigma=np.zeros(len(options)))
            for row, floor in zip(options, price(still).tolist(), strict=True):
                row.floor = floor

    def _solvable(self, row: Row) -> bool:
        return (
            row.contract.is_option
            and math.isnan(row.sigma)
            and row.tau > 0.0
            and not math.isnan(row.mark)
            and not math.isnan(row.spot)
            and self._together(row)
            and (row.mark_source is not MarkSource.LAST or row.position.data in CLOSED_MODES)
            and _identified(row)
        )

    def _together(self, row: Row) -> bool:
        """At most 5 s between quote and spot, or both of a closed market, or the quote's own spot is known; a time that is not
        given is the Snapshot's own."""
        if row.spot_then is not None:
            return True
        underlying = row.underlying
        assert underlying is not None
        if row.position.data in CLOSED_MODES and underlying.data in CLOSED_MODES:
            return True
        quote_at = row.position.as_of or self.snapshot.as_of
        if row.mark_source is MarkSource.BROKER and row.position.broker_as_of is not None:
            quote_at = row.position.broker_as_of
        spot_at = underlying.spot_as_of or self.snapshot.as_of
        return abs((quote_at - spot_at).total_seconds()) <= TOGETHER_S

    def _surfaces(self) -> dict[str, Surface]:
        """Per underlying, the surface through the sigmas of the mark, the broker or the file."""
        points: dict[str, list[Point]] = defaultdict(list)
        for row in self.rows:
            if not row.contract.is_option or math.isnan(row.spot) or row.contract.strike is None:
                continue
            sigma = row.sigma if not math.isnan(row.sigma) else _broker_iv(row.position)
            if sigma is not None and row.iv_source in {None, IvSource.GIVEN, IvSource.MARK, IvSource.BROKER}:
                points[row.contract.underlying].append(
                    Point(row.tau, math.log(row.contract.strike / row.spot), sigma)
                )
        return {symbol: surface(known) for symbol, known in points.items()}

    def _borrow(self, surfaces: Mapping[str, Surface]) -> None:
        """An option too deep in the money to tell takes the sigma of the same strike's other side, else of the smile (D7)."""
        by_strike = {_strike_key(row): row.sigma for row in self.rows if row.iv_source is IvSource.MARK}
        for row in self.rows:
            if (
                row.contract.is_option
                and math.isnan(row.sigma)
                and not math.isnan(row.mark)
                and not _identified(row)
            ):
                other = by_strike.get(_strike_key(row)) or self._smile(
                    row, surfaces.get(row.contract.underlying)
                )
                if other is not None:
                    row.sigma, row.iv_source = other, IvSource.SMILE
                    self._flag(
                        row,
                        "too deep in the money to imply a volatility; that of its strike or smile is used",
                    )

    def _smile(self, row: Row, known: Surface | None) -> float | None:
        """What the underlying's other options say of this strike and expiry."""
        if known is None or math.isnan(row.spot) or row.contract.strike is None:
            return None
        return known.sigma(row.tau, math.log(row.contract.strike / row.spot))

    def _fall_back(self, row: Row, known: Surface | None) -> None:
        """The rest of D7, in order; what is below the broker's model is flagged."""
        position, underlying = row.position, row.underlying
        assert underlying is not None
        smile = self._smile(row, known)
        candidates = (
            (IvSource.BROKER, _broker_iv(position), None),
            (IvSource.LAST_GOOD, position.last_good_iv, "volatility is the last good one"),
            (IvSource.SMILE, smile, f"volatility interpolated from other {underlying.symbol} options"),
            (IvSource.IV30, underlying.iv30, f"volatility is the 30-day one of {underlying.symbol}"),
            (
                IvSource.DEFAULT,
                self.settings.data.default_iv,
                f"no volatility known; {self.settings.data.default_iv:.0%} assumed",
            ),
        )
        for source, sigma, remark in candidates:
            if sigma is not None and sigma > 0.0:
                row.sigma, row.iv_source = sigma, source
                if remark is not None and row.tau > 0.0:
                    self._flag(row, remark)
                return

    def _valued(self, surfaces: Mapping[str, Surface]) -> MarkedBook:
        contracts = _columns(self.rows)
        columns = greeks(contracts)
        fx = np.array([self._fx(row) for row in self.rows])
        holding = np.array([row.position.quantity * row.contract.multiplier for row in self.rows])
        mark = np.array([row.mark for row in self.rows])
        for i, row in enumerate(self.rows):
            if math.isnan(mark[i]) and row.contract.is_option and not math.isnan(columns.price[i]):
                mark[i], row.mark_source = columns.price[i], MarkSource.MODEL
                self._flag(row, "no price; valued by the model")
        self._carry(mark, columns.price)
        entry = np.array([_future_entry(row.position) for row in self.rows])
        scale = holding * fx
        valued = np.isfinite(mark) & np.isfinite(columns.price) & np.isfinite(scale)
        return MarkedBook(
            snapshot=self.snapshot,
            contracts=contracts,
            scale=scale,
            mark=mark,
            mark_source=tuple(row.mark_source for row in self.rows),
            iv_source=tuple(row.iv_source for row in self.rows),
            value=np.where(valued, scale * (mark - entry), np.nan),
            base=columns.price,
            greeks=columns,
            dte=np.array([_or_nan(days_to_expiry(row.contract, self.snapshot.as_of)) for row in self.rows]),
            moneyness=np.array([_or_nan(row.contract.strike) for row in self.rows])
            / np.array([row.spot for row in self.rows]),
            valued=valued,
            expired=np.array(
                [row.contract.is_option and row.tau <= 0.0 for row in self.rows], dtype=np.bool_
            ),
            surfaces=surfaces,
            left_out=tuple(
                self._why_not(row) for row, known in zip(self.rows, valued, strict=True) if not known
            ),
            flagged=tuple(self.flags) + self._old_sigmas(),
        )

    def _carry(self, mark: Floats, base: Floats) -> None:
        """Bring the marks of older quotes to the present spot, by what the model says of the way."""
        carried = [i for i, row in enumerate(self.rows) if row.spot_then is not None]
        if carried:
            then = price(_columns_then([self.rows[i] for i in carried]))
            for i, was in zip(carried, then.tolist(), strict=True):
                if not math.isnan(base[i] - was):
                    mark[i] = max(mark[i] + base[i] - was, 0.0)
                    self.rows[i].mark_source = MarkSource.CARRIED

    def _fx(self, row: Row) -> float:
        """Value of one unit of the position's currency in the base currency; NaN where the account does not say."""
        currency = row.contract.currency
        return 1.0 if currency == self.snapshot.base_currency else positive(self.snapshot.fx.get(currency))

    def _why_not(self, row: Row) -> Remark:
        if row.why_not is None and math.isnan(self._fx(row)):
            return Remark(row.position.id, f"no exchange rate for {row.contract.currency}")
        return Remark(row.position.id, row.why_not or "its price or volatility is unknown")

    def _old_sigmas(self) -> tuple[Remark, ...]:
        """Options whose quote is older than `sigma_stale_after` (D10)."""
        limit = self.settings.data.sigma_stale_after
        old = []
        for row in self.rows:
            at = row.position.as_of
            if row.contract.is_option and at is not None and row.position.data not in CLOSED_MODES:
                age = (self.snapshot.as_of - at).total_seconds()
                if age > limit:
                    old.append(Remark(row.position.id, f"its quote is {age / 60:.0f} min old"))
        return tuple(old)

    def _flag(self, row: Row, reason: str) -> None:
        self.flags.append(Remark(row.position.id, reason))


def _identified(row: Row) -> bool:
    """Whether the mark holds enough time value to tell a volatility: always out of the money, in the money over 0.1 % of
    spot."""
    return row.floor <= 0.0 or row.mark - row.floor > IDENTIFIED_ABOVE * row.spot


def _columns(rows: Iterable[Row]) -> Contracts:
    rows = list(rows)
    width = max((len(row.dividends) for row in rows), default=0)
    times = np.full((len(rows), width), np.inf)
    amounts = np.zeros((len(rows), width))
    for i, row in enumerate(rows):
        for j, (years, amount) in enumerate(row.dividends):
            times[i, j], amounts[i, j] = years, amount
    return Contracts(
        model=np.array([int(row.model) for row in rows], dtype=np.int64),
        is_call=np.array([row.contract.right is Right.CALL for row in rows], dtype=np.bool_),
        strike=np.array([_or_nan(row.contract.strike) for row in rows]),
        spot=np.array([row.spot for row in rows]),
        sigma=np.array([row.sigma for row in rows]),
        tau=np.array([row.tau for row in rows]),
        rate=np.array([row.rate for row in rows]),
        dividend_yield=np.array([row.dividend_yield for row in rows]),
        dividend_times=times,
        dividend_amounts=amounts,
    )


def _columns_then(rows: Iterable[Row]) -> Contracts:
    """The rows, each on the spot that its mark belongs to."""
    rows = list(rows)
    spots = np.array([row.spot if row.spot_then is None else row.spot_then for row in rows])
    return replace(_columns(rows), spot=spots)


def _strike_key(row: Row) -> tuple[object, ...]:
    contract = row.contract
    return contract.underlying, contract.expiry, contract.strike, contract.settlement


def _broker_iv(position: Position) -> float | None:
    iv = position.broker.iv
    return iv if iv is not None and 0.0 < iv < math.inf else None


def _future_entry(position: Position) -> float:
    """A future is worth its variation since entry, everything else its price."""
    return position.entry_price or 0.0 if position.contract.kind is Kind.FUTURE else 0.0


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
