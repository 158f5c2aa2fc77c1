"""How long the phases of a cycle take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from engine.clock import Clock
from engine.store import AsyncStore, Store

T = TypeVar("T")
Args = TypeVarTuple("Args")


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of one cycle: freeze and analyse; rules, with the wait for a look that is at it; the database."""

    analysis: float
    rules: float
    store: float

    def __str__(self) -> str:
        return f"analysis {ms(self.analysis)}, rules {ms(self.rules)}, store {ms(self.store)}"


def ms(seconds: float) -> str:
    return f"{1000.0 * seconds:.0f} ms"


class TimedStore:
    """The store, with the seconds that its writes have taken so far."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.spent_s = 0.0

    async def write(self, operation: Callable[[Store, *Args], T], *args: *Args) -> T:
        """As `AsyncStore.write`."""
        started = self._clock.monotonic()
        try:
            return await self._store.write(operation, *args)
        finally:
            self.spent_s += self._clock.monotonic() - started

    async def read(self, operation: Callable[[Store, *Args], T], *args: *Args) -> T:
        """As `AsyncStore.read`."""
        return await self._store.read(operation, *args)
