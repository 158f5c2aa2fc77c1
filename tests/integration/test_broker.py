"""The real client over a real socket to the simulated gateway."""

import anyio
import pytest

from engine.broker import LinkPhase, lines, session
from engine.broker.client import IbClient
from engine.broker.client import ib_insync as library
from engine.errors import LinkDown, TradingForbidden
from engine.model import IvSource, Kind
from simulator.gateway import GatewayConfig, running_gateway
from tests.integration.waiting import until

pytestmark = pytest.mark.anyio


def own_sigma(view) -> int:
    """How many options have a volatility of their mark or of the broker."""
    return sum(position.iv_source in {IvSource.MARK, IvSource.BROKER} for position in view.report.positions)


async def test_a_login_brings_the_whole_account(live):
    async with live() as it:
        await until(lambda: it.book.complete)
        snapshot = (await it.desk.view()).snapshot
        assert len(snapshot.positions) == 24
        assert it.link.state.phase is LinkPhase.LIVE
        assert snapshot.net_liquidation is not None and snapshot.net_liquidation > 0
        assert snapshot.account.maintenance_margin is not None
        assert snapshot.underlyings["SPX"].kind is Kind.INDEX
        assert snapshot.underlyings["SPY"].kind is Kind.ETF
        assert snapshot.underlyings["AAPL"].kind is Kind.STOCK


async def test_every_position_gets_a_mark_and_every_option_a_sigma_with_its_source(live):
    async with live(positions=100) as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices)
        for _ in range(40):
            view = await it.desk.view(fresh=True)
            options = [position for position in view.report.positions if position.right is not None]
            if own_sigma(view) >= 0.9 * len(options) and not view.report.quality.left_out:
                break
            await anyio.sleep(0.25)
        assert view.report.quality.left_out == ()
        assert all(position.mark is not None and position.mark_source for position in view.report.positions)
        assert all(position.iv is not None and position.iv_source for position in options)
        assert own_sigma(view) >= 0.9 * len(options)


async def test_a_tick_at_the_gateway_is_in_the_next_answer(live):
    async with live() as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices)
        before = (await it.desk.view(fresh=True)).snapshot.underlyings["AAPL"].spot
        it.gateway.move("AAPL", before * 1.02)
        await until(lambda: it.book.freeze(it.link.state.since).underlyings["AAPL"].spot > before * 1.01, 2.0)
        after = (await it.desk.view(fresh=True)).report
        aapl = next(position for position in after.positions if position.label == "AAPL")
        assert aapl.mark == pytest.approx(before * 1.02, rel=0.005)


async def test_a_lost_link_is_never_an_empty_account_and_comes_back_with_its_lines(live):
    async with live() as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices)
        await it.desk.view(fresh=True)
        lines = it.gateway.open_lines()
        it.gateway.drop_clients()
        await until(lambda: it.link.state.phase is LinkPhase.DOWN)
        lost = await it.desk.view(fresh=True)
        assert len(lost.report.positions) == 24
        assert lost.report.complete, "it is the last complete one, dated as it was"
        await until(lambda: it.link.state.phase is LinkPhase.LIVE and it.book.complete)
        await until(lambda: it.gateway.open_lines() >= lines)


async def test_more_positions_than_lines_stay_within_the_lines_and_are_all_marked(live):
    async with live(positions=100, max_lines=40) as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices)
        await anyio.sleep(0.5)
        assert it.gateway.open_lines() <= 40
        view = await it.desk.view(fresh=True)
        assert all(position.mark is not None for position in view.report.positions)


async def test_a_closed_port_is_said_in_words():
    client = IbClient()
    with pytest.raises(LinkDown, match="nothing listens at"):
        await client.connect("127.0.0.1", 1, 1, "", 2.0)


async def test_a_client_id_in_use_is_told_apart_from_a_dead_gateway():
    async with running_gateway(GatewayConfig()) as gateway:
        first, second = IbClient(), IbClient()
        await first.connect("127.0.0.1", gateway.port, 5, "", 4.0)
        try:
            with pytest.raises(LinkDown, match="client id 5 is already in use"):
                await second.connect("127.0.0.1", gateway.port, 5, "", 1.0)
        finally:
            first.disconnect()
            second.disconnect()


@pytest.mark.parametrize("order_message", [3, 4, 19, 21, 58])
async def test_no_order_message_can_leave(order_message):
    async with running_gateway(GatewayConfig()) as gateway:
        client = IbClient()
        await client.connect("127.0.0.1", gateway.port, 1, "", 4.0)
        try:
            with pytest.raises(TradingForbidden):
                client._ib.client.send(order_message, 1, "anything")
            await anyio.sleep(0.1)
            assert gateway.violations == []
        finally:
            client.disconnect()


async def test_the_library_own_order_call_is_stopped_before_the_socket():
    async with running_gateway(GatewayConfig()) as gateway:
        client = IbClient()
        await client.connect("127.0.0.1", gateway.port, 1, "", 4.0)
        try:
            with pytest.raises(TradingForbidden):
                client._ib.placeOrder(library.Stock("AAPL", "SMART", "USD"), library.MarketOrder("BUY", 1))
        finally:
            client.disconnect()
        assert gateway.violations == []


async def test_options_are_asked_for_legal_ticks_only(live):
    async with live() as it:
        await until(lambda: it.book.complete and not it.book.awaits_prices)
        await until(lambda: it.gateway.open_lines() > 20)
        asked = [row.fields for row in it.gateway.received if row.fields[0] == "1"]
        assert asked
        assert not any("13" in fields[-5].split(",") for fields in asked)


async def test_contracts_unknown_in_a_disturbance_are_asked_for_again(live, monkeypatch):
    monkeypatch.setattr(session, "ASK_AGAIN_S", 1.0)
    monkeypatch.setattr(lines, "NO_DEFINITION_AGAIN_S", 1.0)
    async with live(positions=8, faults=("200@0s+3s",)) as it:
        await until(lambda: it.book.complete, 20.0)
        assert it.book.awaits_prices, "nothing could be learned of the underlyings"
        await until(lambda: not it.book.awaits_prices, 20.0)
