"""Our pricing beside its peers: the same contracts, one process, one run. Rates per second, errors in cents on a spot of 100.

The job is a revaluation: one contract in one state of the market. Peers price each on its own; a contract's share of its
table is in our figure. Truth is QuantLib: finite differences of 400 x 1,200 with cash dividends in the spot model, and QdFp
in high precision for what pays none.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import py_lets_be_rational as lets_be_rational
import QuantLib as ql  # noqa: N813 - as everybody calls it

from benchmarks.books import book, shocks
from benchmarks.pricing import SHOCKS, forget, median_ms
from engine.pricing import Contracts, Floats, Model, american, implied_volatility, price, value

TODAY = ql.Date(1, 1, 2026)
ACT365 = ql.Actual365Fixed()
SAMPLE = 160


@dataclass(frozen=True)
class Peer:
    """A pricer of one contract, and how many of the sample it is asked for."""

    name: str
    price: Callable[[Contracts, int], float]
    count: int
    dividends: bool = True


def _process(c: Contracts, i: int, yield_: float | None = None) -> ql.BlackScholesMertonProcess:
    def flat(rate: float) -> ql.YieldTermStructureHandle:
        return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, ACT365))

    volatility = ql.BlackConstantVol(TODAY, ql.NullCalendar(), float(c.sigma[i]), ACT365)
    dividend_yield = float(c.dividend_yield[i]) if yield_ is None else yield_
    spot = ql.QuoteHandle(ql.SimpleQuote(float(c.spot[i])))
    return ql.BlackScholesMertonProcess(
        spot, flat(dividend_yield), flat(float(c.rate[i])), ql.BlackVolTermStructureHandle(volatility)
    )


def _option(c: Contracts, i: int) -> ql.VanillaOption:
    side = ql.Option.Call if c.is_call[i] else ql.Option.Put
    expiry = TODAY + round(float(c.tau[i]) * 365)
    exercise = (
        ql.AmericanExercise(TODAY, expiry) if c.model[i] == Model.AMERICAN else ql.EuropeanExercise(expiry)
    )
    return ql.VanillaOption(ql.PlainVanillaPayoff(side, float(c.strike[i])), exercise)


def _paid(c: Contracts, i: int) -> list[tuple[float, float]]:
    pairs = zip(c.dividend_times[i].tolist(), c.dividend_amounts[i].tolist(), strict=True)
    return [(time, cash) for time, cash in pairs if cash > 0.0]


def finite_differences(times: int, spots: int) -> Callable[[Contracts, int], float]:
    """QuantLib's, with cash dividends in the spot model."""

    def price_one(c: Contracts, i: int) -> float:
        paid = _paid(c, i)
        schedule = ql.DividendVector([TODAY + round(t * 365) for t, _ in paid], [cash for _, cash in paid])
        option = _option(c, i)
        scheme, model = ql.FdmSchemeDesc.Douglas(), ql.FdBlackScholesVanillaEngine.Spot
        engine = ql.FdBlackScholesVanillaEngine(
            _process(c, i), schedule, times, spots, 0, scheme, False, -1.0, model
        )
        option.setPricingEngine(engine)
        return float(option.NPV())

    return price_one


def qdfp(c: Contracts, i: int, precise: bool = False) -> float:
    """QuantLib's QdFp; dividends become an equivalent yield, the common short cut."""
    paid = _paid(c, i)
    worth = sum(cash * np.exp(-c.rate[i] * t) for t, cash in paid)
    yield_ = -float(np.log(max(1.0 - worth / c.spot[i], 0.05)) / c.tau[i]) + float(c.dividend_yield[i])
    option = _option(c, i)
    scheme = ql.QdFpAmericanEngine.highPrecisionScheme() if precise else ql.QdFpAmericanEngine.fastScheme()
    option.setPricingEngine(ql.QdFpAmericanEngine(_process(c, i, yield_), scheme))
    return float(option.NPV())


def leisen_reimer(c: Contracts, i: int) -> float:
    """The numpy tree of this project, 101 steps, one contract at a time."""
    one = c.take(np.array([i]))
    return float(american.solve(one, np.array([True]), 101).price[0])


def _truth(c: Contracts) -> Floats:
    exact = finite_differences(400, 1_200)
    return np.array([exact(c, i) if _paid(c, i) else qdfp(c, i, precise=True) for i in range(len(c))])


def revaluations() -> None:
    """Every peer over the sample; ours over the whole job, tables included, and its error over the same sample."""
    c = book(500)
    s = shocks(c, SHOCKS)
    ms = median_ms(lambda: value(c, s), 7, forget)
    ours = c.spot.size * SHOCKS / ms * 1000.0
    values = value(c, s)
    random = np.random.default_rng(8)
    americans = np.flatnonzero(c.model == Model.AMERICAN)
    column, shock = random.choice(americans, SAMPLE), random.integers(0, SHOCKS, SAMPLE)
    states = replace(c.take(column), spot=s.spot[shock, column], sigma=s.sigma[shock, column])
    truth, scale = _truth(states), 1e4 / c.spot[column]
    _line(
        "riskbot, 500 contracts x 741 shocks, tables included",
        ours,
        (values[shock, column] - truth) * scale,
        1.0,
    )
    peers = (
        Peer("QuantLib finite differences 100 x 200, spot model", finite_differences(100, 200), 60),
        Peer("QuantLib finite differences 200 x 400, spot model", finite_differences(200, 400), 30),
        Peer("QuantLib QdFp fast, dividends as a yield", qdfp, SAMPLE),
        Peer("numpy Leisen-Reimer 101, extrapolated, one by one", leisen_reimer, 60),
    )
    for peer in peers:
        started = time.perf_counter()
        found = np.array([peer.price(states, i) for i in range(peer.count)])
        rate = peer.count / (time.perf_counter() - started)
        _line(peer.name, rate, (found - truth[: peer.count]) * scale[: peer.count], ours / rate)
    batch = states.take(np.arange(SAMPLE))
    rate = SAMPLE / median_ms(lambda: american.solve(batch, np.ones(SAMPLE, bool), 101), 3) * 1000.0
    _line("numpy Leisen-Reimer 101, extrapolated, all at once", rate, None, ours / rate)


def volatilities() -> None:
    """Implied volatilities beside QuantLib's solver (American) and Jäckel's (European)."""
    c = book(500)
    american_ones = c.take((c.model == Model.AMERICAN) & (c.dividend_amounts.sum(axis=1) == 0.0))
    prices = price(american_ones)
    ours = (
        len(american_ones) / median_ms(lambda: implied_volatility(american_ones, prices), 5, forget) * 1000.0
    )
    started, count = time.perf_counter(), 20
    for i in range(count):
        try:
            _option(american_ones, i).impliedVolatility(
                float(prices[i]), _process(american_ones, i), 1e-6, 200, 0.01, 4.0
            )
        except RuntimeError:
            continue  # it finds none where the price is the intrinsic value
    _line("riskbot, American implied volatilities, tables made on the way", ours, None, 1.0)
    rate = count / (time.perf_counter() - started)
    _line("QuantLib's American impliedVolatility", rate, None, ours / rate)
    random = np.random.default_rng(3)
    n = 20_000
    european = Contracts.of(
        model=Model.BLACK_76, is_call=random.random(n) < 0.5, spot=100.0, strike=random.uniform(70, 130, n),
        sigma=random.uniform(0.1, 0.6, n), tau=random.uniform(0.05, 2, n),
    )  # fmt: skip
    quoted = price(european)
    ours = n / median_ms(lambda: implied_volatility(european, quoted), 5) * 1000.0
    rows = list(
        zip(
            quoted.tolist(),
            european.strike.tolist(),
            european.tau.tolist(),
            european.is_call.tolist(),
            strict=True,
        )
    )
    solve = lets_be_rational.implied_volatility_from_a_transformed_rational_guess
    theirs = (
        n
        / median_ms(lambda: [solve(p, 100.0, k, t, 1.0 if up else -1.0) for p, k, t, up in rows], 3)
        * 1000.0
    )
    _line("riskbot, European implied volatilities", ours, None, 1.0)
    _line("py_lets_be_rational, one by one", theirs, None, ours / theirs)


def _line(name: str, rate: float, errors: Floats | None, ratio: float) -> None:
    accuracy = ""
    if errors is not None:
        size = np.abs(errors)
        accuracy = (
            f"RMS {np.sqrt(np.mean(size**2)):.3f}c  p99 {np.quantile(size, 0.99):.3f}c  max {size.max():.2f}c"
        )
    times = "" if ratio == 1.0 else f"{ratio:>10,.1f} x"
    print(f"{name:<66}{rate:>14,.0f}/s  {accuracy:<44}{times}", flush=True)


def main() -> None:
    """Both tables."""
    ql.Settings.instance().evaluationDate = TODAY
    revaluations()
    volatilities()
