"""The kernels once more in numpy: slow, obvious, and the oracle of the compiled ones, which answer the same to rounding.

Arrays over a lattice have the shape (nodes, 8): a column for each of the eight deviations. `engine.pricing.kernels` says
where the method comes from; functions here have the same names and arguments there.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from engine.pricing import black_scholes
from engine.pricing.dividends import LARGEST_SHARE
from engine.pricing.grid import (
    AT_INTRINSIC,
    BUMP,
    CHEBYSHEV_NODES,
    COARSEST,
    DUE,
    LANES,
    LARGEST_DEVIATION,
    LEAST_SPOT,
    MANY_DIVIDENDS,
    QUARTER,
    SIGMA_BUMP,
    SMOOTH,
    SPACING,
    TO_COEFFICIENTS,
    WIDEST_BUMP,
    Rows,
)
from engine.pricing.types import UNITS, BoolArray, Floats, GreekColumns, IntArray


class _Option:
    """One row: the numbers of one contract, in units of the strike."""

    def __init__(self, rows: Rows, row: int) -> None:
        self.sign, self.early = float(rows.sign[row]), bool(rows.early[row])
        self.tau, self.rate, self.yield_ = (
            float(rows.tau[row]),
            float(rows.rate[row]),
            float(rows.yield_[row]),
        )
        self.carry = self.rate - self.yield_
        count = int(rows.payments[row])
        self.dividends = list(
            zip(rows.times[row, :count].tolist(), rows.amounts[row, :count].tolist(), strict=True)
        )
        calls_wait = self.yield_ <= 0.0 and self.yield_ <= self.rate
        puts_wait = self.rate <= 0.0 and self.rate <= self.yield_
        self.at_every_step = self.early and not (calls_wait if self.sign > 0.0 else puts_wait)

    def centre(self, at: float) -> float:
        """The spot at a time, dividends of that moment and later included, from which the forward reaches the strike."""
        later = math.fsum(
            cash * math.exp(-self.carry * (time - at)) for time, cash in self.dividends if time >= at
        )
        return math.exp(-self.carry * (self.tau - at)) + later

    def left(self, spot: Floats) -> Floats:
        """The spot less the present value of the dividends."""
        for time, cash in self.dividends:
            spot = spot - np.minimum(cash * math.exp(-self.carry * time), LARGEST_SHARE * spot)
        return spot

    def closed(self, spot: Floats, deviation: Floats) -> Floats:
        """Black-Scholes at the spot less the present value of the dividends, however little that leaves."""
        paid = math.fsum(cash * math.exp(-self.carry * time) for time, cash in self.dividends)
        return self.european(spot - paid, deviation, self.tau)

    def european(self, spot: Floats, deviation: Floats, time: float) -> Floats:
        """Black-Scholes; below LEAST_SPOT linear in the spot."""
        least = np.maximum(spot, LEAST_SPOT)
        spot_pv, strike_pv = least * math.exp(-self.yield_ * time), math.exp(-self.rate * time)
        d1 = np.log(spot_pv / strike_pv) / deviation + 0.5 * deviation
        value = self.sign * (spot_pv * ndtr(self.sign * d1) - strike_pv * ndtr(self.sign * (d1 - deviation)))
        beyond = (least - spot) * math.exp(-self.yield_ * time)
        return np.asarray(value + (beyond if self.sign < 0.0 else 0.0))

    def exercised(self, spot: Floats) -> Floats:
        return self.sign * (spot - 1.0)


def build(rows: Rows, begins: int, ends: int, tables: Floats) -> None:
    """The tables of the rows begins … ends - 1, into tables[offset : offset + 8 nodes] of each."""
    for row in range(begins, ends):
        option, nodes, offset = _Option(rows, row), int(rows.nodes[row]), int(rows.offset[row])
        deviations = rows.middle[row] * np.exp(rows.log_width[row] * CHEBYSHEV_NODES)
        z = rows.first[row] + rows.spacing[row] * np.arange(nodes)[:, None] + np.zeros(LANES)
        steps = round(3.0 / rows.spacing[row] ** 2)
        bound = option.at_every_step and (option.sign < 0.0 or not option.dividends)
        shift = _to_boundary(option, deviations, z, steps) if bound else np.zeros(LANES)
        z = z + shift
        scaled = _residuals(option, deviations, z, steps) / (
            1.0 + _spots(option, deviations, z) / option.centre(0.0)
        )
        table = np.vstack([shift, scaled]) @ TO_COEFFICIENTS.T
        tables[offset : offset + table.size] = table.ravel()


def _to_boundary(option: _Option, deviations: Floats, z: Floats, steps: int) -> Floats:
    """How far to shift each column's nodes, (8,), so that the exercise boundary is at about the same node in all of them."""
    spacing = 2.0 * (z[1, 0] - z[0, 0])
    z = z[0] + spacing * np.arange(len(z) // 2)[:, None]
    spots = _spots(option, deviations, z)
    over = _lattice(option, deviations, z, steps // QUARTER, 1) - option.exercised(spots)
    waits = over > DUE * (1.0 + spots)
    if option.sign > 0.0:  # from where exercise is due
        z, over, waits = z[::-1], over[::-1], waits[::-1]
    node = np.argmax(waits, axis=0)
    if (node == 0).any():
        return np.zeros(LANES)
    lane = np.arange(LANES)
    spot = _spots(option, deviations, z)[node, lane]
    curve = 2.0 * np.abs(option.rate - option.yield_ * spot) * option.tau / deviations**2
    back = np.minimum(np.sqrt(2.0 * over[node, lane] / np.maximum(curve, DUE)) / deviations, spacing)
    boundary = z[node, lane] + option.sign * back
    kept = (TO_COEFFICIENTS @ boundary)[:SMOOTH]
    line = np.polynomial.chebyshev.chebval(CHEBYSHEV_NODES, kept)
    return np.asarray(line - (line.max() if option.sign > 0.0 else line.min()))


def _spots(option: _Option, deviations: Floats, z: Floats) -> Floats:
    return np.asarray(option.centre(0.0) * np.exp((z + 0.5 * deviations) * deviations))


def _residuals(option: _Option, deviations: Floats, z: Floats, steps: int) -> Floats:
    """What the lattice adds to the closed form: two grids half a cell apart, but for large cells of what can't be exercised any
    day; against a quarter of the steps where it can; to the bit what exercise adds where that is due."""

    spots = _spots(option, deviations, z)
    closed = option.closed(spots, deviations)
    fine = _lattice(option, deviations, z, steps, QUARTER)
    exercised = option.exercised(spots) - closed
    due = option.early & (fine - closed - exercised <= DUE)
    spacing = math.sqrt(3.0 / steps)
    if (option.at_every_step or spacing < 0.99 * SPACING) and deviations[-1] * spacing < COARSEST:
        between = 0.5 * (z[1:] + z[:-1])
        weight, weight_between = (
            1.0 + _spots(option, deviations, at) / option.centre(0.0) for at in (z, between)
        )
        mean = _halfway(_lattice(option, deviations, between, steps, QUARTER) / weight_between)
        fine[3:-3] = 0.5 * (fine[3:-3] + mean[2:-2] * weight[3:-3])
    fine = fine - closed
    if not option.at_every_step:
        return np.where(due, exercised, fine)
    coarse = np.empty_like(fine)
    even, odd = (
        _lattice(option, deviations, z[part::2], steps // QUARTER, 1) - closed[part::2] for part in (0, 1)
    )
    coarse[::2], coarse[1::2] = even, odd
    for own, others in ((0, _halfway(odd)), (1, _halfway(even))):
        at = np.arange(2 - own, 2 - own + 2 * len(others), 2)
        coarse[at] = 0.5 * (coarse[at] + others)
    coarse[[0, -1]] = even[0], (even if len(z) % 2 else odd)[-1]
    return np.where(due, exercised, fine + (fine - coarse) / (QUARTER - 1.0))


def _halfway(values: Floats) -> Floats:
    """Values halfway between neighbouring nodes: by six nodes, near the ends by two."""
    out = 0.5 * (values[1:] + values[:-1])
    n = len(values) - 5
    if n > 0:
        a, b, c, d, e, f = (values[k : k + n] for k in range(6))
        out[2:-2] = (3.0 * (a + f) - 25.0 * (b + e) + 150.0 * (c + d)) / 256.0
    return np.asarray(out)


class _Segment:
    """The steps between two dividends: how many, how long, with which probability up and down."""

    def __init__(self, begins: float, ends: float, longest: float, split: int) -> None:
        self.begins, self.ends = begins, ends
        self.moves = split * max(1, math.ceil((ends - begins) / (split * longest) - 1e-6))
        self.dt = (ends - begins) / self.moves
        self.probability = self.dt / (6.0 * longest)


def _lattice(option: _Option, deviations: Floats, z: Floats, steps: int, split: int) -> Floats:
    """Values today at the nodes z of each deviation."""
    spacing = math.sqrt(3.0 / steps)
    dates = [time for time, _ in option.dividends]
    segments = [
        _Segment(a, b, option.tau / steps, split)
        for a, b in zip([0.0, *dates], [*dates, option.tau], strict=True)
    ]
    drifts = [_drift(option, deviations * spacing, segment) for segment in segments]
    jumps = bool(dates) and not option.at_every_step
    spots = _spots(option, deviations, z)
    for k, segment in enumerate(segments[: len(segments) - jumps]):
        spots = spots / drifts[k] ** (segment.moves - (k == len(dates)))
        if k < len(dates) - jumps:
            spots = spots * (1.0 - option.dividends[k][1] / option.centre(dates[k]))
    values, corner = _start(option, deviations, spots, segments[-1])
    segments = segments[: len(segments) - jumps]
    for k in range(len(segments) - 1, -1, -1):
        segment = segments[k]
        for _ in range(segment.moves - (k == len(dates))):
            before = spots * drifts[k]
            kink = corner.kink(spots) if corner else 0.0
            values = _stepped(option, values - kink, deviations * spacing, segment)
            if corner:
                values = values + corner.stepped(
                    before, deviations * math.sqrt(segment.dt / option.tau), segment.dt
                )
                values, corner = np.maximum(values, option.exercised(before)), None
            spots = before
            if option.at_every_step:
                values = np.maximum(values, option.exercised(spots))
        if k > 0:
            time, cash = option.dividends[k - 1]
            ratio = option.centre(time) / (option.centre(time) - cash)
            values = _at_fallen(values, spots, spots * ratio, cash, deviations * spacing)
            spots = spots * ratio
            if option.at_every_step and option.sign < 0.0 and len(dates) < MANY_DIVIDENDS:
                left = (1.0 - LARGEST_SHARE) * spots
                values = np.where(LARGEST_SHARE * spots < cash, option.exercised(left), values)
            if option.early:
                corner = _Corner(option, values, spots)
                values = np.maximum(values, option.exercised(spots))
    return values


def _drift(option: _Option, steps: Floats, segment: _Segment) -> Floats:
    """How much lower the nodes are a step later, so that the spot is a martingale of the lattice."""
    spread = 1.0 + 2.0 * segment.probability * (np.cosh(steps) - 1.0)
    return np.asarray(spread * math.exp(-option.carry * segment.dt))


def _start(
    option: _Option, deviations: Floats, spots: Floats, last: _Segment
) -> "tuple[Floats, _Corner | None]":
    """The values that the lattice starts from: one step before expiry, or just before the last dividend if nothing but expiry
    can follow it."""
    jumps = bool(option.dividends) and not option.at_every_step
    time = option.tau - option.dividends[-1][0] if jumps else last.dt
    cash = option.dividends[-1][1] if jumps else 0.0
    values = option.european(spots - cash, deviations * math.sqrt(time / option.tau), time)
    if not option.early:
        return values, None
    corner = _Corner(option, values, spots) if jumps else None
    return np.maximum(values, option.exercised(spots)), corner


def _stepped(option: _Option, values: Floats, steps: Floats, segment: _Segment) -> Floats:
    """One step back, discounted; the ends go on linear in the spot."""
    low = values[0] - (values[1] - values[0]) * np.exp(-steps)
    high = values[-1] + (values[-1] - values[-2]) * np.exp(steps)
    below, above = np.vstack([low, values[:-1]]), np.vstack([values[1:], high])
    p = segment.probability
    return np.asarray(math.exp(-option.rate * segment.dt) * (p * (below + above) + (1.0 - 2.0 * p) * values))


def _at_fallen(values: Floats, spots: Floats, before: Floats, cash: float, steps: Floats) -> Floats:
    """The values, known at `spots`, at the spots before the dividend less its cash."""
    fallen = before - cash
    place = np.log(np.maximum(fallen, LEAST_SPOT) / spots[0]) / steps
    node = np.clip(place.astype(np.int64), 2, len(spots) - 4)
    inside = sum(
        weight * np.take_along_axis(values, node + k, axis=0)
        for k, weight in zip(range(-2, 4), six_points(place - node), strict=True)
    )
    low = values[0] + (values[0] - values[1]) / (spots[0] - spots[1]) * (fallen - spots[0])
    high = values[-1] + (values[-1] - values[-2]) / (spots[-1] - spots[-2]) * (fallen - spots[-1])
    return np.asarray(np.where(place < 0.0, low, np.where(place > len(spots) - 1, high, inside)))


def six_points(f: Floats) -> tuple[Floats, ...]:
    """Lagrange's weights of the nodes -2, -1 … 3 at the distance f beyond node 0."""
    knots = np.arange(-2, 4)
    return tuple(np.prod([(f - x) / (k - x) for x in knots if x != k], axis=0) for k in knots)


class _Corner:
    """Where holding on and exercise cross before a dividend, in each column, and by how much the slope turns there."""

    def __init__(self, option: _Option, held: Floats, spots: Floats) -> None:
        self.option = option
        self.at, self.turn = np.ones(spots.shape[1]), np.zeros(spots.shape[1])
        lead = option.exercised(spots) - held
        for i, lane in zip(*np.nonzero(lead[1:] * lead[:-1] < 0.0), strict=True):
            self.turn[lane] = (lead[i + 1, lane] - lead[i, lane]) / (spots[i + 1, lane] - spots[i, lane])
            self.at[lane] = spots[i, lane] - lead[i, lane] / self.turn[lane]
        self.up = np.where(self.turn > 0.0, 1.0, -1.0)

    def kink(self, spots: Floats) -> Floats:
        """The part of the values that has the corner: a forward's payoff above it, or below."""
        return np.asarray(np.abs(self.turn) * np.maximum(self.up * (spots - self.at), 0.0))

    def stepped(self, spots: Floats, deviations: Floats, time: float) -> Floats:
        """The same a step earlier, by Black and Scholes."""
        spot_pv = spots * math.exp(-self.option.yield_ * time)
        corner_pv = self.at * math.exp(-self.option.rate * time)
        d1 = np.log(spot_pv / corner_pv) / deviations + 0.5 * deviations
        chance, share = ndtr(self.up * (d1 - deviations)), ndtr(self.up * d1)
        return np.asarray(np.abs(self.turn) * self.up * (spot_pv * share - corner_pv * chance))


def evaluate(
    rows: Rows,
    begins: int,
    ends: int,
    columns: IntArray,
    shocks: IntArray,
    spots: Floats,
    sigmas: Floats,
    tables: Floats,
    out: Floats,
) -> None:
    """Values of the rows begins … ends - 1 in the listed shocks, where the row serves the shocked deviation."""
    for row, which, spot, sigma in _served(rows, begins, ends, columns, shocks, spots, sigmas):
        out[which, columns[row]] = _value(rows, row, tables, spot, sigma * math.sqrt(rows.tau[row]))


def _served(
    rows: Rows, begins: int, ends: int, columns: IntArray, shocks: IntArray, spots: Floats, sigmas: Floats
) -> Iterator[tuple[int, IntArray, Floats, Floats]]:
    """Each row with the shocks that it answers for, and their spots and sigmas."""
    for row in range(begins, ends):
        spot, sigma = spots[shocks, columns[row]], sigmas[shocks, columns[row]]
        deviation = sigma * math.sqrt(rows.tau[row])
        served: BoolArray = (
            (deviation >= rows.low[row]) & (deviation < rows.high[row]) & (spot > 0.0) & np.isfinite(spot)
        )
        if served.any():
            yield row, shocks[served], spot[served], sigma[served]


def _value(rows: Rows, row: int, tables: Floats, spot: Floats, deviation: Floats) -> Floats:
    """Closed form and residual together, within what arbitrage allows; the intrinsic value where exercise is due."""
    option, strike = _Option(rows, row), rows.strike[row]
    wide = np.minimum(deviation, LARGEST_DEVIATION)
    full = np.full_like(spot, 1.0)
    closed = black_scholes.price(
        full * option.sign > 0.0,
        strike * option.left(spot / strike),
        full * strike,
        wide / math.sqrt(option.tau),
        full * option.tau,
        full * option.rate,
        full * option.yield_,
    )
    if rows.nodes[row] == 0:
        return closed
    more = _residual_at(rows, row, tables, option, spot, deviation)
    spot_pv, strike_pv = (
        spot * math.exp(-option.yield_ * option.tau),
        strike * math.exp(-option.rate * option.tau),
    )
    if not option.early:
        return np.asarray(np.clip(closed + more, 0.0, spot_pv if option.sign > 0.0 else strike_pv))
    worth = closed + (more if option.dividends else np.maximum(more, 0.0))
    intrinsic = option.sign * (spot - strike)
    most = np.maximum(spot, spot_pv) if option.sign > 0.0 else max(strike, strike_pv)
    due = (intrinsic > 0.0) & (closed <= intrinsic) & (worth < intrinsic + AT_INTRINSIC * strike)
    bounded = np.clip(np.maximum(worth, intrinsic), 0.0, most)
    return np.asarray(np.where(due, intrinsic, bounded))


def _residual_at(
    rows: Rows, row: int, tables: Floats, option: _Option, spot: Floats, deviation: Floats
) -> Floats:
    """The table's residual: six points in z, Chebyshev's series in ln s; beyond the nodes linear in the spot
    in the money, dying away out of it."""
    nodes, offset, strike = int(rows.nodes[row]), int(rows.offset[row]), rows.strike[row]
    shift, table = np.split(tables[offset : offset + LANES * (nodes + 1)].reshape(nodes + 1, LANES), [1])
    wide = np.minimum(deviation, LARGEST_DEVIATION)
    middle = strike * option.centre(0.0)
    chebyshev = np.polynomial.chebyshev.chebvander(
        np.log(wide / rows.middle[row]) / rows.log_width[row], LANES - 1
    )
    first = rows.first[row] + chebyshev @ shift[0]
    place = (np.log(spot / middle) / wide - 0.5 * wide - first) / rows.spacing[row]

    def at_node(node: IntArray) -> Floats:
        return np.asarray(np.einsum("kd,kd->k", table[node], chebyshev))

    node = np.clip(place.astype(np.int64), 2, nodes - 4)
    weights = six_points(place - node)
    inside = sum(weight * at_node(node + k) for k, weight in zip(range(-2, 4), weights, strict=True)) * (
        1.0 + spot / middle
    )
    edge = np.where(place < 0.0, 0, nodes - 1)
    inner = np.where(place < 0.0, 1, nodes - 2)
    spot_at = [middle * np.exp((first + k * rows.spacing[row] + 0.5 * wide) * wide) for k in (edge, inner)]
    value_at = [at_node(k) * (1.0 + s / middle) for k, s in zip((edge, inner), spot_at, strict=True)]
    slope = (value_at[0] - value_at[1]) / (spot_at[0] - spot_at[1])
    steepest = max(1.0 - math.exp(-option.yield_ * option.tau), 0.0) / strike if option.early else 0.0
    slope = np.minimum(slope, steepest) if option.sign > 0.0 else np.maximum(slope, -steepest)
    beyond = value_at[0] + slope * (spot - spot_at[0])
    out = (place < 0.0) == (option.sign > 0.0)
    dying = value_at[0] * (spot / spot_at[0] if option.sign > 0.0 else spot_at[0] / spot)
    beyond = np.where(out, dying, beyond)
    return np.asarray(strike * np.where((place < 0.0) | (place > nodes - 1), beyond, inside))


def greeks(
    rows: Rows,
    moved: Rows,
    rate_step: float,
    begins: int,
    ends: int,
    columns: IntArray,
    shocks: IntArray,
    spots: Floats,
    sigmas: Floats,
    tables: Floats,
    out: Floats,
) -> None:
    """Greeks of those of the rows begins … ends - 1 that have a table, where that serves the shocked deviation."""
    for row, which, spot, sigma in _served(rows, begins, ends, columns, shocks, spots, sigmas):
        if rows.nodes[row] > 0:
            out[1:, which, columns[row]] = _row_greeks(rows, moved, rate_step, row, tables, spot, sigma)


def _row_greeks(
    rows: Rows, moved: Rows, rate_step: float, row: int, tables: Floats, spot: Floats, sigma: Floats
) -> Floats:
    """(8, k): delta, gamma, vega, theta, rho, vanna, volga, charm."""
    option, later, strike, root = (
        _Option(rows, row),
        _Option(moved, row),
        rows.strike[row],
        math.sqrt(rows.tau[row]),
    )
    deviation = sigma * root
    left = strike * option.left(spot / strike)
    full = np.ones_like(spot)
    closed = black_scholes.greeks(
        full * option.sign > 0.0, left, full * strike, np.minimum(deviation, LARGEST_DEVIATION) / root,
        full * option.tau, full * option.rate, full * option.yield_,
    )  # fmt: skip
    wide = np.minimum(deviation, LARGEST_DEVIATION)
    d1 = np.log(left * math.exp(option.carry * option.tau) / strike) / wide + 0.5 * wide
    speed = -closed.gamma / left * (d1 / wide + 1.0)
    cash_slope = _cash_slope(option, strike, spot)
    on_forward = later.yield_ != option.yield_
    rho = -option.tau * closed.price if on_forward else 100.0 * closed.rho + closed.delta * cash_slope
    step, more = np.minimum(BUMP * wide, WIDEST_BUMP) * spot, SIGMA_BUMP
    price, delta, gamma = closed.price, closed.delta, closed.gamma
    vega, vanna, volga = 100.0 * closed.vega, 100.0 * closed.vanna, 1e4 * closed.volga

    def residual(steps: float = 0.0, wider: float = 1.0) -> Floats:
        return _residual_at(rows, row, tables, option, spot + steps * step, deviation * wider)

    here, above, below = residual(), residual(1.0), residual(-1.0)
    up, down = residual(wider=1.0 + more), residual(wider=1.0 - more)
    price = price + here
    delta = delta + (above - below) / (2.0 * step)
    gamma = gamma + (above - 2.0 * here + below) / step**2
    speed = speed + (residual(2.0) - residual(-2.0) - 2.0 * (above - below)) / (2.0 * step**3)
    vega = vega + (up - down) / (2.0 * more * sigma)
    crossed = (
        residual(1.0, 1.0 + more)
        - residual(-1.0, 1.0 + more)
        - residual(1.0, 1.0 - more)
        + residual(-1.0, 1.0 - more)
    )
    vanna = vanna + crossed / (4.0 * step * more * sigma)
    volga = volga + (up - 2.0 * here + down) / (more * sigma) ** 2
    rho = rho + (_residual_at(moved, row, tables, later, spot, deviation) - here) / rate_step
    variance = (sigma * spot) ** 2
    theta = option.rate * price - option.carry * spot * delta - 0.5 * variance * gamma
    charm = (
        option.rate * delta - option.carry * (delta + spot * gamma) - variance * (gamma / spot + 0.5 * speed)
    )
    all_of_them = np.array([delta, gamma, vega, theta, rho, vanna, volga, charm])
    intrinsic = option.sign * (spot - strike)
    due = option.early & (intrinsic > 0.0) & (closed.price <= intrinsic)
    due &= price < intrinsic + AT_INTRINSIC * strike
    all_of_them[:, due] = 0.0
    all_of_them[0, due] = option.sign
    return all_of_them


def _cash_slope(option: _Option, strike: float, spot: Floats) -> Floats:
    """The slope in the rate of the spot less the dividends' present value."""
    left, slope = spot / strike, np.zeros_like(spot)
    for time, cash in option.dividends:
        now = cash * math.exp(-option.carry * time)
        slope += np.where(now < LARGEST_SHARE * left, time * now, 0.0)
        left = left - np.minimum(now, LARGEST_SHARE * left)
    return slope * strike


def implied(
    rows: Rows, begins: int, ends: int, spots: Floats, targets: Floats, tables: Floats, out: Floats
) -> None:
    """The deviations at which the rows begins … ends - 1 are worth their targets: 0 below the row's band, +inf above."""
    for row in range(begins, ends):
        spot = spots[row : row + 1]

        def miss(log_deviation: float, row: int = row, spot: Floats = spot) -> float:
            return float(_value(rows, row, tables, spot, np.exp([log_deviation]))[0] - targets[row])

        low, high = math.log(rows.low[row]), math.log(min(rows.high[row], LARGEST_DEVIATION))
        if miss(low) > 0.0:
            out[row] = 0.0
        elif miss(high) < 0.0:
            out[row] = np.inf
        else:
            out[row] = math.exp(brentq(miss, low, high, xtol=1e-13))


def european(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    sigma: Floats,
    tau: Floats,
    rate: Floats,
    yield_: Floats,
    on_forward: Floats,
    begins: int,
    ends: int,
    out: Floats,
) -> None:
    """Price and Greeks of the contracts begins … ends - 1; NaN where the underlying is not random."""
    part = slice(begins, ends)
    t, price = tau[part], out[0, part]
    closed = black_scholes.greeks(
        sign[part] > 0.0, spot[part], strike[part], sigma[part], t, rate[part], yield_[part]
    )
    for k, name in enumerate(GreekColumns.__slots__):
        out[k, part] = getattr(closed, name) / UNITS[k]
    out[5, part] = np.where(on_forward[part] > 0.0, -t * price, out[5, part])
    random = (
        (spot[part] > 0.0)
        & (strike[part] > 0.0)
        & (sigma[part] * np.sqrt(np.maximum(t, 0.0)) >= black_scholes.DETERMINISTIC)
    )
    out[:, begins:ends][:, ~random] = np.nan
