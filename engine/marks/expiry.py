"""When a contract stops, and how long that is."""

from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from engine.model import Contract, Settlement

NEW_YORK: Final = ZoneInfo("America/New_York")
CLOSE: Final = time(16, 0)
OPEN: Final = time(9, 30)
SECONDS_A_YEAR: Final = 365.0 * 86_400.0


def expiry_instant(contract: Contract) -> datetime | None:
    """When the contract stops: 16:00 New York, 09:30 where AM-settled; None for what does not expire."""
    if contract.expiry is None:
        return None
    return datetime.combine(
        contract.expiry, OPEN if contract.settlement is Settlement.AM else CLOSE, NEW_YORK
    )


def ex_instant(day: date) -> datetime:
    """When shares begin to trade without the dividend of that ex-date: 09:30 New York."""
    return datetime.combine(day, OPEN, NEW_YORK)


def days_to_expiry(contract: Contract, as_of: datetime) -> int | None:
    """Whole calendar days to the expiry date, in the exchange's zone."""
    if contract.expiry is None:
        return None
    return (contract.expiry - as_of.astimezone(NEW_YORK).date()).days


def years_between(start: datetime, end: datetime) -> float:
    """ACT/365 in seconds."""
    return (end - start).total_seconds() / SECONDS_A_YEAR
