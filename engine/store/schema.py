"""The schema brought up to date when a store is opened, all of it in one transaction or not at all."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection

from engine.errors import StoreError
from engine.store.engines import is_sqlite, open_migrator

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: URL) -> None:
    """Apply to the database at `url` the steps it has not seen.

    Raises:
        StoreError: If it was written by a newer version, whose steps are not known here.
    """
    engine = open_migrator(url)
    try:
        with engine.begin() as connection:
            config = _config(connection)
            if _steps_missing(connection, ScriptDirectory.from_config(config)):
                command.upgrade(config, "head")
                if is_sqlite(url):
                    _refuse_dangling_rows(connection)
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


def _refuse_dangling_rows(connection: Connection) -> None:
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if dangling is not None:
        raise StoreError(f"the migration would leave a row of {dangling[0]} that points to no {dangling[2]}")
