"""Dividends to come: the broker's in the store, and Yahoo's in the Book where the broker tells none.

Yahoo's library answers a failure with an empty calendar. That is `Unknown`, and never "pays none": only a calendar that has other
dates and no ex-date says that none is announced. Yahoo announces dates without amounts; the last amount paid stands in.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import anyio

from bot.yahoo import NO_CALENDAR, Turns, Unknown, answer_of, said, ticker
from engine.book import Book
from engine.clock import Clock
from engine.errors import RiskbotError
from engine.model import SHARES, Dividend, Snapshot
from engine.store import AsyncStore, DividendSource, Store

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
GRACE_S: Final = 120.0
"""How long the broker's own tick has, once the account is complete."""
KNOWN_FOR_S: Final = 86_400.0
RETRY_S: Final = 3_600.0
WITHIN_S: Final = 20.0
FURTHEST_AHEAD: Final = timedelta(days=400)
LAST_PAID_WITHIN: Final = timedelta(days=400)
EX_DATE: Final = "Ex-Dividend Date"
DOLLAR: Final = "USD"
REQUESTS: Final = 2
"""The library's own, of one question."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What is announced; empty where it is known that nothing is."""

    dividends: tuple[Dividend, ...]


@dataclass(frozen=True, slots=True)
class YahooAnswer:
    """What the library gave: its calendar as it is, and the (day, amount) pairs that were paid."""

    calendar: object
    paid: Sequence[tuple[date, float]]


Ask = Callable[[str], YahooAnswer]


class Dividends:
    """Keeps the dividends that the broker tells, and asks for the others. Without `ask` nobody else is asked."""

    def __init__(
        self,
        book: Book,
        store: AsyncStore,
        clock: Clock,
        ask: Ask | None,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
        turns: Turns | None = None,
    ) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._ask = ask
        self._pause = pause
        self._turns = turns
        self._noted: dict[str, tuple[Dividend, ...]] = {}
        self._again_at: dict[str, float] = {}
        self._from_yahoo: set[str] = set()
        self._complete_since: float | None = None

    async def load(self) -> None:
        """Put the stored dividends that are still to come into the Book.

        Raises:
            StoreError: If the database can't be read.
        """
        for symbol, ahead in (await self._store.read(Store.dividends, self._clock.now().date())).items():
            self._book.set_other_dividends(symbol, ahead)

    async def run(self) -> None:
        """Store and ask, until cancelled."""
        while True:
            try:
                await self._look()
            except RiskbotError as error:
                log.warning("dividends: %s", error)
            await self._pause(LOOK_EVERY_S)

    async def _look(self) -> None:
        now, at = self._clock.now(), self._clock.monotonic()
        snapshot = self._book.freeze(now)
        for symbol in self._book.told_dividends & snapshot.underlyings.keys():
            told = snapshot.underlyings[symbol].dividends
            if told != self._noted.get(symbol):
                await self._keep(symbol, told, DividendSource.BROKER, now)
                self._noted[symbol] = told
        if not snapshot.complete:
            self._complete_since = None
        elif self._complete_since is None:
            self._complete_since = at
        if self._ask is None or self._complete_since is None or at - self._complete_since < GRACE_S:
            return
        for symbol in self._untold(snapshot):
            if self._again_at.get(symbol, at) <= at:
                await self._ask_for(symbol, self._ask, now)

    def _untold(self, snapshot: Snapshot) -> Iterable[str]:
        """Stocks and ETFs held in dollars of which neither broker nor store says what is to come, in order."""
        today = snapshot.as_of.date()
        in_dollars = {
            one.contract.underlying for one in snapshot.positions if one.contract.currency == DOLLAR
        }
        for symbol in sorted(in_dollars & snapshot.underlyings.keys() - self._book.told_dividends):
            underlying = snapshot.underlyings[symbol]
            ahead = any(one.ex_date >= today for one in underlying.dividends)
            if underlying.kind in SHARES and (not ahead or symbol in self._from_yahoo):
                yield symbol

    async def _ask_for(self, symbol: str, ask: Ask, now: datetime) -> None:
        if self._turns is not None:
            await self._turns.take(REQUESTS)
        answer = await announced(symbol, now.date(), ask)
        first = symbol not in self._again_at
        if isinstance(answer, Unknown):
            log.log(
                logging.WARNING if first else logging.DEBUG,
                "dividends of %s are unknown: %s",
                symbol,
                answer.reason,
            )
            self._again_at[symbol] = self._clock.monotonic() + RETRY_S
            return
        self._again_at[symbol] = self._clock.monotonic() + KNOWN_FOR_S
        self._from_yahoo.add(symbol)
        self._book.set_other_dividends(symbol, answer.dividends)
        await self._keep(symbol, answer.dividends, DividendSource.YAHOO, now)

    async def _keep(
        self, symbol: str, dividends: Iterable[Dividend], source: DividendSource, at: datetime
    ) -> None:
        ahead = [one for one in dividends if one.ex_date >= at.date() and one.amount > 0.0]
        await self._store.write(Store.put_dividends, symbol, ahead, source, at)


async def announced(symbol: str, today: date, ask: Ask, within_s: float = WITHIN_S) -> Announced | Unknown:
    """What Yahoo knows of the dividends of `symbol` from `today` on. `ask` runs in a thread; never raises for its failures."""
    answer = await answer_of(ask, symbol, within_s)
    return answer if isinstance(answer, Unknown) else read_answer(answer, today)


def read_answer(answer: YahooAnswer, today: date) -> Announced | Unknown:
    """The answer as dividends from `today` on; Unknown where it is empty, malformed or without an amount."""
    calendar = said(answer.calendar)
    if calendar is None:
        return NO_CALENDAR
    ex_date = calendar.get(EX_DATE)
    if ex_date is None:
        return Announced(())
    if not isinstance(ex_date, date) or isinstance(ex_date, datetime) or ex_date > today + FURTHEST_AHEAD:
        return Unknown(f"Yahoo's ex-date is {ex_date!r}")
    ex_date = _utc_day(ex_date)
    if ex_date < today:
        return Announced(())
    paid = [
        (day, amount)
        for day, amount in answer.paid
        if today - LAST_PAID_WITHIN <= day <= ex_date and math.isfinite(amount) and amount > 0.0
    ]
    if not paid:
        return Unknown(f"Yahoo has the ex-date {ex_date} without an amount")
    return Announced((Dividend(ex_date, max(paid)[1]),))


def _utc_day(local: date) -> date:
    """Yahoo's day: the library turns its midnight UTC into a date of the machine's zone, west of Greenwich the day before."""
    midnight = datetime.combine(local + timedelta(days=1), time(), UTC)
    return local + timedelta(days=1) if midnight.astimezone().date() == local else local


def ask_yahoo(symbol: str) -> YahooAnswer:
    """Blocking: the calendar and the payments of the last year. `symbol` is the broker's ('BRK B').

    Raises:
        MarketDataError: If the library is not installed.
        Exception: Whatever it raises itself.
    """
    company = ticker(symbol, "dividends")
    paid = company.get_dividends(period="1y")
    return YahooAnswer(company.calendar, [(day.date(), float(amount)) for day, amount in paid.items()])
