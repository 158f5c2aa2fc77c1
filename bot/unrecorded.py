"""What the database does not take is still said: messages sent from memory, marked "not recorded", and the owner told of it once.

Nothing here outlives the process. What was sent from here is in no history, and a restart judges from what was last stored.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

import anyio
from telegram import Bot

from bot.delivery import Refused, send
from bot.marking import REPEAT, marked, next_try
from engine.clock import Clock
from engine.errors import StoreError
from engine.store import Message, MessageKind, Priority

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
KEYS_REMEMBERED: Final = 10_000
MARK: Final = "(not recorded)"


@dataclass(slots=True)
class _Waiting:
    """A message on its way from memory. `ours` is one about the database itself, which needs no mark."""

    message: Message
    ours: bool
    attempts: int = 0
    not_before: datetime | None = None
    may_repeat: bool = False


class Unrecorded:
    """Messages that could not be stored, and whether the database takes anything at all."""

    def __init__(self, bot: Bot, chats: Iterable[int], clock: Clock) -> None:
        self._bot = bot
        self._chats = tuple(chats)
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._taken: OrderedDict[str, None] = OrderedDict()
        self._since: datetime | None = None
        self._cycle_failed = False
        self._poked = anyio.Event()

    def take(self, messages: Iterable[Message], error: StoreError, *, cycle: bool = False) -> None:
        """Send what could not be stored, each key once; tell the owner where this is the first that fails.

        `cycle`: what failed was a whole cycle; then only a whole cycle shows that there is room again.
        """
        self._cycle_failed = self._cycle_failed or cycle
        if self._since is None:
            self._since = self._clock.now()
            log.error("nothing can be recorded: %s", error)
            self._say(
                "stopped",
                f"⚠ nothing can be recorded: {error}. Alerts go on from memory, marked {MARK}. "
                "Make room, or make the disk writable; a damaged database is mended at the next start",
            )
        for message in messages:
            if (
                "replaces" not in message.body
            ):  # an edit of what was sent before says nothing that its reply does not
                self._put(message, ours=False)
        self._poked.set()

    def recorded(self, *, cycle: bool = False) -> None:
        """Something was stored: tell the owner where that is news."""
        if self._since is None or (self._cycle_failed and not cycle):
            return
        minutes = (self._clock.now() - self._since).total_seconds() / 60.0
        log.warning("recording again after %.0f min", minutes)
        self._say(
            "back", f"🟢 recording again after {minutes:.0f} min; what was marked {MARK} is in no history"
        )
        self._since, self._cycle_failed = None, False
        self._poked.set()

    async def run(self) -> None:
        """Send what waits, the most important first, for ever."""
        while True:
            self._poked = anyio.Event()
            while (one := self._next()) is not None:
                await self._send(one)
            with anyio.move_on_after(POLL_S):
                await self._poked.wait()

    def _say(self, what: str, html: str) -> None:
        now = self._clock.now()
        for chat in self._chats:
            key = f"unrecorded:{what}:{now.isoformat()}:{chat}"
            body = {"html": escape(html, quote=False)}
            self._put(Message(key, chat, MessageKind.ALERT, body, now, Priority.CRITICAL), ours=True)

    def _put(self, message: Message, *, ours: bool) -> None:
        if message.key in self._taken:
            return
        self._taken[message.key] = None
        while len(self._taken) > KEYS_REMEMBERED:
            self._taken.popitem(last=False)
        self._waiting.append(_Waiting(message, ours))

    def _next(self) -> _Waiting | None:
        now = self._clock.now()
        due = [one for one in self._waiting if one.not_before is None or one.not_before <= now]
        return max(due, key=lambda one: one.message.priority, default=None)

    async def _send(self, one: _Waiting) -> None:
        message, now = one.message, self._clock.now()
        marks = [REPEAT] * one.may_repeat + [MARK] * (not one.ours)
        reply = marked(message.body, message.picture, now - message.created_at, marks)
        one.attempts += 1
        try:
            await send(self._bot, message.chat_id, reply)
        except Refused as refused:
            if refused.retry_after_s is not None:
                one.not_before = next_try(now, one.attempts, refused.retry_after_s)
                one.may_repeat = one.may_repeat or refused.may_have_arrived
                return
            log.error("message %s can never be sent: %s", message.key, refused.reason)
        self._waiting.remove(one)
