"""Saved scenarios: kept by name, replaced whole, forgotten for good."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.errors import StoreError
from engine.store import SavedScenario, Store

CRASH = SavedScenario("crash2", "spy -7% puts +40% 2d", datetime(2026, 11, 24, 15, 0, tzinfo=UTC))


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def test_scenarios_come_back_as_saved_by_name(store):
    other = replace(CRASH, name="a", text="iv +5p")
    store.put_scenario(CRASH)
    store.put_scenario(other)
    assert store.scenarios() == [other, CRASH]


def test_one_of_the_same_name_is_replaced(store):
    store.put_scenario(CRASH)
    store.put_scenario(replace(CRASH, text="-20%"))
    assert [one.text for one in store.scenarios()] == ["-20%"]


def test_a_deleted_one_is_gone_and_deleting_twice_is_no_error(store):
    store.put_scenario(CRASH)
    store.delete_scenario("crash2")
    store.delete_scenario("crash2")
    assert store.scenarios() == []


def test_a_time_without_a_zone_is_refused_and_nothing_is_stored(store):
    with pytest.raises(StoreError, match=r"scenarios\.saved_at"):
        store.put_scenario(replace(CRASH, saved_at=datetime(2026, 11, 24)))
    assert store.scenarios() == []
