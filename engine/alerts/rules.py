"""The rules: from a report to findings, one per subject. What is unknown never makes one pass (D10)."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from engine import calendar
from engine.alerts.findings import Finding, Limits, Rule
from engine.calendar import FindingKind
from engine.model import UNSET_ABOVE, Severity
from engine.results import EXPIRED, NamedPnl, RiskReport, ScenarioResult
from engine.risk import CAUSE_WORDS, Figure, ModelGaps
from engine.settings import RiskLimits

CAUSES: Final = 3
BOOK: Final = "book"
VAR_LEVEL: Final = 0.99
DATED: Final = {
    FindingKind.ASSIGNMENT: Rule.ASSIGNMENT,
    FindingKind.PIN: Rule.PIN,
    FindingKind.EXPIRES_TODAY: Rule.EXPIRING,
    FindingKind.EARNINGS_INSIDE: Rule.EARNINGS_INSIDE,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What every rule says of a report, and why part of it could not be judged; None when all of it could."""

    findings: tuple[Finding, ...]
    unknown: str | None


def judge(
    report: RiskReport,
    dated: Iterable[calendar.Finding],
    limits: RiskLimits,
    blind: str | None = None,
    gaps: ModelGaps | None = None,
) -> Judgement:
    """What every rule says of the report.

    Args:
        dated: what the calendar means for the positions.
        gaps: what the broker's model says otherwise.
        blind: why the report as a whole is not of this moment, such as a link that is down; None when it is.
    """
    unknown = blind or _unknown(report)
    findings = (
        *portfolio_loss(report, limits, unknown),
        *margin_cushion(report, limits, unknown),
        *value_at_risk(report, limits, unknown),
        *short_gamma(report, limits, unknown),
        *vega(report, limits, unknown),
        *concentration(report, limits, unknown),
        *calendar_says(dated, unknown),
        *model_gap(report, gaps, limits, unknown),
        *iv_rank(report, limits),
    )
    return Judgement(findings, unknown)


def warns_at(limits: RiskLimits, rule: Rule) -> float | None:
    """The limit at which a rule warns, in its unit; None for what has none."""
    return {
        Rule.PORTFOLIO_LOSS: limits.warn_portfolio_loss,
        Rule.MARGIN_CUSHION: limits.margin_cushion,
        Rule.VAR: limits.var_limit,
        Rule.SHORT_GAMMA: limits.short_gamma_limit,
        Rule.VEGA: limits.vega_limit,
        Rule.CONCENTRATION: limits.position_concentration,
        Rule.MODEL_GAP: limits.model_gap,
        Rule.IV_HIGH: limits.iv_rank_high,
        Rule.IV_LOW: limits.iv_rank_low,
    }.get(rule)


def _unknown(report: RiskReport) -> str | None:
    """Why a loss could be larger than the sums show."""
    left_out = report.quality.left_out
    if not report.complete:
        return "the account has not arrived whole"
    if report.basis is None and report.positions and not _ruined(report):
        return "neither net liquidation nor market value is known"
    if report.quality.stale:
        return "stale prices: " + ", ".join(remark.id for remark in report.quality.stale[:CAUSES])
    if left_out:
        return f"{len(left_out)} position{'s' if len(left_out) > 1 else ''} can't be valued: " + ", ".join(
            remark.id for remark in left_out[:CAUSES]
        )
    return None


def _ruined(report: RiskReport) -> bool:
    """Whether the account is worth nothing, or less."""
    return report.net_liquidation is not None and report.net_liquidation <= 0.0


def portfolio_loss(report: RiskReport, limits: RiskLimits, unknown: str | None) -> Iterator[Finding]:
    """For each scenario: does the portfolio lose more than the limits allow? Of an account worth nothing any loss does."""
    of = Limits(limits.warn_portfolio_loss, limits.max_portfolio_loss)
    for result in report.scenarios:
        loss = None if result.pnl is None else -result.pnl
        if _ruined(report) and loss is not None and loss > 0.0:
            yield Finding(
                Rule.PORTFOLIO_LOSS,
                result.name,
                Severity.CRITICAL,
                limit=limits.max_portfolio_loss,
                amount=loss,
                causes=_losers(report, result),
                unknown=unknown,
                recovered=False,
            )
            continue
        yield _measured(
            report,
            Rule.PORTFOLIO_LOSS,
            result.name,
            of,
            _share(loss, report),
            unknown,
            amount=loss,
            causes=_losers(report, result),
        )


def margin_cushion(report: RiskReport, limits: RiskLimits, unknown: str | None) -> Iterator[Finding]:
    """Is excess liquidity too small a share of net liquidation?"""
    of = Limits(limits.margin_cushion, limits.margin_cushion / limits.critical_at, below=True)
    cushion = report.standing.margin_cushion
    missing = None if cushion is not None or not report.positions else "the account does not tell its margin"
    if report.positions:
        yield _measured(report, Rule.MARGIN_CUSHION, BOOK, of, cushion, unknown or missing)


def value_at_risk(report: RiskReport, limits: RiskLimits, unknown: str | None) -> Iterator[Finding]:
    """Is the day's 99 % Value at Risk over its limit? Nothing is judged where there is none."""
    if limits.var_limit is None or not report.positions:
        return
    tail, of = report.tail, Limits(limits.var_limit, limits.var_limit * limits.critical_at)
    figure = tail.figure(VAR_LEVEL)
    without = [remark for remark in tail.left_out if remark.reason != EXPIRED]
    missing = tail.unknown
    if missing is None and without:
        many = f"{len(without)} positions are" if len(without) > 1 else "1 position is"
        missing = f"{many} in no Value at Risk: " + ", ".join(remark.id for remark in without[:CAUSES])
    value = None if figure is None else figure.var
    causes = _largest(report, [-part for part in tail.component_var.tolist()])
    yield _measured(report, Rule.VAR, BOOK, of, value, unknown or missing, amount=value, causes=causes)


def short_gamma(report: RiskReport, limits: RiskLimits, unknown: str | None) -> Iterator[Finding]:
    """Would a day of two standard deviations everywhere cost too much by gamma alone?"""
    if not report.positions:
        return
    of = Limits(limits.short_gamma_limit, limits.short_gamma_limit * limits.critical_at)
    parts = report.standing.gamma_pnl.tolist()
    known = [part for part in parts if math.isfinite(part)]
    loss = -sum(known) if known else None
    if len(known) < len(parts) and unknown is None:
        unknown = f"the gamma of {len(parts) - len(known)} positions is unknown"
    yield _measured(
        report,
        Rule.SHORT_GAMMA,
        BOOK,
        of,
        _share(loss, report),
        unknown,
        amount=loss,
        causes=_largest(report, parts),
    )


def vega(report: RiskReport, limits: RiskLimits, unknown: str | None) -> Iterator[Finding]:
    """Is a vol point worth too much, either way?"""
    if not report.positions:
        return
    of, total = Limits(limits.vega_limit, limits.vega_limit * limits.critical_at), report.greeks.vega
    value = abs(total) if math.isfinite(total) else None
    causes = _on_the_side(
        report, total, [math.nan if row.exposure is None else row.exposure.vega for row in report.positions]
    )
    yield _measured(report, Rule.VEGA, BOOK, of, value, unknown, amount=value, causes=causes)


def concentration(report: RiskReport, limits: RiskLimits, unknown: str | None) -> Iterator[Finding]:
    """Is an underlying too large a part of the account, by market value?"""
    of = Limits(limits.position_concentration, min(limits.position_concentration * limits.critical_at, 1.0))
    for row in report.concentration:
        parts = [
            position.value if position.underlying == row.name and position.value is not None else math.nan
            for position in report.positions
        ]
        net = sum(part for part in parts if math.isfinite(part))
        amount = None if row.value is None or report.basis is None else row.value * report.basis
        yield _measured(
            report,
            Rule.CONCENTRATION,
            row.name,
            of,
            row.value,
            unknown,
            amount=amount,
            causes=_on_the_side(report, net, parts),
        )


def calendar_says(dated: Iterable[calendar.Finding], unknown: str | None) -> Iterator[Finding]:
    """Assignment, pin, expiry today and earnings inside an expiry: a warning for each position it concerns."""
    for one in dated:
        rule = DATED.get(one.kind)
        if rule is not None and one.position is not None:
            yield Finding(
                rule,
                one.position,
                Severity.WARNING,
                why=f"{one.label}: {one.why}",
                unknown=unknown,
                recovered=False,
            )


def model_gap(
    report: RiskReport, gaps: ModelGaps | None, limits: RiskLimits, unknown: str | None
) -> Iterator[Finding]:
    """Would a 1 % move mean something else by the broker's delta? One of the two is wrong, and the limits rest on ours."""
    of = Limits(limits.model_gap, limits.model_gap * limits.critical_at)
    for gap in () if gaps is None else gaps.gaps:
        money = next((figure.money for figure in gap.figures if figure.figure is Figure.DELTA), None)
        if money is None or not report.basis:
            continue
        why = f": {CAUSE_WORDS[gap.cause]}" if gap.cause is not None else ""
        severity, limit, recovered = of.judged(abs(money) / report.basis)
        yield Finding(
            Rule.MODEL_GAP,
            gap.id,
            severity,
            abs(money) / report.basis,
            limit,
            abs(money),
            unknown=unknown,
            recovered=recovered,
            why=f"a 1 % move differs by {abs(money):,.0f} between the broker's delta and ours{why}",
        )


def iv_rank(report: RiskReport, limits: RiskLimits) -> Iterator[Finding]:
    """Does an underlying's volatility stand high, or low, in its year?"""
    seen: dict[str, float | None] = {}
    for row in report.positions:
        if row.right is not None:
            seen.setdefault(row.underlying, row.iv_rank)
    sides = (
        (Rule.IV_HIGH, Limits(limits.iv_rank_high, math.inf), "selling"),
        (Rule.IV_LOW, Limits(limits.iv_rank_low, -math.inf, below=True), "buying"),
    )
    for rule, of, what in sides:
        for name, rank in seen.items():
            severity, limit, recovered = of.judged(rank)
            yield Finding(
                rule,
                name,
                severity,
                value=rank,
                limit=limit,
                unknown="less than 200 days of its volatility" if rank is None else None,
                recovered=recovered,
                why=f"{name}: IV rank {100.0 * rank:.0f} %, consider {what} volatility"
                if rank is not None
                else "",
            )


def _measured(
    report: RiskReport,
    rule: Rule,
    subject: str,
    of: Limits,
    value: float | None,
    unknown: str | None,
    amount: float | None = None,
    causes: tuple[NamedPnl, ...] = (),
) -> Finding:
    if not _is_a_number(value) or (amount is not None and not _is_a_number(amount)):
        value = amount = None
    severity, limit, recovered = of.judged(value)
    if value is None and report.positions and unknown is None:
        unknown = "it can't be computed"
    return Finding(rule, subject, severity, value, limit, amount, causes, unknown, recovered)


def _is_a_number(value: float | None) -> bool:
    """Not NaN, not infinite, not the broker's mark for 'no value'."""
    return value is not None and abs(value) < UNSET_ABOVE


def _share(amount: float | None, report: RiskReport) -> float | None:
    return None if amount is None or not report.basis else amount / report.basis


def _losers(report: RiskReport, result: ScenarioResult) -> tuple[NamedPnl, ...]:
    return tuple(result.worst_positions(report.ids, CAUSES))


def _on_the_side(report: RiskReport, total: float, parts: list[float]) -> tuple[NamedPnl, ...]:
    """The positions with the largest parts of the total's sign."""
    sign = 1.0 if total > 0.0 else -1.0
    return tuple(
        NamedPnl(row.id, -sign * row.pnl) for row in _largest(report, [-sign * part for part in parts])
    )


def _largest(report: RiskReport, parts: list[float]) -> tuple[NamedPnl, ...]:
    """The positions with the most negative parts, the worst first; NaN is none."""
    losing = sorted((part, id_) for part, id_ in zip(parts, report.ids, strict=True) if part < 0.0)
    return tuple(NamedPnl(id_, part) for part, id_ in losing[:CAUSES])
