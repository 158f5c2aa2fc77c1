"""Who may speak. Deny by default: an update passes only when its user and its chat are both on the lists; the rest get
silence."""

import logging
from collections.abc import Iterable
from typing import Final

from telegram import Update

from bot.config import TelegramSettings
from engine.errors import ConfigError

log = logging.getLogger(__name__)

HANDLED_UPDATES: Final = ("message", "callback_query")
"""The kinds of update that can be let in at all; Telegram is asked for no others."""


class Gate:
    """Lets in messages and button presses of allowed users in allowed chats.

    Raises:
        ConfigError: If a list is empty: nobody could be answered, and an empty list must never mean everybody.
    """

    def __init__(self, settings: TelegramSettings) -> None:
        if not settings.allowed_users or not settings.allowed_chats:
            raise ConfigError(
                "telegram.allowed_users and telegram.allowed_chats must name who may speak: "
                "put your numeric Telegram id in both (an empty list lets nobody in)"
            )
        self._users = frozenset(settings.allowed_users)
        self._chats = frozenset(settings.allowed_chats)
        self.refused = 0

    @property
    def chats(self) -> Iterable[int]:
        """Where alerts go."""
        return sorted(self._chats)

    def admits(self, update: Update) -> bool:
        """Whether this update may be answered; a refused one is counted and its sender's id logged, nothing else."""
        if self._is_known(update):
            return True
        self.refused += 1
        user = update.effective_user
        log.warning("refused an update of user %s", None if user is None else user.id)
        return False

    def _is_known(self, update: Update) -> bool:
        message, query = update.message, update.callback_query
        if message is not None:
            if message.sender_chat is not None or message.from_user is None or message.via_bot is not None:
                return False
            return message.from_user.id in self._users and message.chat.id in self._chats
        if query is not None and query.message is not None:
            return query.from_user.id in self._users and query.message.chat.id in self._chats
        return False
