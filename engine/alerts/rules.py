"""The rules: from a report to findings, one per subject, each with what is known and what is not (D10)."""

from dataclasses import dataclass
from typing import Final

from engine.model import Severity
from engine.results import NamedPnl, RiskReport, ScenarioResult
from engine.settings import RiskLimits

PORTFOLIO_LOSS: Final = "portfolio_loss"
CAUSES: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of one subject.

    Attributes:
        severity: of the limit that is broken by what is known; None when none is.
        loss: positive for a loss, base currency; None when nothing could be valued.
        limit: the amount of the limit broken, or of the lowest one.
        share: loss over the basis, a decimal.
        causes: the positions that lose most.
        unknown: why the rest can't be judged; None when everything could.
        recovered: whether the loss is back under 90 % of the lowest limit.
    """

    rule: str
    subject: str
    severity: Severity | None
    loss: float | None
    share: float | None
    limit: float | None
    limit_share: float
    causes: tuple[NamedPnl, ...]
    unknown: str | None
    recovered: bool


RECOVERS_AT: Final = 0.9


def portfolio_loss(report: RiskReport, limits: RiskLimits, blind: str | None = None) -> list[Finding]:
    """For each scenario: does the portfolio lose more than the limits allow? Unknown inputs never make it pass.

    `blind` says why the report as a whole is not of this moment, such as a link that is down; None when it is.
    """
    unknown = blind or _unknown(report)
    return [_finding(report, result, limits, unknown) for result in report.scenarios]


def _unknown(report: RiskReport) -> str | None:
    """Why a loss could be larger than the sums show."""
    left_out = report.quality.left_out
    if not report.complete:
        return "the account has not arrived whole"
    if report.basis is None and report.positions:
        return "neither net liquidation nor market value is known"
    if report.quality.stale:
        return "stale prices: " + ", ".join(remark.id for remark in report.quality.stale[:CAUSES])
    if left_out:
        return f"{len(left_out)} position{'s' if len(left_out) > 1 else ''} can't be valued: " + ", ".join(
            remark.id for remark in left_out[:CAUSES]
        )
    return None


def _finding(report: RiskReport, result: ScenarioResult, limits: RiskLimits, unknown: str | None) -> Finding:
    loss = None if result.pnl is None else -result.pnl
    share = None if loss is None or not report.basis else loss / report.basis
    severity = _severity(share, limits)
    limit_share = limits.max_portfolio_loss if severity is Severity.CRITICAL else limits.warn_portfolio_loss
    if share is None and report.positions and unknown is None:
        unknown = "its loss can't be computed"
    return Finding(
        rule=PORTFOLIO_LOSS,
        subject=result.name,
        severity=severity,
        loss=loss,
        share=share,
        limit=None if not report.basis else limit_share * report.basis,
        limit_share=limit_share,
        causes=tuple(result.worst_positions(report.ids, CAUSES)),
        unknown=unknown,
        recovered=share is not None and share < RECOVERS_AT * limits.warn_portfolio_loss,
    )


def _severity(share: float | None, limits: RiskLimits) -> Severity | None:
    if share is None:
        return None
    if share > limits.max_portfolio_loss:
        return Severity.CRITICAL
    return Severity.WARNING if share > limits.warn_portfolio_loss else None
