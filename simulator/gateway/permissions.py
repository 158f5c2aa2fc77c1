"""Who may see which market data: the refusals and the delayed data that faults bring, in the broker's words."""

from dataclasses import dataclass

from simulator.gateway.contracts import Instrument
from simulator.gateway.faults import Active

_UNSUBSCRIBED = (
    "Requested market data is not subscribed. Check API status by selecting the Account menu then under Management "
    "choose Market Data Subscription Manager and/or availability of delayed data."
    "Delayed market data is available."
)
_UNSUBSCRIBED_API = (
    "Requested market data requires additional subscription for API. See link in 'Market Data Connections' dialog for "
    "more details.Delayed market data is available."
)
_PARTLY = (
    "Part of requested market data is not subscribed. Subscription-independent ticks are still active."
    "Delayed market data is available."
)
_PARTLY_API = (
    "Part of requested market data requires additional subscription for API. See link in 'Market Data Connections' "
    "dialog for more details."
)
_COMPETING = "No market data during competing live session"
_NOT_ENABLED = "Requested market data is not subscribed. Delayed market data is not enabled."
_DELAYED = "Requested market data is not subscribed. Displaying delayed market data."
_DELAYED_MODES = (3, 4)

KINDS = frozenset({"10197", "10168", "354", "10089", "10167", "10090", "10091"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a line gets: nothing, delayed ticks or live ones, and the notice that says so (code and text)."""

    notice: tuple[int, str] | None = None
    is_refused: bool = False
    is_delayed: bool = False


def verdict(active: Active, one: Instrument, mode: int) -> Verdict:
    """What the faults that are on leave of an instrument's data, for a client in a market data mode."""
    symbol, name = one.symbol, _name(one)
    if active.on("10197", symbol):
        return Verdict((10197, _COMPETING), is_refused=True)
    if active.on("10168", symbol):
        return Verdict((10168, _NOT_ENABLED), is_refused=True)
    for kind, text in (("354", _UNSUBSCRIBED), ("10089", _UNSUBSCRIBED_API)):
        if active.on(kind, symbol) and mode not in _DELAYED_MODES:
            return Verdict((int(kind), text + name), is_refused=True)
        if active.on(kind, symbol):
            return Verdict((10167, _DELAYED), is_delayed=True)
    if active.on("10167", symbol):
        return Verdict((10167, _DELAYED), is_delayed=True)
    for kind, text in (("10090", _PARTLY), ("10091", _PARTLY_API)):
        if active.on(kind, symbol):
            return Verdict((int(kind), text + name))
    return Verdict()


def _name(one: Instrument) -> str:
    """The tail of a refusal: `AAPL NASDAQ.NMS/TOP/ALL`, or an option by its terms and local symbol."""
    if one.expiry is not None and one.is_option:
        terms = f"{one.expiry.day:%b %d '%y}".upper()
        right = "Call" if one.right == "C" else "Put"
        return f"{one.symbol} {terms} {one.strike:g} {right} ({one.local_symbol}) /TOP/ALL"
    exchange = f"{one.primary_exchange}.{one.trading_class}" if one.trading_class else one.primary_exchange
    return f"{one.symbol} {exchange}/TOP/ALL"
