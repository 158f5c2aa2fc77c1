"""The risk matrix as a picture: profit and loss over shocks of spot (down) and implied volatility (across)."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.reports.canvas import Segment, Sheet, paragraph_height, png, text_width, wrap
from engine.reports.legend import (
    Entry,
    Sample,
    draw_legend,
    draw_limit,
    legend_height,
    legend_rows,
    limit_entry,
)
from engine.reports.numbers import UNKNOWN, compact, shock
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
Mark = tuple[int, int, str]

IV_AXIS = "implied volatility"

_GAP = 4
_PADDING = 10
_BLOCK_GAP = 22
_LEAST_SIZE = 18
_DENSE = 9
_DENSE_SIZE = 27
_CELL_HEIGHT = 92
_DENSE_CELL_HEIGHT = 70
_SPOT = "spot ↓"
_PERCENT = " %"
_AXIS_ROW = 56
_NO_SHOCK = 1e-9
_STEPS = 30
_CHIP_PADDING = 14


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells are (top left corner and size of one), and the size and texts of their numbers; letters stand above."""

    left: float
    top: float
    cell_width: float
    cell_height: float
    size: float
    label_size: float
    mark_size: float
    labels: list[list[str]]
    spot_labels: list[str]
    iv_labels: list[str]

    def corner(self, row: int, column: int) -> tuple[float, float]:
        return self.left + column * self.cell_width, self.top + row * self.cell_height


def heat_map(
    frame: pd.DataFrame,
    *,
    title: str,
    note: str,
    unit: str,
    limit: float | None = None,
    marks: Sequence[Mark] = (),
    iv_axis: str = IV_AXIS,
    theme: Theme = DARK,
) -> bytes:
    """Draw profit and loss over spot and volatility shocks as a PNG, 1170 px wide.

    A number that is not finite is a hatched '?', outside every colour and count. Colour follows the square root
    of the amount, the same on both sides of zero, so that small losses still show beside a crash.

    Args:
        frame: index: spot shocks, columns: implied volatility shocks (decimals), values: P&L in `unit`.
        title: what the matrix is of.
        note: its time, the age of its oldest price, what is missing; wrapped, never shortened.
        unit: the currency of the P&L.
        limit: a loss (positive, in `unit`); a line parts the cells that lose more from the rest.
        marks: (row, column, words): cells that get a letter, which the legend explains with the words; the same words, the
            same letter. At most 26 different ones.
        iv_axis: what the columns are.
        theme: the look.
    Raises:
        ValueError: If the frame is empty, the limit is not a positive number, or a mark is outside the frame.
    """
    return png(
        heat_map_sheet(
            frame, title=title, note=note, unit=unit, limit=limit, marks=marks, iv_axis=iv_axis, theme=theme
        )
    )


def heat_map_sheet(
    frame: pd.DataFrame,
    *,
    title: str,
    note: str,
    unit: str,
    limit: float | None = None,
    marks: Sequence[Mark] = (),
    iv_axis: str = IV_AXIS,
    theme: Theme = DARK,
) -> Sheet:
    """The sheet that `heat_map` encodes."""
    if frame.empty:
        raise ValueError("a heat map needs at least one spot shock and one volatility shock")
    if limit is not None and not 0.0 < limit < np.inf:
        raise ValueError(f"a loss limit is a positive amount, not {limit}")
    letters = _letters(marks, frame.shape)
    pnl = frame.to_numpy(dtype=np.float64)
    spot = frame.index.to_numpy(dtype=np.float64)
    iv = frame.columns.to_numpy(dtype=np.float64)

    columns_width = WIDTH - 2 * MARGIN
    title_lines = wrap(title, columns_width, TITLE_SIZE, bold=True)
    about = "; letters: the cell nearest to a scenario" if letters else ""
    unit_lines = wrap(f"profit and loss, {unit}{about}", columns_width, NOTE_SIZE)
    note_lines = wrap(note, columns_width, NOTE_SIZE)
    legend = legend_rows(_entries(pnl, spot, iv, limit, letters), columns_width)
    head = paragraph_height(title_lines, TITLE_SIZE) + paragraph_height(unit_lines, NOTE_SIZE)
    grid = _fit(pnl, spot, iv, top=MARGIN + head + _BLOCK_GAP + 2 * _AXIS_ROW, marked=bool(letters))
    bottom = grid.top + len(spot) * grid.cell_height + _BLOCK_GAP
    height = bottom + legend_height(legend) + paragraph_height(note_lines, NOTE_SIZE) + MARGIN
    width = grid.left + len(iv) * grid.cell_width + MARGIN

    sheet = Sheet(round(width), round(height), theme)
    sheet.footnote(unit_lines, sheet.heading(title_lines, MARGIN))
    _draw_axes(sheet, grid, iv_axis)
    _draw_cells(sheet, grid, pnl)
    _draw_marks(sheet, grid, pnl, spot, iv, limit)
    _draw_letters(sheet, grid, letters, marks)
    sheet.footnote(note_lines, draw_legend(sheet, legend, bottom))
    return sheet


def _letters(marks: Sequence[Mark], shape: tuple[int, int]) -> dict[str, str]:
    """A letter for each different words of the marks, in their order."""
    for row, column, words in marks:
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            raise ValueError(f"the mark {words!r} is outside the matrix: row {row}, column {column}")
    different = list(dict.fromkeys(words for _, _, words in marks))
    if len(different) > len(ascii_uppercase):
        raise ValueError(f"there are letters for {len(ascii_uppercase)} marks, not {len(different)}")
    return dict(zip(different, ascii_uppercase, strict=False))


def _entries(
    pnl: Floats, spot: Floats, iv: Floats, limit: float | None, letters: dict[str, str]
) -> list[Entry]:
    known = np.isfinite(pnl)
    entries = [Entry(Sample.LOSS, "loss"), Entry(Sample.GAIN, "gain")]
    if _base_cell(spot, iv) is not None:
        entries.append(Entry(Sample.OUTLINE, "no shock"))
    if not known.all():
        entries.append(Entry(Sample.UNKNOWN, f"{UNKNOWN} unknown"))
    if limit is not None:
        entries.append(limit_entry(limit, pnl, "cell"))
    entries += [Entry(Sample.LETTER, words, letter) for words, letter in letters.items()]
    return entries


def _fit(pnl: Floats, spot: Floats, iv: Floats, *, top: float, marked: bool) -> _Grid:
    """The largest readable numbers: shorter ones where cells are narrow, a wider picture as the last resort."""
    dense = len(iv) > _DENSE
    padding = _PADDING / 2 if dense else _PADDING
    size = _DENSE_SIZE if dense else SMALLEST_SIZE
    spot_labels = [shock(step) for step in spot]
    iv_labels = [shock(step).removesuffix(_PERCENT) if dense else shock(step) for step in iv]
    left = MARGIN + max(text_width(label, size) for label in [*spot_labels, _SPOT]) + 2 * padding
    cell_width = (WIDTH - MARGIN - left) / len(iv)

    def largest(labels: list[list[str]]) -> float:
        number = max(text_width(label, 1.0) for row in labels for label in row)
        step = max(text_width(label, 1.0) for label in iv_labels)
        return min(size, (cell_width - _GAP - padding) / number, (cell_width - _GAP) / step)

    labels = [[compact(value) for value in row] for row in pnl]
    if largest(labels) < size:
        labels = [[compact(value, short=True) for value in row] for row in pnl]
    fitted = max(largest(labels), _LEAST_SIZE)
    cell_width *= max(1.0, fitted / largest(labels))
    tall = len(spot) <= _DENSE + 2
    mark_size = (size if tall else _DENSE_SIZE) if marked else 0.0
    cell_height = (_CELL_HEIGHT if tall else _DENSE_CELL_HEIGHT) + mark_size
    return _Grid(left, top, cell_width, cell_height, fitted, size, mark_size, labels, spot_labels, iv_labels)


def _draw_axes(sheet: Sheet, grid: _Grid, iv_axis: str) -> None:
    muted = sheet.theme.muted
    middle = grid.left + len(grid.iv_labels) * grid.cell_width / 2
    unit = "" if any(label.endswith(_PERCENT) for label in grid.iv_labels) else " in %"
    caption = f"{iv_axis}{unit} →"
    sheet.text(middle, grid.top - 1.5 * _AXIS_ROW, caption, size=NOTE_SIZE, colour=muted, align="center")
    sheet.text(MARGIN, grid.top - 0.5 * _AXIS_ROW, _SPOT, size=grid.label_size, colour=muted)
    for column, label in enumerate(grid.iv_labels):
        x = grid.left + (column + 0.5) * grid.cell_width
        sheet.text(x, grid.top - 0.5 * _AXIS_ROW, label, size=grid.size, align="center")
    for row, label in enumerate(grid.spot_labels):
        y = grid.top + (row + 0.5) * grid.cell_height
        sheet.text(grid.left - _PADDING, y, label, size=grid.label_size, align="right")


def _draw_cells(sheet: Sheet, grid: _Grid, pnl: Floats) -> None:
    width, height = grid.cell_width - _GAP, grid.cell_height - _GAP
    scale = diverging(sheet.theme)
    for (row, column), level in np.ndenumerate(_levels(pnl)):
        x, y = grid.corner(row, column)
        label = grid.labels[row][column]
        if np.isfinite(level):
            red, green, blue, _ = scale(float(level))
            fill: Colour = (red, green, blue)
            ink = ink_on(fill)
            sheet.box(x, y, width, height, fill=fill)
        else:
            fill = sheet.theme.ground
            ink = sheet.theme.unknown_text
            sheet.box(x, y, width, height, fill=fill, hatched=True)
            backing = text_width(label, grid.size) + 2 * _PADDING
            sheet.box(x + (width - backing) / 2, y + height / 4, backing, height / 2, fill=fill)
        middle = y + (height + grid.mark_size) / 2
        sheet.text(x + width / 2, middle, label, size=grid.size, colour=ink, ground=fill, align="center")


def _levels(pnl: Floats) -> Floats:
    """Places on the diverging scale, 0.5 for nothing, in few enough steps for a PNG's palette.

    NaN where the P&L is not finite.
    """
    known = np.where(np.isfinite(pnl), pnl, np.nan)
    largest = np.max(np.abs(known), initial=0.0, where=np.isfinite(known))
    share = known / largest if largest > 0.0 else known * 0.0
    half = np.round(np.sign(share) * np.sqrt(np.abs(share)) * _STEPS) / _STEPS
    return np.asarray(0.5 + 0.5 * half, dtype=np.float64)


def _draw_marks(
    sheet: Sheet, grid: _Grid, pnl: Floats, spot: Floats, iv: Floats, limit: float | None
) -> None:
    if limit is not None and (segments := _contour(grid, pnl < -limit)):
        draw_limit(sheet, segments)
    base = _base_cell(spot, iv)
    if base is not None:
        x, y = grid.corner(*base)
        inset, edge = 5, sheet.theme.text
        width, height = grid.cell_width - _GAP - 2 * inset, grid.cell_height - _GAP - 2 * inset
        sheet.box(x + inset, y + inset, width, height, edge=edge, line_width=4)


def _draw_letters(sheet: Sheet, grid: _Grid, letters: dict[str, str], marks: Sequence[Mark]) -> None:
    """Each cell's letters on a chip of the ground's colour in its upper part, smaller where they are many."""
    in_cell: dict[tuple[int, int], str] = {}
    for row, column, words in marks:
        known = in_cell.get((row, column), "")
        in_cell[row, column] = known if letters[words] in known else known + letters[words]
    for (row, column), joined in in_cell.items():
        label = " ".join(joined)
        x, y = grid.corner(row, column)
        room = grid.cell_width - _GAP - 2 * _PADDING - _CHIP_PADDING
        size = min(grid.mark_size, room / text_width(label, 1.0, bold=True))
        width = text_width(label, size, bold=True) + _CHIP_PADDING
        left, middle = x + (grid.cell_width - _GAP - width) / 2, y + _PADDING + 0.6 * grid.mark_size
        sheet.box(left, middle - 0.6 * size, width, 1.2 * size, fill=sheet.theme.ground)
        sheet.text(left + width / 2, middle, label, size=size, bold=True, align="center")


def _base_cell(spot: Floats, iv: Floats) -> tuple[int, int] | None:
    rows, columns = np.flatnonzero(np.abs(spot) < _NO_SHOCK), np.flatnonzero(np.abs(iv) < _NO_SHOCK)
    return (int(rows[0]), int(columns[0])) if len(rows) and len(columns) else None


def _contour(grid: _Grid, beyond: NDArray[np.bool_]) -> list[Segment]:
    """The edges between a cell beyond the limit and a neighbour that is not known to be."""
    half = _GAP / 2
    segments: list[Segment] = []
    for row, column in np.argwhere(beyond[:, 1:] != beyond[:, :-1]).tolist():
        x, y = grid.corner(row, column + 1)
        segments.append(((x - half, y - half), (x - half, y + grid.cell_height - half)))
    for row, column in np.argwhere(beyond[1:, :] != beyond[:-1, :]).tolist():
        x, y = grid.corner(row + 1, column)
        segments.append(((x - half, y - half), (x + grid.cell_width - half, y - half)))
    return segments
