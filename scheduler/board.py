"""How each job stands, for whoever asks: kept in memory, a few values a job however long riskbot runs."""

from dataclasses import dataclass, field
from datetime import datetime

from engine.store import JobOutcome, JobRun

MOST_WORDS = 300


@dataclass(slots=True)
class JobState:
    """A job's last run and its next. `outcome` is None before the first run; `running_since` while one is at it."""

    name: str
    last_at: datetime | None = None
    seconds: float | None = None
    outcome: JobOutcome | None = None
    running_since: datetime | None = None
    next_at: datetime | None = None
    runs: int = 0
    failures: int = 0
    failure: str | None = None
    on: bool = True


@dataclass(slots=True)
class Board:
    """Written by the Runner alone."""

    jobs: dict[str, JobState] = field(default_factory=dict)
    jumped: tuple[datetime, float] | None = None
    """When the clock of the machine was last seen to jump, and by how many seconds."""

    def add(self, name: str, *, on: bool = True) -> None:
        self.jobs[name] = JobState(name, on=on)

    def recall(self, run: JobRun) -> None:
        """A run that was stored, in order of time."""
        state = self.jobs.get(run.job)
        if state is not None and run.outcome is not None:
            state.last_at, state.seconds, state.outcome = (
                run.started_at or run.due_at,
                run.seconds,
                run.outcome,
            )
            state.failure = run.note

    def expect(self, name: str, at: datetime | None) -> None:
        self.jobs[name].next_at = at

    def begin(self, name: str, at: datetime) -> None:
        state = self.jobs[name]
        state.running_since = state.last_at = at
        state.runs += 1

    def end(self, name: str, outcome: JobOutcome, seconds: float, failure: str | None) -> None:
        state = self.jobs[name]
        state.running_since = None
        state.outcome, state.seconds = outcome, seconds
        state.failures += failure is not None
        state.failure = failure and failure[:MOST_WORDS]
