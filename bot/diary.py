"""What is stored of the past: the Snapshot that a P&L begins at, and what was traded since."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import anyio.to_thread

from bot.cards import clock
from engine.calendar import close_back, last_open
from engine.explained import Trade
from engine.model import Snapshot
from engine.store import AsyncStore, Execution, Headline, Store

FAR_FROM_IT: Final = timedelta(minutes=15)
"""Of a close or an open: a Snapshot stored farther from it is pointed at."""
FIRST_OF_ALL: Final = datetime.min.replace(tzinfo=ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Since:
    """From when on: the close so many sessions back, or the open of the last session."""

    closes: int = 1
    at_open: bool = False

    @property
    def words(self) -> str:
        """As a person types it."""
        return "open" if self.at_open else f"{self.closes}d"


@dataclass(frozen=True, slots=True)
class Start:
    """The Snapshot that the P&L begins at. `name` says what it stands for; `doubt`, where set, why it is not quite that."""

    snapshot: Snapshot
    name: str
    doubt: str | None = None


class Diary:
    """Reads the store; calendars are read in threads."""

    def __init__(self, store: AsyncStore, exchange: str, zone: ZoneInfo) -> None:
        self._store = store
        self._exchange = exchange
        self._zone = zone

    async def start(self, since: Since, now: datetime) -> Start | None:
        """The complete Snapshot nearest to `since`: the last one before a close, the first one after an open. Where that is not
        stored, the first of all; None where nothing is."""
        instant = await anyio.to_thread.run_sync(self._instant, since, now)
        name = self._name(since, instant)
        found = None
        if instant is not None:
            found = await self._store.read(self._near, instant, since.at_open)
        if found is not None and instant is not None and found.as_of <= now:
            if abs(found.as_of - instant) <= FAR_FROM_IT:
                return Start(found, name)
            return Start(found, self._clock(found.as_of, now), f"nothing is stored nearer to {name}")
        first = await self._store.read(self._near, FIRST_OF_ALL, True)
        if first is None or first.as_of > now:
            return None
        said = f"the first stored snapshot, {self._clock(first.as_of, now)}"
        return Start(first, said, f"nothing is stored of {name}")

    def _clock(self, at: datetime, now: datetime) -> str:
        return clock(at, now, self._zone)

    async def trades(self, after: datetime) -> list[Trade]:
        """The stored fills from `after` on."""
        return [trade(one) for one in await self._store.read(Store.executions, after)]

    async def headlines(self, since: datetime) -> list[Headline]:
        """The figures that the cycles since then have kept, oldest first."""
        return await self._store.read(Store.headlines, since)

    @staticmethod
    def _near(store: Store, at: datetime, after: bool) -> Snapshot | None:
        return store.complete_snapshot(at, after=after)

    def _instant(self, since: Since, now: datetime) -> datetime | None:
        """Blocking: the calendar is slow to make."""
        if since.at_open:
            return last_open(now, self._exchange)
        return close_back(now, since.closes, self._exchange)

    def _name(self, since: Since, instant: datetime | None) -> str:
        what = "open" if since.at_open else "close"
        if instant is None:
            return f"the {what} {since.words} ago"
        return f"the {what} of {instant.astimezone(self._zone):%a %d %b}"


def trade(execution: Execution) -> Trade:
    """A stored fill in the engine's words."""
    return Trade(
        contract=execution.contract,
        at=execution.at,
        quantity=execution.quantity,
        price=execution.price,
        account=execution.account,
        commission=execution.commission,
        commission_currency=execution.commission_currency,
    )
