"""Every fault of the simulated gateway does on a real socket what its name says: seen by the real client library, or
by raw bytes where the library hides it."""

import math
import socket
import time
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from simulator.gateway import Gateway, GatewayConfig, parse_fault, running_gateway
from simulator.gateway.__main__ import main
from simulator.gateway.faults import KINDS
from tests.integration.test_gateway_protocol import Errors, Peer, a_client, routed, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # eventkit asks for a loop while it is imported
    import ib_insync as ib

SMALL = 12
UNSET = 1.7976931348623157e308
Scene = Callable[[Gateway, ib.IB, Errors], Awaitable[None]]


def play(scene: Scene, *faults: str, **config: Any) -> None:
    """Runs a scene with one client, which connects when the faults have begun."""

    async def main() -> None:
        config.setdefault("positions", SMALL)
        async with running_gateway(GatewayConfig(**config)) as gateway:
            for fault in faults:
                gateway.begin(fault)
            async with a_client(gateway) as (client, errors):
                await scene(gateway, client, errors)

    anyio.run(main)


async def logged_in(gateway: Gateway, client_id: int = 9) -> Peer:
    """Bytes that have logged in and read what a login brings."""
    peer = await Peer.connected(gateway)
    await peer.fields()
    await peer.send("71", "2", str(client_id), "")
    for _ in range(6):
        await peer.fields()
    return peer


def bytewise(scene: Callable[[Gateway, Peer], Awaitable[None]]) -> None:
    """Runs a scene with a client made of bytes that has logged in."""

    async def main() -> None:
        async with running_gateway(GatewayConfig(positions=3)) as gateway:
            peer = await logged_in(gateway)
            async with peer.stream:
                await scene(gateway, peer)

    anyio.run(main)


async def stays_silent(peer: Peer, seconds: float = 0.3) -> bool:
    with anyio.move_on_after(seconds):
        await peer.stream.receive()
        return False
    return True


async def is_refused(gateway: Gateway) -> bool:
    try:
        async with await anyio.connect_tcp("127.0.0.1", gateway.port):
            return False
    except OSError as problem:
        causes = [problem, problem.__cause__, *getattr(problem.__cause__, "exceptions", ())]
        return any(isinstance(one, ConnectionRefusedError) for one in causes)


async def ticks(gateway: Gateway, ticker: ib.Ticker, seconds: float = 1.0) -> bool:
    """Whether a change at the gateway reaches a stock's ticker."""
    price = round(1.01 * gateway.world.spot(ticker.contract.symbol), 2)
    gateway.move(ticker.contract.symbol, price)
    with anyio.move_on_after(seconds):
        await until(lambda: abs(ticker.last / price - 1) < 0.002)
        return True
    return False


async def stock_line(client: ib.IB, symbol: str = "AAPL") -> ib.Ticker:
    ticker = client.reqMktData(ib.Stock(symbol, "SMART", "USD"))
    await until(lambda: ticker.last > 0)
    return ticker


def aapl() -> ib.Stock:
    return ib.Stock("AAPL", "SMART", "USD")


# -- connecting ---------------------------------------------------------------------------------------------------


def test_a_refused_connection_is_refused_and_the_same_port_opens_again():
    async def scene(gateway, client, errors):
        port = gateway.port
        with gateway.during("refuse"):
            with anyio.fail_after(2):
                while not await is_refused(gateway):
                    await anyio.sleep(0.01)
            assert await client.reqCurrentTimeAsync(), "connections that exist go on"
        with anyio.fail_after(2):
            while await is_refused(gateway):
                await anyio.sleep(0.01)
        assert gateway.port == port
        async with a_client(gateway, 2) as (second, _):
            assert len(second.positions()) == SMALL

    play(scene)


def test_a_port_closed_from_the_start_opens_on_time():
    async def main() -> None:
        faults = (parse_fault("refuse@0s+400ms"),)
        async with running_gateway(GatewayConfig(positions=2, faults=faults)) as gateway:
            began = time.monotonic()
            assert await is_refused(gateway)
            while await is_refused(gateway):
                await anyio.sleep(0.02)
            assert 0.3 < time.monotonic() - began < 3

    anyio.run(main)


def test_a_connection_can_be_accepted_and_never_greeted():
    async def main() -> None:
        async with running_gateway(GatewayConfig(positions=2)) as gateway:
            with gateway.during("no-greeting"):
                peer = await Peer.connected(gateway)
                async with peer.stream:
                    assert await stays_silent(peer)
            async with a_client(gateway):
                pass

    anyio.run(main)


def test_an_old_server_says_so():
    async def main() -> None:
        async with running_gateway(GatewayConfig(positions=2)) as gateway:
            gateway.begin("old-server")
            peer = await Peer.connected(gateway)
            async with peer.stream:
                assert (await peer.fields())[0] == "150"

    anyio.run(main)


def test_start_api_can_be_left_without_an_answer():
    async def main() -> None:
        async with running_gateway(GatewayConfig(positions=2)) as gateway:
            gateway.begin("no-start")
            peer = await Peer.connected(gateway)
            async with peer.stream:
                await peer.fields()
                await peer.send("71", "2", "1", "")
                await peer.send("49", "1")
                assert await stays_silent(peer)

    anyio.run(main)


def test_the_ids_named_are_in_use_and_others_are_not():
    async def scene(gateway, client, errors):
        peer = await Peer.connected(gateway)
        async with peer.stream:
            await peer.send("71", "2", "5", "")
            assert (await peer.until_id("4"))[3] == "326"
            assert await peer.is_closed()
        assert client.isConnected()

    play(scene, "id-in-use=5,6")


@pytest.mark.parametrize(
    ("message", "asked"),
    [("62", ("61", "1")), ("54", ("6", "2", "1", "")), ("74", ("76", "1", "7", "", "", "1")), ("55", ("7", "3", "8"))],
)  # fmt: skip
def test_a_message_can_be_left_out_of_the_start(message, asked):
    async def scene(gateway, peer):
        async def seen() -> set[str]:
            found = set()
            await peer.send(*asked)
            await peer.send("49", "1")
            while "49" not in found:
                found.add((await peer.fields())[0])
            return found

        assert message in await seen()
        with gateway.during(f"leave-out={message},102"):
            assert message not in await seen()

    bytewise(scene)


def test_positions_can_come_without_end():
    async def scene(gateway, peer):
        gateway.begin("endless-positions")
        await peer.send("61", "1")
        rows = [await peer.fields() for _ in range(3 * 2 + 1)]
        assert {row[0] for row in rows} == {"61"}

    bytewise(scene)


def test_the_daily_restart_drops_everyone_refuses_and_comes_back_with_a_new_next_id():
    async def scene(gateway, client, errors):
        before = client.client.getReqId()
        gateway.begin("restart")
        await until(lambda: not client.isConnected())
        assert await is_refused(gateway)
        gateway.end("restart")
        while await is_refused(gateway):
            await anyio.sleep(0.01)
        peer = await Peer.connected(gateway)
        async with peer.stream:
            await peer.send("71", "2", "9", "")
            assert int((await peer.until_id("9"))[2]) == 101
        assert before < 101

    play(scene)


# -- the socket ---------------------------------------------------------------------------------------------------


def plainly(fault: str) -> tuple[int, str]:
    """Bytes of a download that arrive at a plain blocking socket, and how the connection ends."""

    def read(port: int) -> tuple[int, str]:
        def message(*fields: str) -> bytes:
            payload = "".join(field + "\0" for field in fields).encode()
            return len(payload).to_bytes(4, "big") + payload

        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            plain.sendall(b"API\0" + (9).to_bytes(4, "big") + b"v157..178")
            plain.sendall(message("71", "2", "9", ""))
            while not plain.recv(65536).endswith(b"secdefil\0\0"):
                pass
            plain.sendall(message("61", "1"))
            size = 0
            try:
                while data := plain.recv(65536):
                    size += len(data)
            except ConnectionResetError:
                return size, "RST"
            return size, "FIN"

    async def main() -> tuple[int, str]:
        async with running_gateway(GatewayConfig(positions=SMALL)) as gateway:
            gateway.play(fault)
            return await anyio.to_thread.run_sync(read, gateway.port)

    return anyio.run(main)


def test_a_fin_comes_in_the_middle_of_a_download():
    assert plainly("fin=700@msg61") == (700, "FIN")


def test_a_reset_is_a_reset():
    _, end = plainly("rst@msg61")
    assert end == "RST"


@pytest.mark.parametrize("fault", ["fin", "rst", "1300"])
def test_the_client_library_sees_the_connection_end(fault):
    async def scene(gateway, client, errors):
        gateway.begin(fault)
        await until(lambda: not client.isConnected(), 2)
        await until(lambda: gateway.sessions == [], 2)
        assert (1300 in errors.codes()) == (fault == "1300")

    play(scene)


def test_a_black_hole_keeps_the_socket_open_and_answers_when_it_is_over():
    async def scene(gateway, peer):
        with gateway.during("black-hole"):
            await peer.send("49", "1")
            assert await stays_silent(peer)
            newer = await Peer.connected(gateway)
            async with newer.stream:
                assert await stays_silent(newer, 0.1)
            assert gateway.received[-1].message_id != "49", "it was not even read"
        assert (await peer.fields())[0] == "49"

    bytewise(scene)


def test_a_black_hole_of_old_connections_lets_new_ones_in():
    async def scene(gateway, peer):
        with gateway.during("black-hole=old"):
            newer = await logged_in(gateway, 10)
            async with newer.stream:
                await newer.send("49", "1")
                assert (await newer.fields())[0] == "49"
            await peer.send("49", "1")
            assert await stays_silent(peer, 0.1)

    bytewise(scene)


def test_a_black_hole_stops_reading_so_that_the_sender_is_held_up():
    async def scene(gateway, peer):
        with gateway.during("black-hole"), anyio.move_on_after(0.6) as scope:
            await peer.stream.send((0xFFFFFF).to_bytes(4, "big"))
            for _ in range(15):  # of one frame: more than the buffers of two sockets hold
                await peer.stream.send(b"\0" * 1_000_000)
        assert scope.cancelled_caught

    bytewise(scene)


def test_slices_are_segments_of_one_byte_and_the_library_does_not_mind():
    async def scene(gateway, client, errors):
        sizes: list[int] = []
        peer = await logged_in(gateway)
        async with peer.stream:
            with gateway.during("slice"):
                await peer.send("49", "1")
                while not sizes or sum(sizes) < 18:
                    sizes.append(len(await peer.stream.receive()))
                assert max(sizes) < 10, sizes
                assert len(sizes) > 4
                assert await client.reqCurrentTimeAsync()

    play(scene)


def test_a_whole_login_passes_in_slices():
    async def scene(gateway, client, errors):
        assert len(client.positions()) == len(client.portfolio()) == 3

    play(scene, "slice=3", positions=3)


def test_merged_messages_arrive_in_one_piece():
    async def scene(gateway, peer):
        pieces: list[bytes] = []

        async def read() -> None:
            while True:
                pieces.append(await peer.stream.receive())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            with gateway.during("merge=0.3"):
                for _ in range(5):
                    await peer.send("49", "1")
                    await anyio.sleep(0.02)
                await until(lambda: pieces)
            tasks.cancel_scope.cancel()
        assert [piece.count(b"49\x001\0") for piece in pieces] == [5]

    bytewise(scene)


def test_a_wrong_length_deafens_the_library_while_the_socket_stays_open():
    async def scene(gateway, client, errors):
        gateway.begin("bad-length")
        with pytest.raises(TimeoutError), anyio.fail_after(0.4):
            await client.reqCurrentTimeAsync()
        assert client.isConnected()

    play(scene)


def test_four_bytes_are_no_length():
    async def scene(gateway, peer):
        gateway.begin("bad-length")
        data = await peer.stream.receive()
        assert len(data) == 4
        assert int.from_bytes(data, "big") > 0xFFFFFF

    bytewise(scene)


def test_slow_answers_come_late_and_in_order():
    async def scene(gateway, peer):
        with gateway.during("slow=0.3"):
            began = time.monotonic()
            await peer.send("61", "1")
            await peer.send("49", "1")
            seen = [(await peer.fields())[0] for _ in range(5)]
            assert 0.28 < time.monotonic() - began < 0.9, "the second does not wait twice"
        assert seen == ["61", "61", "61", "62", "49"]

    bytewise(scene)


# -- messages -----------------------------------------------------------------------------------------------------


def test_an_unknown_message_is_sent_and_survived(caplog):
    async def scene(gateway, client, errors):
        gateway.begin("unknown-message=199")
        await until(lambda: "Error handling fields: ['199'" in caplog.text)
        assert await client.reqCurrentTimeAsync()

    play(scene)


def test_a_short_error_is_one_field_short(caplog):
    async def scene(gateway, client, errors):
        gateway.begin("short-error")
        await until(lambda: "Error handling fields: ['4', '2', '-1', '2108'" in caplog.text)
        assert await client.reqCurrentTimeAsync()

    play(scene)


def test_an_empty_field_spoils_computations(caplog):
    async def scene(gateway, client, errors):
        ticker = client.reqMktData(routed(client, "OPT")[0])
        await until(lambda: "Error handling fields: ['21'" in caplog.text)
        assert ticker.modelGreeks is None
        gateway.end("empty-field")
        await until(lambda: ticker.modelGreeks)

    play(scene, "empty-field")


async def messages_of(peer: Peer, gateway: Gateway, one: Any) -> list[list[str]]:
    """What an option's line is told in its first moments, up to the model computation and a little on."""
    contract = (str(one.con_id), "", "", "", "0.0", "", "", "SMART", "", "", "", "")
    await peer.send("1", "11", "5", *contract, "0", "", "0", "0", "")
    rows = [await peer.fields()]
    while rows[-1][0] != "21" or rows[-1][2] not in ("13", "83"):
        rows.append(await peer.fields())
    with anyio.move_on_after(0.2):
        while True:
            rows.append(await peer.fields())
    return rows


def held(gateway: Gateway, is_option: bool) -> Any:
    return next(row.instrument for row in gateway.account.positions if row.instrument.is_option == is_option)


def test_a_tick_of_an_unknown_type_rides_along():
    async def scene(gateway, peer):
        gateway.begin("unknown-tick=999")
        rows = await messages_of(peer, gateway, held(gateway, True))
        assert any(row[0] == "1" and row[3] == "999" for row in rows)

    bytewise(scene)


def test_the_time_told_is_skewed():
    async def scene(gateway, client, errors):
        with gateway.during("skew=-45"):
            told = await client.reqCurrentTimeAsync()
            assert -47 < (told - datetime.now(UTC)).total_seconds() < -43

    play(scene)


# -- the way to the broker ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "goes_on"), [("1102", True), ("1101", False)])
def test_after_1100_ticks_stop_and_lines_are_kept_or_lost(end, goes_on):
    async def scene(gateway, client, errors):
        client.errorEvent -= client._onError  # the library answers 1102 with a request of its own
        ticker = await stock_line(client)
        gateway.begin(f"1100={end}")
        await until(lambda: 1100 in errors.codes())
        assert not await ticks(gateway, ticker, 0.4)
        gateway.end("1100")
        await until(lambda: int(end) in errors.codes())
        assert await ticks(gateway, ticker, 1.0 if goes_on else 0.4) == goes_on
        assert await ticks(gateway, await stock_line(client))

    play(scene)


def test_requests_wait_while_the_broker_is_lost():
    async def scene(gateway, client, errors):
        found: list[Any] = []

        async def ask() -> None:
            found.extend(await client.reqContractDetailsAsync(aapl()))

        async with anyio.create_task_group() as tasks:
            with gateway.during("1100=1101"):
                tasks.start_soon(ask)
                await anyio.sleep(0.2)
                assert found == []
        assert len(found) == 1

    play(scene)


def test_after_a_burst_of_200_the_same_requests_work():
    async def scene(gateway, client, errors):
        async def ask() -> None:
            assert await client.reqContractDetailsAsync(aapl()) == []

        async with anyio.create_task_group() as tasks:
            gateway.begin("1100=1101")
            for _ in range(3):
                tasks.start_soon(ask)
            client.reqMktData(aapl())
            await until(lambda: len(gateway.clients()[0].held) == 4)
            gateway.begin("200")
        await until(lambda: [code for _, code, _ in errors].count(200) == 4)
        gateway.end("200")
        gateway.end("1100")
        assert await client.reqContractDetailsAsync(aapl())

    play(scene)


def test_lines_stay_dead_after_a_farm_was_down_until_asked_for_again():
    async def scene(gateway, client, errors):
        ticker = await stock_line(client)
        with gateway.during("farm=usfarm"):
            await until(lambda: 2103 in errors.codes())
            assert errors.text(2103) == "Market data farm connection is broken:usfarm"
            opened_meanwhile = client.reqMktData(ib.Stock("KO", "SMART", "USD"))
            option = client.reqMktData(routed(client, "OPT")[0])
            await until(lambda: option.modelGreeks)  # of the other farm
        await until(lambda: [code for _, code, _ in errors].count(2104) > 2)
        assert not await ticks(gateway, ticker, 0.4)
        assert opened_meanwhile.last != opened_meanwhile.last
        client.cancelMktData(ticker.contract)
        assert await ticks(gateway, await stock_line(client))
        assert 300 not in errors.codes(), "a dead line is a line"

    play(scene)


@pytest.mark.parametrize(
    ("kind", "down", "up", "asked"),
    [
        ("secdef", 2157, 2158, lambda client: client.reqContractDetailsAsync(aapl())),
        ("secdef", 2157, 2158, lambda client: client.reqSecDefOptParamsAsync("AAPL", "", "STK", 265598)),
        ("hmds", 2105, 2106, lambda client: client.reqHistoricalDataAsync(
            aapl(), "", "1 Y", "1 day", "TRADES", True)),
    ],
)  # fmt: skip
def test_a_broken_farm_answers_when_it_is_back(kind, down, up, asked):
    async def scene(gateway, client, errors):
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await asked(client))

        async with anyio.create_task_group() as tasks:
            with gateway.during(kind):
                tasks.start_soon(ask)
                await until(lambda: down in errors.codes())
                await anyio.sleep(0.15)
                assert answers == []
                count = [code for _, code, _ in errors].count(up)
        assert len(answers[0]) > 0
        assert [code for _, code, _ in errors].count(up) == count + 1

    play(scene)


# -- limits -------------------------------------------------------------------------------------------------------


def test_the_line_cap_changes_at_run_time_and_the_most_lines_are_remembered():
    async def scene(gateway, client, errors):
        contracts = routed(client)
        gateway.begin("line-cap=2")
        for contract in contracts[:3]:
            client.reqMktData(contract)
        await until(lambda: 101 in errors.codes())
        assert gateway.open_lines(1) == 2
        gateway.end("line-cap")
        client.reqMktData(contracts[3])
        await until(lambda: gateway.open_lines(1) == 3)
        for contract in (contracts[0], contracts[1], contracts[3]):
            client.cancelMktData(contract)
        await until(lambda: gateway.open_lines(1) == 0)
        assert gateway.most_lines(1) == gateway.most_lines() == 3
        assert gateway.most_lines(2) == 0

    play(scene)


def test_the_busiest_second_is_counted_over_every_sliding_second():
    async def scene(gateway, peer):
        for wait in (1.1, 0.4, 0):
            for _ in range(20):
                await peer.send("49", "1")
            await anyio.sleep(wait)
        for _ in range(60):
            await peer.until_id("49")
        assert gateway.busiest_second(9) == gateway.busiest_second() == 40
        assert gateway.busiest_second(8) == 0

    bytewise(scene)


def test_too_many_messages_are_warned_of_then_complained_of_then_cut_off():
    async def scene(gateway, peer):
        gateway.begin("rate-limit=2")
        told = []
        for _ in range(51):
            await peer.send("14", "1", "2")
        while len(told) < 2:
            told.append((await peer.until_id("4"))[3:5])
        assert told == [
            ["0", "Warning: Approaching max rate of 50 messages per second (44)"],
            ["100", "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"],
        ]
        await anyio.sleep(0.9)
        for _ in range(60):
            await peer.send("14", "1", "2")
        await anyio.sleep(0.2)
        with suppress(anyio.BrokenResourceError):
            await peer.send("14", "1", "2")
        assert await peer.is_closed()

    bytewise(scene)


def test_historical_requests_above_the_cap_are_refused_and_the_most_are_remembered():
    async def scene(gateway, client, errors):
        def ask():
            return client.reqHistoricalDataAsync(aapl(), "", "1 M", "1 day", "TRADES", True)

        gateway.begin("hmds")
        gateway.begin("history-cap=3")
        answers: list[Any] = []

        async def keep() -> None:
            answers.append(len(await ask()))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(keep)
            await until(lambda: len(answers) == 2)
            assert errors.text(322).endswith("Only 3 simultaneous API historical data requests")
            assert gateway.open_history(1) == gateway.open_history() == 3
            gateway.end("hmds")
        assert sorted(answers)[:2] == [0, 0]
        assert min(sorted(answers)[2:]) > 10
        assert (gateway.open_history(), gateway.most_history(1)) == (0, 3)

    play(scene)


def test_without_a_fault_fifty_historical_requests_may_be_open():
    async def scene(gateway, peer):
        gateway.begin("hmds")
        await peer.until_id("4")
        contract = ("0", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")
        for number in range(51):
            await peer.send(
                "20", str(number + 1), *contract, "0", "", "1 day", "1 M", "1", "TRADES", "1", "0", ""
            )
        assert (await peer.until_id("4"))[2:4] == ["51", "322"]
        assert gateway.open_history(9) == 50
        await peer.send("25", "1", "1")
        await peer.send("49", "1")
        await peer.until_id("49")
        assert gateway.open_history(9) == 49

    bytewise(scene)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("pacing", "Historical data request pacing violation"),
        ("no-data", "HMDS query returned no data"),
        ("no-permission", "No market data permissions for SMART STK"),
    ],
)
def test_history_is_refused_with_162(reason, text):
    async def scene(gateway, client, errors):
        def ask():
            return client.reqHistoricalDataAsync(aapl(), "", "1 M", "1 day", "TRADES", True)

        with gateway.during(f"162={reason}"):
            assert list(await ask()) == []
        assert f"Historical Market Data Service error message:{text}" in errors.text(162)
        assert len(await ask()) > 10

    play(scene)


# -- market data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [354, 10089, 10168, 10197])
def test_hard_refusals_give_no_ticks_for_the_symbol_named_and_300_on_cancel(code):
    async def scene(gateway, client, errors):
        opened_before = await stock_line(client)
        gateway.begin(f"{code}=AAPL")
        await until(lambda: code in errors.codes())
        assert gateway.open_lines() == 0
        client.cancelMktData(opened_before.contract)
        await until(lambda: 300 in errors.codes())
        refused, other = client.reqMktData(aapl()), client.reqMktData(ib.Stock("KO", "SMART", "USD"))
        await until(lambda: other.last > 0)
        assert refused.last != refused.last
        assert [seen for _, seen, _ in errors].count(code) == 2
        gateway.end(str(code))
        client.cancelMktData(refused.contract)
        assert await ticks(gateway, await stock_line(client)), "a new subscription works"

    play(scene)


def test_the_refusals_are_in_the_brokers_words():
    async def scene(gateway, client, errors):
        option = routed(client, "OPT")[0]
        gateway.begin("354")
        client.reqMktData(option)
        await until(lambda: 354 in errors.codes())
        gateway.end("354")
        gateway.begin("10089")
        client.reqMktData(aapl())
        await until(lambda: 10089 in errors.codes())
        assert errors.text(354).startswith("Requested market data is not subscribed. Check API status")
        assert errors.text(354).endswith(f"({option.localSymbol}) /TOP/ALL")
        assert errors.text(10089).endswith("Delayed market data is available.AAPL NASDAQ.NMS/TOP/ALL")

    play(scene)


@pytest.mark.parametrize(("fault", "mode"), [("10167", 1), ("354", 3), ("10089", 4)])
def test_delayed_data_have_types_of_their_own(fault, mode):
    async def scene(gateway, peer):
        gateway.begin(fault)
        await peer.send("59", "1", str(mode))
        rows = await messages_of(peer, gateway, held(gateway, True))
        kinds = {row[3] if row[0] != "21" else row[2] for row in rows if row[0] in ("1", "2", "21", "46")}
        assert ["58", "1", "5", "3"] in rows
        assert "10167" in [row[3] for row in rows if row[0] == "4"]
        assert {"66", "67", "69", "70", "80", "81", "83"} <= kinds
        assert not kinds & {"0", "1", "2", "3", "4", "10", "11", "12", "13"}
        bid = next(row for row in rows if row[0] == "1" and row[3] == "66")
        assert float(bid[4]) == -1

    bytewise(scene)


def test_delayed_ticks_of_a_stock_reach_the_library():
    async def scene(gateway, client, errors):
        ticker = client.reqMktData(aapl())
        await until(lambda: ticker.marketDataType == 3 and ticker.last > 0 and ticker.close > 0)
        assert 10167 in errors.codes()
        assert ticker.bid > 0

    play(scene, "10167=AAPL")


def test_an_open_line_turns_delayed():
    async def scene(gateway, client, errors):
        ticker = await stock_line(client)
        assert ticker.marketDataType == 1
        gateway.begin("10167")
        await until(lambda: ticker.marketDataType == 3)

    play(scene)


@pytest.mark.parametrize("code", [10090, 10091])
def test_soft_refusals_leave_the_ticks_and_take_the_underlying_price(code):
    async def scene(gateway, client, errors):
        option = routed(client, "OPT")[0]
        ticker = client.reqMktData(option)
        await until(lambda: ticker.modelGreeks and code in errors.codes())
        assert ticker.bid == ticker.bid
        assert ticker.modelGreeks.undPrice is None
        assert ticker.modelGreeks.delta is not None
        gateway.end(str(code))
        await until(lambda: ticker.modelGreeks.undPrice)

    play(scene, str(code))


def test_a_closed_market_has_a_close_and_nothing_else():
    async def scene(gateway, client, errors):
        option = client.reqMktData(routed(client, "OPT")[0])
        stock = client.reqMktData(aapl())
        await until(lambda: stock.close > 0 and option.close == option.close)
        assert (stock.bid, stock.ask, option.bid, option.ask) == (-1, -1, -1, -1)
        assert (stock.bidSize, option.askSize) == (0, 0)
        assert math.isnan(stock.last) and math.isnan(option.last)
        assert option.modelGreeks is None
        gateway.end("closed")
        await until(lambda: option.modelGreeks and stock.bid > 0)

    play(scene, "closed")


@pytest.mark.parametrize("scope", ["", "=AAPL"])
def test_frozen_ticks_do_not_move_while_heartbeats_go_on(scope):
    async def scene(gateway, client, errors):
        ticker, other = await stock_line(client), await stock_line(client, "KO")
        with gateway.during(f"frozen{scope}"):
            await anyio.sleep(0.3)
            seen = ticker.time
            assert not await ticks(gateway, ticker, 0.4)
            assert ticker.time == seen
            assert await ticks(gateway, other, 1.0 if scope else 0.4) == bool(scope)
            assert await client.reqCurrentTimeAsync()
        await until(lambda: ticker.time > seen)

    play(scene)


def test_a_frozen_world_keeps_its_marks():
    async def scene(gateway, client, errors):
        gateway.begin("frozen")
        await anyio.sleep(0.3)
        before = [row.mark for row in gateway.account.marked()]
        await anyio.sleep(0.8)
        assert [row.mark for row in gateway.account.marked()] == before

    play(scene)


def test_there_are_no_computations_until_the_fault_is_over():
    async def scene(gateway, client, errors):
        ticker = client.reqMktData(routed(client, "OPT")[0])
        await until(lambda: ticker.ask > 0)
        await anyio.sleep(0.5)
        assert (ticker.modelGreeks, ticker.bidGreeks) == (None, None)
        gateway.end("no-greeks")
        await until(lambda: ticker.modelGreeks)

    play(scene, "no-greeks")


def test_computations_come_late():
    async def scene(gateway, client, errors):
        ticker, began = client.reqMktData(routed(client, "OPT")[0]), time.monotonic()
        await until(lambda: ticker.ask > 0)
        assert ticker.modelGreeks is None
        await until(lambda: ticker.modelGreeks)
        assert 0.5 < time.monotonic() - began < 4

    play(scene, "late-greeks=0.6")


def test_sentinels_are_in_every_field():
    async def scene(gateway, client, errors):
        ticker = client.reqMktData(routed(client, "OPT")[0])
        await until(lambda: ticker.modelGreeks)
        greeks = ticker.modelGreeks
        assert (greeks.impliedVol, greeks.delta, greeks.optPrice, greeks.gamma, greeks.undPrice) == (
            None,
        ) * 5
        assert (greeks.vega, greeks.theta) == (-2.0, -2.0)

    play(scene, "sentinels")


@pytest.mark.parametrize(
    ("kind", "text"), [("nan", "NaN"), ("infinity", "Infinity"), ("unset", "1.7976931348623157E308")]
)
def test_prices_and_computations_can_be_no_numbers(kind, text):
    async def scene(gateway, peer):
        gateway.begin(kind)
        rows = await messages_of(peer, gateway, held(gateway, True))
        assert {row[4] for row in rows if row[0] == "1"} == {text}
        assert {text} == {field for row in rows if row[0] == "21" for field in row[4:]}

    bytewise(scene)


@pytest.mark.parametrize(
    ("kind", "is_it"), [("x100", lambda p, s: 90 < p / s < 110), ("negative", lambda p, s: p < 0)]
)
def test_prices_can_be_absurd_on_an_open_line_and_come_right_again(kind, is_it):
    async def scene(gateway, client, errors):
        ticker, other = await stock_line(client), await stock_line(client, "KO")
        spot = gateway.world.spot("AAPL")
        with gateway.during(f"{kind}=AAPL"):
            await until(lambda: is_it(ticker.last, spot) and is_it(ticker.bid, spot))
            assert 0 < other.last < 1000
        await until(lambda: 0.9 < ticker.last / spot < 1.1)

    play(scene)


# -- the account --------------------------------------------------------------------------------------------------


def test_the_next_login_finds_another_account():
    async def scene(gateway, client, errors):
        gateway.begin("account=DU7654321")
        async with a_client(gateway, 2) as (second, _):
            assert second.managedAccounts() == ["DU7654321"]
            assert {row.account for row in second.positions()} == {"DU7654321"}
            assert {row.account for row in second.portfolio()} == {"DU7654321"}
            assert {row.account for row in second.accountValues()} == {"DU7654321"}
        assert client.managedAccounts() == [gateway.account.name]

    play(scene)


def test_a_login_can_find_two_accounts():
    async def scene(gateway, client, errors):
        names = [gateway.account.name, "DU1111111"]
        assert client.managedAccounts() == names
        assert {row.account for row in client.positions()} == set(names)
        assert len(client.positions()) == 2 * SMALL
        assert {row.account for row in client.accountValues()} == set(names)
        assert client.portfolio() == [], "nobody asked for one account's updates"

    play(scene, "two-accounts=DU1111111")


def test_an_account_can_be_empty_and_worth_what_it_was():
    async def scene(gateway, client, errors):
        assert client.positions() == client.portfolio() == []
        worth = {row.tag: row.value for row in client.accountValues() if row.currency == "USD"}
        assert float(worth["GrossPositionValue"]) > 0
        assert float(worth["NetLiquidation"]) == pytest.approx(
            gateway.account.figures().net_liquidation, rel=0.01
        )

    play(scene, "no-positions")


def test_portfolio_rows_come_twice():
    async def scene(gateway, peer):
        gateway.begin("duplicate-rows")
        await peer.send("6", "2", "1", "")
        rows: list[list[str]] = []
        while not rows or rows[-1][0] != "54":
            rows.append(await peer.fields())
        portfolio = [row for row in rows if row[0] == "7"]
        assert len(portfolio) == 6
        assert portfolio == portfolio[::-1]

    bytewise(scene)


def test_stolen_account_updates_stop_until_asked_for_again():
    async def scene(gateway, client, errors):
        updates: list[Any] = []
        client.updatePortfolioEvent += updates.append
        gateway.begin("2100")
        await until(lambda: 2100 in errors.codes())
        gateway.crash()
        gateway._publish_account()
        await client.reqCurrentTimeAsync()
        assert updates == []
        await client.reqAccountUpdatesAsync(gateway.account.name)
        assert len(updates) > 0

    play(scene)


def test_profit_and_loss_can_be_unset():
    async def scene(gateway, client, errors):
        whole = client.reqPnL(gateway.account.name)
        single = client.reqPnLSingle(gateway.account.name, "", routed(client)[0].conId)
        await until(lambda: whole.dailyPnL == UNSET and single.unrealizedPnL == UNSET)
        gateway.end("unset-pnl")
        await until(lambda: abs(whole.dailyPnL) < 1e9 and abs(single.unrealizedPnL) < 1e9)

    play(scene, "unset-pnl")


# -- scripts ------------------------------------------------------------------------------------------------------


def test_a_script_begins_and_ends_a_fault_by_the_clock():
    async def main() -> None:
        faults = (parse_fault("skew=60@200ms+300ms"),)
        async with running_gateway(GatewayConfig(positions=2, faults=faults)) as gateway:
            assert not gateway.active.on("skew")
            await until(lambda: gateway.active.on("skew"), 5)
            began = time.monotonic()
            await until(lambda: not gateway.active.on("skew"), 5)
            assert 0.2 < time.monotonic() - began < 2

    anyio.run(main)


def test_two_faults_of_a_kind_are_ended_one_by_one_or_together():
    async def scene(gateway, client, errors):
        with gateway.during("354=AAPL"):
            with gateway.during("354=KO"):
                assert gateway.active.on("354", "AAPL") and gateway.active.on("354", "KO")
            assert gateway.active.on("354", "AAPL") and not gateway.active.on("354", "KO")
            gateway.begin("354=KO")
            gateway.end("354")
            assert not gateway.active

    play(scene, positions=2)


def test_the_program_lists_every_kind(capsys):
    assert main(["--list-faults"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert {line.split()[0].split("[")[0].split("=")[0] for line in told} == set(KINDS)


def test_a_fault_that_does_not_exist_is_refused_in_one_line_with_one_that_does(capsys):
    with pytest.raises(SystemExit) as refused:
        main(["--fault", "boom@1s"])
    assert refused.value.code == 2
    assert "fin@10s" in capsys.readouterr().err.splitlines()[-1]
