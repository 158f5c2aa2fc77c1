"""Events: what a source says replaces what it said of the time to come, and what it could not say leaves the old rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.errors import StoreError
from engine.model import Event, EventKind, Impact, Timing
from engine.store import Store

NOW = datetime(2026, 11, 25, 15, tzinfo=UTC)
FOMC = Event(
    EventKind.FOMC, datetime(2026, 12, 9, 19, tzinfo=UTC), True, Impact.HIGH, source="fed.csv", fetched_at=NOW
)
TSLA = Event(
    EventKind.EARNINGS, datetime(2026, 12, 3, 21, tzinfo=UTC), False, Impact.HIGH, ("TSLA",),
    timing=Timing.AFTER_CLOSE, source="yahoo", fetched_at=NOW,
)  # fmt: skip
AVGO = replace(
    TSLA, at=datetime(2026, 12, 10, 21, tzinfo=UTC), symbols=("AVGO",), timing=None, confirmed=None
)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def test_events_come_back_as_they_were_in_order_of_time(store):
    store.put_events("fed.csv", [FOMC], NOW)
    store.put_events("yahoo", [AVGO], NOW, "AVGO")
    store.put_events("yahoo", [TSLA], NOW, "TSLA")
    assert store.events(NOW) == [TSLA, FOMC, AVGO]


def test_what_is_past_is_not_asked_for(store):
    store.put_events("fed.csv", [FOMC], NOW)
    assert store.events(FOMC.at) == [FOMC]
    assert store.events(FOMC.at + timedelta(seconds=1)) == []


def test_a_date_that_moves_leaves_no_old_row(store):
    store.put_events("yahoo", [TSLA], NOW, "TSLA")
    later = replace(TSLA, at=TSLA.at + timedelta(days=2), fetched_at=NOW + timedelta(days=1))
    store.put_events("yahoo", [later], NOW + timedelta(days=1), "TSLA")
    assert store.events(NOW) == [later]


def test_one_symbol_s_news_leaves_the_others_and_the_other_sources_alone(store):
    store.put_events("yahoo", [TSLA], NOW, "TSLA")
    store.put_events("yahoo", [AVGO], NOW, "AVGO")
    store.put_events("fed.csv", [FOMC], NOW)
    store.put_events("yahoo", [], NOW, "TSLA")
    assert store.events(NOW) == [FOMC, AVGO]


def test_what_was_reported_before_the_source_spoke_again_stays(store):
    store.put_events("yahoo", [TSLA], NOW, "TSLA")
    after = TSLA.at + timedelta(hours=1)
    following = replace(TSLA, at=TSLA.at + timedelta(days=91), fetched_at=after)
    store.put_events("yahoo", [following], after, "TSLA")
    assert store.events(NOW) == [TSLA, following]


def test_the_same_event_said_again_has_the_newer_time(store):
    store.put_events("fed.csv", [FOMC], NOW)
    again = replace(FOMC, fetched_at=NOW + timedelta(days=1), confirmed=False)
    store.put_events("fed.csv", [again], NOW + timedelta(days=1))
    assert store.events(NOW) == [again]


def test_a_time_of_another_zone_is_the_same_instant(store):
    tokyo = replace(FOMC, at=FOMC.at.astimezone(timezone(timedelta(hours=9))))
    store.put_events("fed.csv", [tokyo], NOW)
    assert store.events(NOW) == [FOMC] and store.events(NOW)[0].at.tzinfo is UTC


@pytest.mark.parametrize("facts", [{"source": ""}, {"fetched_at": None}, {"at": datetime(2026, 12, 9)}])
def test_an_event_without_a_source_its_time_or_a_zone_is_refused_and_the_stored_stay(store, facts):
    store.put_events("fed.csv", [FOMC], NOW)
    with pytest.raises(StoreError):
        store.put_events("fed.csv", [replace(FOMC, **facts)], NOW)
    assert store.events(NOW) == [FOMC]
