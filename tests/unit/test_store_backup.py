"""Backups: whole, checked, private, the newest few kept; made before a migration of a file that has rows."""

import os
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from engine.errors import StoreError
from engine.store import Message, MessageKind, Store, backup
from engine.store.backup import back_up, backups
from engine.store.engines import open_migrator
from engine.store.schema import MIGRATIONS
from engine.store.soundness import unsound

AT = datetime(2026, 11, 24, tzinfo=UTC)
DAY = date(2026, 11, 24)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


@pytest.fixture
def store(path):
    with Store.open(f"sqlite:///{path}") as opened:
        opened.enqueue([Message("a", 1, MessageKind.REPLY, {}, AT)])
        yield opened


def keys(path):
    with closing(sqlite3.connect(path)) as database:
        return [key for (key,) in database.execute("SELECT key FROM outbox ORDER BY id")]


def names(folder):
    return sorted(one.name for one in folder.iterdir())


def test_a_backup_is_sound_holds_the_rows_and_is_its_owner_s_alone(store, path):
    copy = store.back_up(DAY)

    assert copy == path.parent / "backups" / "riskbot-2026-11-24.sqlite3"
    assert unsound(copy) is None and keys(copy) == ["a"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert names(copy.parent) == [copy.name]


def test_a_backup_holds_what_is_committed_and_nothing_of_a_transaction_that_runs(store):
    with store._write("test") as session:
        session.connection().exec_driver_sql("UPDATE outbox SET key = 'b'")
        copy = store.back_up(DAY)

    assert keys(copy) == ["a"]


def test_a_backup_opens_as_a_store_and_can_shrink(store, tmp_path):
    copy = store.back_up(DAY)

    with Store.open(f"sqlite:///{copy}") as other:
        assert other.claim_next(AT).key == "a"
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_second_one_of_a_day_replaces_the_first(store):
    store.back_up(DAY)
    store.enqueue([Message("b", 1, MessageKind.REPLY, {}, AT)])

    copy = store.back_up(DAY)

    assert keys(copy) == ["a", "b"] and names(copy.parent) == [copy.name]


def test_the_last_seven_nightly_and_three_before_a_migration_are_kept(store, path):
    for i in range(9):
        store.back_up(DAY + timedelta(days=i))
    for number in ("0007", "0008", "0009", "0010"):
        back_up(path, DAY, before=number)
        os.utime(
            path.parent / "backups" / f"riskbot-{DAY}-before-{number}.sqlite3", (int(number), int(number))
        )
    back_up(path, DAY, before="0011")
    (path.parent / "backups" / "mine.sqlite3").write_text("not one of ours")

    kept = names(path.parent / "backups")

    assert kept == ["mine.sqlite3"] + [f"riskbot-{DAY}-before-{n}.sqlite3" for n in ("0009", "0010", "0011")] + [
        f"riskbot-{DAY + timedelta(days=i)}.sqlite3" for i in range(2, 9)
    ]  # fmt: skip
    assert [one.day for one in backups(path)][:2] == [DAY + timedelta(days=8), DAY + timedelta(days=7)]


def test_two_databases_of_one_folder_do_not_take_each_other_s_backups(store, path):
    store.back_up(DAY)

    assert backups(path.with_name("risk.sqlite3")) == []
    assert backups(path.with_name("riskbot.db")) == []


def test_a_backup_that_fails_leaves_the_last_one_and_no_rest(store, path, monkeypatch):
    copy = store.back_up(DAY)
    before = copy.read_bytes()
    monkeypatch.setattr(backup, "unsound", lambda _: "page 3 is wrong")

    with pytest.raises(StoreError, match=r"^can't back up .*: the copy is damaged: page 3 is wrong$"):
        store.back_up(DAY)

    assert copy.read_bytes() == before and names(copy.parent) == [copy.name]


def test_a_damaged_database_does_not_become_a_backup(store, path):
    store.close()
    data = path.read_bytes()
    half = len(data) // 2 // 4096 * 4096  # the pages of the newest tables are the last
    path.write_bytes(data[:half] + b"x" * (len(data) - half))

    with pytest.raises(StoreError, match=r"malformed|damaged"):
        back_up(path, DAY)

    assert names(path.parent / "backups") == []


def test_a_folder_that_can_t_be_made_is_told_in_one_line(store, path):
    (path.parent / "backups").write_text("a file is in the way")

    with pytest.raises(StoreError, match=r"^can't back up .*File exists$"):
        store.back_up(DAY)


def an_old_file(path, revision="0006"):
    engine = open_migrator(make_url(f"sqlite:///{path}"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql("INSERT INTO bars VALUES ('SPY', 'TRADES', '2026-01-05', 1, 2, 3, 4)")
    engine.dispose()
    os.utime(path, (AT.timestamp(), AT.timestamp()))


def test_a_file_with_rows_is_backed_up_before_its_schema_changes(path, caplog):
    an_old_file(path)

    with Store.open(f"sqlite:///{path}") as store:
        assert len(store.bars("SPY", "TRADES")) == 1

    (copy,) = backups(path)
    assert copy.day == DAY and copy.before >= "0008"
    assert copy.path.name == f"riskbot-2026-11-24-before-{copy.before}.sqlite3"
    with closing(sqlite3.connect(copy.path)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0006",)]
        assert database.execute("SELECT symbol FROM bars").fetchall() == [("SPY",)]
    assert str(copy.path) in caplog.text


def test_a_new_file_is_not_backed_up_and_neither_is_one_that_is_up_to_date(path):
    Store.open(f"sqlite:///{path}").close()
    Store.open(f"sqlite:///{path}").close()

    assert not (path.parent / "backups").exists()


def test_without_a_backup_the_schema_does_not_change(path):
    an_old_file(path)
    (path.parent / "backups").write_text("a file is in the way")

    with pytest.raises(StoreError, match="can't back up"):
        Store.open(f"sqlite:///{path}")

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0006",)]


def test_a_file_of_before_that_could_give_back_pages_is_rewritten_at_its_migration(path):
    an_old_file(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute("PRAGMA auto_vacuum=NONE")
        database.execute("VACUUM")
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (0,)

    Store.open(f"sqlite:///{path}").close()

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert database.execute("SELECT symbol FROM bars").fetchall() == [("SPY",)]
