"""Durable delivery: rows of the outbox table become messages, in the order of their priority.

A row is claimed, sent, then marked. What an earlier process left half-sent is sent again and says that it may be a repeat. While
the database takes nothing, what should have been stored is sent from memory, and what was sent is marked as soon as it can be.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final, TypeVarTuple

import anyio
from telegram import Bot

from bot.delivery import Refused, put_in_place, send, split
from bot.marking import REPEAT, marked, next_try
from bot.replies import Reply
from bot.unrecorded import Unrecorded
from engine.clock import Clock
from engine.errors import StoreError
from engine.store import AsyncStore, Message, MessageKind, NotBeingSent, OutboxItem, Priority, Store

log = logging.getLogger(__name__)

Args = TypeVarTuple("Args")

POLL_S: Final = 1.0


def messages(
    key: str, chats: Iterable[int], kind: MessageKind, replies: list[Reply], priority: Priority, clock: Clock
) -> list[Message]:
    """Outbox rows for `replies` to every chat; `key` names the occasion, so that it is told once."""
    return [
        Message(
            key=f"{key}:{chat_id}:{i}",
            chat_id=chat_id,
            kind=kind,
            body={
                "html": reply.html,
                "keyboard": [[[one.text, one.data] for one in row] for row in reply.keyboard],
            },
            created_at=clock.now(),
            priority=priority,
            picture=reply.picture,
        )
        for chat_id in chats
        for i, reply in enumerate(replies)
    ]


class Outbox:
    """The sender. `poke` after writing rows, so that they leave at once.

    `chats` are told when nothing can be stored, and when it can again; `marks` stand above every message.
    """

    def __init__(
        self,
        store: AsyncStore,
        bot: Bot,
        clock: Clock,
        chats: Iterable[int] = (),
        marks: Iterable[str] = (),
    ) -> None:
        self._store = store
        self._bot = bot
        self._clock = clock
        self._poked = anyio.Event()
        self._unrecorded = Unrecorded(bot, chats, clock)
        self._owed: deque[Callable[[Store], None]] = deque()
        self._behind = False
        self._marks = tuple(marks)

    def poke(self) -> None:
        self._poked.set()

    async def ending(self, key: str, told_key: str, html: str, chats: Iterable[int]) -> list[Message]:
        """Rows for the end of what the message `told_key` told: in each chat a reply to it, and, where it fits one message,
        its own text with that line below and without its buttons; a message of its own where that one has not been sent."""
        try:
            told = {item.chat_id: item for item in await self._store.read(Store.told, told_key)}
        except StoreError:
            log.exception("the end of an alert is told without the message that told it")
            told = {}
        waiting: list[Message] = []
        for chat_id in chats:
            item = told.get(chat_id)
            (reply,) = messages(
                f"{key}:end:{told_key}",
                [chat_id],
                MessageKind.ALERT,
                [Reply(html)],
                Priority.ALERT,
                self._clock,
            )
            if item is not None and item.telegram_message_id is not None:
                both = f"{item.body['html']}\n{html}"
                if len(split(both)) == 1:
                    there = {"html": both, "replaces": item.telegram_message_id}
                    waiting.append(replace(reply, key=f"{key}:edit:{told_key}:{chat_id}", body=there))
                reply = replace(reply, body={**reply.body, "answers": item.telegram_message_id})
            waiting.append(reply)
        return waiting

    @property
    def behind(self) -> bool:
        """Whether alert states that `record` was given are not in the database: the next ones must be all of them."""
        return self._behind

    async def record(
        self,
        waiting: Iterable[Message],
        operation: Callable[[Store, *Args], object],
        *args: *Args,
        cycle: bool = False,
    ) -> bool:
        """Store alert states with the messages `waiting` that they cause, by `operation(store, *args)`; whether it was done.

        Where the database does not take them the messages are sent from memory, marked, and the owner is told once.
        """
        try:
            await self._store.write(operation, *args)
        except StoreError as error:
            self._behind = True
            self._unrecorded.take(waiting, error, cycle=cycle)
            return False
        self._behind = False
        self._unrecorded.recorded(cycle=cycle)
        self.poke()
        return True

    async def put(self, waiting: list[Message]) -> None:
        """Store messages that no alert state goes with, and send them; from memory, marked, where they can't be stored."""
        try:
            await self._store.write(Store.enqueue, waiting)
        except StoreError as error:
            self._unrecorded.take(waiting, error)
        else:
            self._unrecorded.recorded()
            self.poke()

    async def run(self) -> None:
        """Send what waits, for ever."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._unrecorded.run)
            await self._send_stored()

    async def _send_stored(self) -> None:
        self._owed.append(_recover)
        while True:
            self._poked = anyio.Event()
            try:
                await self._settle_owed()
                while (item := await self._store.write(Store.claim_next, self._clock.now())) is not None:
                    await self._send(item)
            except StoreError as error:
                self._unrecorded.take((), error)
            with anyio.move_on_after(POLL_S):
                await self._poked.wait()

    async def _settle_owed(self) -> None:
        """Write down what became of messages while nothing could be written. They are 'sending' until then: after a crash they
        are sent again and say that they may be a repeat."""
        while self._owed:
            try:
                await self._store.write(self._owed[0])
            except NotBeingSent as error:
                log.error("%s", error)
            self._owed.popleft()

    async def _send(self, item: OutboxItem) -> None:
        try:
            message_id = await self._deliver(item)
        except Refused as refused:
            await self._put_back(item, refused)
            return
        with anyio.CancelScope(
            shield=True
        ):  # it was taken: that must be written down, or it would be sent again
            at = self._clock.now()
            await self._settle(lambda store: store.mark_sent(item.id, message_id, at))

    async def _deliver(self, item: OutboxItem) -> int:
        old = item.body.get("replaces")
        if old is not None:
            return await put_in_place(self._bot, item.chat_id, int(old), Reply(str(item.body["html"])))
        return await send(self._bot, item.chat_id, self._marked(item), answering=item.body.get("answers"))

    async def _put_back(self, item: OutboxItem, refused: Refused) -> None:
        reason = refused.reason
        if refused.retry_after_s is None:
            log.error("message %s can never be sent: %s", item.key, reason)
            await self._settle(lambda store: store.mark_dead(item.id, reason))
            return
        now = self._clock.now()
        again = next_try(now, item.attempts, refused.retry_after_s)
        log.warning(
            "message %s not taken (%s); again in %.0f s", item.key, reason, (again - now).total_seconds()
        )
        put_back = partial(Store.mark_retry, may_have_arrived=refused.may_have_arrived)
        await self._settle(lambda store: put_back(store, item.id, again, reason))

    async def _settle(self, mark: Callable[[Store], None]) -> None:
        self._owed.append(mark)
        await self._settle_owed()

    def _marked(self, item: OutboxItem) -> Reply:
        marks = [REPEAT] * item.may_repeat + [*self._marks]
        return marked(item.body, item.picture, self._clock.now() - item.created_at, marks)


def _recover(store: Store) -> None:
    repeats = store.recover_sending()
    if repeats:
        log.warning("%s messages may have been sent before and are sent again, marked", repeats)
