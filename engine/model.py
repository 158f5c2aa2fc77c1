"""The nouns: contracts, positions, underlyings, events and the Snapshot that holds them all.

Values only: frozen, typed, without behaviour that reads a clock or a socket. `None` is *unknown*; a number that is here is
finite. Prices are per unit in the instrument's currency, sigma, rates and yields decimals per year, datetimes aware.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

UNSET_ABOVE: Final = 1e300
"""The broker writes 'no value' as 1.797e308; nothing that large is a number."""


class Kind(StrEnum):
    STOCK = "STK"
    ETF = "ETF"
    INDEX = "IND"
    FUTURE = "FUT"
    OPTION = "OPT"
    FUTURE_OPTION = "FOP"
    CASH = "CASH"
    BOND = "BOND"
    FUND = "FUND"
    OTHER = "OTHER"


OPTION_KINDS: Final = frozenset({Kind.OPTION, Kind.FUTURE_OPTION})
SHARES: Final = frozenset({Kind.STOCK, Kind.ETF})
UNSHOCKED_KINDS: Final = frozenset({Kind.CASH, Kind.BOND, Kind.FUND, Kind.OTHER})
"""Carried at their own mark; no scenario moves them (D4) and no underlying is needed."""


class Right(StrEnum):
    CALL = "C"
    PUT = "P"


class Exercise(StrEnum):
    AMERICAN = "american"
    EUROPEAN = "european"


class Settlement(StrEnum):
    """When on its expiry date an option stops: at the open (AM) or at the close (PM)."""

    AM = "AM"
    PM = "PM"


class DataMode(StrEnum):
    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    DELAYED_FROZEN = "delayed-frozen"
    CLOSE = "close"


CLOSED_MODES: Final = frozenset({DataMode.FROZEN, DataMode.DELAYED_FROZEN, DataMode.CLOSE})


class IvSource(StrEnum):
    """Where a sigma comes from, best first (D7)."""

    GIVEN = "given"
    MARK = "mark"
    BROKER = "broker"
    LAST_GOOD = "last good"
    SMILE = "smile"
    IV30 = "iv30"
    DEFAULT = "default"


class MarkSource(StrEnum):
    """Where a mark comes from, best first (D1)."""

    GIVEN = "given"
    QUOTE = "quote"
    CARRIED = "carried"  # an older quote, brought to the present spot by the model
    BROKER = "broker"
    LAST = "last"
    MODEL = "model"


class EventKind(StrEnum):
    FOMC = "FOMC"
    EARNINGS = "EARNINGS"
    EXPIRATION = "EXPIRATION"
    ECONOMIC = "ECONOMIC"
    DIVIDEND = "DIVIDEND"


_EVENT_WORDS: Final = {
    EventKind.EARNINGS: "earnings",
    EventKind.EXPIRATION: "expiration",
    EventKind.ECONOMIC: "economic data",
    EventKind.DIVIDEND: "ex-dividend",
}


class AlertState(StrEnum):
    """Where a rule stands for one subject; UNKNOWN is never OK (D10)."""

    OK = "OK"
    PENDING = "PENDING"
    FIRING = "FIRING"
    RECOVERING = "RECOVERING"
    UNKNOWN = "UNKNOWN"


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Impact(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Timing(StrEnum):
    """When on its day a company reports."""

    BEFORE_OPEN = "before open"
    AFTER_CLOSE = "after close"


MARKET: Final = "MARKET"
"""The symbol of an event that touches everything."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What is held, without how much of it. `underlying` is a key of `Snapshot.underlyings`."""

    symbol: str
    kind: Kind
    underlying: str
    currency: str = "USD"
    multiplier: float = 1.0
    expiry: date | None = None
    strike: float | None = None
    right: Right | None = None
    exercise: Exercise | None = None
    settlement: Settlement = Settlement.PM

    @property
    def is_option(self) -> bool:
        return self.kind in OPTION_KINDS

    @property
    def label(self) -> str:
        """The contract as people write it: 'SPY 2026-08-21 640 P', 'AAPL'."""
        if not self.is_option:
            return self.symbol if self.expiry is None else f"{self.symbol} {self.expiry}"
        return f"{self.symbol} {self.expiry} {self.strike:g} {self.right}"


@dataclass(frozen=True, slots=True)
class BrokerView:
    """What the broker itself says of a position; facts to fall back on and to compare with."""

    mark: float | None = None
    iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None


NO_BROKER_VIEW: Final = BrokerView()


@dataclass(frozen=True, slots=True)
class Position:
    """A holding and what is known of its price. `mark` and `iv`, when given, are used as they are.

    `quote_spot` is the underlying's price when bid and ask spoke: an older quote is carried from it to the present spot.
    `broker_as_of` is the time of the broker's mark, where it is known.
    """

    id: str
    contract: Contract
    quantity: float
    account: str | None = None
    entry_price: float | None = None
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    mark: float | None = None
    iv: float | None = None
    iv_source: IvSource | None = None
    last_good_iv: float | None = None
    data: DataMode = DataMode.LIVE
    broker: BrokerView = NO_BROKER_VIEW
    as_of: datetime | None = None
    quote_spot: float | None = None
    broker_as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dividend:
    ex_date: date
    amount: float


@dataclass(frozen=True, slots=True)
class Underlying:
    """The market of one symbol. `closes` and `iv_history` are (date, value) pairs, oldest first."""

    symbol: str
    kind: Kind
    spot: float | None
    spot_as_of: datetime | None = None
    data: DataMode = DataMode.LIVE
    dividend_yield: float = 0.0
    dividends: tuple[Dividend, ...] = ()
    beta: float | None = None
    iv30: float | None = None
    forwards: Mapping[date, float] = field(default_factory=lambda: MappingProxyType({}))
    closes: tuple[tuple[date, float], ...] | None = None
    iv_history: tuple[tuple[date, float], ...] | None = None
    sector: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Base currency; None where the broker has not said."""

    cash: float | None = None
    initial_margin: float | None = None
    maintenance_margin: float | None = None
    excess_liquidity: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something dated that moves volatility. `symbols` holds 'MARKET' for what touches everything.

    `confirmed` is True, False for an estimate, None where nobody says. Earnings with a `timing` are at the open or the close of
    their day; without one they are at its close, and may come before it. `fetched_at` is when `source` last said so.
    """

    kind: EventKind
    at: datetime
    confirmed: bool | None = None
    impact: Impact = Impact.MEDIUM
    symbols: tuple[str, ...] = (MARKET,)
    name: str = ""
    timing: Timing | None = None
    source: str = ""
    fetched_at: datetime | None = None

    @property
    def label(self) -> str:
        """What it is called: 'CPI', 'FOMC', 'earnings TSLA'."""
        if self.name:
            return self.name
        whose = " ".join(symbol for symbol in self.symbols if symbol != MARKET)
        return f"{_EVENT_WORDS.get(self.kind, self.kind.value)} {whose}".strip()

    def touches(self, symbol: str) -> bool:
        return symbol in self.symbols or MARKET in self.symbols


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The interest rates of one currency on one day. `points` are as in `Snapshot.rates`."""

    currency: str
    as_of: date
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The account and its market at one instant: immutable, dated, and all that a decision reads.

    `complete` is False while positions, account values or portfolio have not all arrived (D10).
    `fx` maps a currency to the value of one unit of it in the base currency; the base itself needs no entry.
    `rates` maps a currency to (tau, continuously compounded rate) pairs, tau ascending.
    """

    as_of: datetime
    base_currency: str
    underlyings: Mapping[str, Underlying]
    positions: tuple[Position, ...]
    complete: bool = True
    source: str = "file"
    net_liquidation: float | None = None
    fx: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    rates: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=lambda: MappingProxyType({}))
    account: Account = Account()
    events: tuple[Event, ...] = ()
