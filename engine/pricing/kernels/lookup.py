"""Values, Greeks and implied volatilities off the tables: Black-Scholes in straight loops, plus the table's residual.

Between the table's nodes six points are interpolated, beyond its first and last node the residual goes on linearly in the
spot, as early exercise does; in ln s it is Chebyshev's series.
"""

import math

import numpy as np

from engine.pricing.dividends import LARGEST_SHARE
from engine.pricing.grid import (
    AT_INTRINSIC,
    BUMP,
    LANES,
    LARGEST_DEVIATION,
    SIGMA_BUMP,
    WIDEST_BUMP,
)
from engine.pricing.kernels.jit import inlined, kernel
from engine.pricing.kernels.lattice import centre, node_of, six_points
from engine.pricing.kernels.maths import density, legs, log, normal

BLOCK = 256  # shocks per pass: their columns stay in the processor's nearest cache


@inlined
def black_scholes(sign, spot_pv, strike_pv, d1, d2):
    """The out-of-the-money option plus the discounted intrinsic value: no cancellation, and parity to rounding."""
    out = 1.0 if spot_pv < strike_pv else -1.0
    spot_leg, strike_leg = legs(out, spot_pv, strike_pv, d1, d2)
    time_value = out * (spot_leg - strike_leg)
    intrinsic = sign * (spot_pv - strike_pv)
    return (max(0.0, time_value)) + (max(0.0, intrinsic))


@inlined
def _served(spot, deviation, low, high):
    """Whether a table answers for this spot and deviation; false where either is NaN."""
    return deviation >= low and deviation < high and spot > 0.0 and spot < np.inf


@kernel
def evaluate(rows, begins, ends, columns, shocks, spots, sigmas, tables, out):
    """Values of the rows begins … ends - 1 in the listed shocks, where the row serves the shocked deviation.

    Args:
        columns: (n,), the contract of each row: its column in the matrices.
        shocks: (k,), rows of the matrices.
        spots, sigmas, out: (n_shocks, n_contracts).
    """
    spot, deviation, left = np.ones(BLOCK), np.ones(BLOCK), np.ones(BLOCK)
    place, angle, value = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    node, weights = np.empty(BLOCK, dtype=np.int64), np.empty((6, BLOCK))
    chebyshev = np.empty(LANES)
    for row in range(begins, ends):
        column, strike, sign = columns[row], rows.strike[row], rows.sign[row]
        tau, rate, yield_, count = rows.tau[row], rows.rate[row], rows.yield_[row], rows.payments[row]
        carry, root = rate - yield_, math.sqrt(tau)
        spot_carry, strike_pv = math.exp(-yield_ * tau), strike * math.exp(-rate * tau)
        growth, inverse_strike = carry * tau, 1.0 / strike
        middle = strike * centre(tau, carry, rows.times[row], rows.amounts[row], count, 0.0)
        low, high, early, first = rows.low[row], rows.high[row], rows.early[row], rows.first[row]
        steepest = _steepest(early, spot_carry, strike)
        for start in range(0, shocks.size, BLOCK):
            size = min(BLOCK, shocks.size - start)
            for k in range(size):
                shock = shocks[start + k]
                spot[k] = spots[shock, column]
                deviation[k] = sigmas[shock, column] * root
                left[k] = spot[k]
            for i in range(count):
                cash = strike * rows.amounts[row, i] * math.exp(-carry * rows.times[row, i])
                for k in range(size):
                    left[k] -= min(cash, LARGEST_SHARE * left[k])
            for k in range(size):
                wide = min(deviation[k], LARGEST_DEVIATION)
                d2 = (log(left[k] * inverse_strike) + growth) / wide - 0.5 * wide
                value[k] = black_scholes(sign, left[k] * spot_carry, strike_pv, d2 + wide, d2)
            if rows.nodes[row] > 0:
                inverse_middle, log_middle = 1.0 / middle, math.log(rows.middle[row])
                inverse_width, inverse_spacing = 1.0 / rows.log_width[row], 1.0 / rows.spacing[row]
                table = tables[rows.offset[row] : rows.offset[row] + LANES * (rows.nodes[row] + 1)]
                shift, tilt, last = (
                    table[0] * inverse_spacing,
                    table[1] * inverse_spacing,
                    rows.nodes[row] - 1.0,
                )
                for k in range(size):
                    wide = min(deviation[k], LARGEST_DEVIATION)
                    z = log(spot[k] * inverse_middle) / wide - 0.5 * wide
                    angle[k] = (log(wide) - log_middle) * inverse_width
                    place[k] = (z - first) * inverse_spacing - (shift + tilt * angle[k])
                for k in range(size):
                    node[k], distance = node_of(place[k], last)
                    w = six_points(distance)
                    for i in range(6):
                        weights[i, k] = w[i]
                for k in range(size):
                    if _served(spot[k], deviation[k], low, high):
                        _chebyshev(angle[k], chebyshev)
                        if 0.0 <= place[k] <= last:
                            more = _interpolated(table, node[k], weights[:, k], chebyshev) * (
                                1.0 + spot[k] * inverse_middle
                            )
                        else:
                            more = _beyond(
                                sign,
                                table,
                                place[k] < 0.0,
                                chebyshev,
                                spot[k],
                                deviation[k],
                                middle,
                                first,
                                rows.spacing[row],
                                steepest,
                            )
                        value[k] = _bounded(
                            sign,
                            early,
                            count,
                            strike,
                            spot_carry,
                            strike_pv,
                            spot[k],
                            value[k],
                            strike * more,
                        )
            for k in range(size):
                if _served(spot[k], deviation[k], low, high):
                    out[shocks[start + k], column] = value[k]


@kernel
def _bounded(sign, early, count, strike, spot_carry, strike_pv, spot, closed, more):
    """Closed form and residual together, within what arbitrage allows; the intrinsic value where exercise is due."""
    if not early:
        most = spot_carry * spot if sign > 0.0 else strike_pv
        return min(max(closed + more, 0.0), most)
    worth = closed + (max(more, 0.0) if count == 0 else more)
    intrinsic = sign * (spot - strike)
    if intrinsic > 0.0 and closed <= intrinsic and worth < intrinsic + AT_INTRINSIC * strike:
        return intrinsic
    most = max(1.0, spot_carry) * spot if sign > 0.0 else max(strike, strike_pv)
    return min(max(worth, intrinsic, 0.0), most)


@inlined
def _chebyshev(x, out):
    """Chebyshev's polynomials of degrees 0 … 7."""
    twice = x + x
    out[0] = 1.0
    out[1] = x
    out[2] = twice * x - 1.0
    out[3] = twice * out[2] - x
    out[4] = twice * out[3] - out[2]
    out[5] = twice * out[4] - out[3]
    out[6] = twice * out[5] - out[4]
    out[7] = twice * out[6] - out[5]


@inlined
def _at_node(table, node, chebyshev):
    total = 0.0
    for degree in range(LANES):
        total += table[LANES * node + degree] * chebyshev[degree]
    return total


@inlined
def _steepest(early, spot_carry, strike):
    """Slope of the residual where exercise is due: of what an option is worth, none is steeper than the spot itself."""
    return max(1.0 - spot_carry, 0.0) / strike if early else 0.0


@inlined
def _interpolated(table, node, w, chebyshev):
    """The table between its nodes: six of them weighted, then Chebyshev's series."""
    part = table[LANES * (node - 1) : LANES * (node + 5)]
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0  # side by side: two vectors
    for i in range(6):
        k, weight = LANES * i, w[i]
        a += weight * part[k]
        b += weight * part[k + 1]
        c += weight * part[k + 2]
        d += weight * part[k + 3]
        e += weight * part[k + 4]
        f += weight * part[k + 5]
        g += weight * part[k + 6]
        h += weight * part[k + 7]
    a = a * chebyshev[0] + e * chebyshev[4]
    b = b * chebyshev[1] + f * chebyshev[5]
    c = c * chebyshev[2] + g * chebyshev[6]
    d = d * chebyshev[3] + h * chebyshev[7]
    return (a + b) + (c + d)


@kernel
def _beyond(sign, table, below, chebyshev, spot, deviation, middle, first, spacing, steepest):
    """The residual below the first node or above the last: linear in the spot in the money, no steeper than exercise is, and
    dying away out of the money."""
    last = table.size // LANES - 2
    edge, inner = (0, 1) if below else (last, last - 1)
    at_edge, at_inner = _at_node(table, edge + 1, chebyshev), _at_node(table, inner + 1, chebyshev)
    first += _at_node(table, 0, chebyshev)
    wide = min(deviation, LARGEST_DEVIATION)
    edge_spot = middle * math.exp((first + edge * spacing + 0.5 * wide) * wide)
    inner_spot = middle * math.exp((first + inner * spacing + 0.5 * wide) * wide)
    at_edge *= 1.0 + edge_spot / middle
    if below == (sign > 0.0):
        return at_edge * (spot / edge_spot if sign > 0.0 else edge_spot / spot)
    at_inner *= 1.0 + inner_spot / middle
    slope = (at_edge - at_inner) / (edge_spot - inner_spot)
    slope = min(slope, steepest) if sign > 0.0 else max(slope, -steepest)
    return at_edge + slope * (spot - edge_spot)


@kernel
def _series(rows, row, deviation, chebyshev):
    """Chebyshev's polynomials of a deviation, for the row's table."""
    _chebyshev(
        math.log(min(deviation, LARGEST_DEVIATION) / rows.middle[row]) / rows.log_width[row], chebyshev
    )


@kernel
def _residual_at(rows, row, tables, middle, spot, deviation, chebyshev):
    """The residual of one row at one spot and deviation, whose polynomials are `chebyshev`."""
    table = tables[rows.offset[row] : rows.offset[row] + LANES * (rows.nodes[row] + 1)]
    wide = min(deviation, LARGEST_DEVIATION)
    z = math.log(spot / middle) / wide - 0.5 * wide
    place = (z - rows.first[row] - (table[0] + table[1] * chebyshev[1])) / rows.spacing[row]
    last = rows.nodes[row] - 1.0
    if 0.0 <= place <= last:
        node, distance = node_of(place, last)
        return (
            rows.strike[row]
            * _interpolated(table, node, six_points(distance), chebyshev)
            * (1.0 + spot / middle)
        )
    steepest = _steepest(rows.early[row], math.exp(-rows.yield_[row] * rows.tau[row]), rows.strike[row])
    return rows.strike[row] * _beyond(
        rows.sign[row],
        table,
        place < 0.0,
        chebyshev,
        spot,
        deviation,
        middle,
        rows.first[row],
        rows.spacing[row],
        steepest,
    )


@kernel
def _without_dividends(rows, row, spot):
    """The spot less its dividends' present value, and the slope of that in the rate."""
    left, slope = spot, 0.0
    for i in range(rows.payments[row]):
        time = rows.times[row, i]
        cash = rows.strike[row] * rows.amounts[row, i] * math.exp((rows.yield_[row] - rows.rate[row]) * time)
        if cash < LARGEST_SHARE * left:
            slope += time * cash
        left -= min(cash, LARGEST_SHARE * left)
    return left, slope


@kernel
def greeks(rows, moved, rate_step, begins, ends, columns, shocks, spots, sigmas, tables, out):
    """Greeks of those of the rows begins … ends - 1 that have a table, where that serves the shocked deviation.

    The closed form's are exact; the residual's are differences on its table, rho's between two tables. Theta and charm
    follow from the pricing equation.

    Args:
        moved: the same rows at a rate higher by rate_step; where `yield_` moved too, the contract is on a forward.
        columns, shocks, spots, sigmas: as for evaluate.
        out: (9, n_shocks, n_contracts): delta, gamma, vega, theta, rho, vanna, volga, charm from the second on, per year and
            per 1.00; the first is the price and stays.
    """
    still, wider, narrower = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for row in range(begins, ends):
        column, strike, sign, early = columns[row], rows.strike[row], rows.sign[row], rows.early[row]
        tau, rate, yield_ = rows.tau[row], rows.rate[row], rows.yield_[row]
        carry, root = rate - yield_, math.sqrt(tau)
        spot_carry, strike_pv = math.exp(-yield_ * tau), strike * math.exp(-rate * tau)
        middle = strike * centre(tau, carry, rows.times[row], rows.amounts[row], rows.payments[row], 0.0)
        if rows.nodes[row] == 0:
            continue
        on_forward = moved.yield_[row] != yield_
        moved_carry = moved.rate[row] - moved.yield_[row]
        moved_middle = strike * centre(
            tau, moved_carry, rows.times[row], rows.amounts[row], rows.payments[row], 0.0
        )
        for shock in shocks:
            sigma, spot = sigmas[shock, column], spots[shock, column]
            deviation = sigma * root
            if not _served(spot, deviation, rows.low[row], rows.high[row]):
                continue
            wide = min(deviation, LARGEST_DEVIATION)
            left, cash_slope = _without_dividends(rows, row, spot)
            d2 = (math.log(left / strike) + carry * tau) / wide - 0.5 * wide
            d1 = d2 + wide
            bell = spot_carry * density(d1)
            closed = black_scholes(sign, left * spot_carry, strike_pv, d1, d2)
            price = closed
            delta = sign * spot_carry * normal(sign * d1)
            gamma = bell / (left * wide)
            speed = -gamma / left * (d1 / wide + 1.0)
            vega = left * bell * root
            vanna, volga = -bell * d2 / sigma, vega * d1 * d2 / sigma
            rho = (
                -tau * price
                if on_forward
                else tau * strike_pv * sign * normal(sign * d2) + delta * cash_slope
            )
            step, more = min(BUMP * wide, WIDEST_BUMP) * spot, SIGMA_BUMP
            up, down = deviation * (1.0 + more), deviation * (1.0 - more)
            for at, polynomials in ((deviation, still), (up, wider), (down, narrower)):
                _series(rows, row, at, polynomials)
            r0 = _residual_at(rows, row, tables, middle, spot, deviation, still)
            above = _residual_at(rows, row, tables, middle, spot + step, deviation, still)
            below = _residual_at(rows, row, tables, middle, spot - step, deviation, still)
            far_above = _residual_at(rows, row, tables, middle, spot + 2.0 * step, deviation, still)
            far_below = _residual_at(rows, row, tables, middle, spot - 2.0 * step, deviation, still)
            at_up = _residual_at(rows, row, tables, middle, spot, up, wider)
            at_down = _residual_at(rows, row, tables, middle, spot, down, narrower)
            crossed = (
                _residual_at(rows, row, tables, middle, spot + step, up, wider)
                - _residual_at(rows, row, tables, middle, spot - step, up, wider)
                - _residual_at(rows, row, tables, middle, spot + step, down, narrower)
                + _residual_at(rows, row, tables, middle, spot - step, down, narrower)
            )
            price += r0
            delta += (above - below) / (2.0 * step)
            gamma += (above - 2.0 * r0 + below) / (step * step)
            speed += (far_above - far_below - 2.0 * (above - below)) / (2.0 * step * step * step)
            vega += (at_up - at_down) / (2.0 * more * sigma)
            vanna += crossed / (4.0 * step * more * sigma)
            volga += (at_up - 2.0 * r0 + at_down) / (more * more * sigma * sigma)
            rho += (_residual_at(moved, row, tables, moved_middle, spot, deviation, still) - r0) / rate_step
            variance = sigma * sigma * spot * spot
            theta = rate * price - carry * spot * delta - 0.5 * variance * gamma
            charm = rate * delta - carry * (delta + spot * gamma) - variance * (gamma / spot + 0.5 * speed)
            intrinsic = sign * (spot - strike)
            if (
                early
                and intrinsic > 0.0
                and closed <= intrinsic
                and price < intrinsic + AT_INTRINSIC * strike
            ):
                delta = sign
                gamma, vega, theta, rho, vanna, volga, charm = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            out[1, shock, column] = delta
            out[2, shock, column] = gamma
            out[3, shock, column] = vega
            out[4, shock, column] = theta
            out[5, shock, column] = rho
            out[6, shock, column] = vanna
            out[7, shock, column] = volga
            out[8, shock, column] = charm


@kernel
def _miss(rows, row, tables, middle, spot, target, log_deviation, chebyshev):
    """Value at a deviation less the price sought. chebyshev: scratch."""
    deviation = math.exp(log_deviation)
    tau, rate, yield_, strike, sign = (
        rows.tau[row],
        rows.rate[row],
        rows.yield_[row],
        rows.strike[row],
        rows.sign[row],
    )
    left, _ = _without_dividends(rows, row, spot)
    d2 = (math.log(left / strike) + (rate - yield_) * tau) / deviation - 0.5 * deviation
    spot_carry, strike_pv = math.exp(-yield_ * tau), strike * math.exp(-rate * tau)
    closed = black_scholes(sign, left * spot_carry, strike_pv, d2 + deviation, d2)
    _series(rows, row, deviation, chebyshev)
    more = _residual_at(rows, row, tables, middle, spot, deviation, chebyshev)
    return (
        _bounded(sign, rows.early[row], rows.payments[row], strike, spot_carry, strike_pv, spot, closed, more)
        - target
    )


@kernel
def implied(rows, begins, ends, spots, targets, tables, out):
    """The deviations at which the rows begins … ends - 1 are worth their targets, by Chandrupatla's bracketed method (1997).

    Args:
        spots, targets: (n,).
        out: (n,): the deviation; 0 where it lies below the row's band and +inf where above.
    """
    chebyshev = np.empty(LANES)
    for row in range(begins, ends):
        spot, target = spots[row], targets[row]
        carry = rows.rate[row] - rows.yield_[row]
        middle = rows.strike[row] * centre(
            rows.tau[row], carry, rows.times[row], rows.amounts[row], rows.payments[row], 0.0
        )
        a, b = math.log(rows.low[row]), math.log(min(rows.high[row], LARGEST_DEVIATION))
        fa = _miss(rows, row, tables, middle, spot, target, a, chebyshev)
        fb = _miss(rows, row, tables, middle, spot, target, b, chebyshev)
        if fa > 0.0:
            out[row] = 0.0
            continue
        if fb < 0.0:
            out[row] = np.inf
            continue
        c, fc, t = a, fa, 0.5
        best = b if abs(fb) < abs(fa) else a
        for _ in range(60):
            x = a + t * (b - a)
            fx = _miss(rows, row, tables, middle, spot, target, x, chebyshev)
            if (fx > 0.0) == (fa > 0.0):
                c, fc = a, fa
            else:
                c, b, fc, fb = b, a, fb, fa
            a, fa = x, fx
            best, least = (a, fa) if abs(fa) < abs(fb) else (b, fb)
            narrow = 1e-13 / abs(b - a) if b != a else 1.0
            if narrow > 0.5 or least == 0.0:
                break
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            t = 0.5
            if phi * phi < xi and (1.0 - phi) * (1.0 - phi) < 1.0 - xi:
                t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            t = min(1.0 - narrow, max(narrow, t))
        out[row] = math.exp(best)
