"""What the broker says, in this program's own words: the values that leave `client.py`.

A number here is finite and means what it says; the broker's ways of writing "nothing" (NaN, infinity, 1.797e308, -1 for a
price, -2 for a Greek) have become None on the way in.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from engine.model import UNSET_ABOVE, DataMode, Right


class SecType(StrEnum):
    """The broker's security types that riskbot knows; anything else is OTHER."""

    STOCK = "STK"
    OPTION = "OPT"
    INDEX = "IND"
    FUTURE = "FUT"
    FUTURE_OPTION = "FOP"
    CASH = "CASH"
    BOND = "BOND"
    FUND = "FUND"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class ContractFact:
    """A contract as the broker names it."""

    con_id: int
    symbol: str
    sec_type: SecType
    currency: str = "USD"
    expiry: date | None = None
    strike: float | None = None
    right: Right | None = None
    multiplier: float = 1.0
    exchange: str = ""
    trading_class: str = ""
    local_symbol: str = ""


@dataclass(frozen=True, slots=True)
class DetailsFact:
    """Contract details: the contract whole, what it is on, what kind of stock it is ('COMMON', 'ETF' ...), of which
    industry ('Technology' ...; '' for most funds).

    `real_expiry` is the settlement date: an AM-settled index option stops trading the day before.
    """

    contract: ContractFact
    real_expiry: date | None
    under_con_id: int | None
    under_symbol: str
    under_sec_type: str
    stock_type: str
    industry: str


@dataclass(frozen=True, slots=True)
class HoldingFact:
    """A row of positions: `average_cost` includes the multiplier for options and futures."""

    account: str
    contract: ContractFact
    quantity: float
    average_cost: float | None


@dataclass(frozen=True, slots=True)
class PortfolioFact:
    """A row of the portfolio download: the broker's own mark, per unit, in the contract's currency."""

    account: str
    con_id: int
    mark: float | None


@dataclass(frozen=True, slots=True)
class AccountFact:
    account: str
    tag: str
    value: str
    currency: str


@dataclass(frozen=True, slots=True)
class ModelFact:
    """The broker's model computation of an option, per unit."""

    iv: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None


@dataclass(frozen=True, slots=True)
class QuoteFact:
    """A line as it stands. `spoke` is true when bid or ask were in the latest message of the line, `traded` when last was."""

    con_id: int
    bid: float | None
    ask: float | None
    last: float | None
    close: float | None
    iv30: float | None
    next_dividend: tuple[date, float] | None
    model: ModelFact | None
    mode: DataMode
    spoke: bool
    traded: bool

    @property
    def quoted(self) -> bool:
        """Whether bid or ask spoke and at least one of them is a price."""
        return self.spoke and (self.bid is not None or self.ask is not None)


@dataclass(frozen=True, slots=True)
class Notice:
    """An error or notice of the broker; `con_id` where it is about a market data line."""

    request_id: int
    code: int
    text: str
    con_id: int | None = None


class End(StrEnum):
    """How a request ended: answered to its end, refused by the gateway, without an answer in time, or with the socket."""

    WHOLE = "whole"
    REFUSED = "refused"
    LATE = "late"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class DailyBar:
    """One day of a series: prices per share in the contract's currency, or volatilities in decimals per year."""

    day: date
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class BarsFact:
    """The answer to a request for daily bars, oldest first; `refusal` is the gateway's notice when it refused.

    Bars with a price that is no number are not among them; `unreadable` counts those. Without `WHOLE` there
    are none, and no bars mean unknown.
    """

    end: End
    bars: tuple[DailyBar, ...] = ()
    refusal: Notice | None = None
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class ExecutionFact:
    """A fill: `quantity` is negative for a sale, `price` per unit in the contract's currency.

    `exec_id` is without the number of its correction: a corrected fill replaces the first one. `realized` is the broker's
    realised gain, in `commission_currency`; None where it has told none.
    """

    exec_id: str
    account: str
    contract: ContractFact
    at: datetime
    quantity: float
    price: float
    commission: float | None
    commission_currency: str | None
    realized: float | None


def finite(value: float | None) -> float | None:
    """`value` where it is a number, None where it is one of the ways to write nothing."""
    if value is None or not math.isfinite(value) or abs(value) > UNSET_ABOVE:
        return None
    return float(value)


def price(value: float | None) -> float | None:
    """A price above zero; -1 and 0 are the broker's 'none'."""
    number = finite(value)
    return number if number is not None and number > 0.0 else None


def bid(value: float | None, size: float | None) -> float | None:
    """A bid: zero is one (nobody pays for a far option), -1 is none, and so is zero without any size told."""
    number = finite(value)
    if number is None or number < 0.0:
        return None
    return number if number > 0.0 or finite(size) is not None else None


def greek(value: float | None) -> float | None:
    """A Greek that may be -2 for 'none', on vega and theta as well."""
    number = finite(value)
    return None if number == -2.0 else number
