"""What the calendar means for the positions held: each finding names position, event, date and why it matters. Pure.

Nothing is left out because a number is missing: where a price, a volatility or an hour is unknown the finding says so, and a
reader judges.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from engine.calendar.coming import BOOK, coming, earnings_unknown
from engine.calendar.days import NEW_YORK, OPEN, day_of, new_york, sessions_until
from engine.calendar.expirations import Series, last_trading_day, series_of, stops_at
from engine.model import (
    MARKET,
    SHARES,
    Contract,
    Event,
    EventKind,
    Exercise,
    Impact,
    Position,
    Right,
    Settlement,
    Snapshot,
    Underlying,
)
from engine.results import PositionRisk

EARNINGS_AHEAD_DAYS: Final = 30
SOON_SESSIONS: Final = 5
NEAR_SESSIONS: Final = 2
LOOK_AHEAD_DAYS: Final = 366
TRADING_DAYS_A_YEAR: Final = 252.0
PIN_WITHIN: Final = 0.5
"""Of a daily sigma."""
MAJOR: Final = frozenset({EventKind.FOMC, EventKind.ECONOMIC, EventKind.EARNINGS})


class FindingKind(StrEnum):
    """What there is to know, the most pressing first."""

    EXPIRES_TODAY = "expires today"
    PIN = "pin risk"
    ASSIGNMENT = "early assignment"
    SOON = "coming up"
    WEEKLY = "weekly near a major event"
    EARNINGS_INSIDE = "earnings inside expiration"
    EARNINGS = "earnings within 30 days"
    EARNINGS_UNKNOWN = "earnings date unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know.

    Attributes:
        position: the position's id; None for what concerns no single one.
        label: the position or underlying, as people write it; empty for the market.
        event: what it is called.
        day: its date in New York; None where nobody knows it.
        sessions: the n of T+n, trading days from the Snapshot's date to `day`.
        why: why it matters, a sentence without its full stop.
        at: the event's instant, UTC; None where nobody knows it.
        estimated: the date is not confirmed.
    """

    kind: FindingKind
    position: str | None
    label: str
    event: str
    day: date | None
    sessions: int | None
    why: str
    at: datetime | None = None
    estimated: bool = False


def detect(snapshot: Snapshot, valued: Sequence[PositionRisk]) -> tuple[Finding, ...]:
    """Everything to know of this book and its calendar, the most pressing first.

    Args:
        snapshot: what is held, and its events.
        valued: the same positions, valued, as `analyse` gives them.
    """
    priced = {one.id: one for one in valued}
    found = [
        *expiring_today(snapshot),
        *pin_risk(snapshot, priced),
        *early_assignment(snapshot, priced),
        *due(snapshot),
        *weeklies_near_events(snapshot),
        *earnings_inside_expiration(snapshot),
        *earnings_ahead(snapshot),
        *no_earnings_date(snapshot),
    ]
    order = list(FindingKind)
    latest = date.max
    return tuple(sorted(found, key=lambda one: (order.index(one.kind), one.day or latest, one.label)))


def expiring_today(snapshot: Snapshot) -> Iterator[Finding]:
    """Options that stop today, or that can be traded today for the last time."""
    today = day_of(snapshot.as_of)
    for position, contract in _options(snapshot):
        stops = stops_at(contract)
        assert stops is not None and contract.expiry is not None
        if contract.expiry == today and stops > snapshot.as_of:
            why = f"it stops at {_clock(stops)} New York"
            why += (
                "; it is settled at this morning's opening prices"
                if contract.settlement is Settlement.AM
                else ""
            )
            yield _of(FindingKind.EXPIRES_TODAY, position, "expiration", stops, snapshot, why)
        elif contract.settlement is Settlement.AM and last_trading_day(contract) == today:
            why = (
                f"today is its last day of trading; it is settled at the opening prices of {contract.expiry}"
            )
            yield _of(FindingKind.EXPIRES_TODAY, position, "last day of trading", stops, snapshot, why)


def pin_risk(snapshot: Snapshot, valued: Mapping[str, PositionRisk]) -> Iterator[Finding]:
    """Short options whose strike is within half a daily sigma of spot on their expiry day, before they stop.

    The sigma is the option's own, else the underlying's 30-day one; where there is none, or no spot, that is the finding.
    """
    today = day_of(snapshot.as_of)
    for position, contract in _options(snapshot):
        stops = stops_at(contract)
        if position.quantity >= 0.0 or contract.expiry != today or stops is None or stops <= snapshot.as_of:
            continue
        underlying = snapshot.underlyings.get(contract.underlying)
        spot = None if underlying is None else underlying.spot
        sigma = _sigma(position, valued, underlying)
        assert contract.strike is not None
        if spot is None or sigma is None:
            why = f"no {'price' if spot is None else 'volatility'} is known: whether it is near its strike can't be told"
        else:
            half = PIN_WITHIN * sigma / math.sqrt(TRADING_DAYS_A_YEAR) * spot
            if abs(spot - contract.strike) > half:
                continue
            why = f"spot {spot:,.2f} is within half a daily sigma ({half:,.2f}) of the strike; {_at_the_pin(underlying)}"
        yield _of(FindingKind.PIN, position, "expiration", stops, snapshot, why)


def early_assignment(snapshot: Snapshot, valued: Mapping[str, PositionRisk]) -> Iterator[Finding]:
    """Short calls in the money, of American exercise, before an ex-date that they outlive and whose dividend exceeds their
    time value: whoever holds them gains by exercising on the evening before."""
    today = day_of(snapshot.as_of)
    for position, contract in _options(snapshot):
        underlying = snapshot.underlyings.get(contract.underlying)
        if position.quantity >= 0.0 or contract.right is not Right.CALL or underlying is None:
            continue
        if not _american(contract, underlying) or contract.expiry is None or contract.strike is None:
            continue
        paid: dict[date, float] = {}
        for one in underlying.dividends:
            if today < one.ex_date <= contract.expiry:
                paid[one.ex_date] = paid.get(one.ex_date, 0.0) + one.amount
        ahead = sorted(paid.items())
        if not ahead or (underlying.spot is not None and underlying.spot <= contract.strike):
            continue
        ex_date, amount = ahead[0]
        known = valued.get(position.id)
        mark = None if known is None else known.mark
        if underlying.spot is None or mark is None or not math.isfinite(mark):
            missing = "price of its underlying" if underlying.spot is None else "mark"
            why = f"no {missing} is known: whether the dividend of {amount:g} exceeds its time value can't be told"
        else:
            time_value = max(mark - (underlying.spot - contract.strike), 0.0)
            exceeding = [(day, sum_) for day, sum_ in ahead if sum_ > time_value]
            if not exceeding:
                continue
            ex_date, amount = exceeding[0]
            why = f"in the money, and the dividend of {amount:g} exceeds its time value of {time_value:.2f}: exercise pays"
        yield _of(FindingKind.ASSIGNMENT, position, "ex-dividend", new_york(ex_date, OPEN), snapshot, why)


def due(snapshot: Snapshot, sessions: int = SOON_SESSIONS) -> Iterator[Finding]:
    """What falls on today (T+0) to T+`sessions`, of the market and of the symbols held."""
    for one in coming(snapshot, 4 * sessions + 7):
        if one.source == BOOK and day_of(one.at) == day_of(snapshot.as_of):
            continue  # each of them is a finding of its own
        count = sessions_until(day_of(snapshot.as_of), day_of(one.at))
        if count <= sessions:
            whose = "" if MARKET in one.symbols else ", ".join(one.symbols)
            yield _event(
                FindingKind.SOON, None, whose, one, snapshot, f"{_WHY[one.kind]}; {one.impact} impact"
            )


def weeklies_near_events(snapshot: Snapshot) -> Iterator[Finding]:
    """Options of a weekly or daily series that stop within two sessions after a high-impact event that touches them."""
    major = [
        one for one in coming(snapshot, LOOK_AHEAD_DAYS) if one.kind in MAJOR and one.impact is Impact.HIGH
    ]
    for position, contract in _options(snapshot):
        stops = stops_at(contract)
        assert stops is not None and contract.expiry is not None
        if series_of(contract.expiry, contract.underlying) not in {Series.WEEKLY, Series.DAILY}:
            continue
        for one in major:
            apart = sessions_until(day_of(one.at), contract.expiry)
            before = one.at < stops or (one.at == stops and one.timing is None)
            if one.touches(contract.underlying) and before and 0 <= apart <= NEAR_SESSIONS:
                left = "on the day" if apart == 0 else f"{apart} session{'' if apart == 1 else 's'} before"
                why = f"it comes {left} they expire: little time is left for spot to come back"
                yield _event(FindingKind.WEEKLY, position, position.contract.label, one, snapshot, why)


def earnings_inside_expiration(snapshot: Snapshot) -> Iterator[Finding]:
    """Options that stop after their underlying's next report, which is then in their price."""
    reports = _next_reports(snapshot, LOOK_AHEAD_DAYS)
    for position, contract in _options(snapshot):
        one, stops = reports.get(contract.underlying), stops_at(contract)
        if one is None or stops is None or contract.expiry is None:
            continue
        reported, days = day_of(one.at), (contract.expiry - day_of(one.at)).days
        if one.at < stops:
            why = f"it expires {days} d after the report: its volatility holds that move and falls after it"
        elif one.timing is None and reported == contract.expiry and contract.settlement is Settlement.PM:
            why = "it expires on the day of the report, whose hour is not known: the report may come first"
        else:
            continue
        yield _event(FindingKind.EARNINGS_INSIDE, position, contract.label, one, snapshot, why)


def earnings_ahead(snapshot: Snapshot, days: int = EARNINGS_AHEAD_DAYS) -> Iterator[Finding]:
    """Positions whose underlying reports within `days` calendar days."""
    reports = _next_reports(snapshot, days)
    for position in snapshot.positions:
        one = reports.get(position.contract.underlying)
        if one is not None:
            held = "short" if position.quantity < 0.0 else "long"
            when = "" if one.timing is None else f", {one.timing}"
            ahead = (day_of(one.at) - day_of(snapshot.as_of)).days
            why = f"{held} {abs(position.quantity):g} over a report in {ahead} d{when}"
            yield _event(FindingKind.EARNINGS, position, position.contract.label, one, snapshot, why)


def no_earnings_date(snapshot: Snapshot) -> Iterator[Finding]:
    """Stocks held whose next report nobody has dated: unknown, not absent."""
    for symbol in earnings_unknown(snapshot):
        why = "no source has its date: a report may come before any option on it expires"
        yield Finding(FindingKind.EARNINGS_UNKNOWN, None, symbol, f"earnings {symbol}", None, None, why)


_WHY: Final = {
    EventKind.FOMC: "rates and the whole surface move at once",
    EventKind.ECONOMIC: "the market may gap on the figure",
    EventKind.EARNINGS: "its volatility falls after the report",
    EventKind.EXPIRATION: "open interest goes and hedges are undone",
    EventKind.DIVIDEND: "spot falls by it, and calls may be exercised the evening before",
}


def _options(snapshot: Snapshot) -> Iterator[tuple[Position, Contract]]:
    """The options held that have not expired."""
    for position in snapshot.positions:
        stops = stops_at(position.contract) if position.contract.is_option else None
        if stops is not None and stops >= snapshot.as_of:
            yield position, position.contract


def _next_reports(snapshot: Snapshot, days: int) -> dict[str, Event]:
    """The next earnings of each symbol within `days` calendar days."""
    found: dict[str, Event] = {}
    for one in coming(snapshot, days):
        if one.kind is EventKind.EARNINGS:
            for symbol in one.symbols:
                found.setdefault(symbol, one)
    return found


def _american(contract: Contract, underlying: Underlying) -> bool:
    if contract.exercise is not None:
        return contract.exercise is Exercise.AMERICAN
    return underlying.kind in SHARES


def _sigma(
    position: Position, valued: Mapping[str, PositionRisk], underlying: Underlying | None
) -> float | None:
    known = valued.get(position.id)
    if known is not None and known.iv is not None:
        return known.iv
    return None if underlying is None else underlying.iv30


def _at_the_pin(underlying: Underlying | None) -> str:
    if underlying is not None and underlying.kind in SHARES:
        return "whether it is assigned may not be known until the next morning"
    return "its delta turns over with every tick"


def _of(
    kind: FindingKind, position: Position, event: str, at: datetime, snapshot: Snapshot, why: str
) -> Finding:
    day, today = day_of(at), day_of(snapshot.as_of)
    return Finding(
        kind, position.id, position.contract.label, event, day, sessions_until(today, day), why, at
    )


def _event(
    kind: FindingKind, position: Position | None, label: str, one: Event, snapshot: Snapshot, why: str
) -> Finding:
    day, today = day_of(one.at), day_of(snapshot.as_of)
    return Finding(
        kind,
        None if position is None else position.id,
        label,
        one.label,
        day,
        sessions_until(today, day),
        why,
        one.at,
        one.confirmed is not True,
    )


def _clock(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%H:%M}"
