"""What is to be done about a once-a-day job: the pure decision, by tables and by generated histories."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import Session
from engine.store import JobOutcome, JobRun
from scheduler.planning import plan
from scheduler.triggers import AfterClose, BeforeOpen, Due, EachNight

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = datetime(2026, 11, 23, 21, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUES = [
    Due(at.date(), at, at + 12 * HOUR) for at in (MONDAY + timedelta(days=n) for n in (-3, 0, 1, 2, 4, 7))
]  # Friday to Wednesday, Friday after a holiday, Monday
FRIDAY_BEFORE, MON, TUE, WED, FRI, NEXT = DUES


def run(due, outcome=None, started=False):
    done = due.at if outcome not in {None, JobOutcome.MISSED} else None
    return JobRun("job", due.slot, due.at, due.at if started or done else None, done, outcome)


def known(*runs):
    return {one.slot: one for one in runs}


def decided(now, *runs):
    found = plan(DUES, known(*runs), now)
    return found.run, found.lost, found.next


def test_the_first_start_ever_owes_nothing_and_plans_the_next():
    assert decided(TUE.at + HOUR) == (None, (), WED)


def test_what_is_due_runs_and_what_is_not_waits():
    assert decided(TUE.at - HOUR, run(TUE)) == (None, (), TUE)
    assert decided(TUE.at, run(TUE)) == (TUE, (), WED)


def test_what_has_run_is_over_whatever_the_clock_says():
    for outcome in (JobOutcome.OK, JobOutcome.FAILED, JobOutcome.LATE):
        for hours in (-48, -2, 0, 1, 11):
            found = plan(
                DUES, known(run(MON, JobOutcome.OK), run(TUE, outcome), run(WED)), TUE.at + hours * HOUR
            )
            assert found.run is None and TUE not in found.lost and found.next == WED


def test_a_run_that_was_cut_off_is_owed():
    assert decided(TUE.at + HOUR, run(TUE, started=True)) == (TUE, (), WED)


def test_it_may_be_late_by_half_a_day_and_not_more():
    assert decided(TUE.until, run(TUE)) == (TUE, (), WED)
    assert decided(TUE.until + timedelta(seconds=1), run(TUE)) == (None, (TUE,), WED)


def test_of_several_that_were_missed_the_last_runs_where_it_still_can():
    assert decided(WED.at + 2 * HOUR, run(MON)) == (WED, (MON, TUE), FRI)
    assert decided(NEXT.at - HOUR, run(MON)) == (None, (MON, TUE, WED, FRI), NEXT)


def test_what_was_told_as_missed_is_not_told_again():
    missed = (run(MON, JobOutcome.MISSED), run(TUE, JobOutcome.MISSED))
    assert decided(WED.at - HOUR, *missed, run(WED)) == (None, (), WED)


def test_what_a_clock_that_was_ahead_called_missed_still_runs():
    wrong = (run(TUE, JobOutcome.MISSED), run(WED, JobOutcome.MISSED), run(FRI))
    assert decided(TUE.at - HOUR, run(MON, JobOutcome.OK), *wrong) == (None, (), TUE)
    assert decided(TUE.at + HOUR, run(MON, JobOutcome.OK), *wrong) == (TUE, (), WED)


def test_a_date_that_the_calendar_no_longer_has_is_neither_run_nor_lost():
    gone = Due(date(2026, 11, 26), WED.at + timedelta(days=1), WED.at + timedelta(days=1.5))
    assert decided(gone.at + HOUR, run(gone)) == (None, (), FRI)


def test_without_occasions_nothing_is_planned():
    assert plan([], known(run(MON)), MON.at + HOUR).next is None


OUTCOMES = st.sampled_from([None, *JobOutcome])


@given(
    st.dictionaries(st.sampled_from(DUES), st.tuples(OUTCOMES, st.booleans())), st.integers(-24 * 5, 24 * 10)
)
def test_whatever_is_stored_nothing_runs_twice_early_or_too_late(stored, hours):
    now = MON.at + hours * HOUR
    runs = {due.slot: run(due, outcome, started) for due, (outcome, started) in stored.items()}
    found = plan(DUES, runs, now)
    over = {
        due
        for due, (outcome, _) in stored.items()
        if outcome in {JobOutcome.OK, JobOutcome.FAILED, JobOutcome.LATE}
    }
    assert not over & {found.run, found.next, *found.lost}
    assert found.run is None or found.run.at <= now <= found.run.until
    assert found.next is None or now < found.next.at
    assert all(due.at <= now and due is not found.run for due in found.lost)
    later = [due for due in DUES if due.at > now and due not in over]
    assert found.next == (later[0] if later else None)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(0, 2**30))
def test_however_riskbot_is_stopped_and_started_each_date_is_run_or_told_exactly_once(gaps, cuts):
    """Each step of a generated life plans and does what the plan says; some runs are cut off before their end."""
    stored, runs, told, now = {}, [], [], MON.at - 30 * HOUR
    for step, gap in enumerate(gaps):
        now += gap * HOUR
        for _ in range(3):
            todo = plan(DUES, stored, now)
            stored = {slot: one for slot, one in stored.items() if one.outcome is not None}
            told += todo.lost
            stored |= known(*(run(due, JobOutcome.MISSED) for due in todo.lost))
            if todo.run is None:
                stored |= known(*([run(todo.next)] if todo.next else []))
                break
            if cuts >> step & 1:
                stored |= known(run(todo.run, started=True))
                break
            runs.append(todo.run)
            stored |= known(run(todo.run, JobOutcome.OK))
    everything = runs + told
    assert len(everything) == len(set(everything))
    first = MON.at - 30 * HOUR + gaps[0] * HOUR
    owed = [due for due in DUES if first < due.at and due.until < now]
    assert set(owed) <= set(everything)
    assert all(due.at >= first for due in everything)


def session(day, opens, closes):
    at = [
        datetime.combine(day, time.fromisoformat(text), NEW_YORK).astimezone(UTC) for text in (opens, closes)
    ]
    return Session(day, *at)


def test_a_half_day_s_report_follows_its_own_close():
    half = session(date(2026, 11, 27), "09:30", "13:00")
    (due,) = AfterClose(timedelta(minutes=5)).around(half.opens, [half])
    assert due.at.astimezone(NEW_YORK).time() == time(13, 5) and due.until - due.at == 12 * HOUR
    (note,) = BeforeOpen(timedelta(minutes=15)).around(half.opens, [half])
    assert note.at.astimezone(NEW_YORK).time() == time(9, 15) and note.until == half.closes


@pytest.mark.parametrize("hour", ["00:00", "01:30", "02:30", "03:15", "23:59"])
@pytest.mark.parametrize("around", [date(2026, 11, 1), date(2027, 3, 14)])
def test_every_date_has_one_night_also_when_the_clocks_change(hour, around):
    at = datetime.combine(around, time(12), NEW_YORK)
    nights = EachNight(time.fromisoformat(hour), NEW_YORK).around(at.astimezone(UTC), [])
    assert [one.day for one in nights] == [around + timedelta(days=n) for n in range(-14, 3)]
    apart = {(b.at - a.at) / HOUR for a, b in pairwise(nights)}
    assert apart <= {23.0, 24.0, 25.0} and all(
        one.at.astimezone(NEW_YORK).date() == one.day for one in nights
    )


def test_a_slot_is_its_date():
    assert replace(MON, at=MON.at + HOUR).slot == "2026-11-23"
