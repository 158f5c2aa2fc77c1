"""What is coming for a Snapshot: its own events, and those that its positions and dividends make. Pure.

Sources may speak of one thing twice: of a company's earnings the user's word counts before another's, a confirmed date before an
estimate, and the newer before the older.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from engine.calendar.days import OPEN, day_of, new_york
from engine.calendar.expirations import series_of, stops_at
from engine.model import MARKET, Event, EventKind, Impact, Kind, Position, Snapshot, Underlying

ONE_REPORT: Final = timedelta(days=21)
"""Two dates of one company's earnings within this are two words on one report."""
BOOK: Final = "the book"
USERS_FILES: Final = ".csv"


def coming(snapshot: Snapshot, days: int, symbol: str | None = None) -> tuple[Event, ...]:
    """What touches the book from now to `days` calendar days ahead, in order of time.

    Args:
        snapshot: its `events`, the dividends of its underlyings and the expiries of its positions are read.
        days: how far to look; what falls on the last day counts.
        symbol: only what names this underlying, or the market.
    """
    held = {one.contract.underlying for one in snapshot.positions}
    last = day_of(snapshot.as_of) + timedelta(days=days)
    everything = [*one_word(snapshot.events), *_dividends(snapshot, held), *_expiries(snapshot)]
    found = (
        one
        for one in everything
        if not_over(one, snapshot.as_of) and day_of(one.at) <= last and _concerns(one, held, symbol)
    )
    return tuple(sorted(found, key=lambda one: (one.at, one.kind, one.symbols, one.name)))


def earnings_unknown(snapshot: Snapshot) -> tuple[str, ...]:
    """The single stocks held of which no source has said when they report next, in order. Every company reports: no date is
    not "no event"."""
    known = {
        symbol
        for one in snapshot.events
        if one.kind is EventKind.EARNINGS and not_over(one, snapshot.as_of)
        for symbol in one.symbols
    }
    return tuple(name for name in stocks_held(snapshot.positions, snapshot.underlyings) if name not in known)


def stocks_held(positions: Iterable[Position], underlyings: Mapping[str, Underlying]) -> tuple[str, ...]:
    """The single stocks that are held or have options held, in order: those that report."""
    held = {position.contract.underlying for position in positions}
    return tuple(sorted(name for name in held & underlyings.keys() if underlyings[name].kind is Kind.STOCK))


def one_word(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events with each company's report once, by the best word on it; the rest as they are."""
    kept: list[Event] = []
    reports: list[Event] = []
    for one in events:
        (reports if one.kind is EventKind.EARNINGS else kept).append(one)
    for one in sorted(reports, key=_trust, reverse=True):
        if not any(_same_report(one, better) for better in kept):
            kept.append(one)
    return tuple(sorted(kept, key=lambda one: one.at))


def _trust(one: Event) -> tuple[bool, bool, float]:
    told = 0.0 if one.fetched_at is None else one.fetched_at.timestamp()
    return one.source.endswith(USERS_FILES), one.confirmed is True, told


def _same_report(one: Event, other: Event) -> bool:
    near = abs(one.at - other.at) < ONE_REPORT
    return near and other.kind is EventKind.EARNINGS and set(one.symbols) <= set(other.symbols)


def not_over(one: Event, as_of: datetime) -> bool:
    """Whether an event is still to come; a report without an hour is not over before its day is."""
    if one.kind is EventKind.EARNINGS and one.timing is None:
        return day_of(one.at) >= day_of(as_of)
    return one.at >= as_of


def _concerns(one: Event, held: set[str], symbol: str | None) -> bool:
    if symbol is not None:
        return one.touches(symbol)
    return MARKET in one.symbols or any(name in held for name in one.symbols)


def _dividends(snapshot: Snapshot, held: set[str]) -> list[Event]:
    return [
        Event(
            EventKind.DIVIDEND,
            new_york(each.ex_date, OPEN),
            None,
            Impact.LOW,
            (name,),
            name=f"ex-dividend {name} {each.amount:g}",
            source="dividends",
        )
        for name in sorted(held & snapshot.underlyings.keys())
        for each in snapshot.underlyings[name].dividends
    ]


def _expiries(snapshot: Snapshot) -> list[Event]:
    """The days on which options held expire: one event for each day, underlying and settlement."""
    counts: dict[tuple[datetime, str, str], int] = {}
    for position in snapshot.positions:
        contract = position.contract
        at = stops_at(contract) if contract.is_option else None
        if at is not None and contract.expiry is not None:
            key = (at, contract.underlying, series_of(contract.expiry, contract.underlying))
            counts[key] = counts.get(key, 0) + 1
    return [
        Event(
            EventKind.EXPIRATION,
            at,
            True,
            Impact.MEDIUM,
            (underlying,),
            name=f"{underlying} {series}: {count} option{'' if count == 1 else 's'} held",
            source=BOOK,
        )
        for (at, underlying, series), count in counts.items()
    ]
