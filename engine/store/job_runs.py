"""The rows of the jobs that run once a day, within a session of the Store. The row of (job, slot) is what makes it once."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import Session, col, delete, select

from engine.store.records import JobOutcome, JobRun
from engine.store.tables import JobRunRow


def begin(session: Session, run: JobRun) -> bool:
    """Write down that a run has begun; False, and nothing written, where another has ended already."""
    row = session.get(JobRunRow, (run.job, run.slot))
    if row is not None and row.outcome not in {None, JobOutcome.MISSED.value}:
        return False
    session.merge(_row(run))
    return True


def put(session: Session, job: str, settled: Iterable[JobRun], planned: JobRun | None) -> None:
    """Write down what became of runs of `job`, and the one that is owed next in the place of any that was owed before."""
    for run in settled:
        session.merge(_row(run))
    session.exec(delete(JobRunRow).where(col(JobRunRow.job) == job, col(JobRunRow.outcome).is_(None)))
    if planned is not None:
        session.merge(_row(planned))


def since(session: Session, at: datetime) -> list[JobRun]:
    """The runs due from `at` on, in order of time, and those that have not ended, however old."""
    wanted = (
        select(JobRunRow)
        .where(or_(col(JobRunRow.due_at) >= at, col(JobRunRow.outcome).is_(None)))
        .order_by(col(JobRunRow.due_at), col(JobRunRow.job))
    )
    return [_run(row) for row in session.exec(wanted)]


def _row(run: JobRun) -> JobRunRow:
    return JobRunRow(
        job=run.job,
        slot=run.slot,
        due_at=run.due_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        outcome=run.outcome and run.outcome.value,
        seconds=run.seconds,
        note=run.note,
    )


def _run(row: JobRunRow) -> JobRun:
    return JobRun(
        job=row.job,
        slot=row.slot,
        due_at=row.due_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=JobOutcome(row.outcome) if row.outcome else None,
        seconds=row.seconds,
        note=row.note,
    )
