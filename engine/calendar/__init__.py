"""The calendar: when the market is open, what is coming, and what that means for the positions held."""

from engine.calendar.coming import coming, earnings_unknown, one_word
from engine.calendar.days import (
    INDEX_OPTIONS,
    NEW_YORK,
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

__all__ = [
    "INDEX_OPTIONS",
    "NEW_YORK",
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
    "coming",
    "day_of",
    "detect",
    "earnings_unknown",
    "expiration_events",
    "expirations",
    "last_trading_day",
    "monthly",
    "new_york",
    "one_word",
    "quarterly",
    "read_events",
    "read_fed_meetings",
    "series_of",
    "session",
    "sessions_until",
    "stops_at",
    "trading_days",
    "volatility_monthly",
]
