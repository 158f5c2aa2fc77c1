"""The drawing process: reads jobs from standard input, calls them one after another, answers on standard output.

A message is eight bytes of length (big endian) and a pickle. A job is (function, args, kwargs, patience in seconds);
an answer is (True, what the function returned) or (False, what it raised).

The process never outlives its parent: it ends when its input does, even in the middle of a picture, and where a call
holds the interpreter so long that nobody can notice, a watchdog outside the interpreter ends it. It also ends when
memory runs out, since a fresh process is the one sure cure.
"""

import faulthandler
import os
import pickle
import queue
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

import engine.reports.charts  # noqa: F401 the slow imports happen before the first job, not in it

LENGTH = struct.Struct(">Q")

Job = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any], float]


def main() -> None:
    answers = _private_output()
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(sys.stdin.buffer, jobs), daemon=True).start()
    while True:
        answer = _call(jobs.get())
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _private_output() -> BinaryIO:
    """Keep the real standard output for answers; what a job prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _read_jobs(source: BinaryIO, jobs: "queue.SimpleQueue[bytes]") -> None:
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(head)
        jobs.put(source.read(length))
    os._exit(0)


def _call(message: bytes) -> bytes:
    try:
        job: Job = pickle.loads(message)  # noqa: S301 the parent alone holds the other end of the pipe
        function, args, kwargs, patience_s = job
        faulthandler.dump_traceback_later(patience_s, exit=True)
        try:
            return pickle.dumps((True, function(*args, **kwargs)), pickle.HIGHEST_PROTOCOL)
        finally:
            faulthandler.cancel_dump_traceback_later()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 whatever a job raises is its caller's to handle
        return _failure(error)


def _failure(error: Exception) -> bytes:
    """The error with this process's traceback as a note; one that can't travel is told in words."""
    error.add_note("in the drawing process:\n" + "".join(traceback.format_exception(error)))
    try:
        answer = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        pickle.loads(answer)  # noqa: S301 our own bytes
    except Exception:  # noqa: BLE001 a foreign error's pickling can fail in any way
        words = f"{type(error).__name__}: {error}"
        return pickle.dumps((False, RuntimeError(words)), pickle.HIGHEST_PROTOCOL)
    return answer


if __name__ == "__main__":
    main()
