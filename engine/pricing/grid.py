"""The shape of the residual tables, and the rows that they belong to: what kernels and their numpy twin agree on."""

import math
from typing import Any, NamedTuple

import numpy as np

from engine.pricing.types import BoolArray, Floats, IntArray

LANES = 8
"""Volatilities that one lattice carries: the Chebyshev nodes of a band of deviations."""

SPACING = math.sqrt(3.0 / 96.0)
"""Of a table's nodes in z, standard deviations; the lattice with probabilities 1/6, 2/3, 1/6 has 3 / spacing**2 steps."""

QUARTER = 4
"""The lattice that is extrapolated against has as many times fewer steps, and half the nodes."""

LARGEST_DEVIATION = 10.0
"""Of sigma * sqrt(tau): beyond it every option is worth its bound."""

AT_INTRINSIC = 2e-6
"""Shares of the strike: this little over the intrinsic value is the table's noise, and exercise is due."""

DUE = 1e-9
"""Shares of the strike: on the lattice, this close to the intrinsic value exercise is due."""

LEAST_SPOT = 1e-12
"""Shares of the strike. Where dividends leave less, a lattice goes on linear in the spot, even to less than nothing: a limit on
what is paid would bend the value at one spot, which is another node for each lane. The limit is put on at the look-up; and at
once for a put that may be exercised any day, whose bend lies far from where it is read, but not with so many dividends that the
lattice would interpolate across one bend after the other."""

MANY_DIVIDENDS = 26

COARSEST = 0.45
"""The logarithm of the spot from node to node, in the widest lane, beyond which values are not interpolated halfway."""

SMOOTH = 2
"""Coefficients kept of the shift to the boundary: a line in ln s, since what each lane says of it is a little noisy."""

BUMP, WIDEST_BUMP, SIGMA_BUMP = 0.05, 0.01, 0.01
"""Of the residual's Greeks: shares of a standard deviation and at most of the spot; a share of sigma."""

_LANE = np.arange(LANES)
_ANGLES = np.pi - np.pi * (_LANE + 0.5) / LANES
CHEBYSHEV_NODES = np.cos(_ANGLES)
"""(8,), ascending in (-1, 1)."""

TO_COEFFICIENTS = np.cos(np.outer(_LANE, _ANGLES)) * np.where(_LANE == 0, 1.0, 2.0)[:, None] / LANES
"""(8, 8): from the values at the nodes to the coefficients of Chebyshev's polynomials."""


class Rows(NamedTuple):
    """Contracts with the band of total deviations that their tables serve, as columns (n,); times and amounts are (n, m).

    Amounts are in units of the strike; the first `payments` dividends lie in (0, tau), ascending. A row without nodes has no
    table: the closed form is its value. Deviations in [low, high) are served, 0 to +inf at most; `middle` and `log_width`
    bring their logarithms to Chebyshev's (-1, 1). The table has `nodes` nodes from z = first on, `spacing` apart, all shifted
    by a line in ln s, and starts at `offset` in the store of tables: with the shift's coefficients, then those of each node.
    """

    sign: Floats
    early: BoolArray
    strike: Floats
    tau: Floats
    rate: Floats
    yield_: Floats
    times: Floats
    amounts: Floats
    payments: IntArray
    low: Floats
    high: Floats
    middle: Floats
    log_width: Floats
    first: Floats
    spacing: Floats
    nodes: IntArray
    offset: IntArray

    def take(self, index: IntArray | BoolArray) -> "Rows":
        """The rows at the index, in its order."""
        columns: Any = (column[index] for column in self)
        return Rows(*columns)

    def part(self, begins: int, ends: int) -> "Rows":
        """The rows begins … ends - 1, as views."""
        columns: Any = (column[begins:ends] for column in self)
        return Rows(*columns)
