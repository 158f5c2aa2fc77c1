"""What the gateway answers about the market: contracts, chains, market data lines, historical bars."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulator.gateway import generic_ticks, messages, permissions
from simulator.gateway.contracts import Instrument, exchange_name
from simulator.gateway.history import Bar
from simulator.gateway.lines import Line
from simulator.gateway.protocol import ContractFields, RequestError, frame, number

if TYPE_CHECKING:
    from simulator.gateway.server import Gateway
    from simulator.gateway.session import Session

Fields = list[str]

_UNKNOWN = "No security definition has been found for the request"
_INVALID = "Error validating request.-'bQ' : cause - "
_HISTORY_ERROR = "Historical Market Data Service error message:"
_NO_HISTORY = _HISTORY_ERROR + "HMDS query returned no data: "
_HISTORY_REFUSALS = {
    "pacing": "Historical data request pacing violation",
    "no-data": "HMDS query returned no data: nothing@{exchange}",
    "no-permission": "No market data permissions for {exchange} {kind}",
}
_MOST_HISTORY = 50
_LIVE, _DELAYED = 1, 3
_PRICES = ("TRADES", "ADJUSTED_LAST", "MIDPOINT", "BID", "ASK")
_VOLATILITIES = ("OPTION_IMPLIED_VOLATILITY", "HISTORICAL_VOLATILITY")
_DAYS = {"D": 1, "W": 7, "M": 31, "Y": 366}
_LONGEST_DAYS = 2 * 366
_MOST_DETAILS = 400


def contract_details(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Every instrument that the fields describe, or error 200."""
    req_id, wanted = number(fields[2]), ContractFields.parse(fields[3:])
    if gateway.active.on("200"):
        session.send(messages.error(req_id, 200, _UNKNOWN))
        return
    found = gateway.world.directory.find(wanted, gateway.clock(), _MOST_DETAILS)
    if not found:
        session.send(messages.error(req_id, 200, _UNKNOWN))
        return
    for one in found:
        exchange = wanted.exchange or exchange_name(one)
        session.send(messages.contract_details(req_id, one, exchange, gateway.clock()))
    session.send(frame(52, 1, req_id))


def option_parameters(gateway: Gateway, session: Session, fields: Fields) -> None:
    """One chain per trading class; the end alone for an underlying that has no options or is not known."""
    req_id, con_id = number(fields[1]), number(fields[5])
    for listed in gateway.world.directory.chains(con_id, gateway.clock()):
        known = gateway.world.directory.by_id(con_id)
        exchange = exchange_name(known) if known else "SMART"
        session.send(messages.chain(req_id, exchange, con_id, listed))
    session.send(frame(76, req_id))


def market_data_type(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Remembered for later subscriptions; with everything entitled and open, live is what they get."""
    session.market_data_type = number(fields[2])


def market_data(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Opens a line: parameters and type at once, the first ticks from the gateway's next turn (at once, too)."""
    req_id, wanted = number(fields[2]), ContractFields.parse(fields[3:15])
    delta_neutral = 4 if fields[15] == "1" else 1
    generic, snapshot = fields[15 + delta_neutral], fields[16 + delta_neutral] == "1"
    refusal = _refusal(gateway, session, req_id, wanted)
    if refusal:
        session.send(messages.error(req_id, *refusal))
        return
    one = gateway.world.directory.find(wanted, gateway.clock())[0]
    try:
        ticks = generic_ticks.parse(generic, one.sec_type)
        if snapshot and ticks:
            text = "Snapshot market data subscription is not applicable to generic ticks"
            session.send(messages.error(req_id, 321, _INVALID + text))
            return
    except generic_ticks.IllegalTicks as refused:
        if not snapshot:  # a snapshot goes ahead without the list
            session.send(messages.error(req_id, 321, str(refused)))
            return
        ticks = frozenset()
    verdict = permissions.verdict(gateway.active, one, session.market_data_type)
    if verdict.is_refused and verdict.notice:
        session.send(messages.error(req_id, *verdict.notice))
        return
    kind = _DELAYED if verdict.is_delayed else _LIVE
    session.send(frame(81, req_id, one.min_tick, "9c0001", 3) + frame(58, 1, req_id, kind))
    if verdict.notice:
        session.send(messages.error(req_id, *verdict.notice))
    gateway.open_line(session, Line(req_id, one, ticks, snapshot, is_delayed=verdict.is_delayed))


def cancel_market_data(gateway: Gateway, session: Session, fields: Fields) -> None:
    req_id = number(fields[2])
    if session.wants.lines.pop(req_id, None) is None and not _is_withdrawn(session, "1", 2, req_id):
        session.send(messages.error(req_id, 300, f"Can't find EId with tickerId:{req_id}"))


def cancel_historical_bars(gateway: Gateway, session: Session, fields: Fields) -> None:
    req_id = number(fields[2])
    session.history.discard(req_id)
    _is_withdrawn(session, "20", 1, req_id)


def admit_history(gateway: Gateway, session: Session, fields: Fields) -> bool:
    """Counts a historical request as open; False, and 322, when that would be one too many."""
    req_id = number(fields[1])
    most = int(gateway.active.number("history-cap", _MOST_HISTORY))
    if len(session.history) >= most:
        text = f"Only {most} simultaneous API historical data requests"
        session.send(messages.error(req_id, 322, f"Error processing request.-'bQ' : cause - {text}"))
        return False
    session.history.add(req_id)
    gateway.recorder.history(session.client_id, len(session.history))
    return True


def historical_bars(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Daily bars that end today, at most two years; 162 for options, futures and for what is not kept."""
    req_id = number(fields[1])
    if req_id not in session.history:
        return  # cancelled while it waited
    session.history.discard(req_id)
    wanted = ContractFields.parse(fields[2:14])
    end_text, bar_size, duration, what = fields[15], fields[16], fields[17], fields[19]
    found = gateway.world.directory.find(wanted, gateway.clock())
    if not found:
        session.send(messages.error(req_id, 200, _UNKNOWN))
    elif not wanted.exchange:
        session.send(messages.error(req_id, 321, _INVALID + "Please enter exchange"))
    elif refused := gateway.active.args("162"):
        reason = _HISTORY_REFUSALS[refused[0]].format(exchange=wanted.exchange, kind=found[0].sec_type)
        session.send(messages.error(req_id, 162, _HISTORY_ERROR + reason))
    elif found[0].expiry is not None or bar_size != "1 day" or what not in _PRICES + _VOLATILITIES:
        name = f"{found[0].local_symbol}@{wanted.exchange} {what.capitalize()}"
        session.send(messages.error(req_id, 162, _NO_HISTORY + name))
    else:
        last = _end_day(end_text) or gateway.world.history.today
        first = last - timedelta(days=_days(duration))
        bars = [bar for bar in _bars(gateway, found[0], what) if first < bar.day <= last]
        session.send(messages.history(req_id, bars, _stamp(first), _stamp(last)))


def _refusal(
    gateway: Gateway, session: Session, req_id: int, wanted: ContractFields
) -> tuple[int, str] | None:
    """Why a market data request can't be served (code and text), or None."""
    if req_id in session.wants.lines:
        return 322, "Error processing request.-'bQ' : cause - Duplicate ticker id"
    if not wanted.exchange:
        return 321, _INVALID + "Please enter exchange"
    if gateway.active.on("200") or len(gateway.world.directory.find(wanted, gateway.clock())) != 1:
        return 200, _UNKNOWN
    if gateway.open_lines() >= gateway.max_lines:
        return 101, "Max number of tickers has been reached."
    return None


def _is_withdrawn(session: Session, message_id: str, place: int, req_id: int) -> bool:
    """Takes back a request that waits for the broker; False if there is none."""
    left = [row for row in session.held if not (row[0] == message_id and row[place] == str(req_id))]
    found = len(left) < len(session.held)
    session.held = left
    return found


def _bars(gateway: Gateway, one: Instrument, what: str) -> list[Bar]:
    world = gateway.world
    if what == "OPTION_IMPLIED_VOLATILITY":
        return world.history.volatilities(one.symbol, world.market.iv30(one.symbol))
    if what == "HISTORICAL_VOLATILITY":
        return world.history.volatilities(one.symbol, None)
    return world.history.prices(one.symbol, world.today_bar(one.symbol), adjusted=what == "ADJUSTED_LAST")


def _days(duration: str) -> int:
    """Calendar days of a duration such as `1 Y`. Raises RequestError for another form."""
    match = re.fullmatch(r"(\d{1,4}) ([DWMY])", duration)
    if match is None:
        raise RequestError(f"duration {duration!r} is not like '1 Y'")
    return min(int(match[1]) * _DAYS[match[2]], _LONGEST_DAYS)


def _end_day(text: str) -> date | None:
    """The day of an end date and time; None when it is empty, which means now."""
    if not text:
        return None
    try:
        return date.fromisoformat(text[:8])
    except ValueError:
        raise RequestError(f"end {text!r} does not begin with yyyymmdd") from None


def _stamp(day: date) -> str:
    return f"{day:%Y%m%d}-16:00:00"
