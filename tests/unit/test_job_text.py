"""What is said of jobs."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest

from bot.health import Health
from bot.job_text import jobs_text, late_words, missed_words, took
from bot.stopwatch import Phases
from engine.store import JobOutcome
from scheduler import Run

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 24, 21, 33, 2, tzinfo=UTC)
DAYS = [date(2026, 11, day) for day in (23, 24, 25, 27, 30)]


@pytest.fixture
def health():
    one = Health(NOW)
    for name in ("look", "end of day", "nightly", "start of day"):
        one.jobs.add(name, on=name != "nightly")
    one.jobs.begin("look", NOW - timedelta(seconds=2))
    one.jobs.end("look", JobOutcome.OK, 0.0449, None)
    one.jobs.jobs["look"].runs = 11_700
    one.jobs.expect("look", NOW)
    one.jobs.begin("end of day", NOW - timedelta(days=1))
    one.jobs.end("end of day", JobOutcome.FAILED, 3.21, "KeyError: <x>")
    one.jobs.expect("end of day", NOW + timedelta(days=1))
    return one


def table(text):
    return unescape(re.search(r"<pre>(.*?)</pre>", text, re.DOTALL).group(1)).split("\n")


def test_each_job_has_its_last_run_how_long_it_took_and_the_next(health):
    text = jobs_text(health, NOW, ZONE)
    assert table(text) == [
        "job          last run     took",
        "  at            next",
        "look         ok          45 ms",
        "  16:33:00    → 16:33:02",
        "end of day   failed      3.2 s",
        "  23Nov 16:33 → 25Nov 16:33",
        "nightly      off",
        "start of day                  ",
        "  not yet     → not planned",
    ]
    assert "Runs since the start: look 11,700" in text
    assert "⚠ end of day failed: KeyError: &lt;x&gt;" in text and "as of 16:33:02 EST" in text


def test_a_job_that_is_at_it_says_so(health):
    health.jobs.begin("look", NOW)
    assert "look         running     45 ms" in table(jobs_text(health, NOW, ZONE))


def test_times_are_in_the_zone_of_the_config(health):
    assert "  21:33:00    → 21:33:02" in table(jobs_text(health, NOW, ZoneInfo("UTC")))


def test_the_phases_of_a_cycle_and_a_jump_of_the_clock_are_said(health):
    health.phases = Phases(0.32, 0.0123, 0.045)
    health.jobs.jumped = NOW - timedelta(hours=1), -7200.0
    text = jobs_text(health, NOW, ZONE)
    assert "The last cycle: analysis 320 ms, rules 12 ms, store 45 ms" in text
    assert "⚠ the clock jumped 2 h back, or the machine slept (15:33:02)" in text


def test_before_the_first_plan_there_is_no_table():
    assert "No job has been planned yet" in jobs_text(Health(NOW), NOW, ZONE)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0004, "0 ms"),
        (0.9994, "999 ms"),
        (1.0, "1.0 s"),
        (119.94, "119.9 s"),
        (1800.0, "30 min"),
    ],
)
def test_a_duration_fits_nine_columns(seconds, text):
    assert took(seconds) == text


def test_a_late_report_says_of_what_day_and_by_how_much():
    due = datetime(2026, 11, 24, 21, 5, tzinfo=UTC)
    assert late_words(Run(DAYS[1], due, timedelta(hours=3))) == "for Tuesday, 3 h late"
    assert late_words(Run(DAYS[1], due, timedelta(minutes=25))) == "for Tuesday, 25 min late"
    assert late_words(Run(DAYS[1], due)) is None


def test_missed_reports_are_named_and_many_are_counted():
    why = "riskbot was not running"
    assert missed_words("end-of-day report", DAYS[1:2], why) == f"no end-of-day report for Tue 24 Nov: {why}"
    assert missed_words("report", DAYS, why) == (
        f"no report for Mon 23 Nov, Tue 24 Nov, Wed 25 Nov and 2 more days until Mon 30 Nov: {why}"
    )
