"""What the gateway says of its own connections: to the broker (1100 …) and to the data farms (2103 …), turned into a state, and
into what must be done about it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from engine.broker.facts import Notice

LOST: Final = frozenset({1100, 2110})
RESTORED_WITHOUT_DATA: Final = 1101
RESTORED: Final = 1102
RESET: Final = 1300
FARM_DOWN: Final = {2103: "market data", 2105: "history", 2157: "contract definitions"}
FARM_UP: Final = {
    2104: "market data", 2108: "market data", 2106: "history", 2107: "history", 2158: "contract definitions",
}  # fmt: skip
COMPETING: Final = 10197
ACCOUNT_TAKEN: Final = frozenset({2100, 2101})
TOO_FAST: Final = frozenset({0, 100})
CONNECTING: Final = 2119
ALL_IS_WELL: Final = frozenset(FARM_UP) | {CONNECTING, RESTORED}
DOUBTED_FOR: Final = timedelta(minutes=2)
TOLD_FOR: Final = timedelta(minutes=5)
"""So long a passing trouble is named after its last notice."""


class Remedy(StrEnum):
    """What a notice asks for."""

    SUBSCRIBE_AGAIN = "subscribe again"
    CHECK_STREAMS = "check the streams"
    ACCOUNT_AGAIN = "ask for the account again"
    LOG_IN_AGAIN = "log in again"


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that is wrong, in words, and what riskbot does about it. `blinds`: what is seen may not be the present."""

    text: str
    since: datetime
    does: str
    blinds: bool = False


class Upstream:
    """The state of everything behind the gateway. `hear` takes its notices in the order of their coming."""

    def __init__(self) -> None:
        self._lost: datetime | None = None
        self._restored: datetime | None = None
        self._farms: dict[tuple[str, str], datetime] = {}
        self._competing: datetime | None = None
        self._competing_last: datetime | None = None
        self._taken: datetime | None = None
        self._fast: datetime | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the gateway has lost the broker."""
        return self._lost is not None

    def doubts_definitions(self, at: datetime) -> bool:
        """Whether "no security definition" may be said of contracts that exist: while their farm or the broker is away, and for
        a while after."""
        if self.is_lost or any(kind == "contract definitions" for kind, _ in self._farms):
            return True
        return self._restored is not None and at - self._restored <= DOUBTED_FOR

    def hear(self, notice: Notice, at: datetime) -> Remedy | None:
        """Take one notice, heard `at`; what it asks for."""
        code = notice.code
        if code in LOST:
            self._lost = self._lost or at
        elif code in {RESTORED, RESTORED_WITHOUT_DATA}:
            self._lost, self._restored = None, at
            still_down = notice.text.partition("not connected:")[2]
            self._farms = {key: since for key, since in self._farms.items() if key[1] in still_down}
            return Remedy.CHECK_STREAMS if code == RESTORED else Remedy.SUBSCRIBE_AGAIN
        elif code == RESET:
            return Remedy.LOG_IN_AGAIN
        elif code in FARM_DOWN:
            self._farms.setdefault((FARM_DOWN[code], _farm(notice.text)), at)
        elif code in FARM_UP:
            was_down = self._farms.pop((FARM_UP[code], _farm(notice.text)), None)
            if was_down is not None:
                self._restored = at
            if was_down is not None and FARM_UP[code] == "market data":
                return Remedy.CHECK_STREAMS
        elif code == COMPETING:
            self._competing, self._competing_last = self._competing or at, at
        elif code in ACCOUNT_TAKEN:
            self._taken = at
            return Remedy.ACCOUNT_AGAIN
        elif code in TOO_FAST:
            self._fast = at
        return None

    def quotes_came(self) -> None:
        """Live quotes flow: no other session holds the data."""
        self._competing = None

    def reasons(self, now: datetime) -> tuple[Reason, ...]:
        """What is wrong behind the gateway, worst first."""
        found: list[Reason] = []
        if self._lost is not None:
            found.append(
                Reason(
                    "the gateway has lost its connection to Interactive Brokers",
                    self._lost,
                    "everything is unknown until it is back; then riskbot checks each stream",
                    blinds=True,
                )
            )
        for (kind, farm), since in sorted(self._farms.items()):
            text = f"the broker's {kind} farm {farm} is down"
            does = "riskbot checks the streams when it is back"
            found.append(Reason(text, since, does, blinds=kind == "market data"))
        if self._competing is not None and self._competing_last is not None:
            if now - self._competing_last > TOLD_FOR:
                self._competing = None
            else:
                text = "another login of this user holds the market data"
                does = "riskbot asks again each half minute; the portfolio's marks are used meanwhile"
                found.append(Reason(text, self._competing, does, blinds=True))
        if self._taken is not None and now - self._taken <= TOLD_FOR:
            text = "another program took over the account's updates"
            found.append(Reason(text, self._taken, "riskbot has asked for them again"))
        if self._fast is not None and now - self._fast <= TOLD_FOR:
            text = "the gateway says that riskbot asks too fast"
            does = "riskbot sends at most 40 messages in a second; look for another program on its client id"
            found.append(Reason(text, self._fast, does))
        return tuple(found)


def _farm(text: str) -> str:
    """The farm's name at the end of a notice: after a colon, or after the last full stop."""
    match = re.search(r"[:.]\s*([\w.-]+?)\s*$", text)
    return match[1] if match else "?"
