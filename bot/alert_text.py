"""The words of an alert: what, how much against which limit, who causes it, and what would end it. All of one severity that one
look at the book finds goes into one message."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from bot.alarms import moment
from bot.cards import age, clock, cut, pre, short_label
from bot.replies import SEPARATOR, Keyboard, Reply, button
from engine.alerts import (
    BOOK,
    QUIETLY_UNKNOWN,
    AlertStatus,
    Change,
    Finding,
    Judgement,
    Rule,
    Transition,
    badness,
    warns_at,
)
from engine.model import AlertState, Severity
from engine.reports.numbers import UNKNOWN, amount, compact, percent
from engine.results import RiskReport
from engine.settings import RiskLimits
from engine.store import AlertEvent

MOST_LISTED: Final = 6
MOST_ALERTS: Final = 30
MOST_NAME_BYTES: Final = 56

TITLES: Final = {
    Rule.PORTFOLIO_LOSS: "the loss limit",
    Rule.MARGIN_CUSHION: "the margin cushion",
    Rule.VAR: "the Value at Risk",
    Rule.SHORT_GAMMA: "short gamma",
    Rule.VEGA: "vega",
    Rule.CONCENTRATION: "concentration",
    Rule.ASSIGNMENT: "early assignment",
    Rule.PIN: "pin risk",
    Rule.EXPIRING: "expiry today",
    Rule.EARNINGS_INSIDE: "earnings inside an expiration",
    Rule.IV_HIGH: "high IV rank",
    Rule.IV_LOW: "low IV rank",
}
"""What a rule watches, in the words of its messages."""

NAMES: Final = {
    Rule.PORTFOLIO_LOSS: "worst loss",
    Rule.MARGIN_CUSHION: "cushion",
    Rule.VAR: "VaR 99 %",
    Rule.SHORT_GAMMA: "gamma, 2 sd",
    Rule.VEGA: "vega",
    Rule.CONCENTRATION: "largest name",
    Rule.ASSIGNMENT: "assignment",
    Rule.PIN: "pin",
    Rule.EXPIRING: "expiry",
    Rule.EARNINGS_INSIDE: "earnings",
    Rule.IV_HIGH: "IV high",
    Rule.IV_LOW: "IV low",
}
"""The same where there is little room, and as people call it in a command."""
RULE_WORDS: Final = {name.casefold(): rule for rule, name in NAMES.items()}
ORDER: Final = {rule.value: i for i, rule in enumerate(Rule)}


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
    labels, lines = _labels(report), []
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
    labels = _labels(report)
    lines = [f"<b>{escape(_sentence(worst, report))}</b>"]
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
        case Rule.PORTFOLIO_LOSS | Rule.SHORT_GAMMA | Rule.CONCENTRATION if report.basis:
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
    if Rule.VAR in rules:
        buttons.append(button("Value at Risk", "risk", 1, ""))
    if {Rule.CONCENTRATION, Rule.MARGIN_CUSHION} & set(rules):
        buttons.append(button("Concentration", "view", "concentration", ""))
    if {Rule.ASSIGNMENT, Rule.PIN, Rule.EXPIRING, Rule.EARNINGS_INSIDE} & set(rules):
        buttons.append(button("Events", "events", "", 30))
    return tuple(tuple(buttons[i : i + 2]) for i in range(0, len(buttons), 2))


def firing_words(firing: Sequence[AlertStatus], report: RiskReport) -> str:
    """What is firing, by rule, in one line."""
    labels, there = _labels(report), sorted(firing, key=lambda one: ORDER[one.rule])
    by_rule = {
        one.rule: [labels.get(x.subject, x.subject) for x in there if x.rule == one.rule] for one in there
    }
    return "; ".join(
        f"{TITLES[Rule(rule)]}{'' if names == [BOOK] else ' ' + ', '.join(names[:MOST_LISTED])}{_more(len(names))}"
        for rule, names in by_rule.items()
    )


def alerts_text(
    states: Sequence[AlertStatus], muted: frozenset[str], report: RiskReport, now: datetime, zone: ZoneInfo
) -> str:
    """What is firing, the most pressing rule first, each since when, what is put off, and what can't be judged."""
    firing = [one for one in states if one.is_firing]
    dark = {one.rule for one in states if one.state is AlertState.UNKNOWN and one.rule not in QUIETLY_UNKNOWN}
    blind = ", ".join(TITLES[rule] for rule in Rule if rule.value in dark)
    below = [f"⚪ can't be judged: {blind}. /limits says why"] if blind else []
    silent = ", ".join(NAMES[rule] for rule in Rule if rule.value in muted)
    below += [f"muted: {silent} (/alerts unmute speaks again)"] if silent else []
    if not states:
        return "\n".join(["<b>Alerts</b>", "Nothing has been judged yet.", *below])
    if not firing:
        words = "Nothing that can be judged is firing." if blind else "Nothing is firing."
        words += " /limits shows how far everything is from its limit."
        return "\n".join(["<b>Alerts</b>", words, *below])
    labels, lines = _labels(report), []
    for rule in Rule:
        mine = sorted((one for one in firing if one.rule == rule), key=lambda one: one.fired_at or now)
        if not mine:
            continue
        sign = "🔴" if any(one.severity is Severity.CRITICAL for one in mine) else "🟠"
        head = f"{sign} {TITLES[rule]}"
        if len(mine) == 1:
            of = (
                "" if mine[0].subject == BOOK else f", {escape(labels.get(mine[0].subject, mine[0].subject))}"
            )
            when = "" if mine[0].fired_at is None else f", since {clock(mine[0].fired_at, now, zone)}"
            lines.append(f"{head}{of}{when}{_put_off(mine[0], now, zone)}")
            continue
        lines.append(f"{head}: {len(mine)}")
        lines += [
            f"   {escape(labels.get(one.subject, one.subject))}{_put_off(one, now, zone)}"
            for one in mine[:MOST_LISTED]
        ]
        lines += [f"  {_more(len(mine))}"] if len(mine) > MOST_LISTED else []
    return "\n".join([f"<b>Alerts: {len(firing)} firing</b>", *lines, *below])


def _put_off(status: AlertStatus, now: datetime, zone: ZoneInfo) -> str:
    """Why nothing is said of a firing alert now."""
    if status.state is AlertState.RECOVERING:
        return ", within its limit again"
    if status.snoozed_until is not None and status.snoozed_until > now:
        until = "it is worse" if status.snoozed_above is not None else clock(status.snoozed_until, now, zone)
        return f", quiet until {until}"
    if status.told_at is None:
        return ", not told yet"
    return ", noted" if status.acked else ""


def put_off_text(how: str, changed: Sequence[AlertStatus], report: RiskReport) -> str:
    """What a button under an alert has done."""
    if not changed:
        return "None of these alerts is firing any more."
    return f"{how}: {escape(firing_words(changed, report))}."


CHANGE_WORDS: Final = {
    "fired": "",
    "escalated": "worse: ",
    "cleared": "over: ",
    "blind": "can't be judged: ",
    "seeing": "can be judged: ",
}
CHANGE_SIGNS: Final = {"cleared": "🟢", "seeing": "🟢", "blind": "⚪"}


def history_text(events: Sequence[AlertEvent], report: RiskReport, now: datetime, zone: ZoneInfo) -> str:
    """What became of alerts, the newest first."""
    labels, lines = _labels(report), []
    for one in events:
        rule = Rule(one.rule)
        critical = "🔴" if one.severity is Severity.CRITICAL else "🟠"
        sign = CHANGE_SIGNS.get(one.change, critical)
        of = "" if one.subject == BOOK else f" {escape(labels.get(one.subject, one.subject))}"
        much = "" if one.value is None or one.change in CHANGE_SIGNS else f" {_in_unit(rule, one.value)}"
        lines.append(f"{clock(one.at, now, zone)} {sign} {CHANGE_WORDS[one.change]}{NAMES[rule]}{of}{much}")
    return "\n".join(["<b>What became of alerts</b>", *(lines or ["Nothing has happened yet."])])


def limits_text(verdict: Judgement, report: RiskReport, limits: RiskLimits) -> str:
    """Each rule that has a limit: the worst of its subjects now, and the limit at which it warns."""
    labels, lines, below = _labels(report), [f"{'':<14}{'now':>8}{'limit':>8}"], []
    for rule in Rule:
        mine = [finding for finding in verdict.findings if finding.rule is rule]
        if not mine:
            continue
        if mine[0].limit is None:
            names = ", ".join(labels.get(one.subject, one.subject) for one in mine[:MOST_LISTED])
            below.append(f"{TITLES[rule]}: {names}{_more(len(mine))}")
            continue
        worst = max(mine, key=lambda one: badness(one) or 0.0)
        sign = {None: "", Severity.WARNING: "!", Severity.CRITICAL: "!!"}[worst.severity]
        now, limit = _in_unit(rule, worst.value), _in_unit(rule, warns_at(limits, rule))
        lines.append(f"{sign + NAMES[rule]:<14}{now:>8}{limit:>8}")
        if worst.subject != BOOK and worst.value is not None:
            lines.append(f"  {cut(labels.get(worst.subject, worst.subject), 28)}")
        why = {one.unknown for one in mine if one.unknown not in {None, verdict.unknown}}
        below += [f"⚠ {NAMES[rule]}: {reason}" for reason in sorted(filter(None, why))]
    words = [
        f"<b>Limits</b>, {escape(report.base_currency)} and % of {escape(report.basis_name)}",
        pre(lines),
    ]
    if verdict.unknown is not None:
        words.append(f"⚠ it may be worse: {escape(verdict.unknown)}")
    words += [escape(line) for line in below]
    return "\n".join([*words, "! is over the limit, !! critical; of several the worst is shown."])


def _in_unit(rule: Rule, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if rule in {Rule.VAR, Rule.VEGA}:
        return compact(value).removeprefix("+")
    return (
        percent(value, signed=False)
        if abs(value) < 10.0
        else f"{compact(100.0 * value, short=True)}%".removeprefix("+")
    )


def _fitting(name: str) -> str:
    """As much of a scenario's name as a button carries."""
    return name.encode()[:MOST_NAME_BYTES].decode(errors="ignore").replace(SEPARATOR, "")


def _titles(findings: Sequence[Finding]) -> str:
    there = {finding.rule for finding in findings}
    return ", ".join(TITLES[rule] for rule in Rule if rule in there)


def _labels(report: RiskReport) -> dict[str, str]:
    return {position.id: short_label(position, 24) for position in report.positions}


def _more(count: int) -> str:
    return f" and {count - MOST_LISTED} more" if count > MOST_LISTED else ""
