"""Virtual time: an event loop that jumps to its next timer, and a clock whose wall time moves with it.

One thread: what would run in a worker thread runs in its place, so that time never jumps over work. APScheduler reads
`datetime.now` by itself; the name is replaced in its module, so that its wall clock is this one.
"""

import asyncio
import gc
import os
import selectors
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import apscheduler.schedulers.base
import pytest


def resident_mb():
    """Memory that the process holds, after a collection; a test that asks is skipped where the system does not say."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        pytest.skip("this system does not say how much memory a process holds")
    return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Deadlock(Exception):
    """Nothing is ready and no timer is set: the program would wait for ever."""


class _Jumping(selectors.DefaultSelector):
    """A selector that does not wait: where nothing is ready, the time that it should wait has passed."""

    def __init__(self):
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Deadlock
            self.seconds += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-6

    def time(self):
        return self._jumping.seconds


class VirtualClock:
    """A Clock; its loop moves it, and `jump` sets its wall time as a person or a time server would."""

    def __init__(self, start):
        self._start = start
        self._jumped = timedelta()
        self._loop = None

    def now(self):
        return self._start + self._jumped + timedelta(seconds=self.monotonic())

    def monotonic(self):
        return 0.0 if self._loop is None else self._loop.time()

    def jump(self, hours):
        self._jumped += timedelta(hours=hours)

    def run(self, main, *args):
        """What `main(*args)` returns, run in this time; may be called again, and goes on where it ended."""

        def loop():
            self._start, self._jumped, self._loop = self.now(), timedelta(), VirtualLoop()
            return self._loop

        with _in_one_thread(self):
            return anyio.run(main, *args, backend_options={"loop_factory": loop})


@contextmanager
def _in_one_thread(clock):
    class Datetime(datetime):
        @classmethod
        def now(cls, tz=None):
            return clock.now().astimezone(tz)

    async def here(function, *args, **_):
        return function(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", here)
        patch.setattr(apscheduler.schedulers.base, "datetime", Datetime)
        yield
