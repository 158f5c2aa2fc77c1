"""QuantLib as the oracle of American options: the integral equation without dividends, finite differences with."""

from datetime import date, timedelta

import numpy as np
import QuantLib as ql  # noqa: N813

from engine.pricing import Contracts

TODAY = date(2026, 1, 5)


def american_values(
    c: Contracts, spot: np.ndarray, sigma: np.ndarray, *, grid: tuple[int, int] = (400, 1200)
) -> np.ndarray:
    """(n_shocks, n): values of Americans that expire in whole days and pay on whole days, at each spot and sigma (n_shocks, n).

    Args:
        grid: time and price steps of the finite differences, for contracts that pay dividends.
    """
    out = np.empty(spot.shape)
    for i in range(len(c)):
        reading = _Reading(c, i, grid)
        for k in range(len(spot)):
            out[k, i] = reading.at(float(spot[k, i]), float(sigma[k, i]))
    return out


class _Reading:
    """One contract and its market, of which the spot and the volatility can be moved."""

    def __init__(self, c: Contracts, i: int, grid: tuple[int, int]) -> None:
        ql.Settings.instance().evaluationDate = _day(0.0)
        self.spot, self.sigma = ql.SimpleQuote(100.0), ql.SimpleQuote(0.2)
        process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(self.spot),
            _flat(float(c.dividend_yield[i])),
            _flat(float(c.rate[i])),
            ql.BlackVolTermStructureHandle(
                ql.BlackConstantVol(
                    _day(0.0), ql.NullCalendar(), ql.QuoteHandle(self.sigma), ql.Actual365Fixed()
                )
            ),
        )
        right = ql.Option.Call if c.is_call[i] else ql.Option.Put
        self.option = ql.VanillaOption(
            ql.PlainVanillaPayoff(right, float(c.strike[i])),
            ql.AmericanExercise(_day(0.0), _day(float(c.tau[i]))),
        )
        counts = (c.dividend_times[i] < c.tau[i]) & (c.dividend_amounts[i] > 0.0)
        r, q = float(c.rate[i]), float(c.dividend_yield[i])
        two_boundaries = r < q < 0.0 if c.is_call[i] else q < r < 0.0
        if counts.any() or two_boundaries:
            dates = [_day(float(t)) for t in c.dividend_times[i][counts]]
            paid = ql.DividendVector(dates, c.dividend_amounts[i][counts].tolist())
            engine = ql.FdBlackScholesVanillaEngine(
                process,
                paid,
                *grid,
                0,
                ql.FdmSchemeDesc.Douglas(),
                False,
                -1.0,
                ql.FdBlackScholesVanillaEngine.Spot,
            )
        else:
            engine = ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.highPrecisionScheme())
        self.option.setPricingEngine(engine)

    def at(self, spot: float, sigma: float) -> float:
        self.spot.setValue(spot)
        self.sigma.setValue(sigma)
        return float(self.option.NPV())


def _flat(rate: float) -> ql.YieldTermStructureHandle:
    return ql.YieldTermStructureHandle(ql.FlatForward(_day(0.0), rate, ql.Actual365Fixed(), ql.Continuous))


def _day(years: float) -> ql.Date:
    day = TODAY + timedelta(days=round(years * 365.0))
    return ql.Date(day.day, day.month, day.year)
