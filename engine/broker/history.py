"""Two years of daily bars of each underlying and the fills of the day, fetched politely beside the live data.

A `History` lives as long as the program; each login lends it its client. Where the days are kept is not its business: it hands
them to an `Archive`.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Final, Protocol

import anyio

from engine.book import Book
from engine.broker.client import IbClient
from engine.broker.facts import BarsFact, ContractFact, DailyBar, End, ExecutionFact, SecType
from engine.broker.history_queue import RESTATED, TRADES, WHOLE_SERIES, Ask, Queue, Series, sound
from engine.clock import Clock
from engine.errors import RiskbotError
from engine.model import OPTION_KINDS, Snapshot

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 60.0
"""A request without an answer by then is given up and called off."""
LOOK_EVERY_S: Final = 5.0
"""How often new underlyings and finished sessions are looked for."""
EXECUTIONS_EVERY_S: Final = 300.0
EXECUTIONS_TIMEOUT_S: Final = 20.0
HAVE_HISTORY: Final = frozenset({SecType.STOCK, SecType.INDEX})
"""A future's bars are those of one month, and belong to no series of two years."""

Underlyings = Callable[[], Mapping[str, ContractFact]]


class Archive(Protocol):
    """Where history is kept. Each method raises StoreError when it can't."""

    async def newest_days(self) -> Mapping[tuple[str, str], date]:
        """The last stored day of each (symbol, what)."""

    async def close_on(self, symbol: str, what: str, day: date) -> float | None:
        """A stored close."""

    async def keep_bars(self, symbol: str, what: str, bars: Sequence[DailyBar]) -> None:
        """Store daily bars, oldest first; days that are there are replaced."""

    async def keep_executions(self, executions: Sequence[ExecutionFact]) -> None:
        """Store fills; those that are there are replaced."""

    async def last_session(self, at: datetime) -> date:
        """The day of the last session that had ended, its bars settled, by `at`."""


class History:
    """Fetches what is missing while a login lasts. `run` is its one task; `beside` runs it around a block."""

    def __init__(
        self,
        book: Book,
        archive: Archive,
        clock: Clock,
        also: Mapping[str, ContractFact] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`also`: contracts whose bars are wanted even if nothing is held on them, such as the index that betas refer to."""
        self._book = book
        self._archive = archive
        self._clock = clock
        self._also = dict(also or {})
        self._timeout_s = timeout_s
        self._queue = Queue()
        self._loaded = False
        self._trouble: str | None = None
        self._settled = anyio.Event()

    @asynccontextmanager
    async def beside(self, client: IbClient, underlyings: Underlyings) -> AsyncIterator[None]:
        """`run` for the length of the block. What the block raises leaves it as it was raised."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.run, client, underlyings)
                yield
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            raise group.exceptions[0] from None

    async def run(self, client: IbClient, underlyings: Underlyings) -> None:
        """Fetch missing bars and the day's fills until cancelled or until the client has lost its socket.

        `underlyings` gives the contracts of the underlyings by symbol, as known now.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._executions, client)
            await self._bars(client, underlyings)
            tasks.cancel_scope.cancel()

    async def _bars(self, client: IbClient, underlyings: Underlyings) -> None:
        async with anyio.create_task_group() as tasks:
            while client.connected:
                self._settled = anyio.Event()
                wait = LOOK_EVERY_S
                try:
                    found = await self._next(underlyings())
                except RiskbotError as error:
                    self._tell_once(str(error))
                else:
                    self._trouble = None
                    if isinstance(found, tuple):
                        tasks.start_soon(self._fetch, client, *found)
                        continue
                    wait = min(wait, found)
                with anyio.move_on_after(wait):
                    await self._settled.wait()

    def _tell_once(self, trouble: str) -> None:
        """It is met at each look until it is over."""
        if trouble != self._trouble:
            log.warning("history waits: %s", trouble)
        self._trouble = trouble

    async def _next(self, contracts: Mapping[str, ContractFact]) -> tuple[Ask, date] | float:
        """The next request with the day of the last finished session, or the seconds until there may be one."""
        now = self._clock.now()
        if not self._loaded:
            stored = await self._archive.newest_days()
            self._queue.have({Series(symbol, what): day for (symbol, what), day in stored.items()})
            self._loaded = True
        session = await self._archive.last_session(now)
        known = {**self._also, **contracts}
        wanted = {symbol: one for symbol, one in known.items() if one.sec_type in HAVE_HISTORY}
        self._queue.want(wanted, exposures(self._book.freeze(now)))
        found = self._queue.next(self._clock.monotonic(), now.date(), session)
        return found if isinstance(found, float) else (found, session)

    async def _fetch(self, client: IbClient, ask: Ask, session: date) -> None:
        settled = False
        try:
            fact = await client.daily_bars(ask.contract, ask.series.what, ask.duration, self._timeout_s)
            if fact.end is End.WHOLE:
                await self._keep(ask, fact, session)
            else:
                self._queue.failed(ask, fact, self._clock.monotonic())
            settled = True
        except RiskbotError as error:
            log.warning("%s of %s: %s", ask.series.what, ask.series.symbol, error)
        finally:
            if not settled:
                self._queue.dropped(ask, self._clock.monotonic())
            self._settled.set()

    async def _keep(self, ask: Ask, fact: BarsFact, session: date) -> None:
        """Store the finished days of an answer, unless it shows that the stored ones no longer hold."""
        symbol, what = ask.series.symbol, ask.series.what
        bars, refused = sound(what, fact.bars, session)
        if refused + fact.unreadable:
            log.warning(
                "%s of %s: %d of %d bars are out of any scale and left out",
                what, symbol, refused + fact.unreadable, len(fact.bars) + fact.unreadable,
            )  # fmt: skip
        if bars and what == TRADES and ask.duration != WHOLE_SERIES:
            before = await self._archive.close_on(symbol, what, bars[0].day)
            if before is not None and abs(bars[0].close / before - 1.0) > RESTATED:
                log.info(
                    "%s of %s: the broker restates %s; all days are asked for again",
                    what,
                    symbol,
                    bars[0].day,
                )
                self._queue.restated(ask)
                return
        if bars:
            await self._archive.keep_bars(symbol, what, bars)
        self._queue.answered(ask, bars[-1].day if bars else None, session, self._clock.monotonic())

    async def _executions(self, client: IbClient) -> None:
        """The day's fills now and then, for as long as the login lasts."""
        while client.connected:
            found = await client.executions(EXECUTIONS_TIMEOUT_S)
            try:
                if found is None:
                    log.info("the day's executions are not known; asked again in %d s", EXECUTIONS_EVERY_S)
                else:
                    await self._archive.keep_executions(found)
            except RiskbotError as error:
                log.warning("the day's executions: %s", error)
            await anyio.sleep(EXECUTIONS_EVERY_S)


def exposures(snapshot: Snapshot) -> dict[str, float]:
    """Gross size of what is held on each underlying, by symbol, in its own currency; an order, not a risk figure.

    Options count at the full price of what they are on: spot, or the strike while there is none.
    """
    sizes: dict[str, float] = {}
    for position in snapshot.positions:
        contract = position.contract
        known = snapshot.underlyings.get(contract.underlying)
        own = (
            contract.strike
            if contract.kind in OPTION_KINDS
            else (position.broker.mark or position.entry_price)
        )
        price = (known.spot if known is not None else None) or own or 0.0
        size = abs(position.quantity) * contract.multiplier * price
        sizes[contract.underlying] = sizes.get(contract.underlying, 0.0) + size
    return sizes
