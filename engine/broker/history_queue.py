"""Which daily bars to ask for next, and when: the broker's limits on historical requests, as a value that time is told to.

The rules (documented by IBKR as pacing limits; the daily total is a design limit of ours, since daily bars have been seen to pass
faster): few requests open at once, none the same as one of the last 15 s, fewer than six of one contract in 2 s, sixty in any
10 minutes. After "pacing violation" nothing is asked for 10 minutes.

Nothing here awaits or reads a clock. `at` is in monotonic seconds.
"""

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from engine.broker.facts import BarsFact, ContractFact, DailyBar, End, Notice

log = logging.getLogger(__name__)

TRADES: Final = "TRADES"
IMPLIED: Final = "OPTION_IMPLIED_VOLATILITY"
HISTORICAL: Final = "HISTORICAL_VOLATILITY"
ALL: Final = (TRADES, IMPLIED, HISTORICAL)
"""What is asked for, most needed first."""
VOLATILITIES: Final = frozenset({IMPLIED, HISTORICAL})

MOST_OPEN: Final = 4
"""The gateway's limit is 50."""
SAME_AFTER_S: Final = 16.0
CONTRACT_WINDOW_S: Final = 3.0
MOST_OF_CONTRACT: Final = 5
"""Six within the window is a violation."""
WINDOW_S: Final = 610.0
"""The three are a little longer than the rules: what counts is when requests arrive, not when they leave."""
MOST_IN_WINDOW: Final = 60
PACING_PAUSE_S: Final = 600.0
FINAL_FOR_S: Final = 86_400.0
FIRST_RETRY_S: Final = 60.0
LAST_RETRY_S: Final = 3_600.0
NEVER: Final = float("inf")

SCALE: Final = (0.01, 5.0)
"""A volatility outside is not a decimal per year, whatever it is."""
RESTATED: Final = 0.01
"""A stored close that the broker now gives with more than this relative difference: a split; the series is asked for anew."""

WHOLE_SERIES: Final = "2 Y"
DURATIONS: Final = ((28, "1 M"), (180, "6 M"), (365, "1 Y"))
"""Calendar days that each of the broker's durations covers at least."""
LONGEST_IN_DAYS: Final = 20

_FINAL_TEXT: Final = (
    "no data", "no market data permissions", "no historical market data", "not subscribed", "requires additional subscription",
    "error validating request",
)  # fmt: skip
_PACING_TEXT: Final = ("pacing violation", "simultaneous api historical data requests")


class Verdict(StrEnum):
    """What a refusal means for the next try."""

    PACING = "pacing"
    FINAL = "final for the day"
    LATER = "later"


def verdict(notice: Notice) -> Verdict:
    """What to do about a refusal, by its text: the codes 162, 321 and 322 each stand for several things.

    A missing security definition (200) is not final: it comes falsely for requests that were under way when connectivity broke.
    """
    text = notice.text.lower()
    if any(part in text for part in _PACING_TEXT):
        return Verdict.PACING
    if any(part in text for part in _FINAL_TEXT):
        return Verdict.FINAL
    return Verdict.LATER


def duration(today: date, stored: date | None) -> str:
    """The shortest duration of the broker, counted back from `today`, that reaches the last stored day; two years without one."""
    if stored is None:
        return WHOLE_SERIES
    days = (today - stored).days + 1
    if days <= LONGEST_IN_DAYS:
        return f"{max(days, 1)} D"
    return next((text for covered, text in DURATIONS if days <= covered), WHOLE_SERIES)


def sound(what: str, bars: Iterable[DailyBar], until: date) -> tuple[list[DailyBar], int]:
    """The bars of finished sessions, up to `until`, that can be what they say they are; and how many can't.

    A price must be above zero, a volatility within `SCALE`.
    """
    low, high = SCALE if what in VOLATILITIES else (0.0, NEVER)
    finished = [bar for bar in bars if bar.day <= until]
    kept = [
        bar
        for bar in finished
        if all(low <= value <= high and value > 0.0 for value in (bar.open, bar.high, bar.low, bar.close))
    ]
    return kept, len(finished) - len(kept)


@dataclass(frozen=True, slots=True)
class Series:
    """One series of daily bars: a symbol and the broker's word for what is asked of it."""

    symbol: str
    what: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that may go out now."""

    series: Series
    contract: ContractFact
    duration: str


@dataclass(slots=True)
class _State:
    contract: ContractFact
    weight: float
    open: bool = False
    failures: int = 0
    not_before: float = -NEVER


@dataclass(slots=True)
class Pacing:
    """When the next request may leave, from those that have left."""

    _sent: deque[float] = field(default_factory=deque)
    _by_contract: dict[str, deque[float]] = field(default_factory=dict)
    _same: dict[tuple[Series, str], float] = field(default_factory=dict)
    _paused_until: float = -NEVER

    def pause(self, at: float) -> None:
        """The gateway has called a pacing violation."""
        self._paused_until = at + PACING_PAUSE_S

    def all_wait_s(self, at: float) -> float:
        """Seconds until any request may leave."""
        full = len(self._sent) >= MOST_IN_WINDOW and self._sent[-MOST_IN_WINDOW] + WINDOW_S > at
        window = self._sent[-MOST_IN_WINDOW] + WINDOW_S - at if full else 0.0
        return max(0.0, window, self._paused_until - at)

    def wait_s(self, ask: Ask, at: float) -> float:
        """Seconds until `ask` may leave, as far as its contract and its equals are concerned."""
        of_contract = self._by_contract.get(ask.series.symbol, deque[float]())
        crowded = of_contract[0] + CONTRACT_WINDOW_S - at if len(of_contract) >= MOST_OF_CONTRACT else 0.0
        again = self._same.get((ask.series, ask.duration), -NEVER) + SAME_AFTER_S - at
        return max(0.0, crowded, again)

    def sent(self, ask: Ask, at: float) -> None:
        """`ask` leaves now."""
        self._sent.append(at)
        while len(self._sent) > MOST_IN_WINDOW:
            self._sent.popleft()
        self._by_contract.setdefault(ask.series.symbol, deque(maxlen=MOST_OF_CONTRACT)).append(at)
        self._same = {key: when for key, when in self._same.items() if when + SAME_AFTER_S > at}
        self._same[ask.series, ask.duration] = at


class Queue:
    """The series that are wanted, how far each is stored, and which one is asked for next.

    It outlives a login: limits and refusals are the account's, not the socket's.
    """

    def __init__(self) -> None:
        self.pacing = Pacing()
        self._states: dict[Series, _State] = {}
        self._wanted: frozenset[Series] = frozenset()
        self._stored: dict[Series, date] = {}

    def have(self, stored: Mapping[Series, date]) -> None:
        """The last stored day of each series, as the database has it."""
        self._stored = dict(stored)

    def want(self, contracts: Mapping[str, ContractFact], weights: Mapping[str, float]) -> None:
        """Make the series of these contracts, by symbol, the wanted ones; the largest weight goes first.

        What is no longer wanted keeps its refusals: a login begins without positions.
        """
        wanted = {Series(symbol, what): contract for symbol, contract in contracts.items() for what in ALL}
        self._wanted = frozenset(wanted)
        for series, contract in wanted.items():
            weight = weights.get(series.symbol, 0.0)
            state = self._states.setdefault(series, _State(contract, weight))
            state.contract, state.weight = contract, weight

    @property
    def open(self) -> int:
        """How many requests are open."""
        return sum(state.open for state in self._states.values())

    def missing(self, session: date) -> list[Series]:
        """The series that are not stored up to `session`, the day of the last finished session, in order of need."""
        behind = [series for series in self._wanted if self._stored.get(series, date.min) < session]
        return sorted(behind, key=self._rank)

    def next(self, at: float, today: date, session: date) -> Ask | float:
        """The request to send now, noted as sent and open; else the seconds until there may be one, `NEVER` where only an
        answer or a new session can bring one.

        `session` is the day of the last finished session.
        """
        if self.open >= MOST_OPEN:
            return NEVER
        soonest = NEVER
        for series in self.missing(session):
            state = self._states[series]
            if state.open:
                continue
            ask = Ask(series, state.contract, duration(today, self._stored.get(series)))
            wait = max(state.not_before - at, self.pacing.wait_s(ask, at), self.pacing.all_wait_s(at))
            if wait <= 0.0:
                state.open = True
                self.pacing.sent(ask, at)
                return ask
            soonest = min(soonest, wait)
        return soonest

    def answered(self, ask: Ask, newest: date | None, session: date, at: float) -> None:
        """The answer is stored and `newest` its last day; one that does not reach `session` is asked for again later."""
        state = self._states[ask.series]
        state.open = False
        if newest is not None:
            self._stored[ask.series] = max(newest, self._stored.get(ask.series, newest))
        if self._stored.get(ask.series, date.min) >= session:
            state.failures = 0
        else:
            self._later(state, at)

    def restated(self, ask: Ask) -> None:
        """The broker has changed the past of this series: ask for all of it."""
        self._states[ask.series].open = False
        self._stored.pop(ask.series, None)

    def failed(self, ask: Ask, fact: BarsFact, at: float) -> None:
        """No answer: refused, late, or lost with the socket."""
        state = self._states[ask.series]
        state.open = False
        why = verdict(fact.refusal) if fact.end is End.REFUSED and fact.refusal is not None else Verdict.LATER
        if why is Verdict.PACING:
            self.pacing.pause(at)
        elif why is Verdict.FINAL:
            state.not_before = at + FINAL_FOR_S
        else:
            self._later(state, at)
        log.info(
            "%s of %s: %s; %s",
            ask.series.what,
            ask.series.symbol,
            fact.refusal.text if fact.refusal else fact.end,
            why,
        )

    def dropped(self, ask: Ask, at: float) -> None:
        """The request was given up: the login ends, or its answer could not be stored."""
        state = self._states[ask.series]
        state.open = False
        self._later(state, at)

    def _later(self, state: _State, at: float) -> None:
        state.failures += 1
        state.not_before = at + min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(state.failures - 1, 10))

    def _rank(self, series: Series) -> tuple[int, float, str]:
        return ALL.index(series.what), -self._states[series].weight, series.symbol
