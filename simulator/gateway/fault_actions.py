"""What a fault does at the moment it begins and at the moment it ends; what it does in between is where it bites."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from simulator.gateway import distortions, messages, permissions, requests
from simulator.gateway.faults import Fault
from simulator.gateway.protocol import frame

if TYPE_CHECKING:
    from simulator.gateway.lines import Line
    from simulator.gateway.server import Gateway
    from simulator.gateway.session import Session

Action = Callable[["Gateway", Fault], None]

_LOST = "Connectivity between IBKR and Trader Workstation has been lost."
_RESTORED = "Connectivity between IBKR and Trader Workstation has been restored - "
_FARMS_CONNECTED = (
    " All data farms are connected: usfuture; eufarm; cashfarm; usfarm; euhmds; ushmds; secdefeu."
)
_FARMS = ("usfarm", "usopt")
_SHORTEST_NONSENSE = 0x1000000  # as a length, beyond what a message may have
_IDS_PER_RESTART = 100


def begin(gateway: Gateway, fault: Fault) -> None:
    """To be called when the fault is on the list of those that are."""
    _BEGIN.get(fault.kind, _nothing)(gateway, fault)
    if fault.kind in distortions.KINDS:
        _tell_again(gateway, fault)


def end(gateway: Gateway, fault: Fault) -> None:
    """To be called when the fault is off the list."""
    _END.get(fault.kind, _nothing)(gateway, fault)
    if fault.kind in distortions.KINDS:
        _tell_again(gateway, fault)


def _nothing(gateway: Gateway, fault: Fault) -> None:
    pass


def _lines(gateway: Gateway, fault: Fault) -> Iterator[tuple[Session, Line]]:
    """The open lines of the symbols that the fault covers."""
    for session in gateway.sessions:
        for line in list(session.wants.lines.values()):
            if fault.covers(line.symbol):
                yield session, line


def _tell_again(gateway: Gateway, fault: Fault) -> None:
    for _, line in _lines(gateway, fault):
        line.tell_again()


def _notice(gateway: Gateway, code: int, text: str) -> None:
    for session in gateway.clients():
        session.send(messages.error(-1, code, text))


# -- the socket -------------------------------------------------------------------------------------------------


def _shut(gateway: Gateway, fault: Fault) -> None:
    gateway.door.shut()


def _open(gateway: Gateway, fault: Fault) -> None:
    gateway.door.open()


def _fin(gateway: Gateway, fault: Fault) -> None:
    for session in list(gateway.connections):
        session.end(int(fault.number))


def _rst(gateway: Gateway, fault: Fault) -> None:
    for session in list(gateway.connections):
        session.end(int(fault.number), reset=True)


def _block(gateway: Gateway, fault: Fault) -> None:
    for session in gateway.connections:
        session.block()


def _unblock(gateway: Gateway, fault: Fault) -> None:
    if not gateway.active.on("black-hole"):
        for session in gateway.connections:
            session.unblock()


def _shut_and_end(gateway: Gateway, fault: Fault) -> None:
    gateway.door.shut()
    for session in list(gateway.connections):
        session.end()


def _restarted(gateway: Gateway, fault: Fault) -> None:
    gateway.next_id += _IDS_PER_RESTART
    gateway.door.open()


def _bad_length(gateway: Gateway, fault: Fault) -> None:
    nonsense = random.Random(gateway.config.seed).randrange(_SHORTEST_NONSENSE, 1 << 32)
    for session in gateway.clients():
        session.send_raw(nonsense.to_bytes(4, "big"))


def _unknown_message(gateway: Gateway, fault: Fault) -> None:
    for session in gateway.clients():
        session.send(frame(int(fault.number), 1, "nobody", "knows"))


def _short_error(gateway: Gateway, fault: Fault) -> None:
    for session in gateway.clients():
        session.send(frame(4, 2, -1, 2108, "Market data farm connection is inactive"))


# -- the way to the broker --------------------------------------------------------------------------------------


def tell_lost(gateway: Gateway) -> None:
    """1100, which comes again and again while the broker is lost."""
    _notice(gateway, 1100, _LOST)


def _lose_broker(gateway: Gateway, fault: Fault) -> None:
    tell_lost(gateway)


def _find_broker(gateway: Gateway, fault: Fault) -> None:
    if fault.args == ("1101",):
        for session in gateway.sessions:
            session.forget_subscriptions()
        _notice(gateway, 1101, _RESTORED + "data lost.")
    else:
        _notice(gateway, 1102, _RESTORED + "data maintained." + _FARMS_CONNECTED)
    gateway.reception.answer_held()


def _reset_port(gateway: Gateway, fault: Fault) -> None:
    text = f"Socket port has been reset and this connection is being dropped.Please reconnect on the new port -{gateway.port}"
    _notice(gateway, 1300, text)
    for session in list(gateway.connections):
        session.finish()


def _break_farm(gateway: Gateway, fault: Fault) -> None:
    for farm in fault.args or _FARMS:
        _notice(gateway, 2103, f"Market data farm connection is broken:{farm}")
    for session in gateway.sessions:
        for line in session.wants.lines.values():
            line.is_dead = line.is_dead or gateway.is_farm_broken(line)


def _mend_farm(gateway: Gateway, fault: Fault) -> None:
    for farm in fault.args or _FARMS:
        _notice(gateway, 2104, f"Market data farm connection is OK:{farm}")


def _history_down(gateway: Gateway, fault: Fault) -> None:
    _notice(gateway, 2105, "HMDS data farm connection is broken:ushmds")


def _history_up(gateway: Gateway, fault: Fault) -> None:
    _notice(gateway, 2106, "HMDS data farm connection is OK:ushmds")
    gateway.reception.answer_held()


def _definitions_down(gateway: Gateway, fault: Fault) -> None:
    _notice(gateway, 2157, "Sec-def data farm connection is broken:secdefil")


def _definitions_up(gateway: Gateway, fault: Fault) -> None:
    _notice(gateway, 2158, "Sec-def data farm connection is OK:secdefil")
    gateway.reception.answer_held()


def _refuse_held(gateway: Gateway, fault: Fault) -> None:
    gateway.reception.answer_held(frozenset({"1", "9"}))


# -- data and account -------------------------------------------------------------------------------------------


def _judge_lines(gateway: Gateway, fault: Fault) -> None:
    """Open lines get the verdict that new ones would get."""
    for session, line in _lines(gateway, fault):
        found = permissions.verdict(gateway.active, line.instrument, session.market_data_type)
        if found.is_refused:
            del session.wants.lines[line.req_id]
        elif found.is_delayed and not line.is_delayed:
            line.is_delayed = True
            line.tell_again()
            session.send(frame(58, 1, line.req_id, 3))
        if found.notice:
            session.send(messages.error(line.req_id, *found.notice))


def _steal_updates(gateway: Gateway, fault: Fault) -> None:
    text = "New account data requested from TWS. API client has been unsubscribed from account data."
    for session in gateway.clients():
        if session.wants.account_updates:
            session.wants.account_updates = ""
            session.send(messages.error(-1, 2100, text))


def _tell_pnl(gateway: Gateway, fault: Fault) -> None:
    for session in gateway.clients():
        requests.tell_pnl(gateway, session)


_BEGIN: dict[str, Action] = {
    "refuse": _shut,
    "restart": _shut_and_end,
    "fin": _fin,
    "rst": _rst,
    "black-hole": _block,
    "bad-length": _bad_length,
    "unknown-message": _unknown_message,
    "short-error": _short_error,
    "1100": _lose_broker,
    "1300": _reset_port,
    "farm": _break_farm,
    "hmds": _history_down,
    "secdef": _definitions_down,
    "200": _refuse_held,
    "2100": _steal_updates,
    "unset-pnl": _tell_pnl,
    **dict.fromkeys(permissions.KINDS, _judge_lines),
}
_END: dict[str, Action] = {
    "refuse": _open,
    "restart": _restarted,
    "black-hole": _unblock,
    "1100": _find_broker,
    "farm": _mend_farm,
    "hmds": _history_up,
    "secdef": _definitions_up,
}
