"""One message to one chat, by Telegram's rules: what to try again, what to say plainly, what can never be sent.

The order of the `except`s matters: a BadRequest is a NetworkError to the library, and trying it again for ever would be in
vain.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from html import escape, unescape
from typing import Final

import anyio
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    ReplyParameters,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.replies import Keyboard, Reply

log = logging.getLogger(__name__)

MOST_TEXT: Final = 4096
MOST_CAPTION: Final = 1024
ROOM_FOR_TAGS: Final = 16
LONGEST_PIECE: Final = 600
LONGEST_PATIENCE_S: Final = 30.0
NOT_MODIFIED: Final = "message is not modified"
UNPARSED: Final = "can't parse entities"


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A message was not taken.

    Attributes:
        reason: Telegram's words.
        retry_after_s: when to try again; None for never.
        may_have_arrived: whether the chat may show it all the same.
    """

    reason: str
    retry_after_s: float | None
    may_have_arrived: bool = False


async def send(
    bot: Bot, chat_id: int, reply: Reply, replacing: Message | None = None, answering: int | None = None
) -> int:
    """Send `reply`, as an answer to a message of the chat if one is given, or put it in the place of the message `replacing`; the
    id of the message that shows it.

    Raises:
        Refused: If Telegram did not take it.
    """
    try:
        with _refusals():
            return await _attempt(bot, chat_id, reply, replacing, answering)
    except Refused as refused:
        if NOT_MODIFIED in refused.reason.lower() and replacing is not None:
            return replacing.message_id
        if UNPARSED in refused.reason.lower():
            log.error("Telegram could not read our HTML (%s); sending plain text", refused.reason)
            return await _plainly(bot, chat_id, reply)
        raise


async def put_in_place(bot: Bot, chat_id: int, message_id: int, reply: Reply) -> int:
    """Make the text of a message that has been sent that of `reply`; its id.

    Raises:
        Refused: If Telegram did not take it.
    """
    try:
        with _refusals():
            await bot.edit_message_text(split(reply.html)[0], chat_id, message_id, parse_mode="HTML")
    except Refused as refused:
        if NOT_MODIFIED not in refused.reason.lower():
            raise
    return message_id


@contextmanager
def _refusals() -> Iterator[None]:
    """Telegram's errors as what they mean for the message."""
    try:
        yield
    except BadRequest as error:
        raise Refused(error.message, None) from error
    except RetryAfter as error:
        raise Refused("too many messages", _seconds(error.retry_after)) from error
    except (Forbidden, ChatMigrated) as error:
        raise Refused(error.message, None) from error
    except TimedOut as error:
        raise Refused(error.message, 1.0, may_have_arrived=True) from error
    except NetworkError as error:
        raise Refused(error.message, 2.0, may_have_arrived=True) from error
    except TelegramError as error:
        raise Refused(error.message, None) from error


async def answer(bot: Bot, chat_id: int, reply: Reply, replacing: Message | None = None) -> int | None:
    """As `send`, for an answer that somebody waits for: a short flood limit or a broken connection is waited out once, and what
    may have arrived says so. None when it was not taken."""
    for attempt in (1, 2):
        try:
            return await send(bot, chat_id, reply, replacing)
        except Refused as refused:
            wait = refused.retry_after_s
            if attempt == 2 or wait is None or wait > LONGEST_PATIENCE_S:
                log.warning("an answer was not delivered: %s", refused.reason)
                return None
            if refused.may_have_arrived and not reply.edit:
                reply = replace(reply, html=f"(may be a repeat)\n{reply.html}")
            await anyio.sleep(wait)
    return None


async def _attempt(
    bot: Bot, chat_id: int, reply: Reply, replacing: Message | None, answering: int | None
) -> int:
    answers = None if answering is None else ReplyParameters(answering, allow_sending_without_reply=True)
    markup = _markup(reply.keyboard)
    if replacing is not None and reply.edit:
        if reply.picture is not None and replacing.photo:
            media = InputMediaPhoto(reply.picture, caption=caption(reply.html), parse_mode="HTML")
            await bot.edit_message_media(media, chat_id, replacing.message_id, reply_markup=markup)
            return replacing.message_id
        if reply.picture is None and replacing.text is not None:
            await bot.edit_message_text(
                reply.html, chat_id, replacing.message_id, parse_mode="HTML", reply_markup=markup
            )
            return replacing.message_id
    if reply.picture is not None:
        sent = await bot.send_photo(
            chat_id, reply.picture, caption=caption(reply.html), parse_mode="HTML", reply_markup=markup
        )
        return sent.message_id
    parts = split(reply.html)
    for part in parts[:-1]:
        await bot.send_message(chat_id, part, parse_mode="HTML", reply_parameters=answers)
    sent = await bot.send_message(
        chat_id, parts[-1], parse_mode="HTML", reply_markup=markup, reply_parameters=answers
    )
    return sent.message_id


async def _plainly(bot: Bot, chat_id: int, reply: Reply) -> int:
    """The words without markup, for when the markup was refused."""
    try:
        sent = await bot.send_message(
            chat_id, plain(reply.html)[: MOST_TEXT // 2], reply_markup=_markup(reply.keyboard)
        )
    except TelegramError as error:
        raise Refused(error.message, None) from error
    return sent.message_id


def plain(html: str) -> str:
    """HTML as plain words."""
    return unescape(re.sub(r"<[^>]+>", "", html))


def split(html: str) -> list[str]:
    """Texts that each fit a message, cut at line ends; a <pre> that is cut is closed and opened again.

    Other tags never span lines in our cards. A single line that is too long is sent as plain words, in pieces.
    """
    if _units(html) <= MOST_TEXT:
        return [html]
    parts: list[str] = []
    current = ""
    for line in _fitting_lines(html):
        candidate = f"{current}\n{line}" if current else line
        if _units(candidate) > MOST_TEXT - ROOM_FOR_TAGS and current:
            in_pre = current.rfind("<pre>") > current.rfind("</pre>")
            parts.append(current + ("</pre>" if in_pre else ""))
            candidate = ("<pre>" if in_pre else "") + line
        current = candidate
    return [*parts, current]


def _fitting_lines(html: str) -> Iterator[str]:
    for line in html.split("\n"):
        if _units(line) <= MOST_TEXT - ROOM_FOR_TAGS:
            yield line
        else:
            words = plain(line)
            yield from (escape(words[i : i + LONGEST_PIECE]) for i in range(0, len(words), LONGEST_PIECE))


def caption(html: str) -> str:
    """A caption within its limit: whole lines, as many as fit."""
    lines = html.split("\n")
    while _units("\n".join(lines)) > MOST_CAPTION and len(lines) > 1:
        lines.pop()
    text = "\n".join(lines)
    return text if _units(text) <= MOST_CAPTION else escape(plain(text)[: MOST_CAPTION // 6])


def _units(text: str) -> int:
    """Length as Telegram counts it."""
    return len(text.encode("utf-16-le")) // 2


def _seconds(wait: float | timedelta) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def _markup(keyboard: Keyboard) -> InlineKeyboardMarkup | None:
    if not keyboard:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(one.text, callback_data=one.data) for one in row] for row in keyboard]
    )
