"""What the gateway answers about itself and the account; the table of all requests is `HANDLERS`.

A handler takes the gateway, the session and the fields of the request (the message id is field 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.gateway import data_requests, messages
from simulator.gateway.account_values import ValueRow, value_rows
from simulator.gateway.protocol import UNSET, frame, number

if TYPE_CHECKING:
    from simulator.gateway.server import Gateway
    from simulator.gateway.session import Session

Fields = list[str]
Handler = Callable[["Gateway", "Session", Fields], None]

ORDER_MESSAGES = {
    3: "placeOrder",
    4: "cancelOrder",
    19: "replaceFA",
    21: "exerciseOptions",
    58: "reqGlobalCancel",
}
_SUMMARY_LIMIT = 2
_FARMS = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2104, "Market data farm connection is OK:usopt"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)


def start_api(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Accounts, the next order id, then the farm notices, in the order of a real gateway."""
    session.client_id = number(fields[2])
    session.accounts = gateway.account_names()
    session.send(frame(15, 1, ",".join(session.accounts)))
    session.send(frame(9, 1, gateway.next_id))
    for code, text in _FARMS:
        session.send(messages.error(-1, code, text))


def open_orders(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.send(frame(53, 1))


def completed_orders(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.send(frame(102))


def executions(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.send(frame(55, 1, number(fields[2])))


def next_id(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.send(frame(9, 1, gateway.next_id))


def managed_accounts(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.send(frame(15, 1, ",".join(session.accounts)))


def current_time(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.send(frame(49, 1, int(gateway.clock().timestamp() + gateway.active.number("skew", 0.0))))


def nothing(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Requests that a real gateway takes without an answer: log level, automatic binding of orders."""


def positions(gateway: Gateway, session: Session, fields: Fields) -> None:
    if gateway.active.on("endless-positions"):
        session.wants_positions = True
        tell_positions(gateway, session)
        return
    tell_positions(gateway, session)
    session.send(frame(62, 1))


def tell_positions(gateway: Gateway, session: Session) -> None:
    """Every position under each account, without the end."""
    if gateway.active.on("no-positions"):
        return
    rows = gateway.account.positions
    session.send(b"".join(messages.position(name, row) for name in session.accounts for row in rows))


def account_updates(gateway: Gateway, session: Session, fields: Fields) -> None:
    """On: every value, every portfolio row, the time, the end. Off: no more changes."""
    session.wants.account_updates = _named(session, fields[3]) if fields[2] == "1" else ""
    if not session.wants.account_updates:
        return
    session.told = {key: value for key, value in session.told.items() if key[0] not in (6, 7)}
    tell_account_updates(gateway, session, value_rows(gateway.account))
    session.send(frame(54, 1, session.wants.account_updates))


def account_updates_multi(gateway: Gateway, session: Session, fields: Fields) -> None:
    req_id = number(fields[2])
    session.wants.values[req_id] = _named(session, fields[3])
    tell_values(gateway, session, req_id, value_rows(gateway.account))
    session.send(frame(74, 1, req_id))


def cancel_account_updates_multi(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.wants.values.pop(number(fields[2]), None)


def account_summary(gateway: Gateway, session: Session, fields: Fields) -> None:
    """The tags asked for, once; refused on the third id that this client has ever used."""
    req_id = number(fields[2])
    session.summary_ids.add(req_id)
    if len(session.summary_ids) > _SUMMARY_LIMIT:
        session.summary_ids.discard(req_id)
        text = "Maximum number of account summary requests exceeded; desubscribe to previous request first"
        session.send(messages.error(req_id, 322, f"Error processing request.-'bQ' : cause - {text}"))
        return
    session.wants.summaries[req_id] = frozenset(fields[4].split(","))
    tell_summary(gateway, session, req_id, value_rows(gateway.account))
    session.send(frame(64, 1, req_id))


def cancel_account_summary(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.wants.summaries.pop(number(fields[2]), None)


def pnl(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.wants.pnl.add(number(fields[1]))
    tell_pnl(gateway, session)


def cancel_pnl(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.wants.pnl.discard(number(fields[1]))


def pnl_single(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.wants.pnl_single[number(fields[1])] = number(fields[4])
    tell_pnl(gateway, session)


def cancel_pnl_single(gateway: Gateway, session: Session, fields: Fields) -> None:
    session.wants.pnl_single.pop(number(fields[1]), None)


def refuse_order(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Orders are recorded as violations (by the server) and refused as a read-only gateway does."""
    text = "Error validating request.-'bQ' : cause - The API interface is currently in Read-Only mode."
    session.send(messages.error(-1, 321, text))


def tell_account_updates(gateway: Gateway, session: Session, rows: list[ValueRow]) -> None:
    """The value and portfolio rows that have changed since they were last sent, closed by the time."""
    name = session.wants.account_updates
    out = bytearray()
    for row in rows:
        if _is_news(session, (6, row[0], row[2]), row[1]):
            out += messages.values(
                (6, 2), [(row[0], name if row[0] == "AccountCode" else row[1], row[2])], (name,)
            )
    news = [
        messages.portfolio(name, marked)
        for marked in ([] if gateway.active.on("no-positions") else gateway.account.marked())
        if _is_news(session, (7, marked.position.instrument.con_id), marked.mark)
    ]
    if gateway.active.on("duplicate-rows"):
        news += reversed(news)
    out += b"".join(news)
    if out:
        session.send(bytes(out) + frame(8, 1, f"{gateway.exchange_time():%H:%M}"))


def tell_values(gateway: Gateway, session: Session, req_id: int, rows: list[ValueRow]) -> None:
    news = [row for row in rows if _is_news(session, (73, req_id, row[0], row[2]), row[1])]
    session.send(messages.values((73, 1, req_id, session.wants.values[req_id], ""), news))


def tell_summary(gateway: Gateway, session: Session, req_id: int, rows: list[ValueRow]) -> None:
    """The totals asked for under the account; with $LEDGER:ALL the ledger too, under the name All."""
    tags = session.wants.summaries[req_id]
    ledger = {row[0] for row in rows if row[2] == "BASE"}
    news = [row for row in rows if _is_news(session, (63, req_id, row[0], row[2]), row[1])]
    totals = [row for row in news if row[0] in tags and row[2] != "BASE"]
    session.send(messages.values((63, 1, req_id, session.account), totals))
    if "$LEDGER:ALL" in tags:
        rest = [row for row in news if row[0] in ledger and row[2]]
        session.send(messages.values((63, 1, req_id, "All"), rest))


def tell_pnl(gateway: Gateway, session: Session) -> None:
    """The day's, the unrealised and the realised P&L, of the account and of single positions."""
    figures = gateway.account.figures()
    unset = gateway.active.on("unset-pnl")
    for req_id in session.wants.pnl:
        numbers = (round(figures.daily, 2), round(figures.unrealized, 2), 0.0)
        session.send(frame(94, req_id, *((UNSET,) * 3 if unset else numbers)))
    if not session.wants.pnl_single:
        return
    marked = {row.position.instrument.con_id: row for row in gateway.account.marked()}
    for req_id, con_id in session.wants.pnl_single.items():
        if con_id in marked:
            row = marked[con_id]
            daily = round(gateway.account.daily(row), 2)
            gain, value = round(row.unrealized, 2), round(row.value, 2)
            numbers = (daily, gain, 0.0)
            session.send(
                frame(95, req_id, row.position.quantity, *((UNSET,) * 3 if unset else numbers), value)
            )


def _named(session: Session, name: str) -> str:
    """The account asked for; the client's first when none is named or it is not the client's."""
    return name if name in session.accounts else session.account


def _is_news(session: Session, key: tuple[object, ...], value: object) -> bool:
    if session.told.get(key) == value:
        return False
    session.told[key] = value
    return True


HANDLERS: dict[int, Handler] = {
    1: data_requests.market_data,
    2: data_requests.cancel_market_data,
    5: open_orders,
    6: account_updates,
    7: executions,
    8: next_id,
    9: data_requests.contract_details,
    14: nothing,
    15: nothing,
    16: open_orders,
    17: managed_accounts,
    20: data_requests.historical_bars,
    25: data_requests.cancel_historical_bars,
    49: current_time,
    59: data_requests.market_data_type,
    61: positions,
    62: account_summary,
    63: cancel_account_summary,
    64: nothing,
    71: start_api,
    76: account_updates_multi,
    77: cancel_account_updates_multi,
    78: data_requests.option_parameters,
    92: pnl,
    93: cancel_pnl,
    94: pnl_single,
    95: cancel_pnl_single,
    99: completed_orders,
    **dict.fromkeys(ORDER_MESSAGES, refuse_order),
}
