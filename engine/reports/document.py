"""A report as one JSON object: numbers as numbers in full precision, unknown as null."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from engine.model import Floats
from engine.results import (
    Concentration,
    Correlation,
    Exposure,
    NamedPnl,
    PositionRisk,
    Remark,
    RiskReport,
    ScenarioResult,
    Standing,
    TailFigure,
    TailShare,
)


def report_json(report: RiskReport) -> str:
    """The JSON text of `report_document`."""
    return json.dumps(report_document(report), indent=1, allow_nan=False)


def report_document(report: RiskReport) -> dict[str, Any]:
    """The report as plain dicts and lists.

    `pct` is in percent of `basis`; the matrix' axes are decimals; Greeks of a position are per unit of its underlying, those
    under `exposure`, `greeks` and `greeks_after` of holdings, in base currency (delta: shares).
    """
    return {
        "as_of": _time(report.as_of),
        "source": report.source,
        "complete": report.complete,
        "base_currency": report.base_currency,
        "net_liquidation": report.net_liquidation,
        "basis": finite(report.basis),
        "basis_name": report.basis_name,
        "value": finite(report.value),
        "scenarios": [_scenario(result, report.ids) for result in report.scenarios],
        "matrix": {
            "spot": list(report.matrix.spot),
            "iv": list(report.matrix.iv),
            "pnl": [_numbers(row) for row in report.matrix.pnl],
            "days": report.matrix.days,
            "shaped": report.matrix.shaped,
            "marks": [asdict(mark) for mark in report.matrix.marks],
        },
        "greeks": _fields(report.greeks),
        "by_underlying": {name: _fields(exposure) for name, exposure in report.by_underlying.items()},
        "by_expiry": {name: _fields(exposure) for name, exposure in report.by_expiry.items()},
        "by_sector": {name: _fields(exposure) for name, exposure in report.by_sector.items()},
        "standing": _fields(report.standing),
        "concentration": [_fields(row) for row in report.concentration],
        "positions": [_position(position) for position in report.positions],
        "tail": _tail(report),
        "correlation": {
            "by_underlying": _correlation(report.tail.correlation_by_underlying),
            "by_position": _correlation(report.tail.correlation),
        },
        "quality": {
            "left_out": [_remark(remark) for remark in report.quality.left_out],
            "flagged": [_remark(remark) for remark in report.quality.flagged],
            "stale": [_remark(remark) for remark in report.quality.stale],
            "notes": list(report.quality.notes),
            "oldest_price": _time(report.quality.oldest_price),
        },
    }


def _scenario(result: ScenarioResult, ids: tuple[str, ...]) -> dict[str, Any]:
    columns = zip(
        ids,
        _numbers(result.position_value),
        _numbers(result.position_pnl),
        _numbers(result.position_pct),
        _numbers(result.position_iv),
        strict=True,
    )
    return {
        "name": result.name,
        "leg": result.leg,
        "note": result.note,
        "pnl": finite(result.pnl),
        "pct": finite(result.pct),
        "value": finite(result.value),
        "worst": _named(result.worst),
        "best": _named(result.best),
        "greeks_after": _fields(result.greeks),
        "left_out": list(result.left_out),
        "held": list(result.held),
        "positions": [
            {"id": id_, "value": value, "pnl": pnl, "pct": pct, "iv": iv}
            for id_, value, pnl, pct, iv in columns
        ],
    }


def _tail(report: RiskReport) -> dict[str, Any]:
    """Losses are positive, base currency, one day; components by position in the order of `positions`."""
    tail = report.tail
    return {
        "figures": [_fields(figure) for figure in tail.figures],
        "component_var": _numbers(tail.component_var),
        "component_es": _numbers(tail.component_es),
        "by_underlying": [_fields(share) for share in tail.by_underlying],
        "days": tail.days,
        "left_out": [_remark(remark) for remark in tail.left_out],
        "notes": list(tail.notes),
        "unknown": tail.unknown,
    }


def _correlation(found: Correlation) -> dict[str, Any]:
    """Null in the rows and columns of what is left out; `order` are places that put alike ones beside each other."""
    return {
        "names": list(found.names),
        "matrix": [_numbers(row) for row in found.matrix],
        "order": list(found.order),
        "average": found.average,
        "left_out": [_remark(remark) for remark in found.left_out],
    }


def _position(position: PositionRisk) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name in PositionRisk.__slots__:
        value = getattr(position, name)
        if isinstance(value, Exposure):
            value = _fields(value)
        elif isinstance(value, datetime):
            value = _time(value)
        elif isinstance(value, NamedPnl):
            value = {"scenario": value.id, "pnl": finite(value.pnl)}
        elif name == "expiry" and value is not None:
            value = value.isoformat()
        document[name] = value
    return document


def _fields(row: Exposure | TailFigure | TailShare | Standing | Concentration) -> dict[str, Any]:
    """The fields of a row by name, numbers that JSON can't have as null."""
    return {
        name: finite(x) if isinstance(x, float) else _numbers(x) if isinstance(x, np.ndarray) else x
        for name, x in asdict(row).items()
    }


def _numbers(column: Floats) -> list[float | None]:
    return [finite(value) for value in column.tolist()]


def finite(value: float | None) -> float | None:
    """`value`, or None where JSON can't have it."""
    return value if value is not None and math.isfinite(value) else None


def finite_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a table for JSON: numbers that it can't have as null."""
    return {str(name): finite(value) if isinstance(value, float) else value for name, value in row.items()}


def _named(named: NamedPnl | None) -> dict[str, Any] | None:
    return None if named is None else {"id": named.id, "pnl": finite(named.pnl)}


def _remark(remark: Remark) -> dict[str, str]:
    return {"id": remark.id, "reason": remark.reason}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
