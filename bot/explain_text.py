"""What the chat says of an explained P&L, as cards."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from html import escape
from typing import Final

from bot.cards import cut, pre, short_label
from bot.diary import Start
from engine.explained import Explained, ExplainedPosition, Explanation
from engine.reports.explain_tables import CAUSES, cause_frame, explain_notes
from engine.reports.numbers import UNKNOWN, amount, compact, percent

MOST_ROWS: Final = 20
MOST_NOTES: Final = 6
LONGEST_NOTE: Final = 220
ACCOUNT_LAGS: Final = timedelta(hours=1)
"""The broker tells the account's own value minutes late: over less time its change says nothing."""


def explain_head(explanation: Explanation, start: Start, symbol: str | None, basis: float | None) -> str:
    """The P&L, since when, and what share of net liquidation it is."""
    whose = f" of {escape(symbol)}" if symbol else ""
    total = explanation.total
    share = "" if not basis else f" ({percent(total.earned / basis)})"
    lines = [
        f"<b>P&amp;L{whose} since {escape(start.name)}</b>",
        f"<b>{amount(total.earned, signed=True)} {explanation.base_currency}</b>{share}",
    ]
    if compact(total.steps.changed) not in {"0", UNKNOWN}:
        lines.append(
            f"and {amount(total.steps.changed, signed=True)} that changed unseen, which is no P&amp;L"
        )
    if (
        explanation.net_liquidation_change is not None
        and explanation.later - explanation.earlier >= ACCOUNT_LAGS
    ):
        lines.append(f"net liquidation {amount(explanation.net_liquidation_change, signed=True)}")
    if start.doubt is not None:
        lines.append(f"⚠ {escape(start.doubt)}")
    return "\n".join(lines)


def causes_text(explanation: Explanation) -> str:
    """Both views side by side: by the Greeks of the start, and by revaluation."""
    lines = [f"{'':<12}{'Greeks':>9}{'revalued':>9}"]
    terms = asdict(explanation.total.terms)
    for name, row in cause_frame(explanation.total).iterrows():
        both = [compact(row["greeks"]), compact(row["revalued"])]
        parts = next((of_terms for cause, of_terms, _ in CAUSES if cause == name), ())
        if both == ["0", "0"] and name != "total" and all(compact(terms[part]) == "0" for part in parts):
            continue
        lines.append(f"{name!s:<12}{both[0]:>9}{both[1]:>9}")
        for part in parts if len(parts) > 1 else ():
            lines += _row(f"  {part}", terms[part])
            if part == "vega":
                for bucket, pnl in explanation.vega_by_expiry.items():
                    lines += _row(f"   {bucket}", pnl)
    return pre(lines)


def _row(name: str, value: float) -> list[str]:
    shown = compact(value)
    return [] if shown == "0" else [f"{name:<12}{shown:>9}"]


def positions_explained_text(explanation: Explanation) -> str:
    """By position, the largest P&L first."""
    return _parts_text([(_label(row), row.explained) for row in explanation.positions])


def underlyings_explained_text(explanation: Explanation) -> str:
    """By underlying, the largest P&L first."""
    return _parts_text(list(explanation.by_underlying.items()))


def _parts_text(rows: Sequence[tuple[str, Explained]]) -> str:
    ranked = sorted(rows, key=lambda row: -abs(row[1].actual))
    lines = [f"{'':<22}{'P&L':>8}", f"{'time':>7}{'spot':>7}{'IV':>7}{'else':>9}"]
    for name, one in ranked[:MOST_ROWS]:
        steps = one.steps
        rest = one.actual - steps.time - steps.spot - steps.iv
        lines.append(f"{cut(name, 22):<22}{compact(one.actual):>8}")
        lines.append(
            f"{compact(steps.time):>7}{compact(steps.spot):>7}{compact(steps.iv):>7}{compact(rest):>9}"
        )
    if len(ranked) > MOST_ROWS:
        lines.append(f"and {len(ranked) - MOST_ROWS} more")
    return pre(lines)


def _label(row: ExplainedPosition) -> str:
    held = "" if row.quantity_after != 0.0 else " gone"
    return short_label(row, 22 - len(held)) + held


def notes_text(explanation: Explanation) -> list[str]:
    """What a reader must know, as much as a phone shows."""
    notes = explain_notes(explanation)
    lines = [f"! {escape(cut(note, LONGEST_NOTE))}" for note in notes[:MOST_NOTES]]
    rest = len(notes) - MOST_NOTES
    return [*lines, f"! {rest} more remarks"] if rest > 0 else lines
