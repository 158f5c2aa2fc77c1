"""Between the values of the door and the rows of the tables."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import SnapshotError, StoreError
from engine.model import (
    AlertState,
    Contract,
    Event,
    EventKind,
    Impact,
    Kind,
    RateCurve,
    Right,
    Settlement,
    Severity,
    Snapshot,
    Timing,
)
from engine.results import NamedPnl, ScenarioResult
from engine.snapshot_file import dump_snapshot, load_snapshot
from engine.store.records import (
    AlertRecord,
    Bar,
    Execution,
    Message,
    MessageKind,
    OutboxItem,
    OutboxState,
)
from engine.store.tables import (
    AlertRow,
    BarRow,
    EventRow,
    ExecutionRow,
    OutboxRow,
    RateRow,
    RunRow,
    SnapshotRow,
)


def snapshot_row(snapshot: Snapshot) -> SnapshotRow:
    try:
        text = dump_snapshot(snapshot)
    except ValueError as error:
        raise StoreError(f"the snapshot of {snapshot.as_of} holds a number that is not finite") from error
    return SnapshotRow(
        as_of=snapshot.as_of,
        complete=snapshot.complete,
        source=snapshot.source,
        net_liquidation=snapshot.net_liquidation,
        body=zlib.compress(text.encode()),
    )


def stored_snapshot(row: SnapshotRow) -> Snapshot:
    try:
        return load_snapshot(zlib.decompress(row.body).decode())
    except (zlib.error, UnicodeDecodeError, SnapshotError) as error:
        raise StoreError(f"the stored snapshot {row.id} of {row.as_of} can't be read: {error}") from error


def run_row(snapshot_id: int, result: ScenarioResult) -> RunRow:
    worst_id, worst_pnl = _named(result.worst)
    best_id, best_pnl = _named(result.best)
    return RunRow(
        snapshot_id=snapshot_id,
        scenario=result.name,
        leg=result.leg,
        pnl=result.pnl,
        pct=result.pct,
        value=result.value,
        worst_id=worst_id,
        worst_pnl=worst_pnl,
        best_id=best_id,
        best_pnl=best_pnl,
        left_out=len(result.left_out),
    )


def alert_row(alert: AlertRecord) -> AlertRow:
    return AlertRow(
        rule=alert.rule,
        subject=alert.subject,
        state=alert.state.value,
        severity=alert.severity and alert.severity.value,
        since=alert.since,
        episode=alert.episode,
        detail=_json(alert.detail, f"the alert {alert.rule} of {alert.subject}"),
        updated_at=alert.updated_at,
    )


def alert_record(row: AlertRow) -> AlertRecord:
    return AlertRecord(
        rule=row.rule,
        subject=row.subject,
        state=AlertState(row.state),
        since=row.since,
        updated_at=row.updated_at,
        severity=Severity(row.severity) if row.severity else None,
        episode=row.episode,
        detail=json.loads(row.detail),
    )


def outbox_row(message: Message) -> OutboxRow:
    return OutboxRow(
        key=message.key,
        chat_id=message.chat_id,
        priority=int(message.priority),
        kind=message.kind.value,
        body=_json(message.body, f"the message {message.key}"),
        picture=message.picture,
        state=OutboxState.PENDING.value,
        not_before=message.not_before,
        created_at=message.created_at,
    )


def outbox_item(row: OutboxRow) -> OutboxItem:
    assert row.id is not None, "the row has been flushed"
    return OutboxItem(
        id=row.id,
        key=row.key,
        chat_id=row.chat_id,
        kind=MessageKind(row.kind),
        body=json.loads(row.body),
        priority=row.priority,
        picture=row.picture,
        state=OutboxState(row.state),
        attempts=row.attempts,
        not_before=row.not_before,
        created_at=row.created_at,
        sent_at=row.sent_at,
        telegram_message_id=row.telegram_message_id,
        error=row.error,
        may_repeat=row.may_repeat,
    )


def bar(row: BarRow) -> Bar:
    return Bar(row.symbol, row.what, row.day, row.open, row.high, row.low, row.close)


def execution_row(one: Execution) -> ExecutionRow:
    contract = one.contract
    return ExecutionRow(
        id=one.id,
        account=one.account,
        con_id=one.con_id,
        symbol=contract.symbol,
        kind=contract.kind.value,
        underlying=contract.underlying,
        currency=contract.currency,
        multiplier=contract.multiplier,
        expiry=contract.expiry,
        strike=contract.strike,
        right=contract.right and contract.right.value,
        settlement=contract.settlement.value,
        at=one.at,
        quantity=one.quantity,
        price=one.price,
        commission=one.commission,
        commission_currency=one.commission_currency,
        realized=one.realized,
    )


def execution(row: ExecutionRow) -> Execution:
    contract = Contract(
        symbol=row.symbol,
        kind=Kind(row.kind),
        underlying=row.underlying,
        currency=row.currency,
        multiplier=row.multiplier,
        expiry=row.expiry,
        strike=row.strike,
        right=Right(row.right) if row.right else None,
        settlement=Settlement(row.settlement),
    )
    return Execution(
        id=row.id,
        account=row.account,
        con_id=row.con_id,
        contract=contract,
        at=row.at,
        quantity=row.quantity,
        price=row.price,
        commission=row.commission,
        commission_currency=row.commission_currency,
        realized=row.realized,
    )


def event_row(one: Event) -> EventRow:
    if not one.source or one.fetched_at is None:
        raise StoreError(f"the event {one.label} of {one.at} does not say who told it when")
    return EventRow(
        source=one.source,
        kind=one.kind.value,
        at=one.at,
        symbols=symbols_text(one.symbols),
        name=one.name,
        confirmed=one.confirmed,
        timing=one.timing and one.timing.value,
        impact=one.impact.value,
        fetched_at=one.fetched_at,
    )


def event(row: EventRow) -> Event:
    return Event(
        kind=EventKind(row.kind),
        at=row.at,
        confirmed=row.confirmed,
        impact=Impact(row.impact),
        symbols=tuple(json.loads(row.symbols)),
        name=row.name,
        timing=Timing(row.timing) if row.timing else None,
        source=row.source,
        fetched_at=row.fetched_at,
    )


def symbols_text(symbols: tuple[str, ...]) -> str:
    """Symbols as the column has them."""
    return json.dumps(list(symbols))


def rate_rows(curve: RateCurve) -> list[RateRow]:
    return [
        RateRow(currency=curve.currency, day=curve.as_of, years=years, rate=rate)
        for years, rate in curve.points
    ]


def rate_curve(points: Sequence[RateRow]) -> RateCurve | None:
    if not points:
        return None
    return RateCurve(points[0].currency, points[0].day, tuple((point.years, point.rate) for point in points))


def _named(position: NamedPnl | None) -> tuple[str | None, float | None]:
    return (None, None) if position is None else (position.id, position.pnl)


def _json(value: Mapping[str, Any], whose: str) -> str:
    try:
        return json.dumps(dict(value), allow_nan=False)
    except ValueError as error:
        raise StoreError(f"{whose} holds a number that is not finite") from error
