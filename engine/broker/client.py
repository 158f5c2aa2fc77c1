"""The only file that knows the broker's library: ib_insync, or its maintained successor ib_async where that is installed
instead. Facts come out of it; its own objects stay in.

One `IbClient` is one login: after a lost socket the next login gets a new one, so that no old field is ever taken for a new
one; for the same reason a line that is opened again gets a new ticker. The library's callbacks here note what changed and set
an event, nothing else; `changes()` hands the notes to whoever waits.

The program cannot trade: every message passes `_guard`, which lets through the message types of READ_ONLY_MESSAGES and no
other, and then a pacer. Both sit on the library's last function before the socket.
"""

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import anyio

from engine.broker.facts import (
    AccountFact,
    BarsFact,
    ContractFact,
    DailyBar,
    DetailsFact,
    End,
    ExecutionFact,
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
from engine.broker.pacing import Pacer
from engine.errors import ClientIdInUse, LinkDown, NothingListens, TradingForbidden
from engine.model import DataMode, Right

if TYPE_CHECKING:
    import ib_insync
    from ib_insync import IB, Contract, Ticker
else:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # its event library asks for a loop while imported
        try:
            import ib_insync
        except ImportError:
            import ib_async as ib_insync
    IB, Contract, Ticker = ib_insync.IB, ib_insync.Contract, ib_insync.Ticker

log = logging.getLogger(__name__)

LIBRARY: Final = ib_insync.__name__
"""Which of the two libraries is installed."""

READ_ONLY_MESSAGES: Final = frozenset(
    {1, 2, 5, 6, 7, 8, 9, 17, 20, 25, 49, 59, 61, 64, 71, 76, 77, 78, 92, 93, 94, 95, 99}
)
"""Outgoing message types that may leave: market data, account, details, history, clock. Never 3, 4, 19, 21, 58."""

BID_ASK_TICKS: Final = frozenset({0, 1, 2, 3, 66, 67, 69, 70})
LAST_TICKS: Final = frozenset({4, 5, 68, 71})
MODES: Final = {1: DataMode.LIVE, 2: DataMode.FROZEN, 3: DataMode.DELAYED, 4: DataMode.DELAYED_FROZEN}
FROZEN_WHEN_CLOSED: Final = 2
"""Market data mode: live while the market is open, the last quotes when it is closed."""
DELAYED_WHERE_NOT_LIVE: Final = 4
"""Market data mode: live where the account may have it, delayed elsewhere, the last ones when the market is closed."""
MOST_NOTICES: Final = 1000
CLIENT_ID_IN_USE: Final = 326
CAN_WAIT: Final = frozenset({"1", "2", "20", "25"})
"""Outgoing message types that others may pass: market data lines and history."""
NOT_A_REFUSAL: Final = frozenset({*range(2100, 2200), 10167})
"""Notices about a request that goes on."""


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
        client.MaxRequests = 0  # its own brake is off, the pacer is on
        self._pacer = Pacer(client.sendMsg, asyncio.get_running_loop())
        client.sendMsg = _guard(self._send)
        self._ib.errorEvent -= self._ib._onError  # noqa: SLF001 - it answers 1102 with an account summary nobody asked for
        self._lines: dict[int, Contract] = {}
        self._ended: list[str] = []
        self._id_taken = asyncio.Event()
        self._garbled = client.decoder.logger = _Counting(client.decoder.logger)
        self._spoken: dict[int, set[int]] = {}
        self._notices: deque[Notice] = deque(maxlen=MOST_NOTICES)
        self._portfolio: dict[tuple[str, int], PortfolioFact] = {}
        self._flags: set[str] = set()
        self._wake = asyncio.Event()
        self._listen()

    async def connect(self, host: str, port: int, client_id: int, account: str, timeout_s: float) -> None:
        """Log in and download positions, account values and portfolio.

        Raises:
            LinkDown: If the port is closed, the client id is taken, or the answers do not come within `timeout_s`.
        """
        try:
            await self._logged_in(host, port, client_id, account, timeout_s)
            self._ib.reqMarketDataType(FROZEN_WHEN_CLOSED)
        except (OSError, TimeoutError) as error:
            raise self._why_not(host, port, client_id, error) from error

    async def _logged_in(self, host: str, port: int, client_id: int, account: str, timeout_s: float) -> None:
        """The library's login, ended at once when the gateway says that the client id is taken."""
        login = asyncio.ensure_future(
            self._ib.connectAsync(
                host, port, clientId=client_id, timeout=timeout_s, readonly=True, account=account
            )
        )
        taken = asyncio.ensure_future(self._id_taken.wait())
        try:
            await asyncio.wait({login, taken}, timeout=2.5 * timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not login.done():
                raise TimeoutError
            login.result()
        finally:
            for task in (login, taken):
                task.cancel()
            await asyncio.wait({login, taken})

    def _why_not(self, host: str, port: int, client_id: int, error: Exception) -> LinkDown:
        where = f"{host}:{port}"
        if self._id_taken.is_set():
            return ClientIdInUse(
                f"client id {client_id} is already in use at {where}; set another ibkr.client_id"
            )
        if isinstance(error, ConnectionRefusedError):
            return NothingListens(
                f"nothing listens at {where}; start TWS or IB Gateway and allow API clients on that port"
            )
        if isinstance(error, TimeoutError):
            return LinkDown(
                f"{where} took the connection but did not answer in time; is the API enabled and the login complete?"
            )
        return LinkDown(f"the connection to {where} failed: {error}")

    def disconnect(self) -> None:
        self._pacer.close()
        self._ib.disconnect()  # type: ignore[no-untyped-call]

    @property
    def connected(self) -> bool:
        return bool(self._ib.isConnected())

    def complete(self, account: str) -> bool:
        """Whether positions, and the values and portfolio of `account` (empty: the values of each), have been heard to their
        end since the login."""
        if "positionEnd" not in self._ended:
            return False
        if account:
            return "accountDownloadEnd" in self._ended
        return self._ended.count("accountUpdateMultiEnd") >= len(self.accounts)

    @property
    def heard(self) -> int:
        """Messages understood as such since the login; where it stands still, the gateway is silent or talks nonsense."""
        return int(self._ib.client.connectionStats().numMsgRecv)

    @property
    def garbled(self) -> int:
        """Messages since the login that could not be read."""
        return self._garbled.count

    @property
    def backlog(self) -> int:
        """Outgoing messages that wait for their turn."""
        return len(self._pacer)

    async def gateway_time(self, timeout_s: float) -> datetime | None:
        """The gateway's clock; None where it does not answer in time."""
        with anyio.move_on_after(timeout_s), suppress(ConnectionError):
            said: datetime = await self._ib.reqCurrentTimeAsync()
            return said
        return None

    def ask_account(self, account: str) -> None:
        """Ask (again) for the values and the portfolio of one account; the gateway serves one at a time."""
        self._ib.client.reqAccountUpdates(True, account)  # type: ignore[no-untyped-call]

    def take_delayed(self) -> None:
        """From now on lines may bring delayed data where the account may not have live ones."""
        self._ib.reqMarketDataType(DELAYED_WHERE_NOT_LIVE)

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
        with anyio.move_on_after(timeout_s), suppress(ConnectionError):
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

    def unsubscribe(self, con_id: int, *, refused: bool = False) -> None:
        """Close a line and forget its ticker; of a refused one the gateway need not be told."""
        contract = self._lines.pop(con_id, None)
        if contract is None:
            return
        wrapper: Any = self._ib.wrapper
        ticker = self._ib.ticker(contract)
        if refused and ticker is not None:
            request_id = wrapper.endTicker(ticker, "mktData")
        else:
            request_id = wrapper.ticker2ReqId["mktData"].get(ticker, 0)
            self._ib.cancelMktData(contract)
        wrapper.reqId2Ticker.pop(request_id, None)
        for key in [key for key, known in wrapper.tickers.items() if known is ticker]:
            del wrapper.tickers[key]
        self._spoken.pop(con_id, None)

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
        for name in ("positionEnd", "accountDownloadEnd", "accountUpdateMultiEnd"):
            setattr(wrapper, name, self._noting(name, getattr(wrapper, name)))

    def _noting(self, name: str, original: Callable[..., None]) -> Callable[..., None]:
        def ended(*args: object) -> None:
            self._ended.append(name)
            original(*args)

        return ended

    def _on_tickers(self, tickers: Iterable[Ticker]) -> None:
        for ticker in tickers:
            if ticker.contract is not None:
                self._spoken.setdefault(ticker.contract.conId, set()).update(
                    tick.tickType for tick in ticker.ticks
                )
        self._wake.set()

    def _send(self, message: str) -> None:
        self._pacer.offer(message, urgent=message.split("\0", 1)[0] not in CAN_WAIT)

    def _on_error(self, request_id: int, code: int, text: str, contract: Contract | None) -> None:
        if code == CLIENT_ID_IN_USE:
            self._id_taken.set()
        self._notices.append(Notice(request_id, code, text, contract.conId if contract else None))
        self._wake.set()

    def _flag(self, name: str) -> None:
        self._flags.add(name)
        self._wake.set()

    def _on_disconnected(self) -> None:
        self._pacer.close()
        self._flag("disconnected")

    def _on_position(self, _row: object) -> None:
        self._flag("positions")

    def _on_portfolio(self, row: ib_insync.PortfolioItem) -> None:
        con_id = row.contract.conId
        self._portfolio[row.account, con_id] = PortfolioFact(row.account, con_id, finite(row.marketPrice))
        self._wake.set()

    def _on_account(self, _row: object) -> None:
        self._flag("account")

    async def daily_bars(
        self, contract: ContractFact, what: str, duration: str, timeout_s: float
    ) -> BarsFact:
        """Daily bars up to now, of regular trading hours; `what` and `duration` are the broker's words ('TRADES', '2 Y').

        An empty answer of the library is "empty or refused": `end` tells them apart.
        """
        wanted = Contract(
            conId=contract.con_id,
            symbol=contract.symbol,
            secType=str(contract.sec_type),
            exchange=contract.exchange or "SMART",
            currency=contract.currency,
        )
        client: Any = self._ib.client

        def send(request_id: int) -> None:
            client.reqHistoricalData(request_id, wanted, "", duration, "1 day", what, True, 1, False, [])

        end, rows, refusal = await self._one_shot(send, timeout_s, client.cancelHistoricalData)
        bars = tuple(bar for row in rows if (bar := _daily_bar(row)) is not None)
        return BarsFact(end, bars, refusal, unreadable=len(rows) - len(bars))

    async def executions(self, timeout_s: float) -> tuple[ExecutionFact, ...] | None:
        """The fills of the day, each in its last correction; None where they are not known."""
        client: Any = self._ib.client

        def send(request_id: int) -> None:
            client.reqExecutions(request_id, ib_insync.ExecutionFilter())

        end, _, _ = await self._one_shot(send, timeout_s)
        if end is not End.WHOLE:
            return None
        fills = sorted(
            self._ib.fills(), key=lambda fill: fill.execution.execId
        )  # later corrections come last
        facts = (
            _execution_fact(fill) for fill in fills if fill.contract.secType != "BAG"
        )  # its legs are there
        return tuple({fact.exec_id: fact for fact in facts if fact is not None}.values())

    async def _one_shot(
        self, send: Callable[[int], None], timeout_s: float, cancel: Callable[[int], None] | None = None
    ) -> tuple[End, list[Any], Notice | None]:
        """Ask once and wait for the end message, a refusal, the deadline or the end of the socket, whichever is first.

        The library leaves some refused requests open for ever, so a refusal is taken from its notices. What is left open
        at the gateway is called off with `cancel`.
        """
        refusals: list[Notice] = []
        client, wrapper = self._ib.client, self._ib.wrapper

        def heard(about: int, code: int, text: str, _contract: object) -> None:
            if about == request_id and code not in NOT_A_REFUSAL:
                refusals.append(Notice(about, code, text))
                if not answer.done():
                    answer.set_result([])

        try:
            request_id = client.getReqId()
            answer: asyncio.Future[list[Any]] = wrapper.startReq(request_id)  # type: ignore[no-untyped-call]
        except ConnectionError:
            return End.LOST, [], None
        self._ib.errorEvent += heard
        end, rows = End.LATE, []
        try:
            send(request_id)
            with anyio.move_on_after(timeout_s):
                rows = await answer
                end = End.REFUSED if refusals else End.WHOLE
        except ConnectionError:
            end = End.LOST
        finally:
            self._ib.errorEvent -= heard
            wrapper._endReq(request_id)  # type: ignore[no-untyped-call]  # noqa: SLF001 - lets go of what was left open
            if end is End.LATE and cancel is not None and self.connected:
                cancel(request_id)
        return (end, rows, None) if not refusals else (End.REFUSED, [], refusals[0])


class _Counting(logging.LoggerAdapter[logging.Logger]):
    """A logger that counts its errors: what the library can't decode it tells its log and nobody else."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger)
        self.count = 0

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        self.count += level >= logging.ERROR
        super().log(level, msg, *args, **kwargs)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Ticks that were under way when their line was closed are no error."""
    return "Unknown reqId" not in record.getMessage()


logging.getLogger(f"{LIBRARY}.wrapper").addFilter(_worth_a_line)


def _guard(send: Callable[[str], None]) -> Callable[[str | None], None]:
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
        industry=row.industry,
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


def _daily_bar(row: ib_insync.BarData) -> DailyBar | None:
    numbers = [finite(value) for value in (row.open, row.high, row.low, row.close)]
    if None in numbers:
        return None
    first, high, low, last = (number for number in numbers if number is not None)
    return DailyBar(_as_day(row.date), first, high, low, last)


def _execution_fact(fill: ib_insync.Fill) -> ExecutionFact | None:
    """A fill in our words; None where it has no amount or price. The library writes an unset realised gain as 0."""
    execution, report = fill.execution, fill.commissionReport
    shares, paid = price(execution.shares), finite(execution.price)
    if shares is None or paid is None:
        return None
    told = bool(report.execId)
    return ExecutionFact(
        exec_id=execution.execId.rpartition(".")[0] or execution.execId,
        account=execution.acctNumber,
        contract=contract_fact(fill.contract),
        at=execution.time,
        quantity=-shares if execution.side == "SLD" else shares,
        price=paid,
        commission=finite(report.commission) if told else None,
        commission_currency=report.currency or None if told else None,
        realized=finite(report.realizedPNL) or None if told else None,
    )


def _as_day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _day(text: str) -> date | None:
    """'20260821', '20260821 16:00 US/Eastern' or '20260821-16:00:00' as a date; None for months, blanks and no days."""
    digits = text.replace("-", " ").split(" ", 1)[0]
    if len(digits) != 8 or not digits.isdecimal():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
