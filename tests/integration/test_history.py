"""History over a real socket: from the simulated gateway through the real client into a SQLite file and the Book."""

import logging
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import anyio
import pytest

from bot.clock import SystemClock
from bot.history import StoredHistory, refer_to
from engine.book import Book, Holding
from engine.broker.client import IbClient
from engine.broker.facts import ContractFact, End, SecType
from engine.broker.history import History
from engine.broker.history_queue import ALL, HISTORICAL, IMPLIED, TRADES
from engine.errors import LinkDown
from engine.model import Contract, Kind, Right
from engine.scenarios import betas
from engine.settings import ScenarioSettings
from engine.store import AsyncStore, Store
from simulator.gateway import GatewayConfig, messages, requests, running_gateway
from simulator.gateway.data_requests import historical_bars
from simulator.gateway.history import Bar as SimulatedBar
from simulator.gateway.protocol import frame, number
from tests.integration.waiting import until

pytestmark = pytest.mark.anyio

START = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
SESSION = date(2026, 11, 23)
SPY, AAPL = ContractFact(0, "SPY", SecType.STOCK), ContractFact(0, "AAPL", SecType.STOCK)
SPX = ContractFact(0, "SPX", SecType.INDEX, exchange="CBOE")
HEAD = "Historical Market Data Service error message:"
HISTORY, CANCEL, EXECUTIONS = 20, "25", 7


class JumpingClock:
    """Runs from START; `jump` takes it ahead."""

    def __init__(self):
        self.real = SystemClock()
        self.began = self.real.monotonic()
        self.ahead = 0.0

    def jump(self, seconds):
        self.ahead += seconds

    def now(self):
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self):
        return self.real.monotonic() - self.began + self.ahead


class Desk:
    """A gateway, the stored history and a way to log in."""

    def __init__(self, gateway, clock, store):
        self.gateway, self.clock, self.store = gateway, clock, store
        self.book = Book()
        self.archive = StoredHistory(self.book, store, clock, "NYSE")
        self.history = History(self.book, self.archive, clock)

    @property
    def asked(self):
        """(what, duration) of each historical request that the gateway has received, in order."""
        return [
            (row.fields[19], row.fields[17])
            for row in self.gateway.received
            if row.message_id == str(HISTORY)
        ]

    def restart(self):
        """As a new process on the same database."""
        self.gateway.received.clear()
        self.book = Book()
        self.archive = StoredHistory(self.book, self.store, self.clock, "NYSE")
        self.history = History(self.book, self.archive, self.clock)

    @asynccontextmanager
    async def login(self, client_id=1):
        client = IbClient()
        await client.connect("127.0.0.1", self.gateway.port, client_id, "", 4.0)
        try:
            yield client
        finally:
            client.disconnect()

    @asynccontextmanager
    async def fetching(self, *contracts):
        """A login with these underlyings, fetching for the length of the block."""
        for contract in contracts:
            self.book.set_underlying(contract.symbol, Kind.STOCK)
        underlyings = {contract.symbol: contract for contract in contracts}
        async with self.login() as client, self.history.beside(client, lambda: underlyings):
            yield client

    async def stored(self, count):
        """Wait until so many series are stored up to the last session; a look is had at each turn."""
        newest = {}
        with anyio.move_on_after(30.0):
            while True:
                newest = await self.store.read(Store.newest_bars)
                if sum(day == SESSION for day in newest.values()) == count:
                    return
                self.history._settled.set()
                await anyio.sleep(0.02)
        raise AssertionError(f"not {count} series are stored: {newest}")


@pytest.fixture
async def desk(tmp_path):
    clock = JumpingClock()
    async with (
        AsyncStore.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as store,
        running_gateway(GatewayConfig(seed=7, clock=clock.now)) as gateway,
    ):
        yield Desk(gateway, clock, store)
        assert gateway.violations == []


@pytest.fixture
def answering(monkeypatch):
    """Put another answer in place of the gateway's own; returns the undoing."""

    def put(message_id, handler):
        original = requests.HANDLERS[message_id]
        monkeypatch.setitem(requests.HANDLERS, message_id, handler)
        return lambda: monkeypatch.setitem(requests.HANDLERS, message_id, original)

    return put


def refusing(code, text, only=None, times=10_000):
    """A handler of historical requests that refuses those for `only`, so many times, and answers the rest."""
    left = [times]

    def handle(gateway, session, fields):
        if (only is None or fields[19] == only) and left[0] > 0:
            left[0] -= 1
            session.send(messages.error(number(fields[1]), code, text))
        else:
            historical_bars(gateway, session, fields)

    return handle


def silent(gateway, session, fields):
    """No answer, ever."""


# From the gateway to the Book


async def test_two_years_of_each_series_are_stored_and_in_the_book(desk):
    async with desk.fetching(SPX, SPY, AAPL):
        await desk.stored(9)
    assert sorted(desk.asked) == sorted((what, "2 Y") for what in ALL for _ in range(3))
    bars = await desk.store.read(Store.bars, "SPX", TRADES)
    assert (
        len(bars) > 495 and bars[-1].day == SESSION and bars[0].day < date(2026, 11, 23) - timedelta(days=700)
    )
    spx = desk.book.freeze(desk.clock.now()).underlyings["SPX"]
    assert spx.closes == tuple((bar.day, bar.close) for bar in bars)
    assert len(spx.iv_history) > 495 and all(0.01 < level < 5 for _, level in spx.iv_history)
    realised = await desk.store.read(Store.bars, "SPX", HISTORICAL)
    assert len(realised) == len(bars) and all(0.01 < bar.close < 5 for bar in realised)


@pytest.mark.parametrize("reference", ["SPY", "SPX"])
async def test_betas_have_their_reference_though_it_is_not_held(desk, reference):
    also = refer_to(desk.book, reference)
    desk.history = History(desk.book, desk.archive, desk.clock, also=also)
    async with desk.fetching(AAPL):
        await desk.stored(2 * len(ALL))
    snapshot = desk.book.freeze(START)
    found = betas(snapshot, ["AAPL"], ScenarioSettings(reference_index=reference))["AAPL"]
    assert found.remark is None
    assert 0.8 < found.value < 1.6  # the simulated AAPL has 1.1


async def test_every_request_is_for_regular_hours_and_whole_days_up_to_now(desk):
    async with desk.fetching(SPY):
        await desk.stored(3)
    sent = [row.fields for row in desk.gateway.received if row.message_id == str(HISTORY)]
    assert {(row[15], row[16], row[18]) for row in sent} == {("", "1 day", "1")}


async def test_a_new_process_has_the_past_before_it_logs_in_and_asks_for_nothing_that_is_stored(desk):
    async with desk.fetching(SPX, SPY):
        await desk.stored(6)
    desk.restart()
    await desk.archive.load()
    desk.book.set_underlying("SPX", Kind.INDEX)
    spx = desk.book.freeze(START).underlyings["SPX"]
    assert spx.closes[-1][0] == SESSION and spx.iv_history[-1][0] == SESSION
    async with desk.fetching(SPX, SPY, AAPL):
        await desk.stored(9)
    assert desk.asked == [(what, "2 Y") for what in ALL], "only what the new symbol lacks"


async def forget(store, symbol, since):
    def delete(opened):
        with opened._write("forget") as session:
            session.connection().exec_driver_sql(
                "DELETE FROM bars WHERE symbol = ? AND day >= ?", (symbol, since.isoformat())
            )

    await store.write(delete)


async def test_only_the_missing_days_are_asked_for(desk):
    async with desk.fetching(SPY):
        await desk.stored(3)
    before = {what: await desk.store.read(Store.bars, "SPY", what) for what in ALL}
    await forget(desk.store, "SPY", date(2026, 11, 19))
    desk.restart()
    async with desk.fetching(SPY):
        await desk.stored(3)
    assert desk.asked == [(what, "7 D") for what in ALL]
    assert {what: await desk.store.read(Store.bars, "SPY", what) for what in ALL} == before


async def test_a_split_brings_the_whole_series_anew(desk):
    async with desk.fetching(SPY):
        await desk.stored(3)
    before = await desk.store.read(Store.bars, "SPY", TRADES)

    def unsplit(opened):
        with opened._write("unsplit") as session:
            session.connection().exec_driver_sql("UPDATE bars SET close = close * 4 WHERE what = 'TRADES'")

    await desk.store.write(unsplit)
    await forget(desk.store, "SPY", SESSION)
    desk.restart()
    async with desk.fetching(SPY):
        await desk.stored(3)
    assert desk.asked.count((TRADES, "2 Y")) == 1 and len(desk.asked) == 4
    assert await desk.store.read(Store.bars, "SPY", TRADES) == before


async def test_the_largest_position_goes_first(desk, answering):
    order = []

    def noting(gateway, session, fields):
        order.append((fields[3], fields[19]))
        historical_bars(gateway, session, fields)

    answering(HISTORY, noting)
    options = [
        Holding(name, Contract(name, Kind.OPTION, name, multiplier=100.0, strike=500.0, right=Right.PUT), size, None, 1.0)
        for name, size in (("AAPL", 1.0), ("SPY", -9.0))
    ]  # fmt: skip
    desk.book.hold(options)
    async with desk.fetching(AAPL, SPX, SPY):
        await desk.stored(9)
    assert [symbol for symbol, what in order if what == TRADES] == ["SPY", "AAPL", "SPX"]
    assert [what for _, what in order] == [what for what in ALL for _ in range(3)]


# When the gateway refuses


async def test_no_data_is_not_asked_for_again_that_day(desk, answering):
    answering(HISTORY, refusing(162, f"{HEAD}HMDS query returned no data: SPY@SMART Implied", only=IMPLIED))
    async with desk.fetching(SPY):
        await desk.stored(2)
        desk.clock.jump(6 * 3600.0)
        await desk.stored(2)
        assert [what for what, _ in desk.asked].count(IMPLIED) == 1
    assert desk.book.freeze(START).underlyings["SPY"].iv_history is None


async def test_after_a_pacing_violation_the_queue_waits_ten_minutes_and_recovers(desk, answering):
    answering(HISTORY, refusing(162, f"{HEAD}Historical data request pacing violation", times=1))
    async with desk.fetching(SPX, SPY):
        await until(lambda: len(desk.asked) == 4)
        await until(lambda: desk.history._queue.open == 0)
        desk.clock.jump(590.0)
        desk.history._settled.set()
        await anyio.sleep(0.1)
        assert len(desk.asked) == 4
        desk.clock.jump(15.0)
        await desk.stored(6)
        assert len(desk.asked) == 7


async def test_a_request_without_an_answer_is_called_off_and_tried_again(desk, answering):
    undo = answering(HISTORY, silent)
    desk.history._timeout_s = 0.3
    async with desk.fetching(SPY):
        await until(lambda: [row.message_id for row in desk.gateway.received].count(CANCEL) == 3)
        await until(lambda: desk.history._queue.open == 0)
        undo()
        desk.history._timeout_s = 60.0
        desk.clock.jump(61.0)
        await desk.stored(3)


async def test_a_lost_socket_ends_the_run_and_the_next_login_goes_on(desk, answering):
    undo = answering(HISTORY, silent)
    async with desk.login() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.history.run, client, lambda: {"SPY": SPY})
            await until(lambda: len(desk.asked) == 3)
            desk.gateway.drop_clients()
        assert desk.history._queue.open == 0
    undo()
    desk.clock.jump(61.0)
    async with desk.fetching(SPY):
        await desk.stored(3)


async def test_a_login_that_ends_leaves_nothing_open(desk, answering):
    answering(HISTORY, silent)

    async def login_that_breaks():
        async with desk.fetching(SPY):
            await until(lambda: len(desk.asked) == 3)
            raise LinkDown("as it was")

    with pytest.raises(LinkDown, match="as it was"):
        await login_that_breaks()
    assert desk.history._queue.open == 0


async def test_volatilities_out_of_scale_are_left_out_with_one_line(desk, answering, caplog):
    def in_percent(gateway, session, fields):
        levels = [17.0, 17.0, 0.17] if fields[19] == IMPLIED else [0.2] * 3
        days = [SESSION - timedelta(days=n) for n in (6, 5, 0)]
        bars = [
            SimulatedBar(day, level, level, level, level, -1) for day, level in zip(days, levels, strict=True)
        ]
        session.send(messages.history(number(fields[1]), bars, "", ""))

    answering(HISTORY, in_percent)
    with caplog.at_level(logging.WARNING, "engine.broker.history"):
        async with desk.fetching(SPY):
            await desk.stored(3)
    assert [record.getMessage() for record in caplog.records if record.name == "engine.broker.history"] == [
        "OPTION_IMPLIED_VOLATILITY of SPY: 2 of 3 bars are out of any scale and left out"
    ]
    assert [bar.close for bar in await desk.store.read(Store.bars, "SPY", IMPLIED)] == [0.17]


async def test_trouble_that_lasts_is_told_once(desk, caplog):
    real, looks = desk.archive.last_session, []

    async def broken(at):
        looks.append(at)
        if len(looks) < 5:
            await desk.store.write(Store.mark_dead, -1, "no such message")
        return await real(at)

    desk.archive.last_session = broken
    with caplog.at_level(logging.WARNING, "engine.broker.history"):
        async with desk.fetching(SPY):
            await desk.stored(3)
    said = [one.getMessage() for one in caplog.records if one.name == "engine.broker.history"]
    assert len(said) == 1 and said[0].startswith("history waits: message -1 of the outbox")


async def test_a_store_that_refuses_costs_a_later_try_and_nothing_else(desk, caplog):
    await forget(desk.store, "SPY", date.min)
    real, failing = desk.archive.keep_bars, [True]

    async def keep(symbol, what, bars):
        if failing[0]:
            await desk.store.write(Store.mark_dead, -1, "no such message")  # a StoreError of the real store
        await real(symbol, what, bars)

    desk.archive.keep_bars = keep
    async with desk.fetching(SPY):
        await until(lambda: len(desk.asked) == 3 and desk.history._queue.open == 0)
        failing[0] = False
        desk.clock.jump(61.0)
        await desk.stored(3)


# The client's own answers


async def test_a_refusal_comes_with_its_words(desk, answering):
    answering(HISTORY, refusing(162, f"{HEAD}No market data permissions for AMEX STK"))
    async with desk.login() as client:
        fact = await client.daily_bars(SPY, TRADES, "5 D", 5.0)
    assert fact.end is End.REFUSED and fact.bars == () and "No market data permissions" in fact.refusal.text


async def test_a_refusal_that_the_library_takes_for_a_warning_still_ends_the_request(desk, answering):
    answering(HISTORY, refusing(165, "Historical Market Data Service query message:no items retrieved"))
    async with desk.login() as client:
        with anyio.fail_after(5.0):
            fact = await client.daily_bars(SPY, TRADES, "5 D", 60.0)
    assert fact.end is End.REFUSED and fact.refusal.code == 165


async def test_a_notice_about_a_request_that_goes_on_is_no_refusal(desk, answering):
    def warned(gateway, session, fields):
        session.send(
            messages.error(number(fields[1]), 2174, "Warning: You submitted request with no time zone")
        )
        historical_bars(gateway, session, fields)

    answering(HISTORY, warned)
    async with desk.login() as client:
        fact = await client.daily_bars(SPY, TRADES, "5 D", 5.0)
    assert fact.end is End.WHOLE and fact.bars


async def test_a_request_without_an_answer_is_late_and_leaves_nothing_behind(desk, answering):
    answering(HISTORY, silent)
    async with desk.login() as client:
        fact = await client.daily_bars(SPY, TRADES, "5 D", 0.05)
        assert fact.end is End.LATE
        assert client._ib.wrapper._results == {} and client._ib.wrapper._futures == {}


async def test_without_a_socket_a_request_is_lost_at_once(desk):
    async with desk.login() as client:
        pass
    assert (await client.daily_bars(SPY, TRADES, "5 D", 5.0)).end is End.LOST
    assert await client.executions(5.0) is None


# Executions


FILL = (
    "0001f4e8.6745a1b2.01.01", "20261124 10:15:00 US/Eastern", "DU1", "CBOE", "SLD", 10, 7.9, 1, 0, 0, 10, 7.9,
    "", "", 0, "", 1,
)  # fmt: skip
PUT = (756_733, "SPY", "OPT", "20261218", 640.0, "P", "100", "SMART", "USD", "SPY   261218P00640000", "SPY")


NEWER = {False: (), True: (0,)}
"""What a newer client expects behind a fill: whether its price may be revised."""


def fills(*rows, commission=True):
    """A handler of requests for executions: (contract, fill) rows, each with its commission."""

    def handle(gateway, session, fields):
        request_id = number(fields[2])
        for contract, fill in rows:
            session.send(frame(11, request_id, 5, *contract, *fill, *NEWER[session.version >= 178]))
            if commission:
                session.send(frame(59, 1, fill[0], 10.4, "USD", 120.0, "", ""))
        session.send(frame(55, 1, request_id))

    return handle


async def test_the_day_s_fills_are_stored_with_sign_commission_and_contract(desk, answering):
    answering(EXECUTIONS, fills((PUT, FILL)))
    async with desk.fetching(SPY):
        await desk.stored(3)
    (one,) = await desk.store.read(Store.executions, START - timedelta(days=1))
    assert (one.id, one.account, one.con_id) == ("0001f4e8.6745a1b2.01", "DU1", 756_733)
    assert one.contract.label == "SPY 2026-12-18 640 P" and one.contract.multiplier == 100.0
    assert (one.quantity, one.price, one.at) == (-10.0, 7.9, datetime(2026, 11, 24, 15, 15, tzinfo=UTC))
    assert (one.commission, one.commission_currency, one.realized) == (10.4, "USD", 120.0)


async def test_a_corrected_fill_counts_once_in_its_last_form(desk, answering):
    corrected = ("0001f4e8.6745a1b2.01.02", *FILL[1:5], 9, *FILL[6:])
    answering(EXECUTIONS, fills((PUT, corrected), (PUT, FILL)))
    async with desk.login() as client:
        facts = await client.executions(5.0)
    assert [(fact.exec_id, fact.quantity) for fact in facts] == [("0001f4e8.6745a1b2.01", -9.0)]


async def test_a_commission_that_is_not_told_is_unknown(desk, answering):
    answering(EXECUTIONS, fills((PUT, FILL), commission=False))
    async with desk.login() as client:
        (fact,) = await client.executions(5.0)
    assert (fact.commission, fact.commission_currency, fact.realized) == (None, None, None)


async def test_executions_without_an_answer_are_unknown_not_none(desk, answering):
    async with desk.login() as client:
        assert await client.executions(5.0) == ()
        answering(EXECUTIONS, silent)
        assert await client.executions(0.05) is None
