"""A message on its way, stored or not: what its reader must know of its delivery, and when it is tried again."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from bot.replies import Button, Keyboard, Reply

LATE_AFTER: Final = timedelta(minutes=2)
LONGEST_WAIT_S: Final = 60.0
REPEAT: Final = "(may be a repeat)"


def marked(
    body: Mapping[str, Any], picture: bytes | None, late: timedelta, marks: Iterable[str] = ()
) -> Reply:
    """A message's body as what is sent: below its marks, and below that it is late."""
    lines = [*marks, str(body["html"])]
    if late > LATE_AFTER:
        lines.insert(0, f"({late.total_seconds() / 60:.0f} min late)")
    keyboard: Keyboard = tuple(
        tuple(Button(text, data) for text, data in row) for row in body.get("keyboard", ())
    )
    return Reply("\n".join(lines), picture, keyboard)


def next_try(now: datetime, attempts: int, at_least_s: float) -> datetime:
    """When a message that was not taken, so many times, is tried again."""
    return now + timedelta(seconds=max(at_least_s, min(LONGEST_WAIT_S, 2.0 ** min(attempts, 6))))
