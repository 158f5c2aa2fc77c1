"""What the program knows of its own running: durations and times, for /status."""

from dataclasses import dataclass, field
from datetime import datetime

from bot.stopwatch import Phases
from scheduler import Board


@dataclass(slots=True)
class Health:
    """Written by the jobs and sources, read by /status and /events."""

    started_at: datetime
    last_cycle_at: datetime | None = None
    last_cycle_s: float | None = None
    phases: Phases | None = None
    """Of the last cycle."""
    last_refresh_at: datetime | None = None
    failures: int = 0
    last_failure: str | None = None
    calendar: tuple[str, ...] = ()
    """What is wrong with the tables of dates, a line each."""
    earnings: dict[str, str] = field(default_factory=dict)
    """Why a symbol's earnings date could not be had when it was last asked for."""
    jobs: Board = field(default_factory=Board)
