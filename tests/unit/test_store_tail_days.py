"""Values at Risk in the store: one row a day, what became of it, and the Snapshot that it is of."""

import math
import sqlite3
from dataclasses import replace
from datetime import date, timedelta

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from engine.errors import StoreError
from engine.results import TailDay, TailFigure
from engine.store import Store
from engine.store.engines import open_migrator
from engine.store.schema import MIGRATIONS
from tests.unit.books import AS_OF, holding, snapshot

DAY = AS_OF.date()
NEXT = DAY + timedelta(days=1)
FIGURES = tuple(
    TailFigure(method, level, 100.0 * level, 130.0 * level, 500)
    for method in ("filtered history", "plain history")
    for level in (0.95, 0.975, 0.99)
)
SNAPSHOT = snapshot([holding("AAA", 10.0, mark=100.0)], net_liquidation=1e5)
CLOSE = TailDay(DAY, AS_OF, FIGURES, 1e5, 1000.0, ("DU1:CL",))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "riskbot.sqlite3"


@pytest.fixture
def store(path):
    with Store.open(f"sqlite:///{path}") as opened:
        yield opened


def test_a_day_comes_back_as_it_was_with_its_snapshot(store):
    store.save_tail_day(SNAPSHOT, CLOSE)
    assert store.tail_days() == [CLOSE]
    assert store.tail_day_before(NEXT) == (CLOSE, SNAPSHOT)
    assert store.tail_day_before(DAY) is None and store.latest_snapshot() == SNAPSHOT


def test_the_same_day_again_replaces_it_figures_and_all(store):
    store.save_tail_day(SNAPSHOT, CLOSE)
    other = replace(CLOSE, figures=FIGURES[:1], value=7.0, left_out=())
    later = replace(SNAPSHOT, net_liquidation=2.0)
    store.save_tail_day(later, other)
    assert store.tail_days() == [other] and store.tail_day_before(NEXT) == (other, later)


def test_what_became_of_a_day_is_stored_with_the_next_one(store):
    store.save_tail_day(SNAPSHOT, CLOSE)
    known = replace(CLOSE, until=NEXT, pnl=-120.5, change=-90.0, remark="1 valued by the model")
    after = replace(CLOSE, day=NEXT)
    store.save_tail_day(SNAPSHOT, after, known)
    assert store.tail_days() == [known, after]
    again = replace(known, pnl=None, remark="not valued: AAA: no price")
    store.save_tail_day(SNAPSHOT, after, again)
    assert store.tail_days() == [again, after]


def test_the_day_before_is_the_last_of_several(store):
    for ago in (5, 1, 3):
        store.save_tail_day(SNAPSHOT, replace(CLOSE, day=DAY - timedelta(days=ago)))
    found, _ = store.tail_day_before(DAY)
    assert found.day == DAY - timedelta(days=1)
    assert [DAY - one.day for one in store.tail_days()] == [timedelta(days=ago) for ago in (5, 3, 1)]


def test_a_day_without_figures_is_a_day(store):
    store.save_tail_day(SNAPSHOT, replace(CLOSE, figures=()))
    assert store.tail_days()[0].figures == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"figures": (replace(FIGURES[0], var=math.nan),)},
        {"figures": (replace(FIGURES[0], level=1.0),)},
        {"figures": FIGURES[:1] * 2},
        {"value": math.inf},
        {"until": DAY, "pnl": 1.0},
    ],
)
def test_what_can_t_be_is_refused_and_the_stored_day_and_snapshots_stay(store, path, bad):
    store.save_tail_day(SNAPSHOT, CLOSE)
    with pytest.raises(StoreError) as refusal:
        store.save_tail_day(SNAPSHOT, replace(CLOSE, **bad))
    assert "\n" not in str(refusal.value) and store.tail_days() == [CLOSE]
    assert counted(path, "snapshots") == 1


def test_without_its_snapshot_a_day_stays_and_says_so(store, path):
    store.save_tail_day(SNAPSHOT, CLOSE)
    with store._write("can't forget") as session:
        session.connection().exec_driver_sql("DELETE FROM snapshots")
    assert store.tail_day_before(NEXT) == (CLOSE, None)


def counted(path, table):
    database = sqlite3.connect(path)
    try:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    finally:
        database.close()


def test_a_database_of_the_schema_before_keeps_its_rows_and_can_keep_days(path):
    engine = open_migrator(make_url(f"sqlite:///{path}"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.exec_driver_sql("INSERT INTO scenarios VALUES ('crash2', 'spy -7%', '2026-01-01')")
        connection.exec_driver_sql("INSERT INTO bars VALUES ('SPY', 'TRADES', '2026-01-05', 1, 2, 3, 4)")
    engine.dispose()
    with Store.open(f"sqlite:///{path}") as store:
        assert [one.name for one in store.scenarios()] == ["crash2"]
        assert store.bars("SPY", "TRADES")[0].day == date(2026, 1, 5)
        store.save_tail_day(SNAPSHOT, CLOSE)
        assert store.tail_days() == [CLOSE]
