"""Which contracts get a market data line, and what the quotes on them mean for the Book.

The account has a limited number of lines. Underlyings come first, then listed futures, then options by expiry; options beyond
the limit live from the portfolio's marks, which cost no line.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from engine.book import Book, Quote
from engine.broker.client import IbClient
from engine.broker.facts import ContractFact, QuoteFact, SecType
from engine.model import BrokerView, DataMode, Dividend

log = logging.getLogger(__name__)

UNDERLYING_TICKS: Final = "104,106,456"
"""Legal generic ticks of an underlying: historical and 30-day implied volatility, dividends (D13)."""
OPTION_TICKS: Final = ""
"""The model's Greeks come without being asked for (D13)."""
WIDEST_SPOT: Final = 0.05
"""An underlying's bid and ask further apart than this share of their middle are no price."""


@dataclass(frozen=True, slots=True)
class Line:
    """A contract that wants a line and what its quotes feed: a spot, positions, a forward."""

    contract: ContractFact
    generic_ticks: str = OPTION_TICKS
    spot_of: str | None = None
    forward_of: tuple[str, date] | None = None
    position_ids: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, date]:
        """Lower is served first."""
        if self.spot_of is not None:
            return 0, date.min
        if self.contract.sec_type is not SecType.OPTION:
            return 1, self.contract.expiry or date.max
        return 2, self.contract.expiry or date.max


class Lines:
    """The open lines of one login. `want` says what should be open; `apply` carries quotes to the Book."""

    def __init__(self, client: IbClient, book: Book, most: int) -> None:
        self._client = client
        self._book = book
        self._most = most
        self._lines: dict[int, Line] = {}
        self._quotes: dict[int, Quote] = {}

    def want(self, wanted: Iterable[Line]) -> None:
        """Open and close lines until the best ones of `wanted`, and no others, are open."""
        chosen = sorted(merged(wanted).values(), key=lambda line: line.rank)[: self._most]
        self._lines = {line.contract.con_id: line for line in chosen}
        for con_id in self._client.lines - self._lines.keys():
            self._client.unsubscribe(con_id)
            self._quotes.pop(con_id, None)
        for line in chosen:
            self._client.subscribe(line.contract, line.generic_ticks)

    def apply(self, facts: Iterable[QuoteFact], at: datetime) -> None:
        """Carry what the lines said, heard `at`, into the Book."""
        for fact in facts:
            line = self._lines.get(fact.con_id)
            if line is not None:
                self._book.heard_at = at
                self._apply(line, fact, at)

    def _apply(self, line: Line, fact: QuoteFact, at: datetime) -> None:
        before = self._quotes.get(fact.con_id, Quote())
        quote = Quote(
            bid=fact.bid,
            ask=fact.ask,
            last=fact.last,
            close=fact.close,
            mode=fact.mode,
            at=at if fact.spoke else before.at,
            traded_at=at if fact.traded else before.traded_at,
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
        if line.forward_of is not None:
            known = spot_price(quote)
            if known is not None:
                self._book.set_forward(*line.forward_of, known[0])

    def _spot(self, symbol: str, fact: QuoteFact, quote: Quote, at: datetime) -> None:
        known = spot_price(quote)
        if known is not None and (fact.spoke or fact.traded):
            price, mode = known
            self._book.set_spot(symbol, price, mode, at)
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
            forward_of=next((line.forward_of for line in same if line.forward_of is not None), None),
            position_ids=tuple(position_id for line in same for position_id in line.position_ids),
        )
        for con_id, same in by_contract.items()
    }


def spot_price(quote: Quote) -> tuple[float, DataMode] | None:
    """The price of an underlying: the middle of a believable quote, else the last trade, else the close (marked as such)."""
    if quote.bid and quote.ask and 0.0 < quote.bid <= quote.ask:
        middle = (quote.bid + quote.ask) / 2.0
        if quote.ask - quote.bid <= WIDEST_SPOT * middle:
            return middle, quote.mode
    if quote.last is not None:
        return quote.last, quote.mode
    return None if quote.close is None else (quote.close, DataMode.CLOSE)
