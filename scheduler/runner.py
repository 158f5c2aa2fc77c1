"""Runs jobs when they are due, each run in a task of ours.

*Intervals* are counted by the monotonic clock, in market hours: a wall clock that jumps does not stop them. (APScheduler's own
interval trigger follows the wall clock, and rests for as long as that was set back.) A run that is longer than its interval
is followed by the next one in step, never by those it has missed, and never overlaps itself.

*Once-a-day jobs* are planned from the calendar. APScheduler says when the next occasion has come; then, at the start, after each
run, when the clock has jumped, and some times a day, the job is planned anew from what the database says of its runs
(`planning.plan`), so that each occasion runs once whatever the clock did. One task a job: it can't overlap itself.

A run that fails unexpectedly or takes too long is logged whole and told, while the rest goes on.
"""

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Final

import anyio
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from engine.clock import Clock
from engine.store import AsyncStore, JobOutcome, JobRun
from scheduler.board import Board
from scheduler.hours import MarketHours
from scheduler.jobs import DayJob, Job, Run
from scheduler.planning import Plan, plan
from scheduler.run_log import RunLog
from scheduler.triggers import Due

log = logging.getLogger(__name__)

NO_LIMIT: Final = None
LATE_AFTER: Final = timedelta(minutes=5)
CLOCK_LOOK_S: Final = 60.0
JUMP_S: Final = 5.0
"""A wall clock that differs from the monotonic one by more within a look has been set, or the machine has slept."""
CLOSED_LOOK_S: Final = 60.0
REPLAN_S: Final = 6 * 3600.0
NOT_RUNNING: Final = "riskbot was not running"
ASLEEP: Final = "the machine slept or its clock was set"


class Runner:
    """The jobs. `run` is the one task of this part; `tell` hears of each failure in one line; `board` shows how jobs stand."""

    def __init__(
        self,
        hours: MarketHours,
        clock: Clock,
        store: AsyncStore,
        board: Board,
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        self._hours = hours
        self._clock = clock
        self._log = RunLog(store, clock)
        self._board = board
        self._tell = tell
        self._wakes: dict[str, anyio.Event] = {}

    async def run(self, jobs: Sequence[Job], day_jobs: Sequence[DayJob] = ()) -> None:
        """Run all of them until cancelled.

        Raises:
            StoreError: If what is stored of earlier runs can't be read.
        """
        for repeated in jobs:
            self._board.add(repeated.name)
        for daily in day_jobs:
            self._board.add(daily.name, on=daily.on)
        for run in await self._log.load():
            self._board.recall(run)
        async with _started_scheduler() as scheduler, anyio.create_task_group() as tasks:
            for repeated in jobs:
                tasks.start_soon(self._repeat, repeated, name=repeated.name)
            for daily in day_jobs:
                tasks.start_soon(self._each_day if daily.on else self._owe_nothing, daily, scheduler)
            tasks.start_soon(self._watch_clock)

    async def _repeat(self, job: Job) -> None:
        """Run `job` in step with its interval while the market is open, for ever."""
        due = self._clock.monotonic()
        while True:
            if not await self._hours.is_open(self._clock.now()):
                await self._rest(job)
                due = self._clock.monotonic()
                continue
            failure, seconds = await self._attempt(job.name, job.body, job.deadline_s)
            outcome = JobOutcome.OK if failure is None else JobOutcome.FAILED
            self._board.end(job.name, outcome, seconds, failure)
            if failure is not None:
                await self._say(job.name, failure)
            due = _in_step(due, job.every_s, self._clock.monotonic())
            wait = max(due - self._clock.monotonic(), 0.0)
            self._board.expect(job.name, self._clock.now() + timedelta(seconds=wait))
            await anyio.sleep(wait)

    async def _rest(self, job: Job) -> None:
        """Sleep until the market opens, a minute at most: the clock may jump."""
        now = self._clock.now()
        opens = await self._hours.next_open(now)
        self._board.expect(job.name, opens)
        wait = CLOSED_LOOK_S if opens is None else (opens - now).total_seconds()
        await anyio.sleep(min(wait, CLOSED_LOOK_S))

    async def _each_day(self, job: DayJob, scheduler: AsyncIOScheduler) -> None:
        """Run `job` once for each of its occasions, for ever."""
        why = NOT_RUNNING
        while True:
            wake = self._wakes[job.name] = anyio.Event()
            dues, todo = await self._plan(job)
            await self._owe(job, todo, why)
            why = ASLEEP
            if todo.run is not None:
                await self._once(job, todo.run, dues)
                continue
            if todo.next is not None:
                when = DateTrigger(todo.next.at)
                scheduler.add_job(wake.set, when, id=job.name, replace_existing=True)
            self._board.expect(job.name, None if todo.next is None else todo.next.at)
            with anyio.move_on_after(REPLAN_S):
                await wake.wait()

    async def _owe_nothing(self, job: DayJob, scheduler: AsyncIOScheduler) -> None:
        """A job that is switched off: what it was planned to do is forgotten."""
        await self._log.put(job.name, (), None)

    async def _plan(self, job: DayJob) -> tuple[Sequence[Due], Plan]:
        now = self._clock.now()
        dues = job.trigger.around(now, await self._hours.sessions(now))
        return dues, plan(dues, self._log.of(job.name), now)

    async def _owe(self, job: DayJob, todo: Plan, why: str) -> None:
        """Write down what is owed now or next, and what is missed once that has been told."""
        if todo.lost:
            days = [due.day for due in todo.lost]
            log.warning("%s is missed for %s: %s", job.name, ", ".join(map(str, days)), why)
            if job.missed is not None:
                await self._safely(job.name, partial(job.missed, days, why))
        missed = [
            JobRun(job.name, due.slot, due.at, outcome=JobOutcome.MISSED, note=why) for due in todo.lost
        ]
        await self._log.put(job.name, missed, _owed(job, todo.run or todo.next))
        for run in missed:
            self._board.recall(run)

    async def _once(self, job: DayJob, due: Due, dues: Sequence[Due]) -> None:
        """Run `job` for one occasion. What it did and what is owed next are stored together, also while riskbot stops: it has
        run, and must not do so again."""
        begun = JobRun(job.name, due.slot, due.at, started_at=self._clock.now())
        if not await self._log.begin(begun):
            return
        assert begun.started_at is not None, "just set"
        late = begun.started_at - due.at
        run = Run(due.day, due.at, late if late >= LATE_AFTER else None)
        failure, seconds = await self._attempt(job.name, partial(job.body, run), job.deadline_s)
        outcome = JobOutcome.OK if run.late is None else JobOutcome.LATE
        if failure is not None:
            outcome = JobOutcome.FAILED
        now = self._clock.now()
        done = JobRun(job.name, due.slot, due.at, begun.started_at, now, outcome, seconds, failure)
        after = plan(dues, {**self._log.of(job.name), due.slot: done}, now).next
        with anyio.CancelScope(shield=True):
            await self._log.put(job.name, [done], _owed(job, after))
        self._board.end(job.name, outcome, seconds, failure)
        if failure is not None:
            await self._say(job.name, failure)

    async def _attempt(
        self, name: str, body: Callable[[], Awaitable[None]], deadline_s: float
    ) -> tuple[str | None, float]:
        """Run `body`: why it failed in one line, None where it did not, and how many seconds it took."""
        self._board.begin(name, self._clock.now())
        started, failure = self._clock.monotonic(), None
        with anyio.move_on_after(deadline_s) as patience:
            try:
                await body()
            except Exception as error:
                log.exception("job %s failed", name)
                failure = f"{type(error).__name__}: {error}"
        if patience.cancelled_caught:
            failure = f"not done after {deadline_s / 60.0:g} min, given up"
            log.error("job %s: %s", name, failure)
        return failure, self._clock.monotonic() - started

    async def _say(self, name: str, failure: str) -> None:
        await self._safely(name, partial(self._tell, f"job {name} failed ({failure})"))

    async def _safely(self, name: str, telling: Callable[[], Awaitable[None]]) -> None:
        """Tell; what can't be told is logged, and jobs go on."""
        try:
            await telling()
        except Exception:
            log.exception("what became of job %s can't be told", name)

    async def _watch_clock(self) -> None:
        """Plan the once-a-day jobs anew when the wall clock and the monotonic one come apart."""
        before = self._ahead_s()
        while True:
            await anyio.sleep(CLOCK_LOOK_S)
            jumped, before = self._ahead_s() - before, self._ahead_s()
            if abs(jumped) < JUMP_S:
                continue
            log.warning("the clock of this machine jumped by %+.0f s, or it slept", jumped)
            self._board.jumped = self._clock.now(), jumped
            for wake in self._wakes.values():
                wake.set()

    def _ahead_s(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


def _owed(job: DayJob, due: Due | None) -> JobRun | None:
    """An occasion as the database has it before it runs."""
    return None if due is None else JobRun(job.name, due.slot, due.at)


def _in_step(due: float, every_s: float, now: float) -> float:
    """The first multiple of `every_s` after `due` that has not passed."""
    return due + every_s * max(1, math.ceil((now - due) / every_s))


@asynccontextmanager
async def _started_scheduler() -> AsyncIterator[AsyncIOScheduler]:
    """APScheduler with what it lacks by default: what is late runs all the same, on the loop itself and in no task of its own."""
    scheduler = AsyncIOScheduler(
        timezone="UTC",
        executors={"default": DebugExecutor()},
        job_defaults={"misfire_grace_time": NO_LIMIT, "coalesce": True, "max_instances": 1},
    )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)
