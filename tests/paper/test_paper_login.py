"""Against a real TWS or IB Gateway, paper or live: `make test-paper HOST=127.0.0.1 PORT=4002`. It reads, and can't trade."""

import os

import anyio
import pytest

from bot.clock import SystemClock
from bot.desk import Desk
from engine.book import Book
from engine.broker import Link, LinkPhase
from engine.broker.client import IbClient
from engine.errors import TradingForbidden
from engine.settings import DataSettings, EngineSettings, IbkrSettings, ScenarioSettings
from tests.integration.waiting import until

HOST, PORT = os.environ.get("RISKBOT_PAPER_HOST"), os.environ.get("RISKBOT_PAPER_PORT")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not (HOST and PORT), reason="no login given: make test-paper HOST=127.0.0.1 PORT=4002"
    ),
]
CLIENT_ID = 77


@pytest.fixture
async def desk():
    """A Desk on the real login."""
    clock, book, data = SystemClock(), Book(), DataSettings()
    ibkr = IbkrSettings(
        host=HOST, port=int(PORT), client_id=CLIENT_ID, account=os.environ.get("RISKBOT_PAPER_ACCOUNT")
    )
    link = Link(book, clock, ibkr, data, ScenarioSettings())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run)
        yield Desk(book, link, clock, EngineSettings(data=data))
        tasks.cancel_scope.cancel()


async def test_the_account_arrives_whole(desk):
    await until(lambda: desk.link_state.phase in {LinkPhase.LIVE, LinkPhase.DEGRADED}, 30.0)
    view = await desk.view(fresh=True)
    assert view.report.complete
    assert view.snapshot.net_liquidation is not None
    print(f"{len(view.snapshot.positions)} positions, {len(view.report.quality.left_out)} without a value")


async def test_each_position_has_a_mark_and_each_option_a_volatility_or_a_reason(desk):
    await until(lambda: desk.link_state.phase in {LinkPhase.LIVE, LinkPhase.DEGRADED}, 30.0)
    await anyio.sleep(15.0)
    view = await desk.view(fresh=True)
    named = {remark.id for remark in view.report.quality.left_out}
    for one in view.report.positions:
        assert one.id in named or (one.mark is not None and (one.right is None or one.iv is not None)), one.id


@pytest.mark.parametrize("order_message", [3, 4, 19, 21, 58])
async def test_no_order_message_leaves(order_message):
    client = IbClient()
    await client.connect(HOST, int(PORT), CLIENT_ID + 1, os.environ.get("RISKBOT_PAPER_ACCOUNT") or "", 10.0)
    try:
        with pytest.raises(TradingForbidden):
            client._ib.client.send(order_message, 1, "anything")
        assert await client.gateway_time(10.0) is not None, "the socket is as it was"
    finally:
        client.disconnect()
