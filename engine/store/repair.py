"""A damaged SQLite file at start: moved aside with its log, the newest sound backup put in its place.

The log is moved before the file and the backup is made ready before both, so that a stop in between leaves either a file that is
found damaged again or one that only waits to be put in place; never a log beside a file that it is not of.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from engine.errors import StoreError
from engine.store.backup import Backup, backups
from engine.store.engines import file_of, parse_url
from engine.store.soundness import unsound

HEADER: Final = b"SQLite format 3\0"
DATABASE_SUFFIXES: Final = {".sqlite3", ".sqlite", ".db"}
ADDITIONS: Final = ("-wal", "-shm", "-journal")
INTERRUPTED: Final = "its repair was interrupted"
MAY_HAVE_BEEN_SENT: Final = "UPDATE outbox SET may_repeat = 1 WHERE state IN ('pending', 'sending')"


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found damaged and why, where the damaged file is now, and of which day the backup in its place is; None: there
    was no sound one, and the database begins anew."""

    reason: str
    aside: Path
    restored: date | None

    @property
    def words(self) -> str:
        """For the owner, in one line."""
        instead = (
            f"restored the backup of {self.restored}" if self.restored else "no sound backup, begun anew"
        )
        return (
            f"the database was damaged ({self.reason}); {instead}; alerts are judged anew. "
            f"The damaged file is {self.aside}"
        )


def mend(url: str, at: datetime) -> Repair | None:
    """Check the SQLite file at `url` and put a backup in its place where it is damaged. Reads all of it.

    A server's database, a file that is missing, locked or can't be read, and one that does not look like a database are left to
    whoever opens them.

    Raises:
        StoreError: If it is damaged and can't be moved aside; one line.
    """
    file = file_of(parse_url(url))
    if file is None:
        return None
    try:
        if not file.exists():
            return _finish(file)
        reason = _damage(file)
        return None if reason is None else _replace(file, reason, at)
    except OSError as error:
        raise StoreError(f"the database {file} is damaged and can't be mended: {error.strerror}") from error


def _damage(file: Path) -> str | None:
    try:
        reason = "it is empty" if file.stat().st_size == 0 and backups(file) else unsound(file)
    except (sqlite3.Error, OSError):
        return None
    return reason if reason is None or _is_ours(file) else None


def _is_ours(file: Path) -> bool:
    """Whether a file may be moved: a URL that names a text by mistake must not make that text disappear."""
    with file.open("rb") as opened:
        is_database = opened.read(len(HEADER)) == HEADER
    return is_database or file.suffix in DATABASE_SUFFIXES or bool(backups(file))


def _replace(file: Path, reason: str, at: datetime) -> Repair:
    ready = _ready(file)
    ready.unlink(missing_ok=True)
    restored = next((one for one in backups(file) if _prepare(one, ready)), None)
    aside = file.with_name(f"{file.name}.damaged-{at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}")
    for addition in (*ADDITIONS, ""):
        with suppress(FileNotFoundError):
            Path(f"{file}{addition}").replace(f"{aside}{addition}")
    if restored is not None:
        ready.replace(file)
    return Repair(reason, aside, None if restored is None else restored.day)


def _finish(file: Path) -> Repair | None:
    """Of a repair that was interrupted between its last two steps, do the last."""
    ready, moved = _ready(file), sorted(file.parent.glob(f"{file.name}.damaged-*Z"))
    if not ready.exists() or not moved or unsound(ready) is not None:
        return None
    day = datetime.fromtimestamp(ready.stat().st_mtime, UTC).date()
    ready.replace(file)
    return Repair(INTERRUPTED, moved[-1], day)


def _ready(file: Path) -> Path:
    return file.with_name(f".{file.name}.restoring")


def _prepare(backup: Backup, ready: Path) -> bool:
    """Make `ready` a sound copy of the backup on the disk; whether it is one.

    What waited to be sent when the backup was made may have been sent since: its reader is told.
    """
    try:
        if unsound(backup.path) is not None:
            return False
        shutil.copyfile(backup.path, ready)
        ready.chmod(0o600)
        with closing(sqlite3.connect(ready)) as database, database, suppress(sqlite3.OperationalError):
            database.execute(MAY_HAVE_BEEN_SENT)
        with ready.open("rb") as opened:
            os.fsync(opened.fileno())
        # The day of what is in it, for a repair that another start has to finish.
        os.utime(ready, (backup.made_at, backup.made_at))
    except (sqlite3.Error, OSError):
        with suppress(OSError):
            ready.unlink()
        return False
    return True
