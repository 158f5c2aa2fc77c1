"""What is said of jobs: the card of /jobs, that a report is late, that one was missed."""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from bot.cards import age, pre
from bot.health import Health
from scheduler import JobState, Run

MOST_DAYS: Final = 3
FEW_RUNS: Final = 1


def jobs_text(health: Health, now: datetime, zone: ZoneInfo) -> str:
    """/jobs: two lines a job: how its last run ended and how long it took; when that was, and when the next one is."""
    jobs = list(health.jobs.jobs.values())
    lines = [f"{'job':<13}{'last run':<8}{'took':>9}", f"  {'at':<11}   next"]
    for one in jobs:
        lines += _rows(one, now, zone)
    words = ["<b>Jobs</b>", pre(lines) if jobs else "No job has been planned yet."]
    counts = [f"{one.name} {one.runs:,}" for one in jobs if one.runs > FEW_RUNS]
    if counts:
        words.append("Runs since the start: " + ", ".join(counts))
    if health.phases is not None:
        words.append(f"The last cycle: {health.phases}")
    words += [
        f"⚠ {one.name} failed{_often(one)}: {escape(one.failure)}"
        for one in jobs
        if one.outcome is not None and one.outcome.value == "failed" and one.failure
    ]
    if health.jobs.jumped is not None:
        at, seconds = health.jobs.jumped
        ahead = "ahead" if seconds > 0 else "back"
        words.append(
            f"⚠ the clock jumped {age(abs(seconds))} {ahead}, or the machine slept ({_at(at, now, zone)})"
        )
    words.append(f"<i>as of {now.astimezone(zone):%H:%M:%S %Z}</i>")
    return "\n".join(words)


def late_words(run: Run) -> str | None:
    """'for Tuesday, 3 h late'; None for a run that is not late."""
    return None if run.late is None else f"for {run.day:%A}, {age(run.late.total_seconds())} late"


def missed_words(what: str, days: Sequence[date], why: str) -> str:
    """'no end-of-day report for Tue 24 Nov: riskbot was not running'."""
    named = ", ".join(f"{day:%a %d %b}" for day in days[:MOST_DAYS])
    more = (
        f" and {len(days) - MOST_DAYS} more days until {days[-1]:%a %d %b}" if len(days) > MOST_DAYS else ""
    )
    return f"no {what} for {named}{more}: {why}"


def took(seconds: float | None) -> str:
    """A duration in at most nine columns: '45 ms', '3.2 s', '4 min'."""
    if seconds is None:
        return ""
    if seconds < 1.0:
        return f"{1000.0 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120.0 else age(seconds)


def _rows(one: JobState, now: datetime, zone: ZoneInfo) -> list[str]:
    if not one.on:
        return [f"{one.name:<13}off"]
    outcome = "running" if one.running_since is not None else one.outcome or ""
    last = "not yet" if one.last_at is None else _at(one.last_at, now, zone)
    coming = "not planned" if one.next_at is None else _at(one.next_at, now, zone)
    return [f"{one.name:<13}{outcome:<8}{took(one.seconds):>9}", f"  {last:<11} → {coming}"]


def _often(one: JobState) -> str:
    return f" ({one.failures} times since the start)" if one.failures > 1 else ""


def _at(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """'14:33:02' today, '24Nov 16:05' on other days."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%d%b %H:%M}"
