"""The embedded world of the demo: a simulated IB Gateway and a simulated Telegram, each a process of its own on loopback."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from engine.errors import RequestError, RiskbotError

STARTS_WITHIN_S: Final = 90.0
BAD_INPUT: Final = 2


@dataclass(frozen=True, slots=True)
class World:
    """Where the embedded world listens, and when its companies report."""

    gateway_port: int
    telegram_port: int
    token: str
    earnings: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def telegram_url(self) -> str:
        return f"http://127.0.0.1:{self.telegram_port}"


@asynccontextmanager
async def running_world(
    positions: int, seed: int, events: Sequence[str], telegram_port: int
) -> AsyncIterator[World]:
    """The world, for the length of the block; its processes also end when this one is killed.

    Raises:
        RequestError: If a part refuses its arguments or its port is taken; the text is the part's own.
        RiskbotError: If a part does not start.
    """
    gateway = ["simulator.gateway", "--port", "0", "--positions", str(positions), "--seed", str(seed)]
    for event in events:
        gateway += ["--event", event]
    telegram = ["simulator.telegram", "--port", str(telegram_port)]
    async with _child(gateway) as first, _child(telegram) as second:
        said, said_too = await _greetings(first, second)
        reports = {symbol: datetime.fromisoformat(at) for symbol, at in said["earnings"].items()}
        yield World(int(said["port"]), int(said_too["port"]), str(said_too["token"]), reports)


async def _greetings(first: Process, second: Process) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both parts say on starting; they start side by side."""
    return await _greeting(first, "the gateway"), await _greeting(second, "the chat server")


@asynccontextmanager
async def _child(command: Sequence[str]) -> AsyncIterator[Process]:
    """One part. Its standard input is a pipe of ours; the part ends when that closes."""
    process = await anyio.open_process(
        [sys.executable, "-m", *command, "--exit-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # Ctrl-C is for us; the parts end when we do
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(5):
            if process.returncode is None:
                process.terminate()
            await process.wait()
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def _greeting(process: Process, name: str) -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    text = ""
    with anyio.move_on_after(STARTS_WITHIN_S):
        async for piece in TextReceiveStream(process.stdout):
            text += piece
            if "\n" in text:
                greeting: dict[str, Any] = json.loads(text.split("\n", 1)[0])
                return greeting
        code = await process.wait()
        said = "".join([piece async for piece in TextReceiveStream(process.stderr)]).strip()
        last = said.splitlines()[-1] if said else f"exit code {code}"
        raise RequestError(last) if code == BAD_INPUT else RiskbotError(f"{name} did not start: {last}")
    raise RiskbotError(f"{name} did not start within {STARTS_WITHIN_S:.0f} s")
