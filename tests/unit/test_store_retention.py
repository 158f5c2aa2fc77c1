"""What is kept how long: a year of snapshots leaves exactly the expected ones, whatever happens in between."""

import runpy
import sqlite3
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import trading_days
from engine.results import TailDay
from engine.store import Message, MessageKind, Store
from engine.store.retention import Stored, surplus

samples = runpy.run_path(str(Path(__file__).parents[1] / "integration" / "store_writer.py"))
a_snapshot, a_report, a_run = samples["a_snapshot"], samples["a_report"], samples["a_run"]

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
TODAY = date(2026, 11, 25)


def session_times(day, every=timedelta(minutes=5)):
    """The cycles of a session, the first at its open."""
    steps = int((day.closes - day.opens) / every)
    return [day.opens + i * every for i in range(steps + 1)]


def year_of_sessions():
    days = [one for year in (2025, 2026) for one in trading_days(year) if one.opens < NOW]
    return [one for one in days if one.day > TODAY - timedelta(days=365)]


def kept(stored, now=NOW):
    gone = set(surplus(stored, now, ZONE))
    return [one for one in stored if one.id not in gone]


def test_a_year_of_snapshots_leaves_exactly_the_expected_ones():
    days = year_of_sessions()
    times = [at for day in days for at in session_times(day)]
    stored = [Stored(i, at, complete=True) for i, at in enumerate(times)]

    left = Counter(one.as_of.astimezone(ZONE).date() for one in kept(stored))

    def expected(day):
        age = (TODAY - day.day).days
        if age < 7:
            return len(session_times(day))
        hours = {at.astimezone(ZONE).hour for at in session_times(day)}
        return len(hours) if age < 90 else 1

    assert left == {day.day: expected(day) for day in days}
    assert len(stored) > 19_000 and 900 < sum(left.values()) < 1_200


def test_the_last_of_an_hour_and_of_a_day_is_the_one_that_stays():
    hourly, daily = datetime(2026, 10, 1, 14, 0, tzinfo=UTC), datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    times = [first + timedelta(minutes=m) for first in (hourly, daily) for m in (0, 25, 55, 60, 70)]

    left = kept([Stored(i, at, complete=True) for i, at in enumerate(times)])

    assert [one.as_of for one in left] == [times[2], times[4], times[9]]


def test_a_complete_snapshot_goes_before_a_later_one_that_is_not():
    first = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    stored = [Stored(i, first + timedelta(minutes=5 * i), complete=i < 2) for i in range(4)]

    assert [one.id for one in kept(stored)] == [1]
    assert [one.id for one in kept(stored[2:])] == [3]


def test_days_are_those_of_the_exchange():
    late, next_day = datetime(2026, 3, 3, 4, 59, tzinfo=UTC), datetime(2026, 3, 3, 5, 0, tzinfo=UTC)
    stored = [Stored(1, late, complete=True), Stored(2, next_day, complete=True)]

    assert [one.id for one in kept(stored)] == [1, 2]
    assert surplus(stored, NOW, UTC) == [1]


def test_the_hour_that_the_clock_change_repeats_is_two_hours():
    now = datetime(2026, 11, 20, tzinfo=UTC)
    twice = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6)]
    assert {at.astimezone(ZONE).hour for at in twice} == {1}

    assert surplus([Stored(i, at, complete=True) for i, at in enumerate(twice)], now, ZONE) == []


@given(
    minutes=st.lists(st.integers(0, 300 * 24 * 60), unique=True, max_size=60),
    later=st.integers(0, 200 * 24 * 60),
)
def test_thinning_out_night_after_night_leaves_what_one_night_would(minutes, later):
    stored = [
        Stored(i, NOW - timedelta(minutes=minute), complete=minute % 3 > 0)
        for i, minute in enumerate(minutes)
    ]
    then = NOW + timedelta(minutes=later)

    assert kept(kept(stored), then) == kept(stored, then)


# In the database


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


@pytest.fixture
def store(path):
    with Store.open(f"sqlite:///{path}") as opened:
        yield opened


def cycle(store, at, complete=True):
    return store.save_cycle(
        a_snapshot(at, complete), a_report(a_run(), a_run("Black Swan"), as_of=at), [], []
    )


def rows(path, sql):
    database = sqlite3.connect(path)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def test_a_snapshot_goes_with_its_runs_and_its_headline_stays(store, path):
    old = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    first, last = cycle(store, old), cycle(store, old + timedelta(minutes=5))

    assert store.surplus_snapshots(NOW, ZONE) == [first]
    assert store.drop_snapshots([first]) == 1

    assert rows(path, "SELECT DISTINCT snapshot_id FROM runs") == [(last,)]
    assert len(store.headlines(old)) == 2
    assert store.surplus_snapshots(NOW, ZONE) == []


def test_a_snapshot_that_a_value_at_risk_is_of_is_never_deleted(store, path):
    old = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    store.save_tail_day(a_snapshot(old), TailDay(old.date(), old, (), None, None, ()))
    later = cycle(store, old + timedelta(minutes=5))
    (needed,) = rows(path, "SELECT snapshot_id FROM tail_days")[0]
    assert store.surplus_snapshots(NOW, ZONE) == [needed]

    assert store.drop_snapshots([needed, later]) == 1

    assert store.tail_day_before(date(2026, 3, 3))[1].as_of == old


def message(key, at):
    return Message(key, 1, MessageKind.ALERT, {"html": key}, at)


def test_old_messages_go_when_they_are_done_with_and_never_before(store, path):
    for days in (29, 31, 91):
        at = NOW - timedelta(days=days)
        store.enqueue([message(f"sent {days}", at)])
        store.mark_sent(store.claim_next(at).id, 1, at)
        store.enqueue([message(f"dead {days}", at)])
        store.mark_dead(store.claim_next(at).id, "blocked")
    store.enqueue([message("waiting", NOW - timedelta(days=400))])

    ids = store.spent_messages(NOW)

    assert store.drop_messages([*ids, 7]) == 3
    left = [key for (key,) in rows(path, "SELECT key FROM outbox ORDER BY id")]
    assert left == ["sent 29", "dead 29", "dead 31", "waiting"]


def test_free_pages_are_given_back_a_few_at_a_time(store, path):
    at = NOW - timedelta(days=31)
    store.enqueue(
        [Message(f"m{i}", 1, MessageKind.REPORT, {}, at, picture=bytes(100_000)) for i in range(20)]
    )
    while (item := store.claim_next(at)) is not None:
        store.mark_sent(item.id, 1, at)
    store.fold_log()
    before = path.stat().st_size
    assert before > 2_000_000

    store.drop_messages(store.spent_messages(NOW))
    free = [store.give_back(100)]
    while free[-1]:
        free.append(store.give_back(100))
    store.fold_log()

    assert len(free) > 4 and {more - less for more, less in pairwise(free[:-1])} == {100}
    assert path.stat().st_size < before - 1_900_000
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0


def test_folding_the_log_waits_for_no_reader(store, path):
    cycle(store, NOW)
    other = sqlite3.connect(path)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM snapshots").fetchone()
    cycle(store, NOW + timedelta(minutes=5))

    assert store.fold_log() is False
    other.close()
    assert store.fold_log() is True
    (timeout,) = store._writer.raw_connection().driver_connection.execute("PRAGMA busy_timeout").fetchone()
    assert timeout == 5000
