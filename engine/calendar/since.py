"""From when on a day's P&L counts: closes and opens that lie back, by the exchange's sessions."""

from datetime import datetime
from typing import Final

from engine.calendar.days import STOCKS, TradingDay, trading_days

MOST_BACK: Final = 250


def sessions_begun(at: datetime, exchange: str = STOCKS) -> list[TradingDay]:
    """The sessions of about two years that had opened by `at`, the last one last. Slow the first time: call it in a thread."""
    years = range(at.year - 1, at.year + 1)
    return [one for year in years for one in trading_days(year, exchange) if one.opens <= at]


def close_back(at: datetime, count: int, exchange: str = STOCKS) -> datetime | None:
    """The close `count` sessions before that of the running session, or of the last one while there is none: with 1 what
    people call yesterday's close, on a weekend Thursday's. None where the calendar does not reach so far."""
    begun = sessions_begun(at, exchange)
    return begun[-1 - count].closes if len(begun) > count else None


def last_open(at: datetime, exchange: str = STOCKS) -> datetime | None:
    """When the running session opened, or the last one while there is none."""
    begun = sessions_begun(at, exchange)
    return begun[-1].opens if begun else None
