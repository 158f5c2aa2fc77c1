"""Two Snapshots over the same positions in the same order, valued: at the start, at the start's market but the later time, and
at the end.

What is held in one only stands in the other as a ghost: without a quote, at its last volatility, so that what was sold or
expired has a later value by the model.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from engine.explained import Trade
from engine.marks import MarkedBook, mark_book
from engine.model import (
    NO_BROKER_VIEW,
    Contract,
    DataMode,
    Floats,
    Kind,
    Position,
    Settlement,
    Snapshot,
    Underlying,
)
from engine.risk.metrics import known
from engine.settings import EngineSettings

LAST_TRADING_BEFORE = timedelta(days=5)
"""A fill of an AM-settled option has its last trading day for an expiry, so many days before the settlement at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """n positions from one Snapshot to the next, as columns.

    Attributes:
        before, after: the two books; aged: the first market at the second time.
        held_before, held_after: (n,) quantities, 0 where it is not in that Snapshot.
        unit: (n,) the multiplier. fx_before, fx_after: (n,) base currency per unit of its own; NaN where unknown.
        entry: (n,) what a future's value counts from, 0 for all else.
        trades: (n,) the fills of each position between the two, oldest first.
    """

    earlier: Snapshot
    later: Snapshot
    positions: tuple[Position, ...]
    before: MarkedBook
    aged: MarkedBook
    after: MarkedBook
    held_before: Floats
    held_after: Floats
    unit: Floats
    fx_before: Floats
    fx_after: Floats
    entry: Floats
    trades: tuple[tuple[Trade, ...], ...]

    def __len__(self) -> int:
        return len(self.positions)


def period(earlier: Snapshot, later: Snapshot, trades: Iterable[Trade], settings: EngineSettings) -> Period:
    """Both Snapshots side by side; fills outside of the time between them are not looked at."""
    start, end = _by_id(earlier), _by_id(later)
    start = {_apart(id_, one, end): one for id_, one in start.items()}
    held = {**start, **{id_: one for id_, one in end.items() if id_ not in start}}
    fills: dict[str, list[Trade]] = {}
    for trade in sorted(trades, key=lambda one: one.at):
        if earlier.as_of < trade.at <= later.as_of:
            id_ = next((known for known, one in held.items() if _is_of(trade, one)), None)
            if id_ is None:
                id_ = f"{trade.account or ''}:{trade.contract.label}".removeprefix(":")
                held[id_] = Position(id_, trade.contract, 1.0, trade.account)
            fills.setdefault(id_, []).append(trade)
    ids = list(held)
    first = [start.get(id_) or _ghost(held[id_], id_) for id_ in ids]
    before = mark_book(_holding(earlier, first, later.underlyings), settings)
    sigma = before.contracts.sigma.tolist()
    last = [end.get(id_) or _ghost(held[id_], id_, s) for id_, s in zip(ids, sigma, strict=True)]
    after = mark_book(_holding(later, last, earlier.underlyings), settings)
    # With marks and volatilities given nothing is solved anew: of the aged book its contracts alone are looked at.
    still = [
        replace(one, mark=known(mark), iv=known(s))
        for one, mark, s in zip(before.snapshot.positions, before.mark.tolist(), sigma, strict=True)
    ]
    aged = mark_book(replace(before.snapshot, as_of=later.as_of, positions=tuple(still)), settings)
    currencies = [one.contract.currency for one in last]
    return Period(
        earlier=earlier,
        later=later,
        positions=tuple(replace(held[id_], id=id_) for id_ in ids),
        before=before,
        aged=aged,
        after=after,
        held_before=np.array([start[id_].quantity if id_ in start else 0.0 for id_ in ids]),
        held_after=np.array([end[id_].quantity if id_ in end else 0.0 for id_ in ids]),
        unit=np.array([one.contract.multiplier for one in last]),
        fx_before=np.array([exchange_rate(earlier, currency) for currency in currencies]),
        fx_after=np.array([exchange_rate(later, currency) for currency in currencies]),
        entry=np.array([_entry(held[id_]) for id_ in ids]),
        trades=tuple(tuple(fills.get(id_, ())) for id_ in ids),
    )


def exchange_rate(snapshot: Snapshot, currency: str) -> float:
    """Base currency for one unit of `currency`; NaN where the Snapshot does not say."""
    if currency == snapshot.base_currency:
        return 1.0
    rate = snapshot.fx.get(currency)
    return rate if rate is not None and 0.0 < rate < math.inf else math.nan


def same_contract(one: Contract, other: Contract) -> bool:
    """Whether two descriptions are of one contract: how it is exercised and what kind of stock it is may be left unsaid."""
    alike = (one.symbol, one.underlying, one.currency, one.multiplier, one.strike, one.right, one.is_option) == (
        other.symbol, other.underlying, other.currency, other.multiplier, other.strike, other.right, other.is_option,
    )  # fmt: skip
    return alike and _same_expiry(one, other)


def _same_expiry(one: Contract, other: Contract) -> bool:
    if one.expiry == other.expiry:
        return True
    if one.expiry is None or other.expiry is None or one.settlement is not Settlement.AM:
        return False
    return one.settlement is other.settlement and abs(one.expiry - other.expiry) <= LAST_TRADING_BEFORE


def _is_of(trade: Trade, position: Position) -> bool:
    whose = trade.account is None or position.account is None or trade.account == position.account
    return whose and same_contract(trade.contract, position.contract)


def _by_id(snapshot: Snapshot) -> dict[str, Position]:
    return {position.id: position for position in snapshot.positions}


def _apart(id_: str, one: Position, end: Mapping[str, Position]) -> str:
    """Another id for what the later Snapshot calls something else by: it is gone, and the other is new."""
    namesake = end.get(id_)
    return id_ if namesake is None or same_contract(one.contract, namesake.contract) else f"{id_} (earlier)"


def _ghost(position: Position, id_: str, sigma: float = math.nan) -> Position:
    return replace(
        position,
        id=id_,
        bid=None,
        ask=None,
        last=None,
        mark=None,
        iv=None,
        iv_source=None,
        last_good_iv=known(sigma),
        data=DataMode.LIVE,
        broker=NO_BROKER_VIEW,
        as_of=None,
        quote_spot=None,
        broker_as_of=None,
    )


def _holding(snapshot: Snapshot, positions: Sequence[Position], others: Mapping[str, Underlying]) -> Snapshot:
    """The Snapshot with these positions; an underlying that only the other Snapshot knows is there without a price."""
    underlyings = dict(snapshot.underlyings)
    for position in positions:
        name, kind = position.contract.underlying, position.contract.kind
        if name not in underlyings:
            known = others.get(name) or Underlying(
                name, Kind.OTHER if position.contract.is_option else kind, None
            )
            underlyings[name] = replace(known, spot=None, iv30=None, forwards={})
    return replace(snapshot, positions=tuple(positions), underlyings=underlyings)


def _entry(position: Position) -> float:
    return position.entry_price or 0.0 if position.contract.kind is Kind.FUTURE else 0.0
