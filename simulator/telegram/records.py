"""What the server remembers: people, chats, messages, callback queries and the log of requests. All are
values.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.telegram.entities import Styled
from simulator.telegram.files import StoredFile
from simulator.telegram.keyboards import Keyboard

NO_TEXT = Styled("")


@dataclass(frozen=True, slots=True)
class User:
    """A person or the bot."""

    id: int
    first_name: str
    username: str | None = None
    is_bot: bool = False
    language_code: str | None = "en"

    def as_json(self) -> dict[str, Any]:
        """The Bot API's User."""
        body: dict[str, Any] = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        if self.username:
            body["username"] = self.username
        if self.language_code and not self.is_bot:
            body["language_code"] = self.language_code
        return body


@dataclass(frozen=True, slots=True)
class Chat:
    """A private chat (positive id, the user's) or a group.

    `spoken`: the bot may write, because the person started it or it is a member. `closed` is the text with
    which a chat refuses the bot that was blocked or left.
    """

    id: int
    type: str
    name: str
    username: str | None = None
    spoken: bool = False
    closed: str | None = None
    pinned: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The Bot API's Chat."""
        body: dict[str, Any] = {"id": self.id, "type": self.type}
        body["first_name" if self.type == "private" else "title"] = self.name
        if self.username:
            body["username"] = self.username
        return body


@dataclass(frozen=True, slots=True)
class Message:
    """One message in one chat; edits replace it. Times are aware and in UTC.

    `body` is the text, or the caption where there is a file. `pins` is the message that a service message
    pinned.
    """

    id: int
    chat_id: int
    sender: User
    date: datetime
    body: Styled = NO_TEXT
    file: StoredFile | None = None
    keyboard: Keyboard | None = None
    reply_to: int | None = None
    album: str | None = None
    caption_above: bool = False
    spoiler: bool = False
    silent: bool = False
    protected: bool = False
    effect: str | None = None
    edited: datetime | None = None
    deleted: bool = False
    pins: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class CallbackQuery:
    """A press of a button, and what the bot answered; `answered` is None until it has."""

    id: str
    chat_id: int
    message_id: int
    user_id: int
    data: str
    asked: datetime
    answered: datetime | None = None
    text: str = ""
    show_alert: bool = False
    url: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What /sim/state says of it."""
        return {
            "id": self.id,
            "chat_id": self.chat_id,
            "message_id": self.message_id,
            "user_id": self.user_id,
            "data": self.data,
            "asked": self.asked.isoformat(),
            "answered": self.answered is not None,
            "text": self.text,
            "show_alert": self.show_alert,
            "url": self.url,
        }


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request as it arrived; files are named, not kept. `refused` is the answer's text where it was
    refused.
    """

    number: int
    at: datetime
    method: str
    params: dict[str, Any]
    refused: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What /sim/outbox says of it."""
        body = {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "params": self.params,
        }
        return body if self.refused is None else {**body, "refused": self.refused}
