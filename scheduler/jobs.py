"""The two kinds of jobs, and what a body is told of its run."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from scheduler.triggers import Trigger


@dataclass(frozen=True, slots=True)
class Job:
    """Something done each `every_s` seconds of market hours, the first time at once. A run that takes longer than `deadline_s`
    is ended and told."""

    name: str
    every_s: float
    body: Callable[[], Awaitable[None]]
    deadline_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a once-a-day job: the date that it is for, when it was due, and by how much it is late; None when it is not."""

    day: date
    due_at: datetime
    late: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DayJob:
    """Something done once for each date that its trigger names.

    Attributes:
        body: is run again where it was cut off, so that a repeat must do no harm.
        missed: is told the dates that can't be made up for any more, and why they were missed.
        on: switched off, it is shown as such, and what it would have done is not owed.
    """

    name: str
    trigger: Trigger
    body: Callable[[Run], Awaitable[None]]
    missed: Callable[[Sequence[date], str], Awaitable[None]] | None = None
    on: bool = True
    deadline_s: float = 3600.0
