"""The chat: python-telegram-bot on the shared loop. Updates pass the gate, become calls of the command table, and replies go
back."""

import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from pydantic import SecretStr
from telegram import Bot, BotCommand, Message, Update
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder, ApplicationHandlerStop, ContextTypes, TypeHandler

from bot.commands import COMMANDS, answer_press, answer_text
from bot.delivery import answer
from bot.gate import HANDLED_UPDATES, Gate
from bot.handlers.context import Context
from bot.replies import Reply, parse_data
from engine.errors import ConfigError, LinkDown, RequestError

log = logging.getLogger(__name__)

POLL_TIMEOUT_S: Final = 20
AT_ONCE: Final = 8
GONE_WRONG: Final = "Something went wrong with that; it is in the log. The rest goes on."

App = Application[Any, Any, Any, Any, Any, Any]


class Chat:
    """One bot account. Enter `running` to poll; `bot` sends."""

    def __init__(self, token: SecretStr, base_url: str, gate: Gate, context: Context) -> None:
        self._gate = gate
        self._context = context
        self._failed = anyio.Event()
        self._failure: Exception | None = None
        self._app: App = (
            ApplicationBuilder()
            .token(token.get_secret_value())
            .base_url(f"{base_url}/bot")
            .base_file_url(f"{base_url}/file/bot")
            .concurrent_updates(AT_ONCE)
            .read_timeout(20)
            .media_write_timeout(60)
            .pool_timeout(10)
            .build()
        )
        self._app.add_handler(TypeHandler(Update, self._let_in), group=-1)
        self._app.add_handler(TypeHandler(Update, self._handle))
        self._app.add_error_handler(self._on_error)

    @property
    def bot(self) -> Bot:
        bot: Bot = self._app.bot
        return bot

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Poll for updates until the block is left.

        Raises:
            ConfigError: If Telegram does not know the token.
            LinkDown: If the Bot API can't be reached.
        """
        await self._log_in()
        await self._app.start()
        assert self._app.updater is not None
        await self._app.updater.start_polling(
            allowed_updates=list(HANDLED_UPDATES),
            timeout=POLL_TIMEOUT_S,
            drop_pending_updates=False,
            bootstrap_retries=-1,
            error_callback=self._on_poll_error,
        )
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(8):
                await self._app.updater.stop()
                await self._app.stop()
                await self._app.shutdown()

    async def watch(self) -> None:
        """Wait for ever; ends with an error when polling has ended for good."""
        await self._failed.wait()
        raise ConfigError("Telegram has revoked the bot's token; set a new one") from None

    async def _log_in(self) -> None:
        try:
            await self._app.initialize()
            await self.bot.set_my_commands([BotCommand(one.name, one.summary) for one in COMMANDS])
        except InvalidToken:
            await self._app.shutdown()
            raise ConfigError("Telegram does not know this bot token; check RISKBOT_TELEGRAM_TOKEN") from None
        except TelegramError as error:
            await self._app.shutdown()
            raise LinkDown(f"the Telegram Bot API can't be reached: {error.message}") from None

    def _on_poll_error(self, error: TelegramError) -> None:
        if isinstance(error, InvalidToken):
            self._failed.set()
        else:
            log.warning("polling Telegram: %s", error.message)

    async def _let_in(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        if not self._gate.admits(update):
            raise ApplicationHandlerStop

    async def _handle(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        message, query = update.message, update.callback_query
        if query is not None:
            pressed = query.message if isinstance(query.message, Message) else None
            await query.answer()
            if pressed is not None:
                action, arguments = parse_data(query.data or "")
                await self._reply(pressed.chat.id, answer_press(self._context, action, arguments), pressed)
        elif message is not None and message.text is not None and not self._for_another_bot(message.text):
            await self.bot.send_chat_action(message.chat.id, "typing")
            await self._reply(message.chat.id, answer_text(self._context, message.text), None)

    def _for_another_bot(self, text: str) -> bool:
        """'/positions@otherbot' in a group is not for us."""
        command = text.split(maxsplit=1)[0] if text.startswith("/") else ""
        name = command.partition("@")[2]
        return bool(name) and name.casefold() != str(self.bot.username).casefold()

    async def _reply(self, chat_id: int, replies: Awaitable[list[Reply]], pressed: Message | None) -> None:
        try:
            ready = await replies
        except RequestError as error:
            ready = [Reply(_escaped(str(error)))]
        except Exception:
            await answer(self.bot, chat_id, Reply(GONE_WRONG))
            raise
        for reply in ready:
            await answer(self.bot, chat_id, reply, pressed)

    async def _on_error(self, _update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        """The one place where a command's unexpected failure ends: logged whole, and the rest goes on."""
        health = self._context.health
        health.failures += 1
        health.last_failure = f"a command ({type(context.error).__name__})"
        log.error("a command failed", exc_info=context.error)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
