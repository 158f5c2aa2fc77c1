"""The database at start: a damaged one is mended and that is announced, and what can't be read of it is done without."""

import logging
from collections.abc import Iterable
from html import escape

from anyio import to_thread

from bot.outbox import messages
from bot.replies import Reply
from engine.clock import Clock
from engine.errors import StoreError
from engine.model import Snapshot
from engine.store import AsyncStore, MessageKind, Priority, Repair, Store, mend

log = logging.getLogger(__name__)


async def check_database(url: str, clock: Clock) -> Repair | None:
    """Before it is opened: a damaged file gives way to its last sound backup. Said in the log and on the terminal.

    Raises:
        StoreError: If it is damaged and can't be moved aside.
    """
    repair = await to_thread.run_sync(mend, url, clock.now())
    if repair is not None:
        log.error("%s", repair.words)
        print(f"riskbot: {repair.words}", flush=True)
    return repair


async def announce(repair: Repair | None, store: AsyncStore, chats: Iterable[int], clock: Clock) -> None:
    """The same to every chat, once."""
    if repair is not None:
        reply = Reply(f"⚠ {escape(repair.words, quote=False)}")
        key = f"mended:{repair.aside.name}"
        waiting = messages(key, chats, MessageKind.ALERT, [reply], Priority.CRITICAL, clock)
        await store.write(Store.enqueue, waiting)


async def last_picture(store: AsyncStore) -> Snapshot | None:
    """The last complete Snapshot of an earlier run; None where there is none, or it can't be read."""
    try:
        return await store.read(Store.latest_snapshot)
    except StoreError as error:
        log.warning("no picture of an earlier run: %s", error)
        return None
