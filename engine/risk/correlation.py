"""How positions move together: the correlation of their revalued P&L over the days of history, and who is like whom.

It is of P&L, not of prices: a put and its stock are opposed, a long and a short of one contract wholly so. One matrix of days
gives all of it, so that it is positive semi-definite. Alike ones are put beside each other by average linkage over the distance
sqrt((1 - rho) / 2) (Mantegna 1999, to a factor).
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from engine.model import Bools, Floats, Position
from engine.results import Correlation, Remark

STILL_BELOW: Final = 0.01
"""Standard deviation of a day's P&L, base currency: what moves by less is as good as still, and with nothing."""
ROUNDING: Final = 1e-12
"""Share of the largest amount that is no movement."""
ORDERED_FINELY: Final = 64
"""So many at most are ordered within their clusters too, which takes the cube of their number."""


def correlations(pnl: Floats, positions: Sequence[Position]) -> tuple[Correlation, Correlation]:
    """By position, in their order, and by underlying, in the order of their first positions.

    An underlying's P&L is the sum of its positions' that are known; one with none of them is left out.

    Args:
        pnl: (k, n), base currency; a position with a day that is not finite is left out.
    """
    known = np.isfinite(pnl).all(axis=0)
    underlyings = np.array([position.contract.underlying for position in positions], dtype=object)
    names = tuple(dict.fromkeys(underlyings.tolist()))
    summed = np.full((len(pnl), len(names)), np.nan)
    for i, name in enumerate(names):
        of_it = known & (underlyings == name)
        if of_it.any():
            summed[:, i] = pnl[:, of_it].sum(axis=1)
    return correlation(pnl, tuple(position.id for position in positions)), correlation(summed, names)


def correlation(pnl: Floats, names: tuple[str, ...], still_below: float = STILL_BELOW) -> Correlation:
    """The correlation of columns; one that is unknown on a day, or moves by less than `still_below`, is named and left out.

    Args:
        pnl: (k, m). names: m.
    """
    matrix, deviation = pearson(pnl), deviations(pnl)
    still = np.isfinite(deviation) & ((deviation < still_below) | np.isnan(np.diagonal(matrix)))
    matrix[still], matrix[:, still] = np.nan, np.nan
    order = cluster_order(matrix)
    left_out = tuple(
        Remark(name, "its P&L does not move" if quiet else "its P&L is unknown on some days")
        for name, quiet, there in zip(names, still, np.isfinite(np.diagonal(matrix)), strict=True)
        if not there
    )
    return Correlation(names, matrix, deviation, order, left_out)


def deviations(pnl: Floats) -> Floats:
    """(m,): standard deviations of columns (k, m); NaN where a day is not finite or there is none."""
    out = np.full(pnl.shape[1], np.nan)
    known = np.isfinite(pnl).all(axis=0)
    if len(pnl) and known.any():
        size = _sizes(pnl[:, known])
        out[known] = (pnl[:, known] / size).std(axis=0) * size
    return out


def pearson(pnl: Floats) -> Floats:
    """(m, m): Pearson's correlation of columns (k, m): symmetric, in [-1, 1], ones on the diagonal, positive semi-definite.

    NaN in the row and column of one that never moves, or has a day that is not finite.
    """
    k, m = pnl.shape
    matrix = np.full((m, m), np.nan)
    known: Bools = np.asarray(np.isfinite(pnl).all(axis=0))
    if not k or not known.any():
        return matrix
    scaled = pnl[:, known] / _sizes(pnl[:, known])
    moving = np.ptp(scaled, axis=0) > ROUNDING
    known[known] = moving
    centred = scaled[:, moving] - scaled[:, moving].mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=0)
    found = np.clip(unit.T @ unit, -1.0, 1.0)
    found = 0.5 * (found + found.T)
    np.fill_diagonal(found, 1.0)
    matrix[np.ix_(known, known)] = found
    return matrix


def cluster_order(matrix: Floats) -> tuple[int, ...]:
    """Places of the rows that are known, alike ones beside each other.

    Args:
        matrix: (m, m), correlations; NaN in the rows and columns of what is left out.
    """
    places = np.flatnonzero(np.isfinite(np.diagonal(matrix)))
    if len(places) < 3:
        return tuple(places.tolist())
    distance = np.sqrt(np.maximum(1.0 - matrix[np.ix_(places, places)], 0.0) / 2.0)
    condensed = squareform(distance, checks=False)
    tree: npt.NDArray[Any] = linkage(condensed, "average")
    if len(places) <= ORDERED_FINELY:
        tree = optimal_leaf_ordering(tree, condensed)
    return tuple(places[leaves_list(tree)].tolist())


def _sizes(pnl: Floats) -> Floats:
    """(m,): the largest amount of each column, so that no square over- or underflows; 1 where there is none."""
    size = np.abs(pnl).max(axis=0)
    return np.asarray(np.where(size > 0.0, size, 1.0))
