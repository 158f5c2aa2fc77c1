"""One client: its socket, what it has subscribed to, and the bytes that wait to be sent to it.

The faults of the socket are here: holes, slices, ends. What goes through it is spoilt elsewhere.
"""

import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream

from simulator.gateway.faults import Active
from simulator.gateway.lines import Line
from simulator.gateway.protocol import ProtocolError, Unframer, message_id, split
from simulator.gateway.recorder import Meter

_LONGEST_QUEUE = 32 * 1024 * 1024  # a client that does not read is cut off beyond this
_LINGER_S = 5.0  # how long a peer may keep its half of a connection that we have closed
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


@dataclass(slots=True)
class Subscriptions:
    """What a client wants to be told without asking again; the keys are request ids, values are account names."""

    lines: dict[int, Line] = field(default_factory=dict)
    account_updates: str = ""  # of this account; empty for none
    values: dict[int, str] = field(default_factory=dict)
    summaries: dict[int, frozenset[str]] = field(default_factory=dict)
    pnl: set[int] = field(default_factory=set)
    pnl_single: dict[int, int] = field(default_factory=dict)  # request id -> conId


class Session:
    """A connected client. Everything sent goes through `send`, everything received through `payloads`."""

    def __init__(self, stream: SocketStream, active: Active) -> None:
        self.client_id: int | None = None  # None until START_API
        self.version: int | None = None
        self.accounts: tuple[str, ...] = ()  # set by START_API
        self.market_data_type = 1
        self.wants = Subscriptions()
        self.summary_ids: set[int] = set()  # ever used: cancelling does not free one
        self.told: dict[tuple[object, ...], object] = {}  # last account rows sent, by subscription and key
        self.meter = Meter()
        self.excesses = 0  # how often the message rate was too high
        self.last_warning = self.last_excess = float("-inf")
        self.history: set[int] = set()  # open historical requests
        self.held: list[list[str]] = []  # requests that wait for the broker
        self.late: deque[tuple[float, list[str]]] = deque()  # requests that are answered late, and when
        self.is_silent = False  # never answered
        self.wants_positions = False  # without end
        self._active = active
        self._stream = stream
        self._unframer = Unframer()
        self._outgoing = bytearray()
        self._pending = anyio.Event()
        self._passage = anyio.Event()  # set unless the connection is a black hole
        self._passage.set()
        self._finishing = False
        self._allowed: int | None = None  # bytes that may still leave before the end; None for all
        self._resets = False
        self._ended = False
        self._scope = anyio.CancelScope()

    @property
    def account(self) -> str:
        return self.accounts[0] if self.accounts else ""

    def send(self, data: bytes) -> None:
        """Queues frames; they leave at once, in order."""
        left_out = self._active.args("leave-out")
        if left_out:
            data = b"".join(one for one in split(data) if message_id(one) not in left_out)
        self.send_raw(data)

    def send_raw(self, data: bytes) -> None:
        """Queues bytes as they are."""
        if not data or self._ended or self.is_silent:
            return
        if len(self._outgoing) + len(data) > _LONGEST_QUEUE:
            if self._passage.is_set():
                self.cut()
            return
        self._outgoing += data
        self._pending.set()

    def cut(self) -> None:
        """Ends the connection now, whatever is still queued."""
        self._scope.cancel()
        self._passage.set()

    def end(self, after_bytes: int = 0, *, reset: bool = False) -> None:
        """Ends the connection with a FIN or a RST once so many more bytes have left."""
        self._allowed, self._resets = after_bytes, reset
        self._pending.set()
        self._passage.set()

    def forget_subscriptions(self) -> None:
        """Everything must be asked for again."""
        self.wants = Subscriptions()
        self.told.clear()
        self.held = [fields for fields in self.held if fields[0] != "1"]

    def finish(self) -> None:
        """Ends the connection once everything queued is sent."""
        self._finishing = True
        self._pending.set()

    def block(self) -> None:
        """Nothing is read or written from here on."""
        if self._passage.is_set():
            self._passage = anyio.Event()

    def unblock(self) -> None:
        self._passage.set()

    async def payloads(self) -> AsyncIterator[bytes]:
        """The frames that arrive, until the client goes or stops making sense."""
        while True:
            try:
                await self._passage.wait()
                data = await self._stream.receive()
                await self._passage.wait()
                if self._ended:
                    continue
                for payload in self._unframer.feed(data):
                    yield payload
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, ProtocolError):
                return

    async def write(self) -> None:
        """Sends what is queued, until the connection is finished, ended, cut or lost; then closes it."""
        with self._scope:
            try:
                await self._write()
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            else:
                if self._allowed is not None and not self._resets:
                    await self._stream.send_eof()  # closing with unread bytes would be a RST
                    await anyio.sleep(_LINGER_S)  # `payloads` ends when the peer closes too, and this with it
        if self._resets:
            raw: socket.socket = self._stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        await anyio.aclose_forcefully(self._stream)

    async def _write(self) -> None:
        while not self._finishing or self._outgoing:
            await self._pending.wait()
            await self._passage.wait()
            if self._active.on("merge"):
                await anyio.sleep(self._active.number("merge", 0))
            self._pending = anyio.Event()
            data, self._outgoing = bytes(self._outgoing), bytearray()
            for piece in self._pieces(data):
                await self._passage.wait()
                if self._allowed is not None:
                    piece = piece[: self._allowed]
                    self._allowed -= len(piece)
                if piece:
                    await self._stream.send(piece)
                if self._allowed == 0:
                    self._ended = True
                    return
            if self._allowed == 0:
                self._ended = True
                return

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = int(self._active.number("slice", 0))
        if not size:
            yield data
            return
        for i in range(0, len(data), size):
            yield data[i : i + size]
