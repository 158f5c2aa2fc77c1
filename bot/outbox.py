"""Durable delivery: rows of the outbox table become messages, in the order of their priority.

A row is claimed, sent, then marked. What an earlier process left half-sent is sent again and says that it may be a repeat.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

import anyio
from telegram import Bot

from bot.delivery import Refused, put_in_place, send, split
from bot.replies import Button, Keyboard, Reply
from engine.clock import Clock
from engine.store import AsyncStore, Message, MessageKind, OutboxItem, Priority, Store

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
LATE_AFTER: Final = timedelta(minutes=2)
LONGEST_WAIT_S: Final = 60.0


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
    """The sender. `poke` after writing rows, so that they leave at once."""

    def __init__(self, store: AsyncStore, bot: Bot, clock: Clock) -> None:
        self._store = store
        self._bot = bot
        self._clock = clock
        self._poked = anyio.Event()

    def poke(self) -> None:
        self._poked.set()

    async def ending(self, key: str, told_key: str, html: str, chats: Iterable[int]) -> list[Message]:
        """Rows for the end of what the message `told_key` told: in each chat a reply to it, and, where it fits one message,
        its own text with that line below and without its buttons; a message of its own where that one has not been sent."""
        told = {item.chat_id: item for item in await self._store.read(Store.told, told_key)}
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
                marked = f"{item.body['html']}\n{html}"
                if len(split(marked)) == 1:
                    there = {"html": marked, "replaces": item.telegram_message_id}
                    waiting.append(replace(reply, key=f"{key}:edit:{told_key}:{chat_id}", body=there))
                reply = replace(reply, body={**reply.body, "answers": item.telegram_message_id})
            waiting.append(reply)
        return waiting

    async def run(self) -> None:
        """Send what waits, for ever."""
        repeats = await self._store.write(Store.recover_sending)
        if repeats:
            log.warning("%s messages may have been sent before and are sent again, marked", repeats)
        while True:
            self._poked = anyio.Event()
            while (item := await self._store.write(Store.claim_next, self._clock.now())) is not None:
                await self._send(item)
            with anyio.move_on_after(POLL_S):
                await self._poked.wait()

    async def _send(self, item: OutboxItem) -> None:
        try:
            message_id = await self._deliver(item)
        except Refused as refused:
            await self._put_back(item, refused)
            return
        with anyio.CancelScope(
            shield=True
        ):  # it was taken: that must be written down, or it would be sent again
            await self._store.write(Store.mark_sent, item.id, message_id, self._clock.now())

    async def _deliver(self, item: OutboxItem) -> int:
        old = item.body.get("replaces")
        if old is not None:
            return await put_in_place(self._bot, item.chat_id, int(old), Reply(str(item.body["html"])))
        return await send(self._bot, item.chat_id, self._marked(item), answering=item.body.get("answers"))

    async def _put_back(self, item: OutboxItem, refused: Refused) -> None:
        if refused.retry_after_s is None:
            log.error("message %s can never be sent: %s", item.key, refused.reason)
            await self._store.write(Store.mark_dead, item.id, refused.reason)
            return
        wait = max(refused.retry_after_s, min(LONGEST_WAIT_S, 2.0 ** min(item.attempts, 6)))
        log.warning("message %s not taken (%s); again in %.0f s", item.key, refused.reason, wait)
        put_back = partial(Store.mark_retry, may_have_arrived=refused.may_have_arrived)
        await self._store.write(
            put_back, item.id, self._clock.now() + timedelta(seconds=wait), refused.reason
        )

    def _marked(self, item: OutboxItem) -> Reply:
        """The message with what its reader must know: that it may be a repeat, that it is late."""
        html = str(item.body["html"])
        late = self._clock.now() - item.created_at
        if item.may_repeat:
            html = f"(may be a repeat)\n{html}"
        if late > LATE_AFTER:
            html = f"({late.total_seconds() / 60:.0f} min late)\n{html}"
        keyboard: Keyboard = tuple(
            tuple(Button(text, data) for text, data in row) for row in item.body.get("keyboard", ())
        )
        return Reply(html, item.picture, keyboard)
