"""The migrations and the tables say the same, and a database from the future is left alone."""

import re
import sqlite3

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, String, make_url

from engine.errors import StoreError
from engine.store import Store
from engine.store.engines import open_migrator, open_writer
from engine.store.schema import MIGRATIONS, migrate
from engine.store.tables import SnapshotRow

METADATA = SnapshotRow.metadata


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


@pytest.fixture
def migrated(path):
    url = make_url(f"sqlite:///{path}")
    migrate(url)
    engine = open_writer(url)
    yield engine
    engine.dispose()


def execution_sql(quantity=1, right="NULL", settlement="'PM'", price=1):
    return (
        "INSERT INTO executions VALUES ('1', 'DU1', 1, 'SPY', 'STK', 'SPY', 'USD', 1, NULL, NULL, "
        f"{right}, {settlement}, '2026-01-05', {quantity}, {price}, NULL, NULL, NULL)"
    )


def event_sql(kind="'FOMC'", timing="NULL", impact="'high'", fetched_at="'2026-01-01'"):
    return (
        f"INSERT INTO events VALUES ('a file', {kind}, '2026-12-09', '[]', 'x', 1, {timing}, {impact}, "
        f"{fetched_at})"
    )


def definitions(path):
    """Each table and index with the parts of its definition, order and spacing set aside."""
    database = sqlite3.connect(path)
    rows = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
    ).fetchall()
    database.close()
    return {
        name: sorted(re.sub(r"\s+", " ", part).strip(" ,") for part in sql.splitlines()) for name, sql in rows
    }


def test_alembic_finds_no_difference_between_migrations_and_tables(migrated):
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )

        assert compare_metadata(context, METADATA) == []


def test_the_comparison_would_see_a_difference(migrated):
    with migrated.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE bars ADD COLUMN volume FLOAT")
        context = MigrationContext.configure(connection)

        assert [difference[0] for difference in compare_metadata(context, METADATA)] == ["remove_column"]


def test_checks_and_keys_of_the_migrations_are_those_of_the_tables(migrated, path, tmp_path):
    other = tmp_path / "direct.sqlite3"
    engine = open_writer(make_url(f"sqlite:///{other}"))
    METADATA.create_all(engine)
    engine.dispose()

    assert definitions(path) == definitions(other)


def test_the_migrations_can_be_taken_back(path):
    engine = open_migrator(make_url(f"sqlite:///{path}"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.downgrade(config, "base")
    engine.dispose()

    assert definitions(path) == {}


def test_a_database_of_the_first_schema_keeps_its_rows_and_gets_the_new_tables(path):
    engine = open_migrator(make_url(f"sqlite:///{path}"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO bars VALUES ('SPY', 'TRADES', '2026-01-05', 1, 2, 3, 4)")
    engine.dispose()

    with Store.open(f"sqlite:///{path}") as store:
        assert [bar.close for bar in store.bars("SPY", "TRADES")] == [4.0]
        assert store.latest_curve("USD") is None


def test_a_newer_schema_is_refused_in_one_line_and_left_alone(path):
    Store.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = path.read_bytes()

    with pytest.raises(
        StoreError, match=r"the database has schema 9999, this riskbot knows up to \d{4}"
    ) as refusal:
        Store.open(f"sqlite:///{path}")

    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_file_as_it_was(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE outbox (mine TEXT)")
    database.close()

    with pytest.raises(StoreError, match="table outbox already exists"):
        Store.open(f"sqlite:///{path}")

    assert list(definitions(path)) == ["outbox"]


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        (
            "INSERT INTO alerts VALUES ('r', 's', 'BAD', NULL, '2026-01-01', 0, '{}', '2026-01-01')",
            "ck_alerts_state",
        ),
        (
            "INSERT INTO alerts VALUES ('r', 's', 'OK', 'mild', '2026-01-01', 0, '{}', '2026-01-01')",
            "ck_alerts_severity",
        ),
        (
            "INSERT INTO alerts VALUES ('r', 's', 'OK', NULL, '2026-01-01', -1, '{}', '2026-01-01')",
            "ck_alerts_episode",
        ),
        (
            "INSERT INTO alerts VALUES ('r', 's', 'OK', NULL, NULL, 0, '{}', '2026-01-01')",
            "NOT NULL.*alerts.since",
        ),
        ("INSERT INTO bars VALUES ('SPY', 'TRADES', '2026-01-01', 1, 1, 1, NULL)", "NOT NULL.*bars.close"),
        ("INSERT INTO rates VALUES ('USD', '2026-01-01', 0, 0.04)", "ck_rates_years"),
        ("INSERT INTO rates VALUES ('USD', '2026-01-01', 1, 1)", "ck_rates_rate"),
        ("INSERT INTO rates VALUES ('USD', '2026-01-01', 1, -0.5)", "ck_rates_rate"),
        ("INSERT INTO rates VALUES ('USD', '2026-01-01', 1, NULL)", "NOT NULL.*rates.rate"),
        (
            "INSERT INTO dividends VALUES ('SPY', '2026-12-18', 0, 'yahoo', '2026-01-01')",
            "ck_dividends_amount",
        ),
        ("INSERT INTO scenarios VALUES ('crash2', '', '2026-01-01')", "ck_scenarios_text"),
        ("INSERT INTO dividends VALUES ('SPY', '2026-12-18', 1, 'x', '2026-01-01')", "ck_dividends_source"),
        (event_sql(kind="'PARTY'"), "ck_events_kind"),
        (event_sql(timing="'noon'"), "ck_events_timing"),
        (event_sql(impact="'huge'"), "ck_events_impact"),
        (event_sql(fetched_at="NULL"), "NOT NULL.*events.fetched_at"),
        (execution_sql(quantity=0), "ck_executions_quantity"),
        (execution_sql(right="'X'"), "ck_executions_right"),
        (execution_sql(settlement="'XX'"), "ck_executions_settlement"),
        (execution_sql(price="NULL"), "NOT NULL.*executions.price"),
        (
            "INSERT INTO headlines (at, currency, worst_scenario, left_out) VALUES ('2026-01-01', 'USD', 'x', 0)",
            "ck_headlines_worst",
        ),
        (
            "INSERT INTO headlines (at, currency, left_out) VALUES ('2026-01-01', 'USD', -1)",
            "ck_headlines_left_out",
        ),
        ("INSERT INTO runs (snapshot_id, scenario, left_out) VALUES (99, 'Panic', 0)", "FOREIGN KEY"),
    ],
)
def test_the_database_itself_refuses(migrated, sql, refusal):
    with migrated.connect() as connection, pytest.raises(Exception, match=refusal):
        connection.exec_driver_sql(sql)


def test_a_migration_that_copies_a_table_keeps_the_rows_that_point_to_it(path):
    Store.open(f"sqlite:///{path}").close()
    engine = open_migrator(make_url(f"sqlite:///{path}"))
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO snapshots VALUES (1, '2026-07-28', 1, 'file', NULL, x'00')")
        connection.exec_driver_sql(
            "INSERT INTO runs (snapshot_id, scenario, left_out) VALUES (1, 'Market Panic', 0)"
        )

        with Operations(MigrationContext.configure(connection)).batch_alter_table(
            "snapshots", recreate="always"
        ) as table:
            table.add_column(Column("note", String))

        runs = connection.exec_driver_sql("SELECT scenario FROM runs").all()
    engine.dispose()

    assert runs == [("Market Panic",)]
