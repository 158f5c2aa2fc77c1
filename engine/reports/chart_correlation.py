"""A correlation matrix as a picture: names down and along, alike ones beside each other, a number in each cell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.reports.canvas import Sheet, paragraph_height, png, shorten, text_width, wrap
from engine.reports.legend import Entry, Sample, draw_legend, legend_height, legend_rows
from engine.reports.numbers import UNKNOWN, coefficient
from engine.reports.theme import (
    DARK,
    MARGIN,
    NOTE_SIZE,
    SMALLEST_SIZE,
    TITLE_SIZE,
    WIDTH,
    Colour,
    Theme,
    diverging,
    ink_on,
)

Floats = NDArray[np.float64]

_GAP = 4
_PADDING = 10
_BLOCK_GAP = 22
_CELL_HEIGHT = 92
_LEAST_HEIGHT = 56
_LEAST_SIZE = 18
_NAMES_WIDTH = 320
_NAME_SIZE = 27
_STEPS = 20
_ENTRIES = (Entry(Sample.LOSS, "+ move together"), Entry(Sample.GAIN, "− offset each other"))
_UNKNOWN_ENTRY = Entry(Sample.UNKNOWN, f"{UNKNOWN} unknown")


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells are, what is in them and beside them; `size` is that of the numbers, `name_size` of the names."""

    left: float
    top: float
    cell_width: float
    cell_height: float
    size: float
    name_size: float
    names: list[str]
    labels: list[list[str]]


def correlation_map(frame: pd.DataFrame, *, title: str, note: str, theme: Theme = DARK) -> bytes:
    """Draw correlations as a PNG, 1170 px wide, wider where the numbers would else be too small to read.

    What moves together adds to a loss and has the colour of losses; what offsets it has that of gains. Signs are printed.

    Args:
        frame: names down and along in one order, correlations from -1 to 1; what is not finite is a hatched '?'.
        title: what the matrix is of.
        note: its time, what is left out; wrapped, never shortened.
        theme: the look.
    Raises:
        ValueError: If the frame is empty or not square.
    """
    return png(correlation_sheet(frame, title=title, note=note, theme=theme))


def correlation_sheet(frame: pd.DataFrame, *, title: str, note: str, theme: Theme = DARK) -> Sheet:
    """The sheet that `correlation_map` encodes."""
    if frame.empty or frame.shape[0] != frame.shape[1]:
        raise ValueError("a correlation map needs as many names down as along, one at least")
    values = frame.to_numpy(dtype=np.float64)
    room = WIDTH - 2 * MARGIN
    title_lines = wrap(title, room, TITLE_SIZE, bold=True)
    about_lines = wrap("correlation of daily profit and loss, -1 to +1", room, NOTE_SIZE)
    head = MARGIN + paragraph_height(title_lines, TITLE_SIZE) + paragraph_height(about_lines, NOTE_SIZE)
    grid = _fit(values, [str(name) for name in frame.index], head + _BLOCK_GAP)
    note_lines = wrap(note, room, NOTE_SIZE)
    entries = [*_ENTRIES, *([] if np.isfinite(values).all() else [_UNKNOWN_ENTRY])]
    legend = legend_rows(entries, room)
    bottom = grid.top + len(values) * grid.cell_height + _BLOCK_GAP
    height = bottom + legend_height(legend) + paragraph_height(note_lines, NOTE_SIZE) + MARGIN
    width = grid.left + len(values) * grid.cell_width + MARGIN

    sheet = Sheet(round(width), round(height), theme)
    sheet.footnote(about_lines, sheet.heading(title_lines, MARGIN))
    _draw_names(sheet, grid)
    _draw_cells(sheet, grid, values)
    sheet.footnote(note_lines, draw_legend(sheet, legend, bottom))
    return sheet


def _fit(values: Floats, names: Sequence[str], top: float) -> _Grid:
    """Names as large as leaves the numbers readable; names beyond their room keep both their ends."""
    n = len(values)
    name_size = SMALLEST_SIZE if n <= 9 else _NAME_SIZE
    shown = [shorten(name, _NAMES_WIDTH, name_size) for name in names]
    longest = max(text_width(name, name_size) for name in shown)
    left = MARGIN + longest + 2 * _PADDING
    cell_width = (WIDTH - MARGIN - left) / n
    labels = [[coefficient(value) for value in row] for row in values]
    widest = max(text_width(label, 1.0) for row in labels for label in row)
    largest = (cell_width - _GAP - _PADDING / 2) / widest
    size = min(SMALLEST_SIZE, max(largest, _LEAST_SIZE))
    cell_width *= max(1.0, size / largest)
    cell_height = min(max(cell_width, _LEAST_HEIGHT), _CELL_HEIGHT)
    return _Grid(
        left, top + longest + _PADDING, cell_width, cell_height, size, name_size, list(shown), labels
    )


def _draw_names(sheet: Sheet, grid: _Grid) -> None:
    for i, name in enumerate(grid.names):
        y = grid.top + i * grid.cell_height + (grid.cell_height - _GAP) / 2
        sheet.text(grid.left - _PADDING, y, name, size=grid.name_size, align="right")
        x = grid.left + i * grid.cell_width + (grid.cell_width - _GAP) / 2
        sheet.text(x, grid.top - _PADDING, name, size=grid.name_size, upwards=True)


def _draw_cells(sheet: Sheet, grid: _Grid, values: Floats) -> None:
    width, height = grid.cell_width - _GAP, grid.cell_height - _GAP
    scale = diverging(sheet.theme)
    for (row, column), value in np.ndenumerate(values):
        x, y = grid.left + column * grid.cell_width, grid.top + row * grid.cell_height
        if np.isfinite(value):
            red, green, blue, _ = scale(0.5 - 0.5 * round(value * _STEPS) / _STEPS)
            fill: Colour = (red, green, blue)
            ink = ink_on(fill)
            sheet.box(x, y, width, height, fill=fill)
        else:
            fill, ink = sheet.theme.ground, sheet.theme.unknown_text
            sheet.box(x, y, width, height, fill=fill, hatched=True)
            sheet.box(x + width / 3, y + height / 4, width / 3, height / 2, fill=fill)
        label = grid.labels[row][column]
        sheet.text(
            x + width / 2, y + height / 2, label, size=grid.size, colour=ink, ground=fill, align="center"
        )
