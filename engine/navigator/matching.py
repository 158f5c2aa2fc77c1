"""Which lines of an export are which positions of a Snapshot, which are sums, and what has no counterpart.

A contract held in several accounts is one holding, unless the export has a column of accounts.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from engine.model import SHARES, Contract, Kind, Position, Right, Settlement
from engine.navigator.descriptions import Described
from engine.navigator.export import Export, Line, Unread

LINEAR: Final = frozenset({Kind.STOCK, Kind.ETF, Kind.INDEX, Kind.BOND, Kind.FUND, Kind.CASH, Kind.OTHER})
_FUTURE_CODE: Final = re.compile(r"^(?P<root>[A-Z0-9]{1,4}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{1,2})$")
_MONTH_CODES: Final = "FGHJKMNQUVXZ"


class Of(StrEnum):
    """What a line is of."""

    HOLDING = "position"
    UNDERLYING = "underlying"
    PORTFOLIO = "total"


@dataclass(frozen=True, slots=True)
class Match:
    """A line and the positions, as indices into the Snapshot's, that its figures are of."""

    line: Line
    of: Of
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """Attributes:
    matches: lines with a counterpart, in the order of the file.
    unmatched: lines without one, and why.
    ambiguous: lines that could be several holdings, or that claim the holding of another line.
    missing: positions that no line is of, as indices; empty where the export names underlyings only.
    """

    matches: tuple[Match, ...]
    unmatched: tuple[Unread, ...]
    ambiguous: tuple[Unread, ...]
    missing: tuple[int, ...]


def match_lines(export: Export, positions: Sequence[Position]) -> Matching:
    """Find each line's positions."""
    return _Matcher(export, positions).matching()


def key_of(symbol: str) -> str:
    """A symbol as it is compared: 'BRK.B' and 'BRK B' are one."""
    return re.sub(r"[ ._/-]+", " ", symbol.upper()).strip()


_Name = tuple[str, float | None, Right | None]
"""What a contract is looked up by: what it may be called, strike and right."""


class _Matcher:
    def __init__(self, export: Export, positions: Sequence[Position]) -> None:
        self.export, self.positions = export, positions
        self.holdings: dict[Contract, list[int]] = defaultdict(list)
        self.on_underlying: dict[str, list[int]] = defaultdict(list)
        self.by_name: dict[_Name, list[Contract]] = defaultdict(list)
        for i, position in enumerate(positions):
            self.holdings[position.contract].append(i)
            self.on_underlying[key_of(position.contract.underlying)].append(i)
        for contract in self.holdings:
            for name in _names(contract):
                self.by_name[name, contract.strike, contract.right].append(contract)
        self.sums = self._lines_of_sums()
        self.by_account = len({line.account for line in export.lines if line.account}) > 1
        self.unmatched: list[Unread] = []
        self.ambiguous: list[Unread] = []

    def matching(self) -> Matching:
        found = [match for line in self.export.lines if (match := self._match(line)) is not None]
        claims = Counter((match.of, match.members) for match in found)
        kept = []
        for match in found:
            if match.of is not Of.PORTFOLIO and claims[match.of, match.members] > 1:
                rows = [one.line.row for one in found if (one.of, one.members) == (match.of, match.members)]
                others = ", ".join(str(row) for row in rows if row != match.line.row)
                self.ambiguous.append(
                    _unread(match.line, f"the same as row {others}; none of them is compared")
                )
            else:
                kept.append(match)
        taken = {i for match in found if match.of is Of.HOLDING for i in match.members}
        missing = [i for i in range(len(self.positions)) if i not in taken]
        listed = any(match.of is Of.HOLDING for match in found)
        return Matching(
            tuple(kept), tuple(self.unmatched), tuple(self.ambiguous), tuple(missing) if listed else ()
        )

    def _match(self, line: Line) -> Match | None:
        if line.contract is None:
            return self._of_all(line) if line.figures else None
        if line.row in self.sums:
            return self._of_underlying(line, line.contract) if line.figures else None
        found = self._candidates(line.contract)
        if not found and line.contract.is_bare:
            members = self._on_underlying(line.contract)
            if members:
                return Match(line, Of.UNDERLYING, members) if line.figures else None
        if not line.figures:
            return None
        if not found:
            self.unmatched.append(_unread(line, "is not held in the snapshot"))
            return None
        if len(found) > 1:
            names = ", ".join(contract.label for contract in found[:4])
            self.ambiguous.append(_unread(line, f"could be {names}"))
            return None
        members = self._of_account(line, tuple(self.holdings[found[0]]))
        if not members:
            self.unmatched.append(_unread(line, f"is not held in account {line.account}"))
            return None
        return Match(line, Of.HOLDING, members)

    def _of_account(self, line: Line, members: tuple[int, ...]) -> tuple[int, ...]:
        if not self.by_account or line.account is None:
            return members
        return tuple(i for i in members if (self.positions[i].account or "").upper() == line.account.upper())

    def _of_all(self, line: Line) -> Match | None:
        if self.positions:
            return Match(line, Of.PORTFOLIO, tuple(range(len(self.positions))))
        self.unmatched.append(_unread(line, "nothing is held in the snapshot"))
        return None

    def _of_underlying(self, line: Line, contract: Described) -> Match | None:
        members = self._on_underlying(contract)
        if members:
            return Match(line, Of.UNDERLYING, members)
        self.unmatched.append(_unread(line, "nothing on it is held in the snapshot"))
        return None

    def _on_underlying(self, contract: Described) -> tuple[int, ...]:
        return tuple(self.on_underlying.get(key_of(contract.symbol), ()))

    def _lines_of_sums(self) -> set[int]:
        """Rows that are sums of an underlying: named so by their column or by the rows set in below, or the first of two that
        name a symbol alone, or all such where the export names underlyings only."""
        lines = self.export.lines
        bare = [
            (i, line) for i, line in enumerate(lines) if line.contract is not None and line.contract.is_bare
        ]
        twice = Counter(key_of(line.contract.symbol) for _, line in bare if line.contract is not None)
        sums: set[int] = set()
        seen: set[str] = set()
        least = math.inf
        for i, line in bare:
            assert line.contract is not None
            symbol = key_of(line.contract.symbol)
            below = lines[i + 1] if i + 1 < len(lines) else None
            parent = below is not None and below.contract is not None and below.indent > line.indent
            inside, least = least < line.indent, min(least, line.indent)
            first = twice[symbol] > 1 and symbol not in seen
            only_underlyings = not self.export.instruments and not inside and symbol not in seen
            if line.of_underlying or parent or (not inside and (first or only_underlyings)):
                sums.add(line.row)
            seen.add(symbol)
        return sums

    def _candidates(self, said: Described) -> list[Contract]:
        """The holdings that a description fits."""
        named = self._named(said)
        fitting = [contract for contract in named if _fits(said, contract)]
        if (
            said.kind is Kind.FUTURE and said.month is not None
        ):  # both may be meant; two of them are ambiguous
            before = [
                one for one in named if one.kind is Kind.FUTURE and _month_after(one.expiry) == said.month
            ]
            fitting += [one for one in before if one not in fitting]
        if len(fitting) > 1 and said.root is not None:
            fitting = [one for one in fitting if key_of(one.symbol) == key_of(said.root)] or fitting
        if len(fitting) > 1 and said.expiry is None and said.month is None and said.kind is None:
            fitting = [one for one in fitting if one.kind is not Kind.CASH] or fitting
        return fitting or self._by_other_dates(said, named)

    def _named(self, said: Described) -> list[Contract]:
        """The holdings of a description's symbol or trading class, and of an option its strike and right."""
        names = dict.fromkeys((key_of(said.symbol), key_of(said.root or said.symbol)))
        found = (self.by_name.get((name, said.strike, said.right), ()) for name in names)
        return list(dict.fromkeys(one for contracts in found for one in contracts))

    def _by_other_dates(self, said: Described, named: Iterable[Contract]) -> list[Contract]:
        """What settles at the open stops trading a day before; a future may be called by its code."""
        if said.kind is Kind.OPTION and said.expiry is not None:
            day = said.expiry + timedelta(days=1)
            return [
                one
                for one in named
                if one.is_option and one.settlement is Settlement.AM and one.expiry == day
            ]
        return _by_code(said, self.holdings) if said.is_bare else []


def _names(contract: Contract) -> set[str]:
    """What a contract may be called, as `key_of` writes it."""
    names = {key_of(contract.symbol), key_of(contract.underlying)}
    return names | {key_of(f"{contract.symbol} {contract.currency}")} if contract.kind is Kind.CASH else names


def _fits(said: Described, contract: Contract) -> bool:
    """Whether a contract of the description's name is what it says."""
    if said.kind is Kind.OPTION:
        return contract.is_option and _same_date(said, contract)
    if said.kind is Kind.FUTURE:
        return contract.kind is Kind.FUTURE and _same_date(said, contract)
    if said.kind is Kind.STOCK:
        return contract.kind in SHARES
    return contract.kind in LINEAR and said.kind in {None, contract.kind}


def _same_date(said: Described, contract: Contract) -> bool:
    if contract.expiry is None:
        return False
    if said.expiry is not None:
        return contract.expiry == said.expiry
    return said.month is not None and contract.expiry.replace(day=1) == said.month


def _month_after(day: date | None) -> date | None:
    return None if day is None else (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _by_code(said: Described, held: Iterable[Contract]) -> list[Contract]:
    """The futures among `held` that a local symbol such as ESU6 names."""
    found = _FUTURE_CODE.match(said.symbol)
    if found is None:
        return []
    month, year = _MONTH_CODES.index(found["month"]) + 1, found["year"]
    return [
        one
        for one in held
        if one.kind is Kind.FUTURE
        and one.expiry is not None
        and key_of(one.underlying) == found["root"]
        and one.expiry.month == month
        and str(one.expiry.year).endswith(year)
    ]


def _unread(line: Line, why: str) -> Unread:
    return Unread(line.row, line.name[:60], why)
