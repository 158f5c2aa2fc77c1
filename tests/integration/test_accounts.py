"""One login with several accounts: a name is needed, or `all`, which adds them up and keeps each row's account."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest

from bot.clock import SystemClock
from engine.book import Book
from engine.broker import Link, LinkPhase
from engine.errors import ConfigError
from engine.settings import DataSettings, IbkrSettings, ScenarioSettings
from simulator.gateway import GatewayConfig, running_gateway
from simulator.gateway.faults import parse_fault
from tests.integration.waiting import until

pytestmark = pytest.mark.anyio

SECOND = "DU8888888"


@asynccontextmanager
async def linked(account, *faults):
    """A Book fed from a gateway with these faults, for `ibkr.account`; what the link raises leaves it as it was raised."""
    config = GatewayConfig(positions=6, seed=7, faults=tuple(parse_fault(text) for text in faults))
    async with running_gateway(config) as gateway:
        book, clock = Book(), SystemClock()
        await anyio.sleep(0.05)
        ibkr = IbkrSettings(port=gateway.port, account=account)
        link = Link(book, clock, ibkr, DataSettings(), ScenarioSettings())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.run)
            yield SimpleNamespace(book=book, link=link, gateway=gateway)
            tasks.cancel_scope.cancel()


async def figures(account, *faults):
    async with linked(account, *faults) as it:
        await until(lambda: it.book.complete, 10.0)
        return it.gateway.account.name, [held.account for held in it.book.holdings], it.book.net_liquidation


async def test_all_accounts_are_added_up_and_each_row_keeps_its_own():
    first, _, one = await figures(None)
    _, accounts, both = await figures("all", "two-accounts")
    assert set(accounts) == {first, SECOND} and len(accounts) == 12
    assert both == pytest.approx(2.0 * one, rel=0.01)


async def test_portfolio_marks_of_every_account_arrive_in_turn(monkeypatch):
    from engine.broker import session

    monkeypatch.setattr(session, "ACCOUNT_FOR_S", 0.5)
    async with linked("all", "two-accounts", "10168") as it:
        await until(lambda: it.book.complete, 10.0)
        now = SystemClock().now
        await until(lambda: all(one.broker.mark is not None for one in it.book.freeze(now()).positions), 10.0)


async def test_a_named_account_is_the_only_one_read():
    _, accounts, _ = await figures(SECOND, "two-accounts")
    assert set(accounts) == {SECOND}


async def end_of(account, *faults, meanwhile=None):
    """The error that ends the link."""
    try:
        async with linked(account, *faults) as it:
            if meanwhile is not None:
                await until(lambda: it.link.state.phase is LinkPhase.LIVE, 10.0)
                it.gateway.begin(meanwhile)
                it.gateway.drop_clients()
            await anyio.sleep(20.0)
    except BaseExceptionGroup as group:
        return group.exceptions[0]
    return None


@pytest.mark.parametrize(
    ("account", "words"), [(None, "name one, or write all"), ("U1", "not an account of this login")]
)
async def test_it_refuses_to_guess(account, words):
    error = await end_of(account, "two-accounts")
    assert isinstance(error, ConfigError) and words in str(error)


async def test_an_account_that_changes_hands_is_refused_not_mixed_up():
    error = await end_of("DU1234567", meanwhile="account")
    assert isinstance(error, ConfigError) and "not an account of this login" in str(error)


async def test_an_account_that_arrives_without_positions_is_not_called_empty():
    async with linked(None) as it:
        await until(lambda: it.book.complete, 10.0)
        it.gateway.begin("no-positions")
        it.gateway.drop_clients()
        await until(lambda: it.link.state.phase is not LinkPhase.LIVE, 5.0)
        await anyio.sleep(3.0)
        assert it.link.state.blind is not None
