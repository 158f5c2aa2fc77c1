"""What can be made to happen to the market, and how the command line says it: `crash@60s`."""

import math
import re
from dataclasses import dataclass, field

_FORM = re.compile(r"(?P<name>[a-z]+)@(?P<count>\d{1,6}(?:\.\d+)?)(?P<unit>[sm])")
_CRASH_LASTS_S = 5.0


@dataclass(frozen=True, slots=True)
class Event:
    """A crash `after_s` seconds from the start of listening."""

    name: str
    after_s: float
    lasts_s: float = _CRASH_LASTS_S


@dataclass(slots=True)
class Crash:
    """A fall under way. `spot` is the simple return, `volatility` the log rise, in all."""

    spot: float
    volatility: float
    began: float
    seconds: float
    done: float = field(default=0.0, init=False)

    @property
    def is_over(self) -> bool:
        return self.done >= 1.0

    def part(self, now: float) -> tuple[float, float]:
        """The return and the rise that are due since the last call (`now` in epoch seconds)."""
        progress = min(1.0, max(0.0, (now - self.began) / self.seconds)) if self.seconds > 0 else 1.0
        share, self.done = progress - self.done, progress
        return math.expm1(share * math.log1p(self.spot)), share * self.volatility


def parse_event(text: str) -> Event:
    """An event from `NAME@TIME`, the time in s or m.

    Raises:
        ValueError: If the text has another form or names an event that does not exist.
    """
    match = _FORM.fullmatch(text)
    if match is None or match["name"] != "crash":
        raise ValueError(f"event {text!r} is not known; an example that works: crash@60s")
    return Event(match["name"], float(match["count"]) * (60 if match["unit"] == "m" else 1))
