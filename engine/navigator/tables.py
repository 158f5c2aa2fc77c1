"""A comparison as DataFrames, as text for a terminal, and as one JSON object."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

import pandas as pd

from engine.navigator.compare import Comparison
from engine.navigator.export import Unread
from engine.reports.document import finite_row
from engine.reports.numbers import amount

MOST_SHOWN: Final = 40
MOST_LISTED: Final = 12


def differences_frame(comparison: Comparison) -> pd.DataFrame:
    """The largest in money first: row, of, label, figure, theirs, ours, allowed, money (base currency), cause."""
    columns = ["row", "of", "label", "figure", "theirs", "ours", "allowed", "money", "cause"]
    return pd.DataFrame([asdict(one) for one in comparison.differences], columns=columns)


def totals_frame(comparison: Comparison) -> pd.DataFrame:
    """Sums over the positions compared: figure, theirs, ours, difference, allowed, agrees, positions."""
    rows = [
        asdict(one) | {"difference": one.theirs - one.ours, "agrees": one.agrees} for one in comparison.totals
    ]
    columns = ["figure", "theirs", "ours", "difference", "allowed", "agrees", "positions"]
    return pd.DataFrame(rows, columns=columns)


def verdict(comparison: Comparison) -> str:
    """How many agree, and the largest difference, in one line."""
    parts = []
    if comparison.positions:
        parts.append(f"{comparison.agreeing} of {comparison.positions} positions agree")
    if comparison.sums:
        parts.append(f"{comparison.sums_agreeing} of {comparison.sums} sums agree")
    if not parts:
        return "nothing could be compared: see below"
    if comparison.differences:
        one = comparison.differences[0]
        parts.append(
            f"largest: {one.label}, {one.figure} {_figure(one.theirs)} there, {_figure(one.ours)} here ({one.cause})"
        )
    return "; ".join(parts)


def comparison_text(comparison: Comparison) -> str:
    """The whole comparison for a terminal."""
    head = (
        f"snapshot of {comparison.as_of:%Y-%m-%d %H:%M:%S} UTC ({comparison.source}); export {comparison.layout}; "
        f"{comparison.figures} figures compared"
    )
    parts = [f"{verdict(comparison)}\n{head}", _shown_differences(comparison), _shown_totals(comparison)]
    return "\n\n".join(
        part for part in (*parts, _shown_readings(comparison), _shown_rest(comparison)) if part
    )


def _shown_differences(comparison: Comparison) -> str:
    if not comparison.differences:
        return ""
    rows = [
        {
            "what": one.label,
            "row": one.row,
            "figure": one.figure,
            "there": _figure(one.theirs),
            "here": _figure(one.ours),
            "allowed": _figure(one.allowed),
            "money": amount(one.money),
            "likely cause": one.cause,
        }
        for one in comparison.differences[:MOST_SHOWN]
    ]
    head = f"Differences (there: the export; here: riskbot; money: what the gap means in {comparison.base_currency})"
    return f"{head}\n{_table(pd.DataFrame(rows))}{_more(len(comparison.differences), MOST_SHOWN)}"


def _shown_totals(comparison: Comparison) -> str:
    if not comparison.totals:
        return ""
    frame = totals_frame(comparison)
    shown = pd.DataFrame(
        {
            "figure": frame["figure"],
            **{name: [_figure(x) for x in frame[key]] for name, key in
               (("there", "theirs"), ("here", "ours"), ("difference", "difference"), ("allowed", "allowed"))},
            "": ["" if agrees else "differs" for agrees in frame["agrees"]],
        }
    )  # fmt: skip
    return f"Totals of the positions compared\n{_table(shown)}"


def _shown_readings(comparison: Comparison) -> str:
    lines = []
    for one in comparison.readings:
        if one.why:
            doubt = f"; {one.doubt}" if one.doubt else ""
            lines.append(f"{one.column.header}: {one.scale.value} ({one.why}){doubt}")
    moves = "each by its beta" if comparison.beta else "all by the same percentage"
    if any(one.column.move is not None for one in comparison.readings):
        lines.append(f"P&L columns: spot moves, {moves}; volatility, time and rates stay")
    return "\n".join(["How columns were read", *lines]) if lines else ""


def _shown_rest(comparison: Comparison) -> str:
    """Everything that no figure above is of; nothing is left unsaid."""
    blocks = [
        *_block("not read", map(str, comparison.unread)),
        *_block("not in the snapshot", map(str, comparison.unmatched)),
        *_block("ambiguous", map(str, comparison.ambiguous)),
        *_block("not in the export", comparison.missing),
        *_block("no figure here", map(str, comparison.not_comparable)),
    ]
    if comparison.unknown_columns:
        blocks.append(f"columns not compared: {', '.join(comparison.unknown_columns)}")
    if comparison.headings:
        blocks.append("headings: " + ", ".join(f"row {one.row} {one.what!r}" for one in comparison.headings))
    return "\n".join(blocks)


def _block(head: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    shown = [f"! {head}: {line}" for line in lines[:MOST_LISTED]]
    more = len(lines) - len(shown)
    return [*shown, f"! {head}: and {more} more (--json has all)"] if more else shown


def comparison_json(comparison: Comparison) -> str:
    """Everything, as one JSON object; unknown is null."""
    return json.dumps(comparison_document(comparison), indent=1, allow_nan=False)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain dicts and lists. `money` is in base currency; figures are at the scale of the export."""
    return {
        "as_of": comparison.as_of.isoformat().replace("+00:00", "Z"),
        "source": comparison.source,
        "base_currency": comparison.base_currency,
        "layout": comparison.layout,
        "beta": comparison.beta,
        "verdict": verdict(comparison),
        "positions": comparison.positions,
        "agreeing": comparison.agreeing,
        "sums": comparison.sums,
        "sums_agreeing": comparison.sums_agreeing,
        "figures": comparison.figures,
        "columns": [
            {"header": one.column.header, "figure": one.column.label, "scale": one.scale.value, "doubt": one.doubt}
            for one in comparison.readings
        ],
        "differences": [finite_row(asdict(one)) for one in comparison.differences],
        "totals": [finite_row(row) for row in totals_frame(comparison).to_dict("records")],
        "unread": [_row(one) for one in comparison.unread],
        "unmatched": [_row(one) for one in comparison.unmatched],
        "ambiguous": [_row(one) for one in comparison.ambiguous],
        "missing": list(comparison.missing),
        "not_comparable": [_row(one) for one in comparison.not_comparable],
        "unknown_columns": list(comparison.unknown_columns),
        "headings": [_row(one) for one in comparison.headings],
    }  # fmt: skip


def _row(one: Unread) -> dict[str, Any]:
    return {"row": one.row, "what": one.what, "why": one.why}


def _figure(value: float) -> str:
    """A figure of any size in few digits."""
    if not math.isfinite(value):
        return "?"
    size = abs(value)
    if size >= 1000.0:
        return amount(value)
    return f"{value:.4g}" if size >= 1e-4 or value == 0.0 else f"{value:.1e}"


def _more(count: int, shown: int) -> str:
    return f"\nand {count - shown} more (--json has all)" if count > shown else ""


def _table(frame: pd.DataFrame) -> str:
    left = {
        name: max(len(name), *(len(str(x)) for x in frame[name]))
        for name in ("what", "likely cause", "figure")
        if name in frame
    }
    formatters = {name: (lambda cell, width=width: f"{cell!s:<{width}}") for name, width in left.items()}
    text = frame.to_string(index=False, justify="right", formatters=formatters)
    return "\n".join(line.rstrip() for line in text.split("\n"))
