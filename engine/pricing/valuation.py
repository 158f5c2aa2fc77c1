"""Which model values which contract: the door of this package.

LINEAR is worth its own price. Europeans without cash dividends, and Americans for which early exercise can't pay,
have the closed form; the others a tree. A contract with an input that is NaN, infinite or negative (sigma, strike,
spot, a dividend; not the price of LINEAR) is worth NaN, and touches no other contract.
"""

from dataclasses import replace

import numpy as np

from engine.pricing import american, black_scholes, implied_vol
from engine.pricing.dividends import shifted
from engine.pricing.types import (
    BoolArray,
    Contracts,
    Floats,
    GreekColumns,
    ImpliedVolatility,
    IntArray,
    IvReason,
    Model,
    Shocks,
)


def price(contracts: Contracts) -> Floats:
    """Value of each contract per unit of its underlying, (n,)."""
    linear, closed, tree = _routes(contracts)
    out = np.full(len(contracts), np.nan)
    out[linear] = contracts.spot[linear]
    with np.errstate(all="ignore"):
        if len(closed):
            out[closed] = black_scholes.price(*_bsm_inputs(_carried(contracts.take(closed))))
        if len(tree):
            part = _carried(contracts.take(tree))
            out[tree] = american.solve(part, _early(part)).price
    return out


def value(contracts: Contracts, shocks: Shocks) -> Floats:
    """Value of each contract in each shock, (n_shocks, n), per unit of its underlying.

    An element that a shock leaves as it is has the value of price(contracts), bit for bit.

    Raises:
        ValueError: If the shocks are for another number of contracts.
    """
    if shocks.spot.shape[1] != len(contracts):
        raise ValueError(f"shocks for {shocks.spot.shape[1]} contracts, not {len(contracts)}")
    unmoved = (
        (shocks.spot == contracts.spot) & (shocks.sigma == contracts.sigma) & (shocks.years == 0.0)[:, None]
    )
    out = np.empty(shocks.spot.shape)
    if unmoved.any():
        out[:] = price(contracts)
    shock, column = np.nonzero(~unmoved)
    if len(column):
        out[shock, column] = price(_after(contracts.take(column), shocks, shock, column))
    return out


def greeks(contracts: Contracts) -> GreekColumns:
    """Price and Greeks of each contract; LINEAR has delta 1 and no other."""
    linear, closed, tree = _routes(contracts)
    names = GreekColumns.__slots__
    out = {name: np.full(len(contracts), np.nan) for name in names}
    own = contracts.spot[linear]
    for name in names:
        out[name][linear] = np.where(np.isnan(own), np.nan, 1.0 if name == "delta" else 0.0)
    out["price"][linear] = own
    with np.errstate(all="ignore"):
        for rows, method in ((closed, _closed_greeks), (tree, _tree_greeks)):
            part = method(_carried(contracts.take(rows))) if len(rows) else None
            for name in names if part else ():
                out[name][rows] = getattr(part, name)
    return GreekColumns(**out)


def implied_volatility(contracts: Contracts, prices: Floats) -> ImpliedVolatility:
    """The sigma at which this package's own model gives each price; the contracts' sigma is not looked at.

    Args:
        prices: (n,), per unit of the underlying.
    Returns:
        sigma, NaN where it is not identified, and the reason of each.
    """
    c = replace(contracts, sigma=np.ones(len(contracts)))
    sigma, reason = np.full(len(c), np.nan), np.full(len(c), int(IvReason.BAD_INPUT), dtype=np.int64)
    reason[c.model == Model.LINEAR] = IvReason.NOT_AN_OPTION
    _, closed, tree = _routes(c)
    with np.errstate(all="ignore"):
        for rows, method in ((closed, implied_vol.european), (tree, _implied_on_tree)):
            if len(rows):
                sigma[rows], reason[rows] = method(_carried(c.take(rows)), prices[rows])
    return ImpliedVolatility(sigma, reason)


def _routes(c: Contracts) -> tuple[IntArray, IntArray, IntArray]:
    """Where the linear contracts are, those with a closed form, and those that need a tree."""
    linear = c.model == Model.LINEAR
    usable = ~linear & _usable(c)
    carried = _carried(c)
    early = _early(c)
    closed = np.where(early, american.never_early(carried), ~american.pays_dividends(carried))
    return np.flatnonzero(linear), np.flatnonzero(usable & closed), np.flatnonzero(usable & ~closed)


def _usable(c: Contracts) -> BoolArray:
    signs = np.minimum(np.minimum(c.sigma, c.strike), c.spot) >= 0.0
    finite = np.isfinite(c.sigma + c.strike + c.spot + c.tau + c.rate + c.dividend_yield)
    amounts = c.dividend_amounts
    dividends = ~np.isnan(c.dividend_times).any(axis=1) & (np.isfinite(amounts) & (amounts >= 0.0)).all(
        axis=1
    )
    return np.asarray(signs & finite & (dividends | _on_forward(c)))


def _early(c: Contracts) -> BoolArray:
    return np.asarray((c.model == Model.AMERICAN) | (c.model == Model.AMERICAN_76))


def _on_forward(c: Contracts) -> BoolArray:
    return np.asarray((c.model == Model.BLACK_76) | (c.model == Model.AMERICAN_76))


def _carried(c: Contracts) -> Contracts:
    """The same contracts, those on a forward as on a spot whose yield is the rate and which pays no dividend."""
    forward = _on_forward(c)
    amounts = np.where(forward[:, None], 0.0, c.dividend_amounts)
    return replace(c, dividend_yield=np.where(forward, c.rate, c.dividend_yield), dividend_amounts=amounts)


def _after(c: Contracts, shocks: Shocks, shock: IntArray, column: IntArray) -> Contracts:
    """The contracts c, one per element of the shocks at (shock, column), as they are in it."""
    years = shocks.years[shock]
    times, amounts = shifted(c.dividend_times, c.dividend_amounts, years)
    return replace(
        c,
        spot=shocks.spot[shock, column],
        sigma=shocks.sigma[shock, column],
        tau=c.tau - years,
        dividend_times=times,
        dividend_amounts=amounts,
    )


def _bsm_inputs(c: Contracts) -> tuple[BoolArray, Floats, Floats, Floats, Floats, Floats, Floats]:
    return c.is_call, c.spot, c.strike, c.sigma, c.tau, c.rate, c.dividend_yield


def _closed_greeks(c: Contracts) -> GreekColumns:
    closed = black_scholes.greeks(*_bsm_inputs(c))
    rho_of_forward = -np.maximum(c.tau, 0.0) * closed.price / 100.0
    return replace(closed, rho=np.where(_on_forward(c), rho_of_forward, closed.rho))


def _tree_greeks(c: Contracts) -> GreekColumns:
    return american.greeks(c, _early(c), _on_forward(c))


def _implied_on_tree(c: Contracts, prices: Floats) -> tuple[Floats, IntArray]:
    return implied_vol.on_tree(c, _early(c), prices)


def shocked(contracts: Contracts, shocks: Shocks) -> Contracts:
    """The contracts as they are in each shock, one shock after the other: n_shocks * n of them."""
    shock, column = (index.ravel() for index in np.indices(shocks.spot.shape))
    return _after(contracts.take(column), shocks, shock, column)
