"""Yahoo's door: one request each two seconds, and a rest after several failures in a row.

Everything that asks Yahoo takes its turns here, so that two sources together are no faster than one.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from engine.clock import Clock
from engine.errors import MarketDataError

EVERY_S: Final = 2.0
FAILURES_IN_A_ROW: Final = 4
REST_S: Final = 3_600.0


class Turns:
    """The turns of those who ask. One event loop's; a caller waits for the turns taken before its own."""

    def __init__(self, clock: Clock, pause: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self._clock = clock
        self._pause = pause
        self._free_at = 0.0
        self._failures = 0
        self._rests_until: float | None = None

    async def take(self, requests: int = 1) -> None:
        """Wait until `requests` more may be sent.

        Raises:
            MarketDataError: While Yahoo is left in peace.
        """
        now = self._clock.monotonic()
        if self._rests_until is not None and now < self._rests_until:
            minutes = (self._rests_until - now) / 60.0
            raise MarketDataError(
                f"Yahoo failed {self._failures} times in a row; asked again in {minutes:.0f} min"
            )
        mine = max(now, self._free_at)
        self._free_at = mine + EVERY_S * requests
        if mine > now:
            await self._pause(mine - now)

    def failed(self) -> None:
        """The answer was none. After several in a row nobody is let through for an hour; then one failure is enough."""
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            self._rests_until = self._clock.monotonic() + REST_S

    def succeeded(self) -> None:
        self._failures, self._rests_until = 0, None
