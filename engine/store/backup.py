"""Copies of a SQLite database: made while it is in use, checked before they count, the newest few kept.

`VACUUM INTO` reads one committed state and holds up no writer (the write-ahead log keeps what comes meanwhile). It fails on a
damaged file where a copy of pages would copy the damage. A copy gets its name only once it is whole and on the disk.
"""

import os
import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from engine.errors import StoreError
from engine.store.soundness import PATIENCE_S, unsound

FOLDER: Final = "backups"
NIGHTLY_KEPT: Final = 7
BEFORE_KEPT: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Backup:
    """A copy: of which day, and of before which schema (empty for a nightly one). The newest sorts last."""

    day: date
    made_at: float
    before: str
    path: Path


def back_up(source: Path, day: date, before: str = "") -> Path:
    """Copy the database `source` into the folder of its backups, and forget the oldest of its kind; the copy's path.

    A second one of the same day replaces the first. No other process's view of the database is held up.

    Raises:
        StoreError: If the copy can't be made or is not sound; one line. Then nothing has changed.
    """
    folder = source.parent / FOLDER
    target = folder / f"{source.stem}-{day}{f'-before-{before}' if before else ''}{source.suffix}"
    unfinished = target.with_name(f".{target.name}.part")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _copy(source, unfinished)
        unfinished.replace(target)
        _sync(folder)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            unfinished.unlink()
        raise StoreError(f"can't back up {source} to {target}: {_reason(error)}") from error
    _forget(source, before=bool(before))
    return target


def backups(source: Path) -> list[Backup]:
    """The copies of the database `source`, the newest first."""
    name = re.compile(
        rf"{re.escape(source.stem)}-(\d{{4}}-\d\d-\d\d)(?:-before-(\w+))?{re.escape(source.suffix)}"
    )
    found = []
    for path in (source.parent / FOLDER).glob("*"):
        match = name.fullmatch(path.name)
        with suppress(OSError, ValueError):
            if match:
                made_at = path.stat().st_mtime
                found.append(Backup(date.fromisoformat(match[1]), made_at, match[2] or "", path))
    return sorted(found, reverse=True)


def _copy(source: Path, target: Path) -> None:
    """A sound copy of `source` on the disk, readable by its owner alone."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(source, timeout=PATIENCE_S)) as database:
        database.execute("VACUUM INTO ?", (str(target),))
    wrong = unsound(target)
    if wrong is not None:
        raise sqlite3.DatabaseError(f"the copy is damaged: {wrong}")
    _sync(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget(source: Path, *, before: bool) -> None:
    """Delete all but the newest few of one kind. What can't be deleted stays for the next time."""
    of_kind = [one for one in backups(source) if bool(one.before) == before]
    for one in of_kind[BEFORE_KEPT if before else NIGHTLY_KEPT :]:
        with suppress(OSError):
            one.path.unlink()


def _reason(error: OSError | sqlite3.Error) -> str:
    return getattr(error, "strerror", None) or str(error)
