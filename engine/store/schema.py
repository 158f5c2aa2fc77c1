"""The schema brought up to date when a store is opened, all of it in one transaction or not at all, after a backup."""

import logging
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine

from engine.errors import StoreError
from engine.store.backup import back_up
from engine.store.engines import as_store_error, file_of, is_sqlite, open_migrator

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: URL) -> None:
    """Apply to the database at `url` the steps it has not seen; a SQLite file that has tables is backed up first.

    Raises:
        StoreError: If it was written by a newer version, whose steps are not known here, or can't be backed up.
    """
    engine = open_migrator(url)
    try:
        with engine.begin() as connection:
            config = _config(connection)
            script = ScriptDirectory.from_config(config)
            missing = _steps_missing(connection, script)
            if missing:
                _back_up(connection, file_of(url), script.get_current_head() or "")
                command.upgrade(config, "head")
                if is_sqlite(url):
                    _refuse_dangling_rows(connection)
        if missing and is_sqlite(url):
            _let_it_shrink(engine)
    finally:
        engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _steps_missing(connection: Connection, script: ScriptDirectory) -> bool:
    present = set(MigrationContext.configure(connection).get_current_heads())
    known = {step.revision for step in script.walk_revisions()}
    if not present <= known:
        raise StoreError(
            f"the database has schema {', '.join(sorted(present))}, this riskbot knows up to {script.get_current_head()}: "
            "use the newer riskbot that wrote it, or another database"
        )
    return present != set(script.get_heads())


def _back_up(connection: Connection, file: Path | None, head: str) -> None:
    """Copy a file that holds tables, as nobody can change it now. Its day is the one on which it was last written."""
    if file is None or not connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar():
        return
    log_ = file.with_name(f"{file.name}-wal")
    written = max(one.stat().st_mtime for one in (file, log_) if one.exists() and one.stat().st_size)
    copy = back_up(file, datetime.fromtimestamp(written, UTC).date(), before=head)
    log.warning("the database gets schema %s; as it was before it is kept in %s", head, copy)


def _let_it_shrink(engine: Engine) -> None:
    """A file of before that could give back free pages is rewritten once so that it can; at start nobody waits for it."""
    try:
        with (
            as_store_error("the database keeps its free pages"),
            closing(engine.raw_connection()) as connection,
        ):
            (mode,) = connection.driver_connection.execute("PRAGMA auto_vacuum").fetchone()  # type: ignore[union-attr]
            if mode == 0:
                connection.driver_connection.execute("VACUUM")  # type: ignore[union-attr]
    except StoreError as error:
        log.warning("%s", error)


def _refuse_dangling_rows(connection: Connection) -> None:
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if dangling is not None:
        raise StoreError(f"the migration would leave a row of {dangling[0]} that points to no {dangling[2]}")
