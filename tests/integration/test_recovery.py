"""The whole program on a database that is damaged or newer: what is said, where, and what stays."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from engine.store import Store
from tests.integration.disks import small_disk
from tests.integration.test_bot import program, query
from tests.integration.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


async def test_a_damaged_database_is_restored_and_every_chat_the_log_and_the_terminal_told(
    tmp_path, caplog, capsys
):
    path = tmp_path / "riskbot.sqlite3"
    async with program(tmp_path, cycle_s=1.0) as it:
        await until(lambda: query(it.database, "select count(*) from headlines")[0][0] >= 2, 30)
        await it.ask("/scenario save crash2 spy -7%")
        (answer,) = await it.ask("/history 1")
        assert answer["photo"] is not None and answer["caption"].startswith("History, today, USD")
    with Store.open(f"sqlite:///{path}") as store:
        store.back_up(date(2026, 11, 24))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])

    async with program(tmp_path) as it:
        told = lambda: [m["text"] for m in it.telegram.messages() if "damaged" in (m["text"] or "")]  # noqa: E731
        await until(told, 30)
        (text,) = told()
        assert text.startswith("⚠ the database was damaged (")
        assert "restored the backup of 2026-11-24; alerts are judged anew" in text
        (answer,) = await it.ask("/scenario crash2")
        assert answer["caption"].startswith("crash2:")

    assert "the database was damaged" in caplog.text and "the database was damaged" in capsys.readouterr().out
    assert len(list(tmp_path.glob("riskbot.sqlite3.damaged-*Z"))) == 1
    async with program(tmp_path) as it:
        await it.ask("/status")
        assert told() == []


async def test_a_snapshot_whose_content_is_damaged_does_not_keep_the_program_from_starting(tmp_path, caplog):
    async with program(tmp_path, cycle_s=1.0) as it:
        await until(lambda: query(it.database, "select count(*) from snapshots")[0][0] >= 1, 30)
    with closing(sqlite3.connect(tmp_path / "riskbot.sqlite3")) as vandal, vandal:
        vandal.execute("UPDATE snapshots SET body = x'00'")

    async with program(tmp_path) as it:
        await it.ask("/status")

    assert "no picture of an earlier run" in caplog.text


@pytest.mark.parametrize("trouble", ["ro", "full"])
async def test_on_a_disk_that_takes_nothing_it_starts_on_a_copy_and_says_so(tmp_path, trouble, capsys):
    disk = tmp_path / "disk"
    with small_disk(disk, "16m") as remount:
        async with program(disk) as it:
            await it.ask("/scenario save crash2 spy -7%")
        if trouble == "ro":
            assert remount("ro") == 0
        else:
            with pytest.raises(OSError, match="No space"):
                (disk / "filler").write_bytes(bytes(20_000_000))
        before = (disk / "riskbot.sqlite3").read_bytes()

        async with program(disk) as it:
            told = lambda: [m["text"] for m in it.telegram.messages() if "recorded" in (m["text"] or "")]  # noqa: E731
            await until(told, 30)
            assert told()[0].startswith("(not recorded)\n⚠ nothing can be recorded: can't open the database")
            it.telegram.say("/scenario crash2")
            shown = lambda: [m["caption"] or "" for m in it.telegram.messages()]  # noqa: E731
            await until(lambda: any(caption.startswith("crash2:") for caption in shown()), 30)

        assert "works on a copy in memory" in capsys.readouterr().out
        assert (disk / "riskbot.sqlite3").read_bytes() == before
    assert list(Path("/dev/shm").glob("riskbot-*")) == []


@pytest.mark.parametrize("command", [["backtest"], ["run"]])
def test_a_newer_schema_is_refused_in_one_line_and_nothing_is_changed(tmp_path, command):
    path = tmp_path / "riskbot.sqlite3"
    Store.open(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"database:\n  url: sqlite:///{path}\ntelegram:\n  allowed_users: [1]\n  allowed_chats: [1]\n"
    )

    ended = subprocess.run(
        [sys.executable, "-m", "bot", *command, "--config", config],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=60,
        env={"PYTHONPATH": str(ROOT), "RISKBOT_TELEGRAM_TOKEN": "1:a"},
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("riskbot: the database has schema 9999, this riskbot knows up to ")
    assert ended.stderr.count("\n") == 1
    assert path.read_bytes() == before and not (tmp_path / "backups").exists()
