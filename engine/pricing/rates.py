"""Interest rates: one number off a curve."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.pricing.types import Floats


def rate_at(curve: Sequence[tuple[float, float]], tau: npt.ArrayLike) -> Floats:
    """The curve's rate at each maturity: linear between its points, flat beyond the ends.

    Args:
        curve: (years, rate) points in any order, rates continuously compounded.
        tau: years, any shape.
    Returns:
        Rates in the shape of tau; NaN where tau is.
    Raises:
        ValueError: If the curve has no points.
    """
    if not curve:
        raise ValueError("a rate curve needs at least one point")
    points = np.array(sorted(curve), dtype=np.float64)
    at = np.asarray(tau, dtype=np.float64)
    return np.where(np.isnan(at), np.nan, np.interp(at, points[:, 0], points[:, 1]))
