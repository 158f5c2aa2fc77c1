"""What a contract is called in an export, in the ways Interactive Brokers writes it, as facts to look a position up by.

'SPY Aug21'26 640 PUT', 'SPY 21AUG26 640 P', 'SPY AUG 2026 640 P [SPY   260821P00640000 100]', 'SPY   260821P00640000',
'ES Sep'26', 'AAPL STK', 'AAPL@SMART'.
"""

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from engine.model import Kind, Right

LONGEST: Final = 120
_MONTHS: Final = {name.upper(): i for i, name in enumerate(calendar.month_abbr) if name}
_MON: Final = "(?P<mon>" + "|".join(_MONTHS) + ")[A-Z]{0,6}"
_YEAR: Final = r"(?P<year>20\d\d|\d\d)"
_DATES: Final = tuple(
    re.compile(rf"^(?P<symbol>\S.*?)\s+{pattern}(?![\d'])\s*(?P<rest>.*)$")
    for pattern in (
        rf"{_MON}\s*(?P<day>\d\d?)\s*,?\s*'\s*{_YEAR}",
        rf"{_MON}\s*(?P<day>\d\d?)\s*,?\s+(?P<year>20\d\d)",
        rf"(?P<day>\d\d?)\s*-?\s*{_MON}\s*-?\s*'?\s*{_YEAR}",
        r"(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)",
        r"(?P<year>20\d\d)(?P<month>\d\d)(?P<day>\d\d)",
        rf"{_MON}\s*-?\s*'?\s*{_YEAR}",
    )
)
_OSI: Final = re.compile(
    r"^(?P<root>[A-Z0-9.]{1,6})\s*(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)(?P<right>[CP])(?P<strike>\d{8})"
    r"(?:\s+(?P<multiplier>\d+))?$"
)
_STRIKE_RIGHT: Final = re.compile(
    r"^(?P<strike>\d[\d,]*(?:\.\d+)?|\.\d+)\s*(?P<right>CALLS?|PUTS?|C|P)$|"
    r"^(?P<right2>CALLS?|PUTS?|C|P)\s*(?P<strike2>\d[\d,]*(?:\.\d+)?|\.\d+)$"
)
_KIND_WORDS: Final = {
    "STK": Kind.STOCK, "STOCK": Kind.STOCK, "STOCKS": Kind.STOCK, "ETF": Kind.STOCK, "CS": Kind.STOCK,
    "FUT": Kind.FUTURE, "FUTURE": Kind.FUTURE, "FUTURES": Kind.FUTURE, "CASH": Kind.CASH, "FX": Kind.CASH,
    "BOND": Kind.BOND, "FUND": Kind.FUND, "IND": Kind.INDEX, "INDEX": Kind.INDEX,
    "OPT": Kind.OPTION, "OPTION": Kind.OPTION, "OPTIONS": Kind.OPTION, "FOP": Kind.FUTURE_OPTION,
}  # fmt: skip
_TOTAL: Final = re.compile(r"^(?:grand\s+|portfolio\s+|sub\s*-?)?total\b.*$|^portfolio$|^all\s+underlyings?$")


@dataclass(frozen=True, slots=True)
class Described:
    """What a name says of a contract; None is what it leaves open.

    Attributes:
        symbol: the first word or words: an underlying, or a trading class.
        root: the trading class, where the name has one.
        month: the first day of the expiry's month, where `expiry` is not said.
        kind: OPTION for every kind of option; None where only a symbol is said.
    """

    symbol: str
    kind: Kind | None = None
    expiry: date | None = None
    month: date | None = None
    strike: float | None = None
    right: Right | None = None
    root: str | None = None

    @property
    def is_bare(self) -> bool:
        """A symbol alone: a stock's own row, or that of an underlying's sum."""
        return self.kind is None


def is_total(name: str) -> bool:
    """Whether a row's name is that of the whole portfolio's sum."""
    return bool(_TOTAL.match(" ".join(name.casefold().split())))


def kind_of(word: str) -> Kind | None:
    """The kind that a word such as STK, OPT or 'Stock' stands for."""
    return _KIND_WORDS.get(word.strip().upper())


def described(name: str) -> Described | None:
    """What `name` says; None where it is nothing that a contract is called."""
    if len(name) > LONGEST:
        return None
    text = " ".join(name.upper().replace("’", "'").split())
    text, _, bracket = text.partition("[")
    exact = _osi(bracket.rstrip("] ")) or _osi(text.strip())
    text, root = _without_suffixes(text.strip())
    if exact is not None and not bracket:
        return exact
    symbol = _symbol(text)
    if exact is not None:
        return replace(exact, symbol=symbol)
    for pattern in _DATES:
        found = pattern.match(text)
        said = None if found is None else _dated(found, root)
        if said is not None:
            return said
    return _undated(text)


def _symbol(text: str) -> str:
    """What stands before a date, else the whole."""
    for pattern in _DATES:
        found = pattern.match(text)
        if found is not None:
            return found["symbol"]
    return text


def _without_suffixes(text: str) -> tuple[str, str | None]:
    """A description without its exchange and multiplier; the trading class where one is in parentheses."""
    text = re.sub(r"\s*@\s*[A-Z0-9.]+$", "", text)
    root = None
    for inside in re.findall(r"\(([^()]*)\)", text):
        root = inside.strip() if re.fullmatch(r"[A-Z]{1,6}", inside.strip()) else root
    return re.sub(r"\s*@\s*[A-Z0-9.]+$", "", re.sub(r"\s*\([^()]*\)", "", text)).strip(), root


def _osi(text: str) -> Described | None:
    found = _OSI.match(text)
    if found is None:
        return None
    expiry = _day(2000 + int(found["year"]), int(found["month"]), int(found["day"]))
    strike = int(found["strike"]) / 1000.0
    if expiry is None or not strike > 0.0:
        return None
    return Described(
        found["root"], Kind.OPTION, expiry, None, strike, Right(found["right"]), root=found["root"]
    )


def _dated(found: re.Match[str], root: str | None) -> Described | None:
    parts = found.groupdict()
    year = int(parts["year"])
    year += 2000 if year < 100 else 0
    month = int(parts.get("month") or _MONTHS[parts["mon"]])
    exact = parts.get("day") is not None
    day = _day(year, month, int(parts["day"]) if exact else 1)
    if day is None:
        return None
    expiry, of_month = (day, None) if exact else (None, day)
    rest = re.sub(r"\s+(?:OPT|FOP)$|^(?:OPT|FOP)\s+", "", parts["rest"].strip())
    if rest in {"", "FUT", "FUTURE", "FUTURES"}:
        return Described(parts["symbol"], Kind.FUTURE, expiry, of_month, root=root)
    option = _STRIKE_RIGHT.match(rest)
    if option is None:
        return None
    strike = float((option["strike"] or option["strike2"]).replace(",", ""))
    right = Right((option["right"] or option["right2"])[0])
    return (
        Described(parts["symbol"], Kind.OPTION, expiry, of_month, strike, right, root)
        if strike > 0.0
        else None
    )


def _undated(text: str) -> Described | None:
    """'AAPL', 'AAPL STK', 'BRK B', 'EUR.USD'."""
    words = text.split()
    if len(words) > 1:
        kind = kind_of(words[-1])
        if kind is not None and kind not in {Kind.OPTION, Kind.FUTURE_OPTION}:
            return Described(" ".join(words[:-1]), kind)
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9.&/-]*(?: [A-Z0-9.]{1,4})?", text) or len(text) > 24:
        return None
    return Described(text)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
