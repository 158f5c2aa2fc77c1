"""Scenarios side by side as a picture: one bar of profit or loss each, in the order given."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.reports.canvas import Sheet, paragraph_height, png, shorten, text_width, wrap
from engine.reports.legend import (
    Entry,
    Sample,
    draw_legend,
    draw_limit,
    legend_height,
    legend_rows,
    limit_entry,
)
from engine.reports.numbers import UNKNOWN, compact
from engine.reports.theme import DARK, MARGIN, NOTE_SIZE, TEXT_SIZE, TITLE_SIZE, WIDTH, Theme

Floats = NDArray[np.float64]

MAX_BARS = 60

ROW = 62
BAR = 38
_GAP = 26
BLOCK_GAP = 22
_NAME_SHARE = 0.44
_SQUASHED_BY_LIMIT = 2.5


@dataclass(frozen=True, slots=True)
class Scale:
    """From an amount to a horizontal place: `low` to `high` fill `left` to `right`."""

    low: float
    high: float
    left: float
    right: float

    def place(self, amount: float) -> float:
        return self.left + (amount - self.low) / (self.high - self.low) * (self.right - self.left)


def scenario_bars(
    frame: pd.DataFrame, *, title: str, note: str, limit: float | None = None, theme: Theme = DARK
) -> bytes:
    """Draw the scenarios' profit and loss as a PNG of horizontal bars, 1170 px wide.

    A P&L that is not finite is a hatched row with '?', outside every count.

    Args:
        frame: index: scenario names; column 'pnl': amounts in one currency.
        title: what is compared, with the currency.
        note: its time, the age of its oldest price, what is missing; wrapped, never shortened.
        limit: a loss (positive); a line across the bars, in words alone where it lies far off the scale.
        theme: the look.
    Raises:
        ValueError: If there is no scenario, more than 60, or the limit is not a positive number.
    """
    return png(scenario_bars_sheet(frame, title=title, note=note, limit=limit, theme=theme))


def scenario_bars_sheet(
    frame: pd.DataFrame, *, title: str, note: str, limit: float | None = None, theme: Theme = DARK
) -> Sheet:
    """The sheet that `scenario_bars` encodes."""
    if not 1 <= len(frame) <= MAX_BARS:
        raise ValueError(f"one picture holds 1 to {MAX_BARS} scenarios, not {len(frame)}")
    if limit is not None and not 0.0 < limit < np.inf:
        raise ValueError(f"a loss limit is a positive amount, not {limit}")
    names = [str(name) for name in frame.index]
    pnl = frame["pnl"].to_numpy(dtype=np.float64)

    columns_width = WIDTH - 2 * MARGIN
    title_lines = wrap(title, columns_width, TITLE_SIZE, bold=True)
    note_lines = wrap(note, columns_width, NOTE_SIZE)
    legend = legend_rows(_entries(pnl, limit), columns_width)
    top = MARGIN + paragraph_height(title_lines, TITLE_SIZE) + BLOCK_GAP
    bottom = top + len(names) * ROW + BLOCK_GAP
    height = bottom + legend_height(legend) + paragraph_height(note_lines, NOTE_SIZE) + MARGIN

    sheet = Sheet(WIDTH, round(height), theme)
    sheet.heading(title_lines, MARGIN)
    left = draw_labels(sheet, names, pnl, top)
    scale = _scale(pnl, limit, left, WIDTH - MARGIN)
    _draw_bars(sheet, pnl, scale, top)
    _draw_lines(sheet, scale, limit, top, top + len(names) * ROW)
    sheet.footnote(note_lines, draw_legend(sheet, legend, bottom))
    return sheet


def _entries(pnl: Floats, limit: float | None) -> list[Entry]:
    known = np.isfinite(pnl)
    entries = []
    if not known.all():
        entries.append(Entry(Sample.UNKNOWN, f"{UNKNOWN} unknown"))
    if limit is not None:
        words = limit_entry(limit, pnl, "scenario").words
        words = words if _shows_limit(pnl, limit) else f"{words} (off this scale)"
        entries.append(Entry(Sample.LIMIT, words))
    return entries


def draw_labels(sheet: Sheet, names: list[str], pnl: Floats, top: float) -> float:
    """Names at the left, amounts right-aligned beside them; returns where the bars may begin."""
    amounts = [compact(value) for value in pnl]
    room = _NAME_SHARE * WIDTH
    shown = [shorten(name, room, TEXT_SIZE) for name in names]
    amount_end = (
        MARGIN
        + max(text_width(name, TEXT_SIZE) for name in shown)
        + _GAP
        + max(text_width(label, TEXT_SIZE, bold=True) for label in amounts)
    )
    for row, (name, label, value) in enumerate(zip(shown, amounts, pnl, strict=True)):
        middle = top + (row + 0.5) * ROW
        if row % 2 == 1:
            sheet.box(0, top + row * ROW, WIDTH, ROW, fill=sheet.theme.zebra)
        sheet.text(MARGIN, middle, name, size=TEXT_SIZE)
        colour = _ink(sheet.theme, value)
        sheet.text(amount_end, middle, label, size=TEXT_SIZE, colour=colour, bold=True, align="right")
    return amount_end + _GAP


def _ink(theme: Theme, value: float) -> str:
    if not np.isfinite(value):
        return theme.unknown_text
    return theme.loss_text if value < 0 else theme.gain_text if value > 0 else theme.text


def _scale(pnl: Floats, limit: float | None, left: float, right: float) -> Scale:
    known = pnl[np.isfinite(pnl)]
    low, high = float(np.min(known, initial=0.0)), float(np.max(known, initial=0.0))
    if limit is not None and _shows_limit(pnl, limit):
        low = min(low, -limit)
    if low == high:
        low, high = -1.0, 1.0
    slack = 0.02 * (high - low)
    return Scale(low - slack, high + slack, left, right)


def _shows_limit(pnl: Floats, limit: float) -> bool:
    """A limit far beyond every amount would squash the bars; then words alone state it."""
    known = pnl[np.isfinite(pnl)]
    largest = float(np.max(np.abs(known), initial=0.0))
    return largest == 0.0 or limit <= _SQUASHED_BY_LIMIT * largest


def _draw_bars(sheet: Sheet, pnl: Floats, scale: Scale, top: float) -> None:
    zero = scale.place(0.0)
    for row, value in enumerate(pnl):
        y = top + row * ROW + (ROW - BAR) / 2
        if not np.isfinite(value):
            sheet.box(scale.left, y, scale.right - scale.left, BAR, fill=sheet.theme.ground, hatched=True)
            continue
        end = scale.place(float(value))
        fill = sheet.theme.loss if value < 0 else sheet.theme.gain
        sheet.box(min(zero, end), y, abs(end - zero), BAR, fill=fill)


def _draw_lines(sheet: Sheet, scale: Scale, limit: float | None, top: float, bottom: float) -> None:
    zero = scale.place(0.0)
    sheet.lines([((zero, top), (zero, bottom))], colour=sheet.theme.muted, line_width=3)
    if limit is not None and scale.low <= -limit:
        at = scale.place(-limit)
        draw_limit(sheet, [((at, top), (at, bottom))])
