"""One cell of an export as a number: thousands, parentheses, trailing signs, percent, currencies, K and M, and what means none.

Every number comes with half a unit of its last digit, so that what was rounded for a screen is compared as rounded.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

NONE_WORDS: Final = frozenset(
    {"", "-", "--", "---", "n/a", "na", "n.a.", "none", "null", "nan", "?", "…", "..."}
)
"""How an export writes 'no value'."""
_CURRENCY: Final = r"(?:[A-Z]{3}|US\$|HK\$|C\$|A\$|[$€£¥₹])"
_NUMBER: Final = re.compile(
    rf"^(?P<open>\()?\s*(?P<sign>[-+])?\s*(?:{_CURRENCY}\s*)?(?P<sign2>[-+])?\s*(?P<open2>\()?\s*"
    r"(?P<digits>[0-9][0-9.,' ]*|[.,][0-9]+)(?P<exponent>[eE][-+]?[0-9]{1,3})?\s*"
    rf"(?P<unit>[kKmMbB])?\s*(?P<percent>%)?\s*(?:{_CURRENCY})?\s*(?P<close>\))?\s*(?P<trailing>[-+])?\s*$"
)
_UNITS: Final = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_SPACES: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "−": "-", "–": "-", "’": "'"})
_LONGEST: Final = 60
_DOT_DECIMAL: Final = re.compile(r",\d{3}\.\d|^[-+(]?\d*\.(?:\d{1,2}|\d{4,})(?!\d)|^[-+(]?0?\.\d+")
_COMMA_DECIMAL: Final = re.compile(r"\.\d{3},\d|^[-+(]?\d*,(?:\d{1,2}|\d{4,})(?!\d)|^[-+(]?0?,\d+")


LARGEST: Final = 1e15
"""No figure of an account is so large; the broker's mark for 'no value' is."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as printed. `half_unit` is half of its last digit's place; a percentage is a decimal and says so; `short` says
    that it was shortened by a K, an M or an exponent."""

    value: float
    half_unit: float
    percent: bool = False
    short: bool = False


def is_none(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return plain(text).casefold() in NONE_WORDS


def plain(text: str) -> str:
    """A cell without odd spaces, dashes and the marks that keep a spreadsheet from calculating it."""
    text = text.translate(_SPACES).strip().removeprefix("'").strip()
    return text[2:-1].strip() if text.startswith('="') and text.endswith('"') else text


def decimal_comma(cells: Iterable[str]) -> bool:
    """Whether numbers are written 1.234,56: more cells can only be read so than can only be read as 1,234.56."""
    commas = dots = 0
    for cell in cells:
        text = plain(cell)[:_LONGEST]
        commas += bool(_COMMA_DECIMAL.search(text))
        dots += bool(_DOT_DECIMAL.search(text))
    return commas > dots


def number(text: str, comma: bool = False) -> Number | None:
    """The number of a cell that is not `is_none`; None for what is not a number.

    Args:
        comma: decimals are written with a comma.
    """
    text = plain(text)
    found = _NUMBER.match(text) if len(text) <= _LONGEST else None
    if found is None or bool(found["open"] or found["open2"]) != bool(found["close"]):
        return None
    digits = _digits(found["digits"].strip(), comma)
    signs = [sign for sign in (found["sign"], found["sign2"], found["trailing"]) if sign]
    if digits is None or len(signs) + bool(found["close"]) > 1:
        return None
    scale = _UNITS[(found["unit"] or "").lower()] * (0.01 if found["percent"] else 1.0)
    exponent = int((found["exponent"] or "e0")[1:])
    value = float(f"{digits}e{exponent}") * scale
    if not value < LARGEST:
        return None
    places = len(digits.partition(".")[2]) - exponent
    negative = bool(found["close"]) or signs == ["-"]
    half_unit = 0.5 * 10.0 ** min(-places, 300) * scale
    short = bool(found["unit"] or found["exponent"])
    return Number(-value if negative else value, half_unit, bool(found["percent"]), short)


def _digits(text: str, comma: bool) -> str | None:
    """The digits with a point as decimal sign and without separators of thousands; None where those are out of place."""
    point, thousands = (",", ".") if comma else (".", ",")
    whole, found, decimals = text.partition(point)
    if not re.fullmatch(r"\d*", decimals) or (not whole and not decimals):
        return None
    separators = set(re.sub(r"\d", "", whole))
    if len(separators) > 1 or separators - {thousands, "'", " "}:
        return None
    if separators and not re.fullmatch(r"\d{1,3}(?:.\d{3})+", whole):
        return None
    return re.sub(r"\D", "", whole or "0") + (f".{decimals}" if found else "")
