"""A report as DataFrames: the numbers in full, one table a subject. Pictures, pages, cards and exports are views of these."""

import math
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd

from engine.reports.correlations import correlation_shown
from engine.reports.numbers import UNKNOWN, amount, and_more, compact, percent, shock
from engine.results import Matrix, PositionRisk, RiskReport, ScenarioResult

MOST_NAMED = 3
GREEKS_BY = ("underlying", "expiry", "sector")


def scenario_frame(report: RiskReport) -> pd.DataFrame:
    """Index: scenario names. Columns: leg, pnl, pct (percent), value, worst, worst_pnl, best, best_pnl, Greeks after, left_out
    (count)."""
    rows = [
        {
            "scenario": result.name,
            "leg": result.leg,
            "pnl": _nan(result.pnl),
            "pct": _nan(result.pct),
            "value": _nan(result.value),
            "worst": None if result.worst is None else result.worst.id,
            "worst_pnl": math.nan if result.worst is None else result.worst.pnl,
            "best": None if result.best is None else result.best.id,
            "best_pnl": math.nan if result.best is None else result.best.pnl,
            "dollar_delta": result.greeks.dollar_delta,
            "dollar_gamma": result.greeks.dollar_gamma,
            "vega": result.greeks.vega,
            "theta": result.greeks.theta,
            "left_out": len(result.left_out),
        }
        for result in report.scenarios
    ]
    return pd.DataFrame(rows).set_index("scenario")


def position_frame(report: RiskReport) -> pd.DataFrame:
    """Index: position ids. Columns: the fields of PositionRisk, unit Greeks, and the exposures of the holding with 'position_'
    before."""
    rows = []
    for position in report.positions:
        row = {name: getattr(position, name) for name in PositionRisk.__slots__ if name != "exposure"}
        for name in ("worst", "best"):
            extreme = row.pop(name)
            row |= {f"{name}_scenario": extreme and extreme.id, f"{name}_pnl": extreme and extreme.pnl}
        if position.exposure is not None:
            row |= {f"position_{name}": value for name, value in asdict(position.exposure).items()}
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["id"]).set_index("id")


def shocked_position_frame(report: RiskReport, result: ScenarioResult) -> pd.DataFrame:
    """One scenario by position, the largest loss first, what can't be valued last. Index: ids; columns label, value,
    new_value, pnl, iv."""
    frame = pd.DataFrame(
        {
            "label": [position.label for position in report.positions],
            "quantity": [position.quantity for position in report.positions],
            "value": [_nan(position.value) for position in report.positions],
            "new_value": result.position_value,
            "pnl": result.position_pnl,
            "iv": result.position_iv,
        },
        index=pd.Index(report.ids, name="id"),
    )
    return frame.sort_values("pnl", kind="stable", na_position="last")


def matrix_title(matrix: Matrix, symbol: str | None = None) -> str:
    """What a matrix is of, in words: 'Risk matrix of SPY, 5 days on, IV shaped'."""
    later = f", {matrix.days} day{'s' if matrix.days > 1 else ''} on" if matrix.days else ""
    return f"Risk matrix{f' of {symbol}' if symbol else ''}{later}{', IV shaped' if matrix.shaped else ''}"


def matrix_frame(matrix: Matrix) -> pd.DataFrame:
    """P&L; index: spot moves, columns: IV moves, both decimals."""
    return pd.DataFrame(
        np.asarray(matrix.pnl),
        index=pd.Index(matrix.spot, name="spot"),
        columns=pd.Index(matrix.iv, name="iv"),
    )


def greeks_frame(report: RiskReport, by: str = "underlying") -> pd.DataFrame:
    """Index: underlyings or sectors by |dollar delta|, or buckets of expiry by time, then TOTAL. Columns: delta (shares),
    dollar_delta, dollar_gamma, vega, theta, rho.

    Args:
        by: one of GREEKS_BY.
    """
    rows = list(
        {"underlying": report.by_underlying, "expiry": report.by_expiry, "sector": report.by_sector}[
            by
        ].items()
    )
    if by != "expiry":
        rows.sort(key=lambda item: -abs(item[1].dollar_delta))
    table = {name: asdict(exposure) for name, exposure in [*rows, ("TOTAL", report.greeks)]}
    frame = pd.DataFrame.from_dict(table, orient="index")
    frame.index.name = by
    frame.loc["TOTAL", "delta"] = math.nan  # shares of different things don't add up
    return frame


def concentration_frame(report: RiskReport) -> pd.DataFrame:
    """Index: underlyings, the largest market value first. Columns: value, dollar_delta, es; shares, decimals."""
    rows = [asdict(row) for row in report.concentration]
    frame = pd.DataFrame(rows, columns=["name", "value", "dollar_delta", "es"]).set_index("name")
    return frame.astype(float)


def tail_frame(report: RiskReport) -> pd.DataFrame:
    """One row a method and level: method, level, var, es (losses positive, one day, base currency), days, and the standard errors
    of what is simulated."""
    rows = [asdict(figure) for figure in report.tail.figures]
    return pd.DataFrame(rows, columns=["method", "level", "var", "es", "days", "var_error", "es_error"])


def tail_shares_frame(report: RiskReport) -> pd.DataFrame:
    """Index: underlyings, the largest component first. Columns: component_var, component_es, standalone_es, incremental_es."""
    rows = [asdict(share) for share in report.tail.by_underlying]
    columns = ["name", "component_var", "component_es", "standalone_es", "incremental_es"]
    return pd.DataFrame(rows, columns=columns).set_index("name")


def tail_notes(report: RiskReport) -> list[str]:
    """What the figures of the tail leave out and rest on, a sentence each."""
    labels = {position.id: position.label for position in report.positions}
    reasons: dict[str, list[str]] = {}
    for remark in report.tail.left_out:
        reasons.setdefault(remark.reason, []).append(labels.get(remark.id, remark.id))
    said = []
    for reason, names in reasons.items():
        few = ", ".join(names[:MOST_NAMED]) + and_more(len(names), MOST_NAMED)
        said.append(f"not in it: {few}: {reason}")
    return [*said, *report.tail.notes]


def report_text(report: RiskReport) -> str:
    """The whole report for a terminal."""
    parts = [_head(report)]
    scenarios = scenario_frame(report)
    shown = pd.DataFrame(
        {
            "scenario": [
                _leg(str(name), leg) for name, leg in zip(scenarios.index, scenarios["leg"], strict=True)
            ],
            "P&L": [amount(x, signed=True) for x in scenarios["pnl"]],
            "%": [_pct(x) for x in scenarios["pct"]],
            "value": [amount(x) for x in scenarios["value"]],
            "worst position": [
                _named(x, y) for x, y in zip(scenarios["worst"], scenarios["worst_pnl"], strict=True)
            ],
            "best position": [
                _named(x, y) for x, y in zip(scenarios["best"], scenarios["best_pnl"], strict=True)
            ],
        }
    )
    parts.append(f"Scenarios ({report.base_currency}, % of {report.basis_name})\n" + _table(shown))
    parts += [_greeks_shown(report, by) for by in GREEKS_BY if by != "sector" or report.by_sector]
    parts.append(_standing_shown(report))
    parts.append(_tail_shown(report))
    parts.append(correlation_shown(report))
    parts.append("Positions\n" + _table(_positions_shown(report)))
    matrix = matrix_frame(report.matrix)
    shown = matrix.map(compact)
    shown.columns = pd.Index([f"IV {shock(iv)}" for iv in report.matrix.iv])
    shown.insert(0, "spot", [shock(spot) for spot in report.matrix.spot])
    parts.append(f"{matrix_title(report.matrix)} (P&L, {report.base_currency})\n" + _table(shown))
    parts.append(quality_text(report))
    return "\n\n".join(part for part in parts if part)


def quality_text(report: RiskReport) -> str:
    """What the numbers rest on, a line each; empty when there is nothing to say."""
    lines = [f"! {note}" for note in report.quality.notes]
    lines += [
        f"! left out of every total: {remark.id}: {remark.reason}" for remark in report.quality.left_out
    ]
    lines += [f"? {remark.id}: {remark.reason}" for remark in report.quality.flagged]
    return "\n".join(lines)


def _head(report: RiskReport) -> str:
    net = amount(report.net_liquidation) if report.net_liquidation is not None else "unknown"
    return (
        f"riskbot report as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC ({report.source}); "
        f"net liquidation {net} {report.base_currency}; {len(report.positions)} positions, "
        f"{len(report.quality.left_out)} left out"
    )


def _tail_shown(report: RiskReport) -> str:
    head = f"Value at Risk and expected shortfall, one day ({report.base_currency}, losses positive)"
    if report.tail.unknown is not None:
        return f"{head}\nunknown: {report.tail.unknown}"
    figures, shares = tail_frame(report), tail_shares_frame(report)
    shown = pd.DataFrame(
        {
            "method": figures["method"],
            "level": [f"{100 * level:g} %" for level in figures["level"]],
            "VaR": _with_error(figures["var"], figures["var_error"]),
            "ES": _with_error(figures["es"], figures["es_error"]),
            "days, paths": figures["days"],
        }
    )
    causes = pd.DataFrame({"underlying": shares.index})
    for column, title in (
        ("component_es", "part of ES 97.5 %"),
        ("standalone_es", "alone"),
        ("incremental_es", "less without it"),
        ("component_var", "part of VaR 99 %"),
    ):
        causes[title] = [amount(x, signed=column != "standalone_es") for x in shares[column]]
    notes = "".join(f"\n! {note}" for note in tail_notes(report))
    return f"{head}\n{_table(shown)}\n\nWho causes it ({figures['method'].iloc[0]})\n{_table(causes)}{notes}"


def _greeks_shown(report: RiskReport, by: str) -> str:
    greeks = greeks_frame(report, by)
    shown = pd.DataFrame({by: greeks.index})
    for column, head in (
        ("dollar_delta", "$ delta"),
        ("dollar_gamma", "$ gamma/1%"),
        ("vega", "vega/pt"),
        ("theta", "theta/day"),
    ):
        shown[head] = [amount(x, signed=True) for x in greeks[column]]
    return f"Greeks by {by}\n{_table(shown)}"


def _standing_shown(report: RiskReport) -> str:
    shares = concentration_frame(report)
    shown = pd.DataFrame({"underlying": shares.index})
    for column, head in (("value", "market value"), ("dollar_delta", "$ delta"), ("es", "part of ES")):
        shown[head] = [UNKNOWN if math.isnan(x) else percent(x, signed=False) for x in shares[column]]
    lines = "\n".join(standing_lines(report))
    return f"Concentration (% of {report.basis_name})\n{_table(shown)}\n{lines}"


def standing_lines(report: RiskReport) -> list[str]:
    """How large the book is beside the account, a line each."""
    of, currency = report.standing, report.base_currency
    leverage = UNKNOWN if of.leverage is None else f"{of.leverage:.2f} x {report.basis_name}"
    cushion = UNKNOWN if of.margin_cushion is None else percent(of.margin_cushion, signed=False)
    shares = UNKNOWN if of.beta_shares is None else f"{amount(of.beta_shares, signed=True)} {of.reference}"
    assumed = ", ".join(of.assumed_betas[:MOST_NAMED]) + and_more(len(of.assumed_betas), MOST_NAMED)
    return [
        f"gross {amount(of.gross)} {currency}, {leverage}",
        f"net {amount(of.net, signed=True)} {currency}",
        f"margin cushion {cushion}",
        f"beta-weighted $ delta {amount(of.beta_delta, signed=True)} = {shares}",
        f"vega of a month {amount(of.vega_30, signed=True)} a point",
        *([f"! beta unknown, 1 assumed: {assumed}"] if assumed else []),
    ]


def _with_error(amounts: Iterable[float], errors: Iterable[float | None]) -> list[str]:
    return [
        amount(x) if error is None or math.isnan(error) else f"{amount(x)} ± {amount(error)}"
        for x, error in zip(amounts, errors, strict=True)
    ]


def _positions_shown(report: RiskReport) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "position": position.id,
                "qty": f"{position.quantity:+g}",
                "mark": "?" if position.mark is None else f"{position.mark:,.2f}",
                "from": position.mark_source or "?",
                "value": amount(position.value, signed=True),
                "IV": ""
                if position.expiry is None
                else "?"
                if position.iv is None
                else f"{100 * position.iv:.1f}%",
                "IV from": position.iv_source or "",
                "IV rank/pct": ""
                if position.iv_rank is None or position.iv_percentile is None
                else f"{100 * position.iv_rank:.0f}/{100 * position.iv_percentile:.0f}",
                "extrinsic": "" if position.extrinsic is None else f"{position.extrinsic:,.2f}",
                "worst in": ""
                if position.worst is None
                else f"{compact(position.worst.pnl)} {position.worst.id}",
                "delta": "?" if position.delta is None else f"{position.delta:+.3f}",
                "vega/pt": amount(None if position.exposure is None else position.exposure.vega, signed=True),
                "theta/day": amount(
                    None if position.exposure is None else position.exposure.theta, signed=True
                ),
            }
            for position in report.positions
        ]
    )


def _table(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "(none)"
    first = str(frame.columns[0])
    width = max(len(first), *(len(str(cell)) for cell in frame[first]))
    return frame.to_string(
        index=False, justify="right", formatters={first: lambda cell: f"{cell!s:<{width}}"}
    )


def _leg(name: str, leg: object) -> str:
    return f"{name} ({leg})" if isinstance(leg, str) else name


def _named(name: object, pnl: float) -> str:
    return "" if not isinstance(name, str) else f"{name} {compact(pnl)}"


def _pct(value: float) -> str:
    return "?" if math.isnan(value) else f"{round(value, 2) + 0.0:+.2f}"


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
