"""Interpolation on the nodes of a tree: four-point Lagrange in the spot itself, exact for linear functions."""

import numpy as np

from engine.pricing.types import BoolArray, Floats, IntArray


class Interpolation:
    """Lagrange interpolation through 4 geometric nodes, linear beyond one node past the ends.

    Args:
        lowest, ratio, log_ratio: (n,), the nodes are lowest * ratio**i.
        at: (k, n), where to interpolate.
        size: number of nodes, at least 4.
    """

    def __init__(self, lowest: Floats, ratio: Floats, log_ratio: Floats, at: Floats, size: int) -> None:
        place = np.log(at / lowest) / log_ratio
        self.first: IntArray = np.clip(np.floor(place) - 1.0, 0, size - 4).astype(np.int64)
        nearest = lowest * np.exp(self.first * log_ratio)
        x = (at / nearest - 1.0) / (ratio - 1.0)
        knots = (0.0, 1.0, 1.0 + ratio, 1.0 + ratio + ratio * ratio)
        beyond: BoolArray = (place < -1.0) | (place > size)
        low = place < 0.0
        slope_low, slope_high = x, (x - knots[2]) / (knots[3] - knots[2])
        straight = (
            np.where(low, 1.0 - slope_low, 0.0),
            np.where(low, slope_low, 0.0),
            np.where(low, 0.0, 1.0 - slope_high),
            np.where(low, 0.0, slope_high),
        )
        self.weights = [np.where(beyond, straight[i], _lagrange(x, knots, i)) for i in range(4)]

    def of(self, values: Floats) -> Floats:
        """The function with these node values (size, n), at the places asked for."""
        total = np.zeros_like(self.weights[0])
        for i, weight in enumerate(self.weights):
            total += weight * np.take_along_axis(values, self.first + i, axis=0)
        return total


def _lagrange(x: Floats, knots: tuple[float | Floats, ...], i: int) -> Floats:
    weight = np.ones_like(x)
    for j, knot in enumerate(knots):
        if j != i:
            weight *= (x - knot) / (knots[i] - knot)
    return weight
