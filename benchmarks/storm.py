"""Two thousand ticks a second from a gateway in a process of its own: does the loop still answer, how old is a tick in the Book?

A tick of the measured underlying carries its own time: a price of 100 and the milliseconds of its ten seconds, in cents.
"""

import statistics
import subprocess
import sys
import time
from datetime import datetime
from typing import Final

import anyio

from bot.clock import SystemClock
from bot.desk import Desk
from engine.book import Book
from engine.broker import Link
from engine.model import DataMode
from engine.settings import DataSettings, EngineSettings, IbkrSettings, ScenarioSettings
from simulator.gateway import GatewayConfig, running_gateway
from simulator.gateway.protocol import frame

TICKS_A_SECOND: Final = 2_000
SECONDS: Final = 12.0
EVERY_S: Final = 0.01
CYCLE_MS: Final = 10_000
MEASURED: Final = "AAPL"
BID, ASK = 1, 2


def _now_ms() -> int:
    return time.time_ns() // 1_000_000 % CYCLE_MS


async def serve() -> None:
    """The child: a gateway whose lines all speak, TICKS_A_SECOND in all."""
    async with running_gateway(GatewayConfig(positions=100, seed=7)) as gateway:
        print(gateway.port, flush=True)
        spoken = 0
        while True:
            await anyio.sleep(EVERY_S)
            for session in gateway.sessions:
                lines = list(session.wants.lines.values())
                for _ in range(int(TICKS_A_SECOND * EVERY_S)) if lines else ():
                    line = lines[spoken % len(lines)]
                    spoken += 1
                    if line.instrument.symbol == MEASURED and not line.instrument.is_option:
                        price = 100.0 + _now_ms() / 100.0
                        for side in (BID, ASK):
                            session.send(frame(1, 6, line.req_id, side, price, 100, 0))
                    else:
                        session.send(frame(2, 6, line.req_id, 0, spoken % 97))


class _Timed(Book):
    """A Book that notes how old the measured underlying's ticks are when they arrive, in ms."""

    def __init__(self) -> None:
        super().__init__()
        self.ages: list[float] = []

    def set_spot(self, symbol: str, spot: float, mode: DataMode, at: datetime) -> None:
        if symbol == MEASURED and 100.0 <= spot < 100.0 + CYCLE_MS / 100.0:
            age = (_now_ms() - round((spot - 100.0) * 100.0)) % CYCLE_MS
            if age < CYCLE_MS / 2:
                self.ages.append(float(age))
        super().set_spot(symbol, spot, mode, at)


async def storm() -> tuple[float, float, float, float]:
    """p99 of the loop's lag and of a tick's age in the Book, the median time of a fresh view (ms), and ticks read a second."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.storm"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        book, clock, data = _Timed(), SystemClock(), DataSettings()
        link = Link(book, clock, IbkrSettings(port=port), data, ScenarioSettings())
        desk = Desk(book, link, clock, EngineSettings(data=data))
        lags: list[float] = []
        views: list[float] = []

        async def watch() -> None:
            while True:
                due = time.perf_counter() + 0.01
                await anyio.sleep(0.01)
                lags.append(1000.0 * (time.perf_counter() - due))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.run)
            while not book.complete or book.awaits_prices:
                await anyio.sleep(0.1)
            await anyio.sleep(3.0)
            await desk.view(fresh=True)
            book.ages.clear()
            session = link._session
            assert session is not None
            heard = session._client.heard
            tasks.start_soon(watch)
            ends = time.perf_counter() + SECONDS
            while time.perf_counter() < ends:
                started = time.perf_counter()
                await desk.view(fresh=True)
                views.append(1000.0 * (time.perf_counter() - started))
                await anyio.sleep(1.0)
            rate = (session._client.heard - heard) / SECONDS
            tasks.cancel_scope.cancel()
        return _p99(lags), _p99(book.ages), statistics.median(views), rate
    finally:
        process.kill()
        process.wait()


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))] if values else float("nan")


def main() -> None:
    """Print the row."""
    lag, age, view, rate = anyio.run(storm)
    print(f"{rate:,.0f} messages a second: loop's lag p99 {lag:.0f} ms (bar 50), tick to Book p99 {age:.0f} ms (bar 100), "
          f"a fresh report meanwhile {view:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    anyio.run(serve)
