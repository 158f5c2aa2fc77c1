"""Cash dividends as columns: which still count, what they are worth now, how they come nearer, what they leave.

In the spot model of discrete dividends the spot falls by the cash amount at the ex-date and diffuses in between. A
dividend cannot take more than a share of the spot: what is paid is min(D, share * S), so that a far lower spot
never pays what is not there.
"""

import numpy as np

from engine.pricing.types import BoolArray, Floats

LARGEST_SHARE = 0.9
"""A dividend takes at most this share of the spot."""


def still_ahead(times: Floats, amounts: Floats, tau: Floats) -> BoolArray:
    """(n, m): the dividends whose ex-date lies in (0, tau) and that pay something."""
    return np.asarray((times > 0.0) & (times < tau[:, None]) & (amounts != 0.0))


def present_value(times: Floats, amounts: Floats, tau: Floats, rate: Floats) -> Floats:
    """(n,): the dividends of (0, tau), discounted at a continuous rate.

    Args:
        times, amounts: (n, m), years from now and cash per share, padded with +inf and 0.
        tau, rate: (n,).
    """
    ahead = still_ahead(times, amounts, tau)
    discount = np.exp(-rate[:, None] * np.where(ahead, times, 0.0))
    return np.asarray(np.where(ahead, amounts * discount, 0.0).sum(axis=1))


def shifted(times: Floats, amounts: Floats, years: Floats) -> tuple[Floats, Floats]:
    """The same dividends seen `years` (n,) later: those gone ex are padding (+inf, 0), the others nearer."""
    later = times - years[:, None]
    gone = later <= 0.0
    return np.where(gone, np.inf, later), np.where(gone, 0.0, amounts)


def by_date(times: Floats, amounts: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """The dividends of (0, tau) in the order of their dates, (n, m) without columns that nobody uses.

    Those of one date are one. Unused places have the time tau and the amount 0.
    """
    sorted_times, cash = _sorted(times, amounts, tau)
    double = (sorted_times[:, 1:] == sorted_times[:, :-1]) & (cash[:, 1:] != 0.0)
    if not double.any():
        return sorted_times, cash
    for i in range(cash.shape[1] - 1, 0, -1):
        cash[:, i - 1] += np.where(double[:, i - 1], cash[:, i], 0.0)
        cash[:, i] = np.where(double[:, i - 1], 0.0, cash[:, i])
    return _sorted(sorted_times, cash, tau)


def _sorted(times: Floats, amounts: Floats, tau: Floats) -> tuple[Floats, Floats]:
    ahead = still_ahead(times, amounts, tau)
    most = int(ahead.sum(axis=1).max(initial=0))
    if not most:
        return times[:, :0], amounts[:, :0]
    kept = np.where(ahead, times, np.inf)
    if (kept[:, 1:] < kept[:, :-1]).any():
        order = np.argsort(kept, axis=1, kind="stable")
        ahead, kept = np.take_along_axis(ahead, order, axis=1), np.take_along_axis(kept, order, axis=1)
        amounts = np.take_along_axis(amounts, order, axis=1)
    ahead = ahead[:, :most]
    return np.where(ahead, kept[:, :most], tau[:, None]), np.where(ahead, amounts[:, :most], 0.0)


def roots(spot: Floats, times: Floats, amounts: Floats, carry: Floats) -> Floats:
    """(n, m + 1): today's spot without the first 0, 1 ... m dividends, each taken off its own forward.

    Args:
        spot, carry: (n,); carry = rate - yield, the growth of the forward.
        times, amounts: (n, m), as by_date returns them.
    """
    left = np.empty((len(spot), times.shape[1] + 1))
    left[:, 0] = spot
    for i in range(times.shape[1]):
        now = amounts[:, i] * np.exp(-carry * times[:, i])
        left[:, i + 1] = left[:, i] - np.minimum(now, LARGEST_SHARE * left[:, i])
    return left
