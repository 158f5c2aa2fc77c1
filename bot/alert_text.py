"""The words of an alert: what, how much against which limit, and who causes it. Everything of one cycle goes into one
message."""

from collections.abc import Sequence
from html import escape
from typing import Final

from bot.cards import short_label
from bot.replies import Reply, button
from engine.alerts import Change, Finding, Transition
from engine.model import Severity
from engine.reports.numbers import amount, compact, percent
from engine.results import RiskReport

MOST_LISTED: Final = 6


def alert_replies(
    transitions: Sequence[Transition], report: RiskReport
) -> list[tuple[Severity | None, Reply]]:
    """The messages that a cycle's transitions call for, each with its severity; None is for what is not an alarm."""
    broken = [t for t in transitions if t.change in {Change.FIRED, Change.ESCALATED}]
    replies: list[tuple[Severity | None, Reply]] = []
    for severity in (Severity.CRITICAL, Severity.WARNING):
        findings = [t.finding for t in broken if t.finding is not None and t.finding.severity is severity]
        if findings:
            replies.append((severity, _broken(severity, findings, report)))
    blind = [t.finding for t in transitions if t.change is Change.BLIND]
    if blind and blind[0] is not None:
        replies.append(
            (None, Reply(f"⚪ <b>The loss limit can't be judged</b>: {escape(blind[0].unknown or '')}."))
        )
    if any(t.change is Change.SEEING for t in transitions):
        replies.append((None, Reply("🟢 <b>The loss limit can be judged again</b>.")))
    for finding_is_there, words in ((True, "Back under the loss limit"), (False, "Not judged any more")):
        ended = [
            t.after.subject
            for t in transitions
            if t.change is Change.CLEARED and (t.finding is not None) is finding_is_there
        ]
        if ended:
            names = ", ".join(escape(subject) for subject in ended[:MOST_LISTED])
            replies.append((None, Reply(f"🟢 <b>{words}</b>: {names}{_more(len(ended))}.")))
    return replies


def _broken(severity: Severity, findings: list[Finding], report: RiskReport) -> Reply:
    worst = max(findings, key=lambda finding: finding.loss or 0.0)
    sign, word = ("🔴", "CRITICAL") if severity is Severity.CRITICAL else ("🟠", "WARNING")
    lost = f"{amount(worst.loss)} {report.base_currency} ({percent(worst.share, signed=False)})"
    lines = [
        f"{sign} <b>{word}: {escape(worst.subject)} would lose {lost}</b>",
        f"limit {percent(worst.limit_share, signed=False)} of {report.basis_name}: {amount(worst.limit)}",
    ]
    labels = {position.id: short_label(position, 24) for position in report.positions}
    causes = [f"{escape(labels.get(row.id, row.id))} {compact(row.pnl)}" for row in worst.causes]
    if causes:
        lines.append("caused by " + ", ".join(causes))
    others = sorted((f for f in findings if f is not worst), key=lambda f: -(f.loss or 0.0))
    if others:
        named = ", ".join(
            f"{escape(f.subject)} {percent(f.share, signed=False)}" for f in others[:MOST_LISTED]
        )
        lines.append(f"over the limit too: {named}{_more(len(others))}")
    if worst.unknown is not None:
        lines.append(f"⚠ it may be worse: {escape(worst.unknown)}")
    number = [result.name for result in report.scenarios].index(worst.subject)
    keyboard = ((button("Open scenario", "scenario", number, 0, "n"), button("All scenarios", "all")),)
    return Reply("\n".join(lines), keyboard=keyboard)


def _more(count: int) -> str:
    return f" and {count - MOST_LISTED} more" if count > MOST_LISTED else ""
