"""A message's way through the outbox: none lost, none sent twice without a mark."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.errors import StoreError
from engine.store import Message, MessageKind, OutboxState, Priority, Store

NOW = datetime(2026, 7, 28, 14, tzinfo=UTC)
SOON = NOW + timedelta(seconds=30)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def message(key, priority=Priority.ALERT, **changes):
    values = {"chat_id": 42, "kind": MessageKind.ALERT, "body": {"text": key}, "created_at": NOW}
    return Message(key=key, priority=priority, **(values | changes))


def claimed(store, now=NOW):
    """The keys of everything that is due, in the order it is taken."""
    keys = []
    while (item := store.claim_next(now)) is not None:
        keys.append(item.key)
    return keys


def test_an_empty_outbox_has_nothing_to_send(store):
    assert store.claim_next(NOW) is None


def test_a_claimed_message_is_the_one_that_was_queued(store):
    sent = message(
        "a",
        body={"text": "Verlust −12 %", "rows": [1, None, 2.5]},
        picture=b"\x89PNG\r\n",
        chat_id=-1001234567890123,
    )
    store.enqueue([sent])

    item = store.claim_next(NOW)

    assert {
        name: getattr(item, name)
        for name in ("key", "chat_id", "kind", "body", "picture", "priority", "created_at")
    } == {
        name: getattr(sent, name)
        for name in ("key", "chat_id", "kind", "body", "picture", "priority", "created_at")
    }


def test_claiming_counts_the_attempt_and_says_that_it_is_being_sent(store):
    store.enqueue([message("a")])

    item = store.claim_next(NOW)

    assert (item.state, item.attempts, item.may_repeat) == (OutboxState.SENDING, 1, False)


def test_a_claimed_message_is_not_claimed_again(store):
    store.enqueue([message("a")])
    store.claim_next(NOW)

    assert store.claim_next(NOW) is None


def test_the_highest_priority_goes_first_and_then_the_oldest(store):
    store.enqueue(
        [message("reply", Priority.REPLY), message("alert 1"), message("critical", Priority.CRITICAL)]
    )
    store.enqueue([message("alert 2"), message("report", Priority.REPORT)])

    assert claimed(store) == ["critical", "alert 1", "alert 2", "report", "reply"]


def test_a_clock_that_jumps_back_does_not_change_the_order(store):
    store.enqueue([message("first")])
    store.enqueue([message("second", created_at=NOW - timedelta(hours=1))])

    assert claimed(store) == ["first", "second"]


def test_a_message_waits_for_its_time(store):
    store.enqueue([message("later", not_before=SOON)])

    assert claimed(store, NOW) == []
    assert claimed(store, SOON) == ["later"]


def test_times_of_other_zones_are_the_same_instants(store):
    new_york = SOON.astimezone(ZoneInfo("America/New_York"))
    store.enqueue([message("later", not_before=new_york)])

    assert claimed(store, SOON - timedelta(microseconds=1)) == []
    assert store.claim_next(new_york).not_before == SOON


def test_the_same_key_twice_is_one_message_and_the_first_one_counts(store):
    store.enqueue([message("a", body={"n": 1}), message("a", body={"n": 2})])
    store.enqueue([message("a", body={"n": 3})])

    assert store.claim_next(NOW).body == {"n": 1}
    assert store.claim_next(NOW) is None


def test_a_key_that_was_sent_is_not_sent_again(store):
    store.enqueue([message("a")])
    store.mark_sent(store.claim_next(NOW).id, 77, NOW)

    store.enqueue([message("a")])

    assert store.claim_next(NOW) is None


def test_a_retry_waits_and_keeps_its_count_and_its_error(store):
    store.enqueue([message("a")])
    store.mark_retry(store.claim_next(NOW).id, SOON, "429: retry after 30")

    assert store.claim_next(NOW) is None
    item = store.claim_next(SOON)
    assert (item.attempts, item.error, item.may_repeat) == (2, "429: retry after 30", False)


def test_a_retry_after_a_timeout_is_marked_as_a_possible_repeat_for_good(store):
    store.enqueue([message("a")])
    store.mark_retry(store.claim_next(NOW).id, NOW, "timed out", may_have_arrived=True)
    store.mark_retry(store.claim_next(NOW).id, NOW, "refused")

    assert store.claim_next(NOW).may_repeat


def test_a_dead_message_is_never_claimed(store):
    store.enqueue([message("a")])
    store.mark_dead(store.claim_next(NOW).id, "403: bot was blocked")

    assert store.claim_next(SOON) is None
    assert store.recover_sending() == 0


def test_what_was_being_sent_when_the_process_died_is_sent_again_and_marked(store):
    store.enqueue([message("half-sent"), message("waiting")])
    store.claim_next(NOW)

    assert store.recover_sending() == 1

    first, second = store.claim_next(NOW), store.claim_next(NOW)
    assert (first.key, first.attempts, first.may_repeat) == ("half-sent", 2, True)
    assert (second.key, second.may_repeat) == ("waiting", False)


def test_what_was_sent_stays_sent_after_a_recovery(store):
    store.enqueue([message("a")])
    store.mark_sent(store.claim_next(NOW).id, 77, NOW)

    assert store.recover_sending() == 0
    assert store.claim_next(NOW) is None


@pytest.mark.parametrize(
    "mark",
    [
        lambda store, id_: store.mark_sent(id_, 77, NOW),
        lambda store, id_: store.mark_retry(id_, NOW, "again"),
        lambda store, id_: store.mark_dead(id_, "gone"),
    ],
)
def test_only_a_message_that_is_being_sent_can_be_marked(store, mark):
    store.enqueue([message("a")])
    item = store.claim_next(NOW)
    store.recover_sending()

    with pytest.raises(StoreError, match=f"message {item.id} of the outbox is pending, not being sent"):
        mark(store, item.id)
    with pytest.raises(StoreError, match="message 99 of the outbox is missing"):
        mark(store, 99)
