"""Who moves when the market moves (D4): for each position, how its price follows the scenario's spot move and its IV shift.

Relative move = market * (the scenario's move) + volatility * (the scenario's at-the-money IV shift at `tenor` days).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.marks import MarkedBook
from engine.model import UNSHOCKED_KINDS, Bools, Contract, Floats, Kind, Underlying
from engine.scenarios.betas import Beta, betas
from engine.settings import ScenarioSettings

INDEX_TENOR: Final = 30.0
"""A volatility index is the at-the-money volatility of 30 days."""
FUND_TENOR: Final = 60.0
"""Volatility funds hold a 30-day forward of it, whose own tenor ends 30 days later."""
LOWEST_MOVE: Final = -0.9999
"""Nothing falls below nothing: a three-times fund in a 40 % fall keeps a ten-thousandth."""


UNASKED: Final = Beta(None)


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
        own: as `market` where the scenario states a symbol's own move: 1 for what follows the market, 0 for the rest.
        beta_notes: which betas are unknown and count as 1, and which rest on little; empty where betas are not asked for.
    """

    market: Floats
    volatility: Floats
    tenor: Floats
    level: Floats
    iv_moves: Bools
    single_stock: Bools
    underlying: tuple[str, ...]
    proxied: tuple[str, ...]
    own: Floats
    beta_notes: tuple[str, ...]

    def touched_by(self, symbol: str | None, single_stocks: bool) -> Bools:
        """Which positions a scenario of this scope moves."""
        if symbol is not None:
            return np.array([name == symbol for name in self.underlying], dtype=np.bool_)
        return self.single_stock if single_stocks else np.ones(len(self.underlying), dtype=np.bool_)


def movers(book: MarkedBook, settings: ScenarioSettings) -> Movers:
    """Classify every position of the book once; the scenarios then only multiply."""
    positions = book.snapshot.positions
    n = len(positions)
    market, own, volatility, level = (np.zeros(n) for _ in range(4))
    tenor = np.full(n, INDEX_TENOR)
    iv_moves, single = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    known: dict[str, Beta] = {}
    if settings.spot_model == "beta":
        known = dict(betas(book.snapshot, dict.fromkeys(p.contract.underlying for p in positions), settings))
    used: set[str] = set()
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
            follows = _follows_market(contract, underlying, settings)
            if follows and name in settings.leveraged_funds:
                market[i] = settings.leveraged_funds[name]
            elif follows:
                used.add(name)
                market[i] = _or_one(known.get(name, UNASKED).value)
            own[i] = float(follows)
            iv_moves[i] = contract.is_option and follows
            single[i] = underlying.kind is Kind.STOCK
    names = tuple(position.contract.underlying for position in positions)
    known = {name: beta for name, beta in known.items() if name in used}
    proxied = tuple(sorted(name for name, beta in known.items() if beta.value is None))
    return Movers(market, volatility, tenor, level, iv_moves, single, names, proxied, own, _beta_notes(known))


def _or_one(beta: float | None) -> float:
    return 1.0 if beta is None else beta


def _beta_notes(known: dict[str, Beta]) -> tuple[str, ...]:
    """A sentence for the unknown betas and one for the weak ones, the symbols by their reason."""
    notes = []
    for head, unknown in (("beta unknown, 1 assumed", True), ("beta from little history", False)):
        why: dict[str, list[str]] = {}
        for name, beta in sorted(known.items()):
            if beta.remark is not None and (beta.value is None) is unknown:
                why.setdefault(beta.remark, []).append(name)
        if why:
            said = [f"{', '.join(names)} ({reason})" for reason, names in why.items()]
            notes.append(f"{head}: {'; '.join(said)}")
    return tuple(notes)


def _follows_market(contract: Contract, underlying: Underlying, settings: ScenarioSettings) -> bool:
    """Stocks, funds, equity indices and equity futures; not other futures, currencies and the like."""
    if underlying.symbol in settings.leveraged_funds:
        return True
    equity_future = underlying.symbol in settings.equity_futures
    if underlying.kind not in {Kind.STOCK, Kind.ETF, Kind.INDEX} and not equity_future:
        return False
    of_a_future = contract.kind in {Kind.FUTURE, Kind.FUTURE_OPTION}
    return equity_future or underlying.kind is Kind.INDEX or not of_a_future
