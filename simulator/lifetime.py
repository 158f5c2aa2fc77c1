"""How long a simulator's process lives: until a signal, or until the parent that spawned it is gone."""

import asyncio
import os
import signal
import threading
from contextlib import suppress

import anyio


async def live(*, with_stdin: bool) -> None:
    """Return on SIGINT or SIGTERM; with `with_stdin` also when standard input, a pipe of the parent's, closes."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_signal, tasks.cancel_scope)
        if with_stdin:
            tasks.start_soon(_until_stdin_ends, tasks.cancel_scope)


async def _until_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _until_stdin_ends(scope: anyio.CancelScope) -> None:
    """Reads standard input to its end in a daemon thread, which never holds up the exit."""
    ended, loop = anyio.Event(), asyncio.get_running_loop()

    def read() -> None:
        while os.read(0, 4096):
            pass
        with suppress(RuntimeError):  # the loop is closed: it ended before its parent did
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    await ended.wait()
    scope.cancel()
