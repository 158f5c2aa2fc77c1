"""An amount as the sum of its parts: bars that begin where the one above ends, and the sum from zero below them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.reports.canvas import Sheet, paragraph_height, png, wrap
from engine.reports.chart_bars import BAR, BLOCK_GAP, ROW, Scale, draw_labels
from engine.reports.theme import DARK, MARGIN, NOTE_SIZE, TITLE_SIZE, WIDTH, Theme

Floats = NDArray[np.float64]

MAX_PARTS = 30
LARGEST = 1e15
_THINNEST = 4.0
"""Pixels of a bar that is too small to see."""


def waterfall(
    frame: pd.DataFrame, *, title: str, note: str, total: str = "P&L", theme: Theme = DARK
) -> bytes:
    """Draw the parts of an amount as a PNG, 1170 px wide: one row each in the order given, then their sum.

    A part that is no amount (not finite, or beyond 10^15) is a hatched row with '?', and in no sum.

    Args:
        frame: index: names of the parts; column 'pnl': amounts in one currency.
        title: what is explained, with the currency.
        note: its time and what is missing; wrapped, never shortened.
        total: what the sum is called.
        theme: the look.
    Raises:
        ValueError: If there is no part or more than 30.
    """
    return png(waterfall_sheet(frame, title=title, note=note, total=total, theme=theme))


def waterfall_sheet(
    frame: pd.DataFrame, *, title: str, note: str, total: str = "P&L", theme: Theme = DARK
) -> Sheet:
    """The sheet that `waterfall` encodes."""
    if not 1 <= len(frame) <= MAX_PARTS:
        raise ValueError(f"one waterfall holds 1 to {MAX_PARTS} parts, not {len(frame)}")
    parts = frame["pnl"].to_numpy(dtype=np.float64)
    parts = np.where(np.abs(parts) < LARGEST, parts, np.nan)
    ends = np.cumsum(np.nan_to_num(parts, nan=0.0))
    amounts = np.append(parts, ends[-1] if np.isfinite(parts).any() else np.nan)
    names = [*(str(name) for name in frame.index), total]

    columns_width = WIDTH - 2 * MARGIN
    title_lines = wrap(title, columns_width, TITLE_SIZE, bold=True)
    note_lines = wrap(note, columns_width, NOTE_SIZE)
    top = MARGIN + paragraph_height(title_lines, TITLE_SIZE) + BLOCK_GAP
    bottom = top + len(names) * ROW + BLOCK_GAP
    sheet = Sheet(WIDTH, round(bottom + paragraph_height(note_lines, NOTE_SIZE) + MARGIN), theme)
    sheet.heading(title_lines, MARGIN)
    left = draw_labels(sheet, names, amounts, top)
    low, high = float(np.min(ends, initial=0.0)), float(np.max(ends, initial=0.0))
    low, high = (low, high) if low < high else (-1.0, 1.0)
    slack = 0.03 * (high - low)
    scale = Scale(low - slack, high + slack, left, WIDTH - MARGIN)
    _draw_parts(sheet, parts, ends, scale, top)
    _draw_total(sheet, float(amounts[-1]), scale, top + len(parts) * ROW)
    zero = scale.place(0.0)
    sheet.lines([((zero, top), (zero, top + len(names) * ROW))], colour=theme.muted, line_width=3)
    sheet.footnote(note_lines, bottom)
    return sheet


def _draw_parts(sheet: Sheet, parts: Floats, ends: Floats, scale: Scale, top: float) -> None:
    """Each part from where the one above ended, and a thread down to the next."""
    begin, threads = 0.0, []
    for row, (part, end) in enumerate(zip(parts.tolist(), ends.tolist(), strict=True)):
        y = top + row * ROW + (ROW - BAR) / 2
        if np.isfinite(part):
            _bar(sheet, begin, end, part, scale, y)
        else:
            sheet.box(scale.left, y, scale.right - scale.left, BAR, fill=sheet.theme.ground, hatched=True)
        place = scale.place(end)
        threads.append(((place, y + BAR), (place, y + ROW)))
        begin = end
    sheet.lines(threads, colour=sheet.theme.muted, line_width=2)


def _draw_total(sheet: Sheet, total: float, scale: Scale, top: float) -> None:
    y = top + (ROW - BAR) / 2
    sheet.lines([((MARGIN, top), (WIDTH - MARGIN, top))], colour=sheet.theme.rule, line_width=2)
    if np.isfinite(total):
        _bar(sheet, 0.0, total, total, scale, y)
        edges = sorted((scale.place(0.0), scale.place(total)))
        sheet.box(edges[0], y, edges[1] - edges[0], BAR, edge=sheet.theme.text, line_width=3)


def _bar(sheet: Sheet, begin: float, end: float, amount: float, scale: Scale, y: float) -> None:
    if amount == 0.0:
        return
    first, last = sorted((scale.place(begin), scale.place(end)))
    fill = sheet.theme.loss if amount < 0 else sheet.theme.gain
    sheet.box(first, y, max(last - first, _THINNEST), BAR, fill=fill)
