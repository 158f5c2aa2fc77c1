"""The market that moves: spots by a factor model, volatility levels that answer them, forwards, the VIX.

A log return is beta times the market's, plus the sector's, plus its own, with Student-t innovations (4 degrees of
freedom) at a realised volatility of 85 % of what the surface implies. The level of each surface falls and rises
against its own underlying's log return since the start, plus noise. VIX is the SPX surface's 30-day at-the-money
volatility times 1.12 (what its strip of strikes is worth over the money), and its future for T the same of the
30 days that begin at T.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zlib import crc32

import numpy as np

from simulator.gateway.surface import MONTH, Floats, Index, Surfaces
from simulator.universe import RATE, UNIVERSE, Dividend, Underlying

YEAR_S = 365 * 86_400.0
_TRADING_YEAR_S = 252 * 6.5 * 3_600.0  # seconds of market time in a year: this market is always in session
_REALISED = 0.85
_SECTOR_SHARE = 0.35  # of the variance that beta leaves
_SPX_TRACKERS = {"SPX": 0.0, "SPY": 0.002}  # volatility of their own
_VIX_OVER_MONEY = 1.12
_NOISE_VOL, _NOISE_HALF_LIFE_S = 0.5, 3_600.0
_LEVEL_LIMIT = (-0.8, 1.6)
_LONGEST_STEP_S = 5.0


class Market:
    """All underlyings at one moment. `spot` and `level` are (n,) columns in the order of `universe`.

    Args:
        spots: starting level per symbol.
        dividends: cash dividends ahead per symbol.
        reports: next earnings report per symbol.
        seed: of the random numbers; the same seed and the same steps give the same path.
        now: epoch seconds.
    """

    def __init__(
        self,
        spots: Mapping[str, float],
        dividends: Mapping[str, Sequence[Dividend]],
        reports: Mapping[str, datetime],
        seed: int,
        now: float,
    ) -> None:
        self.universe: tuple[Underlying, ...] = UNIVERSE
        self.index = {row.symbol: i for i, row in enumerate(self.universe)}
        self.surfaces = Surfaces.of(self.universe)
        self.now = now
        self.spot = np.array([spots[row.symbol] for row in self.universe])
        self.noise = np.zeros(len(self.spot))
        self._report_at = np.array(
            [reports[row.symbol].timestamp() if row.symbol in reports else np.inf for row in self.universe]
        )
        self.dividends = {symbol: tuple(rows) for symbol, rows in dividends.items()}
        self.dividend_yield = np.array([row.dividend_yield for row in self.universe])
        self._rng = np.random.default_rng([seed, crc32(b"market")])
        self._spx, self._vix = self.index["SPX"], self.index["VIX"]
        self._reference = self.spot.copy()
        self._factors()
        self._follow_spx()
        self._reference[self._vix] = self.spot[self._vix]

    # -- what the surface says ------------------------------------------------------------------------------

    @property
    def level(self) -> Floats:
        """Log change of each short at-the-money volatility since the start, (n,)."""
        moved = self.surfaces.response * np.log(self.spot / self._reference) + self.noise
        level: Floats = np.clip(moved, *_LEVEL_LIMIT)
        return level

    def variance(self, at: Index, tau: Floats) -> Floats:
        """At-the-money total variance for underlyings `at` and times `tau` (years), both (n,)."""
        report_in = (self._report_at - self.now) / YEAR_S
        return self.surfaces.total_variance(at, tau, self.level, report_in)

    def sigma(self, at: Index, strike: Floats, forward: Floats, tau: Floats) -> Floats:
        """Implied volatility of strikes on the current surface, (n,), decimals per year."""
        return self.surfaces.sigma(at, np.log(strike / forward), tau, self.variance(at, tau))

    def atm(self, symbol: str, tau: float) -> float:
        """At-the-money volatility of one underlying at a time in years."""
        return float(np.sqrt(self.variance(np.array([self.index[symbol]]), np.array([tau]))[0] / tau))

    def iv30(self, symbol: str) -> float:
        """The 30-day at-the-money volatility that the broker shows as tick 24, decimal per year."""
        return self.atm(symbol, MONTH)

    def vix_forward(self, tau: Floats) -> Floats:
        """The volatility index for settlement in `tau` years, (n,): that of the 30 days that begin then."""
        spx = np.full(len(tau), self._spx)
        start = np.where(tau > 0, self.variance(spx, tau), 0.0)
        ahead = (self.variance(spx, np.maximum(tau, 0.0) + MONTH) - start) / MONTH
        return 100 * _VIX_OVER_MONEY * np.sqrt(ahead)

    def forward(self, at: Index, tau: Floats, dividends_pv: Floats) -> Floats:
        """Forward of each element: the VIX future, or spot carried less the present value of dividends, (n,)."""
        carried = (self.spot[at] - dividends_pv) * np.exp((RATE - self.dividend_yield[at]) * tau)
        on_vix = at == self._vix
        if not on_vix.any():
            return carried
        return np.where(on_vix, self.vix_forward(tau), carried)

    # -- how it moves ----------------------------------------------------------------------------------------

    def step(self, now: float) -> None:
        """Lets the market move until `now` (epoch seconds); a long gap counts as a few seconds only."""
        seconds = min(max(now - self.now, 0.0), _LONGEST_STEP_S)
        self.now = max(self.now, now)
        if seconds == 0:
            return
        root = np.sqrt(seconds / _TRADING_YEAR_S)
        market, sectors, own = self._draw(1)[0], self._draw(self._n_sectors), self._draw(len(self.spot))
        heat = np.exp(self.level)
        returns = self._beta * market * self._market_vol * heat[self._spx]
        returns = returns + (self._sector_vol * sectors[self._sector] + self._own_vol * own) * heat
        self.spot = self.spot * np.exp(np.clip(returns * root, -0.1, 0.1))
        self._stir(seconds)
        self._follow_spx()

    def set_spot(self, symbol: str, price: float) -> None:
        """Puts one underlying at a price; its volatility answers as to any move. VIX moves through SPX alone.

        Raises:
            KeyError: If the symbol is not in the universe.
            ValueError: If the price is not a positive number, or for VIX.
        """
        at = self.index[symbol]
        if at == self._vix:
            raise ValueError("VIX follows the SPX surface: move SPX instead")
        if not 0 < price < np.inf:
            raise ValueError(f"a price must be a positive number, not {price}")
        self.spot[at] = price
        self._follow_spx()

    def shock(self, spot: float, volatility: float = 0.0) -> None:
        """Moves the whole market at once: each by its beta times ln(1 + spot), and every level by `volatility`
        (log change) beyond the answer to spot."""
        self.spot = self.spot * np.exp(self._beta * np.log1p(spot))
        self.noise = self.noise + volatility
        self._follow_spx()

    def _draw(self, count: int) -> Floats:
        shocks: Floats = self._rng.standard_t(4, count) / np.sqrt(2.0)  # the variance of t(4) is 2
        return shocks

    def _stir(self, seconds: float) -> None:
        """Volatility noise of its own: half common, half each one's, forgotten within hours."""
        keep = 0.5 ** (seconds / _NOISE_HALF_LIFE_S)
        size = _NOISE_VOL * np.sqrt(0.5 * seconds / _TRADING_YEAR_S)
        self.noise = keep * self.noise + size * (self._draw(1)[0] + self._draw(len(self.noise)))

    def _follow_spx(self) -> None:
        self.spot[self._vix] = self.vix_forward(np.zeros(1))[0]

    def _factors(self) -> None:
        """Splits each underlying's realised variance into market, sector and own."""
        total = _REALISED * np.array([row.iv30 for row in self.universe])
        self._market_vol = float(total[self._spx])
        self._beta = np.array([row.beta for row in self.universe])
        names = sorted({row.sector for row in self.universe})
        self._sector = np.array([names.index(row.sector) for row in self.universe])
        self._n_sectors = len(names)
        left = np.maximum(total**2 - (self._beta * self._market_vol) ** 2, 0.02**2)
        broad = np.array([row.sector == "broad" for row in self.universe])
        self._sector_vol = np.where(broad, 0.0, np.sqrt(_SECTOR_SHARE * left))
        self._own_vol = np.sqrt(np.where(broad, left, (1 - _SECTOR_SHARE) * left))
        for symbol, own in _SPX_TRACKERS.items():
            self._own_vol[self.index[symbol]] = own
        self._own_vol[self._vix] = 0.0
