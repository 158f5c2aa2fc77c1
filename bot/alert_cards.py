"""What the chat says of alerts when asked: what is firing, what became of it, and how far everything is from its limit."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from bot.cards import clock, cut, pre
from bot.rule_words import MOST_LISTED, NAMES, ORDER, TITLES, and_more_of, labels_of
from engine.alerts import BOOK, QUIETLY_UNKNOWN, AlertStatus, Judgement, Rule, badness, warns_at
from engine.model import AlertState, Severity
from engine.reports.numbers import UNKNOWN, compact, percent
from engine.results import RiskReport
from engine.settings import RiskLimits
from engine.store import AlertEvent


def firing_words(firing: Sequence[AlertStatus], report: RiskReport) -> str:
    """What is firing, by rule, in one line."""
    labels, there = labels_of(report), sorted(firing, key=lambda one: ORDER[one.rule])
    by_rule = {
        one.rule: [labels.get(x.subject, x.subject) for x in there if x.rule == one.rule] for one in there
    }
    return "; ".join(
        f"{TITLES[Rule(rule)]}{'' if names == [BOOK] else ' ' + ', '.join(names[:MOST_LISTED])}{and_more_of(len(names))}"
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
    labels, lines = labels_of(report), []
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
        lines += [f"  {and_more_of(len(mine))}"] if len(mine) > MOST_LISTED else []
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
    labels, lines = labels_of(report), []
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
    labels, lines, below = labels_of(report), [f"{'':<14}{'now':>8}{'limit':>8}"], []
    for rule in Rule:
        mine = [finding for finding in verdict.findings if finding.rule is rule]
        if not mine:
            continue
        if mine[0].limit is None:
            names = ", ".join(labels.get(one.subject, one.subject) for one in mine[:MOST_LISTED])
            below.append(f"{TITLES[rule]}: {names}{and_more_of(len(mine))}")
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
