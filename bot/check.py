"""`riskbot check`: tries everything that `riskbot run` needs, and says of each part what is wrong and how to mend it."""

from collections.abc import Awaitable, Callable
from typing import Final

from anyio import to_thread
from telegram import Bot
from telegram.error import InvalidToken, TelegramError

from bot.clock import SystemClock
from bot.config import Config, Secrets
from bot.events import read_tables
from bot.gate import Gate
from bot.live import live_desk, settled_view
from bot.rates import curve_for_once
from engine.errors import RiskbotError
from engine.store import AsyncStore

MOST_NAMED: Final = 3


async def check(config: Config, secrets: Secrets) -> int:
    """Print a line for each part; 0 when all are well, 1 otherwise."""

    async def allowed() -> str:
        gate = Gate(config.telegram)
        return f"{len(config.telegram.allowed_users)} users, alerts to {len(list(gate.chats))} chats"

    async def chat() -> str:
        return await _chat(config, secrets)

    async def database() -> str:
        async with AsyncStore.open(config.database.url):
            return config.database.url.split("?")[0].rsplit("@", 1)[-1]

    async def rates() -> str:
        _, words = await curve_for_once(config.data, SystemClock())
        return words

    async def calendar() -> str:
        told, problems = await to_thread.run_sync(read_tables, config.data, SystemClock().now())
        if problems:
            raise RiskbotError(
                "; ".join(problems[:MOST_NAMED]) + (" ..." if len(problems) > MOST_NAMED else "")
            )
        return ", ".join(f"{len(events)} events of {source}" for source, events in told.items())

    async def broker() -> str:
        return await _broker(config)

    parts: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("who may speak", allowed),
        ("Telegram", chat),
        ("database", database),
        ("rates", rates),
        ("calendar", calendar),
        ("broker", broker),
    ]
    well = True
    for name, part in parts:
        print(f"{name:<14}", end=" ", flush=True)
        try:
            print(f"ok: {await part()}")
        except* RiskbotError as group:
            well = False
            print(f"WRONG: {_first(group)}")
    return 0 if well else 1


async def _chat(config: Config, secrets: Secrets) -> str:
    bot = Bot(secrets.token().get_secret_value(), base_url=f"{config.telegram.base_url}/bot")
    try:
        async with bot:
            return f"@{bot.username} answers"
    except InvalidToken:
        raise RiskbotError("Telegram does not know this token; take it anew from @BotFather") from None
    except TelegramError as error:
        raise RiskbotError(f"can't reach {config.telegram.base_url}: {error.message}") from None


async def _broker(config: Config) -> str:
    async with live_desk(config) as desk:
        view = await settled_view(desk)
    quality = view.report.quality
    words = f"{len(view.snapshot.positions)} positions at {config.ibkr.host}:{config.ibkr.port}"
    if quality.left_out:
        words += f"; {len(quality.left_out)} can't be valued, first {quality.left_out[0].id}: {quality.left_out[0].reason}"
    return words


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
