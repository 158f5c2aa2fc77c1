"""When a once-a-day job is due, asked of the calendar: tiny objects that answer with the occasions around an instant.

An occasion belongs to a date and is one instant of it, so that neither a clock change nor a clock that jumps makes two of it:
01:30 on the night the clocks go back is the first of the two, 02:30 on the night they go forward is 03:30.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from engine.calendar import Session

CLOSE_IS_OWED_FOR: Final = timedelta(hours=12)
"""So late a report of the close is still worth sending."""
NIGHT_IS_OWED_FOR: Final = timedelta(hours=20)
"""A machine that is off at night has its upkeep when it comes on, and before the next night's."""
NIGHTS_BACK: Final = 14
NIGHTS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Due:
    """An occasion of a job: the date that it is for, when it is due, and until when it is still worth running."""

    day: date
    at: datetime
    until: datetime

    @property
    def slot(self) -> str:
        """Its key in the database."""
        return self.day.isoformat()


class Trigger(Protocol):
    """Answers when a job is due."""

    def around(self, at: datetime, sessions: Sequence[Session]) -> list[Due]:
        """The occasions some days before and after `at`, in order; `sessions` are the market's of two weeks either way."""


@dataclass(frozen=True, slots=True)
class BeforeOpen:
    """Some time before each session opens, owed until it closes."""

    lead: timedelta

    def around(self, at: datetime, sessions: Sequence[Session]) -> list[Due]:
        return [Due(one.day, one.opens - self.lead, one.closes) for one in sessions]


@dataclass(frozen=True, slots=True)
class AfterClose:
    """Some time after each session's own close, be it a half-day's."""

    delay: timedelta

    def around(self, at: datetime, sessions: Sequence[Session]) -> list[Due]:
        return [
            Due(one.day, one.closes + self.delay, one.closes + self.delay + CLOSE_IS_OWED_FOR)
            for one in sessions
        ]


@dataclass(frozen=True, slots=True)
class EachNight:
    """At a wall-clock time of every date, trading day or not."""

    hour: time
    zone: ZoneInfo

    def around(self, at: datetime, sessions: Sequence[Session]) -> list[Due]:
        today = at.astimezone(self.zone).date()
        days = [today + timedelta(days=n) for n in range(-NIGHTS_BACK, NIGHTS_AHEAD + 1)]
        instants = [datetime.combine(day, self.hour, self.zone).astimezone(UTC) for day in days]
        return [
            Due(day, instant, instant + NIGHT_IS_OWED_FOR)
            for day, instant in zip(days, instants, strict=True)
        ]
