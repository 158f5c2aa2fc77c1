"""The link: log in, feed the Book, and when the login is lost log in again, for ever."""

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from itertools import count, cycle, islice
from typing import Final
from zoneinfo import ZoneInfo

import anyio

from engine.book import Book
from engine.broker.client import IbClient
from engine.broker.history import History
from engine.broker.session import IsOpen, Session
from engine.broker.upstream import Reason
from engine.clock import Clock
from engine.errors import ClientIdInUse, ConfigError, LinkDown, NothingListens
from engine.settings import DataSettings, IbkrSettings, ScenarioSettings

log = logging.getLogger(__name__)

SHORTEST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
PROBE_S: Final = 2.0
CLIENT_IDS: Final = 8
"""So many ids from the configured one on are tried where one is in use."""
BROKER_ZONE: Final = ZoneInfo("America/New_York")
NIGHTLY: Final = time(23, 40), time(0, 50)
"""When Interactive Brokers restarts its servers, and TWS and Gateway themselves; in BROKER_ZONE."""
SUNDAY_LOGIN: Final = time(0, 50), time(3, 0)
"""On Sundays a full login with the second factor is due; in BROKER_ZONE."""
SUNDAY: Final = 6


class LinkPhase(StrEnum):
    CONNECTING = "connecting"
    SYNCING = "syncing"
    LIVE = "live"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the link is, since when, and what is wrong in words.

    `reason` says why it is DOWN; `reasons` what is wrong though the login stands. `expected`: it is the hour of the broker's
    own restarts.
    """

    phase: LinkPhase
    since: datetime
    reason: str | None = None
    reasons: tuple[Reason, ...] = ()
    expected: bool = False

    @property
    def blind(self) -> str | None:
        """Why what is seen may not be the present; None where it is."""
        if self.phase in {LinkPhase.LIVE, LinkPhase.DEGRADED}:
            return next((reason.text for reason in self.reasons if reason.blinds), None)
        return f"the link to the broker is {self.phase} ({self.reason or 'logging in'})"

    @property
    def blind_since(self) -> datetime | None:
        """Since when that is so."""
        if self.phase in {LinkPhase.LIVE, LinkPhase.DEGRADED}:
            return min((reason.since for reason in self.reasons if reason.blinds), default=None)
        return self.since


async def always_open(at: datetime) -> bool:
    """Every hour is a market hour."""
    return True


class Link:
    """Owns the connection. Others read `state`; `run` is its one task.

    Args:
        is_open: whether quotes are to be expected at a time; silence is a fault only then.
        history: fetched beside the live data, where it is given.
    """

    def __init__(
        self,
        book: Book,
        clock: Clock,
        ibkr: IbkrSettings,
        data: DataSettings,
        scenarios: ScenarioSettings,
        jitter: Callable[[], float] = random.random,
        is_open: IsOpen = always_open,
        history: History | None = None,
    ) -> None:
        self._book = book
        self._clock = clock
        self._ibkr = ibkr
        self._data = data
        self._scenarios = scenarios
        self._jitter = jitter
        self._is_open = is_open
        self._history = history
        self._session: Session | None = None
        self._phase = LinkPhase.CONNECTING
        self._since = clock.now()
        self._down_since: datetime | None = None
        self._reason: str | None = None
        self._client_id = ibkr.client_id
        self._account: str | None = None

    @property
    def state(self) -> LinkState:
        """As it is now."""
        now = self._clock.now()
        if self._phase is not LinkPhase.LIVE or self._session is None:
            since = self._down_since or self._since
            return LinkState(self._phase, since, self._reason, expected=is_restart_hour(now))
        reasons = self._session.reasons()
        phase = LinkPhase.DEGRADED if reasons else LinkPhase.LIVE
        since = min((reason.since for reason in reasons), default=self._since)
        return LinkState(phase, since, reasons=reasons, expected=is_restart_hour(now))

    async def run(self) -> None:
        """Connect for ever. Ends only by cancellation, or by a ConfigError that a person must mend."""
        failures = 0
        while True:
            started = self._clock.monotonic()
            try:
                await self._one_login()
            except LinkDown as down:
                self._book.complete = False
                self._session = None
                self._down_since = self._down_since or self._clock.now()
                self._enter(LinkPhase.DOWN, str(down))
                was_up = self._clock.monotonic() - started > LONGEST_WAIT_S
                failures = 1 if was_up else failures + 1
                log.warning("link down: %s", down)
                if isinstance(down, NothingListens):
                    await self._until_something_listens()
                    failures = 0
                else:
                    await anyio.sleep(back_off(failures, self._jitter()))

    async def _one_login(self) -> None:
        """Try the client ids in turn, beginning with the one that worked, then live with the one that does."""
        ids = cycle(islice(count(self._ibkr.client_id), CLIENT_IDS))
        tried = 0
        while (client_id := next(ids)) != self._client_id:
            pass
        while True:
            client = IbClient()
            try:
                session = Session(
                    client,
                    self._book,
                    self._clock,
                    self._ibkr,
                    self._data,
                    self._scenarios,
                    self._is_open,
                    self._history,
                )
                if self._down_since is None:
                    self._enter(LinkPhase.SYNCING)
                await session.login(client_id)
                self._refuse_another(session.account)
                log.info("logged in at %s:%s as client %s", self._ibkr.host, self._ibkr.port, client_id)
                self._client_id = client_id
                await session.start()
                self._session, self._down_since = session, None
                self._enter(LinkPhase.LIVE)
                await session.run()
            except ConnectionError as error:
                raise LinkDown(f"the connection to the gateway was lost ({error})") from error
            except ClientIdInUse as taken:
                tried += 1
                if tried == CLIENT_IDS:
                    first = self._ibkr.client_id
                    last = first + CLIENT_IDS - 1
                    raise ClientIdInUse(
                        f"client ids {first} to {last} are all in use; set another ibkr.client_id"
                    ) from taken
                log.warning("%s; trying the next one", taken)
                client_id = next(ids)
            finally:
                with suppress(ConnectionError):
                    client.disconnect()

    def _refuse_another(self, account: str) -> None:
        """Without a name in the config the first account that came is the one meant."""
        if self._account is None:
            self._account = account
        elif account != self._account:
            raise ConfigError(
                f"ibkr.account: the login now shows {account}, before it was {self._account}; name the one you mean"
            )

    async def _until_something_listens(self) -> None:
        """Look every other second whether the port is open: that costs nothing, and the login can start at once."""
        while True:
            await anyio.sleep(PROBE_S * (1.0 - self._jitter() / 4.0))
            with suppress(OSError), anyio.move_on_after(PROBE_S):
                stream = await anyio.connect_tcp(self._ibkr.host, self._ibkr.port)
                await stream.aclose()
                return

    def _enter(self, phase: LinkPhase, reason: str | None = None) -> None:
        """Change state; `since` stays while the phase does, so that a long outage keeps its beginning."""
        if phase is not self._phase:
            self._since = self._clock.now()
        self._phase, self._reason = phase, reason


def is_restart_hour(at: datetime) -> bool:
    """Whether the broker's servers or the gateway itself restart about now: each night, and for the Sunday login."""
    local = at.astimezone(BROKER_ZONE)
    nightly = local.time() >= NIGHTLY[0] or local.time() < NIGHTLY[1]
    sunday = local.weekday() == SUNDAY and SUNDAY_LOGIN[0] <= local.time() < SUNDAY_LOGIN[1]
    return nightly or sunday


def back_off(failures: int, jitter: float) -> float:
    """Seconds before the next login: 1, 2, 4 ... 30, each cut by up to half by `jitter` in [0, 1)."""
    longest = min(LONGEST_WAIT_S, SHORTEST_WAIT_S * 2.0 ** max(failures - 1, 0))
    return longest * (1.0 - jitter / 2.0)
