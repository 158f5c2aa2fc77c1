"""Value at Risk by simulation: joint moves that did not happen, drawn from what the days of history say of today.

Each underlying's return and what its implied volatility does besides following it are jointly Student-t: in today's expected
sizes (exponentially weighted, as filtered history has them), with the correlation of the days, each in units of what was
expected for it, shrunk towards none by as much as its own error asks for (Schaefer and Strimmer 2005, "A shrinkage approach to
large-scale covariance matrix estimation"). Volatility follows the return by a regression of its own, one slope for falls and one
for rises.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import linalg

from engine.marks import MarkedBook
from engine.model import Bools, Floats
from engine.risk.backtest import SEED_DAYS
from engine.risk.moves import DailyMoves, after, expected_size, term_scale
from engine.scenarios import pnl_under
from engine.settings import ScenarioSettings, SimulationSettings

Whole = npt.NDArray[np.int64]

AT_ONCE: Final = 1_000
"""Paths that are valued together, for memory's sake."""
ALIKE: Final = 9
"""Decimals to which two series are the same but for a factor."""


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """What is drawn, f numbers a path, and what n positions on g underlyings with volatilities make of it.

    Attributes:
        size: (f,), standard deviation of each number: a log return, or what a volatility does besides following one.
        correlation: (f, f).
        spot, spot_ratio: (n,), which number is the position's return, and by what multiplied; 0 where it stays.
        iv: (n,), which volatility the position's is, 0 to g - 1; iv_ratio: (n,), by what multiplied, 0 where it stays.
        led_by, led_ratio: (g,), the return that each volatility follows.
        slopes: (g, 2), by how much, in a fall and in a rise.
        rest, rest_ratio: (g,), what else it does.
    """

    size: Floats
    correlation: Floats
    spot: Whole
    spot_ratio: Floats
    iv: Whole
    iv_ratio: Floats
    led_by: Whole
    led_ratio: Floats
    slopes: Floats
    rest: Whole
    rest_ratio: Floats

    def moves(self, draws: Floats) -> tuple[Floats, Floats]:
        """Log moves of each position's spot and volatility, two (k, n).

        Args:
            draws: (k, f), of unit variance.
        """
        drawn = draws * self.size
        if not len(self.size):
            return np.zeros((len(draws), len(self.spot))), np.zeros((len(draws), len(self.spot)))
        spot = drawn[:, self.spot] * self.spot_ratio
        if not len(self.rest):
            return spot, np.zeros_like(spot)
        led = drawn[:, self.led_by] * self.led_ratio
        follow = np.minimum(led, 0.0) * self.slopes[:, 0] + np.maximum(led, 0.0) * self.slopes[:, 1]
        return spot, (follow + drawn[:, self.rest] * self.rest_ratio)[:, self.iv] * self.iv_ratio


def simulated_pnl(
    book: MarkedBook, moves: DailyMoves, counted: Bools, settings: ScenarioSettings, draw: SimulationSettings
) -> Floats:
    """P&L (paths,) of the counted positions together, base currency; the same for the same seed.

    Args:
        counted: (n,). A position that some path gives no value makes that path NaN.
    """
    of = factors(book, moves)
    totals = []
    for draws in _draws(of.correlation, draw):
        pnl = pnl_under(book, *after(book, *of.moves(draws), settings))
        totals.append(pnl[:, counted].sum(axis=1))
    return np.concatenate(totals)


class _Series:
    """Series (k,) that differ by more than a factor, in the order of their coming."""

    def __init__(self) -> None:
        self.all: list[Floats] = []
        self._places: dict[bytes, tuple[int, float]] = {}

    def place(self, series: Floats) -> tuple[int, float]:
        """Which of them this one is, and by what multiplied. A series of zeros is 0 times any."""
        largest = float(series[np.argmax(np.abs(series))])
        if largest == 0.0:
            return 0, 0.0
        key = np.round(series / largest, ALIKE).tobytes()
        if key not in self._places:
            self._places[key] = (len(self.all), largest)
            self.all.append(series)
        place, own = self._places[key]
        return place, largest / own


def factors(book: MarkedBook, moves: DailyMoves) -> Factors:
    """The factors of the book's positions, from their daily moves. Positions whose moves are unknown stay."""
    series = _Series()
    known = np.where(np.isfinite(moves.spot).all(axis=0), moves.spot, 0.0)
    spots = [series.place(column) for column in known.T]
    scale = [term_scale(days) for days in np.nan_to_num(book.dte)]
    names: dict[str, int] = {}
    leaders: list[tuple[int, float]] = []
    slopes: list[Floats] = []
    rests: list[tuple[int, float]] = []
    ivs = [(0, 0.0)] * len(spots)
    for i, position in enumerate(book.snapshot.positions):
        if not moves.iv[:, i].any():
            continue
        name = position.contract.underlying
        if name not in names:
            names[name] = len(names)
            fall_and_rise, month = _fall_and_rise(known[:, i]), moves.iv[:, i] / scale[i]
            slopes.append(np.asarray(np.linalg.lstsq(fall_and_rise, month, rcond=None)[0], dtype=np.float64))
            leaders.append(spots[i])
            rests.append(series.place(month - fall_and_rise @ slopes[-1]))
        ivs[i] = names[name], scale[i]
    size, units = _in_units(np.array(series.all).reshape(-1, len(moves.days)).T, moves.has_filter)
    return Factors(
        size,
        shrunk_correlation(units),
        *_columns(spots),
        *_columns(ivs),
        *_columns(leaders),
        np.array(slopes).reshape(-1, 2),
        *_columns(rests),
    )


def _columns(places: list[tuple[int, float]]) -> tuple[Whole, Floats]:
    return np.array([place for place, _ in places], dtype=np.int64), np.array([ratio for _, ratio in places])


def _fall_and_rise(returns: Floats) -> Floats:
    """(k, 2)."""
    return np.stack([np.minimum(returns, 0.0), np.maximum(returns, 0.0)], axis=1)


def _in_units(series: Floats, filtered: bool) -> tuple[Floats, Floats]:
    """The size expected of tomorrow's move, (f,), and the moves in units of what was expected for them, (k, f), of mean square 1.

    What an expectation has been short of on the whole is added to tomorrow's.
    """
    sizes = expected_size(series) if filtered else np.ones((len(series) + 1, series.shape[1]))
    first = SEED_DAYS if filtered else 0
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.nan_to_num(series[first:] / sizes[first:-1])
        off = np.sqrt(np.mean(np.square(units), axis=0))
        return sizes[-1] * off, np.nan_to_num(units / off)


def shrunk_correlation(units: Floats) -> Floats:
    """(f, f): the correlation of the columns, shrunk towards none by as much as its own error asks for; positive definite.

    Args:
        units: (k, f), about zero, of mean square 1.
    """
    k, f = units.shape
    apart = ~np.eye(f, dtype=np.bool_)
    seen, squares = units.T @ units / k, np.square(units)
    error = np.sum((squares.T @ squares / k - np.square(seen))[apart]) / k
    size = np.sum(np.square(seen[apart]))
    share = min(error / size, 1.0) if size > 0.0 else 1.0
    return np.where(apart, (1.0 - share) * seen, 1.0)


def _draws(correlation: Floats, draw: SimulationSettings) -> Iterator[Floats]:
    """Paths of unit variance, (AT_ONCE, f) at a time: one chi-squared a path makes a wild day wild for all."""
    chance = np.random.default_rng(draw.seed)
    values, vectors = linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    freedom = draw.degrees_of_freedom
    for start in range(0, draw.paths, AT_ONCE):
        k = min(AT_ONCE, draw.paths - start)
        normal = chance.standard_normal((k, len(correlation))) @ root.T
        yield normal * np.sqrt((freedom - 2.0) / chance.chisquare(freedom, (k, 1)))


def var_error(pnl: Floats, level: float) -> float:
    """Standard error of a simulated Value at Risk: half the step between the quantiles one binomial deviation to both sides."""
    reach = math.sqrt(level * (1.0 - level) / len(pnl))
    low, high = np.quantile(pnl, [max(1.0 - level - reach, 0.0), min(1.0 - level + reach, 1.0)])
    return float((high - low) / 2.0)


def es_error(pnl: Floats, level: float) -> float:
    """Standard error of a simulated expected shortfall, from its influence function (Trindade and others 2007)."""
    beyond = np.maximum(np.quantile(pnl, 1.0 - level) - pnl, 0.0)
    return float(beyond.std() / ((1.0 - level) * math.sqrt(len(pnl))))
