"""Measured through the real client, over TCP, against the simulated gateway in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from bot.config import Config
from bot.live import live_desk
from engine.model import IvSource, Snapshot
from engine.settings import IbkrSettings

ROOT = Path(__file__).parents[1]
OWN = {IvSource.MARK, IvSource.BROKER}


@dataclass(frozen=True)
class Load:
    seconds: float
    snapshot: Snapshot


@contextmanager
def gateway(positions: int, seed: int) -> Iterator[int]:
    """A simulated gateway; its port."""
    command = [sys.executable, "-m", "simulator.gateway", "--port", "0", "--exit-with-stdin"]
    process = subprocess.Popen(
        [*command, "--positions", str(positions), "--seed", str(seed)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.communicate()


async def load_s(positions: int, seed: int) -> Load:
    """From the start of the connection until every position has a mark and every option a sigma with its source.

    An option beyond the account's market data lines has its sigma from the mark of the portfolio download, which comes by itself.
    """
    with gateway(positions, seed) as port:
        started = time.perf_counter()
        async with live_desk(Config(ibkr=IbkrSettings(port=port))) as desk:
            while True:
                view = await desk.view(fresh=True)
                held = view.report.positions
                priced = (
                    held and not view.report.quality.left_out and all(one.mark is not None for one in held)
                )
                if (
                    view.report.complete
                    and priced
                    and all(one.iv_source in OWN for one in held if one.right and (one.dte or 0) >= 0)
                ):
                    return Load(time.perf_counter() - started, view.snapshot)
                if time.perf_counter() - started > 60:
                    missing = [
                        (one.id, one.iv_source) for one in held if one.right and one.iv_source not in OWN
                    ]
                    raise SystemExit(f"not loaded within 60 s: {missing[:5]}")
                await anyio.sleep(0.05)


async def tick_to_answer_s(positions: int, times: int) -> list[float]:
    """Seconds from a move at the gateway until a report made by the desk shows it."""
    from simulator.gateway import GatewayConfig, running_gateway

    waits = []
    async with (
        running_gateway(GatewayConfig(positions=positions)) as world,
        live_desk(Config(ibkr=IbkrSettings(port=world.port))) as desk,
    ):
        await desk.view()
        for i in range(times):
            spot = world.world.spot("AAPL") * (1.03 if i % 2 else 0.97)
            started = time.perf_counter()
            world.move("AAPL", spot)
            while True:
                seen = (await desk.view()).snapshot.underlyings["AAPL"].spot
                if seen is not None and abs(seen / spot - 1) < 0.01:
                    break
                await anyio.sleep(0.005)
            waits.append(time.perf_counter() - started)
    return waits


def first_answer_s() -> float:
    """Seconds of the whole command `riskbot demo` until the answer to /scenario panic is there."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "bot", "demo", "--say", "/scenario panic", "--out", out]
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - started
