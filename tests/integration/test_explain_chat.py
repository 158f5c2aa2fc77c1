"""/explain from the store: which Snapshot it begins at, what it says where none is, and the whole way through the chat."""

import sqlite3
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.diary import Diary, Since
from bot.handlers.explain import asked
from engine.analysis import analyse
from engine.errors import RequestError
from engine.model import Contract, Kind
from engine.store import AsyncStore, Execution, Store
from tests.integration.test_bot import program, query
from tests.integration.waiting import until
from tests.unit.books import SETTINGS, holding, snapshot

pytestmark = pytest.mark.anyio

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)


@asynccontextmanager
async def diary(folder, *times, complete=True):
    """A Diary over a store with a Snapshot at each of the times."""
    book = snapshot([holding("BBB", 10.0, mark=50.0)], complete=complete)
    report = analyse(book, SETTINGS)
    async with AsyncStore.open(f"sqlite:///{folder}/riskbot.sqlite3") as store:
        for time in times:
            at = datetime.fromisoformat(time).replace(tzinfo=UTC)
            await store.write(Store.save_cycle, replace(book, as_of=at), report, [], [])
        yield Diary(store, "NYSE", ZONE), store


CLOSE, LATER = "2026-11-24 20:57", "2026-11-25 14:32"


async def test_a_day_begins_at_the_last_snapshot_before_yesterday_s_close(tmp_path):
    async with diary(tmp_path, "2026-11-23 20:58", CLOSE, "2026-11-24 21:03", LATER) as (it, _):
        start = await it.start(Since(), NOW)
        assert f"{start.snapshot.as_of:%Y-%m-%d %H:%M}" == CLOSE
        assert (start.name, start.doubt) == ("the close of Tue 24 Nov", None)
        earlier = await it.start(Since(closes=2), NOW)
        assert earlier.name == "the close of Mon 23 Nov" and earlier.snapshot.as_of.day == 23


async def test_an_open_begins_at_the_first_snapshot_after_it(tmp_path):
    async with diary(tmp_path, CLOSE, LATER, "2026-11-25 14:37") as (it, _):
        start = await it.start(Since(at_open=True), NOW)
        assert f"{start.snapshot.as_of:%Y-%m-%d %H:%M}" == LATER
        assert (start.name, start.doubt) == ("the open of Wed 25 Nov", None)


async def test_a_snapshot_far_from_the_close_is_named_by_its_own_time(tmp_path):
    async with diary(tmp_path, "2026-11-24 17:00") as (it, _):
        start = await it.start(Since(), NOW)
        assert start.name == "24 Nov 12:00"
        assert start.doubt == "nothing is stored nearer to the close of Tue 24 Nov"


async def test_with_nothing_from_before_it_begins_at_the_first_of_all_and_says_so(tmp_path):
    async with diary(tmp_path, LATER, "2026-11-25 15:00") as (it, _):
        start = await it.start(Since(), NOW)
        assert start.name == "the first stored snapshot, 09:32"
        assert start.doubt == "nothing is stored of the close of Tue 24 Nov"
        assert await it.start(Since(), NOW - timedelta(hours=8)) is None


@pytest.mark.parametrize("complete", [True, False])
async def test_with_nothing_whole_stored_there_is_no_start(tmp_path, complete):
    async with diary(tmp_path, *([] if complete else [CLOSE]), complete=complete) as (it, _):
        assert await it.start(Since(), NOW) is None
        assert await it.start(Since(at_open=True), NOW) is None


async def test_stored_fills_come_as_trades(tmp_path):
    async with diary(tmp_path, CLOSE) as (it, store):
        contract = Contract("BBB", Kind.STOCK, "BBB")
        fills = [
            Execution(str(i), "U1", 7, contract, NOW + timedelta(hours=i), 10.0, 49.5, 1.0, "USD", None)
            for i in (-30, -1)
        ]
        await store.write(Store.put_executions, fills)
        (one,) = await it.trades(NOW - timedelta(hours=2))
        assert (one.at, one.quantity, one.price, one.account, one.commission) == (
            fills[1].at,
            10.0,
            49.5,
            "U1",
            1.0,
        )


@pytest.mark.parametrize(
    ("text", "since", "symbol"),
    [
        ("", Since(), ""),
        ("open", Since(at_open=True), ""),
        ("3d", Since(3), ""),
        ("aapl", Since(), "aapl"),
        ("AAPL 3D", Since(3), "AAPL"),
        ("open aapl", Since(at_open=True), "aapl"),
        ("close", Since(), ""),
    ],
)
async def test_what_may_follow_explain(text, since, symbol):
    assert asked(text) == (since, symbol)
    assert asked(f"{since.words} {symbol}") == (since, symbol)


@pytest.mark.parametrize("text", ["0d", "251d", "999999d", "3d open", "aapl msft"])
async def test_what_can_t_be_explained_is_refused_with_an_example(text):
    with pytest.raises(RequestError, match="Try: /explain"):
        asked(text)


@pytest.mark.slow
async def test_a_crash_is_explained_in_chat_by_cause_by_position_and_as_a_waterfall(tmp_path):
    async with program(tmp_path, cycle_s=1.0) as it:
        await until(lambda: query(it.database, "select count(*) from snapshots")[0][0] >= 2, 30)
        it.gateway.crash(spot=-0.02)
        (answer,) = await it.ask("/explain")
        assert answer["text"].startswith("P&L since the first stored snapshot,")
        assert "nothing is stored of the close of" in answer["text"] and "revalued" in answer["text"]
        await it.press(answer, "By position")
        await until(lambda: "   else" in it.message(answer["message_id"])["text"], 30)
        assert "SPY" in it.message(answer["message_id"])["text"]
        await it.press(it.message(answer["message_id"]), "Waterfall")
        await until(lambda: any(m["photo"] for m in it.answers(answer["message_id"])), 30)
        (other,) = await it.ask("/explain AAPL")
        assert other["text"].startswith("P&L of AAPL since")


@pytest.mark.slow
async def test_with_nothing_stored_explain_says_so_in_a_line(tmp_path):
    async with program(tmp_path) as it:
        await until(lambda: query(it.database, "select count(*) from snapshots")[0][0] >= 1, 30)
        forget_snapshots(it.database)
        (answer,) = await it.ask("/explain")
        assert answer["text"].startswith("No snapshot is stored yet to explain from: one is every 3600 s")
        assert "\n" not in answer["text"]


def forget_snapshots(database):
    connection = sqlite3.connect(database)
    connection.execute("delete from snapshots")
    connection.commit()
    connection.close()
