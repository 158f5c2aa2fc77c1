"""Which table serves which contract: bands of total deviation, and the inputs that a table is kept by.

A contract's base band is centred near its own sigma sqrt(tau), on a fixed geometric grid; the bands beside it follow edge to
edge. So the table, and with it the price, depends on the contract alone, never on what was asked before.

A table is made for inputs rounded a little, and serves all that round to them: time to ten minutes, rates to a hundredth of
a basis point. By Brownian scaling a value depends on sigma sqrt(tau), rate * tau, yield * tau and the dividends' dates as
shares of tau; the first is met exactly at the look-up, and what rounding leaves in the others is a hundredth of a cent.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from engine.pricing.black_scholes import DETERMINISTIC
from engine.pricing.dividends import by_date, still_ahead
from engine.pricing.grid import LARGEST_DEVIATION, MANY_DIVIDENDS, SPACING, Rows
from engine.pricing.imminent import LARGE_JUMP
from engine.pricing.types import BoolArray, Contracts, Floats, IntArray

WIDTH: Final = 2.5
"""A band reaches from its middle by this factor up and down."""
RUNG: Final = 1.25
"""Ratio between the middles that base bands may have."""

STRIP: Final = 4.25
"""Standard deviations that a table reaches on either side of the strike."""
MOST_CELLS: Final = 160
"""A table that would need more of SPACING, because the forward drifts over many deviations, is not made."""

STABLE: Final = 2.3
MOST_CARRY: Final = 0.3
"""No table is made for a band that reaches higher than the first where dividends are due, since the jumps amplify rounding
there; where rate or yield times the life of what may be exercised any day is over the second, since the exercise boundary then
moves too far between the lanes; nor for a call before a LARGE_JUMP."""

LAST_STABLE: Final = RUNG ** math.floor(math.log(STABLE / WIDTH) / math.log(RUNG))
"""The highest middle of a band under STABLE, which is the base band of all that it reaches where dividends are due, fewer than
MANY_DIVIDENDS."""

TIME_STEP: Final = 600.0 / (365.0 * 86_400.0)
DATE_STEP: Final = 60.0 / (365.0 * 86_400.0)
RATE_DIGITS: Final = 6

LARGE_DEVIATION: Final = 1.6
LARGE_DIVIDEND: Final = 0.04
LATE: Final = 0.07
FINEST: Final = 2.0
"""The lattice's cells are so many times smaller: in a band that reaches higher than the first, with a dividend over the
second as a share of the strike, or with one within the third as a share of the life of its end where only expiry can follow
(the payoff has hardly smoothed out there)."""
FINER: Final = ((0.03, 1.5), (0.06, FINEST))
"""The same where rate or yield times the life of what may be exercised any day is over the first of each pair: by that much
the value's curvature breaks off at the exercise boundary. The square of each second is a 24th of a whole number, so that the
steps are one and can be quartered."""


def rows_of(
    c: Contracts, early: BoolArray, lowest: Floats, highest: Floats, tabled: BoolArray
) -> tuple[Rows, IntArray]:
    """The rows that serve contracts between two deviations, and the contract of each.

    Args:
        c: n options, the yield as carried, tau and strike positive; sigma gives the base band.
        early: (n,), whether exercise before expiry is allowed.
        lowest, highest: (n,), the deviations asked for; bands without any are left out, but for the base band.
        tabled: (n,); the others have the closed form.
    """
    times, amounts = by_date(c.dividend_times, c.dividend_amounts, c.tau)
    amounts = np.where(tabled[:, None], amounts, 0.0) / c.strike[:, None]
    middle = base_middle(c)
    parts, contracts = [], []
    for band, served in _ladder(middle, lowest, highest, tabled):
        index = np.flatnonzero(served)
        if len(index) == len(c):
            parts.append(_rows(c, early, times, amounts, band, tabled))
        else:
            some = c.take(index), early[index], times[index], amounts[index], band.take(index), tabled[index]
            parts.append(_rows(*some))
        contracts.append(index)
    rows = parts[0]
    if len(parts) > 1:
        rows = Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    contract, fits = np.concatenate(contracts), rows.nodes >= 0
    return (rows, contract) if fits.all() else (rows.take(fits), contract[fits])


def base_middle(c: Contracts) -> Floats:
    """(n,): the middle of each contract's base band; two volatilities that share it are read off one table."""
    deviation = np.clip(c.sigma * np.sqrt(c.tau), DETERMINISTIC, LARGEST_DEVIATION)
    middle = _rung(deviation)
    high = np.flatnonzero((middle > LAST_STABLE) & (deviation < LAST_STABLE * WIDTH))
    if len(high):
        count = still_ahead(c.dividend_times[high], c.dividend_amounts[high], c.tau[high]).sum(axis=1)
        middle[high[(count > 0) & (count < MANY_DIVIDENDS)]] = LAST_STABLE
    return middle


def rounded(rows: Rows) -> Rows:
    """The rows with the inputs that their tables are made for.

    Without early exercise put and call share one residual, since the closed form keeps put-call parity: both take the call's.
    """
    tau = np.maximum(np.rint(rows.tau / TIME_STEP), 1.0) * TIME_STEP
    before_expiry = np.maximum(np.rint((rows.tau[:, None] - rows.times) / DATE_STEP), 1.0) * DATE_STEP
    used = np.arange(rows.times.shape[1]) < rows.payments[:, None]
    times = np.where(used, np.maximum(tau[:, None] - before_expiry, DATE_STEP), 0.0)
    rate, yield_ = np.round(rows.rate, RATE_DIGITS), np.round(rows.yield_, RATE_DIGITS)
    sign = np.where(rows.early, rows.sign, 1.0)
    return rows._replace(sign=sign, tau=tau, times=_ascending(times, tau), rate=rate, yield_=yield_)


def keys_of(rows: Rows) -> list[bytes]:
    """What each table is kept by: all that it depends on, for rows as `rounded` returns them."""
    fixed = [
        rows.sign,
        rows.early,
        rows.tau,
        rows.rate,
        rows.yield_,
        rows.middle,
        rows.log_width,
        rows.first,
        rows.spacing,
        rows.nodes,
    ]
    paid = np.stack([rows.times, rows.amounts], axis=2).reshape(len(rows.sign), 2 * rows.times.shape[1])
    raw = np.ascontiguousarray(np.column_stack([*fixed, paid])).tobytes()
    width, used = 8 * (len(fixed) + paid.shape[1]), 8 * (len(fixed) + 2 * rows.payments)
    return [raw[i * width : i * width + length] for i, length in enumerate(used.tolist())]


class _Band:
    """One band of each contract, (n,): low, middle and high deviation."""

    def __init__(self, low: Floats, middle: Floats, high: Floats) -> None:
        self.low, self.middle, self.high = low, middle, np.where(high >= LARGEST_DEVIATION, np.inf, high)

    def take(self, index: IntArray) -> "_Band":
        return _Band(self.low[index], self.middle[index], self.high[index])


def _rung(deviation: Floats) -> Floats:
    return np.asarray(RUNG ** np.rint(np.log(deviation) / math.log(RUNG)))


def _ladder(
    middle: Floats, lowest: Floats, highest: Floats, tabled: BoolArray
) -> Iterator[tuple[_Band, BoolArray]]:
    """The base bands, then those below and above as far as deviations are asked for, each with the contracts that need it."""
    base = _Band(middle / WIDTH, middle, middle * WIDTH)
    base.low[~tabled], base.high[~tabled] = DETERMINISTIC, np.inf
    yield base, np.ones(len(middle), dtype=np.bool_)
    band = base
    while (needed := tabled & (lowest < band.low) & (band.low > DETERMINISTIC)).any():
        band = _Band(band.low / WIDTH**2, band.low / WIDTH, band.low)
        yield band, needed & (highest >= band.low)
    band = base
    while (needed := tabled & (highest >= band.high) & np.isfinite(band.high)).any():
        band = _Band(band.high, band.high * WIDTH, band.high * WIDTH**2)
        yield band, needed & (lowest < band.high)


def _rows(
    c: Contracts, early: BoolArray, times: Floats, amounts: Floats, band: _Band, tabled: BoolArray
) -> Rows:
    count = (amounts != 0.0).sum(axis=1)
    carry = c.rate - c.dividend_yield
    used = amounts != 0.0
    centre = np.exp(-carry * c.tau) + np.where(used, amounts * np.exp(-carry[:, None] * times), 0.0).sum(
        axis=1
    )
    drift = (
        -np.log(centre) / band.low
    )  # from the strike's forward to the strike, in the narrowest lane's deviations
    drift = np.where(tabled, drift, 0.0)
    first = np.floor((np.minimum(drift, 0.0) - STRIP) / SPACING) * SPACING
    cells = np.ceil((np.maximum(drift, 0.0) + STRIP - first) / SPACING)
    any_day = early & ~np.where(
        c.is_call, (c.dividend_yield <= 0.0) & (carry >= 0.0), (c.rate <= 0.0) & (carry <= 0.0)
    )
    late = (c.is_call | ~any_day) & (used & (times > (1.0 - LATE) * c.tau[:, None])).any(axis=1)
    costs = np.maximum(np.abs(c.rate), np.abs(c.dividend_yield)) * c.tau
    hard = (amounts > LARGE_DIVIDEND).any(axis=1) | late | (band.middle * WIDTH > LARGE_DEVIATION)
    finer = np.ones(len(c))
    for least, factor in FINER:
        finer[any_day & (costs > least)] = factor
    finer[hard] = FINEST
    spacing = SPACING / finer
    nodes = np.where(cells <= MOST_CELLS, np.ceil(np.minimum(cells, MOST_CELLS) * finer) + 1.0, -1.0)
    untabled = used.any(axis=1) & (band.middle * WIDTH > STABLE)
    untabled |= any_day & (costs > MOST_CARRY)
    untabled |= early & c.is_call & (amounts > LARGE_JUMP * band.middle[:, None]).any(axis=1)
    nodes = np.where(tabled, np.where(untabled, -1.0, nodes), 0.0)
    return Rows(
        sign=np.where(c.is_call, 1.0, -1.0),
        early=early & tabled,
        strike=c.strike,
        tau=c.tau,
        rate=c.rate,
        yield_=c.dividend_yield,
        times=np.where(used, times, 0.0),
        amounts=amounts,
        payments=count,
        low=band.low,
        high=band.high,
        middle=band.middle,
        log_width=np.full(len(c), math.log(WIDTH)),
        first=first,
        spacing=spacing,
        nodes=nodes.astype(np.int64),
        offset=np.zeros(len(c), dtype=np.int64),
    )


def _ascending(times: Floats, tau: Floats) -> Floats:
    return np.minimum(np.maximum.accumulate(times, axis=1), (tau - DATE_STEP / 2.0)[:, None])
