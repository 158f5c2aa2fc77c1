"""Waiting for a condition with a deadline, for tests against live parts."""

from collections.abc import Callable

import anyio


async def until(condition: Callable[[], object], within_s: float = 15.0) -> None:
    """Return when `condition()` is true.

    Raises:
        AssertionError: If it is not within `within_s` seconds.
    """
    with anyio.move_on_after(within_s):
        while not condition():
            await anyio.sleep(0.02)
        return
    raise AssertionError(f"not within {within_s} s: {condition}")
