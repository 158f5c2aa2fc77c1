"""What a custom scenario says, as values: who moves and by how much, what implied volatility does where, and when more.

Clauses are kept in one order whatever order they were written in, so that the same words give the same numbers to the bit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from engine.model import Bools, Floats
from engine.scenarios.shapes import time_betas, wing_weights


class Wing(StrEnum):
    """Which strikes a clause is about (D2)."""

    ALL = "iv"
    PUTS = "puts"
    MONEY = "money"
    CALLS = "calls"


PARTS = (Wing.PUTS, Wing.MONEY, Wing.CALLS)


@dataclass(frozen=True, slots=True)
class IvClause:
    """A change of volatility: `relative` is a share of sigma, `points` a number of vol points as a decimal (0.05 is five).

    `dte` is the first and the last day to expiry it is for, None for all.
    """

    wing: Wing
    relative: float = 0.0
    points: float = 0.0
    dte: tuple[int, int] | None = None

    @property
    def rank(self) -> tuple[bool, bool, Wing, tuple[int, int]]:
        """General before particular: a wing beats `iv`, and days to expiry beat none."""
        return (self.wing is not Wing.ALL, self.dte is not None, self.wing, self.dte or (0, 0))

    def clashes(self, other: "IvClause") -> bool:
        """Whether both claim the same strikes and days with the same rank."""
        if self.wing is not other.wing or (self.dte is None) is not (other.dte is None):
            return False
        if self.dte is None or other.dte is None:
            return True
        return self.dte[0] <= other.dte[1] and other.dte[0] <= self.dte[1]


@dataclass(frozen=True, slots=True)
class Rule:
    """Where the stated move of spot is beyond `threshold`, `then` comes on top. `falls` says which side is beyond."""

    falls: bool
    threshold: float
    then: IvClause

    @property
    def rank(self) -> tuple[object, ...]:
        return (self.falls, self.threshold, self.then.rank, self.then.relative, self.then.points)

    def holds(self, move: float) -> bool:
        return move < self.threshold if self.falls else move > self.threshold


@dataclass(frozen=True, slots=True)
class Part:
    """What is said of one symbol, or of all: a move of spot as a decimal, None where none is said, and IV clauses by rank."""

    spot: float | None = None
    iv: tuple[IvClause, ...] = ()


@dataclass(frozen=True, slots=True)
class Custom:
    """A custom scenario.

    Attributes:
        named: (symbol, part), by symbol; what is named moves by the percentage as written.
        rest: what the others do, by the spot model; None: they neither move nor age.
        inherits: named symbols take from `rest` what is not said of them.
        days: calendar days that pass.
        by_right: puts and calls are the contract's own type, not the wing of its strike.
        scaled: IV clauses are scaled by time beta, as the templates' wings are (D3).
        spot_model: for this scenario alone; None: the configured one.
        rules: by rank.
    """

    named: tuple[tuple[str, Part], ...] = ()
    rest: Part | None = None
    inherits: bool = False
    days: int = 0
    by_right: bool = False
    scaled: bool = False
    spot_model: str | None = None
    rules: tuple[Rule, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(symbol for symbol, _ in self.named)

    @property
    def note(self) -> str | None:
        """What a reader must know of whom it moves."""
        return f"moves {', '.join(self.symbols)} alone" if self.rest is None else None


@dataclass(frozen=True, slots=True, eq=False)
class Strikes:
    """Where volatility is asked for, columns (n,): moneyness, whole days to expiry, and the right where it matters."""

    moneyness: Floats
    dte: Floats
    is_put: Bools
    is_call: Bools
    wing_at: float

    @classmethod
    def at_the_money(cls, dte: Floats, wing_at: float) -> "Strikes":
        """At-the-money volatility of `dte` days; it belongs to neither right."""
        neither = np.zeros(len(dte), dtype=np.bool_)
        return cls(np.ones(len(dte)), dte, neither, neither, wing_at)


def iv_change(
    clauses: Iterable[IvClause], extra: Iterable[IvClause], strikes: Strikes, *, by_right: bool, scaled: bool
) -> tuple[Floats, Floats]:
    """The relative change of sigma and the change in points (decimals), each (n,).

    Of `clauses`, sorted by rank, the last that fits counts; each of `extra` is added. Between the wings both are linear.
    """
    n = len(strikes.dte)
    by_part = {part: np.zeros((2, n)) for part in PARTS}
    for clause in clauses:
        for part, change in by_part.items():
            if clause.wing in (Wing.ALL, part):
                change[:, _covered(clause, strikes.dte)] = [[clause.relative], [clause.points]]
    for clause in extra:
        for part, change in by_part.items():
            if clause.wing in (Wing.ALL, part):
                change[:, _covered(clause, strikes.dte)] += [[clause.relative], [clause.points]]
    puts, money, calls = (by_part[part] for part in PARTS)
    in_put, in_call = wing_weights(strikes.moneyness, strikes.wing_at)
    if by_right:
        in_put, in_call = strikes.is_put.astype(np.float64), strikes.is_call.astype(np.float64)
    change = money + in_put * (puts - money) + in_call * (calls - money)
    if scaled:
        change = change * time_betas(strikes.dte)
    return change[0], change[1]


def _covered(clause: IvClause, dte: Floats) -> Bools:
    if clause.dte is None:
        return np.ones(len(dte), dtype=np.bool_)
    return np.asarray((dte >= clause.dte[0]) & (dte <= clause.dte[1]))
