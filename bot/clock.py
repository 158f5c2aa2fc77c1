"""The one place that reads the time."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the one Clock

    def monotonic(self) -> float:
        return time.monotonic()
