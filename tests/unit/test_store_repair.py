"""A damaged file: moved aside with its log, the last sound backup in its place; and nothing else is touched."""

import random
import runpy
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.store import Store, mend, repair
from engine.store.soundness import unsound

samples = runpy.run_path(str(Path(__file__).parents[1] / "integration" / "store_writer.py"))
START, a_snapshot, a_report = samples["START"], samples["a_snapshot"], samples["a_report"]
a_run, an_alert, a_message = samples["a_run"], samples["an_alert"], samples["a_message"]

AT = datetime(2026, 11, 25, 13, 30, 5, tzinfo=UTC)
ASIDE = "riskbot.sqlite3.damaged-2026-11-25T133005Z"
CYCLES = 12


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def filled(url, backup=True):
    """A database of some cycles, backed up after the first half of them."""
    with Store.open(url) as store:
        for i in range(1, CYCLES + 1):
            at = START + timedelta(minutes=5 * i)
            store.save_cycle(
                a_snapshot(at, positions=20), a_report(a_run(), as_of=at), [an_alert(i, at=at)], [a_message(f"alert/{i}", at)]
            )  # fmt: skip
            if backup and i == CYCLES // 2:
                store.back_up(date(2026, 7, 28))


def episodes(url):
    with Store.open(url) as store:
        return [one.episode for one in store.alert_states()]


def flip_the_middle(data):
    middle = len(data) // 2 // 4096 * 4096
    return data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 4096]) + data[middle + 4096 :]


DAMAGES = {
    "bytes flipped in the middle": flip_the_middle,
    "truncated": lambda data: data[: len(data) // 2],
    "truncated within a page": lambda data: data[: len(data) // 3 + 17],
    "truncated to nothing": lambda _: b"",
    "garbage": lambda data: random.Random(1).randbytes(len(data)),
    "header overwritten": lambda data: b"\0" * 100 + data[100:],
    "a letter of the schema": lambda data: data.replace(b"quantity <> 0", b"quSntity <> 0"),
    "schema overwritten": lambda data: data[:100] + b"\xff" * 3000 + data[3100:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_gives_way_to_its_backup(path, url, damage):
    filled(url)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)

    mended = mend(url, AT)

    assert mended.aside == path.with_name(ASIDE) and mended.aside.read_bytes() == damaged
    assert mended.restored == date(2026, 7, 28)
    assert "restored the backup of 2026-07-28; alerts are judged anew" in mended.words
    assert "\n" not in mended.words
    assert episodes(url) == [CYCLES // 2]
    assert mend(url, AT) is None


@pytest.mark.parametrize("damage", [flip_the_middle, DAMAGES["truncated"], DAMAGES["garbage"]])
def test_without_a_backup_it_begins_anew(path, url, damage):
    filled(url, backup=False)
    path.write_bytes(damage(path.read_bytes()))

    mended = mend(url, AT)

    assert mended.restored is None and "no sound backup, begun anew" in mended.words
    assert not path.exists()
    assert episodes(url) == []


def test_the_log_goes_aside_with_its_file_and_neither_is_changed(path, url, tmp_path):
    filled(url)
    store = Store.open(url)
    store.save_alerts([an_alert(77)], [])
    log = (tmp_path / "riskbot.sqlite3-wal").read_bytes()
    store.close()
    damaged = flip_the_middle(path.read_bytes())
    path.write_bytes(damaged)
    path.with_name(f"{path.name}-wal").write_bytes(log)

    mend(url, AT)

    assert path.with_name(ASIDE).read_bytes() == damaged
    assert path.with_name(f"{ASIDE}-wal").read_bytes() == log
    assert path.with_name(f"{ASIDE}-shm").exists()
    assert not path.with_name(f"{path.name}-wal").exists()
    assert episodes(url) == [CYCLES // 2]


def test_a_backup_that_is_damaged_too_is_passed_over(path, url):
    filled(url)
    with Store.open(url) as store:
        newest = store.back_up(date(2026, 7, 30))
    newest.write_bytes(flip_the_middle(newest.read_bytes()))
    path.write_bytes(DAMAGES["truncated"](path.read_bytes()))

    assert mend(url, AT).restored == date(2026, 7, 28)


def test_the_newest_backup_is_the_one_that_is_restored(path, url):
    filled(url)
    with Store.open(url) as store:
        store.back_up(date(2026, 7, 30))
    path.write_bytes(DAMAGES["truncated"](path.read_bytes()))

    assert mend(url, AT).restored == date(2026, 7, 30)
    assert episodes(url) == [CYCLES]


def test_what_waited_when_the_backup_was_made_may_have_been_sent_and_says_so(path, url):
    filled(url)
    path.write_bytes(DAMAGES["truncated"](path.read_bytes()))
    mend(url, AT)

    with Store.open(url) as store:
        assert store.claim_next(AT).may_repeat
    with closing(sqlite3.connect(path.parent / "backups" / "riskbot-2026-07-28.sqlite3")) as untouched:
        assert untouched.execute("SELECT max(may_repeat) FROM outbox").fetchone() == (0,)


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("UPDATE alerts SET detail = 'x'", "alerts.detail"),
        ("UPDATE alerts SET since = '2026-07-2O'", "alerts.since"),
        ("UPDATE outbox SET body = '{'", "outbox.body"),
        ("UPDATE headlines SET at = x'ff'", "headlines.at"),
        ("UPDATE runs SET pnl = 'much'", "runs.pnl"),
        ("INSERT INTO bars VALUES (CAST(x'ff' AS TEXT), 'TRADES', '2026-01-01', 1, 1, 1, 1)", "bars.symbol"),
        ("INSERT INTO bars VALUES ('SPY', 'TRADES', 'today', 1, 1, 1, 1)", "bars.day"),
    ],
)
def test_a_value_that_nobody_could_read_is_damage(path, url, sql, column):
    filled(url)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(sql)

    assert unsound(path) == f"{column} can't be read"
    assert mend(url, AT).reason == f"{column} can't be read"


def test_a_sound_file_is_left_as_it_is(path, url):
    filled(url)
    before = path.read_bytes()

    assert mend(url, AT) is None
    assert path.read_bytes() == before
    assert list(path.parent.glob("*damaged*")) == []


def test_what_a_killed_process_left_in_the_log_is_no_damage(path, url, tmp_path):
    filled(url)
    store = Store.open(url)
    store.save_alerts([an_alert(77)], [])
    copy = tmp_path / "copy"
    copy.mkdir()
    for one in tmp_path.glob("riskbot.sqlite3*"):
        (copy / one.name).write_bytes(one.read_bytes())
    store.close()
    torn = copy / "riskbot.sqlite3-wal"
    torn.write_bytes(torn.read_bytes() + b"half a page")

    assert mend(f"sqlite:///{copy}/riskbot.sqlite3", AT) is None
    assert episodes(f"sqlite:///{copy}/riskbot.sqlite3") == [77]


def test_a_database_that_another_program_has_locked_is_not_damaged(path, url, monkeypatch):
    monkeypatch.setattr("engine.store.soundness.PATIENCE_S", 0.01)
    filled(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert mend(url, AT) is None


def test_a_file_that_never_was_a_database_is_not_moved(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("ibkr:\n  port: 7497\n" * 100)

    assert mend(f"sqlite:///{config}", AT) is None
    with pytest.raises(StoreError, match="file is not a database"):
        Store.open(f"sqlite:///{config}")
    assert config.read_text().startswith("ibkr:")


@pytest.mark.parametrize("url", ["postgresql://h/db", "sqlite://"])
def test_a_database_that_is_no_file_is_left_to_its_server(url):
    assert mend(url, AT) is None


def test_a_missing_file_is_not_damaged(url):
    assert mend(url, AT) is None


def test_a_repair_that_was_interrupted_is_finished_at_the_next_start(path, url, monkeypatch):
    filled(url)
    path.write_bytes(DAMAGES["truncated"](path.read_bytes()))
    real = Path.replace

    def stop_before_the_last_step(self, target):
        if self.name.endswith(".restoring"):
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", stop_before_the_last_step)
    with pytest.raises(KeyboardInterrupt):
        mend(url, AT)
    assert not path.exists()
    monkeypatch.undo()

    mended = mend(url, AT + timedelta(minutes=1))

    assert mended.reason == repair.INTERRUPTED and mended.aside.name == ASIDE
    assert episodes(url) == [CYCLES // 2]


def test_a_file_that_can_t_be_moved_is_told_in_one_line(path, url, monkeypatch):
    filled(url)
    path.write_bytes(DAMAGES["truncated"](path.read_bytes()))

    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match=r"is damaged and can't be mended: Operation not permitted$"):
        mend(url, AT)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_bytes_flip_what_is_opened_can_be_read(path, url, seed):
    """Of each damage: either it is found and mended, or everything that a start reads can be read, snapshots' contents aside."""
    filled(url)
    good, bits = path.read_bytes(), random.Random(seed)
    mended = 0
    for _ in range(25):
        for one in path.parent.glob("riskbot.sqlite3*"):
            one.unlink()
        size = bits.choice([1, 8, 500, 5000])
        place = bits.randrange(len(good) - size)
        path.write_bytes(good[:place] + bits.randbytes(size) + good[place + size :])
        mended += mend(url, AT) is not None
        with Store.open(url) as store:
            store.alert_states()
            store.headlines(START)
            store.claim_next(AT)
            store.surplus_snapshots(AT, UTC)
            store.save_cycle(a_snapshot(AT), a_report(a_run()), [an_alert(99)], [a_message("new")])
    assert 2 < mended < 25
