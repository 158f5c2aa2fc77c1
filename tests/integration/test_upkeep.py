"""The night's work over real files: a year thinned out to exactly what is kept, a kill in the middle, writers hardly held up."""

import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio
import pytest

from bot import upkeep
from bot.upkeep import Upkeep
from engine.calendar import trading_days
from engine.errors import StoreError
from engine.store import AsyncStore, Message, MessageKind, Store
from engine.store.backup import backups
from engine.store.retention import Stored, surplus
from engine.store.soundness import unsound
from tests.integration.disks import read_only
from tests.integration.upkeep_runner import FixedClock

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

RUNNER = Path(__file__).with_name("upkeep_runner.py")
ROOT = Path(__file__).parents[2]
ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
TODAY = date(2026, 11, 25)
STEP = timedelta(minutes=5)


def sessions(first, last):
    return [one for year in (2025, 2026) for one in trading_days(year) if first <= one.day < last]


def fill(url, path, days, size=200):
    """A snapshot with two runs each five minutes of the sessions; how many."""
    Store.open(url).close()
    times = [day.opens + i * STEP for day in days for i in range(int((day.closes - day.opens) / STEP) + 1)]
    stamps = [at.strftime("%Y-%m-%d %H:%M:%S.%f") for at in times]
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            "INSERT INTO snapshots (as_of, complete, source, net_liquidation, body) VALUES (?, 1, 'file', 1, ?)",
            [(stamp, random.Random(7).randbytes(size)) for stamp in stamps],
        )
        for scenario in ("Market Panic", "Black Swan"):
            database.execute(
                "INSERT INTO runs (snapshot_id, scenario, left_out) SELECT id, ?, 0 FROM snapshots",
                [scenario],
            )
    return len(times)


def stored(path):
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT id, as_of, complete FROM snapshots").fetchall()
        runs = Counter(id_ for (id_,) in database.execute("SELECT snapshot_id FROM runs"))
    found = [
        Stored(id_, datetime.fromisoformat(as_of).replace(tzinfo=UTC), bool(complete))
        for id_, as_of, complete in rows
    ]
    assert runs == {one.id: 2 for one in found}, "runs go with their snapshots, and only with them"
    return found


async def nightly(url, now=NOW):
    async with AsyncStore.open(url) as store:
        await Upkeep(store, FixedClock(now), "NYSE").nightly()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


async def test_a_year_is_thinned_out_to_exactly_what_is_kept_and_the_file_shrinks(
    path, url, monkeypatch, caplog
):
    monkeypatch.setattr(upkeep, "SNAPSHOTS_AT_ONCE", 500)
    days = sessions(TODAY - timedelta(days=365), TODAY)
    count = fill(url, path, days)
    before, size = stored(path), path.stat().st_size
    gone = set(surplus(before, NOW, ZONE))

    await nightly(url)

    assert stored(path) == [one for one in before if one.id not in gone]
    left = Counter(one.as_of.astimezone(ZONE).date() for one in stored(path))
    assert {left[day.day] for day in days if (TODAY - day.day).days >= 90} == {1}
    assert path.stat().st_size < 0.2 * size
    assert f"{count - len(stored(path))} snapshots and 0 messages deleted" in caplog.text
    assert caplog.text.count("\n") == 1
    (copy,) = backups(path)
    assert copy.day == TODAY and unsound(copy.path) is None and stored(copy.path) == stored(path)


async def test_a_night_that_is_killed_in_the_middle_loses_nothing_else_and_the_next_one_finishes(path, url):
    fill(url, path, sessions(date(2026, 6, 1), date(2026, 7, 15)))
    before = stored(path)
    gone = set(surplus(before, NOW, ZONE))
    moments = random.Random(11)
    for _ in range(3):
        runner = subprocess.Popen(
            [sys.executable, RUNNER, url, NOW.isoformat()],
            stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert runner.stdout.readline() == "begun\n"
        time.sleep(moments.uniform(0.5, 1.5))
        runner.kill()
        assert runner.stdout.read() == ""
        runner.wait()
        runner.stdout.close()

        assert unsound(path) is None
        left = {one.id for one in stored(path)}
        assert {one.id for one in before} - left <= gone
    assert 0 < len({one.id for one in before} - left) < len(gone), "it was killed in the middle"

    await nightly(url)

    assert {one.id for one in stored(path)} == {one.id for one in before} - gone


async def test_a_writer_is_hardly_held_up(path, url):
    fill(url, path, sessions(date(2026, 7, 1), date(2026, 8, 1)), size=20_000)
    waited = []

    async def write(store):
        while True:
            at = time.perf_counter()
            message = Message(f"m{len(waited)}", 1, MessageKind.ALERT, {}, NOW)
            await store.write(Store.enqueue, [message])
            waited.append(time.perf_counter() - at)
            await anyio.sleep(0.005)

    async with AsyncStore.open(url) as store, anyio.create_task_group() as tasks:
        tasks.start_soon(write, store)
        await Upkeep(store, FixedClock(NOW), "NYSE").nightly()
        tasks.cancel_scope.cancel()
    assert len(waited) > 100
    assert statistics.quantiles(waited, n=100)[-1] < 0.1


async def test_a_night_whose_backup_fails_still_does_the_rest_and_says_so(path, url):
    fill(url, path, sessions(date(2026, 6, 1), date(2026, 6, 5)))
    (path.parent / "backups").write_text("a file is in the way")

    with pytest.raises(StoreError, match=r"^can't back up .*File exists$"):
        await nightly(url)

    assert len(stored(path)) == 4


async def test_a_night_on_a_disk_that_takes_nothing_is_one_error_and_not_a_crash(path, url):
    fill(url, path, sessions(date(2026, 6, 1), date(2026, 6, 3)))
    async with AsyncStore.open(url) as store:
        with (
            read_only(store._store),
            pytest.raises(StoreError, match=r"can't delete old snapshots: .*readonly"),
        ):
            await Upkeep(store, FixedClock(NOW), "NYSE").nightly()
    assert len(stored(path)) == 2 * 79


async def test_the_backup_is_of_the_exchange_s_day(path, url):
    fill(url, path, [])

    await nightly(url, datetime(2026, 11, 25, 4, 30, tzinfo=UTC))

    assert [one.day for one in backups(path)] == [date(2026, 11, 24)]
