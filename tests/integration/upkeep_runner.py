"""A night's upkeep as a program of its own, to be killed in the middle: `python upkeep_runner.py URL NOW`."""

import sys
from datetime import datetime

import anyio

from bot.upkeep import Upkeep
from engine.store import AsyncStore


class FixedClock:
    def __init__(self, now):
        self._now = now

    def now(self):
        return self._now

    def monotonic(self):
        return 0.0


async def run(url, now):
    async with AsyncStore.open(url) as store:
        print("begun", flush=True)
        await Upkeep(store, FixedClock(now), "NYSE").nightly()
    print("done", flush=True)


if __name__ == "__main__":
    anyio.run(run, sys.argv[1], datetime.fromisoformat(sys.argv[2]))
