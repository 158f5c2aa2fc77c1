"""Outgoing messages at an even pace. The gateway allows 50 in a second, however the second is laid; the library's own brake
sends them in bursts that put two seconds' worth into one."""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

PER_SECOND: Final = 36.0
AT_ONCE: Final = 3
"""So many may leave without a gap: with PER_SECOND no second, however it is laid, sees more than 40 leave; a gateway that
reads late counts a few more."""


class Timer(Protocol):
    """The part of an event loop that this needs."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> object: ...


class Pacer:
    """Holds messages back until their time. Urgent ones pass the others; within a kind the order stays."""

    def __init__(self, send: Callable[[str], None], timer: Timer) -> None:
        self._send = send
        self._timer = timer
        self._urgent: deque[str] = deque()
        self._waiting: deque[str] = deque()
        self._earliest = 0.0
        self._armed = False
        self._closed = False

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._urgent) + len(self._waiting)

    def offer(self, message: str, *, urgent: bool) -> None:
        """Send `message` now or as soon as the pace allows; after `close` it is dropped."""
        if self._closed:
            return
        (self._urgent if urgent else self._waiting).append(message)
        self._flush()

    def close(self) -> None:
        """The socket is gone: what waits is dropped."""
        self._closed = True
        self._urgent.clear()
        self._waiting.clear()

    def _flush(self) -> None:
        gap = 1.0 / PER_SECOND
        while len(self):
            now = self._timer.time()
            if self._earliest > now + (AT_ONCE - 1) * gap:
                if not self._armed:
                    self._armed = True
                    self._timer.call_at(self._earliest - (AT_ONCE - 1) * gap, self._wake)
                return
            self._earliest = max(self._earliest, now) + gap
            self._send((self._urgent or self._waiting).popleft())

    def _wake(self) -> None:
        self._armed = False
        self._flush()
