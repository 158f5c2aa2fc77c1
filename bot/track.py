"""The Values at Risk that are kept: each close's, and at the next what that very book made of the day."""

from datetime import date

import anyio.to_thread

from bot.desk import View
from engine.calendar import sessions_until
from engine.model import Snapshot
from engine.results import TailDay
from engine.risk import settled, tail_day
from engine.settings import EngineSettings
from engine.store import AsyncStore, Store


class TrackRecord:
    """Keeps them in the store."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    async def keep(self, view: View, day: date, settings: EngineSettings) -> None:
        """Store the Value at Risk of the close of `day`, and what the last stored book before it has made until then. Once more
        for the same day replaces both."""
        before = await self._store.read(Store.tail_day_before, day)
        earlier = None
        if before is not None:
            earlier = await anyio.to_thread.run_sync(_settled, *before, view.snapshot, day, settings)
        await self._store.write(Store.save_tail_day, view.snapshot, tail_day(view.report, day), earlier)

    async def days(self) -> list[TailDay]:
        """All that is stored, oldest first."""
        return await self._store.read(Store.tail_days)


def _settled(
    before: TailDay, then: Snapshot | None, now: Snapshot, day: date, settings: EngineSettings
) -> TailDay:
    return settled(before, then, now, day, sessions_until(before.day, day), settings)
