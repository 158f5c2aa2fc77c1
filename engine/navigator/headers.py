"""What a column's header means: names of the guide's metrics, and the other ways they are written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Field(StrEnum):
    """What a column tells of which contract a row is."""

    NAME = "name"
    SYMBOL = "symbol"
    UNDERLYING = "underlying"
    ACCOUNT = "account"
    KIND = "kind"
    EXPIRY = "expiry"
    STRIKE = "strike"
    RIGHT = "right"
    CURRENCY = "currency"


NAMES: Final = frozenset({Field.NAME, Field.SYMBOL, Field.UNDERLYING})
"""One of these says which contract a row is."""


class Measure(StrEnum):
    """What is compared. The order is that of tables."""

    QUANTITY = "position"
    PRICE = "price"
    SPOT = "underlying price"
    VALUE = "value"
    IV = "IV"
    DELTA = "delta"
    DOLLAR_DELTA = "dollar delta"
    GAMMA = "gamma"
    VEGA = "vega"
    THETA = "theta"
    RHO = "rho"
    PNL = "P&L"


class Level(StrEnum):
    """What a Greek's header says it is of."""

    UNIT = "unit"
    POSITION = "position"


GREEKS: Final = frozenset({Measure.DELTA, Measure.GAMMA, Measure.VEGA, Measure.THETA, Measure.RHO})


Key = tuple[Measure, float | None]
"""A figure, and of a P&L the move of spot."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is compared. `move` is the spot's, a decimal, of a P&L; `says` is what the header claims a Greek is of."""

    index: int
    header: str
    measure: Measure
    move: float | None = None
    says: Level | None = None

    @property
    def key(self) -> "Key":
        return self.measure, self.move

    @property
    def label(self) -> str:
        return self.measure.value if self.move is None else f"P&L {100.0 * self.move:+g} %"


@dataclass(frozen=True, slots=True)
class Header:
    """One header row: where each field is, which columns are compared, and the headers nothing is known of."""

    fields: dict[Field, int]
    columns: tuple[Column, ...]
    unknown: tuple[str, ...]
    width: int

    @property
    def is_known(self) -> bool:
        """A row is a header when it names contracts and at least one figure."""
        return bool(self.fields.keys() & NAMES) and bool(self.columns)

    @property
    def known(self) -> int:
        return len(self.fields) + len(self.columns)


_FIELDS: Final[dict[str, Field]] = {
    **dict.fromkeys(
        ("financial instrument", "financial instrument description", "contract description", "contract", "instrument",
         "description", "contract desc", "security", "name", "position description"),
        Field.NAME,
    ),
    **dict.fromkeys(("symbol", "ticker", "local symbol"), Field.SYMBOL),
    **dict.fromkeys(("underlying", "und", "underlying symbol", "underlier", "und symbol"), Field.UNDERLYING),
    **dict.fromkeys(("account", "acct", "account id", "account number"), Field.ACCOUNT),
    **dict.fromkeys(("security type", "sec type", "sectype", "asset class", "type", "asset type"), Field.KIND),
    **dict.fromkeys(
        ("expiry", "expiration", "exp", "expiration date", "last trading day", "lasttradingday", "maturity", "expiry date"),
        Field.EXPIRY,
    ),
    **dict.fromkeys(("strike", "strike price"), Field.STRIKE),
    **dict.fromkeys(("right", "put/call", "p/c", "call/put", "c/p", "put call"), Field.RIGHT),
    **dict.fromkeys(("currency", "ccy", "curr"), Field.CURRENCY),
}  # fmt: skip
_MEASURES: Final[dict[str, Measure]] = {
    **dict.fromkeys(("position", "pos", "qty", "quantity", "position size", "size"), Measure.QUANTITY),
    **dict.fromkeys(("price", "market price", "mkt price", "mark", "mark price", "mkt prc", "last"), Measure.PRICE),
    **dict.fromkeys(
        ("und price", "underlying price", "undprice", "und last", "underlying last", "und prc", "spot"), Measure.SPOT
    ),
    **dict.fromkeys(
        ("value", "market value", "mkt value", "mkt val", "position value", "mktvalue"), Measure.VALUE
    ),
    **dict.fromkeys(
        ("iv", "implied vol", "implied volatility", "impl vol", "imp vol", "implied vol %", "iv %", "impl vol %",
         "implied volatility %", "model iv", "option implied vol %"),
        Measure.IV,
    ),
    **dict.fromkeys(
        ("exposure", "delta dollars", "dollar delta", "$ delta", "delta $", "delta x price", "$delta", "cash delta"),
        Measure.DOLLAR_DELTA,
    ),
}  # fmt: skip
_OF_A_POSITION: Final = frozenset({"position", "portfolio", "pos", "ptf", "port", "total", "net"})
_OF_A_UNIT: Final = frozenset({"unit", "per", "option", "contract", "greek", "raw", "share"})
_MOVE: Final = re.compile(
    r"^(?:(?:equity\s+|portfolio\s+)*(?:p\s?&\s?l|pnl|p/l|profit\s?/\s?loss|profit and loss|value change|change)"
    r"\s*(?:at|@|for|if)?)?\s*[(\[]?\s*(?P<sign>[-+])?\s*(?P<size>\d{1,3}(?:[.,]\d{1,4})?)\s*%\s*[)\]]?$"
)
SMALLEST_MOVE, LARGEST_MOVE = -0.99, 5.0


def names_contracts(cells: Sequence[str]) -> bool:
    """Whether a row has the header of a column that names contracts: a quick look before `read_header`."""
    return any(_FIELDS.get(normal(cell)) in NAMES for cell in cells if cell[:1] not in _OF_NUMBERS)


_OF_NUMBERS: Final = frozenset("0123456789-+(.")
"""What no name of a column that names contracts begins with."""


def read_header(cells: Sequence[str]) -> Header:
    """A row as a header: the best column for each field and figure; what is not one is in `unknown`."""
    fields: dict[Field, int] = {}
    columns: dict[Key, Column] = {}
    texts = [normal(cell) for cell in cells]
    for i, text in enumerate(texts):
        field = _FIELDS.get(text)
        if field is not None:
            fields.setdefault(field, i)
        column = None if field is not None else _column(i, cells[i], text)
        if column is not None and _wanted(column, columns, texts):
            columns[column.key] = column
    kept = tuple(sorted(columns.values(), key=lambda column: column.index))
    used = set(fields.values()) | {column.index for column in kept}
    unknown = tuple(shown(cells[i]) for i, text in enumerate(texts) if text and i not in used)
    width = max((i + 1 for i, text in enumerate(texts) if text), default=0)
    return Header(fields, kept, unknown, width)


def _wanted(column: Column, columns: dict[Key, Column], texts: Sequence[str]) -> bool:
    """The first column of a figure is taken; a market price goes before a last one."""
    taken = columns.get(column.key)
    return taken is None or (texts[taken.index] == "last" and texts[column.index] != "last")


def _column(index: int, cell: str, text: str) -> Column | None:
    measure = _MEASURES.get(text) or _MEASURES.get(text.replace("(", "").replace(")", ""))
    if measure is not None:
        return Column(index, shown(cell), measure)
    move = _move(text)
    if move is not None:
        return Column(index, shown(cell), Measure.PNL, move)
    return _greek(index, cell, text)


def _move(text: str) -> float | None:
    found = _MOVE.match(text)
    if found is None:
        return None
    size = float(found["size"].replace(",", ".")) / 100.0
    move = round(-size if found["sign"] == "-" else size, 8)
    return move + 0.0 if SMALLEST_MOVE <= move <= LARGEST_MOVE else None


def _greek(index: int, cell: str, text: str) -> Column | None:
    words = re.findall(r"[a-z]+|[$%]", text)
    if re.search(r"[^a-z ()/.\[\]-]", text):
        return None
    named = [Measure(word) for word in words if word in {greek.value for greek in GREEKS}]
    if len(named) != 1:
        return None
    rest = set(words) - {named[0].value}
    if rest and not rest <= _OF_A_POSITION and not rest <= _OF_A_UNIT:
        return None
    says = None if not rest else Level.POSITION if rest <= _OF_A_POSITION else Level.UNIT
    return Column(index, shown(cell), named[0], says=says)


def normal(text: str) -> str:
    """A header as it is looked up: lower case, one space, plain dashes, no dots."""
    text = re.sub(r"[\u2212\u2013\u2010\u2011]", "-", text.replace("\ufeff", "").replace("\u00a0", " "))
    return (
        " ".join(text.replace("._", " ").replace("_", " ").casefold().split())
        .rstrip(":*. ")
        .replace(". ", " ")
    )


def shown(text: str) -> str:
    """A header as it is repeated to a person."""
    return " ".join(text.replace("\ufeff", "").split())[:60]
