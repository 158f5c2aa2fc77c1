"""Is a SQLite file sound? Its pages, indices and constraints by `integrity_check` (what `quick_check` does and the indices), then
every value by the type of its column.

SQLite keeps no checksums: a byte that flips inside a value leaves the pages in order, and the value would stop whoever reads it
much later. Large values (the snapshots' contents) are not read; they carry a checksum of their own.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

PATIENCE_S: Final = 5.0
JSON_COLUMNS: Final = {
    ("alerts", "detail"),
    ("outbox", "body"),
    ("events", "symbols"),
    ("tail_days", "left_out"),
}
AT_ONCE: Final = 1000

Check = Callable[[Any], object]


def unsound(path: Path) -> str | None:
    """Why the SQLite file is damaged, in a few words; None where it is not. Reads all of it.

    Raises:
        sqlite3.Error: If it can't be read for another reason, such as a lock.
    """
    try:
        # Read-only: a connection that may write folds the log into the file when it closes, damaged or not.
        readable = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(readable, uri=True, timeout=PATIENCE_S)) as database:
            verdict = database.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != ("ok",):
                return " ".join(str(verdict[0] if verdict else "no verdict").split())
            wrong = _unreadable(database)
        if wrong is None:
            # What a read-only connection forgives in a table's definition stops one that may write.
            with closing(sqlite3.connect(path, timeout=PATIENCE_S)) as database:
                database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return wrong
    except UnicodeDecodeError:
        return "its schema is malformed"  # the error's own text held the damage
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return str(error)
        raise


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the error says that the file is damaged, or no database at all."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _unreadable(database: sqlite3.Connection) -> str | None:
    """The first column that holds what is not of its type."""
    database.text_factory = bytes
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    for name in [str(row[0], "utf-8") for row in tables]:
        wrong = _unreadable_column(database, name)
        if wrong is not None:
            return f"{name}.{wrong} can't be read"
    return None


def _unreadable_column(database: sqlite3.Connection, table: str) -> str | None:
    described = database.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
    columns = [(str(row[1], "utf-8"), str(row[2], "utf-8").upper()) for row in described]
    checks = [(name, _check(table, name, kind)) for name, kind in columns if kind != "BLOB"]
    names = ", ".join(_quoted(name) for name, _ in checks)
    found = database.execute(f"SELECT {names} FROM {_quoted(table)}")  # noqa: S608 - the file's own names, quoted
    while rows := found.fetchmany(AT_ONCE):
        for place, (name, check) in enumerate(checks):
            try:
                for row in rows:
                    if row[place] is not None:
                        check(row[place])
            except (ValueError, TypeError, AttributeError):
                return name
    return None


def _check(table: str, column: str, kind: str) -> Check:
    """What raises for a value that a column of that declared type can't hold."""
    if (table, column) in JSON_COLUMNS:
        return json.loads
    if kind == "DATETIME":
        return _instant
    if kind == "DATE":
        return _day
    return _number if kind in {"FLOAT", "INTEGER", "BIGINT", "BOOLEAN"} else bytes.decode


def _instant(value: bytes) -> object:
    return datetime.fromisoformat(value.decode())


def _day(value: bytes) -> object:
    return date.fromisoformat(value.decode())


def _number(value: object) -> None:
    if not isinstance(value, int | float):
        raise TypeError(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
