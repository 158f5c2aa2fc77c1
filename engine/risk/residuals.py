"""What the Greeks leave unexplained: when that is much, whose it is, and why; and where volatilities came from other places."""

import math
from collections.abc import Sequence
from typing import Final

from engine.explained import Explained, ExplainedPosition, LargeResidual
from engine.model import SHARES, IvSource
from engine.results import NamedPnl
from engine.risk.period import Period

LARGE: Final = 0.10
"""Of the actual P&L: a residual beyond it is flagged."""
SMALL: Final = 0.01
"""Of the gross Greek P&L: a residual below it is not."""
MOST_CAUSES: Final = 3
NEAR_DAYS: Final = 7
SECOND_BEST: Final = frozenset({IvSource.LAST_GOOD, IvSource.SMILE, IvSource.IV30, IvSource.DEFAULT})


def large_residual(rows: Sequence[ExplainedPosition], whole: Explained, gross: float) -> LargeResidual | None:
    """Over a tenth of what was earned, and over a hundredth of the gross Greek P&L: then whose it is, and from what."""
    residual = whole.terms.residual
    if abs(residual) <= max(LARGE * abs(whole.earned), SMALL * gross):
        return None
    ranked = sorted(rows, key=lambda row: -abs(row.explained.terms.residual))[:MOST_CAUSES]
    share = abs(residual / whole.earned) if whole.earned != 0.0 else math.inf
    causes = tuple(NamedPnl(row.id, row.explained.terms.residual) for row in ranked)
    return LargeResidual(residual, share, _reason(ranked[0], whole), causes)


def _reason(first: ExplainedPosition, whole: Explained) -> str:
    """The likely cause, from the position with the largest residual."""
    if abs(whole.steps.data) > 0.5 * abs(whole.terms.residual):
        return "marks moved away from the models: look at their quotes"
    if first.dte is not None and first.dte <= NEAR_DAYS:
        return "options near their expiry: Greeks of the start do not reach so far"
    if first.kind in SHARES:
        return "the price of a stock and its own spot moved apart"
    return "moves too large for the Greeks of the start: the steps say more"


def other_sources(both: Period, rows: Sequence[int]) -> tuple[str, ...]:
    """A note of the options, of those at `rows`, whose volatility is of the mark in one Snapshot and borrowed in the other: its
    change is partly one of method."""
    counted = set(rows)
    found = [
        (both.positions[i].contract.label, before, after)
        for i, before, after in zip(
            range(len(both)), both.before.iv_source, both.after.iv_source, strict=True
        )
        if i in counted
        and both.held_before[i] != 0.0
        and both.held_after[i] != 0.0
        and before != after
        and SECOND_BEST & {before, after}
    ]
    if not found:
        return ()
    label, before, after = found[0]
    more = f" and of {len(found) - 1} more" if len(found) > 1 else ""
    source = (
        f"the volatility of {label} (first {before}, then {after}){more} is of another source than before"
    )
    return (f"{source}: part of its change is that",)
