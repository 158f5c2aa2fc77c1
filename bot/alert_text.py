"""The words of an alert: what, how much against which limit, who causes it, and what would end it. All of one severity that one
look at the book finds goes into one message."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from bot.alarms import moment
from bot.cards import age
from bot.replies import SEPARATOR, Keyboard, Reply, button
from bot.rule_words import MOST_LISTED, TITLES, labels_of
from engine.alerts import (
    BOOK,
    Change,
    Finding,
    Rule,
    Transition,
)
from engine.model import Severity
from engine.reports.numbers import amount, compact, percent
from engine.results import RiskReport

MOST_ALERTS: Final = 30
MOST_NAME_BYTES: Final = 56


def alert_replies(
    transitions: Sequence[Transition], report: RiskReport, now: datetime
) -> list[tuple[Severity | None, Reply]]:
    """The messages that the transitions of one look call for, each with its severity; None is for what is not an alarm."""
    broken = [t for t in transitions if t.change in {Change.FIRED, Change.ESCALATED, Change.REMINDED}]
    replies: list[tuple[Severity | None, Reply]] = []
    for severity in (Severity.CRITICAL, Severity.WARNING):
        telling = [t for t in broken if t.after.severity is severity and t.finding is not None]
        if telling:
            replies.append((severity, _broken(severity, telling, report, now)))
    blind = [t.finding for t in transitions if t.change is Change.BLIND and t.finding is not None]
    if blind:
        words = f"⚪ <b>Can't be judged: {_titles(blind)}</b>: {escape(blind[0].unknown or '')}."
        replies.append((None, Reply(words)))
    seen = [t.finding for t in transitions if t.change is Change.SEEING and t.finding is not None]
    if seen:
        replies.append((None, Reply(f"🟢 <b>Can be judged again: {_titles(seen)}</b>.")))
    return replies


def ended_by_message(transitions: Sequence[Transition]) -> dict[str, list[Transition]]:
    """The ends that are told, by the message that told their beginning."""
    ended: dict[str, list[Transition]] = {}
    for one in transitions:
        if one.change is Change.CLEARED and one.after.told_key is not None:
            ended.setdefault(one.after.told_key, []).append(one)
    return ended


def ended_text(ended: Sequence[Transition], report: RiskReport, now: datetime) -> str:
    """What is over, after how long."""
    labels, lines = labels_of(report), []
    for one in ended[:MOST_ALERTS]:
        after = one.after
        of = "" if after.subject == BOOK else f", {escape(labels.get(after.subject, after.subject))}"
        long = "" if after.fired_at is None else f" after {age((now - after.fired_at).total_seconds())}"
        ran = one.finding is not None or after.rule != Rule.PORTFOLIO_LOSS
        how = "cleared" if ran else "not run any more,"
        lines.append(f"🟢 <b>{how}{long}</b>: {TITLES[Rule(after.rule)]}{of}")
    if len(ended) > MOST_ALERTS:
        lines.append(f"and {len(ended) - MOST_ALERTS} more")
    return "\n".join(lines)


def _broken(severity: Severity, telling: Sequence[Transition], report: RiskReport, now: datetime) -> Reply:
    """One message of everything of one severity, a paragraph a rule, the most pressing first."""
    findings = [one.finding for one in telling if one.finding is not None]
    sign, word = ("🔴", "CRITICAL") if severity is Severity.CRITICAL else ("🟠", "WARNING")
    if all(one.change is Change.REMINDED for one in telling):
        word = f"STILL {word}"
    rules = [rule for rule in Rule if any(finding.rule is rule for finding in findings)]
    paragraphs = [_paragraph([one for one in findings if one.rule is rule], report) for rule in rules]
    paragraphs[0] = f"{sign} " + paragraphs[0].replace("<b>", f"<b>{word}: ", 1)
    unknown = next((finding.unknown for finding in findings if finding.unknown is not None), None)
    if unknown is not None:
        paragraphs.append(f"⚠ it may be worse: {escape(unknown)}")
    quiet = (
        button("Got it", "ack", moment(now)),
        button("Snooze 1 h", "snooze", moment(now), "1h"),
        button("Until close", "snooze", moment(now), "close"),
    )
    return Reply("\n".join(paragraphs), keyboard=(*_keyboard(rules, findings, report), quiet))


def _paragraph(findings: list[Finding], report: RiskReport) -> str:
    """The worst of one rule's findings in full, the others by name."""
    findings = sorted(findings, key=lambda finding: -abs(finding.value or 0.0))
    worst, others = findings[0], findings[1:]
    labels = labels_of(report)
    whose = f"{labels.get(worst.subject, worst.subject)}: " if worst.rule is Rule.MODEL_GAP else ""
    lines = [f"<b>{escape(whose + _sentence(worst, report))}</b>"]
    if worst.limit is not None:
        lines.append(f"limit {_limit(worst, report)}")
    causes = [f"{escape(labels.get(row.id, row.id))} {compact(row.pnl)}" for row in worst.causes]
    if causes:
        lines.append("caused by " + ", ".join(causes))
    cure = _cure(worst, labels)
    if cure:
        lines.append(escape(cure))
    return "\n".join([*lines, *_others([_short(one, labels) for one in others])])


def _others(names: Sequence[str]) -> list[str]:
    """All of them: many are as many lines, so that a message that is too long can be cut between them."""
    if not names:
        return []
    if len(names) <= MOST_LISTED:
        return [f"and too: {escape(', '.join(names))}"]
    rows = [names[i : i + MOST_LISTED] for i in range(0, len(names), MOST_LISTED)]
    return [f"and {len(names)} more:", *(escape(", ".join(row)) for row in rows)]


def _sentence(finding: Finding, report: RiskReport) -> str:
    """What is wrong, in one line."""
    money = f"{amount(finding.amount)} {report.base_currency}"
    share = percent(finding.value, signed=False)
    match finding.rule:
        case Rule.PORTFOLIO_LOSS:
            return f"{finding.subject} would lose {money} ({share})"
        case Rule.MARGIN_CUSHION:
            return f"the margin cushion is {share} of net liquidation"
        case Rule.VAR:
            return f"the day's Value at Risk at 99 % is {money}"
        case Rule.SHORT_GAMMA:
            return f"a day of two deviations would cost {money} ({share}) by gamma alone"
        case Rule.VEGA:
            return f"a vol point is worth {money}"
        case Rule.CONCENTRATION:
            return f"{finding.subject} is {share} of {report.basis_name}, {money}"
        case _:
            return finding.why


def _limit(finding: Finding, report: RiskReport) -> str:
    """The limit in its own unit; what is a share of the basis also as money."""
    limit = finding.limit or 0.0
    match finding.rule:
        case Rule.VAR | Rule.VEGA:
            return f"{amount(limit)} {report.base_currency}"
        case Rule.PORTFOLIO_LOSS | Rule.SHORT_GAMMA | Rule.CONCENTRATION | Rule.MODEL_GAP if report.basis:
            share = percent(limit, signed=False)
            return f"{share} of {report.basis_name}: {amount(limit * report.basis)}"
        case _:
            return percent(limit, signed=False)


def _short(finding: Finding, labels: dict[str, str]) -> str:
    """One more of the same, in few words."""
    if finding.rule in {Rule.PORTFOLIO_LOSS, Rule.CONCENTRATION, Rule.IV_HIGH, Rule.IV_LOW}:
        return f"{finding.subject} {percent(finding.value, signed=False)}"
    return labels.get(finding.subject, finding.subject)


def _cure(finding: Finding, labels: dict[str, str]) -> str:
    """The fewest of the causes without which the limit would hold; nothing where that can't be said of sums of money: without a
    position a Value at Risk falls by less than its part."""
    if finding.amount is None or finding.limit is None or not finding.value or not finding.causes:
        return ""
    if finding.rule is Rule.VAR:
        return ""
    allowed = finding.amount * finding.limit / finding.value
    left, named = finding.amount, []
    for row in finding.causes:
        left -= abs(row.pnl)
        named.append(labels.get(row.id, row.id))
        if abs(left) <= allowed:
            return f"without {' and '.join(named)} it would be within the limit"
    return f"it takes {amount(finding.amount - allowed)} less to be within the limit"


def _keyboard(rules: list[Rule], findings: list[Finding], report: RiskReport) -> Keyboard:
    """Where to look next: of the worst scenario itself, and of what the other rules are about."""
    buttons = []
    if Rule.PORTFOLIO_LOSS in rules:
        losses = [one for one in findings if one.rule is Rule.PORTFOLIO_LOSS]
        worst = max(losses, key=lambda finding: finding.value or 0.0)
        buttons += [button("Open scenario", "open", _fitting(worst.subject)), button("All scenarios", "all")]
    if {Rule.SHORT_GAMMA, Rule.VEGA} & set(rules):
        buttons.append(button("Greeks", "greeks", "underlying"))
    if Rule.MODEL_GAP in rules:
        buttons.append(button("Model", "view", "model", ""))
    if Rule.VAR in rules:
        buttons.append(button("Value at Risk", "risk", 1, ""))
    if {Rule.CONCENTRATION, Rule.MARGIN_CUSHION} & set(rules):
        buttons.append(button("Concentration", "view", "concentration", ""))
    if {Rule.ASSIGNMENT, Rule.PIN, Rule.EXPIRING, Rule.EARNINGS_INSIDE} & set(rules):
        buttons.append(button("Events", "events", "", 30))
    return tuple(tuple(buttons[i : i + 2]) for i in range(0, len(buttons), 2))


def _fitting(name: str) -> str:
    """As much of a scenario's name as a button carries."""
    return name.encode()[:MOST_NAME_BYTES].decode(errors="ignore").replace(SEPARATOR, "")


def _titles(findings: Sequence[Finding]) -> str:
    there = {finding.rule for finding in findings}
    return ", ".join(TITLES[rule] for rule in Rule if rule in there)
