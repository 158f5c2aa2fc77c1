"""`riskbot demo`: the same program, on the embedded world."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from pydantic import SecretStr

from bot.app import run_app
from bot.config import Config, TelegramSettings
from bot.earnings import KnownReporter
from bot.player import USER_ID, Turn, play
from bot.world import World, running_world
from engine.settings import DatabaseSettings, IbkrSettings

EMBEDDED_RATE: Final = 0.04
"""The interest rate of the embedded market."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says of the demo. `say` plays lines and ends; without it the demo runs until it is stopped."""

    positions: int
    seed: int
    events: Sequence[str]
    port: int
    say: Sequence[str]
    out: Path
    cycle_s: float


async def run_demo(config: Config, options: DemoOptions) -> int:
    """Run the demo; 0, or 1 when a line of `say` was not answered."""
    port = 0 if options.say else options.port
    with tempfile.TemporaryDirectory(prefix="riskbot-demo-") as folder:
        async with running_world(options.positions, options.seed, options.events, port) as world:
            embedded = demo_config(config, world, Path(folder), options.cycle_s)
            if options.say:
                return await _say(embedded, world, options)
            ready = partial(_greet, world, options)
            await run_app(embedded, SecretStr(world.token), ready, _reporter(world))
    return 0


def demo_config(config: Config, world: World, folder: Path, cycle_s: float) -> Config:
    """The config with the embedded world in place of the real one, always open, in a database of its own."""
    return config.model_copy(
        update={
            "ibkr": IbkrSettings(port=world.gateway_port),
            "telegram": TelegramSettings(
                allowed_users=(USER_ID,), allowed_chats=(USER_ID,), base_url=world.telegram_url
            ),
            "database": DatabaseSettings(url=f"sqlite:///{folder}/riskbot.sqlite3"),
            "schedule": config.schedule.model_copy(update={"always_open": True, "refresh_interval": 5.0}),
            "data": config.data.model_copy(
                update={
                    "snapshot_interval": cycle_s,
                    "risk_free_rate": EMBEDDED_RATE,
                    "treasury_url": None,
                    "yahoo_dividends": False,
                    "yahoo_earnings": False,
                }
            ),
        }
    )


def _reporter(world: World) -> KnownReporter:
    return KnownReporter("embedded world", world.earnings)


async def _say(config: Config, world: World, options: DemoOptions) -> int:
    turns: list[Turn] = []
    async with anyio.create_task_group() as tasks:
        started = anyio.Event()
        tasks.start_soon(run_app, config, SecretStr(world.token), started.set, _reporter(world))
        await started.wait()
        turns = await play(world.telegram_url, options.say, options.out)
        tasks.cancel_scope.cancel()
    for turn in turns:
        took = "no answer" if turn.seconds is None else f"{turn.seconds:.1f} s"
        print(f"{turn.said}: {took}")
    print(f"written to {options.out}/transcript.txt")
    return 0 if all(turn.seconds is not None for turn in turns) else 1


def _greet(world: World, options: DemoOptions) -> None:
    print(f"riskbot demo: open {world.telegram_url} in a browser and type /positions", flush=True)
    events = f"; to come: {', '.join(options.events)}" if options.events else ""
    print(
        f"{options.positions} positions, seed {options.seed}{events}. Stop with Ctrl-C.",
        file=sys.stderr,
        flush=True,
    )
