"""The dollar's interest rates in the Book: the stored Treasury curve at once, a newer one each day."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from engine.book import Book
from engine.clock import Clock
from engine.errors import MarketDataError, RiskbotError
from engine.model import RateCurve
from engine.settings import DataSettings
from engine.store import AsyncStore, Store
from engine.treasury import DOLLAR, fetch_curve

log = logging.getLogger(__name__)

DAILY_S: Final = 86_400.0
RETRY_S: Final = 3_600.0
SHORT_WITHIN_S: Final = 8.0
"""How long a command that runs once waits for the curve."""


class Rates:
    """Keeps the Book's dollar curve the newest that is known. Without an address it leaves the configured rate alone."""

    def __init__(
        self,
        book: Book,
        store: AsyncStore,
        clock: Clock,
        url: str | None,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._url = url
        self._pause = pause

    async def load(self) -> None:
        """Put the stored curve, however old, into the Book."""
        stored = None if self._url is None else await self._store.read(Store.latest_curve, DOLLAR)
        if stored is not None:
            self._book.set_rates(stored)

    async def run(self) -> None:
        """Fetch the curve now and then daily, hourly while that fails, until cancelled."""
        failing = False
        while self._url is not None:
            try:
                await self._fetch(self._url)
            except RiskbotError as error:
                if not failing:
                    log.warning("Treasury curve: %s; tried again each hour", error)
                failing = True
            else:
                failing = False
            await self._pause(RETRY_S if failing else DAILY_S)

    async def _fetch(self, url: str) -> None:
        """Into the Book and the store, unless a newer one is there."""
        curve, known = await fetch_curve(url, self._clock.now().date()), self._book.curve(DOLLAR)
        if known is not None and curve.as_of < known.as_of:
            raise MarketDataError(f"{url} has the curve of {curve.as_of}, older than that of {known.as_of}")
        self._book.set_rates(curve)
        await self._store.write(Store.put_curve, curve)


async def curve_for_once(data: DataSettings, clock: Clock) -> tuple[RateCurve | None, str]:
    """The curve for a command that runs once, None where the configured rate stands in; and the same in words."""
    configured = f"{100.0 * data.risk_free_rate:.2f} % as configured"
    if data.treasury_url is None:
        return None, configured
    try:
        curve = await fetch_curve(data.treasury_url, clock.now().date(), SHORT_WITHIN_S)
    except MarketDataError as error:
        return None, f"{configured}; no Treasury curve: {error}"
    return curve, f"US Treasury curve as of {curve.as_of}"
