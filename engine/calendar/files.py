"""The user's two tables of dates, `fed_meetings.csv` and `events.csv`: what their lines say, and which can't be read and why.

A bad line is named and left out; the others count. Times are New York's. Lines that start with # are remarks.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from engine.calendar.days import CLOSE, NEW_YORK, OPEN
from engine.errors import MarketDataError
from engine.model import MARKET, Event, EventKind, Impact, Timing

FED_COLUMNS: Final = ("date", "time", "press_conference", "status")
EVENT_COLUMNS: Final = ("date", "time", "kind", "name", "symbols", "impact", "status")
STATEMENT: Final = time(14, 0)
LARGEST_FILE: Final = 2_000_000
LONGEST_NAME: Final = 60
EARLIEST, LATEST = 2000, 2100

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that says nothing, counted from 1, and why."""

    file: str
    number: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Table:
    """What a file says: its events by time, and its bad lines."""

    events: tuple[Event, ...]
    bad: tuple[BadLine, ...]


def read_fed_meetings(path: Path, at: datetime) -> Table:
    """The meetings of a `fed_meetings.csv`, read `at`. Blocking.

    Raises:
        MarketDataError: If the file can't be read.
    """
    return parse_fed_meetings(_text(path), path.name, at)


def read_events(path: Path, at: datetime) -> Table:
    """The events of an `events.csv`, read `at`. Blocking.

    Raises:
        MarketDataError: If the file can't be read.
    """
    return parse_events(_text(path), path.name, at)


def parse_fed_meetings(text: str, name: str, at: datetime) -> Table:
    """As `read_fed_meetings`, of a text; `name` stands for the file."""

    def meeting(row: Mapping[str, str]) -> Event:
        conference = row["press_conference"].casefold()
        if conference not in {"yes", "no", ""}:
            raise ValueError(f"press_conference is {conference!r}; write yes or no")
        clock = _clock(row["time"]) if row["time"] else STATEMENT
        return Event(
            EventKind.FOMC,
            _instant(_day(row["date"]), clock),
            _status(row["status"]),
            Impact.HIGH,
            name="FOMC, press conference" if conference == "yes" else "FOMC",
            source=name,
            fetched_at=at,
        )

    return _parse(text, name, FED_COLUMNS, meeting)


def parse_events(text: str, name: str, at: datetime) -> Table:
    """As `read_events`, of a text; `name` stands for the file."""

    def event(row: Mapping[str, str]) -> Event:
        day, kind = _day(row["date"]), _one_of(EventKind, row["kind"].upper(), "kind")
        symbols = tuple(word.replace(".", " ").upper() for word in row["symbols"].split()) or (MARKET,)
        if kind is EventKind.EARNINGS and MARKET in symbols:
            raise ValueError("symbols: earnings are of a company; write its ticker")
        clock, timing = _when(row["time"], kind)
        called = row["name"]
        if len(called) > LONGEST_NAME or not called.isprintable():
            raise ValueError(f"name: at most {LONGEST_NAME} plain characters")
        return Event(
            kind,
            _instant(day, clock),
            _status(row["status"]),
            _one_of(Impact, row["impact"].casefold(), "impact") if row["impact"] else Impact.MEDIUM,
            symbols,
            name=called,
            timing=timing,
            source=name,
            fetched_at=at,
        )

    return _parse(text, name, EVENT_COLUMNS, event)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise MarketDataError(f"{path}: larger than {LARGEST_FILE // 1_000_000} MB, not a table of dates")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MarketDataError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MarketDataError(f"{path}: is not UTF-8 text") from error


def _parse(
    text: str, name: str, columns: tuple[str, ...], read: Callable[[Mapping[str, str]], Event]
) -> Table:
    events: dict[tuple[object, ...], Event] = {}
    bad: list[BadLine] = []
    lines = _lines(text)
    number, header = next(lines, (1, []))
    if [cell.casefold() for cell in header] != list(columns):
        raise MarketDataError(f"{name}, line {number}: the first line must be {','.join(columns)}")
    for number, cells in lines:
        try:
            if len(cells) > len(columns):
                raise ValueError(f"{len(cells)} columns instead of {len(columns)}")
            row = dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=True))
            event = read(row)
            key = (event.kind, event.at, event.symbols, event.name)
            if key in events:
                raise ValueError("stands twice; the first one counts")
            events[key] = event
        except ValueError as error:
            bad.append(BadLine(name, number, str(error)))
    return Table(tuple(sorted(events.values(), key=lambda one: one.at)), tuple(bad))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of what is not empty and no remark. A line is a line: quotes do not reach over its end."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                (cells,) = csv.reader([line], strict=False)
            except csv.Error:
                cells = [line]
            yield number, [cell.strip() for cell in cells]


def _day(text: str) -> date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no day of the calendar") from None
        if EARLIEST <= day.year <= LATEST:
            return day
    raise ValueError(f"{text[:20]!r} is not a date such as 2026-12-09")


def _clock(text: str) -> time:
    if re.fullmatch(r"\d{1,2}:\d{2}", text, re.ASCII):
        hours, minutes = map(int, text.split(":"))
        if hours < 24 and minutes < 60:
            return time(hours, minutes)
    raise ValueError(f"{text[:20]!r} is not a time such as 14:00")


def _when(text: str, kind: EventKind) -> tuple[time, Timing | None]:
    """The time of day, and of earnings whether before the open or after the close."""
    if kind is not EventKind.EARNINGS:
        return _clock(text), None
    words = " ".join(text.casefold().split())
    if not words:
        return CLOSE, None
    if words in {one.value for one in Timing}:
        timing = Timing(words)
        return (OPEN if timing is Timing.BEFORE_OPEN else CLOSE), timing
    clock = _clock(text)
    return (
        (OPEN, Timing.BEFORE_OPEN)
        if clock <= OPEN
        else (CLOSE, Timing.AFTER_CLOSE if clock >= CLOSE else None)
    )


def _instant(day: date, clock: time) -> datetime:
    """The instant in UTC of a wall-clock time in New York.

    Raises:
        ValueError: If the clocks skip it.
    """
    local = datetime.combine(day, clock, NEW_YORK)
    at = local.astimezone(UTC)
    if at.astimezone(NEW_YORK).time() != clock:
        raise ValueError(f"New York's clocks skip {clock:%H:%M} on {day}")
    return at


def _status(text: str) -> bool | None:
    known = {"confirmed": True, "estimated": False, "tentative": False, "unknown": None, "": None}
    word = text.casefold()
    if word not in known:
        raise ValueError(f"status is {text[:20]!r}; write confirmed, estimated or unknown")
    return known[word]


def _one_of(kind: type[E], text: str, column: str) -> E:
    try:
        return kind(text)
    except ValueError:
        allowed = ", ".join(str(one) for one in kind)
        raise ValueError(f"{column} is {text[:20]!r}; write one of {allowed}") from None
