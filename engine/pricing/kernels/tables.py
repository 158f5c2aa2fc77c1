"""What early exercise and cash dividends add to the closed form, as a table in spot and volatility.

For one contract: the residual V - Black-Scholes(spot less the dividends' present value), over 1 + spot / centre, at nodes
in z and, at each node, as eight Chebyshev coefficients in ln s. (A call's residual grows with the spot, which at a far node
is another one for each s; the division keeps the lanes of one size.) Two grids half a cell apart are averaged, since the
lattice's error swings with the place of the exercise boundary between nodes, and extrapolated against a quarter of the steps
(Richardson), since exercise at the steps only costs O(1/steps).
"""

import math

import numpy as np

from engine.pricing.grid import (
    CHEBYSHEV_NODES,
    COARSEST,
    DUE,
    LANES,
    LEAST_SPOT,
    QUARTER,
    SMOOTH,
    SPACING,
    TO_COEFFICIENTS,
)
from engine.pricing.kernels.jit import inlined, kernel
from engine.pricing.kernels.lattice import EDGES, ROWS, at_every_step, centre, geometric, solve_grid
from engine.pricing.kernels.maths import legs, log

BY_LANE = np.ascontiguousarray(TO_COEFFICIENTS.T)


@kernel
def build(rows, begins, ends, tables):
    """The tables of the rows begins … ends - 1, each from its offset on: the shift of its nodes, then they."""
    widest = 0
    for row in range(begins, ends):
        widest = max(widest, rows.nodes[row])
    scratch = np.empty((ROWS, LANES * widest + EDGES))
    work = np.empty((9, LANES * widest))
    deviations, shifts = np.empty(LANES), np.empty(LANES)
    for row in range(begins, ends):
        for lane in range(LANES):
            deviations[lane] = rows.middle[row] * math.exp(rows.log_width[row] * CHEBYSHEV_NODES[lane])
        nodes = rows.nodes[row]
        residual = work[0, : LANES * nodes]
        shifts[:] = 0.0
        if (rows.payments[row] == 0 or rows.sign[row] < 0.0) and at_every_step(
            rows.early[row], rows.sign[row], rows.rate[row], rows.yield_[row]
        ):
            _shift_to_boundary(rows, row, deviations, scratch, shifts)
        _extrapolated(rows, row, deviations, shifts, work[1:], scratch, residual)
        table = tables[rows.offset[row] : rows.offset[row] + LANES * (nodes + 1)]
        for j in range(nodes + 1):
            values = shifts if j == 0 else residual[LANES * (j - 1) : LANES * j]
            coefficients = table[LANES * j : LANES * (j + 1)]
            for degree in range(LANES):
                total = 0.0
                for lane in range(LANES):
                    total += BY_LANE[lane, degree] * values[lane]
                coefficients[degree] = total


@kernel
def _shift_to_boundary(rows, row, deviations, scratch, shifts):
    """How far to shift each lane's nodes, (8,), so that the exercise boundary is at about the same node in all of them.

    The residual's curvature breaks off at the boundary, and as long as that is at one node, no interpolation between the
    lanes crosses it. Found on the coarser lattice, from the parabola by which the value leaves the intrinsic value; no shift
    where a lane has no boundary, nor for calls on what pays dividends, whose sharper corner lies before those. The nodes move
    towards where exercise is due, so that those where it is not stay covered.
    """
    nodes, spacing, first, sign = (
        rows.nodes[row] // 2,
        2.0 * rows.spacing[row],
        rows.first[row],
        rows.sign[row],
    )
    firsts = shifts + first
    values = _grid(
        rows, row, deviations, firsts, spacing, nodes, _steps(rows.spacing[row]) // QUARTER, 1, scratch
    )
    carry = rows.rate[row] - rows.yield_[row]
    level = centre(rows.tau[row], carry, rows.times[row], rows.amounts[row], rows.payments[row], 0.0)
    for lane in range(LANES):
        wide, found = deviations[lane], False
        inwards = math.exp(-sign * spacing * wide)
        outermost = first if sign < 0.0 else first + (nodes - 1) * spacing
        spot = level * math.exp((outermost + 0.5 * wide) * wide)
        for k in range(1, nodes):  # from where exercise is due
            j = k if sign < 0.0 else nodes - 1 - k
            before = j - 1 if sign < 0.0 else j + 1
            there = spot
            spot *= inwards
            over = values[LANES * j + lane] - sign * (spot - 1.0)
            if values[LANES * before + lane] - sign * (there - 1.0) > DUE * (1.0 + there):
                break
            if over > DUE * (1.0 + spot):
                curve = 2.0 * abs(rows.rate[row] - rows.yield_[row] * spot) * rows.tau[row] / (wide * wide)
                back = min(math.sqrt(2.0 * over / max(curve, DUE)) / wide, spacing)
                shifts[lane] = first + j * spacing + (back if sign > 0.0 else -back)
                found = True
                break
        if not found:
            shifts[:] = 0.0
            return
    smooth = np.zeros(LANES)
    for degree in range(SMOOTH):
        coefficient = 0.0
        for lane in range(LANES):
            coefficient += BY_LANE[lane, degree] * shifts[lane]
        for lane in range(LANES):
            smooth[lane] += coefficient * math.cos(degree * math.acos(CHEBYSHEV_NODES[lane]))
    outermost = smooth.min() if sign < 0.0 else smooth.max()
    for lane in range(LANES):
        shifts[lane] = smooth[lane] - outermost


@inlined
def _steps(spacing):
    return round(3.0 / (spacing * spacing))


@kernel
def _extrapolated(rows, row, deviations, shifts, work, scratch, out):
    """Residuals over 1 + spot / centre at the row's nodes, the limit of the lattice's steps, (8 nodes,)."""
    nodes, spacing = rows.nodes[row], rows.spacing[row]
    firsts = shifts + rows.first[row]
    size, steps = LANES * nodes, _steps(spacing)
    spots, closed, fine = work[0, :size], work[1, :size], work[2, :size]
    carry = rows.rate[row] - rows.yield_[row]
    level = centre(rows.tau[row], carry, rows.times[row], rows.amounts[row], rows.payments[row], 0.0)
    lowest, ratio = np.empty(LANES), np.empty(LANES)
    for lane in range(LANES):
        lowest[lane] = level * math.exp((firsts[lane] + 0.5 * deviations[lane]) * deviations[lane])
        ratio[lane] = math.exp(spacing * deviations[lane])
    geometric(lowest, ratio, spots)
    _closed_form(rows, row, deviations, spots, scratch, closed)
    fine[:] = _grid(rows, row, deviations, firsts, spacing, nodes, steps, QUARTER, scratch)
    alone = work[7, :size]
    for i in range(size):
        alone[i] = fine[i] - closed[i]

    every_step = at_every_step(rows.early[row], rows.sign[row], rows.rate[row], rows.yield_[row])
    if (every_step or spacing < SPACING) and deviations[LANES - 1] * spacing < COARSEST:
        _average_with_halfway(rows, row, deviations, firsts, level, spots, work[3:], scratch, fine)
    for i in range(size):
        fine[i] -= closed[i]
    if every_step:
        evens, odds = LANES * ((nodes + 1) // 2), LANES * (nodes // 2)
        even, odd, mean = work[3, :evens], work[4, :odds], work[5, :size]
        even[:] = _grid(
            rows, row, deviations, firsts, 2.0 * spacing, (nodes + 1) // 2, steps // QUARTER, 1, scratch
        )
        odd[:] = _grid(
            rows, row, deviations, firsts + spacing, 2.0 * spacing, nodes // 2, steps // QUARTER, 1, scratch
        )
        for j in range(nodes):
            coarse = even if j % 2 == 0 else odd
            for lane in range(LANES):
                coarse[LANES * (j // 2) + lane] -= closed[LANES * j + lane]
                out[LANES * j + lane] = coarse[LANES * (j // 2) + lane]
        _halfway(even, mean[: evens - LANES])
        _halfway(odd, mean[evens : evens + odds - LANES])
        for j in range(1, nodes - 1):
            of_others = evens + LANES * (j // 2 - 1) if j % 2 == 0 else LANES * (j // 2)
            known = LANES * (j // 2) <= odds - LANES if j % 2 == 0 else LANES * (j // 2 + 1) < evens
            for lane in range(LANES):
                if known:
                    out[LANES * j + lane] = 0.5 * (out[LANES * j + lane] + mean[of_others + lane])
        for i in range(size):
            fine[i] += (fine[i] - out[i]) / (QUARTER - 1.0)
    for i in range(size):
        exercised = rows.sign[row] * (spots[i] - 1.0) - closed[i]
        due = rows.early[row] and alone[i] - exercised <= DUE
        out[i] = (exercised if due else fine[i]) / (1.0 + spots[i] / level)


@kernel
def _average_with_halfway(rows, row, deviations, firsts, level, spots, work, scratch, fine):
    """Values at the nodes, `fine`, become the mean of theirs and of what a grid half a cell apart says there.

    That is interpolated over 1 + spot / level, which keeps what is far in the money from bending. spots: at the nodes.
    """
    nodes, spacing = rows.nodes[row], rows.spacing[row]
    size, between, edge = LANES * nodes, LANES * (nodes - 1), 3 * LANES
    widths, mean = work[0, :between], work[1, : between - LANES]
    half = np.exp(0.5 * spacing * deviations)
    for j in range(nodes - 1):
        for lane in range(LANES):
            widths[LANES * j + lane] = half[lane]
    starts, steps = firsts + 0.5 * spacing, _steps(spacing)
    values = _grid(rows, row, deviations, starts, spacing, nodes - 1, steps, QUARTER, scratch)
    inverse = 1.0 / level
    for i in range(between):
        values[i] /= 1.0 + spots[i] * widths[i] * inverse
    _halfway(values, mean)
    inner, at, there = (
        fine[edge : size - edge],
        spots[edge : size - edge],
        mean[edge - LANES : size - edge - LANES],
    )
    for i in range(inner.size):
        inner[i] = 0.5 * (inner[i] + there[i] * (1.0 + at[i] * inverse))


@kernel
def _halfway(values, out):
    """Values halfway between neighbouring nodes, (8 (nodes - 1),): by six nodes, near the ends by two."""
    size = out.size
    edge = 2 * LANES
    low, high = values[:size], values[LANES : size + LANES]
    for i in range(size):
        out[i] = 0.5 * (low[i] + high[i])
    inner = size - 2 * edge
    if inner <= 0:
        return
    a, b, c = values[:inner], values[LANES : inner + LANES], values[2 * LANES : inner + 2 * LANES]
    d, e, f = (
        values[3 * LANES : inner + 3 * LANES],
        values[4 * LANES : inner + 4 * LANES],
        values[5 * LANES : inner + 5 * LANES],
    )
    middle = out[edge : edge + inner]
    for i in range(inner):
        middle[i] = (3.0 * (a[i] + f[i]) - 25.0 * (b[i] + e[i]) + 150.0 * (c[i] + d[i])) / 256.0


@kernel
def _grid(rows, row, deviations, firsts, spacing, nodes, steps, split, scratch):
    return solve_grid(
        rows.sign[row], rows.early[row], rows.tau[row], rows.rate[row], rows.yield_[row], rows.times[row],
        rows.amounts[row], rows.payments[row], deviations, firsts, spacing, nodes, steps, split, scratch,
    )  # fmt: skip


@kernel
def _closed_form(rows, row, deviations, spots, scratch, out):
    """Black-Scholes at the spots (8 nodes,) less the dividends' present value, each lane with its deviation.

    Below LEAST_SPOT linear in the spot.
    """
    size = spots.size
    left, widths = scratch[0, :size], scratch[1, :size]
    sign, tau, rate, yield_ = rows.sign[row], rows.tau[row], rows.rate[row], rows.yield_[row]
    for j in range(size // LANES):
        for lane in range(LANES):
            widths[LANES * j + lane] = deviations[lane]
    cash = 0.0
    for k in range(rows.payments[row]):
        cash += rows.amounts[row, k] * math.exp((yield_ - rate) * rows.times[row, k])
    for i in range(size):
        left[i] = spots[i] - cash
    growth, spot_pv, strike_pv = (rate - yield_) * tau, math.exp(-yield_ * tau), math.exp(-rate * tau)
    short = 1.0 if sign < 0.0 else 0.0
    for i in range(size):
        spot = max(left[i], LEAST_SPOT)
        d2 = (log(spot) + growth) / widths[i] - 0.5 * widths[i]
        d1 = d2 + widths[i]
        spot_leg, strike_leg = legs(sign, spot * spot_pv, strike_pv, d1, d2)
        out[i] = sign * (spot_leg - strike_leg) + short * spot_pv * (spot - left[i])
