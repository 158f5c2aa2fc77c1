"""Several writers, readers and an event loop at once on real files."""

import runpy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from engine.store import AsyncStore, OutboxState, Store

samples = runpy.run_path(str(Path(__file__).with_name("store_writer.py")))
START, a_message, a_snapshot, a_report = (
    samples[name] for name in ("START", "a_message", "a_snapshot", "a_report")
)
EACH = 60


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'riskbot.sqlite3'}"


def drain(store):
    """Every waiting message taken and sent; their keys."""
    keys = []
    while (item := store.claim_next(START)) is not None:
        store.mark_sent(item.id, 1000 + item.id, START)
        keys.append(item.key)
    return keys


def test_two_threads_that_write_at_once_both_succeed(url):
    with Store.open(url) as store, ThreadPoolExecutor(2) as threads:
        jobs = [
            threads.submit(lambda name=name: [store.enqueue([a_message(f"{name}/{i}")]) for i in range(EACH)])
            for name in "ab"
        ]
        for job in jobs:
            job.result()

        assert len(drain(store)) == 2 * EACH


def test_a_transaction_that_reads_first_never_loses_to_another_process(url):
    """Two stores share no lock, as two processes don't. Both read, then write: a deferred transaction would fail at once."""
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(2) as threads:
        ready = threading.Barrier(2)

        def read_then_write(store, name):
            ready.wait()
            for i in range(EACH):
                store.enqueue([a_message(f"{name}/{i}")])
                store.claim_next(START)

        for job in [threads.submit(read_then_write, one, "a"), threads.submit(read_then_write, other, "b")]:
            job.result()

        assert one.recover_sending() == 2 * EACH


def test_two_senders_never_take_the_same_message(url):
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(2) as threads:
        one.enqueue(a_message(f"alert/{i}") for i in range(EACH))

        taken = [key for keys in threads.map(drain, (one, other)) for key in keys]

    assert sorted(taken) == sorted(f"alert/{i}" for i in range(EACH))


def test_a_reader_does_not_wait_for_a_writer(url):
    with Store.open(url) as store:
        store.enqueue([a_message()])
        with store._write("hold the write lock"), ThreadPoolExecutor(1) as threads:
            assert threads.submit(store.alert_states).result(timeout=10) == []


@pytest.mark.anyio
async def test_the_loop_and_its_readers_go_on_while_writers_wait_for_each_other(url):
    held, release, second = threading.Event(), threading.Event(), threading.Event()
    released = []

    def hold(database):
        with database._write("hold the write lock"):
            held.set()
            released.append(release.wait(10))

    async with AsyncStore.open(url) as store, anyio.create_task_group() as tasks:
        tasks.start_soon(store.write, hold)
        while not held.is_set():
            await anyio.sleep(0)
        tasks.start_soon(store.write, lambda _: second.set())
        states = await store.read(Store.alert_states)
        overtaken = second.is_set()
        release.set()

    assert (states, overtaken, released, second.is_set()) == ([], False, [True], True)


@pytest.mark.anyio
async def test_every_call_runs_beside_the_loop(url):
    async with AsyncStore.open(url) as store:
        threads = {await call(lambda _: threading.get_ident()) for call in (store.read, store.write)}

    assert threading.get_ident() not in threads


@pytest.mark.anyio
async def test_what_is_written_on_the_loop_is_there_when_the_store_is_opened_again(url):
    async with AsyncStore.open(url) as store:
        await store.write(Store.save_cycle, a_snapshot(), a_report(), [], [a_message()])
    async with AsyncStore.open(url) as store:
        item = await store.write(Store.claim_next, START)
        snapshot = await store.read(Store.latest_snapshot)

    assert (item.key, item.state, snapshot) == ("alert/1", OutboxState.SENDING, a_snapshot())


@pytest.mark.anyio
async def test_a_cancelled_caller_still_closes_the_file(url, tmp_path):
    with anyio.CancelScope() as scope:
        async with AsyncStore.open(url) as store:
            await store.write(Store.enqueue, [a_message()])
            scope.cancel()
            await anyio.sleep(30)

    assert [file.name for file in tmp_path.iterdir()] == ["riskbot.sqlite3"]
