"""What is to be done about a once-a-day job now: pure, from its occasions, what is stored of their runs, and the time.

An occasion is owed once it has been planned, that is: while riskbot knew of it. What was due before riskbot first ran, or while
the job was switched off, is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.store import JobOutcome, JobRun
from scheduler.triggers import Due


@dataclass(frozen=True, slots=True)
class Plan:
    """`run` is to be run now, `lost` can't be made up for any more, `next` is the first one to come; None for none."""

    run: Due | None
    lost: tuple[Due, ...]
    next: Due | None


def plan(dues: Sequence[Due], known: Mapping[str, JobRun], now: datetime) -> Plan:
    """What to do of `dues`.

    Several that are owed become one, the last; the earlier ones are lost. A run that was begun and has no outcome was cut off:
    it is owed still.

    Args:
        dues: the job's occasions around `now`, in order of time.
        known: the stored runs by slot.
        now: by the wall clock, which may have jumped either way since anything was stored.
    """
    since = min((run.due_at for run in known.values() if run.outcome is None), default=now)
    open_ = [due for due in dues if not _settled(due, known.get(due.slot), now)]
    owed = [due for due in open_ if due.at <= now and (due.at >= since or due.slot in known)]
    run = owed[-1] if owed and now <= owed[-1].until else None
    return Plan(
        run,
        tuple(due for due in owed if due is not run),
        next((due for due in open_ if due.at > now), None),
    )


def _settled(due: Due, run: JobRun | None, now: datetime) -> bool:
    """Whether nothing is left to do. That a run was missed is believed only of a time that has passed: a clock that was too far
    ahead may have said so."""
    if run is None or run.outcome is None:
        return False
    return run.outcome is not JobOutcome.MISSED or now > due.until
