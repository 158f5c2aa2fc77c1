"""From a Snapshot's facts to marks and sigmas: the valued book, as columns (D1, D7, D8, D9).

The order of work: forwards, marks, sigmas that the marks give, sigmas from elsewhere, then one valuation of the whole book.
What can't be valued stays in its row as NaN and is named with a reason; what rests on something second best is flagged.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from engine.model import (
    CLOSED_MODES,
    UNSHOCKED_KINDS,
    Bools,
    Contract,
    Exercise,
    Floats,
    IvSource,
    Kind,
    MarkSource,
    Position,
    Right,
    Settlement,
    Snapshot,
    Underlying,
)
from engine.pricing import Contracts, GreekColumns, Model, greeks, implied_volatility, price, rate_at
from engine.results import Remark
from engine.settings import EngineSettings
from engine.surface import Point, Surface, surface

NEW_YORK: Final = ZoneInfo("America/New_York")
CLOSE: Final = time(16, 0)
OPEN: Final = time(9, 30)
SECONDS_A_YEAR: Final = 365.0 * 86_400.0
TOGETHER_S: Final = 5.0
"""Quote and spot belong together when they are at most this far apart (D1)."""
SENTINELS: Final = frozenset({-1.0, -2.0})
"""How the broker writes "none" (D10)."""
WIDEST_ALWAYS_SANE: Final = 0.25
TIGHT: Final = 0.2
"""A forward is taken from quotes whose bid and ask are at most this share of their middle apart."""
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
    surfaces: Mapping[str, Surface]
    left_out: tuple[Remark, ...]
    flagged: tuple[Remark, ...]


def expiry_instant(contract: Contract) -> datetime | None:
    """When the contract stops: 16:00 New York, 09:30 where AM-settled; None for what does not expire."""
    if contract.expiry is None:
        return None
    return datetime.combine(
        contract.expiry, OPEN if contract.settlement is Settlement.AM else CLOSE, NEW_YORK
    )


def days_to_expiry(contract: Contract, as_of: datetime) -> int | None:
    """Whole calendar days to the expiry date, in the exchange's zone."""
    if contract.expiry is None:
        return None
    return (contract.expiry - as_of.astimezone(NEW_YORK).date()).days


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


def mark_book(snapshot: Snapshot, settings: EngineSettings) -> MarkedBook:
    """Value every position of `snapshot`: marks by D1, sigmas by D7, models by D8.

    Nothing raises for a value: what is unknown is NaN in its row and named in `left_out`.
    """
    return _Marking(snapshot, settings).book()


@dataclass(slots=True)
class _Row:
    """One position on its way to a valuation."""

    position: Position
    underlying: Underlying | None
    model: Model
    tau: float = math.nan
    rate: float = math.nan
    spot: float = math.nan
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


class _Marking:
    """The steps of `mark_book`, sharing one Snapshot and one list of rows."""

    def __init__(self, snapshot: Snapshot, settings: EngineSettings) -> None:
        self.snapshot = snapshot
        self.settings = settings
        self.flags: list[Remark] = []
        self.rows = [self._row(position) for position in snapshot.positions]

    def book(self) -> MarkedBook:
        self._imply_sigmas()
        surfaces = self._surfaces()
        self._borrow(surfaces)
        for row in self.rows:
            if row.contract.is_option and math.isnan(row.sigma):
                self._fall_back(row, surfaces.get(row.contract.underlying))
        return self._valued(surfaces)

    def _row(self, position: Position) -> _Row:
        contract = position.contract
        underlying = self.snapshot.underlyings.get(contract.underlying)
        mark, source = market_mark(position)
        row = _Row(position, underlying, Model.LINEAR, mark=mark, mark_source=source)
        if not contract.is_option:
            return self._linear(row)
        assert underlying is not None and contract.strike is not None and contract.expiry is not None
        instant = expiry_instant(contract)
        assert instant is not None
        row.tau = (instant - self.snapshot.as_of).total_seconds() / SECONDS_A_YEAR
        row.rate = self._rate(contract.currency, row.tau)
        row.spot = _positive(underlying.spot)
        if math.isnan(row.spot):
            row.why_not = f"no price for its underlying {underlying.symbol}"
        self._choose_model(row, underlying)
        return row

    def _linear(self, row: _Row) -> _Row:
        """A position whose value is its own price: its mark, else the underlying's spot, of a currency its exchange rate."""
        contract, underlying = row.contract, row.underlying
        if (
            math.isnan(row.mark)
            and contract.kind is Kind.CASH
            and contract.currency == self.snapshot.base_currency
        ):
            row.mark, row.mark_source = _positive(self.snapshot.fx.get(contract.symbol)), MarkSource.BROKER
        if math.isnan(row.mark) and underlying is not None and contract.kind not in UNSHOCKED_KINDS:
            forward = underlying.forwards.get(contract.expiry) if contract.expiry else underlying.spot
            row.mark, row.mark_source = _positive(forward), MarkSource.MODEL
        if math.isnan(row.mark):
            row.mark_source, row.why_not = None, "no price"
        row.spot = row.mark
        return row

    def _rate(self, currency: str, tau: float) -> float:
        curve = self.snapshot.rates.get(currency)
        return float(rate_at(curve, tau)) if curve else self.settings.data.risk_free_rate

    def _choose_model(self, row: _Row, underlying: Underlying) -> None:
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

    def _forward(self, row: _Row, underlying: Underlying) -> float:
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

    def _yield(self, row: _Row, underlying: Underlying) -> float:
        """The yield that carries spot to the forward of the expiry; the underlying's own where neither forward nor pair is
        known."""
        assert row.contract.expiry is not None
        forward = underlying.forwards.get(row.contract.expiry) or self._parity_forward(row)
        if forward is None:
            self._flag(row, "no forward for its expiry; carried from rate and yield")
        if forward is None or not row.tau > 0.0 or math.isnan(row.spot):
            return underlying.dividend_yield
        return row.rate - math.log(forward / row.spot) / row.tau

    def _parity_forward(self, row: _Row) -> float | None:
        """F = K + (C - P) e^(r tau), the median over the strikes whose put and call are both quoted."""
        contract = row.contract
        sides: dict[float, dict[Right, float]] = defaultdict(dict)
        for other in self.snapshot.positions:
            held = other.contract
            same = (held.underlying, held.expiry, held.settlement) == (
                contract.underlying,
                contract.expiry,
                contract.settlement,
            )
            middle = sane_mid(other, TIGHT)
            if (
                held.is_option
                and same
                and middle is not None
                and held.strike is not None
                and held.right is not None
            ):
                sides[held.strike][held.right] = middle
        forwards = [
            strike + (pair[Right.CALL] - pair[Right.PUT]) * math.exp(row.rate * row.tau)
            for strike, pair in sides.items()
            if len(pair) == 2
        ]
        usable = [forward for forward in forwards if forward > 0.0]
        return median(usable) if usable else None

    def _dividends(self, underlying: Underlying, tau: float) -> tuple[tuple[float, float], ...]:
        """(years from now, amount) of what goes ex before the expiry."""
        dated = ((self._years_to(item.ex_date), item.amount) for item in underlying.dividends)
        return tuple(sorted((years, amount) for years, amount in dated if 0.0 < years < tau and amount > 0.0))

    def _years_to(self, day: date) -> float:
        return (datetime.combine(day, OPEN, NEW_YORK) - self.snapshot.as_of).total_seconds() / SECONDS_A_YEAR

    def _imply_sigmas(self) -> None:
        """Sigmas as given, and those that the marks give where quote and spot belong together and time value identifies one."""
        for row in self.rows:
            if row.contract.is_option and row.position.iv is not None:
                row.sigma, row.iv_source = row.position.iv, row.position.iv_source or IvSource.GIVEN
        self._find_floors()
        solvable = [row for row in self.rows if self._solvable(row)]
        if not solvable:
            return
        solved = implied_volatility(_columns(solvable), np.array([row.mark for row in solvable]))
        for row, sigma in zip(solvable, solved.sigma.tolist(), strict=True):
            if not math.isnan(sigma) and 0.0 < sigma <= self.settings.scenarios.iv_cap:
                row.sigma, row.iv_source = sigma, IvSource.MARK

    def _find_floors(self) -> None:
        """What each option would be worth without volatility: intrinsic value, discounted and carried as its model does."""
        options = [row for row in self.rows if row.contract.is_option]
        if options:
            still = replace(_columns(options), sigma=np.zeros(len(options)))
            for row, floor in zip(options, price(still).tolist(), strict=True):
                row.floor = floor

    def _solvable(self, row: _Row) -> bool:
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

    def _together(self, row: _Row) -> bool:
        """At most 5 s between quote and spot, or both of a closed market; a time that is not given is the Snapshot's own."""
        underlying = row.underlying
        assert underlying is not None
        if row.position.data in CLOSED_MODES and underlying.data in CLOSED_MODES:
            return True
        quote_at = row.position.as_of or self.snapshot.as_of
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

    def _smile(self, row: _Row, known: Surface | None) -> float | None:
        """What the underlying's other options say of this strike and expiry."""
        if known is None or math.isnan(row.spot) or row.contract.strike is None:
            return None
        return known.sigma(row.tau, math.log(row.contract.strike / row.spot))

    def _fall_back(self, row: _Row, known: Surface | None) -> None:
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
            surfaces=surfaces,
            left_out=tuple(
                self._why_not(row) for row, known in zip(self.rows, valued, strict=True) if not known
            ),
            flagged=tuple(self.flags) + self._old_sigmas(),
        )

    def _fx(self, row: _Row) -> float:
        """Value of one unit of the position's currency in the base currency; NaN where the account does not say."""
        currency = row.contract.currency
        return 1.0 if currency == self.snapshot.base_currency else _positive(self.snapshot.fx.get(currency))

    def _why_not(self, row: _Row) -> Remark:
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

    def _flag(self, row: _Row, reason: str) -> None:
        self.flags.append(Remark(row.position.id, reason))


def market_mark(position: Position) -> tuple[float, MarkSource | None]:
    """The mark that the market gives, and which one it is (D1); NaN and None where there is none."""
    candidates = (
        (MarkSource.GIVEN, position.mark),
        (MarkSource.QUOTE, sane_mid(position)),
        (MarkSource.BROKER, position.broker.mark),
        (MarkSource.LAST, position.last),
    )
    may_be_negative = position.contract.kind is Kind.FUTURE
    for source, said in candidates:
        if said is None or not math.isfinite(said) or said in SENTINELS:
            continue
        if said > 0.0 or may_be_negative or (said == 0.0 and source is MarkSource.GIVEN):
            return said, source
    return math.nan, None


def sane_mid(position: Position, widest: float = 1.0) -> float | None:
    """The middle of bid and ask where they can be a market, else None. A bid of 0 is a bid.

    They can when 0 <= bid <= ask and they are at most `widest` times their middle apart, or 0.25 for what costs next to nothing.
    """
    bid, ask = position.bid, position.ask
    if bid is None or ask is None or not 0.0 <= bid <= ask or ask <= 0.0:
        return None
    too_wide = ask - bid > max(WIDEST_ALWAYS_SANE, widest * (bid + ask) / 2.0)
    return None if too_wide else (bid + ask) / 2.0


def _identified(row: _Row) -> bool:
    """Whether the mark holds enough time value to tell a volatility: always out of the money, in the money over 0.1 % of
    spot."""
    return row.floor <= 0.0 or row.mark - row.floor > IDENTIFIED_ABOVE * row.spot


def _columns(rows: Iterable[_Row]) -> Contracts:
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


def _strike_key(row: _Row) -> tuple[object, ...]:
    contract = row.contract
    return contract.underlying, contract.expiry, contract.strike, contract.settlement


def _broker_iv(position: Position) -> float | None:
    iv = position.broker.iv
    return iv if iv is not None and 0.0 < iv < math.inf else None


def _future_entry(position: Position) -> float:
    """A future is worth its variation since entry, everything else its price."""
    return position.entry_price or 0.0 if position.contract.kind is Kind.FUTURE else 0.0


def _positive(value: float | None) -> float:
    return value if value is not None and 0.0 < value < math.inf else math.nan


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
