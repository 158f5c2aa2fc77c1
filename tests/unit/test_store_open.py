"""Opening and closing: the settings of every connection, and one clear line for what can't be opened."""

import sqlite3
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from engine.errors import StoreError
from engine.store import Message, MessageKind, Store
from engine.store.engines import as_store_error, open_reader, open_writer

AT = datetime(2026, 7, 28, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


def pragmas(connection, *names):
    return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]


@pytest.mark.parametrize("open_engine", [open_writer, open_reader])
def test_every_connection_is_durable_and_checked(path, open_engine):
    Store.open(f"sqlite:///{path}").close()
    engine = open_engine(make_url(f"sqlite:///{path}"))
    connections = [engine.connect() for _ in range(1 if open_engine is open_writer else 4)]

    settings = [
        pragmas(each, "journal_mode", "synchronous", "foreign_keys", "busy_timeout") for each in connections
    ]

    for each in connections:
        each.close()
    engine.dispose()
    assert settings == [["wal", 2, 1, 5000]] * len(connections)


def test_a_writer_holds_the_write_lock_from_its_first_statement(path):
    with Store.open(f"sqlite:///{path}") as store, store._writer.begin() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM outbox")
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_a_reader_can_not_write(path):
    with (
        Store.open(f"sqlite:///{path}") as store,
        store._reader.connect() as connection,
        pytest.raises(OperationalError, match="readonly"),
    ):
        connection.exec_driver_sql("DELETE FROM outbox")


def test_the_folder_of_the_file_is_made(tmp_path):
    Store.open(f"sqlite:///{tmp_path / 'a' / 'b' / 'riskbot.sqlite3'}").close()

    assert (tmp_path / "a" / "b" / "riskbot.sqlite3").is_file()


def test_closing_leaves_one_file_with_everything_in_it(path):
    store = Store.open(f"sqlite:///{path}")
    store.enqueue([Message("a", 1, MessageKind.REPLY, {}, AT)])
    assert path.with_name("riskbot.sqlite3-wal").exists()

    store.close()

    assert [file.name for file in path.parent.iterdir()] == ["riskbot.sqlite3"]


def test_closing_folds_the_log_into_the_file_even_while_another_program_looks_at_it(path):
    store = Store.open(f"sqlite:///{path}")
    store.enqueue([Message("a", 1, MessageKind.REPLY, {}, AT)])
    other = sqlite3.connect(path)
    other.execute("SELECT count(*) FROM outbox").fetchone()

    store.close()

    assert path.with_name("riskbot.sqlite3-wal").stat().st_size == 0
    other.close()


def test_closing_twice_is_closing_once(path):
    store = Store.open(f"sqlite:///{path}")
    store.close()
    store.close()


@pytest.mark.parametrize("use", [Store.alert_states, Store.recover_sending])
def test_a_closed_store_says_so(path, use):
    store = Store.open(f"sqlite:///{path}")
    store.close()

    with pytest.raises(StoreError, match="the database is closed"):
        use(store)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("not a url", "the database URL can't be read"),
        ("postgresql://me:hunter2@host:port/db", "the database URL can't be read"),
        ("sqlite://", "a database in memory keeps nothing"),
        ("sqlite:///:memory:", "a database in memory keeps nothing"),
        ("sqlite:///file:x?mode=memory&uri=true", "can't keep a write-ahead log there"),
        ("nosuchsql://me:hunter2@host/db", "nosuchsql is not a kind of database"),
        ("oracle+nosuchdriver://me:hunter2@host/db", "oracle.nosuchdriver is not a kind of database"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_in_one_line_without_its_password(url, line):
    with pytest.raises(StoreError, match=line) as refusal:
        Store.open(url)

    assert "\n" not in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("inside", ["taken", "taken/riskbot.sqlite3"])
def test_a_path_that_can_not_be_written_is_refused_in_one_line(tmp_path, inside):
    (tmp_path / "taken").write_text("a file, and no database " * 50)

    with pytest.raises(StoreError, match=str(tmp_path / "taken")) as refusal:
        Store.open(f"sqlite:///{tmp_path / inside}")

    assert "\n" not in str(refusal.value)


def test_a_folder_is_not_a_database(tmp_path):
    with pytest.raises(
        StoreError, match=f"can't open the database sqlite:///{tmp_path}: unable to open database file"
    ):
        Store.open(f"sqlite:///{tmp_path}")


def test_a_full_disk_is_a_store_error_and_loses_nothing_that_was_stored(path):
    with Store.open(f"sqlite:///{path}") as store:
        raw = store._writer.raw_connection()
        (pages,) = raw.driver_connection.execute("PRAGMA page_count").fetchone()
        raw.driver_connection.execute(f"PRAGMA max_page_count={pages}")
        raw.close()
        with pytest.raises(StoreError, match=r"^can't store the messages: database or disk is full$"):
            store.enqueue([Message("a", 1, MessageKind.REPLY, {"text": "x" * 100_000}, AT)])

        assert store.claim_next(AT) is None


def test_what_a_database_says_in_many_lines_is_told_in_one():
    refusal = OperationalError("SELECT 1", None, Exception("connection refused\n\tIs the server running?"))

    with (
        pytest.raises(StoreError, match=r"^can't open it: connection refused$"),
        as_store_error("can't open it"),
    ):
        raise refusal
