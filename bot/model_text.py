"""What the chat says of the broker's model, as a card."""

from html import escape
from typing import Final

from bot.cards import cut, pre, short_label
from engine.reports.numbers import and_more, compact
from engine.results import PositionRisk, RiskReport
from engine.risk import CAUSE_WORDS, Cause, Figure, ModelGap, ModelGaps

MOST_GAPS: Final = 10
MOST_DETAILS: Final = 3
MOST_NAMED: Final = 3
LONGEST: Final = 160


def model_text(report: RiskReport, gaps: ModelGaps) -> str:
    """riskbot's Greeks and volatility against the broker's, the largest gap in money first, and why each may be."""
    lines = [f"<b>Broker's model</b>: {_agreeing(gaps)}"]
    rows = {row.id: row for row in report.positions}
    differing = [gap for gap in gaps.gaps if not gap.agrees]
    if differing:
        table = [f"{'position':<18}{'gap ' + report.base_currency[:3]:>12}", "  of   riskbot/broker  why"]
        for gap in differing[:MOST_GAPS]:
            table += _gap(rows[gap.id], gap)
        lines.append(pre(table))
        if len(differing) > MOST_GAPS:
            lines.append(f"and {len(differing) - MOST_GAPS} more")
        lines.append("Figures per unit; the gap in money is the position's: delta and gamma for 1 %, vega and IV for "
                     "a point's worth, theta for a day.")  # fmt: skip
        lines += _details(rows, differing)
    if gaps.gaps:
        lines.append(f"All together: {_together(gaps)} {escape(report.base_currency)}.")
    if gaps.without:
        lines += _without(rows, gaps)
    return "\n".join(lines)


def _agreeing(gaps: ModelGaps) -> str:
    if not gaps.gaps:
        return "nothing to compare"
    return f"{gaps.agreeing} of {len(gaps.gaps)} options agree"


def _gap(row: PositionRisk, gap: ModelGap) -> list[str]:
    largest = gap.largest
    pair = f"{_figure(largest.figure, largest.ours)}/{_figure(largest.figure, largest.theirs)}"
    cause = "" if gap.cause is None else gap.cause.value
    first = f"{short_label(row, 18):<18}{compact(largest.money):>12}"
    return [first, f"  {largest.figure.value:<5} {cut(pair, 13):<13} {cause:<8}".rstrip()]


def _figure(figure: Figure, value: float) -> str:
    """A unit figure in at most six columns."""
    if figure is Figure.IV:
        text = f"{round(100.0 * value, 1) + 0.0:.1f}%"
    else:
        digits = 2 if figure is Figure.DELTA or abs(value) >= 10.0 else 3
        text = f"{round(value, digits) + 0.0:.{digits}f}"
    return text if len(text) <= 6 else compact(value, short=True).removeprefix("+")


def _details(rows: dict[str, PositionRisk], differing: list[ModelGap]) -> list[str]:
    """For each cause, what it means and the largest case of it."""
    first: dict[Cause, ModelGap] = {}
    for gap in differing:
        if gap.cause is not None:
            first.setdefault(gap.cause, gap)
    return [
        f"{cause.value}: {escape(cut(_detail(rows[gap.id], cause, gap), LONGEST))}"
        for cause, gap in list(first.items())[:MOST_DETAILS]
    ]


def _detail(row: PositionRisk, cause: Cause, gap: ModelGap) -> str:
    said = f" ({short_label(row, 18)}: {gap.detail})" if gap.detail else ""
    return f"{CAUSE_WORDS[cause]}{said}"


def _together(gaps: ModelGaps) -> str:
    words = {Figure.DELTA: "delta", Figure.VEGA: "vega", Figure.THETA: "theta"}
    return ", ".join(f"{word} {compact(gaps.money[figure])}" for figure, word in words.items())


def _without(rows: dict[str, PositionRisk], gaps: ModelGaps) -> list[str]:
    """How many were not compared, and the first of them, by reason."""
    reasons: dict[str, list[str]] = {}
    for remark in gaps.without:
        reasons.setdefault(remark.reason, []).append(short_label(rows[remark.id], 18))
    return [
        f"! {len(names)} not compared, {escape(reason)}: {escape(', '.join(names[:MOST_NAMED]))}"
        f"{and_more(len(names), MOST_NAMED)}"
        for reason, names in reasons.items()
    ]
