"""When a company reports: whoever is asked has an Event, or does not know. Yahoo's library has the day in its calendar, and the
hour and whether it is an estimate in its details.

The library answers a failure with an empty calendar. That, an error and a day that is past are all `Unknown`, never "reports
nothing". Its days are of the machine's zone; where the details have the instant, the day is New York's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Protocol

from bot.yahoo import NO_CALENDAR, Turns, Unknown, answer_of, said, ticker
from engine.calendar import CLOSE, NEW_YORK, OPEN, day_of, new_york
from engine.errors import MarketDataError
from engine.model import Event, EventKind, Impact, Timing

WITHIN_S: Final = 30.0
FURTHEST_AHEAD: Final = timedelta(days=200)
REQUESTS: Final = 3
"""The library's own, of one question: the calendar, and two pages of details."""
DATES: Final = "Earnings Date"
SOURCE: Final = "yahoo"


@dataclass(frozen=True, slots=True)
class YahooReport:
    """What the library gave: its calendar and its details as they are."""

    calendar: object
    details: object


Ask = Callable[[str], YahooReport]


class Reporter(Protocol):
    """Who is asked when a company reports next."""

    @property
    def source(self) -> str:
        """Its name, as events carry it."""

    async def next_report(self, symbol: str, now: datetime) -> Event | Unknown:
        """The next earnings of `symbol`; never raises for a failure of the source."""


class YahooReporter:
    """Asks Yahoo, in a thread, when its turn has come."""

    source = SOURCE

    def __init__(self, ask: Ask, turns: Turns, within_s: float = WITHIN_S) -> None:
        self._ask = ask
        self._turns = turns
        self._within_s = within_s

    async def next_report(self, symbol: str, now: datetime) -> Event | Unknown:
        try:
            await self._turns.take(REQUESTS)
        except MarketDataError as error:
            return Unknown(str(error), at_rest=True)
        answer = await answer_of(self._ask, symbol, self._within_s)
        found = answer if isinstance(answer, Unknown) else read_report(symbol, answer, now)
        if isinstance(answer, Unknown) or said(answer.calendar) is None:
            self._turns.failed()
        else:  # a calendar without a date is an answer
            self._turns.succeeded()
        return found


class KnownReporter:
    """Earnings that are known beforehand, by symbol: those of an embedded world."""

    def __init__(self, source: str, reports: Mapping[str, datetime]) -> None:
        self.source = source
        self._reports = reports

    async def next_report(self, symbol: str, now: datetime) -> Event | Unknown:
        at = self._reports.get(symbol)
        if at is None or at < now:
            return Unknown(f"{self.source}: no report ahead")
        before = at.astimezone(NEW_YORK).time() <= OPEN
        timing = Timing.BEFORE_OPEN if before else Timing.AFTER_CLOSE
        return _report(symbol, day_of(at), timing, confirmed=True, source=self.source, now=now)


def _report(
    symbol: str, day: date, timing: Timing | None, *, confirmed: bool | None, source: str, now: datetime
) -> Event:
    """The report of a day, at the open or, after it or without an hour, at the close."""
    at = new_york(day, OPEN if timing is Timing.BEFORE_OPEN else CLOSE)
    return Event(
        EventKind.EARNINGS,
        at,
        confirmed,
        Impact.HIGH,
        (symbol,),
        timing=timing,
        source=source,
        fetched_at=now,
    )


def read_report(symbol: str, answer: YahooReport, now: datetime) -> Event | Unknown:
    """The answer as the next report from today on; Unknown where it is empty, malformed, past or too far."""
    calendar = said(answer.calendar)
    if calendar is None:
        return NO_CALENDAR
    days = calendar.get(DATES)
    if not isinstance(days, list | tuple):
        return Unknown("Yahoo has no earnings date of it")
    today = day_of(now)
    named = sorted({day for day in days if isinstance(day, date) and not isinstance(day, datetime)})
    ahead = [day for day in named if today - timedelta(days=1) <= day <= today + FURTHEST_AHEAD]
    if not ahead:
        return Unknown("Yahoo has no earnings date ahead")
    details = answer.details if isinstance(answer.details, Mapping) else {}
    moments = [_moment(day, details) for day in ahead]
    day, timing = next((one for one in moments if one[0] >= today), moments[-1])
    if day < today:
        return Unknown(f"Yahoo's earnings date {day} is past")
    confirmed = _confirmed(details, several=len(named) > 1)
    return _report(symbol, day, timing, confirmed=confirmed, source=SOURCE, now=now)


def _moment(day: date, details: Mapping[str, Any]) -> tuple[date, Timing | None]:
    """The day and the timing by the details' instant, where that is of the same report; a midnight is a day without an hour."""
    stamp = details.get("earningsTimestampStart", details.get("earningsTimestamp"))
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not math.isfinite(stamp):
        return day, None
    if not 0 < stamp < datetime(2200, 1, 1, tzinfo=UTC).timestamp():
        return day, None
    at = datetime.fromtimestamp(stamp, UTC)
    local = at.astimezone(NEW_YORK)
    if time() in {at.time(), local.time()}:
        whole = at.date() if at.time() == time() else local.date()
        return (whole if abs(whole - day) <= timedelta(days=1) else day), None
    if abs(local.date() - day) > timedelta(days=1):
        return day, None
    if local.time() <= OPEN:
        return local.date(), Timing.BEFORE_OPEN
    return local.date(), Timing.AFTER_CLOSE if local.time() >= CLOSE else None


def _confirmed(details: Mapping[str, Any], *, several: bool) -> bool | None:
    if several:
        return False
    estimate = details.get("isEarningsDateEstimate")
    return not estimate if isinstance(estimate, bool) else None


def ask_yahoo(symbol: str) -> YahooReport:
    """Blocking: the calendar of `symbol`, the broker's name for it ('BRK B'), and its details where they are to be had.

    Raises:
        MarketDataError: If the library is not installed.
        Exception: Whatever it raises itself for the calendar.
    """
    company = ticker(symbol, "earnings dates")
    calendar = company.calendar
    if not calendar:
        return YahooReport(calendar, {})
    try:
        return YahooReport(calendar, company.get_info())
    except Exception:  # noqa: BLE001 - without the details the day is still known
        return YahooReport(calendar, {})
