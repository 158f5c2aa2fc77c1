"""What a rule says of one subject: how much, against which limit, who causes it, and what is not known (D10)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.model import Severity
from engine.results import NamedPnl

RECOVERS_AT: Final = 0.9
"""Share of the lowest limit that a value must be back under before its alert ends."""


class Rule(StrEnum):
    """What is judged, the most pressing first."""

    PORTFOLIO_LOSS = "portfolio_loss"
    MARGIN_CUSHION = "margin_cushion"
    VAR = "var"
    SHORT_GAMMA = "short_gamma"
    VEGA = "vega"
    CONCENTRATION = "concentration"
    ASSIGNMENT = "assignment"
    PIN = "pin"
    EXPIRING = "expiring"
    MODEL_GAP = "model_gap"
    EARNINGS_INSIDE = "earnings_inside"
    IV_HIGH = "iv_rank_high"
    IV_LOW = "iv_rank_low"


QUIETLY_UNKNOWN: Final = frozenset({Rule.IV_HIGH, Rule.IV_LOW})
"""What is unknown for months at a time, and worth no word when it is."""
UNHURRIED: Final = frozenset({*QUIETLY_UNKNOWN, Rule.EARNINGS_INSIDE, Rule.MODEL_GAP})
"""What is worth a thought, not a jump: it must last a while before it is told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of one subject: a scenario, an underlying, a position or the book.

    Attributes:
        severity: of the limit that is broken by what is known; None when none is.
        value: what is judged, in the limit's unit; None when it is unknown.
        limit: the limit broken, or the nearest one; None for what has none but is or is not so.
        amount: the money behind the value, base currency, a loss positive; None where there is none.
        causes: the positions that do most for it, base currency.
        unknown: why it can't be judged in full; None when it could.
        recovered: whether the value is clearly back on the right side of the nearest limit.
        why: a sentence, for what has no number.
    """

    rule: Rule
    subject: str
    severity: Severity | None
    value: float | None = None
    limit: float | None = None
    amount: float | None = None
    causes: tuple[NamedPnl, ...] = ()
    unknown: str | None = None
    recovered: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a rule warns and where it is critical. Larger values are worse; `below` turns that round."""

    warning: float
    critical: float
    below: bool = False

    def judged(self, value: float | None) -> tuple[Severity | None, float, bool]:
        """The severity of a value, the limit it broke or the nearest, and whether it has recovered. None is neither."""
        if value is None:
            return None, self.warning, False
        if self._breaks(value, self.critical):
            return Severity.CRITICAL, self.critical, False
        if self._breaks(value, self.warning):
            return Severity.WARNING, self.warning, False
        recovered = value > self.warning / RECOVERS_AT if self.below else value < RECOVERS_AT * self.warning
        return None, self.warning, recovered

    def _breaks(self, value: float, limit: float) -> bool:
        return value < limit if self.below else value > limit
