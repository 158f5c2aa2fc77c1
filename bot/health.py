"""What the program knows of its own running: durations and times, for /status."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Health:
    """Written by the jobs, read by /status."""

    started_at: datetime
    last_cycle_at: datetime | None = None
    last_cycle_s: float | None = None
    last_refresh_at: datetime | None = None
    failures: int = 0
    last_failure: str | None = None
    firing: tuple[str, ...] = ()
