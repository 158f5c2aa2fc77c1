"""From a model value to what a screen shows: bid and ask on the exchange's price grid, sizes, last, computations.

The volatility of a bid or an ask is the surface's, moved by the quote's distance from the model value over vega:
no volatility is ever solved for here.
"""

import math
from dataclasses import dataclass
from zlib import crc32

from simulator.gateway.board import View
from simulator.gateway.contracts import Instrument

_UNTRADED_SHARE = 0.25  # of options that have not traded today
_LEAST_VEGA = 1e-4  # below this, a price says nothing about volatility
_PENNY_CLASSES = frozenset({"SPY", "QQQ", "IWM", "VIX"})


@dataclass(frozen=True, slots=True)
class Quote:
    """Prices and sizes on the screen; None where there is nothing (no trade today)."""

    bid: float
    ask: float
    bid_size: int
    ask_size: int
    last: float | None
    last_size: int | None

    @property
    def mid(self) -> float:
        return 0.5 * (self.bid + self.ask)


@dataclass(frozen=True, slots=True)
class Computation:
    """The fields of one option computation (message 21); None is sent as the broker's sentinel."""

    sigma: float | None
    delta: float | None
    price: float | None
    dividends_pv: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    forward: float | None

    def wire(self) -> tuple[float, ...]:
        """implied volatility, delta, price, pvDividend, gamma, vega, theta, undPrice, with sentinels."""
        return (
            _or(self.sigma, -1.0),
            _or(self.delta, -2.0),
            _or(self.price, -1.0),
            _or(self.dividends_pv, -1.0),
            _or(self.gamma, -2.0),
            _or(self.vega, -2.0),
            _or(self.theta, -2.0),
            _or(self.forward, -1.0),
        )


def option_quote(instrument: Instrument, view: View, row: int, moment: float) -> Quote:
    """The option's quote around its model value: never crossed, never negative, wider where vega is larger.

    An option worth less than half its own spread has no bid (0 with size 0). Sizes change every few seconds;
    `moment` is in epoch seconds.
    """
    value, vega = float(view.price[row]), float(view.vega[row])
    half = half_spread(instrument, value, vega)
    low, high = value - half, value + half
    step = price_step(instrument, value)
    bid = _down(low, step) if low > 0.25 * half else 0.0
    ask = max(_up(high, step), bid + step)
    size = _spread_of(instrument.con_id, f"size {int(moment / 3)}")
    return Quote(
        round(bid, 2),
        round(ask, 2),
        (5 + size % 90) if bid > 0 else 0,
        5 + (size >> 8) % 120,
        _nearest(value, step) if has_traded(instrument) and value > 0.5 * step else None,
        1 + _spread_of(instrument.con_id, "last") % 12,
    )


def stock_quote(instrument: Instrument, spot: float, moment: float) -> Quote:
    """A stock's or an ETF's quote: a cent or a few around spot, the last at spot. An index has a last only."""
    if instrument.underlying.is_index:
        return Quote(-1.0, -1.0, 0, 0, round(spot, 2), None)
    half = max(0.005, spot * 0.00004)
    bid = min(_down(spot - half + 1e-9, 0.01), round(spot, 2))
    ask = max(_up(spot + half - 1e-9, 0.01), bid + 0.01)
    size = crc32(f"{instrument.con_id}:{int(moment / 2)}".encode())
    return Quote(
        round(bid, 2), round(ask, 2), 1 + size % 19, 1 + (size >> 8) % 19, round(spot, 2), 1 + size % 7
    )


def future_quote(instrument: Instrument, forward: float, moment: float) -> Quote:
    """A future's quote: a tick or two around the forward of the options that settle with it, the last between."""
    step = instrument.min_tick
    bid, ask = _down(forward - 0.5 * step, step), _up(forward + 0.5 * step, step)
    size = crc32(f"{instrument.con_id}:{int(moment / 2)}".encode())
    return Quote(
        round(bid, 2),
        round(ask, 2),
        5 + size % 60,
        5 + (size >> 8) % 60,
        _nearest(forward, step),
        1 + size % 9,
    )


def half_spread(instrument: Instrument, value: float, vega: float) -> float:
    """Half the distance of bid and ask before rounding: a share of the value and of the vega."""
    share, points, least = {"SPX": (0.004, 0.10, 0.05), "VIX": (0.012, 0.3, 0.01)}.get(
        instrument.symbol, (0.006, 0.15, 0.005)
    )
    return max(least, share * value + points * vega)


def price_step(instrument: Instrument, price: float) -> float:
    """The exchange's price grid."""
    if instrument.symbol == "SPX":
        return 0.05 if price < 3 else 0.10
    return 0.01 if price < 3 or instrument.symbol in _PENNY_CLASSES else 0.05


def has_traded(instrument: Instrument) -> bool:
    """Whether the option has a last price today; a quarter of all have none."""
    return _spread_of(instrument.con_id, "traded") % 1000 >= 1000 * _UNTRADED_SHARE


def computations(quote: Quote, view: View, row: int) -> dict[int, Computation]:
    """The four computations by tick type: 10 bid, 11 ask, 12 last, 13 model."""
    value, sigma = float(view.price[row]), float(view.sigma[row])
    vega, forward, paid = float(view.vega[row]), float(view.forward[row]), float(view.dividends_pv[row])
    delta, gamma, theta = float(view.delta[row]), float(view.gamma[row]), float(view.theta[row])
    nothing = Computation(None, None, None, paid, None, None, None, forward)

    def at(price: float | None) -> Computation:
        if price is None or price <= 0:
            return nothing
        implied = sigma + (price - value) / (100 * vega) if vega > _LEAST_VEGA else math.nan
        if not 0.01 < implied < 9.0:
            return Computation(None, None, price, paid, None, None, None, forward)
        return Computation(implied, delta, price, paid, gamma, vega, theta, forward)

    model = Computation(sigma, delta, value, paid, gamma, vega, theta, forward)
    last = at(quote.last) if quote.last is not None else Computation(*[None] * 8)
    return {10: at(quote.bid), 11: at(quote.ask), 12: last, 13: model}


def _spread_of(con_id: int, salt: str) -> int:
    return crc32(f"{salt}:{con_id}".encode())


def _or(value: float | None, sentinel: float) -> float:
    return sentinel if value is None else value


def _down(value: float, step: float) -> float:
    return math.floor(value / step + 1e-9) * step


def _up(value: float, step: float) -> float:
    return math.ceil(value / step - 1e-9) * step


def _nearest(value: float, step: float) -> float:
    return round(round(value / step) * step, 2)
