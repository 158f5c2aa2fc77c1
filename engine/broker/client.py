"""The only file that knows the broker's library (ib_insync). Facts come out of it; its own objects stay in.

One `IbClient` is one login: after a lost socket the next login gets a new one, so that no old field is ever taken for a new
one. The library's callbacks here note what changed and set an event, nothing else; `changes()` hands the notes to whoever
waits.

The program cannot trade: every message passes `_guard`, which lets through the message types of READ_ONLY_MESSAGES and no
other. The guard sits on the library's last function before the socket.
"""

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import anyio

from engine.broker.facts import (
    AccountFact,
    ContractFact,
    DetailsFact,
    HoldingFact,
    ModelFact,
    Notice,
    PortfolioFact,
    QuoteFact,
    SecType,
    bid,
    finite,
    greek,
    price,
)
from engine.errors import LinkDown, TradingForbidden
from engine.model import DataMode, Right

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # its event library asks for a loop while it is imported
    import ib_insync
    from ib_insync import IB, Contract, Ticker

log = logging.getLogger(__name__)

READ_ONLY_MESSAGES: Final = frozenset(
    {1, 2, 5, 6, 7, 8, 9, 17, 20, 25, 49, 59, 61, 64, 71, 76, 77, 78, 92, 93, 94, 95, 99}
)
"""Outgoing message types that may leave: market data, account, details, history, clock. Never 3, 4, 19, 21, 58."""

BID_ASK_TICKS: Final = frozenset({0, 1, 2, 3, 66, 67, 69, 70})
LAST_TICKS: Final = frozenset({4, 5, 68, 71})
MODES: Final = {1: DataMode.LIVE, 2: DataMode.FROZEN, 3: DataMode.DELAYED, 4: DataMode.DELAYED_FROZEN}
FROZEN_WHEN_CLOSED: Final = 2
"""Market data mode: live while the market is open, the last quotes when it is closed."""
MOST_NOTICES: Final = 1000
CLIENT_ID_IN_USE: Final = 326


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last time somebody asked."""

    quotes: tuple[QuoteFact, ...]
    notices: tuple[Notice, ...]
    portfolio: tuple[PortfolioFact, ...]
    positions: bool
    account: bool
    disconnected: bool


class IbClient:
    """One read-only login at TWS or IB Gateway."""

    def __init__(self) -> None:
        self._ib = IB()  # type: ignore[no-untyped-call]
        client: Any = self._ib.client
        client.sendMsg = _guard(client.sendMsg)
        self._ib.errorEvent -= self._ib._onError  # noqa: SLF001 - it answers 1102 with an account summary nobody asked for
        self._lines: dict[int, Contract] = {}
        self._ended: set[str] = set()
        self._spoken: dict[int, set[int]] = {}
        self._notices: deque[Notice] = deque(maxlen=MOST_NOTICES)
        self._portfolio: dict[int, PortfolioFact] = {}
        self._flags: set[str] = set()
        self._wake = asyncio.Event()
        self._listen()

    async def connect(self, host: str, port: int, client_id: int, account: str, timeout_s: float) -> None:
        """Log in and download positions, account values and portfolio.

        Raises:
            LinkDown: If the port is closed, the client id is taken, or the answers do not come within `timeout_s`.
        """
        try:
            with anyio.fail_after(3 * timeout_s):
                await self._ib.connectAsync(
                    host, port, clientId=client_id, timeout=timeout_s, readonly=True, account=account
                )
        except (OSError, TimeoutError) as error:
            raise LinkDown(self._why_not(host, port, client_id, error)) from error
        self._ib.reqMarketDataType(FROZEN_WHEN_CLOSED)

    def _why_not(self, host: str, port: int, client_id: int, error: Exception) -> str:
        where = f"{host}:{port}"
        if any(notice.code == CLIENT_ID_IN_USE for notice in self._notices):
            return f"client id {client_id} is already in use at {where}; set another ibkr.client_id"
        if isinstance(error, ConnectionRefusedError):
            return f"nothing listens at {where}; start TWS or IB Gateway and allow API clients on that port"
        if isinstance(error, TimeoutError):
            return f"{where} took the connection but did not answer in time; is the API enabled and the login complete?"
        return f"the connection to {where} failed: {error}"

    def disconnect(self) -> None:
        self._ib.disconnect()  # type: ignore[no-untyped-call]

    @property
    def connected(self) -> bool:
        return bool(self._ib.isConnected())

    @property
    def complete(self) -> bool:
        """Whether positions and the account download have both been heard to their end since the login."""
        return {"positionEnd", "accountDownloadEnd"} <= self._ended

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self._ib.managedAccounts())

    def holdings(self, account: str) -> list[HoldingFact]:
        rows = self._ib.positions(account)
        return [
            HoldingFact(row.account, contract_fact(row.contract), row.position, finite(row.avgCost))
            for row in rows
        ]

    def account_values(self, account: str) -> list[AccountFact]:
        return [
            AccountFact(row.account, row.tag, row.value, row.currency)
            for row in self._ib.accountValues(account)
        ]

    async def details(self, contract: ContractFact, timeout_s: float) -> list[DetailsFact]:
        """Contract details by con_id where it is known, else by symbol; empty when refused or too late."""
        wanted = Contract(
            conId=contract.con_id,
            symbol="" if contract.con_id else contract.symbol,
            exchange=contract.exchange,
        )
        if not contract.con_id:
            wanted.secType, wanted.currency = str(contract.sec_type), contract.currency
        with anyio.move_on_after(timeout_s):
            found = await self._ib.reqContractDetailsAsync(wanted)
            return [_details_fact(row) for row in found]
        return []

    def subscribe(self, contract: ContractFact, generic_ticks: str) -> None:
        """Open a market data line; its quotes come out of `changes()`."""
        if contract.con_id in self._lines:
            return
        wanted = Contract(
            conId=contract.con_id,
            symbol=contract.symbol,
            secType=str(contract.sec_type),
            exchange=contract.exchange or "SMART",
            currency=contract.currency,
        )
        self._lines[contract.con_id] = wanted
        self._ib.reqMktData(
            wanted, generic_ticks
        ).marketDataType = 0  # 0 until the broker says which kind of data it is

    def unsubscribe(self, con_id: int) -> None:
        contract = self._lines.pop(con_id, None)
        if contract is not None:
            self._ib.cancelMktData(contract)

    @property
    def lines(self) -> frozenset[int]:
        """con_ids of the open lines."""
        return frozenset(self._lines)

    async def changes(self) -> Changes:
        """Wait until something happens, then take all that did."""
        await self._wake.wait()
        self._wake.clear()
        spoken, self._spoken = self._spoken, {}
        flags, self._flags = self._flags, set()
        notices = tuple(self._notices)
        self._notices.clear()
        quotes = tuple(self._quotes(spoken))
        portfolio, self._portfolio = tuple(self._portfolio.values()), {}
        return Changes(
            quotes=quotes,
            notices=notices,
            portfolio=portfolio,
            positions="positions" in flags,
            account="account" in flags,
            disconnected="disconnected" in flags,
        )

    def _quotes(self, spoken: dict[int, set[int]]) -> Iterable[QuoteFact]:
        for con_id, ticks in spoken.items():
            contract = self._lines.get(con_id)
            ticker = None if contract is None else self._ib.ticker(contract)
            if ticker is not None:
                yield _quote_fact(con_id, ticker, ticks)

    def _listen(self) -> None:
        ib, wrapper = self._ib, self._ib.wrapper
        ib.pendingTickersEvent += self._on_tickers
        ib.errorEvent += self._on_error
        ib.disconnectedEvent += self._on_disconnected
        ib.positionEvent += self._on_position
        ib.updatePortfolioEvent += self._on_portfolio
        ib.accountValueEvent += self._on_account
        for name in ("positionEnd", "accountDownloadEnd"):
            setattr(wrapper, name, self._noting(name, getattr(wrapper, name)))

    def _noting(self, name: str, original: Callable[..., None]) -> Callable[..., None]:
        def ended(*args: object) -> None:
            self._ended.add(name)
            original(*args)

        return ended

    def _on_tickers(self, tickers: Iterable[Ticker]) -> None:
        for ticker in tickers:
            if ticker.contract is not None:
                self._spoken.setdefault(ticker.contract.conId, set()).update(
                    tick.tickType for tick in ticker.ticks
                )
        self._wake.set()

    def _on_error(self, request_id: int, code: int, text: str, contract: Contract | None) -> None:
        self._notices.append(Notice(request_id, code, text, contract.conId if contract else None))
        self._wake.set()

    def _flag(self, name: str) -> None:
        self._flags.add(name)
        self._wake.set()

    def _on_disconnected(self) -> None:
        self._flag("disconnected")

    def _on_position(self, _row: object) -> None:
        self._flag("positions")

    def _on_portfolio(self, row: ib_insync.PortfolioItem) -> None:
        con_id = row.contract.conId
        self._portfolio[con_id] = PortfolioFact(row.account, con_id, finite(row.marketPrice))
        self._wake.set()

    def _on_account(self, _row: object) -> None:
        self._flag("account")


def _guard(send: Callable[[str | None], None]) -> Callable[[str | None], None]:
    """`send`, for the message types of the allow-list only."""

    def guarded(message: str | None) -> None:
        if message:
            kind = message.split("\0", 1)[0]
            if not kind.isdecimal() or int(kind) not in READ_ONLY_MESSAGES:
                raise TradingForbidden(
                    f"message type {kind[:12]!r} is not on the read-only list; it was not sent"
                )
        send(message)

    return guarded


def contract_fact(contract: Contract) -> ContractFact:
    """The library's contract in our words."""
    known = contract.secType in SecType.__members__.values()
    return ContractFact(
        con_id=contract.conId,
        symbol=contract.symbol,
        sec_type=SecType(contract.secType) if known else SecType.OTHER,
        currency=contract.currency,
        expiry=_day(contract.lastTradeDateOrContractMonth),
        strike=price(contract.strike),
        right={"C": Right.CALL, "P": Right.PUT}.get(contract.right[:1]),
        multiplier=price(_number(contract.multiplier)) or 1.0,
        exchange=contract.exchange,
        trading_class=contract.tradingClass,
        local_symbol=contract.localSymbol,
    )


def _details_fact(row: ib_insync.ContractDetails) -> DetailsFact:
    assert row.contract is not None
    return DetailsFact(
        contract=contract_fact(row.contract),
        real_expiry=_day(row.realExpirationDate),
        under_con_id=row.underConId or None,
        under_symbol=row.underSymbol,
        under_sec_type=row.underSecType,
        stock_type=row.stockType,
    )


def _quote_fact(con_id: int, ticker: Ticker, ticks: set[int]) -> QuoteFact:
    model = ticker.modelGreeks
    dividends = ticker.dividends
    following = None
    amount = None if dividends is None else finite(dividends.nextAmount)
    if dividends is not None and dividends.nextDate is not None and amount is not None:
        following = (_as_day(dividends.nextDate), amount)
    return QuoteFact(
        con_id=con_id,
        bid=bid(ticker.bid, ticker.bidSize),
        ask=price(ticker.ask),
        last=price(ticker.last),
        close=price(ticker.close),
        iv30=price(ticker.impliedVolatility),
        next_dividend=following,
        model=None
        if model is None
        else ModelFact(
            price(model.impliedVol),
            finite(model.delta),
            finite(model.gamma),
            greek(model.vega),
            greek(model.theta),
        ),
        mode=MODES.get(ticker.marketDataType, DataMode.LIVE),
        spoke=bool(ticks & BID_ASK_TICKS),
        traded=bool(ticks & LAST_TICKS),
    )


def _as_day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _day(text: str) -> date | None:
    """'20260821', '20260821 16:00 US/Eastern' or '20260821-16:00:00' as a date; months and blanks are None."""
    digits = text.replace("-", " ").split(" ", 1)[0]
    if len(digits) != 8 or not digits.isdecimal():
        return None
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
