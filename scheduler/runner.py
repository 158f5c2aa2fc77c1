"""Runs jobs when they are due: APScheduler says when, a task group of ours runs them; market hours come from the calendar.

A run that comes late still runs (no grace limit), several that were missed become one, no job overlaps itself, and a run that
fails unexpectedly is logged whole and told, while the rest goes on.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import anyio
from anyio.abc import TaskGroup
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from engine.clock import Clock
from scheduler.hours import MarketHours

log = logging.getLogger(__name__)

NO_LIMIT: Final = None

Body = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """Something done each `every_s` seconds of market hours, the first time at once."""

    name: str
    every_s: float
    body: Body


@dataclass(frozen=True, slots=True)
class CloseJob:
    """Something done once after each close, `delay_s` later."""

    name: str
    delay_s: float
    body: Body


class Runner:
    """The jobs. `run` is the one task of this part; `tell` hears of each failure in one line."""

    def __init__(self, hours: MarketHours, clock: Clock, tell: Callable[[str], Awaitable[None]]) -> None:
        self._hours = hours
        self._clock = clock
        self._tell = tell
        self._busy: set[str] = set()

    async def run(self, jobs: list[Job], after_close: CloseJob) -> None:
        """Run `jobs` and `after_close` until cancelled."""
        async with anyio.create_task_group() as tasks, _started_scheduler() as scheduler:
            for job in jobs:
                scheduler.add_job(
                    self._start,
                    IntervalTrigger(seconds=job.every_s),
                    args=[tasks, job],
                    id=job.name,
                    next_run_time=self._clock.now(),
                )
            await self._plan_close(scheduler, tasks, after_close)
            await anyio.sleep_forever()

    async def _start(self, tasks: TaskGroup, job: Job) -> None:
        """Start a run of `job` in market hours, unless the last one is still at it."""
        if job.name not in self._busy and await self._hours.is_open(self._clock.now()):
            tasks.start_soon(self._run, job.name, job.body)

    async def _plan_close(self, scheduler: AsyncIOScheduler, tasks: TaskGroup, job: CloseJob) -> None:
        """Put the run after the next close into the scheduler; it plans the one after it."""
        closes = await self._hours.next_close(self._clock.now())
        if closes is None:
            return

        async def due() -> None:
            tasks.start_soon(self._run, job.name, job.body)
            await self._plan_close(scheduler, tasks, job)

        scheduler.add_job(
            due, DateTrigger(closes + timedelta(seconds=job.delay_s)), id=job.name, replace_existing=True
        )

    async def _run(self, name: str, body: Body) -> None:
        self._busy.add(name)
        try:
            await body()
        except Exception as error:
            log.exception("job %s failed", name)
            await self._tell(f"job {name} failed ({type(error).__name__}: {error})")
        finally:
            self._busy.discard(name)


@asynccontextmanager
async def _started_scheduler() -> AsyncIterator[AsyncIOScheduler]:
    scheduler = AsyncIOScheduler(
        timezone="UTC", job_defaults={"misfire_grace_time": NO_LIMIT, "coalesce": True, "max_instances": 1}
    )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)
