"""The database at start: a damaged one is mended, one on a dead disk is stood in for, and either is announced; what can't be read
of it is done without."""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from html import escape

from anyio import to_thread

from bot.outbox import messages
from bot.replies import Reply
from bot.unrecorded import MARK
from engine.clock import Clock
from engine.errors import StoreError
from engine.model import Snapshot
from engine.store import AsyncStore, MessageKind, Priority, Store, is_unwritable, mend, stand_in

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """The store that the program works with. `news`: what the owner must know of it; `marks`: what each message says of it."""

    store: AsyncStore
    news: str | None = None
    marks: tuple[str, ...] = ()

    async def announce(self, chats: Iterable[int], clock: Clock) -> None:
        """Tell every chat the news, once."""
        if self.news is not None:
            key = f"database:{clock.now().isoformat()}"
            reply = Reply(f"⚠ {escape(self.news, quote=False)}")
            waiting = messages(key, chats, MessageKind.ALERT, [reply], Priority.CRITICAL, clock)
            await self.store.write(Store.enqueue, waiting)


@asynccontextmanager
async def open_database(url: str, clock: Clock) -> AsyncIterator[Opened]:
    """The database at `url`: a damaged file gives way to its last sound backup, and where the disk takes nothing a copy in memory
    stands in, which ends with the program. Either is said in the log and on the terminal.

    Raises:
        StoreError: If it can't be opened for another reason, or is damaged and can't be moved aside.
    """
    repair = await to_thread.run_sync(mend, url, clock.now())
    if repair is not None:
        _say(repair.words)
    async with AsyncExitStack() as parts:
        try:
            store = await parts.enter_async_context(AsyncStore.open(url))
        except StoreError as error:
            copy = parts.enter_context(stand_in(url)) if is_unwritable(error) else None
            if copy is None:
                raise
            store = await parts.enter_async_context(AsyncStore.open(copy))
            news = (
                f"nothing can be recorded: {error}. riskbot works on a copy in memory, and messages are marked {MARK}. "
                "Make room, or make the disk writable, and start it again"
            )
            _say(news)
            yield Opened(store, news, (MARK,))
        else:
            yield Opened(store, None if repair is None else repair.words)


def _say(news: str) -> None:
    log.error("%s", news)
    print(f"riskbot: {news}", flush=True)


async def last_picture(store: AsyncStore) -> Snapshot | None:
    """The last complete Snapshot of an earlier run; None where there is none, or it can't be read."""
    try:
        return await store.read(Store.latest_snapshot)
    except StoreError as error:
        log.warning("no picture of an earlier run: %s", error)
        return None
