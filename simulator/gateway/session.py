"""One client: its socket, what it has subscribed to, and the bytes that wait to be sent to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketStream

from simulator.gateway.lines import Line
from simulator.gateway.protocol import ProtocolError, Unframer

_LONGEST_QUEUE = 32 * 1024 * 1024  # a client that does not read is cut off beyond this


@dataclass(slots=True)
class Subscriptions:
    """What a client wants to be told without asking again; the keys are request ids."""

    lines: dict[int, Line] = field(default_factory=dict)
    account_updates: bool = False
    values: set[int] = field(default_factory=set)
    summaries: dict[int, frozenset[str]] = field(default_factory=dict)
    pnl: set[int] = field(default_factory=set)
    pnl_single: dict[int, int] = field(default_factory=dict)  # request id -> conId


class Session:
    """A connected client. Everything sent goes through `send`, everything received through `payloads`."""

    def __init__(self, stream: SocketStream) -> None:
        self.client_id: int | None = None  # None until START_API
        self.version: int | None = None
        self.market_data_type = 1
        self.wants = Subscriptions()
        self.summary_ids: set[int] = set()  # ever used: cancelling does not free one
        self.told: dict[tuple[object, ...], object] = {}  # last account rows sent, by subscription and key
        self._stream = stream
        self._unframer = Unframer()
        self._outgoing = bytearray()
        self._pending = anyio.Event()
        self._finishing = False
        self._scope = anyio.CancelScope()

    def send(self, data: bytes) -> None:
        """Queues frames; they leave at once, in order."""
        if not data:
            return
        self._outgoing += data
        self._pending.set()
        if len(self._outgoing) > _LONGEST_QUEUE:
            self.cut()

    def cut(self) -> None:
        """Ends the connection now, whatever is still queued."""
        self._scope.cancel()

    async def payloads(self) -> AsyncIterator[bytes]:
        """The frames that arrive, until the client goes or stops making sense."""
        while True:
            try:
                data = await self._stream.receive()
                for payload in self._unframer.feed(data):
                    yield payload
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, ProtocolError):
                return

    def finish(self) -> None:
        """Ends the connection once everything queued is sent."""
        self._finishing = True
        self._pending.set()

    async def write(self) -> None:
        """Sends what is queued, until the connection is finished, cut or lost; then closes it."""
        with self._scope:
            while not self._finishing or self._outgoing:
                await self._pending.wait()
                self._pending = anyio.Event()
                data, self._outgoing = bytes(self._outgoing), bytearray()
                try:
                    await self._stream.send(data)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    break
        await anyio.aclose_forcefully(self._stream)
