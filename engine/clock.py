"""Time is passed in: what the shell's one Clock looks like to those who are handed it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that only ever grow; for ages and deadlines."""
