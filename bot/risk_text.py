"""What the chat says of Value at Risk, as cards."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from bot.cards import cut, pre, short_label
from engine.reports.numbers import UNKNOWN, compact, percent
from engine.reports.tables import standing_lines, tail_notes
from engine.results import PositionRisk, RiskReport, TailRisk

MOST_CAUSES: Final = 6
MOST_RANKED: Final = 24
LONGEST_NOTE: Final = 160

FAR_OFF: Final = 0.2
"""Share by which Greeks alone may be off the full valuation before it is said."""
METHODS: Final = {
    "filtered history": "filtered",
    "plain history": "plain",
    "simulated paths": "simulated",
    "delta-gamma-vega": "Δ Γ vega",
}
"""How a method is called where there is little room."""


def risk_text(report: RiskReport, days: int) -> str:
    """Value at Risk and expected shortfall over so many days, and which underlyings cause them."""
    tail, root = report.tail, math.sqrt(days)
    head = f"<b>Value at Risk</b>, {_horizon(report, days)}"
    if tail.unknown is not None:
        return "\n".join([head, f"Unknown: {escape(tail.unknown)}.", *_tail_notes(report)])
    lines = [*_figures(tail, "VaR", root), *_figures(tail, "ES", root)]
    lines += ["", f"{'':<8}{'of ES':>8}{'alone':>7}{'less':>7}"]
    rows = tail.by_underlying[:MOST_CAUSES]
    lines += [
        f"{share.name[:8]:<8}{_loss(root * share.component_es):>8}"
        f"{_loss(root * share.standalone_es):>7}{_loss(root * share.incremental_es):>7}"
        for share in rows
    ]
    if len(tail.by_underlying) > len(rows):
        lines.append(f"and {len(tail.by_underlying) - len(rows)} more")
    figure = tail.figure(0.99)
    words = [head]
    if figure is not None and report.basis:
        share = percent(root * figure.var / report.basis, signed=False)
        words.append(f"99 %: {share} of {escape(report.basis_name)}; {figure.days} days of {figure.method}.")
        words += _beyond_greeks(tail)
    missing = len(tail.left_out) + len(report.quality.left_out)
    if missing:
        words.append(f"<b>Without {missing} of {len(report.positions)} positions.</b>")
    words.append(pre(lines))
    words.append("Parts are of ES at 97.5 % and sum to it; less: what it would be less without them.")
    return "\n".join([*words, *_tail_notes(report)])


def _beyond_greeks(tail: TailRisk) -> list[str]:
    """A sentence where Greeks alone would say something else than the models."""
    full, fast = tail.figure(0.99), tail.figure(0.99, "delta-gamma-vega")
    if full is None or fast is None:
        return []
    pairs = [(fast.var, full.var), (fast.es, full.es)]
    off = next(((quick, exact) for quick, exact in pairs if abs(quick - exact) > FAR_OFF * abs(exact)), None)
    if off is None:
        return []
    said = "more" if off[0] > off[1] else "less"
    return [f"Delta, gamma and vega alone would say {said}: the tail lies beyond them."]


def _figures(tail: TailRisk, what: str, root: float) -> list[str]:
    """A row a method of one of the two, and below what is simulated its standard error, √n times one day's."""
    levels = sorted({figure.level for figure in tail.figures})
    lines = [f"{what:<9}" + "".join(f"{f'{100 * level:g} %':>7}" for level in levels)]
    for method in dict.fromkeys(figure.method for figure in tail.figures):
        row = [tail.figure(level, method) for level in levels]
        found = [None if one is None else (one.var if what == "VaR" else one.es) for one in row]
        errors = [None if one is None else (one.var_error if what == "VaR" else one.es_error) for one in row]
        lines.append(f"{METHODS.get(method, method)[:9]:<9}" + _losses(found, root))
        if any(error is not None for error in errors):
            lines.append(f"{'  ±':<9}" + _losses(errors, root))
    return lines


def _losses(amounts: Sequence[float | None], root: float) -> str:
    return "".join(f"{UNKNOWN if one is None else _loss(root * one):>7}" for one in amounts)


def _tail_notes(report: RiskReport) -> list[str]:
    """What the figures leave out and rest on, as much as a phone shows."""
    return [f"! {escape(cut(note, LONGEST_NOTE))}" for note in tail_notes(report)[:MOST_CAUSES]]


def symbol_risk_text(report: RiskReport, symbol: str, days: int) -> str:
    """What the positions on one underlying have to do with the book's tail, and where its volatility stands in its year."""
    tail, root = report.tail, math.sqrt(days)
    rows = [(i, row) for i, row in enumerate(report.positions) if row.underlying == symbol]
    words = [
        f"<b>Risk of {escape(symbol)}</b>, {_horizon(report, days)}",
        _standing(rows[0][1]),
    ]
    if tail.unknown is not None:
        return "\n".join([*words, f"Value at Risk unknown: {escape(tail.unknown)}."])
    share = next((one for one in tail.by_underlying if one.name == symbol), None)
    if share is None:
        why = {remark.id: remark.reason for remark in tail.left_out}
        reasons = dict.fromkeys(why[row.id] for _, row in rows if row.id in why)
        said = f": {escape('; '.join(reasons))}" if reasons else ""
        words.append(f"None of its positions is in the Value at Risk{said}.")
    else:
        words.append(
            f"ES 97.5 %: {_loss(root * share.component_es)} of the book's, {_loss(root * share.standalone_es)} alone, "
            f"{_loss(root * share.incremental_es)} less without it."
        )
    lines = [f"{'':<17}{'of ES':>7}{'VaR':>6}"]
    ranked = sorted(rows, key=lambda pair: -np.nan_to_num(tail.component_es[pair[0]], nan=-math.inf))
    for i, row in ranked[:MOST_RANKED]:
        es, var = (_loss(root * parts[i]) for parts in (tail.component_es, tail.component_var))
        lines.append(f"{short_label(row):<17}{es:>7}{var:>6}")
        if row.worst is not None:
            lines.append(f"{f'  {cut(row.worst.id, 21)}':<23}{compact(row.worst.pnl):>7}")
    if len(ranked) > MOST_RANKED:
        lines.append(f"and {len(ranked) - MOST_RANKED} more")
    return "\n".join(
        [
            *words,
            pre(lines),
            "Parts of the book's ES at 97.5 % and VaR at 99 %, and each one's worst scenario.",
        ]
    )


def concentration_text(report: RiskReport) -> str:
    """How large the book is beside the account, and each underlying's share of value, delta and tail."""
    lines = [f"{'':<9}{'value':>7}{'$Δ':>7}{'ES':>7}"]
    for row in report.concentration[:MOST_RANKED]:
        shares = (row.value, row.dollar_delta, row.es)
        lines.append(f"{cut(row.name, 9):<9}" + "".join(f"{_share(share):>7}" for share in shares))
    if len(report.concentration) > MOST_RANKED:
        lines.append(f"and {len(report.concentration) - MOST_RANKED} more")
    words = [f"<b>Concentration</b>, % of {escape(report.basis_name)}"]
    words += [escape(line) for line in standing_lines(report)]
    below = ["ES: part of the expected shortfall at 97.5 %; negative is a hedge."]
    if report.tail.left_out:
        below.append(f"! {len(report.tail.left_out)} positions are in no expected shortfall; /risk says why")
    return "\n".join([*words, pre(lines), *below])


def _share(share: float | None) -> str:
    """A share in at most seven columns."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    shown = round(100.0 * share, 1) + 0.0
    text = f"{shown:.1f}" if abs(shown) < 1000.0 else _loss(shown)
    return text if text == UNKNOWN else f"{text}%"


def _horizon(report: RiskReport, days: int) -> str:
    span = "one day" if days == 1 else f"{days} days, as √{days} of one"
    return f"{span}, in {escape(report.base_currency)}"


def _standing(row: PositionRisk) -> str:
    """IV rank and percentile of a position's underlying, in words."""
    if row.iv_rank is None or row.iv_percentile is None:
        return "IV rank unknown: less than 200 days of its volatility."
    return f"IV rank {100 * row.iv_rank:.0f} %, percentile {100 * row.iv_percentile:.0f} % of its year."


def _loss(amount: float) -> str:
    """A loss, positive, without its sign."""
    return compact(amount, short=True).removeprefix("+")
