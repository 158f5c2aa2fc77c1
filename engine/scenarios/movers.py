"""Who moves when the market moves (D4): for each position, how its price follows the scenario's spot move and its IV shift.

Relative move = market * (the scenario's move) + volatility * (the scenario's at-the-money IV shift at `tenor` days).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.marks import MarkedBook
from engine.model import UNSHOCKED_KINDS, Bools, Contract, Floats, Kind, Underlying
from engine.settings import ScenarioSettings

INDEX_TENOR: Final = 30.0
"""A volatility index is the at-the-money volatility of 30 days."""
FUND_TENOR: Final = 60.0
"""Volatility funds hold a 30-day forward of it, whose own tenor ends 30 days later."""


@dataclass(frozen=True, slots=True, eq=False)
class Movers:
    """Columns (n,).

    Attributes:
        market: move per unit of the scenario's spot move: 1, beta or a fund's ratio; 0 for what stays or follows volatility.
        volatility: move per unit of relative IV shift; 0 for what follows the market.
        tenor: days at which the IV shift is read for those.
        level: volatility level in decimals (VIX 18 -> 0.18) that the floor and the cap are applied to.
        iv_moves: options whose own sigma is shifted.
        single_stock: what an earnings scenario without a symbol moves.
        underlying: (n,) keys, for scenarios on one symbol.
        proxied: keys of underlyings that moved with beta 1 because theirs is unknown.
    """

    market: Floats
    volatility: Floats
    tenor: Floats
    level: Floats
    iv_moves: Bools
    single_stock: Bools
    underlying: tuple[str, ...]
    proxied: tuple[str, ...]

    def touched_by(self, symbol: str | None, single_stocks: bool) -> Bools:
        """Which positions a scenario of this scope moves."""
        if symbol is not None:
            return np.array([name == symbol for name in self.underlying], dtype=np.bool_)
        return self.single_stock if single_stocks else np.ones(len(self.underlying), dtype=np.bool_)


def movers(book: MarkedBook, settings: ScenarioSettings) -> Movers:
    """Classify every position of the book once; the scenarios then only multiply."""
    positions = book.snapshot.positions
    n = len(positions)
    market, volatility, tenor, level = (np.zeros(n) for _ in range(4))
    iv_moves, single = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    proxied: set[str] = set()
    for i, position in enumerate(positions):
        contract = position.contract
        underlying = book.snapshot.underlyings.get(contract.underlying)
        if underlying is None or contract.kind in UNSHOCKED_KINDS:
            continue
        name = underlying.symbol
        if name in settings.volatility_indices:
            volatility[i] = 1.0
            tenor[i] = INDEX_TENOR + (max(book.dte[i], 0.0) if contract.expiry is not None else 0.0)
            level[i] = book.contracts.spot[i] / 100.0
        elif name in settings.volatility_funds:
            volatility[i], tenor[i], level[i] = settings.volatility_funds[name], FUND_TENOR, np.nan
            iv_moves[i] = contract.is_option
        else:
            market[i] = _market_ratio(contract, underlying, settings)
            if market[i] and _proxied(underlying, settings):
                proxied.add(name)
            iv_moves[i] = contract.is_option and market[i] != 0.0
            single[i] = underlying.kind is Kind.STOCK
    names = tuple(position.contract.underlying for position in positions)
    return Movers(market, volatility, tenor, level, iv_moves, single, names, tuple(sorted(proxied)))


def _proxied(underlying: Underlying, settings: ScenarioSettings) -> bool:
    """Whether its beta is asked for and not known; the reference has beta 1 by definition."""
    own = underlying.symbol in settings.leveraged_funds or underlying.symbol == settings.reference_index
    return settings.spot_model == "beta" and underlying.beta is None and not own


def _market_ratio(contract: Contract, underlying: Underlying, settings: ScenarioSettings) -> float:
    """How many times the scenario's move this underlying moves."""
    if underlying.symbol in settings.leveraged_funds:
        return settings.leveraged_funds[underlying.symbol]
    equity_future = underlying.symbol in settings.equity_futures
    if underlying.kind not in {Kind.STOCK, Kind.ETF, Kind.INDEX} and not equity_future:
        return 0.0
    if (
        contract.kind in {Kind.FUTURE, Kind.FUTURE_OPTION}
        and not equity_future
        and underlying.kind is not Kind.INDEX
    ):
        return 0.0
    if settings.spot_model == "beta" and underlying.beta is not None:
        return underlying.beta
    return 1.0
