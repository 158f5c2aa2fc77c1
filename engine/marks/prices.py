"""Which price is a price: the mark that the market gives, and quotes that can be a market (D1, D10)."""

import math
from typing import Final

from engine.model import (
    Kind,
    MarkSource,
    Position,
)

SENTINELS: Final = frozenset({-1.0, -2.0})
"""How the broker writes "none" (D10)."""
WIDEST_ALWAYS_SANE: Final = 0.25
TIGHT: Final = 0.2
"""A forward is taken from quotes whose bid and ask are at most this share of their middle apart."""


def market_mark(position: Position) -> tuple[float, MarkSource | None]:
    """The mark that the market gives, and which one it is (D1); NaN and None where there is none."""
    candidates = (
        (MarkSource.GIVEN, position.mark),
        (MarkSource.QUOTE, sane_mid(position)),
        (MarkSource.BROKER, position.broker.mark),
        (MarkSource.LAST, position.last),
    )
    may_be_negative = position.contract.kind is Kind.FUTURE
    for source, said in candidates:
        if said is None or not math.isfinite(said) or said in SENTINELS:
            continue
        if said > 0.0 or may_be_negative or (said == 0.0 and source is MarkSource.GIVEN):
            return said, source
    return math.nan, None


def sane_mid(position: Position, widest: float = 1.0) -> float | None:
    """The middle of bid and ask where they can be a market, else None. A bid of 0 is a bid.

    They can when 0 <= bid <= ask and they are at most `widest` times their middle apart, or 0.25 for what costs next to nothing.
    """
    bid, ask = position.bid, position.ask
    if bid is None or ask is None or not 0.0 <= bid <= ask or ask <= 0.0:
        return None
    too_wide = ask - bid > max(WIDEST_ALWAYS_SANE, widest * (bid + ask) / 2.0)
    return None if too_wide else (bid + ask) / 2.0


def positive(value: float | None) -> float:
    return value if value is not None and 0.0 < value < math.inf else math.nan
