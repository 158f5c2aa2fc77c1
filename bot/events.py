"""What is coming, in the Book: the user's tables and the exchanges' rules at start-up and each new day, earnings one by one.

Every source is put into the store as it speaks, and the Book has what the store has: a source that fails leaves its old rows,
with their age. A table that a person edits is read again within a minute.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from bot.earnings import Reporter
from bot.health import Health
from bot.yahoo import Unknown
from engine.book import Book
from engine.calendar import (
    NEW_YORK,
    Table,
    day_of,
    expiration_events,
    new_york,
    read_events,
    read_fed_meetings,
    stocks_held,
)
from engine.clock import Clock
from engine.errors import MarketDataError, RiskbotError, StoreError
from engine.model import Event, EventKind
from engine.settings import DataSettings
from engine.store import AsyncStore, Store

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
LOOK_SOON_S: Final = 1.0
KNOWN_FOR_S: Final = 86_400.0
RETRY_S: Final = 3_600.0
AHEAD: Final = timedelta(days=190)
COMPUTED: Final = "computed"
BESIDE_THE_PROGRAM: Final = Path(__file__).parents[1]
MOST_TOLD: Final = 12

Stamp = tuple[tuple[str, int, int], ...]


class Events:
    """Keeps the Book's events. Without a `reporter` nobody is asked for earnings dates."""

    def __init__(
        self,
        book: Book,
        store: AsyncStore,
        clock: Clock,
        settings: DataSettings,
        health: Health,
        reporter: Reporter | None,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._settings = settings
        self._health = health
        self._reporter = reporter
        self._pause = pause
        self._read: tuple[date, Stamp] | None = None
        self._again_at: dict[str, float] = {}
        self._whole = False

    async def load(self) -> None:
        """Read the tables and put everything that is stored and to come into the Book.

        Raises:
            StoreError: If the database can't be read. One that can't be written holds what was stored before; `run` tries again.
        """
        try:
            await self._tables(self._clock.now())
        except StoreError as error:
            self._read = None
            log.warning("events: %s", error)
        await self._publish()

    async def run(self) -> None:
        """Keep them fresh, until cancelled."""
        while True:
            try:
                await self._look()
            except RiskbotError as error:
                log.warning("events: %s", error)
            await self._pause(LOOK_EVERY_S if self._whole else LOOK_SOON_S)

    async def _look(self) -> None:
        now = self._clock.now()
        stamp = await to_thread.run_sync(_stamp, self._settings)
        if self._read != (day_of(now), stamp):
            await self._tables(now)
            await self._publish()
        snapshot = self._book.freeze(now)
        self._whole = self._whole or snapshot.complete
        if self._reporter is None or not snapshot.complete:
            return
        held = stocks_held(snapshot.positions, snapshot.underlyings)
        for symbol in sorted(held, key=lambda name: self._again_at.get(name, 0.0)):
            if self._again_at.get(symbol, 0.0) <= self._clock.monotonic():
                await self._ask(symbol, self._reporter)

    async def _tables(self, now: datetime) -> None:
        self._read = day_of(now), await to_thread.run_sync(_stamp, self._settings)
        told, problems = await to_thread.run_sync(read_tables, self._settings, now)
        for source, events in told.items():
            await self._store.write(Store.put_events, source, events, now)
        if problems != self._health.calendar:
            for problem in problems[:MOST_TOLD]:
                log.warning("calendar: %s", problem)
        self._health.calendar = problems

    async def _ask(self, symbol: str, reporter: Reporter) -> None:
        now = self._clock.now()
        found = await reporter.next_report(symbol, now)
        if isinstance(found, Unknown) and found.at_rest:
            log.debug("earnings of %s are not asked for now: %s", symbol, found.reason)
            return
        if isinstance(found, Unknown):
            self._again_at[symbol] = self._clock.monotonic() + RETRY_S
            log.info("earnings of %s are unknown: %s", symbol, found.reason)
            self._health.earnings[symbol] = found.reason
            return
        self._again_at[symbol] = self._clock.monotonic() + KNOWN_FOR_S
        self._health.earnings.pop(symbol, None)
        await self._store.write(Store.put_events, reporter.source, [found], now, symbol)
        await self._publish()

    async def _publish(self) -> None:
        now = self._clock.now()
        stored = await self._store.read(Store.events, start_of_day(now))
        asked = {COMPUTED, *(find_table(name).name for name, _ in _readers(self._settings))}
        if self._reporter is not None:
            asked.add(self._reporter.source)
        self._book.set_events(tuple(one for one in stored if one.source in asked and one.at <= now + AHEAD))


def start_of_day(at: datetime) -> datetime:
    """Midnight in New York."""
    return new_york(day_of(at), time())


def read_tables(
    settings: DataSettings, now: datetime
) -> tuple[Mapping[str, tuple[Event, ...]], tuple[str, ...]]:
    """What the user's tables and the exchanges' rules say, by source, and what is wrong with the tables. Blocking.

    A table that can't be read is no source: what it said before stays.
    """
    today = day_of(now)
    told: dict[str, tuple[Event, ...]] = {COMPUTED: expiration_events(today, today + AHEAD, now)}
    problems: list[str] = []
    for name, read in _readers(settings):
        path = find_table(name)
        try:
            table = read(path, now)
        except MarketDataError as error:
            problems.append(str(error))
            continue
        told[path.name] = table.events
        problems += map(str, table.bad)
        if table.events and table.events[-1].at < now:
            problems.append(
                f"{path.name}: its last date, {table.events[-1].at.astimezone(NEW_YORK):%Y-%m-%d}, is past"
            )
    return told, tuple(problems)


def find_table(name: str) -> Path:
    """A table of the config: in the working directory, else, where it is not there, beside the program."""
    path = Path(name)
    shipped = BESIDE_THE_PROGRAM / path
    return shipped if not path.is_absolute() and not path.exists() and shipped.exists() else path


def _readers(settings: DataSettings) -> list[tuple[str, Callable[[Path, datetime], Table]]]:
    named = [(settings.fed_meetings, read_fed_meetings), (settings.events, read_events)]
    return [(name, read) for name, read in named if name is not None]


def _stamp(settings: DataSettings) -> Stamp:
    """What changes when a table is edited. Blocking."""
    found = []
    for name, _ in _readers(settings):
        try:
            status = find_table(name).stat()
        except OSError:
            found.append((name, 0, 0))
        else:
            found.append((name, status.st_mtime_ns, status.st_size))
    return tuple(found)


async def events_for_once(settings: DataSettings, database: str, clock: Clock) -> tuple[Event, ...]:
    """The events for a command that runs once: the tables and the rules, and what a running bot has stored of earnings.

    A database that is not there is not made; one that can't be read leaves the earnings unknown.
    """
    now = clock.now()
    told, _ = await to_thread.run_sync(read_tables, settings, now)
    events = [one for each in told.values() for one in each if one.at >= start_of_day(now)]
    file = database.removeprefix("sqlite:///").partition("?")[0]
    if not database.startswith("sqlite:") or await anyio.Path(file).exists():
        try:
            async with AsyncStore.open(database) as store:
                stored = await store.read(Store.events, start_of_day(now))
        except StoreError as error:
            log.warning("earnings dates: %s", error)
        else:
            events += [one for one in stored if one.kind is EventKind.EARNINGS and one.source not in told]
    return tuple(sorted((one for one in events if one.at <= now + AHEAD), key=lambda one: one.at))
