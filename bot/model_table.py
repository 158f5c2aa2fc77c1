"""The broker's model against riskbot's for a terminal: a DataFrame, its text, and JSON."""

import json
from typing import Final

import pandas as pd

from engine.reports.document import finite, finite_row
from engine.reports.numbers import amount, and_more
from engine.results import RiskReport
from engine.risk import CAUSE_WORDS, Figure, ModelGaps

MOST_SHOWN: Final = 60
UNITS: Final = {
    Figure.IV: "volatility, by vega",
    Figure.DELTA: "delta, for 1 %",
    Figure.GAMMA: "gamma, for 1 %",
    Figure.VEGA: "vega, a point",
    Figure.THETA: "theta, a day",
}
"""What the money of a gap is of."""


def model_frame(gaps: ModelGaps) -> pd.DataFrame:
    """A row for each contract and figure, the contract with the largest gap first: id, figure, ours, theirs (per unit), money
    (base currency), agrees, cause, detail."""
    rows = [
        {
            "id": gap.id,
            "figure": one.figure.value,
            "ours": one.ours,
            "theirs": one.theirs,
            "money": one.money,
            "agrees": one.agrees,
            "cause": None if gap.cause is None else gap.cause.value,
            "detail": gap.detail,
        }
        for gap in gaps.gaps
        for one in gap.figures
    ]
    return pd.DataFrame(
        rows, columns=["id", "figure", "ours", "theirs", "money", "agrees", "cause", "detail"]
    )


def model_table(report: RiskReport, gaps: ModelGaps) -> str:
    """The comparison for a terminal."""
    head = (
        f"{gaps.agreeing} of {len(gaps.gaps)} options agree with the broker's model; snapshot of "
        f"{report.as_of:%Y-%m-%d %H:%M:%S} UTC ({report.source})"
    )
    parts = [head, _differing(report, gaps), _money(report, gaps)]
    if gaps.without:
        lines = [f"! not compared: {remark.id}: {remark.reason}" for remark in gaps.without]
        parts.append("\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def _differing(report: RiskReport, gaps: ModelGaps) -> str:
    labels = {row.id: row.label for row in report.positions}
    differing = [gap for gap in gaps.gaps if not gap.agrees]
    if not differing:
        return ""
    rows = []
    for gap in differing[:MOST_SHOWN]:
        largest, by = gap.largest, {one.figure: one for one in gap.figures}
        row = {
            "position": labels.get(gap.id, gap.id),
            "money": amount(largest.money, signed=True),
            "by": largest.figure.value,
        }
        row |= {
            figure.value: f"{by[figure].ours:.4g} / {by[figure].theirs:.4g}" if figure in by else ""
            for figure in Figure
        }
        assert gap.cause is not None
        detail = f" ({gap.detail})" if gap.detail else ""
        rows.append(row | {"likely cause": CAUSE_WORDS[gap.cause] + detail})
    table = pd.DataFrame(rows).to_string(index=False, justify="right")
    more = and_more(len(differing), MOST_SHOWN)
    head = f"Differences per unit, riskbot / broker; money: of the largest gap, {report.base_currency}"
    return f"{head}\n{table}{f'{chr(10)}{more.strip()} (--json has all)' if more else ''}"


def _money(report: RiskReport, gaps: ModelGaps) -> str:
    if not gaps.gaps:
        return ""
    parts = [f"{UNITS[figure]}: {amount(money, signed=True)}" for figure, money in gaps.money.items()]
    return f"All together, broker minus riskbot, {report.base_currency}: {'; '.join(parts)}"


def model_json(report: RiskReport, gaps: ModelGaps) -> str:
    """Everything, as one JSON object; unknown is null."""
    document = {
        "as_of": report.as_of.isoformat().replace("+00:00", "Z"),
        "base_currency": report.base_currency,
        "options": len(gaps.gaps),
        "agreeing": gaps.agreeing,
        "figures": [finite_row(row) for row in model_frame(gaps).to_dict("records")],
        "money": {figure.value: finite(money) for figure, money in gaps.money.items()},
        "without": [{"id": remark.id, "reason": remark.reason} for remark in gaps.without],
    }
    return json.dumps(document, indent=1, allow_nan=False)
