"""The archive of daily bars and fills: the database, and what it holds of the past in the Book."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from anyio import to_thread

from engine.book import Book
from engine.broker.facts import ContractFact, DailyBar, ExecutionFact, SecType
from engine.broker.history_queue import IMPLIED, TRADES
from engine.broker.translate import contract_of
from engine.calendar import Sessions
from engine.clock import Clock
from engine.model import Kind
from engine.store import AsyncStore, Bar, Execution, Store

KEPT_IN_BOOK: Final = timedelta(days=732)
"""Two years, as they are asked for."""
SETTLED_AFTER: Final = timedelta(minutes=30)
"""How long after the close a day's bars count as final."""
SESSION_KEPT_FOR: Final = timedelta(minutes=10)

INDEX_EXCHANGES: Final = {"SPX": "CBOE", "XSP": "CBOE", "NDX": "NASDAQ", "RUT": "RUSSELL", "DJX": "CBOE"}
"""What may be the reference of betas without being a stock or a fund."""


def refer_to(book: Book, symbol: str) -> dict[str, ContractFact]:
    """Make the reference of betas part of every Snapshot, held or not; returns its contract, for History's `also`."""
    is_index = symbol in INDEX_EXCHANGES
    book.set_underlying(symbol, Kind.INDEX if is_index else Kind.ETF)
    kind = SecType.INDEX if is_index else SecType.STOCK
    return {symbol: ContractFact(0, symbol, kind, exchange=INDEX_EXCHANGES.get(symbol, ""))}


class StoredHistory:
    """An engine.broker `Archive` in the database. What it stores of closes and implied volatilities it puts into the Book."""

    def __init__(self, book: Book, store: AsyncStore, clock: Clock, exchange: str) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._exchange = exchange
        self._calendar: Sessions | None = None
        self._session: tuple[datetime, date] | None = None

    async def load(self) -> None:
        """Put the stored closes and implied volatilities of every symbol into the Book.

        Raises:
            StoreError: If the database can't be read.
        """
        since = (self._clock.now() - KEPT_IN_BOOK).date()
        for symbol, closes in (await self._store.read(Store.closes, TRADES, since)).items():
            self._book.set_closes(symbol, closes)
        for symbol, levels in (await self._store.read(Store.closes, IMPLIED, since)).items():
            self._book.set_iv_history(symbol, levels)

    async def newest_days(self) -> Mapping[tuple[str, str], date]:
        return await self._store.read(Store.newest_bars)

    async def close_on(self, symbol: str, what: str, day: date) -> float | None:
        found = (await self._store.read(Store.closes, what, day, symbol)).get(symbol, ())
        return next((close for stored, close in found if stored == day), None)

    async def keep_bars(self, symbol: str, what: str, bars: Sequence[DailyBar]) -> None:
        rows = [Bar(symbol, what, bar.day, bar.open, bar.high, bar.low, bar.close) for bar in bars]
        await self._store.write(Store.put_bars, rows)
        if what not in {TRADES, IMPLIED}:
            return
        since = (self._clock.now() - KEPT_IN_BOOK).date()
        stored = (await self._store.read(Store.closes, what, since, symbol)).get(symbol, ())
        if what == TRADES:
            self._book.set_closes(symbol, stored)
        else:
            self._book.set_iv_history(symbol, stored)

    async def keep_executions(self, executions: Sequence[ExecutionFact]) -> None:
        if executions:
            await self._store.write(Store.put_executions, [stored_execution(one) for one in executions])

    async def last_session(self, at: datetime) -> date:
        if self._session is None or abs(at - self._session[0]) > SESSION_KEPT_FOR:
            self._session = at, await to_thread.run_sync(self._last_closed, at - SETTLED_AFTER)
        return self._session[1]

    def _last_closed(self, at: datetime) -> date:
        """Blocking: the calendar is slow to make."""
        if self._calendar is None:
            self._calendar = Sessions(self._exchange)
        return self._calendar.last_closed(at)


def stored_execution(fact: ExecutionFact) -> Execution:
    """A fill of the broker in the store's words."""
    return Execution(
        id=fact.exec_id,
        account=fact.account,
        con_id=fact.contract.con_id,
        contract=contract_of(fact.contract),
        at=fact.at,
        quantity=fact.quantity,
        price=fact.price,
        commission=fact.commission,
        commission_currency=fact.commission_currency,
        realized=fact.realized,
    )
