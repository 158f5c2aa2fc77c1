"""What the gateway remembers of its clients, whatever else goes on: messages, orders, rates, lines."""

from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime

_RECORDED = 100_000
_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Received:
    """One message from a client: when, from whom (None before START_API), and its fields."""

    at: datetime
    client_id: int | None
    fields: tuple[str, ...]

    @property
    def message_id(self) -> str:
        return self.fields[0] if self.fields else ""


class Meter:
    """How many messages came in the second that ends now; asked at each message, its highest is that of every
    sliding second."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self, now: float) -> int:
        """Counts one message at `now` (seconds of a steady clock) and returns the second's number."""
        self._times.append(now)
        while self._times[0] <= now - _WINDOW_S:
            self._times.popleft()
        return len(self._times)


class Recorder:
    """`received` holds the newest messages, `violations` those among them that would trade; the highest numbers are
    kept per client id, and outlive its connections."""

    def __init__(self, order_messages: frozenset[str]) -> None:
        self.received: deque[Received] = deque(maxlen=_RECORDED)
        self.violations: list[Received] = []
        self._order_messages = order_messages
        self._busiest: defaultdict[int | None, int] = defaultdict(int)
        self._most_lines: defaultdict[int | None, int] = defaultdict(int)
        self._most_history: defaultdict[int | None, int] = defaultdict(int)

    def message(self, entry: Received, in_a_second: int) -> None:
        self.received.append(entry)
        if entry.message_id in self._order_messages:
            self.violations.append(entry)
        self._busiest[entry.client_id] = max(self._busiest[entry.client_id], in_a_second)

    def lines(self, client_id: int | None, count: int) -> None:
        self._most_lines[client_id] = max(self._most_lines[client_id], count)

    def history(self, client_id: int | None, count: int) -> None:
        self._most_history[client_id] = max(self._most_history[client_id], count)

    def busiest_second(self, client_id: int | None) -> int:
        return _highest(self._busiest, client_id)

    def most_lines(self, client_id: int | None) -> int:
        return _highest(self._most_lines, client_id)

    def most_history(self, client_id: int | None) -> int:
        return _highest(self._most_history, client_id)


def _highest(counts: dict[int | None, int], client_id: int | None) -> int:
    """Of one client, or of the client that had most."""
    return max(counts.values(), default=0) if client_id is None else counts.get(client_id, 0)
