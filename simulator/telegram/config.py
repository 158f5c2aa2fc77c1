"""What a simulated Telegram is started with: address, bot, people and flood limits."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

DEMO_USER_ID = 1001
BOT_ID = 7_000_000_001


def wall_clock() -> datetime:
    """The moment, in UTC; the default of a server that no test gave another clock."""
    return datetime.now(UTC)  # noqa: TID251  # the server's outermost edge, replaceable through TelegramConfig


def new_token() -> str:
    """A token of the real shape, 35 characters after the bot's id, so that redaction filters see it."""
    return f"{BOT_ID}:AA{secrets.token_urlsafe(48).replace('-', 'x')[:33]}"


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """How often a bot may write, sends and edits together.

    The real limits are unspecified; "one message per second in a chat, 20 per minute in a group, 30 per
    second overall" is Telegram's advice, and short bursts pass in a private chat.
    """

    private_burst: int = 20
    private_per_second: float = 1.0
    group_burst: int = 20
    group_per_second: float = 20 / 60
    overall_burst: int = 30
    overall_per_second: float = 30.0


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """Settings of one server; every field has a default that suits a demo.

    `port` 0 takes any free one. `flood` None switches the limits off. With `started` the demo user (1001,
    private chat 1001) has already pressed Start, so that the bot may write first. `typing_s` is how long a
    chat action shows.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str = field(default_factory=new_token, repr=False)
    bot_username: str = "riskbot_demo_bot"
    bot_name: str = "riskbot"
    started: bool = True
    flood: FloodLimits | None = field(default_factory=FloodLimits)
    typing_s: float = 5.0
    clock: Callable[[], datetime] = wall_clock
    monotonic: Callable[[], float] = time.monotonic

    @property
    def bot_id(self) -> int:
        """The number before the colon of the token, which is the bot's user id."""
        head = self.token.partition(":")[0]
        return int(head) if head.isdigit() else BOT_ID
