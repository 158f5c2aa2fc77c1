"""One login, from the first download to the lost socket: what is held, what it is on, which lines are open."""

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import cycle
from typing import Final

import anyio

from engine.book import Book
from engine.broker.client import Changes, IbClient
from engine.broker.facts import ContractFact, DetailsFact, HoldingFact, Notice, SecType
from engine.broker.history import History
from engine.broker.lines import UNDERLYING_TICKS, Line, Lines
from engine.broker.translate import (
    AM_SETTLED_CLASSES,
    AccountFigures,
    account_figures,
    added_up,
    apart,
    holding,
    underlying_kind,
)
from engine.broker.upstream import ALL_IS_WELL, Reason, Remedy, Upstream
from engine.clock import Clock
from engine.errors import ConfigError, LinkDown, RiskbotError
from engine.model import DataMode, Kind
from engine.settings import DataSettings, IbkrSettings, ScenarioSettings

log = logging.getLogger(__name__)

LOGIN_TIMEOUT_S: Final = 8.0
DETAILS_TIMEOUT_S: Final = 10.0
GATHER_S: Final = 0.02
"""Ticks of this long are taken together."""
ON_AN_UNDERLYING: Final = frozenset({SecType.OPTION, SecType.FUTURE_OPTION})
QUOTED: Final = ON_AN_UNDERLYING | {SecType.STOCK, SecType.FUTURE, SecType.INDEX}
"""What a line is asked for; currencies, bonds and the rest live from the portfolio's marks."""
ALL: Final = "all"
"""What ibkr.account says for every account of the login together."""
TURN_S: Final = 0.25
MOST_WAITING: Final = 40
"""No new lines while so many messages wait to leave."""
BEAT_S: Final = 15.0
SILENT_AFTER_S: Final = 35.0
LOOK_S: Final = 1.0
ASK_AGAIN_S: Final = 30.0
"""Contract details that did not come are asked for again: a refusal during a disturbance proves nothing."""
SKEW_S: Final = 2.0
BLINDING_SKEW_S: Final = 30.0
GARBLED: Final = 3
GARBLED_FOR: Final = timedelta(minutes=5)
RETRY_STREAMS_S: Final = 60.0
CHECK_AFTER_S: Final = 6.0
ACCOUNT_FOR_S: Final = 20.0
SOCKET_LOST: Final = "the connection to the gateway was lost"
SUBSCRIBES_AGAIN: Final = "riskbot subscribes again each minute"
MOST_NAMED: Final = 6

IsOpen = Callable[[datetime], Awaitable[bool]]
"""Whether quotes are to be expected at a time."""


class Session:
    """A logged-in client and the Book it feeds. `run` ends with LinkDown when the login is of no more use."""

    def __init__(
        self,
        client: IbClient,
        book: Book,
        clock: Clock,
        ibkr: IbkrSettings,
        data: DataSettings,
        scenarios: ScenarioSettings,
        is_open: IsOpen,
        history: History | None = None,
    ) -> None:
        self._client = client
        self._history = history
        self._book = book
        self._clock = clock
        self._ibkr = ibkr
        self._stale_after = data.stale_after
        self._volatility_indices = frozenset(scenarios.volatility_indices)
        self._is_open = is_open
        self._lines = Lines(client, book, data.max_lines, allow_delayed=data.allow_delayed)
        self._upstream = Upstream()
        self._account = ""
        self._details: dict[int, DetailsFact] = {}
        self._underlying_of: dict[str, ContractFact] = {}
        self._futures: dict[str, list[ContractFact]] = {}
        self._ids: dict[tuple[str, int], str] = {}
        self._no_quotes: Reason | None = None
        self._quiet: Reason | None = None
        self._skew: Reason | None = None
        self._garbled: Reason | None = None
        self._garbled_count = 0
        self._garbled_at: datetime | None = None
        self._moved = anyio.Event()
        self._unanswered = False
        self._unknown: Reason | None = None
        self._retried_at = -math.inf
        self._check_at = math.inf

    async def login(self, client_id: int) -> None:
        """Connect, download and name the account.

        Raises:
            LinkDown: If the gateway does not answer, or answers in part.
            ConfigError: If there are several accounts and none, or another, is named.
        """
        ibkr = self._ibkr
        named = "" if ibkr.account in {None, ALL} else str(ibkr.account)
        await self._client.connect(ibkr.host, ibkr.port, client_id, named, LOGIN_TIMEOUT_S)
        self._account = self._the_account()
        if not self._client.complete(self._account):
            raise LinkDown("positions or account values did not arrive whole")

    def _the_account(self) -> str:
        """The account to read; empty for all of them."""
        accounts, wanted = self._client.accounts, self._ibkr.account
        if wanted == ALL:
            return "" if len(accounts) > 1 else accounts[0]
        if wanted is not None and wanted not in accounts:
            raise ConfigError(
                f"ibkr.account: {wanted!r} is not an account of this login ({', '.join(accounts)})"
            )
        if wanted is None and len(accounts) != 1:
            raise ConfigError(
                f"ibkr.account: this login has several accounts ({', '.join(accounts)}); name one, or write all"
            )
        return wanted or accounts[0]

    @property
    def account(self) -> str:
        """The account that is read; empty for all of them."""
        return self._account

    def reasons(self) -> tuple[Reason, ...]:
        """What is wrong though the login stands, in words."""
        own = (self._unknown, self._no_quotes, self._quiet, self._skew, self._garbled)
        said = [reason for reason in own if reason is not None]
        return (*self._upstream.reasons(self._clock.now()), *said, *self._lines.reasons())

    async def start(self) -> None:
        """Take positions and account, and find out what they are on: from now on the Book is whole.

        Raises:
            LinkDown: If the socket is lost meanwhile, or positions are missing that the account's totals show.
        """
        self._refuse_a_hollow_account()
        await self._sync_positions()
        self._take_account()
        self._book.complete = True

    async def run(self) -> None:
        """Keep the Book true until the login is of no more use.

        Raises:
            LinkDown: Always, in the end.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen)
                tasks.start_soon(self._follow_positions)
                tasks.start_soon(self._take_turns)
                tasks.start_soon(self._beat)
                tasks.start_soon(self._watch_ages)
                if self._history is not None:
                    tasks.start_soon(self._history.run, self._client, lambda: self._underlying_of)
                if not self._account:
                    tasks.start_soon(self._go_round_accounts)
        except BaseExceptionGroup as group:
            raise _meaning(group) from group

    async def _listen(self) -> None:
        while True:
            changes = await self._client.changes()
            self._lines.apply(changes.quotes, self._clock.now(), self._clock.monotonic())
            if any(fact.quoted and fact.mode is DataMode.LIVE for fact in changes.quotes):
                self._upstream.quotes_came()
            if changes.disconnected or not self._client.connected:
                raise LinkDown(SOCKET_LOST)
            self._take(changes)
            await anyio.sleep(GATHER_S)

    async def _follow_positions(self) -> None:
        """Take changed positions; what must be asked about them holds up no quote. What got no answer is asked again."""
        while True:
            with anyio.move_on_after(ASK_AGAIN_S if self._unanswered else math.inf):
                await self._moved.wait()
            self._moved = anyio.Event()
            await self._sync_positions()

    async def _take_turns(self) -> None:
        """Open and close lines as the rotation wants, unless messages pile up already."""
        while True:
            if self._client.backlog < MOST_WAITING:
                self._lines.turn(self._clock.now(), self._clock.monotonic())
            await anyio.sleep(TURN_S)

    async def _beat(self) -> None:
        """Ask for the time now and then: a socket that is open at one end only shows by its silence.

        Raises:
            LinkDown: If nothing that can be read came for SILENT_AFTER_S.
        """
        heard, heard_at, asked_at = self._client.heard, self._clock.monotonic(), -math.inf
        async with anyio.create_task_group() as tasks:
            while True:
                now = self._clock.monotonic()
                if self._client.heard != heard:
                    heard, heard_at = self._client.heard, now
                elif now - heard_at > SILENT_AFTER_S:
                    raise LinkDown(
                        f"the gateway has been silent for {SILENT_AFTER_S:.0f} s though the socket is open"
                    )
                if now - asked_at >= BEAT_S:
                    asked_at = now
                    tasks.start_soon(self._compare_clocks)
                await anyio.sleep(LOOK_S)

    async def _compare_clocks(self) -> None:
        said = await self._client.gateway_time(BEAT_S - 1.0)
        if said is None:
            return
        now = self._clock.now()
        off = abs((said - now).total_seconds())
        if off <= SKEW_S:
            self._skew = None
            return
        since = self._skew.since if self._skew else now
        text = f"the gateway's clock is {off:.0f} s off ours; check the time of both machines"
        does = "times and expiries may be wrong until then"
        self._skew = Reason(text, since, does, blinds=off > BLINDING_SKEW_S)

    async def _watch_ages(self) -> None:
        """Name what has fallen silent in market hours, and subscribe it again: streams may die without a word."""
        while True:
            await anyio.sleep(LOOK_S)
            now, at = self._clock.monotonic(), self._clock.now()
            self._name_garbled(at)
            if now >= self._check_at:  # a farm or the broker came back a moment ago
                self._check_at = math.inf
                self._lines.subscribe_again(self._lines.silent(now, CHECK_AFTER_S - LOOK_S), now)
            spots = self._lines.spots
            silent = self._lines.silent(now, self._stale_after) & spots.keys()
            if not silent or self._upstream.is_lost or not await self._is_open(at):
                self._no_quotes = self._quiet = None
                continue
            if len(silent) == len(spots):
                text = f"no quotes for {self._stale_after:.0f} s, though the market is open"
                self._no_quotes = self._no_quotes or Reason(text, at, SUBSCRIBES_AGAIN, blinds=True)
                self._quiet = None
            else:
                names = sorted(spots[con_id] for con_id in silent)
                self._no_quotes = None
                since = self._quiet.since if self._quiet else at
                self._quiet = Reason(f"no quotes of {', '.join(names[:MOST_NAMED])}", since, SUBSCRIBES_AGAIN)
            if now - self._retried_at >= RETRY_STREAMS_S:
                self._retried_at = now
                self._lines.subscribe_again(silent, now)

    def _name_garbled(self, at: datetime) -> None:
        """Say so while messages that can't be read keep coming."""
        if self._client.garbled > self._garbled_count:
            self._garbled_count, self._garbled_at = self._client.garbled, at
        if self._garbled_count < GARBLED or self._garbled_at is None or at - self._garbled_at > GARBLED_FOR:
            self._garbled = None
        elif self._garbled is None:
            does = "they are in the log; riskbot goes on without them"
            self._garbled = Reason("the gateway sends messages that can't be read", at, does)

    async def _go_round_accounts(self) -> None:
        """The gateway sends the portfolio of one account at a time."""
        for account in cycle(self._client.accounts):
            self._client.ask_account(account)
            await anyio.sleep(ACCOUNT_FOR_S)

    def _take(self, changes: Changes) -> None:
        for notice in changes.notices:
            self._hear(notice)
        if changes.positions:
            self._moved.set()
        if changes.account:
            self._take_account()
        now = self._clock.now()
        for row in changes.portfolio:
            position_id = self._ids.get((row.account, row.con_id))
            if position_id is not None and row.mark is not None:
                self._book.set_portfolio_mark(position_id, row.mark, now)

    def _hear(self, notice: Notice) -> None:
        at, now = self._clock.now(), self._clock.monotonic()
        about_a_line = self._lines.hear(notice, at, now, impaired=self._upstream.doubts_definitions(at))
        expected = about_a_line or notice.code in ALL_IS_WELL
        level = logging.DEBUG if expected else logging.WARNING
        log.log(level, "gateway says %s (request %s): %s", notice.code, notice.request_id, notice.text)
        match self._upstream.hear(notice, at):
            case Remedy.LOG_IN_AGAIN:
                raise LinkDown("the gateway reset the connection")
            case Remedy.SUBSCRIBE_AGAIN:
                self._lines.subscribe_again(self._client.lines, now)
                self._client.ask_account(self._account or self._client.accounts[0])
            case Remedy.CHECK_STREAMS:
                self._check_at = now + CHECK_AFTER_S
            case Remedy.ACCOUNT_AGAIN:
                self._client.ask_account(self._account or self._client.accounts[0])
            case None:
                pass

    def _refuse_a_hollow_account(self) -> None:
        """No positions beside totals that show some, or that show nothing where there were some, is no empty account (D10)."""
        if self._client.holdings(self._account):
            return
        gross = self._figures().gross_position
        if gross or (gross is None and self._book.holdings):
            raise LinkDown("the account's totals show positions, but none arrived")

    def _figures(self) -> AccountFigures:
        accounts = [self._account] if self._account else list(self._client.accounts)
        self._must_be_connected()
        return added_up([account_figures(self._client.account_values(one)) for one in accounts])

    def _take_account(self) -> None:
        figures = self._figures()
        self._book.base_currency = figures.base_currency
        self._book.set_account(figures.net_liquidation, figures.account, figures.fx)

    async def _sync_positions(self) -> None:
        """Take the positions, find out what they are on, and open the lines for them."""
        facts = [fact for fact in self._client.holdings(self._account) if fact.quantity]
        self._must_be_connected()
        self._unanswered = False
        await self._learn(facts)
        self._must_be_connected()
        self._name_unknown(facts)
        real = {
            con_id: row.real_expiry for con_id, row in self._details.items() if row.real_expiry is not None
        }
        am_settled = {fact.contract.con_id for fact in facts if _is_am_settled(fact.contract)}
        real_expiries: dict[int, date] = {con_id: day for con_id, day in real.items() if con_id in am_settled}
        holdings = {(fact.account, fact.contract.con_id): holding(fact, real_expiries) for fact in facts}
        holdings = apart(holdings)
        self._ids = {key: held.id for key, held in holdings.items()}
        self._book.hold(holdings.values())
        self._describe_underlyings()
        self._lines.want(
            self._wanted(facts, {con_id: held.contract.expiry for (_, con_id), held in holdings.items()})
        )

    def _must_be_connected(self) -> None:
        """With the socket gone the library forgets positions and accounts: what it has then is nothing (D10)."""
        if not self._client.connected:
            raise LinkDown(SOCKET_LOST)

    def _name_unknown(self, facts: Iterable[HoldingFact]) -> None:
        """While an underlying is unknown its price is too, and no line shows it."""
        quoted = {fact.contract.symbol for fact in facts if fact.contract.sec_type in QUOTED}
        names = sorted(quoted - self._underlying_of.keys())
        if not names:
            self._unknown = None
            return
        since = self._unknown.since if self._unknown else self._clock.now()
        text = (
            f"no contract details of {', '.join(names[:MOST_NAMED])}{' …' if len(names) > MOST_NAMED else ''}"
        )
        self._unknown = Reason(text, since, "riskbot asks again each half minute", blinds=True)

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
        beneath |= {
            self._details[fact.contract.con_id].under_con_id: fact.contract.symbol
            for fact in facts
            if fact.contract.sec_type is SecType.FUTURE_OPTION and fact.contract.con_id in self._details
        }
        await self._ask(
            ContractFact(con_id, symbol, SecType.OTHER)
            for con_id, symbol in beneath.items()
            if con_id is not None and con_id not in self._details
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
                self._unanswered = True
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

    def _future_beneath(self, contract: ContractFact) -> ContractFact | None:
        """The future that an option on futures is on: two options of one product may be on different ones."""
        known = self._details.get(contract.con_id)
        if contract.sec_type is not SecType.FUTURE_OPTION or known is None or known.under_con_id is None:
            return None
        future = self._details.get(known.under_con_id)
        return None if future is None else future.contract

    def _describe_underlyings(self) -> None:
        for symbol, contract in self._underlying_of.items():
            details = self._details.get(contract.con_id)
            kind, sector = (
                (Kind.OTHER, None) if details is None else (underlying_kind(details), details.industry)
            )
            self._book.set_underlying(symbol, kind, sector or None)

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
                    replace(whole, exchange=_exchange(whole)),
                    position_ids=(self._ids[fact.account, contract.con_id],),
                )
            future = self._future_beneath(contract)
            expiry = expiries[contract.con_id]
            if future is not None and expiry is not None:
                yield Line(
                    replace(future, exchange=_exchange(future)), forwards_of=((contract.symbol, expiry),)
                )
        option_days = {
            (fact.contract.symbol, expiries[fact.contract.con_id])
            for fact in facts
            if fact.contract.sec_type in ON_AN_UNDERLYING
        }
        for symbol, futures in self._futures.items():
            for future in futures:
                if future.expiry is not None and (symbol, future.expiry) in option_days:
                    yield Line(future, forwards_of=((symbol, future.expiry),))


def _meaning(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What the failures of the tasks come to: what a person must mend, else a lost link, else the group itself."""
    leaves = list(_leaves(group))
    for kind in (ConfigError, LinkDown):
        for leaf in leaves:
            if isinstance(leaf, kind) and all(
                isinstance(one, (RiskbotError, ConnectionError)) for one in leaves
            ):
                return leaf
    if all(isinstance(leaf, ConnectionError) for leaf in leaves):
        return LinkDown(SOCKET_LOST)
    return group


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


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
