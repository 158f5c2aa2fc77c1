"""An export of Risk Navigator as lines of figures: bytes in, values out. Whatever cannot be read is named with its row.

The layouts are those of docs/compare.md: separators, encodings, title lines, rows of sums, sections with headers of their own.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import RequestError
from engine.model import Kind
from engine.navigator.cells import Number, decimal_comma, is_none, number
from engine.navigator.descriptions import Described, described, is_total, kind_of
from engine.navigator.headers import NAMES, Column, Field, Header, Key, names_contracts, read_header

LARGEST: Final = 20_000_000
SEPARATORS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MARKERS: Final = re.compile(
    r"^[\s\u00a0]*(?:[+\-\u2013\u25b8\u25be\u25ba\u25bc\u2514\u251c\u2502\u2022>]\s+|[\u25b8\u25be\u25ba\u25bc\u2514\u251c\u2502\u2022])*"
)
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Unread:
    """Something in the file that was not read: its row, the text, and why."""

    row: int
    what: str
    why: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.what!r}: {self.why}"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of figures. `contract` is None for the whole portfolio's sum.

    Attributes:
        indent: how far the name is set in; a row of sums stands before rows that are set in more.
        of_underlying: the row names an underlying only, in a column of its own: it is a sum.
        figures: the numbers by column; what the file leaves empty is not in it.
    """

    row: int
    name: str
    contract: Described | None
    indent: int
    of_underlying: bool
    account: str | None
    figures: Mapping[Key, Number]


@dataclass(frozen=True, slots=True)
class Export:
    """A file read: its lines, what each column is, and what was not read.

    `instruments` is False where the file names underlyings only. `headings` are rows without figures, titles included.
    """

    lines: tuple[Line, ...]
    columns: tuple[Column, ...]
    instruments: bool
    unknown_columns: tuple[str, ...]
    unread: tuple[Unread, ...]
    headings: tuple[Unread, ...]
    separator: str
    encoding: str
    decimal_comma: bool

    @property
    def layout(self) -> str:
        decimals = ", decimal comma" if self.decimal_comma else ""
        return f"{SEPARATORS[self.separator]} separated, {self.encoding}{decimals}"


def read_export(data: bytes) -> Export:
    """What an export says.

    Raises:
        RequestError: If it is no table of text with a header that is known; the text says what is needed.
    """
    text, encoding = _decoded(data)
    separator, rows, at = _table(text)
    header = read_header(rows[at][1])
    body = rows[at + 1 :]
    comma = decimal_comma(cells[c.index] for _, cells in body for c in header.columns if c.index < len(cells))
    reader = _Reader(header, comma)
    for row, cells in rows[:at]:
        reader.heading(row, cells)
    for row, cells in body:
        reader.read(row, cells)
    return Export(
        tuple(reader.lines), tuple(reader.columns.values()), reader.instruments, tuple(reader.unknown),
        tuple(reader.unread), tuple(reader.headings), separator, encoding, comma,
    )  # fmt: skip


class _Reader:
    """Reads the rows below a header; a further header row starts a section of its own."""

    def __init__(self, header: Header, comma: bool) -> None:
        self.header, self.comma = header, comma
        self.columns = {column.key: column for column in header.columns}
        self.unknown = dict.fromkeys(header.unknown)
        self.instruments = bool(header.fields.keys() & {Field.NAME, Field.SYMBOL})
        self.lines: list[Line] = []
        self.unread: list[Unread] = []
        self.headings: list[Unread] = []

    def heading(self, row: int, cells: Sequence[str]) -> None:
        text = " ".join(" ".join(cell.split()) for cell in cells if cell.strip()).strip("\ufeff ")
        if text:
            self.headings.append(Unread(row, text[:_SHOWN], "a heading"))

    def read(self, row: int, cells: Sequence[str]) -> None:
        if not any(cell.strip() for cell in cells):
            return
        again = read_header(cells) if names_contracts(cells) else None
        if again is not None and again.is_known:
            self._next_section(again)
            return
        broken = self._broken(cells)
        if broken is not None:
            self.unread.append(Unread(row, _short(cells), broken))
            return
        figures = self._figures(row, cells)
        name, of_underlying, indent = self._name(cells)
        if not name:
            self.unread.append(Unread(row, _short(cells), "figures without a name"))
        elif is_total(name):
            self.lines.append(Line(row, name, None, indent, False, None, figures))
        elif not figures and not any(self._filled(cells, column) for column in self.columns.values()):
            self.heading(row, cells)
            self._parent(row, name, indent, of_underlying)
        else:
            self._line(row, cells, name, of_underlying, indent, figures)

    def _next_section(self, header: Header) -> None:
        self.header = header
        for column in header.columns:
            self.columns.setdefault(column.key, column)
        self.unknown.update(dict.fromkeys(header.unknown))

    def _broken(self, cells: Sequence[str]) -> str | None:
        """Why a row's cells are not those of the header."""
        if any("\n" in cell or "\r" in cell for cell in cells):
            return "a quotation mark is not closed: several rows are read as one"
        last = max((i for i, cell in enumerate(cells) if cell.strip()), default=0)
        if last < self.header.width:
            return None
        return f"{last + 1} cells where the header has {self.header.width}: numbers with separators need quotation marks"

    def _filled(self, cells: Sequence[str], column: Column) -> bool:
        return column.index < len(cells) and bool(cells[column.index].strip())

    def _figures(self, row: int, cells: Sequence[str]) -> dict[Key, Number]:
        figures = {}
        for column in self.header.columns:
            text = cells[column.index] if column.index < len(cells) else ""
            if is_none(text):
                continue
            found = number(text, self.comma)
            if found is None:
                self.unread.append(
                    Unread(row, f"{column.header}: {text.strip()[:_SHOWN]}", "is not a number")
                )
            else:
                figures[column.key] = found
        return figures

    def _cell(self, cells: Sequence[str], field: Field) -> str:
        at = self.header.fields.get(field)
        return "" if at is None or at >= len(cells) else cells[at]

    def _name(self, cells: Sequence[str]) -> tuple[str, bool, int]:
        """A row's name, whether it is that of an underlying in a column of its own, and how far it is set in."""
        for field in (Field.NAME, Field.SYMBOL, Field.UNDERLYING):
            raw = self._cell(cells, field)
            if raw.strip():
                start = _MARKERS.match(raw.expandtabs(4))
                indent = 0 if start is None else start.end()
                alone = field is Field.UNDERLYING and bool(
                    self.header.fields.keys() & (NAMES - {Field.UNDERLYING})
                )
                return " ".join(_MARKERS.sub("", raw).split()), alone, indent
        return "", False, 0

    def _parent(self, row: int, name: str, indent: int, of_underlying: bool) -> None:
        """A row that names an underlying without figures of it: what follows set in belongs to it."""
        contract = described(name)
        if contract is not None and contract.is_bare:
            self.lines.append(Line(row, name, contract, indent, of_underlying, None, {}))

    def _line(
        self, row: int, cells: Sequence[str], name: str, alone: bool, indent: int, figures: dict[Key, Number]
    ) -> None:
        contract = described(name)
        symbol = described(self._cell(cells, Field.SYMBOL).strip())
        if symbol is not None and (contract is None or contract.is_bare):
            contract = symbol
        if contract is None:
            self.unread.append(Unread(row, name[:_SHOWN], "is not a contract description that is known"))
            return
        contract = contract if alone else self._completed(row, contract, cells)
        account = self._cell(cells, Field.ACCOUNT).strip() or None
        self.lines.append(Line(row, name, contract, indent, alone, account, figures))

    def _completed(self, row: int, contract: Described, cells: Sequence[str]) -> Described:
        """A symbol with what columns of their own say: kind, expiry, strike and right."""
        if not contract.is_bare:
            return contract
        kind = kind_of(self._cell(cells, Field.KIND))
        parts = [self._cell(cells, field).strip() for field in (Field.EXPIRY, Field.STRIKE, Field.RIGHT)]
        if not is_none(parts[0]):
            text = " ".join([contract.symbol, *("" if is_none(part) else part for part in parts)])
            whole = described(re.sub(r"(\d)\.0+ ", r"\1 ", " ".join(text.split())))
            if whole is not None and not whole.is_bare:
                return whole
            self.unread.append(Unread(row, text[:_SHOWN], "is not a contract; read as its symbol alone"))
        if kind in {None, Kind.OPTION, Kind.FUTURE_OPTION}:
            return contract
        return Described(contract.symbol, kind)


def _short(cells: Sequence[str]) -> str:
    return " | ".join(" ".join(cell.split()) for cell in cells if cell.strip())[:_SHOWN]


def _decoded(data: bytes) -> tuple[str, str]:
    """The text and its encoding: what its mark says, else UTF-16 where every other byte is 0, else UTF-8, else cp1252."""
    if len(data) > LARGEST:
        raise RequestError(
            f"the export has over {LARGEST // 1_000_000} MB; a report of Risk Navigator is far smaller"
        )
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise RequestError(
            "the export is an Excel workbook: export it as CSV, or save it as CSV from the spreadsheet"
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace"), "UTF-16"
    half = len(data) // 2
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half > 4 and data[start::2].count(0) > 0.7 * half:
            return data.decode(encoding, errors="replace"), "UTF-16"
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), "Windows-1252"


def _table(text: str) -> tuple[str, list[tuple[int, list[str]]], int]:
    """The separator, the rows with their line numbers, and which of them is the header: what makes most headers known."""
    best: tuple[int, str, list[tuple[int, list[str]]], int] | None = None
    for separator in SEPARATORS:
        rows = list(_rows(text, separator))
        for at, (_, cells) in enumerate(rows):
            header = read_header(cells) if names_contracts(cells) else None
            if header is not None and header.is_known:
                if best is None or header.known > best[0]:
                    best = (header.known, separator, rows, at)
                break
    if best is None:
        raise RequestError(
            "no row of the export is a header that is known: it needs a column such as Financial Instrument, Contract "
            "Description or Underlying and one such as Position, Price, Value, Delta or +3%"
        )
    return best[1:]


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows and the number of the line that each begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    begins = 1
    try:
        for cells in reader:
            yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise RequestError(f"the export is no table of text: line {reader.line_num}: {error}") from error
