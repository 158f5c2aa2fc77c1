"""The line under a chart that says what its marks mean: small samples, each with its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.reports.canvas import LINE_HEIGHT, Segment, Sheet, shorten, text_width
from engine.reports.numbers import compact
from engine.reports.theme import MARGIN, NOTE_SIZE

Floats = NDArray[np.float64]

_SAMPLE = 34
_GAP = 14
_BETWEEN = 40
_ROW = NOTE_SIZE * LINE_HEIGHT + 6
_BELOW = 14


class Sample(StrEnum):
    LOSS = "loss"
    GAIN = "gain"
    UNKNOWN = "unknown"
    LIMIT = "limit"
    OUTLINE = "outline"
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class Entry:
    """One mark and its meaning in words."""

    sample: Sample
    words: str
    letter: str = ""


def limit_entry(limit: float, pnl: Floats, thing: str) -> Entry:
    """The loss limit and how many of the known amounts lose more, so that an absent line is explained."""
    known = pnl[np.isfinite(pnl)]
    beyond = int((known < -limit).sum())
    kind = thing if known.size == pnl.size else f"known {thing}"
    count = f"{beyond} of {known.size} {kind}s lose more" if beyond else f"no {kind} loses more"
    return Entry(Sample.LIMIT, f"loss limit {compact(-limit)}: {count}")


def legend_rows(entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    """The entries in rows that fit `width` pixels."""
    rows: list[list[Entry]] = []
    used = 0.0
    for entry in entries:
        needed = _entry_width(entry)
        if not rows or used + needed > width:
            rows.append([])
            used = 0.0
        rows[-1].append(entry)
        used += needed + _BETWEEN
    return rows


def legend_height(rows: list[list[Entry]]) -> float:
    return len(rows) * _ROW + _BELOW if rows else 0.0


def draw_legend(sheet: Sheet, rows: list[list[Entry]], top: float) -> float:
    """Draw the rows from `top` down; returns the height below them."""
    for number, row in enumerate(rows):
        middle = top + (number + 0.5) * _ROW
        x: float = MARGIN
        for entry in row:
            _draw_sample(sheet, entry, x, middle)
            start = x + _SAMPLE + _GAP
            words = shorten(entry.words, sheet.width - MARGIN - start, NOTE_SIZE)
            sheet.text(start, middle, words, size=NOTE_SIZE, colour=sheet.theme.muted)
            x += _entry_width(entry) + _BETWEEN
    return top + legend_height(rows)


def draw_limit(sheet: Sheet, segments: list[Segment]) -> None:
    """The limit's stroke: bright in a dark casing (or the reverse), visible on every colour of the scale."""
    sheet.lines(segments, colour=sheet.theme.limit_casing, line_width=12)
    sheet.lines(segments, colour=sheet.theme.limit, line_width=6)


def _entry_width(entry: Entry) -> float:
    return _SAMPLE + _GAP + text_width(entry.words, NOTE_SIZE)


def _draw_sample(sheet: Sheet, entry: Entry, x: float, middle: float) -> None:
    theme, top = sheet.theme, middle - _SAMPLE / 2
    match entry.sample:
        case Sample.LOSS:
            sheet.box(x, top, _SAMPLE, _SAMPLE, fill=theme.loss)
        case Sample.GAIN:
            sheet.box(x, top, _SAMPLE, _SAMPLE, fill=theme.gain)
        case Sample.UNKNOWN:
            sheet.box(x, top, _SAMPLE, _SAMPLE, fill=theme.ground, hatched=True)
        case Sample.OUTLINE:
            sheet.box(x + 3, top + 3, _SAMPLE - 6, _SAMPLE - 6, edge=theme.text, line_width=4)
        case Sample.LETTER:
            sheet.text(x + _SAMPLE / 2, middle, entry.letter, size=NOTE_SIZE, bold=True, align="center")
        case Sample.LIMIT:
            draw_limit(sheet, [((x, middle), (x + _SAMPLE, middle))])
