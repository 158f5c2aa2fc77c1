"""An explained P&L as DataFrames, as one text and as one JSON object."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Final

import pandas as pd

from engine.explained import STEPS, TERMS, Explained, ExplainedPosition, Explanation
from engine.reports.document import finite
from engine.reports.numbers import amount, and_more, percent

MOST_NAMED: Final = 6
SMALLEST_SHOWN: Final = 0.5
"""Of the base currency: what rounds to nothing has no bar."""

SPOT, VOLATILITY = ("delta", "gamma"), ("vega", "vanna", "volga")
CAUSES: Final = (
    ("time", ("theta",), ("time",)),
    ("dividends", ("dividends",), ("dividends",)),
    ("spot", SPOT, ("spot",)),
    ("volatility", VOLATILITY, ("iv",)),
    ("rates, carry", ("rho", "carry"), ("rest",)),
    ("currency", ("currency",), ("currency",)),
    ("trades", ("trades",), ("trades",)),
    ("fees", ("fees",), ("fees",)),
    ("changed", ("changed",), ("changed",)),
    ("residual", ("residual",), ("data",)),
)
"""What both views have in common: a name, and the terms and the steps that are of it. Vanna is counted to volatility."""


def cause_frame(explained: Explained) -> pd.DataFrame:
    """Index: causes, then 'total'. Columns: greeks and revalued, base currency: the two views side by side."""
    terms, steps = asdict(explained.terms), asdict(explained.steps)
    rows = {
        name: (sum(terms[one] for one in of_terms), sum(steps[one] for one in of_steps))
        for name, of_terms, of_steps in CAUSES
    }
    rows["total"] = (explained.actual, explained.actual)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["greeks", "revalued"])


STEP_NAMES: Final = {
    "time": "time",
    "dividends": "ex-dividends",
    "spot": "spot",
    "iv": "volatility",
    "rest": "rates, forwards",
    "currency": "currency",
    "trades": "trades",
    "fees": "fees",
    "changed": "changed unseen",
    "data": "marks off model",
}


def waterfall_frame(explained: Explained) -> pd.DataFrame:
    """Index: the steps that moved anything, in order and in words; all of them where none did. Column pnl, base currency."""
    steps = {STEP_NAMES[name]: value for name, value in asdict(explained.steps).items()}
    moved = {name: value for name, value in steps.items() if not abs(value) < SMALLEST_SHOWN}
    return pd.DataFrame({"pnl": moved or steps}, dtype=float)


def explain_position_frame(explanation: Explanation) -> pd.DataFrame:
    """Index: position ids. Columns: what it is, quantities, marks, IVs and values of both times, actual, every term, and every
    step with 'step_' before."""
    rows = []
    for position in explanation.positions:
        row = {name: getattr(position, name) for name in ExplainedPosition.__slots__ if name != "explained"}
        rows.append(row | _flat(position.explained))
    return pd.DataFrame(rows, columns=None if rows else ["id"]).set_index("id")


def explain_underlying_frame(explanation: Explanation) -> pd.DataFrame:
    """Index: underlyings by |actual|, then TOTAL. Columns: actual, every term, and every step with 'step_' before."""
    ranked = sorted(explanation.by_underlying.items(), key=lambda item: -abs(item[1].actual))
    table = {name: _flat(one) for name, one in [*ranked, ("TOTAL", explanation.total)]}
    frame = pd.DataFrame.from_dict(table, orient="index")
    frame.index.name = "underlying"
    return frame


def _flat(explained: Explained) -> dict[str, float]:
    steps = {f"step_{name}": value for name, value in asdict(explained.steps).items()}
    return {"actual": explained.actual, **asdict(explained.terms), **steps}


def explain_notes(explanation: Explanation) -> list[str]:
    """What a reader must know: what is in no sum, what changed without a known trade, what expired, what the Greeks miss."""
    notes = list(explanation.notes)
    labels = {row.id: row.label for row in explanation.positions}
    changed = explanation.total.steps.changed
    if changed != 0.0 and not math.isnan(changed):
        notes.append(
            f"{amount(changed, signed=True)} of it is positions that changed without a known trade: what they cost or paid "
            "is not known"
        )
    by_reason: dict[str, list[str]] = {}
    for remark in explanation.remarks:
        by_reason.setdefault(remark.reason, []).append(labels.get(remark.id, remark.id))
    said = [f"{_names(names)}: {reason}" for reason, names in by_reason.items()]
    left: dict[str, list[str]] = {}
    for remark in explanation.left_out:
        left.setdefault(remark.reason, []).append(remark.id)
    notes += [f"left out: {_names(names)}: {reason}" for reason, names in left.items()]
    large = explanation.large_residual
    if large is not None:
        share = "" if math.isinf(large.share) else f", {percent(large.share, 0, signed=False)} of the P&L"
        whose = ", ".join(f"{labels[one.id]} {amount(one.pnl, signed=True)}" for one in large.causes)
        notes.append(
            f"the Greeks leave {amount(large.residual, signed=True)}{share}: {large.reason}; most in {whose}"
        )
    return [
        *notes,
        *said[:MOST_NAMED],
        *([f"{len(said) - MOST_NAMED} more remarks"] if len(said) > MOST_NAMED else []),
    ]


def _names(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:3]) + and_more(len(every), 3)


def explain_text(explanation: Explanation) -> str:
    """The whole explanation for a terminal."""
    currency = explanation.base_currency
    head = (
        f"P&L from {explanation.earlier:%Y-%m-%d %H:%M:%S} to {explanation.later:%Y-%m-%d %H:%M:%S} UTC: "
        f"{amount(explanation.total.actual, signed=True)} {currency}; {len(explanation.positions)} positions, "
        f"{len(explanation.left_out)} left out"
    )
    parts = [head, f"By cause ({currency})\n" + _causes_shown(explanation)]
    parts.append(
        f"By underlying, Greeks ({currency})\n" + _table(explain_underlying_frame(explanation), TERMS)
    )
    columns = tuple(f"step_{name}" for name in STEPS)
    parts.append(
        f"By underlying, revalued ({currency})\n" + _table(explain_underlying_frame(explanation), columns)
    )
    positions = explain_position_frame(explanation)
    if len(positions):
        parts.append(f"By position, revalued ({currency})\n" + _table(positions, columns))
    net = explanation.net_liquidation_change
    if net is not None:
        parts.append(
            f"Net liquidation changed by {amount(net, signed=True)} {currency}, with interest, deposits and all that is no "
            "position"
        )
    notes = "\n".join(f"! {note}" for note in explain_notes(explanation))
    return "\n\n".join(part for part in [*parts, notes] if part)


def _causes_shown(explanation: Explanation) -> str:
    rows = []
    terms = asdict(explanation.total.terms)
    for name, row in cause_frame(explanation.total).iterrows():
        rows.append((str(name), amount(row["greeks"], signed=True), amount(row["revalued"], signed=True)))
        parts = next((of_terms for cause, of_terms, _ in CAUSES if cause == name), ())
        rows += [(f"  {part}", amount(terms[part], signed=True), "") for part in parts if len(parts) > 1]
        if name == "volatility":
            at = next(i for i, one in enumerate(rows) if one[0] == "  vega") + 1
            rows[at:at] = [
                (f"    {bucket}", amount(pnl, signed=True), "")
                for bucket, pnl in explanation.vega_by_expiry.items()
            ]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{'':<{width}} {'Greeks':>12} {'revalued':>12}"]
    return "\n".join([*lines, *(f"{name:<{width}} {greeks:>12} {steps:>12}" for name, greeks, steps in rows)])


def _table(frame: pd.DataFrame, columns: tuple[str, ...]) -> str:
    """The columns that say anything, amounts without decimals."""
    shown = pd.DataFrame({"": [str(name) for name in frame.index]})
    shown["P&L"] = [amount(value, signed=True) for value in frame["actual"]]
    for column in columns:
        if (frame[column] != 0.0).any():
            shown[column.removeprefix("step_")] = [amount(value, signed=True) for value in frame[column]]
    width = max(len(name) for name in shown[""])
    return shown.to_string(index=False, justify="right", formatters={"": lambda cell: f"{cell!s:<{width}}"})


def explain_json(explanation: Explanation) -> str:
    """The JSON text of `explain_document`."""
    return json.dumps(explain_document(explanation), indent=1, allow_nan=False)


def explain_document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain dicts and lists: numbers in full precision, base currency unless their name says another
    unit, unknown as null."""
    large = explanation.large_residual
    return {
        "earlier": _plain(explanation.earlier),
        "later": _plain(explanation.later),
        "base_currency": explanation.base_currency,
        "actual": _plain(explanation.total.actual),
        "earned": _plain(explanation.total.earned),
        "greeks": _view(explanation.total.terms),
        "vega_by_expiry": {name: _plain(pnl) for name, pnl in explanation.vega_by_expiry.items()},
        "steps": _view(explanation.total.steps),
        "gross": _plain(explanation.gross),
        "net_liquidation_change": _plain(explanation.net_liquidation_change),
        "by_underlying": {name: _explained(one) for name, one in explanation.by_underlying.items()},
        "positions": [_position(row) for row in explanation.positions],
        "remarks": [asdict(remark) for remark in explanation.remarks],
        "left_out": [asdict(remark) for remark in explanation.left_out],
        "notes": list(explanation.notes),
        "large_residual": None
        if large is None
        else {
            "residual": _plain(large.residual),
            "share": _plain(large.share),
            "reason": large.reason,
            "causes": [{"id": one.id, "pnl": _plain(one.pnl)} for one in large.causes],
        },
    }


def _position(row: ExplainedPosition) -> dict[str, Any]:
    facts = {name: _plain(getattr(row, name)) for name in ExplainedPosition.__slots__ if name != "explained"}
    return facts | _explained(row.explained)


def _explained(one: Explained) -> dict[str, Any]:
    return {"actual": _plain(one.actual), "greeks": _view(one.terms), "steps": _view(one.steps)}


def _view(view: Any) -> dict[str, float | None]:
    return {name: _plain(value) for name, value in asdict(view).items()}


def _plain(value: Any) -> Any:
    """What JSON can say of a value: times and dates as texts, a number that is none as null."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return finite(value) if isinstance(value, float) else value
