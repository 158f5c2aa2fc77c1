"""How long a simulator's process lives: until a signal, or until the parent that spawned it is gone."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

import anyio


async def live(ready: Callable[[], None], *, with_stdin: bool) -> None:
    """Call `ready` once signals are listened for; return on SIGINT or SIGTERM.

    With `with_stdin` also when standard input, a pipe of the parent's, closes.
    """
    async with anyio.create_task_group() as tasks:
        if with_stdin:
            tasks.start_soon(_until_stdin_ends, tasks.cancel_scope)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            ready()
            async for _ in signals:
                tasks.cancel_scope.cancel()
                break


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
