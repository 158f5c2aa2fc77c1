"""Where compiled kernels are kept, and whether they are all there.

The folder carries a digest of all kernel sources in its name, because numba looks only at the file of a kernel itself when
it decides whether what it kept is still good, not at the files of what that kernel calls.
"""

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # where there are no such locks two processes may compile the same, which only costs time
    fcntl = None  # type: ignore[assignment]

HERE: Final = Path(__file__).parent
CONSTANTS: Final = tuple(HERE.parent / name for name in ("grid.py", "dividends.py", "black_scholes.py"))
DONE: Final = "complete"


@cache
def folder() -> Path:
    """The first that can be written: what NUMBA_CACHE_DIR says, beside the sources, the user's cache, a temporary one."""
    name = f"riskbot-kernels-{_digest()}"
    said = os.environ.get("NUMBA_CACHE_DIR")
    user = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    for place in [Path(said)] if said else [HERE / "__pycache__", Path(user) / "riskbot"]:
        try:
            (place / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place / name, os.W_OK):
            return place / name
    return Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"


def is_compiled() -> bool:
    """Whether every kernel is on disk, so that using them needs no compiler."""
    return (folder() / DONE).exists()


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process is compiling. The lock goes with the process that holds it."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def mark_compiled() -> None:
    """From now on the kernels are loaded, not compiled."""
    (folder() / DONE).touch()


def _digest() -> str:
    sources = b"".join(path.read_bytes() for path in [*sorted(HERE.glob("*.py")), *CONSTANTS])
    machine = (sys.version, platform.machine(), platform.processor(), version("numba"), version("llvmlite"))
    return hashlib.sha256(sources + repr(machine).encode()).hexdigest()[:16]
