"""One position on its way to a valuation: which model values it, on what forward, with which dividends (D8)."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import Final

from engine.marks.expiry import NEW_YORK, OPEN, expiry_instant, years_between
from engine.marks.prices import TIGHT, market_mark, positive, sane_mid
from engine.model import (
    CLOSED_MODES,
    UNSHOCKED_KINDS,
    Contract,
    Exercise,
    IvSource,
    Kind,
    MarkSource,
    Position,
    Right,
    Settlement,
    Snapshot,
    Underlying,
)
from engine.pricing import Model, rate_at
from engine.results import Remark
from engine.settings import EngineSettings

TOGETHER_S: Final = 5.0
"""Quote and spot belong together when they are at most this far apart (D1)."""
ONE_SPOT: Final = 2e-4
"""Put and call give a forward when the spots of their quotes differ by no more than this share."""


@dataclass(slots=True)
class Row:
    """One position on its way to a valuation. `spot_then`: of a quote that is older than the spot, the spot it belongs to."""

    position: Position
    underlying: Underlying | None
    model: Model
    tau: float = math.nan
    rate: float = math.nan
    spot: float = math.nan
    spot_then: float | None = None
    dividend_yield: float = 0.0
    dividends: tuple[tuple[float, float], ...] = ()
    mark: float = math.nan
    mark_source: MarkSource | None = None
    floor: float = math.nan
    sigma: float = math.nan
    iv_source: IvSource | None = None
    why_not: str | None = None

    @property
    def contract(self) -> Contract:
        return self.position.contract


def exercise_of(contract: Contract, underlying: Underlying, settings: EngineSettings) -> Exercise:
    """How an option is exercised (D8): as the file says, else as the config's table says, else by the kind of its
    underlying."""
    if contract.exercise is not None:
        return contract.exercise
    said = settings.scenarios.exercise.get(contract.symbol) or settings.scenarios.exercise.get(
        underlying.symbol
    )
    if said is not None:
        return said
    if contract.kind is Kind.FUTURE_OPTION or underlying.kind is Kind.INDEX:
        return Exercise.EUROPEAN
    return Exercise.AMERICAN


@dataclass(frozen=True, slots=True)
class _Side:
    """One option's quote, and the underlying's price when it spoke."""

    middle: float
    spot: float | None


_Series = tuple[str, date | None, Settlement]


def _pairs(positions: Iterable[Position]) -> Mapping[_Series, Mapping[float, Mapping[Right, _Side]]]:
    """Tight quotes by underlying, expiry and settlement, then by strike and right."""
    found: dict[_Series, dict[float, dict[Right, _Side]]] = defaultdict(lambda: defaultdict(dict))
    for position in positions:
        held, middle = position.contract, sane_mid(position, TIGHT)
        if held.is_option and middle is not None and held.strike is not None and held.right is not None:
            series = found[held.underlying, held.expiry, held.settlement]
            series[held.strike][held.right] = _Side(middle, position.quote_spot)
    return found


class Rows:
    """Makes rows of the positions of a Snapshot. `flags` are the remarks made on the way."""

    def __init__(self, snapshot: Snapshot, settings: EngineSettings) -> None:
        self.snapshot = snapshot
        self.settings = settings
        self.flags: list[Remark] = []
        self._pairs = _pairs(snapshot.positions)

    def row(self, position: Position) -> Row:
        contract = position.contract
        underlying = self.snapshot.underlyings.get(contract.underlying)
        mark, source = market_mark(position)
        row = Row(position, underlying, Model.LINEAR, mark=mark, mark_source=source)
        if not contract.is_option:
            return self._linear(row)
        assert underlying is not None and contract.strike is not None and contract.expiry is not None
        instant = expiry_instant(contract)
        assert instant is not None
        row.tau = years_between(self.snapshot.as_of, instant)
        row.rate = self._rate(contract.currency, row.tau)
        if row.tau <= 0.0:
            self._flag(row, f"expired {contract.expiry}; worth its intrinsic value")
        row.spot = positive(underlying.spot)
        if math.isnan(row.spot):
            row.why_not = f"no price for its underlying {underlying.symbol}"
        self._choose_model(row, underlying)
        row.spot_then = self._spot_then(row, underlying)
        return row

    def _spot_then(self, row: Row, underlying: Underlying) -> float | None:
        """Of a quote that is older than the spot: the spot, or forward, that it belongs to; None where they belong together.

        The forward of a volatility index does not move with it, so there an old quote has no such spot.
        """
        position, spot_at = row.position, underlying.spot_as_of
        if row.mark_source is not MarkSource.QUOTE or position.quote_spot is None or position.as_of is None:
            return None
        if spot_at is None or position.data in CLOSED_MODES or math.isnan(row.spot):
            return None
        if underlying.symbol in self.settings.scenarios.volatility_indices:
            return None
        if abs((position.as_of - spot_at).total_seconds()) <= TOGETHER_S:
            return None
        return row.spot * position.quote_spot / positive(underlying.spot)

    def _linear(self, row: Row) -> Row:
        """A position whose value is its own price: its mark, else the underlying's spot, of a currency its exchange rate."""
        contract, underlying = row.contract, row.underlying
        if (
            math.isnan(row.mark)
            and contract.kind is Kind.CASH
            and contract.currency == self.snapshot.base_currency
        ):
            row.mark, row.mark_source = positive(self.snapshot.fx.get(contract.symbol)), MarkSource.BROKER
        if math.isnan(row.mark) and underlying is not None and contract.kind not in UNSHOCKED_KINDS:
            forward = underlying.forwards.get(contract.expiry) if contract.expiry else underlying.spot
            row.mark, row.mark_source = positive(forward), MarkSource.MODEL
        if math.isnan(row.mark):
            row.mark_source, row.why_not = None, "no price"
        row.spot = row.mark
        return row

    def _rate(self, currency: str, tau: float) -> float:
        curve = self.snapshot.rates.get(currency)
        return float(rate_at(curve, tau)) if curve else self.settings.data.risk_free_rate

    def _choose_model(self, row: Row, underlying: Underlying) -> None:
        """D8: American on spot with dividends, Black-76 on a forward, or Black-Scholes with the yield that the forward
        implies."""
        contract = row.contract
        european = exercise_of(contract, underlying, self.settings) is Exercise.EUROPEAN
        on_forward = (
            contract.kind is Kind.FUTURE_OPTION
            or underlying.symbol in self.settings.scenarios.volatility_indices
        )
        if on_forward:
            row.model = Model.BLACK_76 if european else Model.AMERICAN_76
            row.spot = self._forward(row, underlying)
        elif european:
            row.model = Model.BLACK_SCHOLES
            row.dividend_yield = self._yield(row, underlying)
            if row.dividend_yield == underlying.dividend_yield:
                row.dividends = self._dividends(underlying, row.tau)
        else:
            row.model = Model.AMERICAN
            row.dividend_yield = underlying.dividend_yield
            row.dividends = self._dividends(underlying, row.tau)

    def _forward(self, row: Row, underlying: Underlying) -> float:
        """The same-expiry forward: listed, else from the book's own put and call pairs, else spot (flagged)."""
        assert row.contract.expiry is not None
        listed = underlying.forwards.get(row.contract.expiry)
        if listed is not None:
            return listed
        from_pairs = self._parity_forward(row)
        if from_pairs is not None:
            return from_pairs
        if row.contract.kind is not Kind.FUTURE_OPTION:  # the price of its future is its forward
            self._flag(row, "no forward for its expiry; spot used in its place")
        return row.spot

    def _yield(self, row: Row, underlying: Underlying) -> float:
        """The yield that carries spot to the forward of the expiry; the underlying's own where neither forward nor pair is
        known."""
        assert row.contract.expiry is not None
        forward = underlying.forwards.get(row.contract.expiry) or self._parity_forward(row)
        if forward is None:
            self._flag(row, "no forward for its expiry; carried from rate and yield")
        if forward is None or not row.tau > 0.0 or math.isnan(row.spot):
            return underlying.dividend_yield
        return row.rate - math.log(forward / row.spot) / row.tau

    def _parity_forward(self, row: Row) -> float | None:
        """F = K + (C - P) e^(r tau), the median over the strikes whose put and call are both quoted.

        Where the spots of both quotes are known they must be one, and the forward is carried from it to the present spot.
        """
        contract = row.contract
        found = []
        for strike, pair in self._pairs[contract.underlying, contract.expiry, contract.settlement].items():
            call, put = pair.get(Right.CALL), pair.get(Right.PUT)
            if call is None or put is None:
                continue
            forward = strike + (call.middle - put.middle) * math.exp(row.rate * row.tau)
            if call.spot is not None and put.spot is not None and row.underlying is not None:
                if abs(call.spot / put.spot - 1.0) > ONE_SPOT:
                    continue
                forward *= positive(row.underlying.spot) / (0.5 * (call.spot + put.spot))
            if forward > 0.0:
                found.append(forward)
        return median(found) if found else None

    def _dividends(self, underlying: Underlying, tau: float) -> tuple[tuple[float, float], ...]:
        """(years from now, amount) of what goes ex before the expiry."""
        dated = ((self._years_to(item.ex_date), item.amount) for item in underlying.dividends)
        return tuple(sorted((years, amount) for years, amount in dated if 0.0 < years < tau and amount > 0.0))

    def _years_to(self, day: date) -> float:
        return years_between(self.snapshot.as_of, datetime.combine(day, OPEN, NEW_YORK))

    def _flag(self, row: Row, reason: str) -> None:
        self.flags.append(Remark(row.position.id, reason))
