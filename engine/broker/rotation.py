"""Who has a market data line when there are more options than lines.

Underlyings, futures and stocks always have theirs. The riskiest options keep theirs too, as far as half of the remaining lines
go; the others take turns. A turn lasts until a quote and the broker's model have come, or VISIT_S. The next turn goes to the
one that has waited longest, measured against how long its like should wait.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

VISIT_S: Final = 10.0
RISKIEST: Final = 20
"""So many are to be seen within RISKIEST_WITHIN_S."""
RISKIEST_WITHIN_S: Final = 40.0
SHORT_DTE: Final = 7
SHORT_WITHIN_S: Final = 120.0
OTHERS_WITHIN_S: Final = 240.0
TURNS_A_SECOND: Final = 12.0
"""A turn is two messages; the rest of the pace is for everything else."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An option that wants a line: how much it matters (any scale, 0 where unknown), and calendar days to its expiry."""

    con_id: int
    risk: float = 0.0
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Lines to close, then lines to open, as con_ids."""

    close: tuple[int, ...]
    open: tuple[int, ...]


@dataclass(slots=True)
class _Visit:
    since: float
    quoted: bool = False
    modelled: bool = False

    def is_over(self, now: float) -> bool:
        return (self.quoted and self.modelled) or now - self.since >= VISIT_S


class Rotation:
    """The options' share of the lines. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._pinned: frozenset[int] = frozenset()
        self._riskiest: frozenset[int] = frozenset()
        self._visits: dict[int, _Visit] = {}
        self._seen: dict[int, float] = {}
        self._tried: dict[int, float] = {}
        self._allowance = 0.0
        self._at: float | None = None

    def want(self, turns: Iterable[Turn]) -> None:
        """Make these the options that want a line; what is known of those that stay is kept."""
        self._turns = {turn.con_id: turn for turn in turns}
        for times in (self._seen, self._tried):
            for con_id in times.keys() - self._turns.keys():
                del times[con_id]

    def quoted(self, con_id: int, now: float) -> None:
        """Bid or ask spoke on its line."""
        self._seen[con_id] = now
        if con_id in self._visits:
            self._visits[con_id].quoted = True

    def modelled(self, con_id: int) -> None:
        """The broker's model spoke on its line."""
        if con_id in self._visits:
            self._visits[con_id].modelled = True

    def closed(self, con_id: int) -> None:
        """Its line was refused: its turn is over."""
        self._visits.pop(con_id, None)

    def unseen_for(self, now: float) -> Mapping[int, float]:
        """Seconds since each option's last quote; +inf where there was none."""
        return {con_id: now - self._seen.get(con_id, -float("inf")) for con_id in self._turns}

    def plan(self, room: int, now: float) -> Plan:
        """What to close and to open with `room` lines for options; the plan counts as carried out."""
        gone = [con_id for con_id in self._visits if con_id not in self._turns]
        self._rank(room)
        close, room = list(gone), max(room, 0)
        waiting = sorted(
            (turn for con_id, turn in self._turns.items() if con_id not in self._visits),
            key=lambda turn: self._urgency(turn, now),
            reverse=True,
        )
        turns = self._afford(room, now)
        over = [
            con_id
            for con_id, visit in self._visits.items()
            if con_id in self._turns and con_id not in self._pinned and visit.is_over(now)
        ]
        over.sort(key=lambda con_id: self._urgency(self._turns[con_id], now))
        free = room - (len(self._visits) - len(gone))
        if free < 0:  # fewer lines than before: those that matter least go, whether done or not
            held = [con_id for con_id in self._visits if con_id in self._turns]
            held.sort(key=lambda con_id: (con_id in self._pinned, self._turns[con_id].risk))
            close += held[:-room] if room else held
            over, free = [], 0
        opening = waiting[: min(turns, free + len(over))]
        close += over[: max(0, len(opening) - free)]
        for con_id in close:
            self._visits.pop(con_id, None)
            if con_id in self._turns:
                self._tried[con_id] = now
        for turn in opening:
            self._visits[turn.con_id] = _Visit(now)
        self._allowance -= len(opening)
        return Plan(tuple(close), tuple(turn.con_id for turn in opening))

    def _rank(self, room: int) -> None:
        by_risk = sorted(self._turns.values(), key=lambda turn: turn.risk, reverse=True)
        risky = [turn.con_id for turn in by_risk[:RISKIEST] if turn.risk > 0.0]
        self._riskiest = frozenset(risky)
        self._pinned = frozenset(self._turns if len(self._turns) <= room else risky[: max(room // 2, 0)])

    def _afford(self, room: int, now: float) -> int:
        """How many turns may begin now: all at first, and while nobody has to wait for another."""
        if self._at is None or len(self._turns) <= room:
            self._allowance = float(room)
        else:
            self._allowance = min(self._allowance + TURNS_A_SECOND * (now - self._at), TURNS_A_SECOND)
        self._at = now
        return int(self._allowance)

    def _urgency(self, turn: Turn, now: float) -> tuple[float, float]:
        never = -float("inf")
        waited = now - max(self._seen.get(turn.con_id, never), self._tried.get(turn.con_id, never))
        if turn.con_id in self._riskiest:
            within = RISKIEST_WITHIN_S
        elif turn.days is not None and turn.days <= SHORT_DTE:
            within = SHORT_WITHIN_S
        else:
            within = OTHERS_WITHIN_S
        return waited / within, turn.risk
