"""One login, from the first download to the lost socket: what is held, what it is on, which lines are open."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Final

import anyio

from engine.book import Book
from engine.broker.client import Changes, IbClient
from engine.broker.facts import ContractFact, DetailsFact, HoldingFact, Notice, SecType
from engine.broker.lines import UNDERLYING_TICKS, Line, Lines
from engine.broker.translate import AM_SETTLED_CLASSES, account_figures, holding, underlying_kind
from engine.clock import Clock
from engine.errors import ConfigError, LinkDown
from engine.model import Kind
from engine.settings import DataSettings, IbkrSettings, ScenarioSettings

log = logging.getLogger(__name__)

LOGIN_TIMEOUT_S: Final = 8.0
DETAILS_TIMEOUT_S: Final = 10.0
GATHER_S: Final = 0.02
"""Ticks of this long are taken together."""
ON_AN_UNDERLYING: Final = frozenset({SecType.OPTION, SecType.FUTURE_OPTION})
QUOTED: Final = ON_AN_UNDERLYING | {SecType.STOCK, SecType.FUTURE, SecType.INDEX}
"""What a line is asked for; currencies, bonds and the rest live from the portfolio's marks."""
FROM_PLENTY: Final = frozenset({2104, 2106, 2107, 2108, 2119, 2158})
"""Notices that all is well."""


class Session:
    """A logged-in client and the Book it feeds. `run` ends with LinkDown when the socket is gone."""

    def __init__(
        self,
        client: IbClient,
        book: Book,
        clock: Clock,
        ibkr: IbkrSettings,
        data: DataSettings,
        scenarios: ScenarioSettings,
    ) -> None:
        self._client = client
        self._book = book
        self._clock = clock
        self._ibkr = ibkr
        self._volatility_indices = frozenset(scenarios.volatility_indices)
        self._lines = Lines(client, book, data.max_lines)
        self._account = ""
        self._details: dict[int, DetailsFact] = {}
        self._underlying_of: dict[str, ContractFact] = {}
        self._futures: dict[str, list[ContractFact]] = {}
        self._ids: dict[int, str] = {}

    async def login(self) -> None:
        """Connect, download and name the account.

        Raises:
            LinkDown: If the gateway does not answer, or answers in part.
            ConfigError: If there are several accounts and none, or another, is named.
        """
        ibkr = self._ibkr
        await self._client.connect(ibkr.host, ibkr.port, ibkr.client_id, ibkr.account or "", LOGIN_TIMEOUT_S)
        self._account = self._the_account()
        if not self._client.complete:
            raise LinkDown("positions or account values did not arrive whole")

    def _the_account(self) -> str:
        accounts, wanted = self._client.accounts, self._ibkr.account
        if wanted is not None and wanted not in accounts:
            raise ConfigError(
                f"ibkr.account: {wanted!r} is not an account of this login ({', '.join(accounts)})"
            )
        if wanted is None and len(accounts) != 1:
            raise ConfigError(
                f"ibkr.account: this login has several accounts ({', '.join(accounts)}); name one"
            )
        return wanted or accounts[0]

    async def run(self) -> None:
        """Keep the Book true until the socket is lost.

        Raises:
            LinkDown: Always, in the end.
        """
        await self._sync_positions()
        self._take_account()
        self._book.complete = True
        while True:
            changes = await self._client.changes()
            self._lines.apply(changes.quotes, self._clock.now())
            if changes.disconnected or not self._client.connected:
                raise LinkDown("the connection to the gateway was lost")
            await self._take(changes)
            await anyio.sleep(GATHER_S)

    async def _take(self, changes: Changes) -> None:
        for notice in changes.notices:
            self._tell(notice)
        if changes.positions:
            await self._sync_positions()
        if changes.account:
            self._take_account()
        now = self._clock.now()
        for row in changes.portfolio:
            position_id = self._ids.get(row.con_id)
            if position_id is not None and row.mark is not None:
                self._book.set_portfolio_mark(position_id, row.mark, now)

    def _tell(self, notice: Notice) -> None:
        level = logging.DEBUG if notice.code in FROM_PLENTY else logging.WARNING
        log.log(level, "gateway says %s (request %s): %s", notice.code, notice.request_id, notice.text)

    def _take_account(self) -> None:
        figures = account_figures(self._client.account_values(self._account))
        self._book.base_currency = figures.base_currency
        self._book.set_account(figures.net_liquidation, figures.account, figures.fx)

    async def _sync_positions(self) -> None:
        """Take the positions, find out what they are on, and open the lines for them."""
        facts = [fact for fact in self._client.holdings(self._account) if fact.quantity]
        await self._learn(facts)
        real = {
            con_id: row.real_expiry for con_id, row in self._details.items() if row.real_expiry is not None
        }
        am_settled = {fact.contract.con_id for fact in facts if _is_am_settled(fact.contract)}
        real_expiries: dict[int, date] = {con_id: day for con_id, day in real.items() if con_id in am_settled}
        holdings = {fact.contract.con_id: holding(fact, real_expiries) for fact in facts}
        self._ids = {con_id: held.id for con_id, held in holdings.items()}
        self._book.hold(holdings.values())
        self._describe_underlyings()
        self._lines.want(
            self._wanted(facts, {con_id: held.contract.expiry for con_id, held in holdings.items()})
        )

    async def _learn(self, facts: Iterable[HoldingFact]) -> None:
        """Ask for the details that naming, settling and quoting the positions needs: one option per underlying, then the
        underlyings."""
        facts = list(facts)
        first_of: dict[str, ContractFact] = {}
        for fact in facts:
            if fact.contract.sec_type in QUOTED and fact.contract.symbol not in self._underlying_of:
                current = first_of.setdefault(fact.contract.symbol, fact.contract)
                if current.sec_type in ON_AN_UNDERLYING and fact.contract.sec_type not in ON_AN_UNDERLYING:
                    first_of[fact.contract.symbol] = fact.contract
        wanted = {contract.con_id: contract for contract in first_of.values()}
        wanted |= {fact.contract.con_id: fact.contract for fact in facts if _needs_details(fact.contract)}
        await self._ask(contract for contract in wanted.values() if contract.con_id not in self._details)
        beneath = {
            self._details[contract.con_id].under_con_id: symbol
            for symbol, contract in first_of.items()
            if contract.con_id in self._details and contract.sec_type in ON_AN_UNDERLYING
        }
        await self._ask(
            ContractFact(con_id, symbol, SecType.OTHER)
            for con_id, symbol in beneath.items()
            if con_id is not None
        )
        for symbol, contract in first_of.items():
            own = self._details.get(contract.con_id)
            if own is not None and contract.sec_type in ON_AN_UNDERLYING:
                own = self._details.get(own.under_con_id or 0)
            if own is not None:
                self._underlying_of[symbol] = own.contract
        await self._find_futures(symbol for symbol in first_of if symbol in self._volatility_indices)

    async def _ask(self, contracts: Iterable[ContractFact]) -> None:
        """Contract details of each, side by side; what is refused or late stays unknown and is told."""

        async def one(contract: ContractFact) -> None:
            found = await self._client.details(
                ContractFact(contract.con_id, contract.symbol, contract.sec_type), DETAILS_TIMEOUT_S
            )
            if found:
                self._details[contract.con_id] = found[0]
            else:
                log.warning("no contract details for %s (%s)", contract.symbol, contract.con_id)

        async with anyio.create_task_group() as tasks:
            for contract in contracts:
                tasks.start_soon(one, contract)

    async def _find_futures(self, symbols: Iterable[str]) -> None:
        """The listed futures of volatility indices: their options are priced on them (D4, D8)."""
        for symbol in symbols:
            found = await self._client.details(ContractFact(0, symbol, SecType.FUTURE), DETAILS_TIMEOUT_S)
            self._futures[symbol] = [
                replace(row.contract, expiry=row.real_expiry or row.contract.expiry)
                for row in found
                if row.contract.symbol == symbol
            ]

    def _describe_underlyings(self) -> None:
        for symbol, contract in self._underlying_of.items():
            details = self._details.get(contract.con_id)
            self._book.set_underlying(symbol, Kind.OTHER if details is None else underlying_kind(details))

    def _wanted(self, facts: Iterable[HoldingFact], expiries: dict[int, date | None]) -> Iterable[Line]:
        facts = list(facts)
        symbols = {fact.contract.symbol for fact in facts if fact.contract.sec_type in QUOTED}
        for symbol in sorted(symbols & self._underlying_of.keys()):
            yield Line(self._underlying_of[symbol], UNDERLYING_TICKS, spot_of=symbol)
        for fact in facts:
            contract = fact.contract
            if contract.sec_type in QUOTED:
                known = self._details.get(contract.con_id)
                whole = known.contract if known is not None else contract
                yield Line(
                    replace(whole, exchange=_exchange(whole)), position_ids=(self._ids[contract.con_id],)
                )
        option_days = {
            (fact.contract.symbol, expiries[fact.contract.con_id])
            for fact in facts
            if fact.contract.sec_type in ON_AN_UNDERLYING
        }
        for symbol, futures in self._futures.items():
            for future in futures:
                if future.expiry is not None and (symbol, future.expiry) in option_days:
                    yield Line(future, forward_of=(symbol, future.expiry))


def _is_am_settled(contract: ContractFact) -> bool:
    return contract.sec_type in ON_AN_UNDERLYING and contract.trading_class in AM_SETTLED_CLASSES


def _needs_details(contract: ContractFact) -> bool:
    """Settlement dates of AM-settled options, exchanges of futures and their options."""
    return _is_am_settled(contract) or contract.sec_type in {SecType.FUTURE, SecType.FUTURE_OPTION}


def _exchange(contract: ContractFact) -> str:
    """Positions come without an exchange; stocks and options are asked for at SMART."""
    if contract.sec_type in {SecType.STOCK, SecType.OPTION} or not contract.exchange:
        return "SMART"
    return contract.exchange
