"""What became of each alert, and which rules are muted: rows within a session of the Store."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session, col, select

from engine.model import Severity
from engine.store.records import AlertEvent
from engine.store.tables import AlertEventRow, MuteRow


def add(session: Session, events: Iterable[AlertEvent]) -> None:
    session.add_all(
        AlertEventRow(
            at=one.at,
            rule=one.rule,
            subject=one.subject,
            change=one.change,
            severity=one.severity and one.severity.value,
            episode=one.episode,
            value=one.value,
            limit=one.limit,
        )
        for one in events
    )


def latest(session: Session, count: int) -> list[AlertEvent]:
    """The last `count`, newest first."""
    wanted = select(AlertEventRow).order_by(col(AlertEventRow.id).desc()).limit(count)
    return [
        AlertEvent(
            row.at,
            row.rule,
            row.subject,
            row.change,
            Severity(row.severity) if row.severity else None,
            row.episode,
            row.value,
            row.limit,
        )
        for row in session.exec(wanted)
    ]


def muted(session: Session) -> frozenset[str]:
    return frozenset(session.exec(select(MuteRow.rule)))


def mute(session: Session, rule: str, since: datetime | None) -> None:
    """Mute a rule from `since` on; None lets it speak again."""
    row = session.get(MuteRow, rule)
    if row is not None and since is None:
        session.delete(row)
    elif row is None and since is not None:
        session.add(MuteRow(rule=rule, since=since))
