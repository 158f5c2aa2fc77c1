"""What the chat says of how positions move together, as a card and as the words under the picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from bot.cards import cut, pre, short_label
from engine.reports.correlations import largest, left_out_words, pair_sentences
from engine.reports.numbers import coefficient
from engine.results import Correlation, Pair, RiskReport

MOST_POSITIONS: Final = 12
MOST_UNDERLYINGS: Final = 16
MOST_PAIRS: Final = 5
NAME_WIDTH: Final = 24
LONGEST_NOTE: Final = 160


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What one view is of: `whole` is all there is, `part` what a phone shows of it, both by `labels`."""

    title: str
    things: str
    whole: Correlation
    part: Correlation
    labels: Mapping[str, str]


def shown_correlation(report: RiskReport, symbol: str | None) -> Shown:
    """The positions on one underlying; of the book its positions where they are few, else its underlyings."""
    tail = report.tail
    if symbol is None and len(tail.correlation.order) > MOST_POSITIONS:
        whole = tail.correlation_by_underlying
        return Shown(
            "How underlyings move together", "underlyings", whole, largest(whole, MOST_UNDERLYINGS), {}
        )
    whole, title = tail.correlation, "How positions move together"
    if symbol is not None:
        places = [i for i, row in enumerate(report.positions) if row.underlying == symbol]
        whole = whole.of(places) if whole.names else whole
        title = f"How positions on {symbol} move together"
    labels = {row.id: short_label(row, NAME_WIDTH) for row in report.positions}
    return Shown(title, "positions", whole, largest(whole, MOST_POSITIONS), labels)


def correlation_caption(report: RiskReport, shown: Shown) -> str:
    """The words under the picture: the average, and the few pairs that move together and offset each other most."""
    return "\n".join(
        [*_head(report, shown), *(escape(one) for one in pair_sentences(shown.whole, shown.labels))]
    )


def correlation_text(report: RiskReport, shown: Shown) -> str:
    """More pairs than the picture's words have, and what has no correlation and why."""
    words = _head(report, shown)
    if shown.whole.average is not None:
        words.append(pre(_pairs(shown)))
    notes = left_out_words(shown.whole, shown.labels)
    return "\n".join([*words, *(f"! {escape(cut(one, LONGEST_NOTE))}" for one in notes)])


def _head(report: RiskReport, shown: Shown) -> list[str]:
    tail, head = report.tail, f"<b>{escape(shown.title)}</b>"
    if tail.unknown is not None:
        return [head, f"Unknown: {escape(tail.unknown)}."]
    words = [head]
    missing = len(tail.left_out) + len(report.quality.left_out)
    if missing:
        words.append(f"<b>Without {missing} of {len(report.positions)} positions.</b>")
    if shown.whole.average is None:
        return [*words, "Fewer than two of them move: there is no pair."]
    figure, there = tail.figures[0], len(shown.whole.order)
    words.append(
        f"Daily P&amp;L over {figure.days} days of {escape(figure.method)}; the pairs of {there} {shown.things} average "
        f"{coefficient(shown.whole.average)}."
    )
    return words


def picture_note(shown: Shown) -> str:
    """What the picture leaves out, in words; '' for nothing."""
    kept, there = len(shown.part.order), len(shown.whole.order)
    said = [f"the {kept} of {there} {shown.things} that move most"] if kept < there else []
    return "; ".join([*said, *left_out_words(shown.whole, shown.labels)])


def _pairs(shown: Shown) -> list[str]:
    lines = []
    for what, pairs, none in (
        ("together", shown.whole.closest(MOST_PAIRS), "no pair moves together"),
        ("offset each other", shown.whole.most_opposed(MOST_PAIRS), "no pair offsets the other"),
    ):
        lines += [what] if pairs else [none]
        for pair in pairs:
            lines += _pair(pair, shown.labels)
    return lines


def _pair(pair: Pair, labels: Mapping[str, str]) -> list[str]:
    """One line where both names are short, else two."""
    one, other = (labels.get(name, name) for name in (pair.one, pair.other))
    value = coefficient(pair.correlation)
    if len(one) <= 11 and len(other) <= 11:
        return [f" {one:<12}{other:<12}{value:>5}"]
    return [f" {cut(one, NAME_WIDTH)}", f" {cut(other, NAME_WIDTH):<24}{value:>5}"]
