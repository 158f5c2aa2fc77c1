"""What comes in: greeting a client, counting and admitting its messages, answering them now, late, or when the way to
the broker is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketStream, TaskGroup

from simulator.gateway import data_requests, messages, requests
from simulator.gateway.protocol import ProtocolError, RequestError, fields_of, frame, negotiate
from simulator.gateway.recorder import Received
from simulator.gateway.session import Session

if TYPE_CHECKING:
    from simulator.gateway.server import Gateway

_UNKNOWN_MESSAGE = 505
_UNREADABLE = 320
_WARNED_RATE, _HIGHEST_RATE = 44, 50  # messages in a second
_NEEDS_BROKER = {
    "1100": frozenset({"1", "9", "20", "78"}),
    "hmds": frozenset({"20"}),
    "secdef": frozenset({"9", "78"}),
}
"""The requests that wait while the way to the broker, or to one of its farms, is down."""


class Reception:
    """Serves the connections of a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._active = gateway.active

    async def attend(self, stream: SocketStream) -> None:
        """Serves one connection from greeting to end."""
        session = Session(stream, self._active)
        if any(not fault.args for fault in self._active.of("black-hole")):
            session.block()
        self._gateway.connections.append(session)
        async with stream, anyio.create_task_group() as tasks:
            tasks.start_soon(session.write)
            try:
                await self._converse(session, tasks)
            finally:
                self._gateway.connections.remove(session)
                if session in self._gateway.sessions:
                    self._gateway.sessions.remove(session)
                tasks.cancel_scope.cancel()

    async def _converse(self, session: Session, tasks: TaskGroup) -> None:
        async for payload in session.payloads():
            if session.version is None:
                if not self._greet(session, payload):
                    return
                continue
            fields = fields_of(payload)
            self._record(session, fields)
            self._gateway.faults.notice(fields)
            if session.is_silent or not self._is_admitted(session, fields):
                continue
            delay = self._active.number("slow", 0.0)
            if delay or session.late:
                session.late.append((anyio.current_time() + delay, fields))
                if len(session.late) == 1:
                    tasks.start_soon(self._answer_late, session)
            else:
                self.answer(session, fields)

    async def _answer_late(self, session: Session) -> None:
        """Answers what waits, in order and each in its time, until nothing does."""
        while session.late:
            due, fields = session.late[0]
            await anyio.sleep_until(due)
            self.answer(session, fields)
            session.late.popleft()

    def _greet(self, session: Session, payload: bytes) -> bool:
        """Agrees on a version; False when there is none to agree on."""
        try:
            session.version = negotiate(payload)
        except ProtocolError:
            return False
        if self._active.on("no-greeting"):
            session.is_silent = True
        self._gateway.sessions.append(session)
        told = int(self._active.number("old-server", session.version))
        session.send(frame(told, f"{self._gateway.exchange_time():%Y%m%d %H:%M:%S} EST"))
        return True

    def _is_admitted(self, session: Session, fields: list[str]) -> bool:
        """False for what is answered before it is read: a login refused, one historical request too many."""
        if not fields:
            return True
        if fields[0] == "71" and self._active.on("no-start"):
            session.is_silent = True
            return False
        if fields[0] == "71" and self._is_id_taken(fields):
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            session.send(messages.error(-1, 326, text))
            session.finish()
            return False
        if fields[0] == "20" and len(fields) > 1 and fields[1].isdecimal():
            return data_requests.admit_history(self._gateway, session, fields)
        return True

    def answer(self, session: Session, fields: list[str]) -> None:
        """Dispatches one message; what is not understood gets an error notice."""
        if fields and self._must_wait(fields[0]):
            session.held.append(fields)
            return
        try:
            handler = requests.HANDLERS.get(int(fields[0])) if fields else None
        except ValueError:
            handler = None
        if handler is None:
            session.send(messages.error(-1, _UNKNOWN_MESSAGE, "Fatal Error: Unknown message id."))
            return
        try:
            handler(self._gateway, session, fields)
        except (RequestError, IndexError, OverflowError) as problem:
            text = f"Error reading request. {problem}"
            session.send(messages.error(-1, _UNREADABLE, text))

    def answer_held(self, message_ids: frozenset[str] | None = None) -> None:
        """Answers the requests that wait for the broker; those with certain ids, or all that need not wait."""
        for session in self._gateway.sessions:
            held, session.held = session.held, []
            for fields in held:
                if message_ids is None or fields[0] in message_ids:
                    self.answer(session, fields)
                else:
                    session.held.append(fields)

    def _must_wait(self, message_id: str) -> bool:
        if message_id in ("1", "9") and self._active.on("200"):
            return False
        return any(message_id in ids and self._active.on(kind) for kind, ids in _NEEDS_BROKER.items())

    def _record(self, session: Session, fields: list[str]) -> None:
        now = anyio.current_time()
        count = session.meter.count(now)
        self._gateway.recorder.message(
            Received(self._gateway.clock(), session.client_id, tuple(fields)), count
        )
        if self._active.on("rate-limit"):
            self._police(session, count, now)

    def _police(self, session: Session, count: int, now: float) -> None:
        """Warns of a high rate and complains of one too high, each once a second, and cuts off who does not listen."""
        if count == _WARNED_RATE and now >= session.last_warning + 1.0:
            session.last_warning = now
            text = f"Warning: Approaching max rate of {_HIGHEST_RATE} messages per second ({count})"
            session.send(messages.error(-1, 0, text))
        if count <= _HIGHEST_RATE or now < session.last_excess + 1.0:
            return
        session.last_excess = now
        session.excesses += 1
        numbers = f"max={_HIGHEST_RATE} rec={count} ({session.excesses})"
        session.send(messages.error(-1, 100, f"Max rate of messages per second has been exceeded:{numbers}"))
        if session.excesses >= self._active.number("rate-limit", 0):
            session.finish()

    def _is_id_taken(self, fields: Sequence[str]) -> bool:
        if len(fields) < 3:
            return False
        refused = self._active.args("id-in-use")
        if refused is not None and (not refused or fields[2] in refused):
            return True
        return any(str(session.client_id) == fields[2] for session in self._gateway.sessions)
