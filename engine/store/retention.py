"""What is kept how long: which snapshots and messages have had their time. The rule is pure; the rest is small statements.

Of the last week every snapshot is kept, of the last 90 days the last one of each hour, and the last one of each day for ever. A
complete one goes before a later one that is not. A snapshot that a table needs (a key that does not cascade) is never deleted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Column, CursorResult, Delete, and_, delete, or_
from sqlmodel import Session, col, select

from engine.store.records import OutboxState
from engine.store.tables import OutboxRow, SnapshotRow

ALL_DAYS: Final = 7
HOURLY_DAYS: Final = 90
SENT_KEPT: Final = timedelta(days=30)
DEAD_KEPT: Final = timedelta(days=90)

INCREMENTAL: Final = 2
"""What `PRAGMA auto_vacuum` says of a file that can give back its free pages."""

Group = tuple[date, int, timedelta | None]


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot without its content."""

    id: int
    as_of: datetime
    complete: bool


def surplus(stored: Iterable[Stored], now: datetime, zone: tzinfo) -> list[int]:
    """The ids that need not be kept, oldest first. Days and hours are those of `zone`, the exchange's."""
    today = now.astimezone(zone).date()
    groups: dict[Group, list[Stored]] = {}
    for one in sorted(stored, key=lambda each: (each.as_of, each.id)):
        group = _group(one.as_of.astimezone(zone), today)
        if group is not None:
            groups.setdefault(group, []).append(one)
    kept = {_keeper(members).id for members in groups.values()}
    return [one.id for members in groups.values() for one in members if one.id not in kept]


def _group(local: datetime, today: date) -> Group | None:
    """Those of which one is kept; None where every one is."""
    age = (today - local.date()).days
    if age < ALL_DAYS:
        return None
    if age < HOURLY_DAYS:
        # The hour that a clock change repeats is two hours.
        return local.date(), local.hour, local.utcoffset()
    return local.date(), -1, None


def _keeper(members: Sequence[Stored]) -> Stored:
    return next((one for one in reversed(members) if one.complete), members[-1])


def stored_snapshots(session: Session) -> list[Stored]:
    """Every snapshot, without its content."""
    found = session.exec(select(SnapshotRow.id, SnapshotRow.as_of, SnapshotRow.complete))
    return [Stored(id_, as_of, complete) for id_, as_of, complete in found if id_ is not None]


def drop_snapshots(session: Session, ids: Sequence[int]) -> int:
    """Delete those of the snapshots that no table needs, runs and all; how many."""
    wanted = delete(SnapshotRow).where(col(SnapshotRow.id).in_(ids))
    for needed in _needed():
        wanted = wanted.where(col(SnapshotRow.id).not_in(select(needed).where(needed.is_not(None))))
    return _count(session, wanted)


def _needed() -> list[Column[int]]:
    """The columns of other tables that name a snapshot which must stay."""
    return [
        key.parent
        for table in SnapshotRow.metadata.tables.values()
        for key in table.foreign_keys
        if key.target_fullname == "snapshots.id" and key.ondelete != "CASCADE"
    ]


def spent_messages(session: Session, now: datetime) -> list[int]:
    """The ids of messages that were sent, or given up, long ago. What still waits stays, however old."""
    sent = and_(col(OutboxRow.state) == OutboxState.SENT.value, col(OutboxRow.sent_at) < now - SENT_KEPT)
    dead = and_(col(OutboxRow.state) == OutboxState.DEAD.value, col(OutboxRow.created_at) < now - DEAD_KEPT)
    found = session.exec(select(OutboxRow.id).where(or_(sent, dead)).order_by(col(OutboxRow.id)))
    return [id_ for id_ in found if id_ is not None]


def drop_messages(session: Session, ids: Sequence[int]) -> int:
    """Delete messages that are done with; how many."""
    done = (OutboxState.SENT.value, OutboxState.DEAD.value)
    return _count(
        session, delete(OutboxRow).where(col(OutboxRow.id).in_(ids), col(OutboxRow.state).in_(done))
    )


def _count(session: Session, statement: Delete) -> int:
    result = session.execute(statement)
    assert isinstance(result, CursorResult), "a DELETE counts its rows"
    return result.rowcount
