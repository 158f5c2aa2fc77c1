"""The Runner in virtual time with a real database: restarts, runs cut off, late and missed ones, clocks that jump, jobs that fail
or hang."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import anyio
import pytest

from engine.errors import StoreError
from engine.store import AsyncStore, JobOutcome, JobRun, Store
from scheduler import AfterClose, BeforeOpen, Board, DayJob, Job, MarketHours, Runner, ScheduleSettings
from scheduler.run_log import RunLog
from tests.unit.virtual_time import Deadlock, VirtualClock

NEW_YORK = ZoneInfo("America/New_York")
MON, TUE, WED, FRI, NEXT = (date(2026, 11, day) for day in (23, 24, 25, 27, 30))  # the 26th is Thanksgiving


class Killed(BaseException):
    """kill -9."""


class KilledAt:
    """A database at whose n-th write the process is killed, just before it or just after."""

    def __init__(self, n, just_after):
        self.left, self.just_after = n, just_after

    def __call__(self, store):
        self.store, self.read = store, store.read
        return self

    async def write(self, *operation):
        self.left -= 1
        if self.left == 0 and not self.just_after:
            raise Killed
        result = await self.store.write(*operation)
        if self.left == 0:
            raise Killed
        return result


def new_york(text):
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=NEW_YORK).astimezone(UTC)


class Machine:
    """A machine with a database, on which riskbot is started and killed; `body` is what the end-of-day job does."""

    def __init__(self, folder, starts):
        self.url = f"sqlite:///{folder}/riskbot.sqlite3"
        self.clock = VirtualClock(new_york(starts))
        self.settings = ScheduleSettings()
        self.ran, self.missed, self.told = [], [], []
        self.board = Board()
        self.body = self.nothing
        self.on = True

    async def nothing(self):
        pass

    async def end_of_day(self, run):
        await self.body()
        self.ran.append((run.day, f"{self.clock.now().astimezone(NEW_YORK):%d %H:%M}", run.late))

    async def lose(self, days, why):
        self.missed.append((list(days), why))

    async def tell(self, words):
        self.told.append(words)

    def off_until(self, text):
        """The machine is off, or riskbot is not started."""
        self.clock._start += new_york(text) - self.clock.now()

    def until(self, text, *jobs, during=None, store=None):
        """Start riskbot and kill it at a wall-clock time that nobody jumps over."""
        seconds = (new_york(text) - self.clock.now()).total_seconds()
        return self.clock.run(self._life, seconds, jobs, during, store)

    async def _life(self, seconds, jobs, during, wrap):
        self.board = Board()
        daily = DayJob(
            "end of day", AfterClose(timedelta(minutes=5)), self.end_of_day, self.lose, self.on, 1800.0
        )
        async with AsyncStore.open(self.url) as store:
            seen = store if wrap is None else wrap(store)
            runner = Runner(MarketHours(self.settings), self.clock, seen, self.board, self.tell)
            try:
                with anyio.move_on_after(seconds):
                    async with anyio.create_task_group() as tasks:
                        if during is not None:
                            tasks.start_soon(during)
                        await runner.run(jobs, [daily])
            except* Killed:
                pass
            return {run.slot: run for run in await store.read(Store.job_runs, new_york("11-01 00:00"))}


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path, "11-23 12:00")


def days(machine):
    return [day for day, _, _ in machine.ran]


# Restarts


def test_restarted_at_any_moment_nothing_is_done_twice_and_nothing_is_lost(machine):
    for text in (
        "23 15:00",
        "23 16:05",
        "23 16:06",
        "23 19:00",
        "24 16:04",
        "24 16:30",
        "25 11:00",
        "28 09:00",
        "30 17:00",
    ):
        machine.until(f"11-{text}")
    assert machine.ran == [(MON, "23 16:05", None), (TUE, "24 16:05", None), (WED, "25 16:05", None),
                           (FRI, "27 13:05", None), (NEXT, "30 16:05", None)]  # fmt: skip
    assert machine.missed == [] and machine.told == []


def test_a_run_that_was_cut_off_is_run_again_at_the_next_start(machine):
    machine.body = anyio.sleep_forever
    stored = machine.until("11-23 16:20")
    assert stored["2026-11-23"].started_at == new_york("11-23 16:05") and stored["2026-11-23"].outcome is None
    machine.body = machine.nothing
    machine.off_until("11-23 16:30")
    stored = machine.until("11-23 18:00")
    assert machine.ran == [(MON, "23 16:30", timedelta(minutes=25))]
    assert stored["2026-11-23"].outcome is JobOutcome.LATE
    machine.until("11-23 20:00")
    assert len(machine.ran) == 1


@pytest.mark.parametrize("just_after", [False, True])
@pytest.mark.parametrize("second", [1, 2, 3])
@pytest.mark.parametrize("first", [1, 2, 3])
def test_killed_at_any_write_and_again_at_the_next_start_no_report_is_lost(
    machine, first, second, just_after
):
    """Killed on Monday around the first report, kept off until Tuesday's is late, killed again while that is caught up."""
    machine.until("11-23 13:00")
    machine.until("11-23 18:00", store=KilledAt(first, just_after))
    machine.off_until("11-24 20:00")
    machine.until("11-24 20:10", store=KilledAt(second, just_after))
    machine.off_until("11-24 20:30")
    stored = machine.until("11-24 21:00")
    missed = [day for lost, _ in machine.missed for day in lost]
    assert MON in {*days(machine), *missed} and TUE in days(machine) and TUE not in missed
    assert days(machine).count(TUE) <= 2 and days(machine).count(MON) <= 1
    assert stored["2026-11-24"].outcome is JobOutcome.LATE and stored["2026-11-25"].outcome is None
    machine.until("11-24 22:00")
    assert stored == machine.until("11-24 23:00")


def test_the_runs_in_memory_are_those_in_the_database(tmp_path):
    clock = VirtualClock(new_york("11-23 12:00"))
    planned, other = (JobRun("job", day, new_york(f"{day} 16:05")) for day in ("11-24", "11-25"))
    done = replace(
        planned, started_at=planned.due_at, finished_at=planned.due_at, outcome=JobOutcome.OK, seconds=0.0
    )

    async def main():
        async with AsyncStore.open(f"sqlite:///{tmp_path}/riskbot.sqlite3") as store:
            log = RunLog(store, clock)
            await log.load()
            for settled, owed in (
                ([], planned),
                ([], other),
                ([], planned),
                ([done], other),
                ([], None),
                ([], planned),
            ):
                await log.put("job", settled, owed)
                stored = {run.slot: run for run in await store.read(Store.job_runs, clock.now())}
                assert log.of("job") == stored

    clock.run(main)


def test_the_first_start_after_a_close_owes_no_report_of_it(machine):
    machine.off_until("11-23 18:00")
    machine.until("11-23 19:00")
    machine.until("11-24 17:00")
    assert machine.ran == [(TUE, "24 16:05", None)] and machine.missed == []


def test_a_late_end_of_day_runs_and_knows_how_late_it_is(machine):
    machine.until("11-23 13:00")
    machine.off_until("11-23 19:05")
    stored = machine.until("11-24 12:00")
    assert machine.ran == [(MON, "23 19:05", timedelta(hours=3))] and machine.missed == []
    assert stored["2026-11-23"].outcome is JobOutcome.LATE
    assert machine.board.jobs["end of day"].outcome is JobOutcome.LATE


def test_after_midnight_a_late_report_is_still_of_its_own_day(machine):
    machine.until("11-23 13:00")
    machine.off_until("11-24 04:05")
    machine.until("11-24 05:00")
    assert machine.ran == [(MON, "24 04:05", timedelta(hours=12))]


def test_one_missed_for_longer_is_told_once_and_recorded(machine):
    machine.until("11-23 13:00")
    machine.off_until("11-24 04:06")
    stored = machine.until("11-24 09:00")
    machine.until("11-24 12:00")
    assert machine.ran == [] and machine.missed == [([MON], "riskbot was not running")]
    assert stored["2026-11-23"].outcome is JobOutcome.MISSED and stored["2026-11-23"].started_at is None


def test_over_holidays_and_weekends_only_sessions_are_missed_and_told_together(machine):
    machine.until("11-23 13:00")
    machine.off_until("11-29 12:00")
    machine.until("11-30 17:00")
    assert machine.missed == [([MON, TUE, WED, FRI], "riskbot was not running")]
    assert machine.ran == [(NEXT, "30 16:05", None)]


def test_nothing_runs_on_a_holiday_or_a_day_that_the_config_closes(machine):
    machine.settings = ScheduleSettings(closed_days=("2026-11-24",))
    looks = []

    async def look():
        looks.append(machine.clock.now().astimezone(NEW_YORK).date())

    machine.until("11-29 12:00", Job("look", 600.0, look))
    assert days(machine) == [MON, WED, FRI] and set(looks) == {MON, WED, FRI}


def test_switched_off_a_job_does_nothing_and_owes_nothing_when_it_is_on_again(machine):
    machine.until("11-23 13:00")
    machine.on = False
    stored = machine.until("11-25 12:00")
    assert stored == {} and not machine.board.jobs["end of day"].on
    machine.on = True
    machine.until("11-25 17:00")
    assert machine.ran == [(WED, "25 16:05", None)] and machine.missed == []


# Clocks that jump


@pytest.mark.parametrize(("at", "pauses"), [("11-23 14:00", 0), ("11-23 16:30", 1)])
def test_a_clock_set_back_two_hours_makes_nothing_run_twice_and_stops_no_interval(machine, at, pauses):
    looks = []

    async def look():
        looks.append(machine.clock.monotonic())

    async def jump():
        await anyio.sleep((new_york(at) - machine.clock.now()).total_seconds())
        machine.clock.jump(-2.0)

    machine.until("11-24 20:00", Job("look", 2.0, look), during=jump)
    assert days(machine) == [MON, TUE]
    assert [late for _, _, late in machine.ran] == [None, None]
    apart = [b - a for a, b in pairwise(looks) if b - a < 2 * 3600.0]
    closed = [
        each for each in apart if each > 2.0
    ]  # set back after the close, the market is open again within a minute
    assert len(closed) == pauses and all(1800.0 < each <= 1862.0 for each in closed)
    assert machine.board.jumped is not None and machine.board.jumped[1] == pytest.approx(-7200.0)


def test_a_clock_set_forward_three_hours_over_a_close_runs_the_report_late_within_a_minute(machine):
    async def jump():
        await anyio.sleep(2 * 3600.0 + 10.0)
        machine.clock.jump(3.0)

    machine.until("11-24 20:00", during=jump)
    (day, at, late), second = machine.ran
    assert day == MON and at == "23 17:01" and timedelta(minutes=55) <= late <= timedelta(minutes=57)
    assert second == (TUE, "24 16:05", None)


def test_a_clock_set_forward_and_back_again_runs_each_report_once(machine):
    async def jump():
        for hours, wait in ((3.0, 3600.0), (-3.0, 3600.0), (-2.0, 1800.0), (2.0, 60.0)):
            await anyio.sleep(wait)
            machine.clock.jump(hours)

    machine.until("11-26 12:00", during=jump)
    assert days(machine) == [MON, TUE, WED] and machine.missed == []


def test_a_clock_that_was_days_ahead_for_an_hour_costs_no_report(machine):
    async def jump():
        await anyio.sleep(600.0)
        machine.clock.jump(72.0)
        await anyio.sleep(3600.0)
        machine.clock.jump(-72.0)

    machine.until("11-26 12:00", during=jump)
    assert machine.ran[:1] == [(MON, "23 16:05", None)] and days(machine) == [MON, TUE, WED]
    assert machine.missed == [([MON, TUE, WED], "the machine slept or its clock was set")]


def test_a_machine_that_slept_over_a_close_reports_late_when_it_wakes(machine):
    async def sleep():
        await anyio.sleep(3600.0)
        machine.clock.jump(8.0)

    machine.until("11-24 12:00", during=sleep)
    (day, at, late), second = machine.ran
    assert day == MON and at in {"23 21:00", "23 21:01"} and late > timedelta(hours=4.9)
    assert second == (TUE, "24 16:05", None)


def test_a_slew_of_the_clock_is_no_jump(machine):
    async def slew():
        for _ in range(300):
            await anyio.sleep(60.0)
            machine.clock.jump(2.0 / 3600.0)

    machine.until("11-24 20:00", during=slew)
    assert days(machine) == [MON, TUE] and machine.board.jumped is None


# Jobs that fail or hang


def test_a_job_that_fails_is_told_and_the_rest_goes_on(machine):
    async def breaks():
        raise ZeroDivisionError("by zero")

    calls = []

    async def look():
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no luck")

    machine.body = breaks
    stored = machine.until("11-24 17:00", Job("look", 60.0, look))
    assert machine.told.count("job end of day failed (ZeroDivisionError: by zero)") == 2
    assert machine.told.count("job look failed (RuntimeError: no luck)") == 1
    assert stored["2026-11-23"].outcome is JobOutcome.FAILED and "by zero" in stored["2026-11-23"].note
    assert len(calls) == 4 * 60 + 390
    assert machine.board.jobs["look"].failures == 1 and machine.board.jobs["look"].outcome is JobOutcome.OK
    machine.until("11-24 19:00")
    assert machine.told.count("job end of day failed (ZeroDivisionError: by zero)") == 2


def test_a_job_that_takes_longer_than_its_interval_never_overlaps_itself(machine):
    at_it, most, begun = 0, 0, []

    async def slow():
        nonlocal at_it, most
        at_it += 1
        most = max(most, at_it)
        begun.append(machine.clock.monotonic())
        await anyio.sleep(5.0)
        at_it -= 1

    machine.until("11-23 12:10", Job("slow", 2.0, slow))
    assert most == 1
    assert {b - a for a, b in pairwise(begun)} == {6.0}  # in step, without a burst


def test_a_job_that_hangs_is_given_up_told_and_begun_again(machine):
    begun = []

    async def hangs():
        begun.append(machine.clock.monotonic())
        if len(begun) == 1:
            await anyio.sleep_forever()

    machine.until("11-23 12:10", Job("look", 2.0, hangs, deadline_s=120.0))
    assert machine.told == ["job look failed (not done after 2 min, given up)"]
    assert begun[1] - begun[0] == 120.0 and len(begun) == 1 + (600 - 120) // 2


def test_a_report_that_hangs_is_given_up_and_the_next_day_has_its_own(machine):
    machine.body = anyio.sleep_forever
    stored = machine.until("11-24 15:00")
    assert stored["2026-11-23"].outcome is JobOutcome.FAILED and stored["2026-11-23"].seconds == 1800.0
    machine.body = machine.nothing
    machine.until("11-24 17:00")
    assert days(machine) == [TUE]


def test_that_a_failure_can_t_be_told_stops_nothing(machine, caplog):
    async def breaks():
        raise RuntimeError("broken")

    async def silent(words):
        raise StoreError("disk full")

    machine.body, machine.tell = breaks, silent
    stored = machine.until("11-24 17:00")
    assert [stored[day].outcome for day in ("2026-11-23", "2026-11-24")] == [JobOutcome.FAILED] * 2
    assert "can't be told" in caplog.text


class FullDisk:
    """A database that can be read and not written."""

    def __init__(self, store):
        self.read = store.read

    async def write(self, *_):
        raise StoreError("database or disk is full")


def test_with_a_full_disk_each_report_still_runs_once_while_riskbot_lives(machine, caplog):
    machine.until("11-24 20:00", store=FullDisk)
    assert days(machine) == [MON, TUE] and "not recorded" in caplog.text


def test_a_run_that_another_process_has_done_is_left_alone(machine):
    async def other():
        await anyio.sleep(3600.0)
        with Store.open(machine.url) as store:
            (planned,) = store.job_runs(new_york("11-01 00:00"))
            done = {"started_at": planned.due_at, "finished_at": planned.due_at, "outcome": JobOutcome.OK}
            store.put_job_runs(
                "end of day", [type(planned)("end of day", planned.slot, planned.due_at, **done)], None
            )

    machine.until("11-24 17:00", during=other)
    assert days(machine) == [TUE]


# What is shown


def test_the_board_says_what_ran_and_what_comes(machine):
    async def look():
        await anyio.sleep(0.25)

    machine.until("11-23 20:00", Job("look", 2.0, look))
    shown = machine.board.jobs
    assert shown["look"].runs == 4 * 1800 and shown["look"].seconds == pytest.approx(0.25)
    assert shown["look"].next_at == new_york("11-24 09:30")
    assert shown["end of day"].next_at == new_york("11-24 16:05")
    assert shown["end of day"].outcome is JobOutcome.OK
    machine.until("11-23 21:00")
    again = machine.board.jobs["end of day"]
    assert (again.outcome, again.last_at, again.runs) == (JobOutcome.OK, new_york("11-23 16:05"), 0)


def test_a_market_that_never_closes_has_no_days_and_every_hour_is_one(machine):
    machine.settings = ScheduleSettings(always_open=True)
    machine.off_until("11-26 03:00")
    calls = []

    async def look():
        calls.append(1)

    stored = machine.until("11-26 03:59:59", Job("look", 2.0, look))
    assert len(calls) == 1800 and machine.ran == [] and stored == {}


def test_a_morning_note_is_late_until_the_close_and_then_missed_in_silence(tmp_path):
    machine = Machine(tmp_path, "11-23 12:00")
    notes = []

    async def note(run):
        notes.append((run.day, run.late))

    async def life(seconds):
        async with AsyncStore.open(machine.url) as store:
            runner = Runner(MarketHours(machine.settings), machine.clock, store, machine.board, machine.tell)
            with anyio.move_on_after(seconds):
                await runner.run([], [DayJob("start of day", BeforeOpen(timedelta(minutes=15)), note)])

    machine.clock.run(life, 3600.0)
    machine.off_until("11-24 12:15")
    machine.clock.run(life, 3600.0)
    machine.off_until("11-25 16:01")
    machine.clock.run(life, 3600.0)
    assert notes == [(TUE, timedelta(hours=3))] and machine.told == []


def test_virtual_time_sees_a_program_that_would_wait_for_ever():
    with pytest.raises(Deadlock):
        VirtualClock(new_york("11-23 12:00")).run(anyio.Event().wait)
