"""The outbox: each step of a message's way is a compare-and-set on its state, made inside the caller's write transaction."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import CursorResult, or_, update
from sqlmodel import Session, col, select

from engine.errors import StoreError
from engine.store.records import Message, OutboxItem, OutboxState
from engine.store.rows import outbox_item, outbox_row
from engine.store.tables import OutboxRow


class NotBeingSent(StoreError):
    """A message whose fate was to be written down is not on its way any more."""


def add(session: Session, messages: Iterable[Message]) -> None:
    """Add those whose key is new."""
    by_key: dict[str, Message] = {}
    for message in messages:
        by_key.setdefault(message.key, message)
    known = set(session.exec(select(OutboxRow.key).where(col(OutboxRow.key).in_(by_key))))
    session.add_all(outbox_row(message) for key, message in by_key.items() if key not in known)


def claim_next(session: Session, now: datetime) -> OutboxItem | None:
    """The next message to send, taken: 'sending' and this attempt counted. Age is the id's: unlike a time, it never jumps."""
    waiting = (
        select(OutboxRow)
        .where(OutboxRow.state == OutboxState.PENDING.value)
        .where(or_(col(OutboxRow.not_before).is_(None), col(OutboxRow.not_before) <= now))
        .order_by(col(OutboxRow.priority).desc(), col(OutboxRow.id))
        .limit(1)
    )
    row = session.exec(waiting).first()
    if row is None:
        return None
    row.state = OutboxState.SENDING.value
    row.attempts += 1
    session.flush()
    return outbox_item(row)


def settle(session: Session, id_: int, state: OutboxState, **values: object) -> None:
    """Move a message that is being sent to `state`.

    Raises:
        NotBeingSent: If it is not.
    """
    row = session.get(OutboxRow, id_)
    if row is None or row.state != OutboxState.SENDING.value:
        raise NotBeingSent(
            f"message {id_} of the outbox is {row.state if row else 'missing'}, not being sent"
        )
    row.state = state.value
    for name, value in values.items():
        setattr(row, name, value)


def recover(session: Session) -> int:
    """Put back what an earlier process left half-sent, marked as a possible repeat; how many."""
    result = session.execute(
        update(OutboxRow)
        .where(col(OutboxRow.state) == OutboxState.SENDING.value)
        .values(state=OutboxState.PENDING.value, may_repeat=True)
    )
    assert isinstance(result, CursorResult), "an UPDATE counts its rows"
    return result.rowcount
