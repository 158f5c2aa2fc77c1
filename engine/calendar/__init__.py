"""The calendar: when the market is open, what is coming, and what that means for the positions held."""

from engine.calendar.coming import coming, earnings_unknown, not_over, one_word, stocks_held
from engine.calendar.days import (
    CLOSE,
    INDEX_OPTIONS,
    NEW_YORK,
    OPEN,
    STOCKS,
    TradingDay,
    day_of,
    new_york,
    session,
    sessions_until,
    trading_days,
)
from engine.calendar.detection import SOON_SESSIONS, Finding, FindingKind, detect
from engine.calendar.expirations import (
    Series,
    expiration_events,
    expirations,
    last_trading_day,
    monthly,
    quarterly,
    series_of,
    stops_at,
    volatility_monthly,
)
from engine.calendar.files import BadLine, Table, read_events, read_fed_meetings
from engine.calendar.sessions import Session, Sessions
from engine.calendar.since import MOST_BACK, close_back, last_open

__all__ = [
    "CLOSE",
    "INDEX_OPTIONS",
    "MOST_BACK",
    "NEW_YORK",
    "OPEN",
    "SOON_SESSIONS",
    "STOCKS",
    "BadLine",
    "Finding",
    "FindingKind",
    "Series",
    "Session",
    "Sessions",
    "Table",
    "TradingDay",
    "close_back",
    "coming",
    "day_of",
    "detect",
    "earnings_unknown",
    "expiration_events",
    "expirations",
    "last_open",
    "last_trading_day",
    "monthly",
    "new_york",
    "not_over",
    "one_word",
    "quarterly",
    "read_events",
    "read_fed_meetings",
    "series_of",
    "session",
    "sessions_until",
    "stocks_held",
    "stops_at",
    "trading_days",
    "volatility_monthly",
]
