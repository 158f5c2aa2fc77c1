"""The link: log in, feed the Book, and when the socket is lost log in again, for ever."""

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import anyio

from engine.book import Book
from engine.broker.client import IbClient
from engine.broker.session import Session
from engine.clock import Clock
from engine.errors import LinkDown
from engine.settings import DataSettings, IbkrSettings, ScenarioSettings

log = logging.getLogger(__name__)

SHORTEST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0


class LinkPhase(StrEnum):
    CONNECTING = "connecting"
    LIVE = "live"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the link is, since when, and what is wrong in words."""

    phase: LinkPhase
    since: datetime
    reason: str | None = None


class Link:
    """Owns the connection. Others read `state`; `run` is its one task."""

    def __init__(
        self,
        book: Book,
        clock: Clock,
        ibkr: IbkrSettings,
        data: DataSettings,
        scenarios: ScenarioSettings,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._book = book
        self._clock = clock
        self._ibkr = ibkr
        self._data = data
        self._scenarios = scenarios
        self._jitter = jitter
        self.state = LinkState(LinkPhase.CONNECTING, clock.now())

    async def run(self) -> None:
        """Connect for ever. Ends only by cancellation, or by a ConfigError that a person must mend."""
        failures = 0
        while True:
            started = self._clock.monotonic()
            try:
                await self._one_login()
            except LinkDown as down:
                self._book.complete = False
                self._enter(LinkPhase.DOWN, str(down))
                was_up = self._clock.monotonic() - started > LONGEST_WAIT_S
                failures = 1 if was_up else failures + 1
            wait = back_off(failures, self._jitter())
            log.warning("link down (%s); next login in %.1f s", self.state.reason, wait)
            await anyio.sleep(wait)

    async def _one_login(self) -> None:
        client = IbClient()
        try:
            session = Session(client, self._book, self._clock, self._ibkr, self._data, self._scenarios)
            await session.login()
            log.info("logged in at %s:%s", self._ibkr.host, self._ibkr.port)
            self._enter(LinkPhase.LIVE)
            await session.run()
        finally:
            with suppress(ConnectionError):
                client.disconnect()

    def _enter(self, phase: LinkPhase, reason: str | None = None) -> None:
        """Change state; `since` stays while the phase does, so that a long outage keeps its beginning."""
        since = self.state.since if phase is self.state.phase else self._clock.now()
        self.state = LinkState(phase, since, reason)


def back_off(failures: int, jitter: float) -> float:
    """Seconds before the next login: 1, 2, 4 ... 30, each cut by up to half by `jitter` in [0, 1)."""
    longest = min(LONGEST_WAIT_S, SHORTEST_WAIT_S * 2.0 ** max(failures - 1, 0))
    return longest * (1.0 - jitter / 2.0)
