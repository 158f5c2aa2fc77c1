"""The listening socket: open, or closed with its port kept for when it opens again."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskGroup, TaskStatus
from anyio.streams.stapled import MultiListener

Attend = Callable[[SocketStream], Awaitable[None]]
_RETRY_S = 0.05


class Door:
    """Lets clients in while nobody holds it shut. Connections that exist are not its business."""

    def __init__(self, host: str, port: int) -> None:
        self.port = port
        self._host = host
        self._holds = 0
        self._opened = anyio.Event()
        self._serving: anyio.CancelScope | None = None
        self._listener: MultiListener[SocketStream] | None = None

    async def bind(self) -> None:
        """Takes the port; a free one for 0. Raises OSError if it can't be had."""
        self._listener = await anyio.create_tcp_listener(local_host=self._host, local_port=self.port)
        self.port = self._listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's

    def shut(self) -> None:
        """Closes the port within the turn of the loop: connections are refused. Holds add up."""
        self._holds += 1
        if self._serving is not None:
            self._serving.cancel()

    def open(self) -> None:
        """Takes one hold off; the port opens when none is left."""
        self._holds -= 1
        if self._holds == 0:
            self._opened.set()

    async def run(
        self, attend: Attend, clients: TaskGroup, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Serves until cancelled; `clients` owns the connections, so that they outlive a closed door."""
        assert self._listener is not None
        listener, is_first = self._listener, True
        while True:
            async with listener:
                with anyio.CancelScope() as self._serving:
                    if self._holds:
                        self._serving.cancel()
                    elif is_first:
                        task_status.started()
                        is_first = False
                    await listener.serve(attend, clients)
            with _reserved(self._host, self.port):
                if is_first:
                    task_status.started()
                    is_first = False
                while self._holds:
                    self._opened = anyio.Event()
                    await self._opened.wait()
            listener = await self._again()

    async def _again(self) -> MultiListener[SocketStream]:
        while True:
            with suppress(OSError):
                return await anyio.create_tcp_listener(local_host=self._host, local_port=self.port)
            await anyio.sleep(_RETRY_S)


@contextmanager
def _reserved(host: str, port: int) -> Iterator[None]:
    """A socket that has the port and does not listen: nobody else can take it, and connecting to it is refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as placeholder:
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            placeholder.bind((host, port))
        yield
