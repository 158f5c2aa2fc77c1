"""Both views of one period per unit of each position: terms by the Greeks of the start, and steps by revaluation.

The terms are the Taylor expansion of second order in the underlying and the position's own volatility, with their cross term,
and of first order in the rest (e.g. Taleb, Dynamic Hedging, 1997, ch. 11; standard practice). All are per unit of the
underlying, in the instrument's currency.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from engine.marks import SECONDS_A_YEAR
from engine.model import Bools, Floats
from engine.pricing import Contracts, Model, price
from engine.risk.period import Period

JUST_AHEAD: Final = 1e-9
"""Years to an ex-date that has just not come yet."""
POINT: Final = 100.0
DAYS: Final = 365.0


def unit_steps(period: Period) -> Floats:
    """(6, n): what time, dividends going ex, spot, volatility and the rest change of the model's price, and the data of the
    mark's distance to it. NaN where a price is."""
    before, after = period.before, period.after
    aged = _aged(period)
    paid, passed = _passed(period)
    expired = aged.tau <= 0.0
    still_to_pay = replace(
        aged,
        spot=np.where(expired & _is_option(aged), aged.spot - paid, aged.spot),
        dividend_times=np.hstack([aged.dividend_times, np.where(passed, JUST_AHEAD, np.inf)]),
        dividend_amounts=np.hstack([aged.dividend_amounts, np.where(passed, before.contracts.dividend_amounts, 0.0)]),
    )  # fmt: skip
    old = price(aged)
    spot_moved = replace(aged, spot=after.contracts.spot)
    values = [
        before.base,
        price(still_to_pay) if passed.any() else old,
        old,
        price(spot_moved),
        price(replace(spot_moved, sigma=after.contracts.sigma)),
        after.base,
    ]
    data = (after.mark - after.base) - (before.mark - before.base)
    return np.vstack([np.diff(np.array(values), axis=0), data])


def unit_terms(period: Period) -> Floats:
    """(9, n): delta, gamma, vega, vanna, volga, theta, rho, carry and dividends of options, by the Greeks of the start."""
    greeks, start, end = period.before.greeks, period.before.contracts, period.after.contracts
    aged = _aged(period)
    option = _is_option(start)
    move = end.spot - start.spot
    points = np.where(option, POINT * (end.sigma - start.sigma), 0.0)
    days = np.where(option, DAYS * np.clip(_years(period), 0.0, np.maximum(start.tau, 0.0)), 0.0)
    rate = np.where(option, POINT * (end.rate - aged.rate), 0.0)
    paid, _ = _passed(period)
    return np.stack(
        [
            greeks.delta * move,
            0.5 * greeks.gamma * move**2,
            greeks.vega * points,
            greeks.vanna * move * points,
            0.5 * greeks.volga * points**2,
            greeks.theta * days,
            greeks.rho * rate,
            np.where(option, greeks.delta * _carried(start, aged, end), 0.0),
            np.where(option, greeks.delta * paid, 0.0),
        ]
    )


def _aged(period: Period) -> Contracts:
    """The contracts at the later time with nothing else changed: the first market's curve at the time that is left, its
    dividends nearer or gone, its yields and forwards as they were."""
    start = period.before.contracts
    return replace(
        period.aged.contracts,
        model=start.model,
        spot=start.spot,
        sigma=start.sigma,
        dividend_yield=start.dividend_yield,
    )


def _carried(start: Contracts, aged: Contracts, end: Contracts) -> Floats:
    """(n,): the move of spot that a changed yield and changed dividends ahead are worth."""
    on_spot = (start.model == Model.AMERICAN) | (start.model == Model.BLACK_SCHOLES)
    tau = np.maximum(aged.tau, 0.0)
    by_yield = -start.spot * (end.dividend_yield - start.dividend_yield) * tau
    by_dividends = _present_value(aged, aged.rate) - _present_value(end, aged.rate)
    return np.asarray(np.where(on_spot, by_yield + by_dividends, 0.0))


def _present_value(contracts: Contracts, rate: Floats) -> Floats:
    times, amounts = contracts.dividend_times, contracts.dividend_amounts
    ahead = (times > 0.0) & (times < contracts.tau[:, None])
    grown = np.exp(-rate[:, None] * np.where(ahead, times, 0.0))
    return np.asarray(np.where(ahead, amounts * grown, 0.0).sum(axis=1))


def _passed(period: Period) -> tuple[Floats, Bools]:
    """What went ex within the period and an option's life: the sum (n,), and which of the start's dividends (n, m)."""
    start = period.before.contracts
    within = (start.dividend_times > 0.0) & (start.dividend_times <= _years(period))
    return np.where(within, start.dividend_amounts, 0.0).sum(axis=1), within


def _years(period: Period) -> float:
    return (period.later.as_of - period.earlier.as_of).total_seconds() / SECONDS_A_YEAR


def _is_option(contracts: Contracts) -> Bools:
    return np.asarray(contracts.model != Model.LINEAR)
