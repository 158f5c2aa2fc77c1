"""The runs of once-a-day jobs as the database has them, and a copy of the last weeks in memory.

Where the database refuses, the copy holds what happened, so that nothing runs twice while this process lives; that it is not
stored is logged.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from engine.clock import Clock
from engine.errors import StoreError
from engine.store import AsyncStore, JobRun, Store

log = logging.getLogger(__name__)

REMEMBERED: Final = timedelta(days=21)
"""Longer than any trigger looks back."""


class RunLog:
    """`load` it first."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._runs: dict[str, dict[str, JobRun]] = {}

    async def load(self) -> list[JobRun]:
        """Read what is stored, in order of time.

        Raises:
            StoreError: If it can't be read.
        """
        stored = await self._store.read(Store.job_runs, self._clock.now() - REMEMBERED)
        self._runs = {}
        for run in stored:
            self._runs.setdefault(run.job, {})[run.slot] = run
        return stored

    def of(self, job: str) -> Mapping[str, JobRun]:
        """The runs of a job by slot."""
        return self._runs.setdefault(job, {})

    async def begin(self, run: JobRun) -> bool:
        """Write down that a run begins; False where another process has done it."""
        try:
            is_ours = await self._store.write(Store.begin_job_run, run)
        except StoreError as error:
            log.error("the run of %s for %s is not recorded: %s", run.job, run.slot, error)
            is_ours = True
        if not is_ours:
            await self.load()
            return False
        self._runs.setdefault(run.job, {})[run.slot] = run
        return True

    async def put(self, job: str, settled: Sequence[JobRun], owed: JobRun | None) -> None:
        """Write down how runs of `job` ended, and which one is owed next in the place of any owed before."""
        runs = self._runs.setdefault(job, {})
        old = [run for run in runs.values() if run.outcome is None]
        if not settled and old == ([] if owed is None else [owed]):
            return
        for run in old:
            del runs[run.slot]
        runs.update({run.slot: run for run in (*settled, owed) if run is not None})
        oldest = self._clock.now() - REMEMBERED
        for slot in [slot for slot, run in runs.items() if run.due_at < oldest]:
            del runs[slot]
        try:
            await self._store.write(Store.put_job_runs, job, settled, owed)
        except StoreError as error:
            log.error("the runs of %s are not recorded: %s", job, error)
