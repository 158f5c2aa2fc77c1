"""The rows of the Values at Risk that are kept, within a session of the Store."""

import json
from datetime import date

from sqlmodel import Session, col, delete, select

from engine.results import TailDay, TailFigure
from engine.store.tables import SnapshotRow, TailDayRow, TailFigureRow


def put(session: Session, one: TailDay, snapshot_id: int) -> None:
    """Store a day; one of the same date is replaced, figures and all."""
    session.exec(delete(TailDayRow).where(col(TailDayRow.day) == one.day))
    session.add(
        TailDayRow(
            day=one.day,
            as_of=one.as_of,
            snapshot_id=snapshot_id,
            net_liquidation=one.net_liquidation,
            value=one.value,
            left_out=json.dumps(list(one.left_out)),
            until=one.until,
            pnl=one.pnl,
            change=one.change,
            remark=one.remark,
        )
    )
    session.flush()
    session.add_all(
        TailFigureRow(
            day=one.day,
            method=row.method,
            level=row.level,
            place=place,
            var=row.var,
            es=row.es,
            days=row.days,
        )
        for place, row in enumerate(one.figures)
    )


def settle(session: Session, one: TailDay) -> None:
    """Store what became of a day that is there; its figures stay as they are."""
    row = session.get(TailDayRow, one.day)
    if row is not None:
        row.until, row.pnl, row.change, row.remark = one.until, one.pnl, one.change, one.remark


def every(session: Session, before: date | None = None) -> list[TailDay]:
    """The days, oldest first: all, or the last one before a date."""
    wanted = select(TailDayRow).order_by(col(TailDayRow.day).desc())
    if before is not None:
        wanted = wanted.where(TailDayRow.day < before).limit(1)
    found = list(session.exec(wanted))
    figures: dict[date, list[TailFigure]] = {row.day: [] for row in found}
    rows = select(TailFigureRow).order_by(col(TailFigureRow.place))
    if before is not None:
        rows = rows.where(col(TailFigureRow.day).in_(figures))
    for row in session.exec(rows):
        if row.day in figures:
            figures[row.day].append(TailFigure(row.method, row.level, row.var, row.es, row.days))
    return [_day(row, figures[row.day]) for row in reversed(found)]


def snapshot_of(session: Session, day: date) -> SnapshotRow | None:
    """The Snapshot that a day's figures are of; None where it is not stored any more."""
    row = session.get(TailDayRow, day)
    return None if row is None or row.snapshot_id is None else session.get(SnapshotRow, row.snapshot_id)


def _day(row: TailDayRow, figures: list[TailFigure]) -> TailDay:
    return TailDay(
        day=row.day,
        as_of=row.as_of,
        figures=tuple(figures),
        net_liquidation=row.net_liquidation,
        value=row.value,
        left_out=tuple(json.loads(row.left_out)),
        until=row.until,
        pnl=row.pnl,
        change=row.change,
        remark=row.remark,
    )
