"""The underlyings of the embedded world: what they are, where they trade, how they move.

Levels are of autumn 2026 magnitude. They are the starting point of a made-up market, not quotes.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from simulator.trading_days import at_new_york, trading_day_before

RATE = 0.04  # the market's own flat rate, continuously compounded


class Kind(StrEnum):
    STOCK = "STOCK"
    ETF = "ETF"
    INDEX = "INDEX"
    VOLATILITY = "VOLATILITY"  # VIX: follows the SPX surface instead of a spot process


@dataclass(frozen=True, slots=True)
class Underlying:
    """One underlying at the start.

    `iv30` is the at-the-money volatility at 30 days without earnings (decimal per year), `dividend` the next
    cash dividend (USD per share, repeated each quarter), `dividend_in` the days from the start to its ex-date
    (None: pays none).
    """

    symbol: str
    name: str
    kind: Kind
    spot: float
    iv30: float
    beta: float
    sector: str
    con_id: int
    primary_exchange: str
    dividend: float = 0.0
    dividend_in: int | None = None
    dividend_yield: float = 0.0

    @property
    def sec_type(self) -> str:
        return "STK" if self.kind in (Kind.STOCK, Kind.ETF) else "IND"

    @property
    def is_index(self) -> bool:
        return self.sec_type == "IND"


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash dividend per share; `at` is the open of the ex-date in New York."""

    ex_date: date
    at: datetime
    amount: float


def dividends_ahead(underlying: Underlying, today: date, years: int = 3) -> tuple[Dividend, ...]:
    """The quarterly cash dividends of the next years, the first one `dividend_in` days from today."""
    if underlying.dividend_in is None:
        return ()
    first = today + timedelta(days=underlying.dividend_in)
    dates = [trading_day_before(first + timedelta(days=91 * n)) for n in range(4 * years)]
    return tuple(Dividend(day, at_new_york(day, time(9, 30)), underlying.dividend) for day in dates)


def earnings_at(symbol: str, today: date) -> datetime | None:
    """When the next report comes out: a quarter past the close of a trading day; None when none is near."""
    if symbol not in EARNINGS:
        return None
    days, _ = EARNINGS[symbol]
    return at_new_york(trading_day_before(today + timedelta(days=days)), time(16, 15))


_S, _E, _I, _V = Kind.STOCK, Kind.ETF, Kind.INDEX, Kind.VOLATILITY
_Q, _N, _A, _C = "NASDAQ", "NYSE", "ARCA", "CBOE"

UNIVERSE: tuple[Underlying, ...] = (
    Underlying(
        "SPX", "S&P 500 Stock Index", _I, 7582.0, 0.15, 1.0, "broad", 416904, _C, dividend_yield=0.012
    ),
    Underlying("VIX", "CBOE Volatility Index", _V, 16.8, 0.95, 0.0, "broad", 13455763, _C),
    Underlying("SPY", "SPDR S&P 500 ETF Trust", _E, 756.4, 0.148, 1.0, "broad", 756733, _A, 1.95, 26),
    Underlying("QQQ", "Invesco QQQ Trust", _E, 688.3, 0.195, 1.2, "broad", 320227571, _Q, 0.79, 29),
    Underlying("IWM", "iShares Russell 2000 ETF", _E, 286.1, 0.215, 1.15, "broad", 9579970, _A, 0.84, 24),
    Underlying("AAPL", "APPLE INC", _S, 298.4, 0.255, 1.1, "tech", 265598, _Q, 0.27, 17),
    Underlying("MSFT", "MICROSOFT CORP", _S, 486.2, 0.235, 1.0, "tech", 272093, _Q, 0.91, 25),
    Underlying("KO", "COCA-COLA CO", _S, 74.6, 0.155, 0.45, "staples", 8894, _N, 0.53, 11),
    Underlying("NVDA", "NVIDIA CORP", _S, 196.3, 0.38, 1.6, "chips", 4815747, _Q, 0.01, 40),
    Underlying("TSLA", "TESLA INC", _S, 412.7, 0.48, 1.7, "autos", 76792991, _Q),
    Underlying("META", "META PLATFORMS INC", _S, 668.5, 0.31, 1.25, "tech", 107113386, _Q, 0.525, 33),
    Underlying("AMZN", "AMAZON.COM INC", _S, 242.8, 0.3, 1.2, "retail", 3691937, _Q),
    Underlying("GOOGL", "ALPHABET INC-CL A", _S, 335.1, 0.285, 1.1, "tech", 208813719, _Q, 0.21, 18),
    Underlying("AVGO", "BROADCOM INC", _S, 372.6, 0.41, 1.5, "chips", 313130367, _Q, 0.65, 28),
    Underlying("AMD", "ADVANCED MICRO DEVICES", _S, 224.9, 0.48, 1.6, "chips", 4391, _Q),
    Underlying("INTC", "INTEL CORP", _S, 40.2, 0.47, 1.3, "chips", 270639, _Q),
    Underlying("MU", "MICRON TECHNOLOGY INC", _S, 262.4, 0.5, 1.55, "chips", 9939, _Q, 0.115, 44),
    Underlying("ORCL", "ORACLE CORP", _S, 212.3, 0.38, 1.25, "tech", 272800, _N, 0.5, 47),
    Underlying("CRM", "SALESFORCE INC", _S, 246.0, 0.32, 1.15, "tech", 28016571, _N, 0.42, 22),
    Underlying("ADBE", "ADOBE INC", _S, 342.5, 0.32, 1.1, "tech", 265768, _Q),
    Underlying("NFLX", "NETFLIX INC", _S, 112.6, 0.33, 1.1, "media", 15124833, _Q),
    Underlying("DIS", "WALT DISNEY CO/THE", _S, 116.2, 0.26, 1.0, "media", 6459, _N, 0.75, 20),
    Underlying("JPM", "JPMORGAN CHASE & CO", _S, 312.4, 0.215, 1.0, "banks", 1520593, _N, 1.5, 43),
    Underlying("BAC", "BANK OF AMERICA CORP", _S, 55.8, 0.24, 1.1, "banks", 10098, _N, 0.28, 13),
    Underlying("WFC", "WELLS FARGO & CO", _S, 88.1, 0.245, 1.1, "banks", 10375, _N, 0.45, 50),
    Underlying("GS", "GOLDMAN SACHS GROUP INC", _S, 846.0, 0.265, 1.25, "banks", 4627828, _N, 4.0, 9),
    Underlying("V", "VISA INC-CLASS A SHARES", _S, 342.0, 0.205, 0.85, "banks", 49462172, _N, 0.67, 35),
    Underlying("XOM", "EXXON MOBIL CORP", _S, 124.3, 0.235, 0.6, "energy", 13977, _N, 1.03, 31),
    Underlying("CVX", "CHEVRON CORP", _S, 165.2, 0.23, 0.6, "energy", 5684, _N, 1.71, 34),
    Underlying("PEP", "PEPSICO INC", _S, 150.4, 0.175, 0.45, "staples", 11017, _Q, 1.42, 14),
    Underlying("PG", "PROCTER & GAMBLE CO/THE", _S, 152.7, 0.165, 0.45, "staples", 10840, _N, 1.06, 60),
    Underlying("WMT", "WALMART INC", _S, 110.3, 0.205, 0.6, "retail", 13824, _Q, 0.25, 21),
    Underlying("COST", "COSTCO WHOLESALE CORP", _S, 941.0, 0.205, 0.75, "retail", 272997, _Q, 1.3, 67),
    Underlying("HD", "HOME DEPOT INC", _S, 371.5, 0.215, 0.9, "retail", 7930, _N, 2.3, 10),
    Underlying("MCD", "MCDONALD'S CORP", _S, 310.6, 0.175, 0.55, "retail", 9408, _N, 1.86, 8),
    Underlying("JNJ", "JOHNSON & JOHNSON", _S, 205.4, 0.165, 0.4, "health", 8719, _N, 1.3, 3),
    Underlying("UNH", "UNITEDHEALTH GROUP INC", _S, 346.2, 0.32, 0.6, "health", 13272, _N, 2.21, 16),
    Underlying("LLY", "ELI LILLY & CO", _S, 982.0, 0.32, 0.6, "health", 9160, _N, 1.5, 84),
    Underlying("PFE", "PFIZER INC", _S, 26.1, 0.24, 0.5, "health", 11031, _N, 0.43, 59),
    Underlying("BA", "BOEING CO/THE", _S, 226.0, 0.31, 1.15, "industry", 4762, _N),
    Underlying("CAT", "CATERPILLAR INC", _S, 571.0, 0.285, 1.1, "industry", 5437, _N, 1.51, 58),
    Underlying("GE", "GE AEROSPACE", _S, 305.8, 0.29, 1.15, "industry", 498843743, _N, 0.36, 37),
)

EARNINGS: dict[str, tuple[int, float]] = {
    "NVDA": (6, 0.065),
    "TSLA": (4, 0.085),
    "META": (12, 0.06),
    "AMZN": (13, 0.055),
    "AVGO": (19, 0.07),
    "MU": (26, 0.08),
    "ORCL": (16, 0.08),
    "COST": (18, 0.03),
}
"""Who reports soon: days from the start, and the standard deviation of the reaction (a log return)."""
