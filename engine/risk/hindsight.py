"""What yesterday's book would have made until today, had nobody traded: the P&L that a stored Value at Risk is judged by.

The positions are yesterday's. Each is worth what today's market says of that contract, or, where it is not held any more, what
the model says with today's underlying and its own volatility, moved as its underlying's month was. What can't be valued is
named, and then the whole has no P&L: a day without a verdict, never a day without an exception (D10).
"""

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from engine.marks import MarkedBook, days_to_expiry, ex_instant, expiry_instant, mark_book
from engine.model import (
    NO_BROKER_VIEW,
    SHARES,
    Contract,
    Floats,
    Kind,
    MarkSource,
    Position,
    Settlement,
    Snapshot,
    Underlying,
)
from engine.results import Remark, RiskReport, TailDay
from engine.risk.metrics import total
from engine.risk.moves import term_scale
from engine.settings import EngineSettings

UNWATCHED_OLD_AFTER: Final = timedelta(minutes=30)
"""Nobody asks for the price of what is not held: an older one is not the close."""
LEAP: Final = 0.3
"""Size of a log return that may be a split where the holding changed too."""
MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Hindsight:
    """The P&L of the old positions.

    Attributes:
        pnl: (n,), base currency, in the order of the old positions; NaN where unknown or left out.
        total: None where one that counts is unknown, or none counts.
        unknown: those that count and can't be valued, and why.
        modelled: ids of those that the model valued.
    """

    pnl: Floats
    total: float | None
    unknown: tuple[Remark, ...]
    modelled: tuple[str, ...]


def hindsight(
    then: Snapshot, now: Snapshot, settings: EngineSettings, without: frozenset[str] = frozenset()
) -> Hindsight:
    """What the positions of `then` made until `now`; those in `without`, and those that had no value then, do not count."""
    old = mark_book(then, settings)
    counts = old.valued & np.array([one.id not in without for one in then.positions], dtype=np.bool_)
    today = _Today(old, now, settings)
    held = mark_book(replace(now, positions=today.positions), settings)
    n = len(then.positions)
    reasons = [today.why_not(i, held) if counts[i] else None for i in range(n)]
    is_future = np.array([one.contract.kind is Kind.FUTURE for one in then.positions], dtype=np.bool_)
    scale, mark = held.scale[:n], held.mark[:n]
    # a future's variation up to yesterday has been paid at yesterday's exchange rate
    before = np.where(is_future, scale, old.scale) * old.mark
    pnl = scale * (mark + today.dividends()) - before
    known = counts & np.array([reason is None for reason in reasons], dtype=np.bool_)
    pnl = np.where(known, pnl, np.nan)
    whole = counts.any() and bool(np.isfinite(pnl[counts]).all())
    return Hindsight(
        pnl=pnl,
        total=float(pnl[counts].sum()) if whole else None,
        unknown=tuple(
            Remark(one.id, reason)
            for one, reason in zip(then.positions, reasons, strict=True)
            if reason is not None
        ),
        modelled=tuple(
            one.id
            for i, one in enumerate(then.positions)
            if known[i] and one.contract.is_option and held.mark_source[i] is MarkSource.MODEL
        ),
    )


class _Today:
    """Yesterday's positions with what is known of their contracts today; the rest of today's book follows them, for its forwards
    and smiles."""

    def __init__(self, old: MarkedBook, now: Snapshot, settings: EngineSettings) -> None:
        self.old, self.then, self.now = old, old.snapshot, now
        self.settings = settings
        self.by_id = {one.id: one for one in now.positions}
        self.by_contract = {one.contract: one for one in reversed(now.positions)}
        self.watched = {one.contract.underlying for one in now.positions}
        own = [self._position(i, one) for i, one in enumerate(self.then.positions)]
        held = {one.contract for one in own}
        others = [one for one in now.positions if one.contract not in held]
        self.positions = (*own, *others)

    def _position(self, i: int, before: Position) -> Position:
        """The old holding with today's quotes, or with none."""
        bare = Position(
            before.id, before.contract, before.quantity, before.account, last_good_iv=self._sigma(i)
        )
        found = self.by_id.get(before.id)
        if found is None or found.contract != before.contract:
            found = self.by_contract.get(before.contract)
        if found is None or self._expired(before.contract):
            return bare
        own_iv = found.last_good_iv or bare.last_good_iv
        held = replace(
            found, id=before.id, quantity=before.quantity, account=before.account, last_good_iv=own_iv
        )
        if held.broker_as_of is not None and held.broker_as_of <= self.then.as_of:
            held = replace(held, broker=NO_BROKER_VIEW)
        old = held.as_of is not None and held.as_of <= self.then.as_of
        return replace(held, bid=None, ask=None, last=None) if old else held

    def _sigma(self, i: int) -> float | None:
        """The old volatility, moved by what its underlying's month did (as for Value at Risk)."""
        contract, sigma = self.then.positions[i].contract, float(self.old.contracts.sigma[i])
        if not contract.is_option or not math.isfinite(sigma):
            return None
        before, after = (self._underlying(one, contract).iv30 for one in (self.then, self.now))
        if not before or not after or contract.underlying in self.settings.scenarios.volatility_indices:
            return sigma
        return float(sigma * (after / before) ** term_scale(float(self.old.dte[i])))

    def _expired(self, contract: Contract) -> bool:
        instant = expiry_instant(contract)
        return contract.is_option and instant is not None and instant <= self.now.as_of

    def why_not(self, i: int, held: MarkedBook) -> str | None:
        """Why the old position has no value today; None where it has one."""
        contract = self.then.positions[i].contract
        if self.then.base_currency != self.now.base_currency:
            return f"the account's currency was {self.then.base_currency}"
        left = days_to_expiry(contract, self.now.as_of)
        if self._expired(contract) and (left != 0 or contract.settlement is Settlement.AM):
            return "it has expired, at a price that is not known"
        if not held.valued[i]:
            named = {remark.id: remark.reason for remark in held.left_out}
            return named.get(self.then.positions[i].id, "its price is unknown")
        if held.mark_source[i] in {MarkSource.MODEL, MarkSource.CARRIED} and not self._is_of_today(contract):
            return f"no price of {contract.underlying} since then"
        return self._leapt(contract)

    def _is_of_today(self, contract: Contract) -> bool:
        """Whether the underlying's price is of after the old Snapshot, and, where nobody asks for it, is the close's."""
        at = self._underlying(self.now, contract).spot_as_of
        if at is None:
            return True
        recent = self.now.as_of - at <= UNWATCHED_OLD_AFTER
        return at > self.then.as_of and (recent or contract.underlying in self.watched)

    def _underlying(self, snapshot: Snapshot, contract: Contract) -> Underlying:
        return snapshot.underlyings.get(
            contract.underlying, Underlying(contract.underlying, contract.kind, None)
        )

    def _leapt(self, contract: Contract) -> str | None:
        """That the price changed as by a split, where the holding did not stay as it was."""
        spots = [self._underlying(one, contract).spot for one in (self.then, self.now)]
        if not spots[0] or not spots[1] or abs(math.log(spots[1] / spots[0])) <= LEAP:
            return None
        if _quantity(self.then, contract) == _quantity(self.now, contract):
            return None
        move = 100.0 * (spots[1] / spots[0] - 1.0)
        return f"{contract.underlying} moved by {move:+.0f} % and the holding changed: a split?"

    def dividends(self) -> Floats:
        """(n,): what a share has paid since, per share in its currency; it has left its price."""
        paid = np.zeros(len(self.then.positions))
        for i, one in enumerate(self.then.positions):
            if one.contract.kind in SHARES:
                said = {
                    dividend.ex_date: dividend.amount
                    for snapshot in (self.then, self.now)  # what is said later wins
                    for dividend in self._underlying(snapshot, one.contract).dividends
                }
                paid[i] = sum(
                    amount
                    for ex_date, amount in said.items()
                    if self.then.as_of < ex_instant(ex_date) <= self.now.as_of
                )
        return paid


def _quantity(snapshot: Snapshot, contract: Contract) -> float:
    return sum(one.quantity for one in snapshot.positions if one.contract == contract)


def tail_day(report: RiskReport, day: date) -> TailDay:
    """The Value at Risk of a report, to be kept as that of the close of `day`."""
    remarks = (*report.quality.left_out, *report.tail.left_out)
    values = np.array([math.nan if one.value is None else one.value for one in report.positions])
    return TailDay(
        day=day,
        as_of=report.as_of,
        figures=report.tail.figures,
        net_liquidation=report.net_liquidation,
        value=total(values),
        left_out=tuple(dict.fromkeys(remark.id for remark in remarks)),
    )


def settled(
    before: TailDay,
    then: Snapshot | None,
    now: Snapshot,
    until: date,
    sessions: int,
    settings: EngineSettings,
) -> TailDay:
    """A stored day with what its book made until the close of `until`, `sessions` trading days later.

    `then` is the Snapshot that its figures are of. A Value at Risk of one day is judged by one: over more there is no P&L.
    """
    change = None
    if before.net_liquidation is not None and now.net_liquidation is not None:
        change = now.net_liquidation - before.net_liquidation
    if sessions != 1:
        words = f"the next day that was stored came {sessions} trading days later"
        return replace(before, until=until, pnl=None, change=None, remark=words)
    if then is None:
        words = "the Snapshot of that day is not stored any more"
        return replace(before, until=until, pnl=None, change=change, remark=words)
    found = hindsight(then, now, settings, frozenset(before.left_out))
    return replace(before, until=until, pnl=found.total, change=change, remark=_remark(found))


def _remark(found: Hindsight) -> str | None:
    if found.unknown:
        named = [f"{one.id}: {one.reason}" for one in found.unknown[:MOST_NAMED]]
        more = len(found.unknown) - len(named)
        return f"not valued: {'; '.join(named)}{f' and {more} more' if more else ''}"
    if found.total is None:
        return "no position counts"
    return f"{len(found.modelled)} valued by the model" if found.modelled else None
