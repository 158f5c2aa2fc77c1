"""A Telegram on loopback: the Bot API that a risk bot uses, as strict as the real one, and a chat page.

    async with running_telegram(TelegramConfig()) as server:
        app = ApplicationBuilder().token(server.token).base_url(server.base_url).build()
        server.say("/positions")

Or as a program: `python -m simulator.telegram --port 8808`.
"""

from simulator.telegram.config import DEMO_USER_ID, FloodLimits, TelegramConfig
from simulator.telegram.server import SimulatedTelegram, running_telegram

__all__ = ["DEMO_USER_ID", "FloodLimits", "SimulatedTelegram", "TelegramConfig", "running_telegram"]
