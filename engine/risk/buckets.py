"""Expiries in a handful of buckets, by whole calendar days: what is summed by expiry is summed by these."""

import math
from typing import Final

BUCKETS: Final = ((7, "0-7 d"), (30, "8-30 d"), (90, "31-90 d"), (365, "91-365 d"), (math.inf, ">1 y"))
"""The last day that each takes, and its name, the nearest first."""
NO_EXPIRY: Final = "shares"


def expiry_bucket(dte: int | None) -> str:
    """The name of the bucket of so many days; what has expired is with the nearest."""
    return NO_EXPIRY if dte is None else next(name for last, name in BUCKETS if dte <= last)
