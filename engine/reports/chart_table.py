"""A wide table as a picture, for a chat whose own text is thirty columns wide."""

import re
from dataclasses import dataclass

import pandas as pd

from engine.reports.canvas import LINE_HEIGHT, Sheet, paragraph_height, png, shorten, text_width, wrap
from engine.reports.numbers import UNKNOWN
from engine.reports.theme import DARK, MARGIN, NOTE_SIZE, TEXT_SIZE, TITLE_SIZE, WIDTH, Theme

MAX_ROWS = 60

_ROW = 60
_GAP = 28
_BLOCK_GAP = 22
_LEAST_NAME = 400.0
_LEAST_TEXT = 260.0
_SHORT_HEADER = 6
_NOTHING = "none"
_NEGATIVE = re.compile(r"[(▼]?\s*[-−(]\s*[$€£]?\s*\.?\d|▼")
_NUMBER = re.compile(r"[(+\-−▲▼\s]*[$€£]?\s*[\d.,]+\s*[%\w]{0,4}\)?")


@dataclass(frozen=True, slots=True)
class _Column:
    """One column as it is drawn: header lines, cells, and its right and left ends in pixels."""

    header: list[str]
    cells: list[str]
    left: float
    right: float


def table_picture(
    frame: pd.DataFrame,
    *,
    title: str,
    note: str,
    emphasis: int | None = None,
    theme: Theme = DARK,
) -> bytes:
    """Draw a table of finished texts as a PNG, 1170 px wide or, where its numbers need more, wider.

    A text too long for its column keeps its two ends around an ellipsis; a number is never shortened. A negative
    number keeps its sign and is coloured as well; a '?' has the colour of the unknown.

    Args:
        frame: every cell a str; the first column is left-aligned, the others right; the index is not drawn.
        title: what the table holds.
        note: its time, the age of its oldest price, what is missing; wrapped, never shortened.
        emphasis: the position of a row to stand out, such as a total; -1 is the last.
        theme: the look.
    Raises:
        ValueError: If there are more than 60 rows, no column, or no such row to stand out.
        TypeError: If a cell is not a str.
    """
    return png(table_sheet(frame, title=title, note=note, emphasis=emphasis, theme=theme))


def table_sheet(
    frame: pd.DataFrame, *, title: str, note: str, emphasis: int | None = None, theme: Theme = DARK
) -> Sheet:
    """The sheet that `table_picture` encodes."""
    names, rows = _checked(frame)
    standing_out = _row_position(emphasis, len(rows))
    columns = _lay_out(names, rows, standing_out)
    width = max(WIDTH, columns[-1].right + MARGIN)
    title_lines = wrap(title, width - 2 * MARGIN, TITLE_SIZE, bold=True)
    note_lines = wrap(note, width - 2 * MARGIN, NOTE_SIZE)
    header_height = max(len(column.header) for column in columns) * NOTE_SIZE * LINE_HEIGHT + 16
    header_top = MARGIN + paragraph_height(title_lines, TITLE_SIZE) + _BLOCK_GAP
    top = header_top + header_height
    bottom = top + max(len(rows), 1) * _ROW + _BLOCK_GAP

    sheet = Sheet(round(width), round(bottom + paragraph_height(note_lines, NOTE_SIZE) + MARGIN), theme)
    sheet.heading(title_lines, MARGIN)
    _draw_grounds(sheet, top, len(rows), standing_out)
    for position, column in enumerate(columns):
        _draw_header(sheet, column, top, first=position == 0)
        _draw_cells(sheet, column, top, standing_out, first=position == 0)
    if not rows:
        sheet.text(MARGIN, top + _ROW / 2, _NOTHING, size=TEXT_SIZE, colour=theme.muted)
    sheet.footnote(note_lines, bottom)
    return sheet


def _checked(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    if len(frame) > MAX_ROWS:
        raise ValueError(f"a table picture holds {MAX_ROWS} rows, not {len(frame)}: draw it in pages")
    if len(frame.columns) == 0:
        raise ValueError("a table picture needs at least one column")
    names = [str(name) for name in frame.columns]
    rows = [list(row) for row in frame.itertuples(index=False, name=None)]
    for number, row in enumerate(rows):
        for name, cell in zip(names, row, strict=True):
            if not isinstance(cell, str):
                raise TypeError(f"row {number}, column {name!r}: {cell!r} is not a str; format it first")
    return names, rows


def _row_position(emphasis: int | None, count: int) -> int | None:
    if emphasis is None:
        return None
    if not -count <= emphasis < count:
        raise ValueError(f"no row {emphasis} to stand out among {count}")
    return emphasis % count


def _lay_out(names: list[str], rows: list[list[str]], standing_out: int | None) -> list[_Column]:
    """Text columns give way first, then the picture grows; room to spare goes between the columns."""
    texts = [[row[position] for row in rows] for position in range(len(names))]
    natural = [_natural_width(name, cells, standing_out) for name, cells in zip(names, texts, strict=True)]
    elastic = [position == 0 or not all(map(_is_number, cells)) for position, cells in enumerate(texts)]
    room = WIDTH - 2 * MARGIN - _GAP * (len(names) - 1)
    widths = _squeeze(natural, elastic, room)
    spare = max(0.0, room - sum(widths)) / max(1, len(names) - 1)
    columns = []
    left: float = MARGIN
    for name, cells, width in zip(names, texts, widths, strict=True):
        shown = [
            cell if _is_number(cell) else shorten(cell, width, TEXT_SIZE, bold=row == standing_out)
            for row, cell in enumerate(cells)
        ]
        header = wrap(name, width + 1, NOTE_SIZE, bold=True)
        columns.append(_Column(header, shown, left, left + width))
        left += width + _GAP + spare
    return columns


def _natural_width(name: str, cells: list[str], standing_out: int | None) -> float:
    """Wide enough for every cell and for the header's longest word; a very short header stays on one line."""
    unbroken = [name] if len(name) <= _SHORT_HEADER else name.split()
    words = [text_width(word, NOTE_SIZE, bold=True) for word in unbroken]
    shown = [text_width(cell, TEXT_SIZE, bold=row == standing_out) for row, cell in enumerate(cells)]
    return max([*words, *shown], default=0.0)


def _squeeze(natural: list[float], elastic: list[bool], room: float) -> list[float]:
    """Cut the widest text columns to one common width so that all fit, none below what still tells it."""
    fixed = sum(width for width, gives in zip(natural, elastic, strict=True) if not gives)
    texts = sorted(width for width, gives in zip(natural, elastic, strict=True) if gives)
    left = room - fixed
    cap = 0.0
    for taken, width in enumerate(texts):
        share = left / (len(texts) - taken)
        if width > share:
            cap = share
            break
        left -= width
    else:
        return natural
    least = [_LEAST_NAME, *[_LEAST_TEXT] * (len(natural) - 1)]
    return [
        min(width, max(cap, floor)) if gives else width
        for width, floor, gives in zip(natural, least, elastic, strict=True)
    ]


def _is_number(cell: str) -> bool:
    """A cell that must not be shortened: a number with its unit, or the mark of one that is missing."""
    return bool(_NUMBER.fullmatch(cell.strip())) or cell.strip() in {"", UNKNOWN, "-", "–", "—"}


def _draw_grounds(sheet: Sheet, top: float, count: int, standing_out: int | None) -> None:
    for row in range(count):
        y = top + row * _ROW
        if row == standing_out:
            sheet.box(0, y, sheet.width, _ROW, fill=sheet.theme.emphasis)
            sheet.box(0, y, 10, _ROW, fill=sheet.theme.gain)
        elif row % 2 == 1:
            sheet.box(0, y, sheet.width, _ROW, fill=sheet.theme.zebra)
    rule = sheet.theme.rule
    sheet.lines([((MARGIN, top), (sheet.width - MARGIN, top))], colour=rule, line_width=3)


def _draw_header(sheet: Sheet, column: _Column, top: float, *, first: bool) -> None:
    """The header's lines, the last one just above the rows."""
    for above, line in enumerate(reversed(column.header)):
        y = top - 10 - (above + 0.5) * NOTE_SIZE * LINE_HEIGHT
        _write(sheet, column, y, line, size=NOTE_SIZE, colour=sheet.theme.muted, bold=True, first=first)


def _draw_cells(sheet: Sheet, column: _Column, top: float, standing_out: int | None, *, first: bool) -> None:
    for row, cell in enumerate(column.cells):
        if not cell:
            continue
        colour = sheet.theme.text if first else _ink(sheet.theme, cell)
        y = top + (row + 0.5) * _ROW
        _write(sheet, column, y, cell, size=TEXT_SIZE, colour=colour, bold=row == standing_out, first=first)


def _write(
    sheet: Sheet, column: _Column, y: float, words: str, *, size: float, colour: str, bold: bool, first: bool
) -> None:
    if first:
        sheet.text(column.left, y, words, size=size, colour=colour, bold=bold)
    else:
        sheet.text(column.right, y, words, size=size, colour=colour, bold=bold, align="right")


def _ink(theme: Theme, cell: str) -> str:
    if cell.strip() == UNKNOWN:
        return theme.unknown_text
    return theme.loss_text if _NEGATIVE.match(cell.strip()) else theme.text
