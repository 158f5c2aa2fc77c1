"""Which contracts get a market data line, what the broker refuses of it, and what the quotes mean for the Book.

The account has a limited number of lines. Underlyings come first, then listed futures and stocks; options share what is left
by turns. Between its turns an option lives from its last quote, carried to the present spot, and from the portfolio's marks,
which cost no line.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from engine.book import Book, Quote
from engine.broker.client import IbClient
from engine.broker.facts import ContractFact, Notice, QuoteFact, SecType
from engine.broker.rotation import Rotation, Turn
from engine.broker.upstream import Reason
from engine.model import BrokerView, DataMode, Dividend

log = logging.getLogger(__name__)

UNDERLYING_TICKS: Final = "104,106,456"
"""Legal generic ticks of an underlying: historical and 30-day implied volatility, dividends (D13)."""
OPTION_TICKS: Final = ""
"""The model's Greeks come without being asked for (D13)."""
LINE_CAP: Final = 101
FEWEST_LINES: Final = 4
NO_DEFINITION: Final = 200
UNKNOWN_REQUEST: Final = 300
BAD_REQUEST: Final = 321
NOT_SUBSCRIBED: Final = frozenset({354, 10089, 10168, 10186})
COMPETING: Final = 10197
SOFT: Final = frozenset({10090, 10091, 10167})
"""Something is missing, but quotes flow."""
NO_DEFINITION_AGAIN_S: Final = 30.0
LONGEST_AGAIN_S: Final = 600.0
PROBE_S: Final = 25.0
"""One of the lines that a competing login took is asked for so soon; when it speaks, the others are."""
LARGEST_JUMP: Final = 2.5
JUMP_LASTS: Final = timedelta(seconds=30)
"""A price so many times the last one, or that fraction of it, is believed when it has lasted so long."""
FIRST_WORDS_S: Final = 2.0
"""What a line says so soon after it was opened may be old."""
AGAIN_S: Final = {**dict.fromkeys(NOT_SUBSCRIBED, 3600.0), COMPETING: 120.0, BAD_REQUEST: 3600.0}
"""Seconds until a refused contract is asked for again."""
MARKS_INSTEAD: Final = "the portfolio's marks are used; riskbot asks again each hour"
WORDS: Final = {
    **dict.fromkeys(NOT_SUBSCRIBED, ("no market data subscription", MARKS_INSTEAD)),
    NO_DEFINITION: ("the broker knows no such contract", "riskbot asks again, at last each ten minutes"),
    COMPETING: ("another login holds the market data", "riskbot asks for one of them again each half minute"),
    BAD_REQUEST: ("the gateway refuses the request", MARKS_INSTEAD),
    10090: ("part of the market data is not subscribed", "what comes is used"),
    10091: ("part of the market data is not subscribed", "what comes is used"),
    10167: ("delayed data", "they are marked as such"),
}
"""Of each refusal: what it means, and what riskbot does."""
MOST_NAMED: Final = 6
WIDEST_SPOT: Final = 0.05
"""An underlying's bid and ask further apart than this share of their middle are no price."""


@dataclass(frozen=True, slots=True)
class Line:
    """A contract that wants a line and what its quotes feed: a spot, positions, a forward."""

    contract: ContractFact
    generic_ticks: str = OPTION_TICKS
    spot_of: str | None = None
    forwards_of: tuple[tuple[str, date], ...] = ()
    position_ids: tuple[str, ...] = ()

    @property
    def takes_turns(self) -> bool:
        """Whether it shares its lines with others: an option that is nothing but a position."""
        is_option = self.contract.sec_type in {SecType.OPTION, SecType.FUTURE_OPTION}
        return is_option and self.spot_of is None and not self.forwards_of

    @property
    def rank(self) -> tuple[int, date]:
        """Lower is served first."""
        if self.spot_of is not None:
            return 0, date.min
        if self.contract.sec_type is not SecType.OPTION:
            return 1, self.contract.expiry or date.max
        return 2, self.contract.expiry or date.max


@dataclass(frozen=True, slots=True)
class _Refusal:
    code: int
    since: datetime
    again_at: float


NOTHING: Final = (None, None, None)
DELAYED: Final = 10167
NOT_SOFT: Final = _Refusal(0, datetime.min.replace(tzinfo=UTC), 0.0)


class Lines:
    """The open lines of one login. `want` says what should be open, `turn` opens and closes, `apply` carries quotes to the Book.

    Times `at` are the wall clock's, `now` is the monotonic clock's, in seconds.
    """

    def __init__(self, client: IbClient, book: Book, most: int, *, allow_delayed: bool) -> None:
        self._client = client
        self._book = book
        self._most = most
        self._learned: datetime | None = None
        self._allow_delayed = allow_delayed
        self._delayed = False
        self._wanted: dict[int, Line] = {}
        self._quotes: dict[int, Quote] = {}
        self._opened: dict[int, float] = {}
        self._heard: dict[int, float] = {}
        self._told: dict[int, tuple[float | None, ...]] = {}
        self._refused: dict[int, _Refusal] = {}
        self._soft: dict[int, _Refusal] = {}
        self._without_ticks: set[int] = set()
        self._unknown: dict[int, int] = {}
        self._asked_delayed: set[int] = set()
        self._doubted: dict[str, datetime] = {}
        self._refused_since: dict[int, datetime] = {}
        self._crowded: datetime | None = None
        self._rotation = Rotation()

    @property
    def most(self) -> int:
        """Lines that the account has, as configured or as learned."""
        return self._most

    def want(self, wanted: Iterable[Line]) -> None:
        """Make these the contracts that want a line; those that nobody wants any more are closed."""
        self._wanted = dict(merged(wanted))
        for con_id in self._client.lines - self._wanted.keys():
            self._close(con_id)

    def turn(self, at: datetime, now: float) -> None:
        """Open and close lines: what is not an option always, as far as the lines go, the rest by turns."""
        for con_id, refusal in list(self._refused.items()):
            if now >= refusal.again_at:
                del self._refused[con_id]
        usable = [line for con_id, line in self._wanted.items() if con_id not in self._refused]
        weights: dict[str, float] = defaultdict(float)
        for line in usable:
            weights[line.contract.symbol] += sum(map(self._book.risk_of, line.position_ids))
        fixed = [line for line in usable if not line.takes_turns]
        fixed.sort(key=lambda line: (*line.rank, -weights[line.contract.symbol]))
        options = [line for line in usable if line.takes_turns]
        crowded = len(fixed) > self._most - (len(usable) > len(fixed))
        self._crowded = (self._crowded or at) if crowded else None
        most = self._most // 2 if crowded else self._most
        fixed, others = fixed[:most], [*fixed[most:], *options]
        self._rotation.want(self._turn_of(line, at) for line in others)
        plan = self._rotation.plan(self._most - len(fixed), now)
        for con_id in plan.close:
            self._close(con_id)
        for line in [*fixed, *(self._wanted[con_id] for con_id in plan.open)]:
            self._open(line, now)

    def _turn_of(self, line: Line, at: datetime) -> Turn:
        if not line.takes_turns:
            return Turn(line.contract.con_id, math.inf)
        expiry = line.contract.expiry
        days = None if expiry is None else (expiry - at.date()).days
        risk = max((self._book.risk_of(position_id) for position_id in line.position_ids), default=0.0)
        return Turn(line.contract.con_id, risk, days)

    def _open(self, line: Line, now: float) -> None:
        con_id = line.contract.con_id
        if con_id not in self._client.lines:
            self._opened[con_id] = now
            self._heard.setdefault(con_id, now)
            ticks = "" if con_id in self._without_ticks else line.generic_ticks
            self._client.subscribe(line.contract, ticks)
            if self._delayed:
                self._asked_delayed.add(con_id)

    def _close(self, con_id: int, *, refused: bool = False) -> None:
        self._client.unsubscribe(con_id, refused=refused)
        self._quotes.pop(con_id, None)
        for known in (self._opened, self._heard, self._told):
            known.pop(con_id, None)

    def subscribe_again(self, con_ids: Iterable[int], now: float) -> None:
        """Close and open these lines: the broker may have forgotten them. How long they are silent goes on counting."""
        for con_id in set(con_ids) & self._client.lines:
            heard, told = self._heard[con_id], self._told.get(con_id)
            self._close(con_id)
            self._open(self._wanted[con_id], now)
            self._heard[con_id] = heard
            if told is not None:
                self._told[con_id] = told

    def silent(self, now: float, for_s: float) -> frozenset[int]:
        """con_ids of open lines that said nothing in the last `for_s` seconds."""
        return frozenset(con_id for con_id, at in self._heard.items() if now - at > for_s)

    @property
    def spots(self) -> Mapping[int, str]:
        """The open lines of underlyings: con_id to symbol."""
        return {
            con_id: line.spot_of
            for con_id, line in self._wanted.items()
            if line.spot_of is not None and con_id in self._client.lines
        }

    def hear(self, notice: Notice, at: datetime, now: float, *, impaired: bool) -> bool:
        """Take a notice that may be about a line; whether it was.

        Args:
            impaired: the broker's contract definitions are not reliable now: "no security definition" proves nothing.
        """
        con_id, code = notice.con_id, notice.code
        if con_id is None or con_id not in self._client.lines:
            return code == UNKNOWN_REQUEST
        if code in SOFT:
            self._soft.setdefault(con_id, _Refusal(code, at, now))
        elif code == LINE_CAP:
            self._most = max(FEWEST_LINES, len(self._client.lines) - 1)
            self._learned = self._learned or at
            self._refuse(con_id, code, at, now)
        elif code == BAD_REQUEST and "generic tick list" in notice.text.lower():
            self._without_ticks.add(con_id)
            self._refuse(con_id, code, at, now)
        elif code in NOT_SUBSCRIBED and self._allow_delayed and con_id not in self._asked_delayed:
            if not self._delayed:
                self._delayed = True
                self._client.take_delayed()
            self._refuse(con_id, code, at, now)
        elif code == NO_DEFINITION:
            self._refuse(con_id, code, at, now + self._until_known(con_id, impaired=impaired))
        elif code == COMPETING:
            asking = any(
                one.code == COMPETING and one.again_at <= now + PROBE_S for one in self._refused.values()
            )
            self._refuse(con_id, code, at, now + (AGAIN_S[code] if asking else PROBE_S))
        elif code in AGAIN_S:
            self._refuse(con_id, code, at, now + AGAIN_S[code])
        else:
            return False
        return True

    def _until_known(self, con_id: int, *, impaired: bool) -> float:
        """Seconds until a contract that the broker does not know is asked for again: longer each time, unless that proves
        nothing."""
        times = 0 if impaired else self._unknown.get(con_id, 0)
        self._unknown[con_id] = times + 1
        return min(NO_DEFINITION_AGAIN_S * 2.0**times, LONGEST_AGAIN_S)

    def _refuse(self, con_id: int, code: int, at: datetime, again_at: float) -> None:
        self._close(con_id, refused=True)
        self._rotation.closed(con_id)
        self._refused[con_id] = _Refusal(code, self._refused_since.setdefault(con_id, at), again_at)

    def reasons(self) -> tuple[Reason, ...]:
        """What the account may not see, in words."""
        found = []
        if self._learned is not None:
            found.append(
                Reason(
                    f"the account has {self._most} market data lines, fewer than configured",
                    self._learned,
                    "options take turns on them",
                )
            )
        if self._crowded is not None:
            text = f"more underlyings than the account's {self._most} market data lines"
            found.append(Reason(text, self._crowded, "they take turns too; their prices may be seconds old"))
        if self._doubted:
            text = f"the price of {', '.join(sorted(self._doubted))} jumped, and is not believed yet"
            does = f"riskbot believes it when it has lasted {JUMP_LASTS.seconds} s"
            found.append(Reason(text, min(self._doubted.values()), does))
        groups: dict[int, list[int]] = defaultdict(list)
        for con_id, refusal in self._refused.items():
            if refusal.code in WORDS:
                groups[refusal.code].append(con_id)
        for con_id, refusal in self._soft.items():
            if con_id in self._wanted and con_id not in self._refused:
                groups[refusal.code].append(con_id)
        for code, con_ids in sorted(groups.items()):
            known = [self._refused.get(con_id) or self._soft[con_id] for con_id in con_ids]
            names = sorted({self._wanted[c].contract.symbol for c in con_ids if c in self._wanted})
            meaning, does = WORDS[code]
            text = f"{meaning} ({code}): {', '.join(names[:MOST_NAMED])}{' …' if len(names) > MOST_NAMED else ''}"
            found.append(Reason(text, min(one.since for one in known), does))
        return tuple(found)

    def apply(self, facts: Iterable[QuoteFact], at: datetime, now: float) -> None:
        """Carry what the lines said into the Book."""
        for fact in facts:
            line = self._wanted.get(fact.con_id)
            if line is not None and fact.con_id in self._opened:
                self._book.heard_at = at
                self._note_life(fact, now)
                if fact.quoted:
                    self._rotation.quoted(fact.con_id, now)
                    self._end_competition(now)
                if fact.model is not None or not line.takes_turns:
                    self._rotation.modelled(fact.con_id)
                self._apply(line, fact, at)

    def _note_life(self, fact: QuoteFact, now: float) -> None:
        """A line lives when it names a price. The first words of a new one may be old: they count when they say something new."""
        values = fact.bid, fact.ask, fact.last
        if values == NOTHING:
            return
        if fact.mode is DataMode.LIVE and self._soft.get(fact.con_id, NOT_SOFT).code == DELAYED:
            del self._soft[fact.con_id]
        self._refused_since.pop(fact.con_id, None)
        is_new = values != self._told.get(fact.con_id)
        self._told[fact.con_id] = values
        if is_new or now - self._opened[fact.con_id] > FIRST_WORDS_S:
            self._heard[fact.con_id] = now

    def _end_competition(self, now: float) -> None:
        """Quotes flow: what another login held back may be asked for again."""
        for con_id, refusal in self._refused.items():
            if refusal.code == COMPETING and refusal.again_at > now:
                self._refused[con_id] = replace(refusal, again_at=now)

    def _apply(self, line: Line, fact: QuoteFact, at: datetime) -> None:
        before = self._quotes.get(fact.con_id, Quote())
        quote = Quote(
            bid=fact.bid,
            ask=fact.ask,
            last=fact.last,
            close=fact.close,
            mode=fact.mode,
            at=at if fact.quoted else before.at,
            traded_at=at if fact.traded else before.traded_at,
            heard_at=at,
        )
        self._quotes[fact.con_id] = quote
        for position_id in line.position_ids:
            self._book.set_quote(position_id, quote)
            if fact.model is not None:
                model = fact.model
                view = BrokerView(
                    iv=model.iv, delta=model.delta, gamma=model.gamma, vega=model.vega, theta=model.theta
                )
                self._book.set_model(position_id, view)
        if line.spot_of is not None:
            self._spot(line.spot_of, fact, quote, at)
        for symbol, expiry in line.forwards_of:
            known = spot_price(quote)
            if known is not None:
                self._book.set_forward(symbol, expiry, known.price)

    def _believed(self, symbol: str, price: float, at: datetime) -> bool:
        """Whether a price may be true: one that is several times the last, or a fraction of it, must last for a while."""
        before = self._book.spot(symbol)
        if before is None or 1.0 / LARGEST_JUMP < price / before < LARGEST_JUMP:
            self._doubted.pop(symbol, None)
            return True
        since = self._doubted.setdefault(symbol, at)
        if at - since < JUMP_LASTS:
            return False
        del self._doubted[symbol]
        return True

    def _spot(self, symbol: str, fact: QuoteFact, quote: Quote, at: datetime) -> None:
        known = spot_price(quote)
        if known is not None and known.at is not None and self._believed(symbol, known.price, at):
            self._book.set_spot(symbol, known.price, known.mode, known.at)
        if fact.iv30 is not None:
            self._book.set_iv30(symbol, fact.iv30)
        if fact.next_dividend is not None:
            day, amount = fact.next_dividend
            self._book.set_dividends(symbol, (Dividend(day, amount),))


def merged(lines: Iterable[Line]) -> Mapping[int, Line]:
    """One line per contract: what several want of it, it feeds together (a stock held is its own underlying)."""
    by_contract: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        by_contract[line.contract.con_id].append(line)
    return {
        con_id: replace(
            same[0],
            generic_ticks=max((line.generic_ticks for line in same), key=len),
            spot_of=next((line.spot_of for line in same if line.spot_of is not None), None),
            forwards_of=tuple(dict.fromkeys(pair for line in same for pair in line.forwards_of)),
            position_ids=tuple(position_id for line in same for position_id in line.position_ids),
        )
        for con_id, same in by_contract.items()
    }


class Spot(NamedTuple):
    """A price of an underlying, which kind of data it is, and when it was said."""

    price: float
    mode: DataMode
    at: datetime | None


def spot_price(quote: Quote) -> Spot | None:
    """The price of an underlying: the middle of a believable quote, else the last trade, else the close (marked as such), each
    with its own time; a close has that of the last word of the line."""
    if quote.bid and quote.ask and 0.0 < quote.bid <= quote.ask:
        middle = (quote.bid + quote.ask) / 2.0
        if quote.ask - quote.bid <= WIDEST_SPOT * middle:
            return Spot(middle, quote.mode, quote.at)
    if quote.last is not None:
        return Spot(quote.last, quote.mode, quote.traded_at)
    return None if quote.close is None else Spot(quote.close, DataMode.CLOSE, quote.heard_at)
