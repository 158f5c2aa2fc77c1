"""The morning note: what the day brings."""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from bot.cards import summary_lines
from bot.event_text import coming_up_lines
from engine.calendar import Finding, FindingKind
from engine.results import RiskReport

NET, WORST, EXPIRING = 0, 1, 4
"""Of the summary's lines, those that a morning needs."""
BY_TOMORROW: Final = frozenset({FindingKind.ASSIGNMENT})
"""Decided this evening: before an ex-date, whoever exercises does so on the day before."""


def morning_text(
    report: RiskReport,
    findings: Sequence[Finding],
    day: date,
    closes_early: datetime | None,
    zone: ZoneInfo,
) -> str:
    """The note of `day`: the account, its worst scenario, and what comes, expires or may be assigned today.

    Args:
        findings: of a Snapshot dated today.
        closes_early: when New York closes today, on a half-day.
    """
    summary = summary_lines(report)
    lines = [f"<b>{day:%A %d %B}</b>"]
    if closes_early is not None:
        lines.append(f"A half-day: the market closes at {closes_early.astimezone(zone):%H:%M %Z}.")
    lines += [escape(summary[i]) for i in (NET, WORST, EXPIRING)]
    today = coming_up_lines([one for one in findings if _is_today_s(one)], zone)[1:]
    lines += ["<b>Today</b>", *today] if today else ["Nothing is known to come today."]
    return "\n".join(lines)


def _is_today_s(one: Finding) -> bool:
    within = 1 if one.kind in BY_TOMORROW else 0
    return one.sessions is not None and one.sessions <= within
