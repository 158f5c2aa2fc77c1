"""Drawing in a process of its own, so that the event loop never waits for a picture.

One worker (`engine.reports.worker`), one picture at a time, first come first served. A worker that hangs, dies or
whose caller gave up is killed and replaced. anyio's own worker processes live until the loop ends, can't be retired,
and run the parent's main module again; hence this small one.
"""

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self

import anyio
from anyio.abc import ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from engine.errors import RenderError
from engine.reports.worker import LENGTH

P = ParamSpec("P")

_GRACE_S = 5.0
_COMMAND = "from engine.reports.worker import main; main()"
_LOST = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass(slots=True)
class _Worker:
    """A running drawing process and how many pictures it has drawn."""

    process: Process
    jobs: ByteSendStream
    answers: BufferedByteReceiveStream
    drawn: int = 0


class Renderer:
    """Draws pictures in one spawned process while it is entered.

    Entering starts the process and does not wait for its imports; leaving kills it. Any number of tasks may call
    `draw`; they take turns.

    Args:
        deadline_s: seconds that one picture may take, from its turn; the start of a fresh process counts.
        retire_after: pictures after which the process is replaced, to bound its memory.
    """

    def __init__(self, *, deadline_s: float = 20.0, retire_after: int = 500) -> None:
        self._deadline_s = deadline_s
        self._retire_after = retire_after
        self._turn = anyio.Lock()
        self._worker: _Worker | None = None
        self._entered = False

    async def __aenter__(self) -> Self:
        self._entered = True
        with suppress(RenderError):
            await self._start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered = False
        await self._stop()
        # A picture that was starting a process just now has its turn until that process is gone.
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await self._stop()

    async def draw(self, function: Callable[P, bytes], *args: P.args, **kwargs: P.kwargs) -> bytes:
        """Call a picture function in the drawing process.

        Function and arguments are pickled, so the function must be importable by name. A caller that is cancelled
        while its picture is drawn takes the process with it; the next one gets a fresh process.

        Returns:
            What the function returned.
        Raises:
            RenderError: If the picture took too long, its process ended or can't start, or the renderer is closed.
            Exception: What the function itself raised, with that process's traceback as a note.
        """
        job = (function, args, kwargs, self._deadline_s + _GRACE_S)
        message = pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
        async with self._turn:
            answer = await self._ask(message)
            await self._retire()
        good, result = pickle.loads(answer)  # noqa: S301 our own child's answer
        if good:
            drawn: bytes = result
            return drawn
        raise result

    async def _ask(self, message: bytes) -> bytes:
        try:
            with anyio.fail_after(self._deadline_s):
                worker = await self._running()
                await worker.jobs.send(LENGTH.pack(len(message)) + message)
                (length,) = LENGTH.unpack(await worker.answers.receive_exactly(LENGTH.size))
                answer = await worker.answers.receive_exactly(length)
        except BaseException as error:
            await self._stop()
            if isinstance(error, TimeoutError):
                raise RenderError(f"a picture took longer than {self._deadline_s:g} s") from error
            if isinstance(error, _LOST):
                raise RenderError("the drawing process ended before its picture was done") from error
            raise
        worker.drawn += 1
        return answer

    async def _running(self) -> _Worker:
        if self._worker is not None and self._worker.process.returncode is None:
            return self._worker
        await self._stop()
        return await self._start()

    async def _retire(self) -> None:
        if self._worker is not None and self._worker.drawn >= self._retire_after:
            await self._stop()
            with suppress(RenderError):
                await self._start()

    async def _start(self) -> _Worker:
        if not self._entered:
            raise RenderError("the renderer is closed")
        try:
            with anyio.CancelScope(shield=True):
                # In a session of its own it does not get the terminal's Ctrl-C, which would race our shutdown.
                process = await anyio.open_process(
                    [sys.executable, "-P", "-c", _COMMAND],
                    stderr=None,
                    env=_environment(),
                    start_new_session=True,
                )
        except OSError as error:
            raise RenderError(f"the drawing process can't start: {error}") from error
        assert process.stdin is not None
        assert process.stdout is not None
        self._worker = _Worker(process, process.stdin, BufferedByteReceiveStream(process.stdout))
        return self._worker

    async def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with anyio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                worker.process.kill()
            await worker.process.aclose()


def _environment() -> dict[str, str]:
    """This process's own, and its import path, so that the same modules are found."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path)}
