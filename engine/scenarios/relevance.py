"""Which scenarios matter for this book, this week: the whole table always, and what the calendar adds to it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from engine.calendar import NEW_YORK, day_of, not_over, one_word, sessions_until, stocks_held
from engine.model import Event, EventKind, Position, Underlying
from engine.scenarios.templates import Scenario, standard_set
from engine.settings import ScenarioSettings

EARNINGS_AHEAD: Final = timedelta(days=30)
FED_SESSIONS: Final = 5
FED: Final = "Fed "
FARTHER_THAN_SESSIONS: Final = timedelta(days=14)
"""No five sessions take longer: then no calendar needs to be read."""


def relevant_scenarios(
    events: Iterable[Event],
    positions: Iterable[Position],
    underlyings: Mapping[str, Underlying],
    as_of: datetime,
    settings: ScenarioSettings,
) -> tuple[Scenario, ...]:
    """The scenarios to run: always the market set, squeeze and rallies, and time decay; the Fed's with a note where a meeting is
    within five sessions; and Beat, Miss and Inline of each stock held that reports within 30 days, one symbol at a time.

    Without a date for any stock held, the earnings scenarios move all single stocks at once and say so (D4). `use_calendar` off
    leaves the calendar aside, `auto_detect_earnings` off its earnings.

    Args:
        underlyings: by symbol, to tell stocks from funds and indices.
        as_of: aware; the present.
    """
    if not settings.use_calendar:
        return standard_set(())
    dated = one_word(events)
    stocks = stocks_reporting(dated, positions, underlyings, as_of) if settings.auto_detect_earnings else ()
    note = fed_note(dated, as_of)
    return tuple(
        replace(one, remark=note) if note and one.name.startswith(FED) else one
        for one in standard_set(stocks)
    )


def stocks_reporting(
    events: Iterable[Event],
    positions: Iterable[Position],
    underlyings: Mapping[str, Underlying],
    as_of: datetime,
) -> tuple[str, ...]:
    """The single stocks held whose earnings lie within 30 days, by date."""
    stocks = stocks_held(positions, underlyings)
    due = sorted(
        (event.at, symbol)
        for event in events
        if event.kind is EventKind.EARNINGS
        and not_over(event, as_of)
        and day_of(event.at) <= day_of(as_of) + EARNINGS_AHEAD
        for symbol in event.symbols
        if symbol in stocks
    )
    return tuple(dict.fromkeys(symbol for _, symbol in due))


def fed_note(events: Iterable[Event], as_of: datetime) -> str | None:
    """When the Fed's next decision comes, in words, where it is within five sessions; else None."""
    today = day_of(as_of)
    ahead = sorted(event.at for event in events if event.kind is EventKind.FOMC and event.at >= as_of)
    if not ahead or ahead[0] > as_of + FARTHER_THAN_SESSIONS:
        return None
    count = sessions_until(today, day_of(ahead[0]))
    if count > FED_SESSIONS:
        return None
    when = "today" if count == 0 else "next session" if count == 1 else f"in {count} sessions"
    return f"FOMC {when}: {ahead[0].astimezone(NEW_YORK):%a %d %b %H:%M} New York"
