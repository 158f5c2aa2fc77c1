"""Runs of once-a-day jobs in the store: one row a (job, slot), what has ended stays ended, and one run of a job is owed."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import StoreError
from engine.store import JobOutcome, JobRun, Store

DUE = datetime(2026, 11, 24, 21, 5, tzinfo=UTC)
DAY = timedelta(days=1)
LONG_AGO = DUE - 100 * DAY
PLANNED = JobRun("end of day", "2026-11-24", DUE)
BEGUN = replace(PLANNED, started_at=DUE + timedelta(seconds=1))
DONE = replace(BEGUN, finished_at=DUE + timedelta(seconds=4), outcome=JobOutcome.OK, seconds=3.0)
NEXT = JobRun("end of day", "2026-11-25", DUE + DAY)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


@pytest.fixture
def store(path):
    with Store.open(f"sqlite:///{path}") as opened:
        yield opened


def test_a_run_goes_from_planned_to_begun_to_done_in_one_row(store):
    for step in (PLANNED, BEGUN):
        store.put_job_runs("end of day", (), step)
        assert store.job_runs(LONG_AGO) == [step]
    store.put_job_runs("end of day", [DONE], NEXT)
    assert store.job_runs(LONG_AGO) == [DONE, NEXT]


def test_what_has_ended_can_t_be_begun_again(store):
    assert store.begin_job_run(BEGUN) and store.begin_job_run(BEGUN)  # cut off and begun again
    store.put_job_runs("end of day", [DONE], None)
    assert not store.begin_job_run(BEGUN)
    assert store.job_runs(LONG_AGO) == [DONE]


@pytest.mark.parametrize("outcome", [JobOutcome.FAILED, JobOutcome.LATE])
def test_nor_what_has_failed_or_was_late(store, outcome):
    store.put_job_runs("end of day", [replace(DONE, outcome=outcome, note="why")], None)
    assert not store.begin_job_run(BEGUN)
    assert store.job_runs(LONG_AGO)[0].note == "why"


def test_what_was_called_missed_can(store):
    store.put_job_runs("end of day", [replace(PLANNED, outcome=JobOutcome.MISSED)], None)
    assert store.begin_job_run(BEGUN) and store.job_runs(LONG_AGO) == [BEGUN]


def test_the_run_that_is_owed_takes_the_place_of_any_owed_before_and_of_no_other_job(store):
    other = replace(PLANNED, job="nightly")
    store.put_job_runs("nightly", (), other)
    store.begin_job_run(BEGUN)
    store.put_job_runs("end of day", (), NEXT)
    assert store.job_runs(LONG_AGO) == [other, NEXT]
    store.put_job_runs("end of day", (), None)
    assert store.job_runs(LONG_AGO) == [other]


def test_the_runs_since_a_time_come_with_any_older_one_that_has_not_ended(store):
    store.put_job_runs("end of day", [DONE], None)
    store.put_job_runs("nightly", (), replace(PLANNED, job="nightly"))
    assert [run.job for run in store.job_runs(DUE + DAY)] == ["nightly"]
    assert [run.job for run in store.job_runs(DUE)] == ["end of day", "nightly"]


@pytest.mark.parametrize(
    "bad",
    [
        replace(DONE, seconds=-1.0),
        replace(DONE, started_at=None),
        replace(DONE, finished_at=None),
        replace(DONE, due_at=DUE.replace(tzinfo=None)),
        replace(DONE, seconds=float("nan")),
    ],
)
def test_what_can_t_be_is_refused_and_nothing_of_it_is_stored(store, bad):
    store.put_job_runs("end of day", (), NEXT)
    with pytest.raises(StoreError):
        store.put_job_runs("end of day", [bad], PLANNED)
    assert store.job_runs(LONG_AGO) == [NEXT]


def test_the_table_takes_no_other_outcome(store, path):
    store.put_job_runs("end of day", (), PLANNED)
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="ck_job_runs_outcome"):
        database.execute("UPDATE job_runs SET outcome = 'fine', started_at = due_at, finished_at = due_at")
    database.close()
