"""The queue of updates for the bot: ids, confirmation by offset, the kinds it asked for, and one poller at a
time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio

from simulator.telegram.errors import conflict

KEPT_FOR = timedelta(hours=24)
MAX_TIMEOUT_S = 50
KINDS_LEFT_OUT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass(slots=True)
class UpdateQueue:
    """Updates wait here until a poll with a higher offset confirms them, 24 hours at most."""

    first_id: int = 500_000_000
    allowed: tuple[str, ...] = ()
    _waiting: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    _next: int = 0
    _poller: object = None
    _polling: int = 0
    _changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def pending(self) -> int:
        """How many updates wait to be confirmed."""
        return len(self._waiting)

    @property
    def polled(self) -> bool:
        """Whether a long poll waits at this moment."""
        return self._polling > 0

    def add(self, update: dict[str, Any], now: datetime) -> int | None:
        """Queue an update, such as {"message": {...}}; returns its id, or None where the bot asked for no
        such kind.
        """
        kinds = [kind for kind in update if kind != "update_id"]
        if not all(self._wanted(kind) for kind in kinds):
            return None
        update_id = self.first_id + self._next
        self._next += 1
        self._waiting.append((now, {"update_id": update_id, **update}))
        self._wake()
        return update_id

    def drop(self) -> None:
        """Forget everything that waits."""
        self._waiting.clear()

    def end_polls(self) -> None:
        """Answer the waiting poll now; the server is closing."""
        self._poller = None
        self._wake()

    async def poll(
        self, offset: int, limit: int, timeout_s: float, now: datetime
    ) -> Sequence[dict[str, Any]]:
        """Updates from `offset` on, as soon as there are any, or none after `timeout_s`.

        A poll that waits is ended by the next one that comes.

        Raises:
            RefusedError: 409 to the poll that was ended by another.
        """
        mine = object()
        self._poller = mine
        self._wake()
        self._confirm(offset, now)
        self._polling += 1
        try:
            with anyio.move_on_after(min(timeout_s, MAX_TIMEOUT_S)):
                while not self._waiting and self._poller is mine:
                    await self._changed.wait()
        finally:
            self._polling -= 1
        if self._poller not in (mine, None):
            raise conflict()
        start = max(0, len(self._waiting) + offset) if offset < 0 else 0
        return [update for _, update in self._waiting[start : start + limit]]

    def _confirm(self, offset: int, now: datetime) -> None:
        fresh = [(at, update) for at, update in self._waiting if now - at < KEPT_FOR]
        if offset < 0:
            fresh = fresh[offset:]
        self._waiting = [(at, update) for at, update in fresh if offset <= 0 or update["update_id"] >= offset]

    def _wanted(self, kind: str) -> bool:
        return kind in self.allowed if self.allowed else kind not in KINDS_LEFT_OUT_BY_DEFAULT

    def _wake(self) -> None:
        event, self._changed = self._changed, anyio.Event()
        event.set()
