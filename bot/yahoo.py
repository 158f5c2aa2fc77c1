"""Yahoo's door: one request each two seconds, a rest after several failures in a row, and its library's answer or `Unknown`.

Everything that asks Yahoo takes its turns here, so that two sources together are no faster than one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio
from anyio import to_thread

from engine.clock import Clock
from engine.errors import MarketDataError

EVERY_S: Final = 2.0
FAILURES_IN_A_ROW: Final = 4
REST_S: Final = 3_600.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing is known, and why, in one line. `at_rest`: the source was not asked."""

    reason: str
    at_rest: bool = False


NO_CALENDAR: Final = Unknown("Yahoo has no calendar of it")


async def answer_of(ask: Callable[[str], T], symbol: str, within_s: float) -> T | Unknown:
    """What `ask` says of `symbol`, from a thread of its own; Unknown where it fails or is late. Never raises for its failures."""
    try:
        with anyio.fail_after(within_s):
            return await to_thread.run_sync(ask, symbol, abandon_on_cancel=True)
    except TimeoutError:
        return Unknown(f"Yahoo did not answer within {within_s:g} s")
    except Exception as error:  # noqa: BLE001 - whatever the library raises on its way through Yahoo's pages means unknown
        return Unknown(" ".join(f"{type(error).__name__}: {error}".split()))


def said(calendar: object) -> Mapping[str, Any] | None:
    """The library's calendar where it says anything; the library answers a failure with an empty one."""
    return calendar if isinstance(calendar, Mapping) and any(calendar.values()) else None


def ticker(symbol: str, wanted: str) -> Any:
    """The library's view of a symbol, the broker's name for it ('BRK B'). Blocking: the library is slow to import.

    Raises:
        MarketDataError: If the library is not installed; `wanted` says what needs it.
    """
    try:
        import yfinance  # here, because it is seldom needed
    except ModuleNotFoundError as error:
        raise MarketDataError(f"{wanted} from Yahoo need the Python package yfinance") from error
    return yfinance.Ticker(symbol.replace(" ", "-"))  # type: ignore[no-untyped-call]


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
