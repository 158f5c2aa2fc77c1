"""The night's work on the database: old rows deleted, their space given back, a backup made, the log folded in.

Everything that writes does so in small transactions with the other writers let in between; the backup holds up nobody.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import anyio
from anyio import to_thread

from engine.calendar import Sessions
from engine.clock import Clock
from engine.errors import StoreError
from engine.store import AsyncStore, Store

log = logging.getLogger(__name__)

SNAPSHOTS_AT_ONCE: Final = 10
MESSAGES_AT_ONCE: Final = 50
PAGES_AT_ONCE: Final = 200
BREATH_S: Final = 0.01
"""Between two steps, so that no writer waits for more than one of them."""
LITTLE_SPACE: Final = 500_000_000


class Upkeep:
    """Keeps the database small and a copy of it at hand."""

    def __init__(self, store: AsyncStore, clock: Clock, exchange: str) -> None:
        self._store = store
        self._clock = clock
        self._exchange = exchange

    async def nightly(self) -> None:
        """Do all of it, and say in the log's one line what was done. A step that fails does not keep the next from being done.

        Raises:
            StoreError: If a step failed: which, and why.
        """
        now = self._clock.now()
        zone = await to_thread.run_sync(_zone, self._exchange)
        done: list[str] = []
        failed: list[str] = []
        for step in (self._thin_out, self._back_up, self._fold_log):
            try:
                done.append(await step(now, zone))
            except StoreError as error:
                failed.append(str(error))
        log.warning("the night's upkeep: %s", "; ".join([*done, *failed]))
        if failed:
            raise StoreError("; ".join(failed))

    async def _thin_out(self, now: datetime, zone: ZoneInfo) -> str:
        """Delete what need not be kept, and give back its space."""
        snapshots = await self._drop(
            await self._store.read(Store.surplus_snapshots, now, zone),
            Store.drop_snapshots,
            SNAPSHOTS_AT_ONCE,
        )
        messages = await self._drop(
            await self._store.read(Store.spent_messages, now), Store.drop_messages, MESSAGES_AT_ONCE
        )
        await self._shrink()
        return f"{snapshots} snapshots and {messages} messages deleted"

    async def _drop(
        self, ids: Sequence[int], drop: Callable[[Store, Sequence[int]], int], at_once: int
    ) -> int:
        dropped = 0
        for start in range(0, len(ids), at_once):
            dropped += await self._store.write(drop, ids[start : start + at_once])
            await anyio.sleep(BREATH_S)
        return dropped

    async def _shrink(self) -> None:
        before, left = None, await self._store.write(Store.give_back, PAGES_AT_ONCE)
        while left not in {0, before}:
            await anyio.sleep(BREATH_S)
            before, left = left, await self._store.write(Store.give_back, PAGES_AT_ONCE)

    async def _back_up(self, now: datetime, zone: ZoneInfo) -> str:
        copy = await self._store.read(Store.back_up, now.astimezone(zone).date())
        if copy is None:
            return "no backup of a database server"
        size, free = await to_thread.run_sync(_space, copy)
        words = f"backup {copy} of {size / 1e6:.1f} MB"
        return words + (f", only {free / 1e6:.0f} MB are free" if free < LITTLE_SPACE else "")

    async def _fold_log(self, now: datetime, zone: ZoneInfo) -> str:
        whole = await self._store.write(Store.fold_log)
        return "log folded in" if whole else "log not folded in whole: something reads the database"


def _zone(exchange: str) -> ZoneInfo:
    """Blocking: the calendar is slow to make."""
    return Sessions(exchange).zone


def _space(copy: Path) -> tuple[int, float]:
    """Bytes of the copy, and bytes that are free beside it."""
    size, free = 0, float("inf")
    with suppress(OSError):
        size, free = copy.stat().st_size, shutil.disk_usage(copy.parent).free
    return size, free
