"""Correlations as tables and words: the numbers in full, and what a person is told of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from engine.reports.numbers import and_more, coefficient
from engine.results import Correlation, Pair, RiskReport

MOST_IN_TABLE = 12
MOST_PAIRS = 5
MOST_NAMED = 3


def correlation_frame(found: Correlation, labels: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Correlations of those that have one, alike ones beside each other; index and columns: names, or their labels."""
    places = list(found.order)
    names = [(labels or {}).get(found.names[i], found.names[i]) for i in places]
    return pd.DataFrame(found.matrix[np.ix_(places, places)], index=names, columns=names)


def largest(found: Correlation, count: int) -> Correlation:
    """Of those that have a correlation the `count` whose P&L moves most, in the same order; what has none stays named."""
    kept = sorted(found.order, key=lambda i: -found.deviation[i])[:count]
    if len(kept) == len(found.order):
        return found
    without = {remark.id for remark in found.left_out}
    return found.of([*kept, *(i for i, name in enumerate(found.names) if name in without)])


def pair_words(pair: Pair, labels: Mapping[str, str] | None = None) -> str:
    """'AAPL and MSFT +.83'."""
    one, other = ((labels or {}).get(name, name) for name in (pair.one, pair.other))
    return f"{one} and {other} {coefficient(pair.correlation)}"


def pair_sentences(found: Correlation, labels: Mapping[str, str] | None = None) -> list[str]:
    """The pairs that move together and that offset each other most; empty where there is no pair."""
    if found.average is None:
        return []
    together = ", ".join(pair_words(pair, labels) for pair in found.closest(MOST_NAMED))
    opposed = ", ".join(pair_words(pair, labels) for pair in found.most_opposed(MOST_NAMED))
    return [f"most together: {together or 'no pair'}", f"offset each other: {opposed or 'no pair'}"]


def left_out_words(found: Correlation, labels: Mapping[str, str] | None = None) -> list[str]:
    """What has no correlation, by reason, a sentence each."""
    reasons: dict[str, list[str]] = {}
    for remark in found.left_out:
        reasons.setdefault(remark.reason, []).append((labels or {}).get(remark.id, remark.id))
    return [
        f"none of {', '.join(names[:MOST_NAMED])}{and_more(len(names), MOST_NAMED)}: {reason}"
        for reason, names in reasons.items()
    ]


def correlation_shown(report: RiskReport) -> str:
    """The part of the text report: a table by underlying where it is small enough, else the pairs that stand out; '' where the
    tail is unknown."""
    found = report.tail.correlation_by_underlying
    if not found.names:
        return ""
    lines = [f"How underlyings move together (correlation of daily P&L, {report.tail.figures[0].method})"]
    if found.average is None:
        lines.append("fewer than two of them move: there is no pair")
    else:
        lines += _table_or_pairs(found)
        lines.append(f"average of all pairs: {coefficient(found.average)}")
    return "\n".join([*lines, *(f"! {one}" for one in left_out_words(found))])


def _table_or_pairs(found: Correlation) -> list[str]:
    if len(found.order) <= MOST_IN_TABLE:
        return [correlation_frame(found).map(coefficient).to_string(justify="right"), *pair_sentences(found)]
    return [
        pair_words(one) for one in (*found.closest(MOST_PAIRS), *reversed(found.most_opposed(MOST_PAIRS)))
    ]
