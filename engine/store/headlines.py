"""The headline figures of each cycle, within a session of the Store: history is read from them, without unpacking snapshots."""

import math
from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session, col, select

from engine.model import UNSET_ABOVE
from engine.results import RiskReport
from engine.store.records import Headline
from engine.store.tables import HeadlineRow


def headline(report: RiskReport) -> Headline | None:
    """What history keeps of a report; None of one whose account had not arrived whole: that is a gap, not a figure."""
    if not report.complete:
        return None
    var, es = report.tail.figure(0.99), report.tail.figure(0.975)
    runs = ((_number(run.pnl), run.name) for run in report.scenarios)
    worst = min(((pnl, name) for pnl, name in runs if pnl is not None), default=None)
    loss = None if worst is None or not report.basis else _number(-worst[0] / report.basis)
    gamma = [part for part in report.standing.gamma_pnl.tolist() if math.isfinite(part)]
    missing = {remark.id for remark in (*report.quality.left_out, *report.tail.left_out)}
    return Headline(
        at=report.as_of,
        currency=report.base_currency,
        net_liquidation=_number(report.net_liquidation),
        var_99=None if var is None else _number(var.var),
        es_975=None if es is None else _number(es.es),
        worst_scenario=None if worst is None or loss is None else worst[1],
        worst_loss=loss,
        vega=_number(report.greeks.vega),
        gamma_loss=-math.fsum(gamma) if gamma else None,
        left_out=len(missing),
    )


def add(session: Session, one: Headline) -> None:
    session.add(HeadlineRow(**{name: getattr(one, name) for name in Headline.__slots__}))


def since(session: Session, at: datetime) -> list[Headline]:
    """Those at or after `at`, oldest first; of two of one instant the later stored one."""
    wanted = (
        select(HeadlineRow).where(HeadlineRow.at >= at).order_by(col(HeadlineRow.at), col(HeadlineRow.id))
    )
    return list(_last_of_each(session.exec(wanted)).values())


def _last_of_each(rows: Iterable[HeadlineRow]) -> dict[datetime, Headline]:
    return {row.at: Headline(**{name: getattr(row, name) for name in Headline.__slots__}) for row in rows}


def _number(value: float | None) -> float | None:
    """The value where it is a number that can be stored."""
    return value if value is not None and abs(value) <= UNSET_ABOVE else None
