"""Shock a valued book: all scenarios, all legs, all positions in one valuation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.marks import MarkedBook
from engine.model import Bools, Floats
from engine.pricing import Shocks, value
from engine.scenarios.iv_model import hold, relative_shift
from engine.scenarios.movers import Movers, movers
from engine.scenarios.shapes import TermSlide
from engine.scenarios.templates import Scenario, Scope
from engine.settings import ScenarioSettings

DAYS_A_YEAR = 365.0
LOWEST_MOVE = -0.9999
"""Nothing falls below nothing: a three-times fund in a 40 % fall keeps a ten-thousandth."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of one scenario."""

    scenario: Scenario
    move: float


@dataclass(frozen=True, slots=True, eq=False)
class ShockedMarket:
    """What a leg does to each position: (n,) spot and sigma after, and where floor or cap held a sigma."""

    spot: Floats
    sigma: Floats
    held: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A scenario on a book: the leg that is reported, the market after it, and each position's P&L in base currency, (n,)."""

    leg: Leg
    market: ShockedMarket
    pnl: Floats

    @property
    def years(self) -> float:
        return self.leg.scenario.days / DAYS_A_YEAR


def run_scenarios(
    book: MarkedBook, scenarios: Sequence[Scenario], settings: ScenarioSettings
) -> tuple[Outcome, ...]:
    """Every scenario over the book, in their order; of the two-sided ones the worse leg (D5)."""
    who = movers(book, settings)
    legs = [Leg(scenario, move) for scenario in scenarios for move in scenario.spot]
    if not legs:
        return ()
    markets = [shock(book, who, leg, settings) for leg in legs]
    pnl = position_pnl(book, markets, [leg.scenario.days for leg in legs])
    return tuple(Outcome(legs[i], markets[i], pnl[i]) for i in _worse_legs(legs, pnl))


def position_pnl(book: MarkedBook, markets: Sequence[ShockedMarket], days: Sequence[int]) -> Floats:
    """P&L of each position in base currency, (n_markets, n): quantity * multiplier * fx * (model(shocked) - model(base))
    (D1)."""
    shocks = Shocks(
        spot=np.stack([market.spot for market in markets]),
        sigma=np.stack([market.sigma for market in markets]),
        years=np.array(days) / DAYS_A_YEAR,
    )
    shocked_prices = value(book.contracts, shocks)
    return np.asarray(
        np.where(book.valued, book.scale * (shocked_prices - book.base), np.nan) + 0.0
    )  # no -0.0


def shock(book: MarkedBook, who: Movers, leg: Leg, settings: ScenarioSettings) -> ShockedMarket:
    """Spot and sigma of each position after one leg."""
    scenario, base = leg.scenario, book.contracts
    touched = who.touched_by(scenario.symbol, scenario.scope is Scope.SINGLE_STOCKS)
    in_volatility = relative_shift(scenario.iv, np.ones_like(who.tenor), who.tenor, leg.move, settings)
    level_after, level_held = hold(who.level, who.level * (1.0 + in_volatility), settings)
    level_move = np.where(
        np.isnan(who.level) | (who.level <= 0.0),
        in_volatility,
        level_after / np.where(who.level > 0.0, who.level, 1.0) - 1.0,
    )
    follows = who.own if scenario.scope is Scope.SINGLE_STOCKS else who.market
    move = np.where(touched, follows * leg.move + who.volatility * level_move, 0.0)
    spot = base.spot * (1.0 + np.maximum(move, LOWEST_MOVE))
    sigma, held = _sigma_after(book, who.iv_moves & touched, leg, settings)
    return ShockedMarket(spot, sigma, held | (level_held & touched & (who.volatility != 0.0)))


def _sigma_after(
    book: MarkedBook, moves: Bools, leg: Leg, settings: ScenarioSettings
) -> tuple[Floats, Bools]:
    base, scenario = book.contracts, leg.scenario
    if isinstance(scenario.iv, TermSlide):
        wanted = base.sigma * _slides(book, scenario.days / DAYS_A_YEAR)
    else:
        wanted = base.sigma * (
            1.0 + relative_shift(scenario.iv, book.moneyness, book.dte, leg.move, settings)
        )
    sigma, held = hold(base.sigma, wanted, settings)
    return np.where(moves, sigma, base.sigma), held & moves


def _slides(book: MarkedBook, years: float) -> Floats:
    """Each option's ATM(T - h) / ATM(T) on its own underlying's term structure."""
    ratio = np.ones(len(book.contracts))
    names = np.array([position.contract.underlying for position in book.snapshot.positions], dtype=object)
    for name, known in book.surfaces.items():
        mine = (names == name) & ~np.isnan(book.contracts.tau)
        ratio[mine] = known.slide(book.contracts.tau[mine], years)
    return ratio


def _worse_legs(legs: Sequence[Leg], pnl: Floats) -> list[int]:
    """Index of the leg to report for each scenario: the one with the lower portfolio P&L, the first of equals."""
    totals = np.nansum(pnl, axis=1)
    chosen: dict[str, int] = {}
    for i, leg in enumerate(legs):
        best = chosen.setdefault(leg.scenario.name, i)
        if totals[i] < totals[best]:
            chosen[leg.scenario.name] = i
    return list(chosen.values())
