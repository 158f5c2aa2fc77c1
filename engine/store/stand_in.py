"""A copy of a database whose own disk takes nothing: what the program works on meanwhile, in memory where that can be had."""

import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from engine.errors import StoreError
from engine.store.engines import file_of, parse_url

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
UNWRITABLE: Final = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
NO_ROOM: Final = {errno.ENOSPC, errno.EROFS, errno.EDQUOT}


def is_unwritable(error: StoreError) -> bool:
    """Whether a database could not be opened because its disk takes nothing: it is full, read-only or failing."""
    cause = error.__cause__
    cause = cause.orig if isinstance(cause, DBAPIError) else cause
    if isinstance(cause, OSError):
        return cause.errno in NO_ROOM
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in UNWRITABLE


@contextmanager
def stand_in(url: str) -> Iterator[str | None]:
    """The URL of a copy of the SQLite file at `url`, its log included, for the length of the block; None where there is no file
    to copy, or no place for it."""
    file = file_of(parse_url(url))
    if file is None or not file.is_file():
        yield None
        return
    with tempfile.TemporaryDirectory(
        prefix="riskbot-", dir=MEMORY if MEMORY.is_dir() else None, ignore_cleanup_errors=True
    ) as folder:
        copy = Path(folder) / file.name
        try:
            for addition in ("", "-wal"):
                one = Path(f"{file}{addition}")
                if one.exists():
                    shutil.copyfile(one, f"{copy}{addition}")
        except OSError:
            yield None
            return
        yield f"sqlite:///{copy}"
