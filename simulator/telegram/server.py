"""The running server: a socket, uvicorn on the loop that is there, and the handle with which tests speak as
people.
"""

import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.telegram import api, control, people
from simulator.telegram.config import DEMO_USER_ID, TelegramConfig
from simulator.telegram.records import CallbackQuery, LoggedRequest
from simulator.telegram.views import page_view, state_view
from simulator.telegram.world import World

START_S = 10.0
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class SimulatedTelegram:
    """A server that listens.

    `base_url` and `base_file_url` are what python-telegram-bot's builder takes; `log` holds the accepted
    requests and `refusals` the others, in order of arrival; `world` is the whole state.
    """

    def __init__(self, world: World, host: str, port: int) -> None:
        self.world = world
        self.port = port
        self.token = world.config.token
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self.base_url = f"{self.url}/bot"
        self.base_file_url = f"{self.url}/file/bot"

    @property
    def log(self) -> Sequence[LoggedRequest]:
        return self.world.log

    @property
    def refusals(self) -> Sequence[LoggedRequest]:
        return self.world.refusals

    def say(self, text: str, chat_id: int = DEMO_USER_ID, user_id: int = DEMO_USER_ID) -> int:
        """A person writes; returns the message's id. Unknown people and groups are made up."""
        return people.say(self.world, text, chat_id, user_id).id

    def edit(self, message_id: int, text: str, chat_id: int = DEMO_USER_ID) -> None:
        """A person edits a message of theirs."""
        people.edit(self.world, message_id, text, chat_id)

    def press(
        self,
        message_id: int,
        data: str,
        chat_id: int = DEMO_USER_ID,
        user_id: int = DEMO_USER_ID,
        *,
        forged: bool = False,
    ) -> str:
        """A person presses a button; returns the callback query's id. `forged`: though there is no such
        button.
        """
        return people.press(self.world, message_id, data, chat_id, user_id, forged=forged).id

    def block(self, user_id: int = DEMO_USER_ID) -> None:
        """A person blocks the bot, until they write again."""
        people.block(self.world, user_id)

    def push_update(self, update: dict[str, Any]) -> int | None:
        """Queue any update, such as a forged one; returns its id, or None where the bot asked for no such
        kind.
        """
        return self.world.updates.add(update, self.world.now())

    def messages(self, chat_id: int = DEMO_USER_ID) -> list[dict[str, Any]]:
        """The chat as GET /sim/chat/{id} gives it."""
        return [page_view(self.world, message) for message in self.world.in_chat(chat_id)]

    def state(self, chat_id: int = DEMO_USER_ID) -> dict[str, Any]:
        """What GET /sim/state gives."""
        return state_view(self.world, chat_id)

    def callback(self, callback_id: str) -> CallbackQuery:
        """A press and what the bot answered to it."""
        return self.world.callbacks[callback_id]

    async def wait_until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        """Wait until a condition on the server's state holds; checked at every change.

        Raises:
            TimeoutError: when it does not hold in time.
        """
        with anyio.fail_after(timeout_s):
            while not condition():
                with anyio.move_on_after(0.2):
                    await self.world.changed.wait()


@asynccontextmanager
async def running_telegram(config: TelegramConfig | None = None) -> AsyncIterator[SimulatedTelegram]:
    """A simulated Telegram on the running loop, until the block ends.

    Raises:
        OSError: when the port is taken.
        ValueError: when the host is not a loopback address.
    """
    config = config or TelegramConfig()
    if config.host not in LOOPBACK_HOSTS:
        raise ValueError(f"host {config.host!r}: the simulated Telegram listens on loopback only")
    world = World(config)
    server = _Server(uvicorn.Config(_app(world), **_UVICORN))
    listening = _listen(config)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve_shielded, listening)
            try:
                with anyio.fail_after(START_S):
                    await server.listening.wait()
                yield SimulatedTelegram(world, config.host, listening.getsockname()[1])
            finally:
                world.close()
                server.should_exit = True
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:  # what the block itself raised, as it raised it
            raise group.exceptions[0] from None
        raise


_UVICORN: dict[str, Any] = {
    "log_config": None,
    "access_log": False,
    "lifespan": "off",
    "ws": "none",
    "http": "h11",
    "server_header": False,
    "timeout_graceful_shutdown": 2,
}


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, and leaves signals to the program that runs it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def serve_shielded(self, listening: socket.socket) -> None:
        """Serve until `should_exit`: a cancelled uvicorn would leave its sockets open."""
        with anyio.CancelScope(shield=True):
            await self.serve([listening])

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listen(config: TelegramConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # named TCP, or asyncio does not set TCP_NODELAY on what it accepts and every answer waits 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _app(world: World) -> Starlette:
    def bind(
        handler: Callable[[World, Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        return functools.partial(handler, world)

    def local(handler: control.Handler) -> Callable[[Request], Awaitable[Response]]:
        return bind(control.guarded(handler))

    return Starlette(
        routes=[
            Route("/", local(control.page)),
            Route("/sim/message", local(control.message), methods=["POST"]),
            Route("/sim/edit", local(control.edit), methods=["POST"]),
            Route("/sim/callback", local(control.callback), methods=["POST"]),
            Route("/sim/chat/{chat_id}", local(control.chat)),
            Route("/sim/events", local(control.events)),
            Route("/sim/file/{file_id}", local(control.file)),
            Route("/sim/outbox", local(control.outbox)),
            Route("/sim/refusals", local(control.refusals)),
            Route("/sim/state", local(control.state)),
            Route("/file/bot{token}/{path:path}", bind(api.download)),
            Route("/bot{token}/{method}", bind(api.call_method), methods=["GET", "POST"]),
        ]
    )
