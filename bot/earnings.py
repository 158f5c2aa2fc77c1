"""When a company reports, as Yahoo says: the library's calendar has the day, its details the hour and whether it is an estimate.

The library answers a failure with an empty calendar. That, an error and a day that is past are all `Unknown`, never "reports
nothing". Its days are of the machine's zone; where the details have the instant, the day is New York's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Protocol

import anyio
from anyio import to_thread

from bot.yahoo import Turns
from engine.calendar import NEW_YORK, day_of, new_york
from engine.errors import MarketDataError
from engine.model import Event, EventKind, Impact, Timing

WITHIN_S: Final = 30.0
FURTHEST_AHEAD: Final = timedelta(days=200)
REQUESTS: Final = 3
"""The library's own, of one question: the calendar, and two pages of details."""
DATES: Final = "Earnings Date"
OPEN, CLOSE = time(9, 30), time(16, 0)
SOURCE: Final = "yahoo"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing is known, and why, in one line. `at_rest`: the source was not asked."""

    reason: str
    at_rest: bool = False


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
        answer = await self._answer(symbol)
        found = answer if isinstance(answer, Unknown) else read_report(symbol, answer, now)
        if isinstance(answer, Unknown) or not _has_words(answer):
            self._turns.failed()
        else:  # a calendar without a date is an answer
            self._turns.succeeded()
        return found

    async def _answer(self, symbol: str) -> YahooReport | Unknown:
        try:
            with anyio.fail_after(self._within_s):
                return await to_thread.run_sync(self._ask, symbol, abandon_on_cancel=True)
        except TimeoutError:
            return Unknown(f"Yahoo did not answer within {self._within_s:g} s")
        except Exception as error:  # noqa: BLE001 - whatever the library raises on its way through Yahoo's pages means unknown
            return Unknown(" ".join(f"{type(error).__name__}: {error}".split()))


def _has_words(answer: YahooReport) -> bool:
    """Whether Yahoo's calendar says anything; the library answers a failure with an empty one."""
    return isinstance(answer.calendar, Mapping) and any(answer.calendar.values())


def read_report(symbol: str, answer: YahooReport, now: datetime) -> Event | Unknown:
    """The answer as the next report from today on; Unknown where it is empty, malformed, past or too far."""
    calendar = answer.calendar
    if not isinstance(calendar, Mapping) or not _has_words(answer):
        return Unknown("Yahoo has no calendar of it")
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
    return Event(
        EventKind.EARNINGS,
        new_york(day, OPEN if timing is Timing.BEFORE_OPEN else CLOSE),
        _confirmed(details, several=len(named) > 1),
        Impact.HIGH,
        (symbol,),
        timing=timing,
        source=SOURCE,
        fetched_at=now,
    )


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
    try:
        import yfinance  # here, because it is slow to import and seldom needed
    except ModuleNotFoundError as error:
        raise MarketDataError("earnings dates from Yahoo need the Python package yfinance") from error
    ticker: Any = yfinance.Ticker(symbol.replace(" ", "-"))  # type: ignore[no-untyped-call]
    calendar = ticker.calendar
    if not calendar:
        return YahooReport(calendar, {})
    try:
        return YahooReport(calendar, ticker.get_info())
    except Exception:  # noqa: BLE001 - without the details the day is still known
        return YahooReport(calendar, {})
