"""Is the market open, and when does it open and close next? Answered from the calendar's sessions, kept for a day."""

from datetime import datetime, timedelta
from typing import Final

import anyio.to_thread

from engine.calendar import Session, Sessions
from scheduler.settings import ScheduleSettings

KEPT_FOR: Final = timedelta(hours=12)


class MarketHours:
    """The sessions of the configured exchange, less the days that the config closes; with `always_open`, every hour is one."""

    def __init__(self, settings: ScheduleSettings) -> None:
        self._settings = settings
        self._calendar: Sessions | None = None
        self._sessions: list[Session] = []
        self._read_at: datetime | None = None

    async def is_open(self, at: datetime) -> bool:
        """Whether `at` lies in a session."""
        if self._settings.always_open:
            return True
        return any(session.opens <= at < session.closes for session in await self.sessions(at))

    async def next_open(self, at: datetime) -> datetime | None:
        """The first open after `at`; None when nothing ever opens."""
        return next((session.opens for session in await self.sessions(at) if session.opens > at), None)

    async def next_close(self, at: datetime) -> datetime | None:
        """The first close after `at`; None when nothing ever closes."""
        return next((session.closes for session in await self.sessions(at) if session.closes > at), None)

    async def sessions(self, at: datetime) -> list[Session]:
        """The sessions of two weeks before `at` and two weeks after, in order; none where every hour is one."""
        if self._settings.always_open:
            return []
        if self._read_at is None or abs(at - self._read_at) > KEPT_FOR:
            self._sessions = await anyio.to_thread.run_sync(self._read, at)
            self._read_at = at
        return self._sessions

    def _read(self, at: datetime) -> list[Session]:
        """Blocking: the calendar is slow to make."""
        if self._calendar is None:
            self._calendar = Sessions(self._settings.exchange)
        closed = self._settings.closed_days
        return [one for one in self._calendar.around(at) if one.day not in closed]
