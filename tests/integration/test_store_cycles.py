"""A cycle is stored whole or not at all, and comes back as it was."""

import dataclasses
import math
import runpy
import sqlite3
import zlib
from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.model import AlertState, Severity
from engine.results import NamedPnl
from engine.store import Store

samples = runpy.run_path(str(Path(__file__).with_name("store_writer.py")))
START, a_snapshot, a_report = samples["START"], samples["a_snapshot"], samples["a_report"]
a_run, an_alert, a_message = samples["a_run"], samples["an_alert"], samples["a_message"]


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


@pytest.fixture
def query(tmp_path, store):
    """Rows as another program sees them."""
    database = sqlite3.connect(tmp_path / "riskbot.sqlite3")
    yield lambda sql: database.execute(sql).fetchall()
    database.close()


def counts(query):
    return {
        table: query(f"SELECT count(*) FROM {table}")[0][0]
        for table in ("snapshots", "runs", "alerts", "outbox")
    }


def test_a_stored_snapshot_comes_back_equal(store):
    snapshot = a_snapshot(positions=50)

    store.save_cycle(snapshot, a_report(), [], [])

    assert store.latest_snapshot() == snapshot


def test_a_cycle_stores_its_snapshot_runs_alert_and_message(store, query):
    id_ = store.save_cycle(
        a_snapshot(), a_report(a_run("Market Panic"), a_run("Black Swan")), [an_alert()], [a_message()]
    )

    assert counts(query) == {"snapshots": 1, "runs": 2, "alerts": 1, "outbox": 1}
    assert query("SELECT DISTINCT snapshot_id FROM runs") == [(id_,)]


def test_a_run_keeps_the_figures_of_its_scenario(store, query):
    run = dataclasses.replace(a_run(), leg="down", left_out=("DU1:X", "DU1:Y"))

    store.save_cycle(a_snapshot(), a_report(run), [], [])

    assert query(
        "SELECT scenario, leg, pnl, pct, value, worst_id, worst_pnl, best_id, best_pnl, left_out FROM runs"
    ) == [("Market Panic", "down", -500.0, -0.2, 9_500.0, "DU1:S0", -500.0, None, None, 2)]


@pytest.mark.parametrize(
    ("snapshot", "runs", "alerts", "messages"),
    [
        (a_snapshot(), [a_run(pnl=math.nan)], [an_alert()], [a_message()]),
        (a_snapshot(), [a_run(), a_run()], [an_alert()], [a_message()]),
        (
            a_snapshot(),
            [dataclasses.replace(a_run(), best=NamedPnl("DU1:S0", math.inf))],
            [an_alert()],
            [a_message()],
        ),
        (a_snapshot(START.replace(tzinfo=None)), [a_run()], [an_alert()], [a_message()]),
        (dataclasses.replace(a_snapshot(), net_liquidation=math.nan), [a_run()], [an_alert()], [a_message()]),
        (a_snapshot(), [a_run()], [an_alert(episode=-1)], [a_message()]),
        (a_snapshot(), [a_run()], [an_alert(at=START.replace(tzinfo=None))], [a_message()]),
        (a_snapshot(), [a_run()], [dataclasses.replace(an_alert(), detail={"pct": math.nan})], [a_message()]),
        (a_snapshot(), [a_run()], [an_alert()], [a_message(body={"pct": math.nan})]),
        (a_snapshot(), [a_run()], [an_alert()], [a_message(at=START.replace(tzinfo=None))]),
    ],
    ids=[
        "pnl nan",
        "scenario twice",
        "best inf",
        "naive as_of",
        "net liquidation nan",
        "negative episode",
        "naive since",
        "detail nan",
        "body nan",
        "naive created_at",
    ],
)
def test_a_cycle_of_which_one_value_is_refused_leaves_nothing(store, query, snapshot, runs, alerts, messages):
    with pytest.raises(StoreError) as refusal:
        store.save_cycle(snapshot, a_report(*runs), alerts, messages)

    assert "\n" not in str(refusal.value)
    assert counts(query) == {"snapshots": 0, "runs": 0, "alerts": 0, "outbox": 0}


def test_a_refused_number_is_named_by_its_column(store):
    with pytest.raises(StoreError, match=r"runs\.pnl: nan is not a number"):
        store.save_cycle(a_snapshot(), a_report(a_run(pnl=math.nan)), [], [])


def test_the_latest_snapshot_is_the_latest_complete_one(store):
    whole, partial = a_snapshot(START), a_snapshot(START + timedelta(minutes=5), complete=False)
    store.save_cycle(whole, a_report(), [], [])
    store.save_cycle(partial, a_report(), [], [])

    assert store.latest_snapshot() == whole
    assert store.latest_snapshot(complete_only=False) == partial


def test_an_empty_store_has_no_snapshot(store):
    assert store.latest_snapshot() is None
    assert store.snapshot_at(START) is None


def test_the_snapshot_at_a_time_is_the_last_at_or_before_it(store):
    early, late = a_snapshot(START), a_snapshot(START + timedelta(minutes=5))
    store.save_cycle(late, a_report(), [], [])
    store.save_cycle(early, a_report(), [], [])

    assert store.snapshot_at(START + timedelta(minutes=4)) == early
    assert store.snapshot_at(START + timedelta(minutes=5)) == late
    assert store.snapshot_at(START - timedelta(seconds=1)) is None


def test_the_complete_snapshot_before_and_after_a_time(store):
    for minutes, complete in ((0, True), (5, False), (10, True)):
        store.save_cycle(
            dataclasses.replace(a_snapshot(), as_of=START + timedelta(minutes=minutes), complete=complete),
            a_report(),
            [],
            [],
        )

    def found(minutes, **which):
        one = store.complete_snapshot(START + timedelta(minutes=minutes), **which)
        return None if one is None else (one.as_of - START) / timedelta(minutes=1)

    assert [found(m) for m in (-1, 0, 7, 10, 99)] == [None, 0, 0, 10, 10]
    assert [found(m, after=True) for m in (-1, 0, 3, 10, 11)] == [0, 0, 10, 10, None]


def test_a_snapshot_that_was_damaged_on_disk_is_named(store, query, tmp_path):
    id_ = store.save_cycle(a_snapshot(), a_report(), [], [])
    with sqlite3.connect(tmp_path / "riskbot.sqlite3") as vandal:
        vandal.execute("UPDATE snapshots SET body = ?", (zlib.compress(b'{"version": 1}'),))
    vandal.close()

    with pytest.raises(StoreError, match=f"stored snapshot {id_} of 2026-07-28 14:00:00"):
        store.latest_snapshot()


def test_an_alert_state_replaces_the_one_before(store):
    store.save_cycle(a_snapshot(), a_report(), [an_alert(1)], [])
    later = an_alert(2, AlertState.RECOVERING, START + timedelta(minutes=5))

    store.save_cycle(a_snapshot(), a_report(), [later], [])

    assert store.alert_states() == [later]


def test_of_one_alert_given_twice_the_last_state_counts(store):
    store.save_cycle(a_snapshot(), a_report(), [an_alert(1), an_alert(2)], [])

    assert store.alert_states() == [an_alert(2)]


def test_an_alert_survives_a_restart(store, tmp_path):
    alert = dataclasses.replace(an_alert(), severity=Severity.CRITICAL)
    store.save_cycle(a_snapshot(), a_report(), [alert], [])
    store.close()

    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as again:
        assert again.alert_states() == [alert]


def test_the_runs_of_a_deleted_snapshot_go_with_it(store, query, tmp_path):
    store.save_cycle(a_snapshot(), a_report(a_run()), [], [])
    with store._writer.begin() as connection:
        connection.exec_driver_sql("DELETE FROM snapshots")

    assert counts(query)["runs"] == 0
