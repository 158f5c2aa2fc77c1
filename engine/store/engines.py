"""From a URL to connections: engines that write or read, and the settings SQLite needs on each of their connections.

SQLite is put in WAL mode with `synchronous=FULL`, so that what was committed outlives a power cut, and every write begins with
`BEGIN IMMEDIATE`: a transaction that starts as a reader and then writes fails at once, whatever its busy timeout, when another
wrote in between. The `begin` hook is SQLAlchemy's documented way to take transaction control from Python's sqlite3 module.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from engine.errors import StoreError

BUSY_TIMEOUT_MS = 5000


@contextmanager
def as_store_error(doing: str) -> Iterator[None]:
    """What the database refuses leaves this block as a StoreError of one line that starts with `doing`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = str(cause).strip().partition("\n")[0]
        raise StoreError(f"{doing}: {reason}") from error


def parse_url(text: str) -> URL:
    """`text` as a database URL. Never repeats it in a message: it may hold a password.

    Raises:
        StoreError: If it is not one.
    """
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            "the database URL can't be read; one that works is sqlite:///data/riskbot.sqlite3"
        ) from error


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def file_of(url: URL) -> Path | None:
    """The SQLite file that the URL names; None for a server, or for what only SQLite can find."""
    if not is_sqlite(url) or not url.database or url.database.startswith((":", "file:")):
        return None
    return Path(url.database)


def make_folder(url: URL) -> None:
    """The folder of a SQLite file, made if it is missing.

    Raises:
        StoreError: If it can't be made.
    """
    file = file_of(url)
    if file is None:
        return
    folder = file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't make the folder {folder} for the database: {error.strerror}") from error


def open_writer(url: URL) -> Engine:
    """One connection, every transaction on it a writer's from its first statement."""
    return _open(url, begin="BEGIN IMMEDIATE", pragmas={"foreign_keys": "ON"}, pool_size=1, max_overflow=0)


def open_reader(url: URL) -> Engine:
    """Connections that see the last committed state and, on SQLite, can't write."""
    return _open(url, begin="BEGIN", pragmas={"foreign_keys": "ON", "query_only": "ON"}, pool_size=2)


def open_migrator(url: URL) -> Engine:
    """A writer without foreign keys: SQLite changes a table by copying it, and would empty those that point to it."""
    return _open(url, begin="BEGIN IMMEDIATE", pragmas={"foreign_keys": "OFF"}, pool_size=1, max_overflow=0)


def _open(url: URL, begin: str, pragmas: dict[str, str], **pool: int) -> Engine:
    try:
        if not is_sqlite(url):
            return create_engine(url, pool_pre_ping=True, **pool)
        if url.database in {None, "", ":memory:"}:
            raise StoreError(
                "a database in memory keeps nothing; name a file, such as sqlite:///data/riskbot.sqlite3"
            )
        engine = create_engine(url, poolclass=QueuePool, **pool)
    except ModuleNotFoundError as error:
        raise StoreError(f"{url.drivername} databases need the Python package {error.name}") from error
    except ArgumentError as error:
        raise StoreError(f"{url.drivername} is not a kind of database that can be used here") from error
    event.listen(engine, "connect", _sqlite_settings(pragmas))
    event.listen(engine, "begin", _begin_with(begin))
    return engine


def _sqlite_settings(pragmas: dict[str, str]) -> Any:
    def settle(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if connection.execute("PRAGMA auto_vacuum").fetchone() == (0,):
            # Counts once a new file gets a table, or an old one is rewritten: free pages can then be given back a few at a time.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"SQLite can't keep a write-ahead log there (journal mode {mode}); use a file on a local disk"
            )
        connection.execute("PRAGMA synchronous=FULL")
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name}={value}")

    return settle


def _begin_with(statement: str) -> Any:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin
