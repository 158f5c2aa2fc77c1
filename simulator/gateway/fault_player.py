"""Begins and ends faults: by hand, by the clock, and on a message from a client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

from simulator.gateway import fault_actions
from simulator.gateway.faults import Active, Fault, parse_fault

if TYPE_CHECKING:
    from simulator.gateway.server import Gateway


class FaultPlayer:
    """The one way in which faults begin and end. `tasks` is set while the gateway runs."""

    def __init__(self, gateway: Gateway) -> None:
        self.active = Active()
        self.tasks: TaskGroup | None = None
        self._gateway = gateway
        self._waiting: list[Fault] = []  # for a message from a client

    def begin(self, what: str | Fault) -> Fault:
        """Begins a fault now, whatever its times say; it stays until `end`.

        Raises:
            ValueError: If the text is no fault.
        """
        fault = _read(what)
        if not fault.is_instant:
            self.active.add(fault)
        fault_actions.begin(self._gateway, fault)
        return fault

    def end(self, what: str | Fault) -> None:
        """Ends a fault, or every fault of a kind; what is not on stays off."""
        for fault in self.active.of(what) if isinstance(what, str) else [what]:
            if self.active.remove(fault):
                fault_actions.end(self._gateway, fault)

    @contextmanager
    def during(self, what: str | Fault) -> Iterator[Fault]:
        """A fault for the length of the block."""
        fault = self.begin(what)
        try:
            yield fault
        finally:
            self.end(fault)

    def play(self, what: str | Fault) -> None:
        """Begins and ends a fault at its times, counted from now."""
        fault = _read(what)
        if fault.on is not None:
            self._waiting.append(fault)
        elif fault.at_s > 0:
            self._start(self._begin_later, fault)
        else:
            self._begin_for_its_time(fault)

    def notice(self, fields: Sequence[str]) -> None:
        """Begins the faults that wait for this message."""
        for fault in [one for one in self._waiting if fields and fields[0] == str(one.on)]:
            self._waiting.remove(fault)
            self._begin_for_its_time(fault)

    def _begin_for_its_time(self, fault: Fault) -> None:
        self.begin(fault)
        if fault.lasts_s is not None:
            self._start(self._end_later, fault)

    async def _begin_later(self, fault: Fault) -> None:
        await anyio.sleep(fault.at_s)
        self._begin_for_its_time(fault)

    async def _end_later(self, fault: Fault) -> None:
        assert fault.lasts_s is not None
        await anyio.sleep(fault.lasts_s)
        self.end(fault)

    def _start(self, part: Callable[[Fault], Coroutine[Any, Any, None]], fault: Fault) -> None:
        assert self.tasks is not None, "faults are played while the gateway runs"
        self.tasks.start_soon(part, fault)


def _read(what: str | Fault) -> Fault:
    return parse_fault(what) if isinstance(what, str) else what
