"""A likely cause for each figure of an export that differs."""

from collections.abc import Mapping

from engine.marks import MarkedBook
from engine.model import MarkSource
from engine.navigator.headers import Column, Key, Measure
from engine.navigator.matching import Match, Matching, Of
from engine.navigator.scales import Reading, Scale
from engine.risk.model_gaps import CAUSE_WORDS, carry_cause, staleness

SPOT_DIFFERS = 0.001
QUANTITY: Key = (Measure.QUANTITY, None)
PRICE: Key = (Measure.PRICE, None)
IV: Key = (Measure.IV, None)


class Causes:
    """What may lie behind a difference, from all that is known of its line.

    Args:
        spots: each underlying's price as the export has it.
        differing: by row, the figures that differ: theirs and ours.
    """

    def __init__(
        self,
        book: MarkedBook,
        matching: Matching,
        readings: Mapping[Key, Reading],
        spots: Mapping[str, float],
        differing: Mapping[int, Mapping[Key, tuple[float, float]]],
    ) -> None:
        self.book, self.matching, self.readings = book, matching, readings
        self.spots, self.differing = spots, differing
        self.flags = {remark.id: remark.reason for remark in book.flagged}

    def of(self, match: Match, column: Column, theirs: float, ours: float) -> str:
        if match.of is not Of.HOLDING:
            return self._of_a_sum(match)
        others = self.differing.get(match.line.row, {})
        if column.measure is Measure.QUANTITY:
            return "another quantity: a trade in between, or other accounts"
        scaled = self.readings[column.key].scale is not Scale.UNIT or column.measure is Measure.PNL
        if QUANTITY in others and scaled:
            return "the quantity differs"
        moment = self._moment(match)
        if moment is not None:
            return moment
        if IV in others and column.measure is not Measure.IV:
            there, here = others[IV]
            return f"IV {100.0 * there:.1f} % there, {100.0 * here:.1f} % here"
        return self._of_one(match, column, PRICE in others, theirs > ours)

    def _moment(self, match: Match) -> str | None:
        """Whether the underlying stands elsewhere in the export."""
        contract = self.book.snapshot.positions[match.members[0]].contract
        underlying = self.book.snapshot.underlyings.get(contract.underlying)
        there = self.spots.get(contract.underlying)
        here = None if underlying is None else underlying.spot
        if there is None or not here or abs(there / here - 1.0) <= SPOT_DIFFERS:
            return None
        return f"another moment: {contract.underlying} at {there:g} there, {here:g} here"

    def _of_one(self, match: Match, column: Column, price_differs: bool, higher: bool) -> str:
        i = match.members[0]
        position = self.book.snapshot.positions[i]
        underlying = self.book.snapshot.underlyings.get(position.contract.underlying)
        stale = staleness(position, underlying, self.book.snapshot.as_of)
        if stale is not None:
            return stale
        if position.id in self.flags:
            return f"here: {self.flags[position.id]}"
        if column.measure in {Measure.PRICE, Measure.VALUE}:
            return f"another price: here from {_words(self.book.mark_source[i])}"
        if price_differs:
            return "follows from the price"
        if not position.contract.is_option:
            return "unknown"
        if column.measure is Measure.IV:
            return f"another volatility: here from {self.book.iv_source[i]}"
        tells = column.measure in {Measure.DELTA, Measure.DOLLAR_DELTA}
        short = position.quantity < 0.0 and self.readings[column.key].scale is not Scale.UNIT
        cause, detail = carry_cause(
            position.contract, underlying, self.book.snapshot.as_of, higher != short if tells else None
        )
        return f"{CAUSE_WORDS[cause]}{f' ({detail})' if detail else ''}"

    def _of_a_sum(self, match: Match) -> str:
        absent = [i for i in match.members if i in self.matching.missing]
        if absent:
            first = self.book.snapshot.positions[absent[0]].id
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            return f"the export has no line for {first}{more}"
        own = {
            i
            for one in self.matching.matches
            if one.line.row in self.differing and one.of is Of.HOLDING
            for i in one.members
        }
        if own & set(match.members):
            return "follows from its positions"
        return "unknown"


def _words(source: MarkSource | None) -> str:
    return {
        MarkSource.QUOTE: "the middle of its quote",
        MarkSource.LAST: "the last trade",
        None: "nowhere",
    }.get(source, f"{source}")
