"""The server's messages, field by field, as they are at server versions 176 to 178."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from simulator.expiries import Expiry
from simulator.gateway.account import Marked, Position
from simulator.gateway.contracts import Chain, Instrument, exchange_name
from simulator.gateway.history import Bar
from simulator.gateway.protocol import frame
from simulator.trading_days import NEW_YORK
from simulator.universe import Kind

_ORDER_TYPES = "ACTIVETIM,ADJUST,ALERT,ALLOC,AVGCOST,BASKET,COND,DAY,GTC,LMT,MKT,STP,WHATIF"
_NO_GROUP = 2_147_483_647
_CATEGORIES = {Kind.STOCK: "COMMON", Kind.ETF: "ETF"}


def error(req_id: int, code: int, text: str) -> bytes:
    """An error or a notice; req_id -1 is the system's own."""
    return frame(4, 2, req_id, code, text, "")


def position(account: str, row: Position) -> bytes:
    one = row.instrument
    exchange = "" if one.is_option else one.primary_exchange
    return frame(
        61, 3, account, one.con_id, one.symbol, one.sec_type, one.last_trade, one.strike, one.right,
        _multiplier(one), exchange, "USD", one.local_symbol, one.trading_class, row.quantity, row.average_cost,
    )  # fmt: skip


def portfolio(account: str, row: Marked) -> bytes:
    """A portfolio row: it has a primary exchange and no exchange."""
    held = row.position
    one = held.instrument
    return frame(
        7, 8, one.con_id, one.symbol, one.sec_type, one.last_trade, one.strike, one.right, _multiplier(one),
        one.primary_exchange, "USD", one.local_symbol, one.trading_class, held.quantity, row.mark,
        round(row.value, 2), held.average_cost, round(row.unrealized, 2), 0.0, account,
    )  # fmt: skip


def contract_details(req_id: int, one: Instrument, exchange: str, now: datetime) -> bytes:
    """Everything about an instrument; the market never closes, and the trading hours say so."""
    underlying, expiry = one.underlying, one.expiry
    about = ("", "", 0, "", "") if expiry is None else _about_derivative(one, expiry)
    last_trade, month, under_id, under_symbol, under_type = about
    zone = "US/Central" if expiry and underlying.is_index else "US/Eastern"
    hours = _always_open(now)
    return frame(
        10, req_id, one.symbol, one.sec_type, last_trade, one.strike if expiry else 0, one.right,
        exchange, "USD", one.local_symbol, one.trading_class, one.trading_class, one.con_id, one.min_tick,
        _multiplier(one), _ORDER_TYPES, _exchanges(one), 1, under_id, underlying.name,
        "" if expiry else underlying.primary_exchange, month, _industry(one), underlying.sector, "",
        zone, hours, hours, "", 0, 0, _aggregate(one), under_symbol, under_type, "32" if expiry else "26",
        f"{expiry.day:%Y%m%d}" if expiry else "", "" if expiry else _CATEGORIES.get(underlying.kind, ""),
        1, 1, 100 if not expiry and not underlying.is_index else 1,
    )  # fmt: skip


def chain(req_id: int, exchange: str, under_id: int, listed: Chain) -> bytes:
    return frame(
        75, req_id, exchange, under_id, listed.trading_class, 100, len(listed.expirations), *listed.expirations,
        len(listed.strikes), *listed.strikes,
    )  # fmt: skip


def history(req_id: int, bars: Sequence[Bar], start: str, end: str) -> bytes:
    """Daily bars; a series without volume has -1 for volume, average price and count."""
    fields: list[object] = []
    for bar in bars:
        traded = bar.volume >= 0
        average = round((bar.high + bar.low + bar.close) / 3, 3) if traded else -1
        count = bar.volume // 150 if traded else -1
        fields += (f"{bar.day:%Y%m%d}", bar.open, bar.high, bar.low, bar.close, bar.volume, average, count)
    return frame(17, req_id, start, end, len(bars), *fields)


def values(
    head: Sequence[object], rows: Iterable[tuple[str, str, str]], tail: Sequence[object] = ()
) -> bytes:
    """One message per value row: the head, then tag, value and currency, then the tail."""
    return b"".join(frame(*head, *row, *tail) for row in rows)


def _multiplier(one: Instrument) -> str:
    return str(one.multiplier) if one.expiry else ""


def _aggregate(one: Instrument) -> int:
    """The group of contracts that quotes may be aggregated over; futures have none."""
    if one.is_future:
        return _NO_GROUP
    return 2 if one.is_option else 1


def _about_derivative(one: Instrument, expiry: Expiry) -> tuple[str, str, int, str, str]:
    """Last trade with its time and zone, contract month, and the underlying's id, symbol and type."""
    time = "16:00 US/Eastern"
    if one.is_future:
        time = "08:00 US/Central"
    elif one.underlying.is_index:
        time = "15:15 US/Central" if expiry.is_am_settled else "15:00 US/Central"
    under = one.underlying
    return f"{one.last_trade} {time}", f"{expiry.day:%Y%m}", under.con_id, one.symbol, under.sec_type


def _exchanges(one: Instrument) -> str:
    if one.underlying.is_index:
        return exchange_name(one)
    return "SMART,AMEX,CBOE,PHLX,ISE,BOX" if one.is_option else f"SMART,{one.primary_exchange},BATS,IEX"


def _industry(one: Instrument) -> str:
    return "Indices" if one.underlying.is_index else one.underlying.sector.capitalize()


def _always_open(now: datetime) -> str:
    today = now.astimezone(NEW_YORK).date()
    days = [f"{today + timedelta(days=n):%Y%m%d}" for n in range(7)]
    return ";".join(f"{day}:0000-{day}:2359" for day in days)
