"""From a Snapshot's facts to marks and sigmas: the valued book (D1, D7, D8)."""

from engine.marks.book import MarkedBook, mark_book
from engine.marks.expiry import SECONDS_A_YEAR, days_to_expiry, ex_instant, expiry_instant
from engine.marks.prices import market_mark, sane_mid

__all__ = [
    "SECONDS_A_YEAR",
    "MarkedBook",
    "days_to_expiry",
    "ex_instant",
    "expiry_instant",
    "mark_book",
    "market_mark",
    "sane_mid",
]
