"""The state of the simulated Telegram: one bot, its chats, their messages, and the log of what the bot asked.

Everything happens on one event loop and every change is synchronous, so that a request sees the world whole.
"""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import anyio

from simulator.telegram.config import DEMO_USER_ID, TelegramConfig
from simulator.telegram.errors import bad_request, forbidden, too_many_requests
from simulator.telegram.files import FileStore
from simulator.telegram.flood import FloodGate
from simulator.telegram.records import CallbackQuery, Chat, LoggedRequest, Message, User
from simulator.telegram.updates import UpdateQueue


@dataclass(frozen=True, slots=True)
class Typing:
    """A chat action, shown until `until` (monotonic seconds)."""

    action: str
    until: float


class World:
    """What the server knows; `version` counts its changes, and `changed` is set at each."""

    def __init__(self, config: TelegramConfig) -> None:
        self.config = config
        self.bot = User(config.bot_id, config.bot_name, config.bot_username, is_bot=True)
        self.users: dict[int, User] = {}
        self.chats: dict[int, Chat] = {}
        self.messages: dict[int, dict[int, Message]] = {}
        self.files = FileStore()
        self.updates = UpdateQueue()
        self.callbacks: dict[str, CallbackQuery] = {}
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.typing: dict[int, Typing] = {}
        self.log: list[LoggedRequest] = []
        self.refusals: list[LoggedRequest] = []
        self.instance = secrets.token_hex(8)
        self.version = 0
        self.changed = anyio.Event()
        self.closing = False
        self._message_ids = itertools.count(1)
        self._request_numbers = itertools.count(1)
        self._flood = FloodGate(config.flood)
        self.add_user(DEMO_USER_ID, "Demo", spoken=config.started)

    # people and chats

    def add_user(self, user_id: int, name: str, *, spoken: bool = False) -> User:
        """A person with a private chat; the bot may write there once they have spoken."""
        user = self.users[user_id] = User(user_id, name, name.lower())
        self.chats[user_id] = Chat(user_id, "private", name, name.lower(), spoken=spoken)
        self.messages[user_id] = {}
        self.touch()
        return user

    def add_group(self, chat_id: int, title: str) -> Chat:
        """A group that the bot is a member of; a supergroup where the id is below -10^12."""
        kind = "supergroup" if chat_id <= -(10**12) else "group"
        chat = self.chats[chat_id] = Chat(chat_id, kind, title, spoken=True)
        self.messages[chat_id] = {}
        self.touch()
        return chat

    def change_chat(self, chat: Chat) -> None:
        self.chats[chat.id] = chat
        self.touch()

    def readable_chat(self, chat_id: int | str) -> Chat:
        """The chat of an id that the bot may know of.

        Raises:
            RefusedError: 400 for an unknown chat, 403 for one that the bot has left or was blocked from.
        """
        chat = self.chats.get(chat_id) if isinstance(chat_id, int) else None
        if chat is None:
            raise bad_request("chat not found")
        if chat.closed:
            raise forbidden(chat.closed)
        return chat

    def writable_chat(self, chat_id: int | str) -> Chat:
        """The chat of an id that the bot may write to; refuses, besides, a person who never spoke to it."""
        chat = self.readable_chat(chat_id)
        if not chat.spoken:
            raise forbidden("bot can't initiate conversation with a user")
        return chat

    def admit(self, chat_id: int, cost: int = 1) -> None:
        """Count `cost` messages against the flood limits, or refuse with 429."""
        if wait := self._flood.admit(chat_id, cost, self.config.monotonic()):
            raise too_many_requests(wait)

    # messages

    def next_message_id(self) -> int:
        return next(self._message_ids)

    def put(self, message: Message) -> Message:
        """Keep a new or changed message; what shows as typing ends with the bot's message."""
        if message.sender.is_bot and message.id not in self.messages[message.chat_id]:
            self.typing.pop(message.chat_id, None)
        kept = replace(message, version=self.version + 1)
        self.messages[message.chat_id][message.id] = kept
        self.touch()
        return kept

    def find(self, chat_id: int, message_id: int | None) -> Message | None:
        """A message that is there and not deleted."""
        message = self.messages.get(chat_id, {}).get(message_id or 0)
        return None if message is None or message.deleted else message

    def in_chat(self, chat_id: int, after_version: int = 0) -> Sequence[Message]:
        """A chat's messages in order, deleted ones included, changed after a version."""
        return [m for _, m in sorted(self.messages.get(chat_id, {}).items()) if m.version > after_version]

    def delete(self, message: Message) -> None:
        chat = self.chats[message.chat_id]
        self.put(replace(message, deleted=True))
        self.change_chat(replace(chat, pinned=tuple(i for i in chat.pinned if i != message.id)))

    # time, change, log

    def now(self) -> datetime:
        """The moment to the second, as Telegram dates things."""
        return self.config.clock().replace(microsecond=0)

    def touch(self) -> None:
        """Something changed: wake whoever waits for it."""
        self.version += 1
        event, self.changed = self.changed, anyio.Event()
        event.set()

    def show_typing(self, chat_id: int, action: str) -> None:
        self.typing[chat_id] = Typing(action, self.config.monotonic() + self.config.typing_s)
        self.touch()

    def typing_in(self, chat_id: int) -> tuple[str, float] | None:
        """The chat action that shows, and for how many seconds yet."""
        typing = self.typing.get(chat_id)
        left = typing.until - self.config.monotonic() if typing else 0.0
        return (typing.action, left) if typing and left > 0 else None

    def record(self, at: datetime, method: str, params: dict[str, Any], refused: str | None = None) -> None:
        """Write a request into the log, or into the refusals."""
        entry = LoggedRequest(next(self._request_numbers), at, method, params, refused)
        (self.log if refused is None else self.refusals).append(entry)

    def close(self) -> None:
        """Let go of everyone who waits; nothing is answered late because the server ends."""
        self.closing = True
        self.updates.end_polls()
        self.touch()
