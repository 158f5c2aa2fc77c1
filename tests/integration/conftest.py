"""The live parts that integration tests share: a simulated gateway, and a link that feeds a Book from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from bot.clock import SystemClock
from bot.desk import Desk
from engine.book import Book
from engine.broker import Link
from engine.settings import DataSettings, EngineSettings, IbkrSettings, ScenarioSettings
from simulator.gateway import Gateway, GatewayConfig, running_gateway
from simulator.gateway.faults import parse_fault


@dataclass
class Live:
    """A gateway, and riskbot's broker side connected to it."""

    gateway: Gateway
    book: Book
    link: Link
    desk: Desk


@asynccontextmanager
async def _live(positions: int = 24, faults: tuple[str, ...] = (), **settings: int) -> AsyncIterator[Live]:
    clock = SystemClock()
    config = GatewayConfig(positions=positions, seed=7, faults=tuple(map(parse_fault, faults)))
    async with running_gateway(config) as gateway:
        book = Book()
        ibkr = IbkrSettings(port=gateway.port)
        data = DataSettings(**settings)
        link = Link(book, clock, ibkr, data, ScenarioSettings(), jitter=lambda: 0.9)
        desk = Desk(book, link, clock, EngineSettings(data=data))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.run)
            yield Live(gateway, book, link, desk)
            tasks.cancel_scope.cancel()
        assert gateway.violations == [], "an order message reached the gateway"


@pytest.fixture
def live():
    """A context manager: `async with live() as it:`."""
    return _live
