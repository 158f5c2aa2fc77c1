"""Four weeks of the scheduler in virtual time, with the real calendar and a real database: every job exactly once a session."""

import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from datetime import time as hour
from zoneinfo import ZoneInfo

import anyio
import pytest

from engine.calendar import trading_days
from engine.store import AsyncStore, JobOutcome, Store
from scheduler import (
    AfterClose,
    BeforeOpen,
    Board,
    DayJob,
    EachNight,
    Job,
    MarketHours,
    Runner,
    ScheduleSettings,
)
from tests.unit.virtual_time import VirtualClock, resident_mb

NEW_YORK = ZoneInfo("America/New_York")
SETTINGS = ScheduleSettings()


class Diary:
    """What ran when, and what was told."""

    def __init__(self, clock):
        self.clock = clock
        self.days = {"start of day": [], "end of day": [], "nightly": []}
        self.counts = Counter()
        self.outside = 0
        self.told = []

    def daily(self, name):
        async def body(run):
            self.days[name].append((run.day, self.clock.now().astimezone(NEW_YORK), run.late))

        return body

    def repeated(self, name, sessions):
        async def body():
            now = self.clock.now()
            while sessions and sessions[0].closes <= now:
                sessions.pop(0)
            self.outside += not (sessions and sessions[0].opens <= now)
            self.counts[name] += 1

        return body

    async def tell(self, words):
        self.told.append(words)


def sessions_between(first, last):
    days = [one for year in range(first.year, last.year + 1) for one in trading_days(year)]
    return [one for one in days if first <= one.closes and one.opens <= last]


def jobs_of(diary, sessions, night):
    seconds = {"look": SETTINGS.look_interval, "refresh": SETTINGS.refresh_interval, "cycle": 300.0}
    return [Job(name, each, diary.repeated(name, list(sessions))) for name, each in seconds.items()], [
        DayJob("start of day", BeforeOpen(timedelta(minutes=15)), diary.daily("start of day")),
        DayJob("end of day", AfterClose(timedelta(minutes=5)), diary.daily("end of day")),
        DayJob("nightly", EachNight(night, NEW_YORK), diary.daily("nightly")),
    ]


def run_until(folder, start, last, night):
    """The diary from `start` to `last`, the sessions in it, the stored runs, and how many tasks were left at the end."""
    clock = VirtualClock(start)
    diary = Diary(clock)
    sessions = sessions_between(start, last)

    async def main():
        async with AsyncStore.open(f"sqlite:///{folder}/riskbot.sqlite3") as store:
            runner = Runner(MarketHours(SETTINGS), clock, store, Board(), diary.tell)
            with anyio.move_on_after((last - start).total_seconds()):
                await runner.run(*jobs_of(diary, sessions, night))
            left = len(anyio.get_running_tasks()) - 1
            return await store.read(Store.job_runs, start - timedelta(days=1)), left

    runs, left = clock.run(main)
    return diary, sessions, runs, left


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("start", "night", "changes_on", "odd"),
    [
        ("2026-10-19", "01:30", "2026-11-01", {}),
        ("2027-03-01", "02:30", "2027-03-14", {}),
        ("2026-11-26", "03:15", None, {"2026-11-27": "13:05", "2026-12-24": "13:05"}),
    ],
    ids=["the clocks go back", "the clocks go forward", "two half-days"],
)
def test_four_weeks_run_every_job_exactly_once_a_session_in_under_a_minute(
    tmp_path, start, night, changes_on, odd
):
    began = time.process_time()
    first = datetime.fromisoformat(f"{start} 00:00").replace(tzinfo=NEW_YORK).astimezone(UTC)
    last = first + timedelta(days=29)
    diary, sessions, runs, left = run_until(tmp_path, first, last, hour.fromisoformat(night))
    took = time.process_time() - began

    days = [one.day for one in sessions]
    assert len(days) >= 19 and (changes_on is None or days[0] < date.fromisoformat(changes_on) < days[-1])
    for name in ("start of day", "end of day"):
        assert [day for day, _, _ in diary.days[name]] == days, name
    assert all(f"{at:%H:%M:%S}" == "09:15:00" for _, at, _ in diary.days["start of day"])
    closes = {day: f"{at:%H:%M}" for day, at, _ in diary.days["end of day"]}
    assert closes == {day: odd.get(day.isoformat(), "16:05") for day in days}
    nights = [day for day, _, _ in diary.days["nightly"]]
    assert (
        nights == [date.fromisoformat(start) + timedelta(days=n) for n in range(len(nights))]
        and len(nights) >= 28
    )
    assert all(at.date() == day for day, at, _ in diary.days["nightly"])
    hours = sum((one.closes - one.opens).total_seconds() for one in sessions)
    assert diary.counts == {"look": hours / 2, "refresh": hours / 60, "cycle": hours / 300}
    assert diary.outside == 0 and diary.told == []
    assert {late for each in diary.days.values() for _, _, late in each} == {None}
    ended = Counter(run.job for run in runs if run.outcome is JobOutcome.OK)
    assert ended == {"start of day": len(days), "end of day": len(days), "nightly": len(nights)}
    assert sorted(run.job for run in runs if run.outcome is None) == ["end of day", "nightly", "start of day"]
    assert all(run.due_at > last for run in runs if run.outcome is None)
    assert left == 0
    assert took < 60.0, f"{took:.0f} s of processor time"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_week_more_takes_no_memory_and_no_task(tmp_path):
    start = datetime(2026, 10, 19, 4, tzinfo=UTC)
    clock = VirtualClock(start)
    diary = Diary(clock)
    sessions = sessions_between(start, start + timedelta(weeks=2))
    seen = []

    async def look_after_each_week():
        for _ in range(2):
            await anyio.sleep(7 * 86_400.0)
            seen.append((resident_mb(), len(anyio.get_running_tasks())))
        tasks.cancel_scope.cancel()

    async def main():
        nonlocal tasks
        async with AsyncStore.open(f"sqlite:///{tmp_path}/riskbot.sqlite3") as store:
            runner = Runner(MarketHours(SETTINGS), clock, store, Board(), diary.tell)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(look_after_each_week)
                tasks.start_soon(runner.run, *jobs_of(diary, sessions, hour(3, 15)))
            return len(anyio.get_running_tasks()) - 1

    tasks = None
    left = clock.run(main)
    (first, tasks_then), (second, tasks_now) = seen
    assert diary.counts["look"] == 10 * 6.5 * 1800
    assert second - first <= 5.0, f"{second - first:.1f} MB a week"
    assert tasks_now == tasks_then and left == 0
