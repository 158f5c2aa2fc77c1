"""The early-exercise lattice of one contract at eight volatilities at once.

An explicit trinomial lattice for the discounted value on a strip around the forward curve that ends at the strike, in a
coordinate without drift. Eight total deviations s = sigma sqrt(T), the lanes, share the steps in z, the distance from that
curve in standard deviations: node j of lane l is element 8 (j + 1) + l of one flat array, so that a step is one loop of
straight arithmetic; a row before the first and one after the last node carry the ends on, linear in the spot. Everything is
in units of the strike. The strike's kink is never on the grid: the last step before expiry is Black and Scholes' (Broadie
and Detemple 1996). Nodes move so that the spot is an exact martingale of the lattice. Cash dividends follow the spot model:
at an ex-date the value is that of the spot without it (Vellekoop and Nieuwenhuis 2006), interpolated through six nodes,
with exercise tested just after and just before.
"""

import math

import numpy as np

from engine.pricing.dividends import LARGEST_SHARE
from engine.pricing.grid import LANES, LEAST_SPOT, MANY_DIVIDENDS
from engine.pricing.kernels.jit import inlined, kernel
from engine.pricing.kernels.maths import SHIFT, SHIFT_BITS, legs, log

CERTAIN = 6.5  # standard deviations beyond which the last step has no doubt
NO_DOUBT = 37.0  # standard deviations beyond which a double has none
BLOCK = 8 * LANES  # places found in a row
ROWS = 7  # of scratch
EDGES = 2 * LANES  # of a row of scratch: the rows of nodes before the first and after the last


@inlined
def six_points(f):
    """Lagrange's weights of the nodes -2, -1 … 3 at the distance f beyond node 0."""
    far_low, low, high, far_high = f + 2.0, f + 1.0, f - 1.0, f - 2.0
    farthest = f - 3.0
    inner = f * high
    outer = far_low * farthest
    return (
        -low * inner * far_high * farthest * (1.0 / 120.0),
        outer * inner * far_high * (1.0 / 24.0),
        -outer * low * high * far_high * (1.0 / 12.0),
        outer * low * f * far_high * (1.0 / 12.0),
        -outer * low * inner * (1.0 / 24.0),
        far_low * low * inner * far_high * (1.0 / 120.0),
    )


@inlined
def node_of(place, last):
    """The node before a place among the nodes 0 … last, held in 2 … last - 3 for six_points, and the distance from it.

    A place on a node may have the node before it, one away. NaN gives a number that is no node: don't look there.
    """
    shifted = min(max(place - 0.5, 2.0), last - 3.0) + SHIFT  # to the nearest number, as bits
    return np.float64(shifted).view(np.int64) - SHIFT_BITS, place - (shifted - SHIFT)


@kernel
def centre(tau, carry, times, amounts, count, at):
    """The spot at time `at`, dividends of that moment and later included, from which the forward reaches the strike."""
    total = math.exp(-carry * (tau - at))
    for i in range(count):
        if times[i] >= at:
            total += amounts[i] * math.exp(-carry * (times[i] - at))
    return total


@inlined
def moves_of(begins, ends, longest, split):
    """Number of steps between two dates, none longer than `longest`: a multiple of `split`, so that a lattice of `split` times
    fewer steps has the same dates and probabilities, and the two can be extrapolated."""
    return split * max(1, math.ceil((ends - begins) / (split * longest) - 1e-6))


@kernel
def at_every_step(early, sign, rate, yield_):
    """Whether exercise may be due on any day, not just before a dividend."""
    patient = (yield_ <= 0.0 and yield_ <= rate) if sign > 0.0 else (rate <= 0.0 and rate <= yield_)
    return early and not patient


@kernel
def _fill(row, lanes):
    """Every node of a flat row gets its lane's number."""
    for j in range(row.size // LANES):
        for lane in range(LANES):
            row[LANES * j + lane] = lanes[lane]


@kernel
def geometric(first, ratio, row):
    """A flat row of nodes, of which each is its lane's ratio times the one before."""
    for lane in range(LANES):
        row[lane] = first[lane]
    for j in range(1, row.size // LANES):
        for lane in range(LANES):
            row[LANES * j + lane] = row[LANES * (j - 1) + lane] * ratio[lane]


@kernel
def solve_grid(
    sign,
    early,
    tau,
    rate,
    yield_,
    times,
    amounts,
    count,
    deviations,
    firsts,
    spacing,
    nodes,
    steps,
    split,
    scratch,
):
    """The values today at `nodes` nodes of each lane: its first, first + spacing, …

    Args:
        sign: +1 call, -1 put. early: whether exercise before expiry is allowed.
        tau, rate, yield_: years, decimals per year.
        times, amounts: the first `count` are dividends in (0, tau), ascending, in units of the strike.
        deviations, firsts: (8,). steps: over the whole life, a multiple of split; spacing is sqrt(3 / steps).
        scratch: (ROWS, at least 8 nodes + EDGES).
    Returns:
        (8 nodes,), a part of scratch.
    """
    size = LANES * nodes
    held, other = scratch[0, : size + EDGES], scratch[1, : size + EDGES]
    values = held[LANES : size + LANES]
    paid, growth = scratch[2, :size], scratch[3, :size]
    carry, longest = rate - yield_, tau / steps
    lanes, spread, low_end, high_end = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for lane in range(LANES):
        high_end[lane] = math.exp(deviations[lane] * spacing)
        low_end[lane] = 1.0 / high_end[lane]
        spread[lane] = high_end[lane] + low_end[lane] - 2.0

    # Discounted signed spots of the nodes where the lattice starts, today's moved along: one step before expiry, or just
    # before the last dividend where nothing but expiry can come after it.
    any_day = at_every_step(early, sign, rate, yield_)
    jumps = count > 0 and not any_day
    log_level = math.log(centre(tau, carry, times, amounts, count, 0.0))
    for lane in range(LANES):
        lanes[lane] = 0.5 * deviations[lane] ** 2
    begins, moves, dt = 0.0, 1, tau
    for segment in range(count + 1):
        ends = tau if segment == count else times[segment]
        moves = moves_of(begins, ends, longest, split)
        if segment == count and jumps:
            moves = 1
        dt = (ends - begins) / moves
        taken = moves - 1 if segment == count else moves
        for lane in range(LANES):
            lanes[lane] -= taken * (yield_ * dt + math.log1p(dt / (6.0 * longest) * spread[lane]))
        if segment < count - jumps:
            before = centre(tau, carry, times, amounts, count, ends)
            log_level += math.log((before - amounts[segment]) / before)
        begins = ends
    for lane in range(LANES):
        lanes[lane] = sign * math.exp(firsts[lane] * deviations[lane] + lanes[lane] + log_level)
    geometric(lanes, high_end, paid)

    discount = math.exp(-rate * (tau - dt))
    strike = sign * discount
    widths = deviations * math.sqrt(dt / tau)
    corners, turns = np.empty(LANES), np.zeros(LANES)
    if jumps:
        fallen, cash = scratch[4, :size], sign * amounts[count - 1] * discount
        for i in range(size):
            fallen[i] = paid[i] - cash
        _fill(growth, widths)
        _european(sign, dt, rate, yield_, discount, fallen, growth, values)
        if early:
            _exercise_at_a_corner(values, paid, strike, other[:size], corners, turns)
    else:
        _expire(sign, early, dt, rate, yield_, discount, widths, paid, growth, values)

    for segment in range(count - jumps, -1, -1):
        begins = 0.0 if segment == 0 else times[segment - 1]
        ends = tau if segment == count else times[segment]
        moves = moves_of(begins, ends, longest, split)
        dt = (ends - begins) / moves
        probability = dt / (6.0 * longest)
        drift = math.exp(yield_ * dt)
        for lane in range(LANES):
            lanes[lane] = drift * (1.0 + probability * spread[lane])
        back = math.exp(rate * dt)
        moves -= segment == count
        if np.any(turns != 0.0):
            strike *= back
            widths = deviations * math.sqrt(dt / tau)
            _step_from_a_corner(
                held,
                other,
                paid,
                growth,
                scratch,
                low_end,
                high_end,
                lanes,
                probability,
                strike,
                corners,
                turns,
                widths,
                drift,
            )
            turns[:] = 0.0
            moves -= 1
        _roll_back(
            held, other, paid, growth, low_end, high_end, lanes, any_day, probability, strike, back, moves
        )
        strike *= back**moves
        if segment > 0:
            before = centre(tau, carry, times, amounts, count, begins)
            cash = amounts[segment - 1]
            _pay(
                values,
                other[:size],
                paid,
                scratch[4, :size],
                scratch[5, :size],
                scratch[6, :size],
                before / (before - cash),
                sign * cash * math.exp(-rate * begins),
                sign,
                deviations,
                spacing,
            )
            values[:] = other[:size]
            if sign < 0.0 and not jumps and count < MANY_DIVIDENDS:
                _exercise_what_is_left(values, paid, strike, cash * math.exp(-rate * begins) / LARGEST_SHARE)
            if early:
                _exercise_at_a_corner(values, paid, strike, other[:size], corners, turns)
    return values


@kernel
def _expire(sign, early, dt, rate, yield_, discount, deviations, paid, widths, out):
    """Values one step before expiry: Black and Scholes where the strike is in doubt, the discounted payoff elsewhere.

    deviations: (8,), of the last step. widths: scratch.
    """
    size = paid.size
    strike, spot_later = sign * discount, math.exp(-yield_ * dt)
    strike_later = strike * math.exp(-rate * dt)
    forward = sign * spot_later / (discount * math.exp(-rate * dt))
    for i in range(size):
        out[i] = max(spot_later * paid[i] - strike_later, 0.0)
    begins, ends = size, 0
    for lane in range(LANES):
        step = math.log(paid[LANES + lane] / paid[lane])
        middle = -math.log(paid[lane] * forward) / step
        half = CERTAIN * deviations[lane] / step
        begins = min(begins, LANES * max(0, int(middle - half)))
        ends = max(ends, LANES * min(size // LANES, max(0, int(middle + half) + 2)))
    if begins < ends:
        _fill(widths[begins:ends], deviations)
        _european(sign, dt, rate, yield_, discount, paid[begins:ends], widths[begins:ends], out[begins:ends])
    if early:
        for i in range(size):
            out[i] = max(out[i], paid[i] - strike)


@kernel
def _european(sign, dt, rate, yield_, discount, spots, widths, out):
    """Black and Scholes for a time dt; spots and values discounted, spots signed; widths are the deviations.

    Below LEAST_SPOT linear in the spot.
    """
    strike_later, spot_later = sign * discount * math.exp(-rate * dt), math.exp(-yield_ * dt)
    forward = spot_later / (discount * math.exp(-rate * dt))
    short = 1.0 if sign < 0.0 else 0.0
    for i in range(spots.size):
        spot = max(sign * spots[i], LEAST_SPOT)
        d2 = log(spot * forward) / widths[i] - 0.5 * widths[i]
        d1 = d2 + widths[i]
        spot_leg, strike_leg = legs(sign, spot_later * spot, abs(strike_later), d1, d2)
        out[i] = sign * (spot_leg - strike_leg) + short * spot_later * (spot + spots[i])


@kernel
def _roll_back(held, other, paid, growth, low_end, high_end, lanes, early, probability, strike, back, moves):
    """`moves` steps back, in place; `paid`, which grows by its lane's factor a step, goes along.

    strike: discounted; it grows by `back` a step. early: whether exercise may be due at each step; it is tested where it ever
    pays. growth: scratch.
    """
    size = paid.size
    stay = 1.0 - 2.0 * probability
    leaps = np.empty(LANES)
    for lane in range(LANES):
        leaps[lane] = lanes[lane] ** moves
    begins, ends = _worth_a_test(paid, leaps, strike, back**moves) if early else (0, 0)
    # Slices, not shifted indices: only then does the compiler see that no index wraps around, and use vectors.
    tested, factors = paid[begins:ends], growth[begins:ends]
    _fill(factors, lanes)
    if begins > 0:
        low, high = 0, begins
    else:
        low, high = ends, size
    below, here, above = held[low:high], held[low + LANES : high + LANES], held[low + EDGES : high + EDGES]
    below_other, other_here, above_other = (
        other[low:high],
        other[low + LANES : high + LANES],
        other[low + EDGES : high + EDGES],
    )
    low, high = begins, ends
    below_tested, here_tested, above_tested = (
        held[low:high],
        held[low + LANES : high + LANES],
        held[low + EDGES : high + EDGES],
    )
    below_tested_other, other_here_tested, above_tested_other = (
        other[low:high],
        other[low + LANES : high + LANES],
        other[low + EDGES : high + EDGES],
    )
    for _ in range(moves // 2):
        strike *= back
        _extend(held, size, low_end, high_end)
        _sweep(below, here, above, other_here, probability, stay)
        _test(
            below_tested,
            here_tested,
            above_tested,
            tested,
            factors,
            other_here_tested,
            probability,
            stay,
            strike,
        )
        strike *= back
        _extend(other, size, low_end, high_end)
        _sweep(below_other, other_here, above_other, here, probability, stay)
        _test(
            below_tested_other,
            other_here_tested,
            above_tested_other,
            tested,
            factors,
            here_tested,
            probability,
            stay,
            strike,
        )
    if moves % 2 == 1:
        strike *= back
        _extend(held, size, low_end, high_end)
        _sweep(below, here, above, other_here, probability, stay)
        _test(
            below_tested,
            here_tested,
            above_tested,
            tested,
            factors,
            other_here_tested,
            probability,
            stay,
            strike,
        )
        held[LANES : size + LANES] = other[LANES : size + LANES]
    for part in (paid[:begins], paid[ends:]):  # those tested are there already
        for j in range(part.size // LANES):
            for lane in range(LANES):
                part[LANES * j + lane] *= leaps[lane]


@kernel
def _worth_a_test(paid, leaps, strike, back):
    """Where the nodes begin and end at which exercise ever pays, a put's the lowest, a call's the highest, while `paid` grows by
    its lane's leap and the strike by `back`."""
    size = paid.size
    ever = np.empty(LANES)
    for lane in range(LANES):
        change = leaps[lane] / back
        ever[lane] = max(1.0, change) if strike > 0.0 else min(1.0, change)
    begins, ends = 0, size
    pays = False
    while not pays and begins < ends:
        at = begins if strike > 0.0 else ends - LANES
        for lane in range(LANES):
            pays |= paid[at + lane] * ever[lane] > strike
        if not pays and strike > 0.0:
            begins += LANES
        elif not pays:
            ends -= LANES
    return begins, ends


@inlined
def _extend(row, size, low_end, high_end):
    """The nodes before the first and after the last: linear in the spot."""
    for lane in range(LANES):
        first, last = row[LANES + lane], row[size + lane]
        row[lane] = first - (row[EDGES + lane] - first) * low_end[lane]
        row[size + LANES + lane] = last + (last - row[size - LANES + lane]) * high_end[lane]


@inlined
def _sweep(below, here, above, out, probability, stay):
    """One step back."""
    for i in range(out.size):
        out[i] = probability * (below[i] + above[i]) + stay * here[i]


@inlined
def _test(below, here, above, paid, growth, out, probability, stay, strike):
    """One step back where exercise may be due."""
    for i in range(out.size):
        spot = paid[i] * growth[i]
        paid[i] = spot
        kept, exercised = probability * (below[i] + above[i]) + stay * here[i], spot - strike
        out[i] = kept if kept > exercised else exercised  # noqa: FURB136 - max() of NaN costs half of the speed


@kernel
def _pay(held, out, paid, fallen, place, inverses, ratio, cash, sign, deviations, spacing):
    """From the values just after a dividend, held, those just before, out; `paid` becomes the spots with it.

    The nodes keep their distance from the centre, so the spots before are `ratio` times those after. `cash` is discounted
    and signed like the spots. fallen, place, inverses: scratch.
    """
    size = paid.size
    last = size // LANES - 1
    lowest, inverse = np.empty(LANES), np.empty(LANES)
    for lane in range(LANES):
        lowest[lane] = math.log(sign * paid[lane])
        inverse[lane] = 1.0 / (deviations[lane] * spacing)
    _fill(out, lowest)
    _fill(inverses, inverse)
    for i in range(size):
        fallen[i] = paid[i] * ratio - cash
        place[i] = (log(max(sign * fallen[i], LEAST_SPOT)) - out[i]) * inverses[i]
    begins, weights = np.empty(BLOCK, dtype=np.int64), np.empty((6, BLOCK))
    for start in range(0, size, BLOCK):
        block = place[start : start + BLOCK]
        for i in range(block.size):
            node, distance = node_of(block[i], last)
            begins[i] = LANES * (node - 2) + i % LANES
            w = six_points(distance)
            for k in range(6):
                weights[k, i] = w[k]
        for i in range(block.size):
            part = held[begins[i] : begins[i] + 5 * LANES + 1]
            out[start + i] = (
                weights[0, i] * part[0]
                + weights[1, i] * part[LANES]
                + weights[2, i] * part[2 * LANES]
                + weights[3, i] * part[3 * LANES]
                + weights[4, i] * part[4 * LANES]
                + weights[5, i] * part[5 * LANES]
            )
    for lane in range(LANES):
        _go_on(held, out, paid, fallen, place, lane, LANES, last)
        _go_on(held, out, paid, fallen, place, size - LANES + lane, -LANES, last)
    for i in range(size):
        paid[i] *= ratio


@kernel
def _exercise_what_is_left(values, paid, strike, all_paid):
    """A put that may be exercised any day, just before a dividend that spots under `all_paid` can't pay in full.

    They keep a share of themselves, at which exercise is due. (Spots of less than nothing would be worth more than the strike.)
    """
    for i in range(paid.size):
        if -paid[i] < all_paid:
            values[i] = (1.0 - LARGEST_SHARE) * paid[i] - strike


@inlined
def _go_on(held, out, paid, fallen, place, edge, inwards, last):
    """Values linear in the spot at the places beyond the nodes, from the node `edge` on."""
    slope = (held[edge] - held[edge + inwards]) / (paid[edge] - paid[edge + inwards])
    i = edge
    while 0 <= i < out.size and not 0.0 <= place[i] <= last:
        out[i] = held[edge] + slope * (fallen[i] - paid[edge])
        i += inwards


@kernel
def _exercise_at_a_corner(held, paid, strike, lead, corners, turns):
    """The larger of holding on and exercise, where the two cross at an angle, as they do before a dividend.

    corners, turns: (8,), out: the discounted signed spot where they cross, and the slope of the one less that of the other;
    0 where they don't. lead: scratch.
    """
    size = held.size
    for i in range(size):
        lead[i] = paid[i] - strike - held[i]
        held[i] += max(lead[i], 0.0)
    turns[:] = 0.0
    for lane in range(LANES):
        for i in range(lane, size - LANES, LANES):
            if lead[i] * lead[i + LANES] < 0.0:
                turns[lane] = (lead[i + LANES] - lead[i]) / (paid[i + LANES] - paid[i])
                corners[lane] = paid[i] - lead[i] / turns[lane]


@kernel
def _step_from_a_corner(
    held,
    other,
    paid,
    growth,
    scratch,
    low_end,
    high_end,
    lanes,
    probability,
    strike,
    corners,
    turns,
    widths,
    drift,
):
    """One step back, in place, where the values have corners: the corner's part by Black and Scholes, the rest on the nodes.

    Args:
        scratch: its rows from the fifth on are used. widths: (8,), the deviations of this step. drift: exp(yield dt).
    """
    size = paid.size
    values = held[LANES : size + LANES]
    corner_of, turn_of, doubt = scratch[4, :size], scratch[5, :size], scratch[6, :size]
    for lane in range(LANES):
        if turns[lane] == 0.0:
            corners[lane] = strike  # any spot: what is put there is multiplied by nothing
    _fill(corner_of, corners)
    _fill(turn_of, turns)
    for i in range(size):
        values[i] -= max(turn_of[i] * (paid[i] - corner_of[i]), 0.0)
    _roll_back(held, other, paid, growth, low_end, high_end, lanes, False, probability, strike, 1.0, 1)
    for i in range(size):
        values[i] += max(turn_of[i] * (paid[i] / drift - corner_of[i]), 0.0)

    # What the corner adds to that where it is in doubt, a few nodes of each lane, packed.
    count, where = 0, np.empty(size, dtype=np.int64)
    for lane in range(LANES):
        if turns[lane] != 0.0:
            step = math.log(high_end[lane])
            middle = math.log(corners[lane] * drift / paid[lane]) / step
            half = CERTAIN * widths[lane] / step
            for j in range(max(0, int(middle - half)), min(size // LANES, int(middle + half) + 2)):
                where[count] = LANES * j + lane
                count += 1
    later_at, corner_at, turn_at, width_at = growth[:count], corner_of[:count], turn_of[:count], doubt[:count]
    for k in range(count):
        lane = where[k] % LANES
        later_at[k], corner_at[k] = paid[where[k]] / drift, corners[lane]
        turn_at[k], width_at[k] = turns[lane], widths[lane]
    for k in range(count):
        later, corner = later_at[k], corner_at[k]
        side = 1.0 if turn_at[k] * corner > 0.0 else -1.0
        d2 = log(later / corner) / width_at[k] - 0.5 * width_at[k]
        d2 = min(max(d2, -NO_DOUBT), NO_DOUBT)  # a step may be too short to square what it is divided by
        spot_leg, strike_leg = legs(side, later, corner, d2 + width_at[k], d2)
        later_at[k] = turn_at[k] * (spot_leg - strike_leg) - max(turn_at[k] * (later - corner), 0.0)
    for k in range(count):
        values[where[k]] += later_at[k]
    for i in range(size):
        values[i] = max(values[i], paid[i] - strike)
