"""The words pricing is spoken in: contracts and shocks as columns, Greeks and volatilities as answers.

Every column has the shape (n,), one element per contract; every price is per unit of the underlying.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Dividends = Sequence[tuple[float, float]]
"""Cash dividends of one underlying: (years from now to the ex-date, amount per share)."""


class Model(IntEnum):
    """How a contract is valued."""

    LINEAR = 0  # stock, future, cash: worth its own price
    BLACK_SCHOLES = 1  # European on a spot
    BLACK_76 = 2  # European on a forward
    AMERICAN = 3  # American on a spot
    AMERICAN_76 = 4  # American on a forward


@dataclass(frozen=True, slots=True, eq=False)
class Contracts:
    """n contracts with their market inputs, as columns.

    spot is the underlying's spot; the forward for BLACK_76 and AMERICAN_76; the own price for LINEAR. sigma, rate
    and dividend_yield are decimals per year (rates continuously compounded), tau is in years. The forward models
    take neither yield nor dividends: those are in the forward.

    dividend_times (years from now) and dividend_amounts have the shape (n, m), padded with +inf and 0; m may be 0.
    A dividend counts when its ex-date lies in (0, tau).
    """

    model: IntArray
    is_call: BoolArray
    strike: Floats
    spot: Floats
    sigma: Floats
    tau: Floats
    rate: Floats
    dividend_yield: Floats
    dividend_times: Floats
    dividend_amounts: Floats

    def __post_init__(self) -> None:
        n = len(self.model)
        columns = (self.is_call, self.strike, self.spot, self.sigma, self.tau, self.rate, self.dividend_yield)
        if any(column.shape != (n,) for column in columns):
            raise ValueError(f"every column needs the shape ({n},)")
        times, amounts = self.dividend_times, self.dividend_amounts
        if times.ndim != 2 or len(times) != n or times.shape != amounts.shape:
            raise ValueError(f"dividend times and amounts need one shape ({n}, m)")

    def __len__(self) -> int:
        return len(self.model)

    @classmethod
    def of(
        cls,
        *,
        model: npt.ArrayLike,
        spot: npt.ArrayLike,
        strike: npt.ArrayLike = 0.0,
        is_call: npt.ArrayLike = True,
        sigma: npt.ArrayLike = 0.0,
        tau: npt.ArrayLike = 0.0,
        rate: npt.ArrayLike = 0.0,
        dividend_yield: npt.ArrayLike = 0.0,
        dividends: Sequence[Dividends] = (),
    ) -> Self:
        """Columns from scalars and sequences, broadcast against each other.

        Args:
            dividends: one list of (years, amount) per contract; a single list is everyone's; none by default.
        Raises:
            ValueError: If the lengths do not broadcast.
        """
        floats = [np.asarray(v, dtype=np.float64) for v in (strike, spot, sigma, tau, rate, dividend_yield)]
        models, calls = np.asarray(model, dtype=np.int64), np.asarray(is_call, dtype=np.bool_)
        shapes = [np.atleast_1d(column).shape for column in (models, calls, *floats)]
        (n,) = np.broadcast_shapes(*shapes, (len(dividends),) if dividends else (1,))
        times, amounts = _dividend_columns(dividends, n)
        columns = [np.broadcast_to(column, n).copy() for column in floats]
        calls, models = np.broadcast_to(calls, n).copy(), np.broadcast_to(models, n).copy()
        strikes, spots, sigmas, taus, rates, yields = columns
        return cls(models, calls, strikes, spots, sigmas, taus, rates, yields, times, amounts)

    def take(self, index: IntArray | BoolArray) -> "Contracts":
        """The contracts at the index (positions or a mask), in its order."""
        return Contracts(*(getattr(self, name)[index] for name in self.__slots__))


def _dividend_columns(dividends: Sequence[Dividends], n: int) -> tuple[Floats, Floats]:
    width = max((len(row) for row in dividends), default=0)
    times = np.full((len(dividends) or 1, width), np.inf)
    amounts = np.zeros_like(times)
    for i, row in enumerate(dividends):
        for j, (time, amount) in enumerate(row):
            times[i, j], amounts[i, j] = time, amount
    return np.broadcast_to(times, (n, width)).copy(), np.broadcast_to(amounts, (n, width)).copy()


@dataclass(frozen=True, slots=True, eq=False)
class Shocks:
    """n_shocks states of the market in which n contracts are to be valued.

    spot (n_shocks, n): shocked spot (the forward for the forward models, the own price for LINEAR);
    sigma (n_shocks, n); years (n_shocks,): the time that passes. tau is shortened by it, dividends that go
    ex inside it are gone, and the later ones come nearer.
    """

    spot: Floats
    sigma: Floats
    years: Floats

    def __post_init__(self) -> None:
        if (
            self.spot.ndim != 2
            or self.sigma.shape != self.spot.shape
            or self.years.shape != self.spot.shape[:1]
        ):
            raise ValueError("spot and sigma need one shape (n_shocks, n), years the shape (n_shocks,)")

    def __len__(self) -> int:
        return len(self.years)


@dataclass(frozen=True, slots=True, eq=False)
class GreekColumns:
    """Price and sensitivities, each (n,) or (n_shocks, n), per unit of the underlying; NaN where an input is.

    delta and gamma per 1.00 of spot (of the forward for the forward models), vega per vol point (0.01), theta
    per calendar day, rho per 1 % (0.01); vanna and charm are the change of delta for a vol point and for a calendar day,
    volga that of vega for a vol point.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    volga: Floats
    charm: Floats


UNITS = np.array([1.0, 1.0, 1.0, 0.01, 1.0 / 365.0, 0.01, 0.01, 1e-4, 1.0 / 365.0])
"""Of each of GreekColumns, from per year and per 1.00."""


class IvReason(IntEnum):
    """Why a price has, or has not, an implied volatility."""

    OK = 0
    EXPIRED = 1  # no time is left
    BAD_INPUT = 2  # an input or the price is NaN, infinite or negative
    BELOW_INTRINSIC = 3  # cheaper than at any volatility
    ABOVE_UPPER_BOUND = 4  # dearer than at any volatility
    NO_TIME_VALUE = 5  # so little time value that many volatilities give this price
    NOT_AN_OPTION = 6


@dataclass(frozen=True, slots=True, eq=False)
class ImpliedVolatility:
    """sigma (n,), NaN where it is not identified, and reason (n,), the IvReason of each."""

    sigma: Floats
    reason: IntArray
