"""What came and went between two Snapshots beside price: fills, fees, dividends paid, expiries, deliveries, and quantities that
changed without a known trade.

An option that expired is settled at its intrinsic value at the later spot. Shares that came or went by just what the expired
options deliver came at the strike, and what that settlement was worth is taken from them. Fills count at the later exchange
rate.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from typing import Final

from engine.explained import Trade
from engine.marks import ex_instant, expiry_instant
from engine.model import SHARES, Kind, Position, Right
from engine.results import Remark
from engine.risk.period import Period, exchange_rate

NOTHING: Final = 1e-9
"""Quantities, as a share of what is held, below which nothing is left."""
MOST_DELIVERING: Final = 12
"""Expired options of one underlying among which those that delivered are looked for."""


@dataclass(slots=True)
class Flow:
    """What came and went of one position, base currency unless said; `why_not` is set where it is in no sum.

    Attributes:
        price: its later price per unit, the instrument's currency; fx: the later exchange rate.
        modelled: it was held, and both its prices are the books'.
        traded, settled, changed: quantities that fills, expiry and nobody knows what account for.
        trades: P&L of fills and deliveries. cash: what all of it paid or cost.
    """

    price: float
    fx: float
    modelled: bool
    traded: float
    settled: float = 0.0
    changed: float = 0.0
    trades: float = 0.0
    fees: float = 0.0
    dividends: float = 0.0
    cash: float = 0.0
    closed_unseen: bool = False
    why_not: str | None = None
    remarks: list[str] = field(default_factory=list)


def flows(period: Period, unclear: Iterable[str] = ()) -> tuple[list[Flow], tuple[str, ...]]:
    """The flow of each position, and what holds for all. Positions on an `unclear` underlying are in no sum."""
    found = [_flow(period, i) for i in range(len(period))]
    for i, flow in enumerate(found):
        if period.positions[i].contract.underlying in set(unclear):
            flow.why_not = "its underlying split and was traded in between: whose shares are whose is unknown"
    _deliver(period, found)
    untold = 0
    for i, flow in enumerate(found):
        if flow.why_not is None:
            untold += _book(period, i, flow)
    notes = [f"fills whose commission is not known: {untold}"] if untold else []
    return found, tuple(notes)


def _flow(period: Period, i: int) -> Flow:
    """Quantities, and which later price they have."""
    held, later = float(period.held_before[i]), float(period.held_after[i])
    traded = sum(trade.quantity for trade in period.trades[i])
    rest = held + traded
    gone = later == 0.0 and abs(rest) > NOTHING * max(abs(held), 1.0)
    seen = bool(period.after.valued[i])
    price = float(period.after.mark[i]) if seen else math.nan
    flow = Flow(price, float(period.fx_after[i]), held != 0.0 and seen, traded)
    if held != 0.0 and not period.before.valued[i]:
        flow.why_not = f"earlier: {_reason(period.before.left_out, period.before.snapshot.positions[i])}"
        return flow
    expired = gone and _expired(period, i)
    if not seen:
        _without_price(period, i, flow, gone=gone, expired=expired)
    if flow.why_not is None and math.isnan(flow.fx):
        flow.why_not = f"later: no exchange rate for {period.positions[i].contract.currency}"
    if expired and flow.why_not is None:
        _settle(period, i, flow, rest)
    else:
        flow.changed = later - rest if gone or later != 0.0 else 0.0
        if abs(flow.changed) <= NOTHING * max(abs(held), abs(later), 1.0):
            flow.changed = 0.0
    return flow


def _without_price(period: Period, i: int, flow: Flow, *, gone: bool, expired: bool) -> None:
    """Where the later book has no price: what is held then is left out; what was closed has that of its last fill."""
    position = period.positions[i]
    if period.held_after[i] != 0.0:
        flow.why_not = f"later: {_reason(period.after.left_out, period.after.snapshot.positions[i])}"
    elif expired and not _expired_before(period, position):
        flow.why_not = f"it expired, and the later snapshot has no price for {position.contract.underlying}"
    elif period.trades[i] and (not gone or period.held_before[i] == 0.0):
        flow.price, flow.closed_unseen = period.trades[i][-1].price, period.held_before[i] != 0.0
        if flow.closed_unseen:
            flow.remarks.append("closed; its later market is not known, so all of its P&L is under trades")
    else:
        flow.price = float(period.before.mark[i])
        flow.fx = float(period.fx_before[i]) if math.isnan(flow.fx) else flow.fx


def _expired(period: Period, i: int) -> bool:
    instant = expiry_instant(period.positions[i].contract)
    return instant is not None and instant <= period.later.as_of


def _expired_before(period: Period, position: Position) -> bool:
    instant = expiry_instant(position.contract)
    return instant is not None and instant <= period.earlier.as_of


def _settle(period: Period, i: int, flow: Flow, rest: float) -> None:
    flow.settled = rest
    if _expired_before(period, period.positions[i]):
        flow.price, flow.modelled = float(period.before.mark[i]), False
        flow.remarks.append("had expired before; gone at its earlier mark")
    else:
        kind = (
            "its intrinsic value at the later spot" if period.positions[i].contract.is_option else "its price"
        )
        flow.remarks.append(f"expired: settled at {flow.price:,.2f}, {kind}")


def _deliver(period: Period, found: list[Flow]) -> None:
    """Shares that expired options of their account delivered: by fills at the strike, or else by what changed unseen, when all
    that ended in the money sum to it, else whichever do."""
    for i, flow in enumerate(found):
        shares = period.positions[i]
        if flow.why_not is not None or shares.contract.kind not in SHARES:
            continue
        expired = [
            j
            for j, other in enumerate(found)
            if other.settled != 0.0 and other.why_not is None and _delivers(period.positions[j], shares)
        ][:MOST_DELIVERING]
        by_fill = [j for j in expired if _filled_at_strike(period, i, j, found[j])]
        for j in by_fill:
            _take_settlement(period, flow, j, found[j])
        chosen = _that_sum_to(flow.changed, [j for j in expired if j not in by_fill], period, found)
        for j in chosen:
            strike, delivered = _strike(period, j), _shares_of(period, j, found[j])
            flow.trades += delivered * (flow.price - strike) * flow.fx
            flow.cash -= delivered * strike * flow.fx
            _take_settlement(period, flow, j, found[j])
        flow.changed = 0.0 if chosen else flow.changed


def _take_settlement(period: Period, flow: Flow, j: int, option: Flow) -> None:
    """The shares came at the strike: what the option was settled at in cash is not paid as well."""
    worth = option.settled * float(period.unit[j]) * option.price * flow.fx
    flow.trades -= worth
    flow.cash -= worth
    delivered = _shares_of(period, j, option)
    flow.remarks.append(
        f"{delivered:+g} by the expiry of {period.positions[j].contract.label}, at its strike"
    )


def _filled_at_strike(period: Period, i: int, j: int, option: Flow) -> bool:
    delivered, strike = _shares_of(period, j, option), _strike(period, j)
    return option.price > 0.0 and any(
        math.isclose(fill.quantity, delivered) and math.isclose(fill.price, strike)
        for fill in period.trades[i]
    )


def _strike(period: Period, j: int) -> float:
    return period.positions[j].contract.strike or 0.0


def _delivers(option: Position, shares: Position) -> bool:
    contract = option.contract
    return (
        contract.kind is Kind.OPTION
        and contract.underlying == shares.contract.symbol
        and contract.currency == shares.contract.currency
        and option.account == shares.account
    )


def _shares_of(period: Period, j: int, flow: Flow) -> float:
    side = 1.0 if period.positions[j].contract.right is Right.CALL else -1.0
    return side * flow.settled * float(period.unit[j])


def _that_sum_to(wanted: float, expired: list[int], period: Period, found: list[Flow]) -> tuple[int, ...]:
    if wanted == 0.0:
        return ()
    in_the_money = tuple(j for j in expired if found[j].price > 0.0)
    others = (some for size in range(1, len(expired) + 1) for some in combinations(expired, size))
    for some in (in_the_money, *others):
        if some and abs(sum(_shares_of(period, j, found[j]) for j in some) - wanted) <= NOTHING * abs(wanted):
            return some
    return ()


def _book(period: Period, i: int, flow: Flow) -> int:
    """Enter fills, fees, settlement and dividends; returns how many commissions are not told."""
    unit, entry = float(period.unit[i]), float(period.entry[i])
    untold = 0
    for trade in period.trades[i]:
        flow.trades += trade.quantity * unit * (flow.price - trade.price) * flow.fx
        flow.cash -= trade.quantity * unit * (trade.price - entry) * flow.fx
        fee = _fee(period, trade)
        untold += math.isnan(fee)
        flow.fees -= 0.0 if math.isnan(fee) else fee
    flow.dividends = _dividends(period, i) * unit * flow.fx
    flow.cash += flow.settled * unit * (flow.price - entry) * flow.fx + flow.fees + flow.dividends
    if flow.changed != 0.0:
        flow.remarks.append(f"position changed without a known trade: {flow.changed:+g}")
    return untold


def _fee(period: Period, trade: Trade) -> float:
    """In base currency; NaN where it is not told."""
    if trade.commission is None:
        return math.nan
    return trade.commission * exchange_rate(
        period.later, trade.commission_currency or trade.contract.currency
    )


def _dividends(period: Period, i: int) -> float:
    """Per unit of multiplier, in the instrument's currency: what went ex on the shares that were held then."""
    position = period.positions[i]
    if position.contract.kind not in SHARES:
        return 0.0
    paid: dict[date, float] = {}
    for snapshot in (period.before.snapshot, period.after.snapshot):
        known = snapshot.underlyings.get(position.contract.underlying)
        paid |= {} if known is None else {one.ex_date: one.amount for one in known.dividends}
    total = 0.0
    for day, amount in paid.items():
        instant = ex_instant(day)
        if period.earlier.as_of < instant <= period.later.as_of:
            held = float(period.held_before[i]) + sum(t.quantity for t in period.trades[i] if t.at < instant)
            total += held * amount
    return total


def _reason(left_out: Iterable[Remark], position: Position) -> str:
    return next((remark.reason for remark in left_out if remark.id == position.id), "it can't be valued")
