"""The Store for code on the event loop: every call runs in a thread, writers one at a time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import CapacityLimiter, to_thread

from engine.store.repository import Store

T = TypeVar("T")
Args = TypeVarTuple("Args")

READERS = 2


class AsyncStore:
    """A Store whose methods are awaited: `await store.write(Store.claim_next, now)`.

    A call that has begun is finished even if its caller is cancelled; the cancellation comes at the caller's next await.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._one_writer = CapacityLimiter(1)
        self._readers = CapacityLimiter(READERS)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> "AsyncIterator[AsyncStore]":
        """The store at `url`, closed at the end of the block.

        Raises:
            StoreError: As `Store.open`.
        """
        store = await to_thread.run_sync(Store.open, url)
        try:
            yield cls(store)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(store.close)

    async def write(self, operation: Callable[[Store, *Args], T], *args: *Args) -> T:
        """What `operation(store, *args)` returns, a method of Store that changes something."""
        return await to_thread.run_sync(operation, self._store, *args, limiter=self._one_writer)

    async def read(self, operation: Callable[[Store, *Args], T], *args: *Args) -> T:
        """What `operation(store, *args)` returns, a method of Store that only reads; it waits for no writer."""
        return await to_thread.run_sync(operation, self._store, *args, limiter=self._readers)
