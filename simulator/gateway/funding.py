"""How much cash the account has: so much that the worst case costs a chosen share of net liquidation.

The worst case is a fall of 20 % with a proportional volatility shock of +150 %: each volatility times
1 + 1.5·wing·term, wing 1.3 below 95 % of spot, 1.0 at it and 0.8 above 105 % (linear between), term 1.5 / 1.0 / 0.7 /
0.5 for 0-7 / 8-30 / 31-90 / more days. VIX options keep their volatility; their forward rises by the shock of
its own tenor (days + 30).
"""

from dataclasses import replace

import numpy as np

from engine.pricing import Contracts, Model, price
from simulator.gateway.board import Board
from simulator.gateway.market import Market
from simulator.gateway.surface import Floats

WORST_SPOT, WORST_VOLATILITY = -0.20, 1.5
TARGET_LOSS = 0.128  # of net liquidation at the start: under a limit of 15 %, and over it after a fall of 8 %
_SCAN = (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0)
_LEAST_LOSS = 0.04  # of gross value, so that a well hedged book is not left without money


def worst_case(market: Market, board: Board, shares: dict[str, int], contracts: Floats) -> float:
    """Loss of a book in the worst case, in USD, positive for a loss.

    Args:
        shares: shares held per underlying.
        contracts: (rows of the board,) signed units (contracts times multiplier) held of each option.
    """
    rows = np.flatnonzero(contracts)
    spot, sigma = (column[rows] for column in board.inputs())
    base = board.contracts(rows, spot, sigma)
    on_vix = base.model == Model.BLACK_76
    days = base.tau * 365
    fall, stock_sigma = spot * (1 + WORST_SPOT), sigma * (1 + _shift(base.strike / spot, days))
    rise = spot * (1 + _shift(np.ones_like(spot), days + 30))
    shocked = board.contracts(rows, np.where(on_vix, rise, fall), np.where(on_vix, sigma, stock_sigma))
    options = float(((price(base) - price(shocked)) * contracts[rows]).sum())
    owned = sum(count * float(market.spot[market.index[symbol]]) for symbol, count in shares.items())
    return options - WORST_SPOT * owned


def cash_for(loss: float, market_value: float, gross: float) -> float:
    """Cash that makes `loss` the target share of net liquidation, to the cent."""
    return round(max(loss, _LEAST_LOSS * gross, 1_000.0) / TARGET_LOSS - market_value, 2)


def scan_margin(
    market: Market, board: Board, shares: dict[str, int], contracts: Floats, width: float
) -> float:
    """Risk-based margin: the sum over underlyings of the worst P&L of moves up to `width` either way, positive.

    Broad indices and ETFs are scanned over 0.6 of the width. American options count as European ones on a spot
    without the dividends due, which is near enough for a margin.
    """
    rows = np.flatnonzero(contracts)
    spot, sigma = (column[rows] for column in board.inputs())
    base = board.contracts(rows, spot, sigma)
    symbols = [board.instruments[int(row)].symbol for row in rows]
    at = np.array([market.index[symbol] for symbol in symbols], dtype=np.intp)
    reach = width * np.where([row.sector == "broad" for row in market.universe], 0.6, 1.0)
    held = np.zeros(len(reach))
    for symbol, count in shares.items():
        held[market.index[symbol]] += count
    start = price(_european(base, spot))
    worst = np.zeros(len(reach))
    for part in _SCAN:
        moved = price(_european(base, spot * (1 + part * reach[at])))
        change = np.bincount(at, (moved - start) * contracts[rows], len(reach))
        worst = np.minimum(worst, change + held * market.spot * part * reach)
    return float(-worst.sum())


def _european(base: Contracts, spot: Floats) -> Contracts:
    """The contracts at another spot, with no early exercise and the dividends taken out of spot."""
    paid = np.where(np.isfinite(base.dividend_times), base.dividend_amounts, 0.0).sum(axis=1)
    model = np.where(base.model == Model.AMERICAN, int(Model.BLACK_SCHOLES), base.model)
    none = np.empty((len(base), 0))
    net = np.maximum(spot - paid, 0.01)
    return replace(base, model=model, spot=net, dividend_times=none, dividend_amounts=none)


def _shift(moneyness: Floats, days: Floats) -> Floats:
    """Relative change of volatility in the worst case."""
    wing = np.interp(moneyness, [0.95, 1.0, 1.05], [1.3, 1.0, 0.8])
    term = np.select([days <= 7.5, days <= 30.5, days <= 90.5], [1.5, 1.0, 0.7], 0.5)
    shift: Floats = WORST_VOLATILITY * wing * term
    return shift
