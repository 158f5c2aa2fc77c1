"""A binomial tree over many contracts at once, with cash dividends in the spot model.

The tree is Leisen and Reimer's (1996, Peizer-Pratt inversion 2): an odd number of steps, the strike in the middle of
two last nodes. It starts EXTRA steps before now (Pelsser and Vorst 1994), so that now has nodes around the spot, for
delta and gamma. Where a cash dividend is taken, the value is that of the ex-dividend spot, interpolated at S - D
(Vellekoop and Nieuwenhuis 2006). It is taken at both steps around its ex-date, and the two values averaged by the date:
so the value moves smoothly with date and size, and its error falls as 1/steps. Up to the dividend the nodes grow from
the spot with the dividend, after it from the spot without, which keeps the two sets of nodes close together whatever
the dividend's size. Interpolation is Lagrange's through 4 nodes in S, so linear functions of the spot pass unchanged
and put-call parity holds. Arrays are (nodes, contracts): each step is a few operations on contiguous blocks.
"""

from dataclasses import dataclass

import numpy as np

from engine.pricing.dividends import LARGEST_SHARE, by_date, roots
from engine.pricing.interpolation import Interpolation
from engine.pricing.types import Contracts, Floats, IntArray

STEPS = 101

Due = tuple[IntArray, IntArray]

EXTRA = 2
"""Steps before now, hence nodes beyond the plain tree's on either side."""

FARTHEST_TILT = 5.0
"""The strike is kept in the middle of two last nodes up to this many standard deviations from the forward."""

WIDEST = 20.0
"""Largest sigma * sqrt(tau) that a tree is built for; values have reached their bounds long before."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """The three nodes around now: their spots (3, n), and the values there in each style asked for, (3, n) each."""

    spot: Floats
    values: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """The shape of each contract's tree, each (n,); node i of step j is base * ratio**i * exp(j * log_down)."""

    step: Floats  # years
    up_weight: Floats  # discounted probability of a step up
    down_weight: Floats
    log_ratio: Floats  # ln(up / down)
    log_down: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Payments:
    """Dividends on the tree, each (n, m): the last step before the ex-date (-1: no dividend), how far on to the next
    step the date is (0 to 1), the cash, and today's spot without the dividends before this one, and with it.
    """

    step: IntArray
    fraction: Floats
    amount: Floats
    before: Floats
    after: Floats


def backward(contracts: Contracts, styles: tuple[bool, ...], steps: int = STEPS) -> Nodes:
    """Values at the nodes around now by backward induction.

    Args:
        contracts: n options with positive spot, strike, sigma and tau; yield as carried (a forward's is its rate).
        styles: what to carry through the one tree: True is with early exercise, False without.
        steps: odd.
    Raises:
        ValueError: If steps is even or below 3.
    """
    if steps < 3 or steps % 2 == 0:
        raise ValueError(f"a Leisen-Reimer tree has an odd number of steps from 3 on, not {steps}")
    times, amounts = by_date(contracts.dividend_times, contracts.dividend_amounts, contracts.tau)
    payments = _on_steps(contracts, times, amounts, steps)
    root = payments.after[:, -1] if payments.step.shape[1] else contracts.spot
    return _Induction(contracts, _geometry(contracts, root, steps), payments, root, steps).run(styles)


def _geometry(c: Contracts, root: Floats, steps: int) -> Geometry:
    deviation = np.minimum(c.sigma * np.sqrt(c.tau), min(WIDEST, 600.0 / np.sqrt(steps)))
    step = c.tau / steps
    carry = c.rate - c.dividend_yield
    d2 = (np.log(root / c.strike) + carry * c.tau) / deviation - 0.5 * deviation
    d2 = np.clip(d2, -FARTHEST_TILT, FARTHEST_TILT)
    up, down = _peizer_pratt(d2, steps)
    share_up, share_down = _peizer_pratt(d2 + deviation, steps)
    discount = np.exp(-c.rate * step)
    log_down = np.log(share_down / down) + carry * step
    log_ratio = np.log(share_up / up) - np.log(share_down / down)
    return Geometry(step, discount * up, discount * down, log_ratio, log_down)


def _peizer_pratt(z: Floats, steps: int) -> tuple[Floats, Floats]:
    """The binomial probability whose distribution function matches N(z), and its complement without cancellation."""
    scaled = np.square(z / (steps + 1.0 / 3.0 + 0.1 / (steps + 1.0))) * (steps + 1.0 / 6.0)
    root = np.sqrt(-np.expm1(-scaled))
    larger, smaller = 0.5 + 0.5 * root, 0.5 * np.exp(-scaled) / (1.0 + root)
    return np.where(z >= 0.0, larger, smaller), np.where(z >= 0.0, smaller, larger)


def _on_steps(c: Contracts, times: Floats, amounts: Floats, steps: int) -> Payments:
    """Each dividend between its two steps; those between the same two become one, at their mean date."""
    index = np.minimum(np.floor(times / c.tau[:, None] * steps), steps - 1).astype(np.int64)
    cash, date = amounts.copy(), times.copy()
    for i in range(times.shape[1] - 1, 0, -1):
        together = (index[:, i] == index[:, i - 1]) & (cash[:, i] != 0.0)
        total = cash[:, i] + cash[:, i - 1]
        weight = np.where(together, cash[:, i] / np.where(total == 0.0, 1.0, total), 0.0)
        date[:, i - 1] += weight * (date[:, i] - date[:, i - 1])
        cash[:, i - 1] = np.where(together, total, cash[:, i - 1])
        cash[:, i] = np.where(together, 0.0, cash[:, i])
    left = roots(c.spot, date, cash, c.rate - c.dividend_yield)
    fraction = date / c.tau[:, None] * steps - index
    return Payments(np.where(cash != 0.0, index, -1), fraction, cash, left[:, :-1], left[:, 1:])


class _Induction:
    """One backward pass; holds the arrays that every step works on in place."""

    def __init__(self, c: Contracts, g: Geometry, payments: Payments, root: Floats, steps: int) -> None:
        self.g, self.payments, self.steps, self.contracts = g, payments, steps, c
        self.sign = np.where(c.is_call, 1.0, -1.0)
        self.signed_strike = self.sign * c.strike
        self.ratio = np.exp(g.log_ratio)
        offsets = np.arange(-EXTRA, steps + EXTRA + 1) - 0.5 * steps
        self.base = root * np.exp(offsets[:, None] * g.log_ratio)
        self.work = np.empty_like(self.base)

    def run(self, styles: tuple[bool, ...]) -> Nodes:
        payoff = np.maximum(self.sign * self.spots(self.steps) - self.signed_strike, 0.0)
        carried = {early: payoff.copy() for early in styles}
        due = self._due()
        ahead = self.jumps(carried, due.get(self.steps - 1), self.steps)
        for j in range(self.steps - 1, -1, -1):
            for values in carried.values():
                self.step_back(values, j)
            if j in due:
                self.pay(carried, ahead, due[j], j)
            if True in carried:
                self.exercise(carried[True], j)
            ahead = self.jumps(carried, due.get(j - 1), j)
        now = slice(EXTRA - 1, EXTRA + 2)
        return Nodes(self.spots(0)[now], tuple(carried[early][now].copy() for early in styles))

    def _due(self) -> dict[int, Due]:
        """The contracts and dividend columns of each step that is the last before an ex-date."""
        rows, columns = np.nonzero(self.payments.step >= 0)
        at = self.payments.step[rows, columns]
        return {int(j): (rows[at == j], columns[at == j]) for j in np.unique(at)}

    @staticmethod
    def size(j: int) -> int:
        return j + 1 + 2 * EXTRA

    def scale(self, j: int) -> Floats:
        return np.asarray(np.exp(j * self.g.log_down + 0.5 * self.steps * self.g.log_ratio))

    def spots(self, j: int) -> Floats:
        return np.asarray(self.base[: self.size(j)] * self.scale(j))

    def step_back(self, values: Floats, j: int) -> None:
        size = self.size(j)
        np.multiply(values[1 : size + 1], self.g.up_weight, out=self.work[:size])
        values[:size] *= self.g.down_weight
        values[:size] += self.work[:size]

    def exercise(self, values: Floats, j: int) -> None:
        work = self.work[: self.size(j)]
        np.multiply(self.base[: self.size(j)], self.sign * self.scale(j), out=work)
        work -= self.signed_strike
        np.maximum(values[: self.size(j)], work, out=values[: self.size(j)])

    def pay(self, carried: dict[bool, Floats], ahead: dict[bool, Floats], due: Due, j: int) -> None:
        """Take the dividends between step j and the next: the mean of taking them at either, weighted by the date."""
        rows, columns = due
        size, fraction = self.size(j), self.payments.fraction[rows, columns]
        here = self.jumps(carried, due, j)
        for early, values in carried.items():
            later = ahead[early]
            back = self.g.up_weight[rows] * later[1:] + self.g.down_weight[rows] * later[:-1]
            values[:size, rows] = (1.0 - fraction) * here[early] + fraction * back
        self.base[:, rows] *= self.payments.before[rows, columns] / self.payments.after[rows, columns]

    def jumps(self, carried: dict[bool, Floats], due: Due | None, j: int) -> dict[bool, Floats]:
        """The due contracts' values with the dividend still to come, if it is taken at step j.

        The values carried are those of the spot without it. Exercise is tested just after the dividend and just
        before, both as at its true date: `wait` years after the step, so that strike and spot are discounted by it.
        """
        if due is None:
            return {}
        rows, columns = due
        c, paid, sign = self.contracts, self.payments, self.sign[rows]
        wait = (paid.fraction[rows, columns] - (j - paid.step[rows, columns])) * self.g.step[rows]
        cash = paid.amount[rows, columns] * np.exp(-(c.rate - c.dividend_yield)[rows] * wait)
        ex_nodes = self.spots(j)[:, rows]
        nodes = ex_nodes * (paid.before[rows, columns] / paid.after[rows, columns])
        fallen = np.maximum(nodes - cash, (1.0 - LARGEST_SHARE) * nodes)
        jump = Interpolation(ex_nodes[0], self.ratio[rows], self.g.log_ratio[rows], fallen, self.size(j))
        strike = self.signed_strike[rows] * np.exp(-c.rate[rows] * wait)
        share = sign * np.exp(-c.dividend_yield[rows] * wait)
        at_expiry = np.maximum(sign * fallen - self.signed_strike[rows], 0.0) if j == self.steps else None
        result = {}
        for early, values in carried.items():
            held = values[: self.size(j), rows]
            if early:
                held = np.maximum(held, share * ex_nodes - strike)
            held = jump.of(held) if at_expiry is None else at_expiry
            result[early] = _larger_on_average(held, share * nodes - strike) if early else held
        return result


def _larger_on_average(held: Floats, exercised: Floats) -> Floats:
    """The larger of two functions (nodes, n), in the one cell where they cross its mean over the cell.

    The corner would else fall anywhere between two nodes, and the value swing with its place (Heston and Zhou 2000).
    """
    lead = exercised - held
    half = np.zeros_like(lead)
    half[1:-1] = np.where(lead[2:] * lead[:-2] < 0.0, 0.25 * np.abs(lead[2:] - lead[:-2]), 0.0)
    corner = np.abs(lead) < half
    mean = np.square(lead + half) / (4.0 * np.where(corner, half, 1.0))
    return np.asarray(held + np.where(corner, mean, np.maximum(lead, 0.0)))
