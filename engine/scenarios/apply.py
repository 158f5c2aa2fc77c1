"""Shock a valued book: all scenarios, all legs, all positions in one valuation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.marks import MarkedBook
from engine.model import Bools, Floats
from engine.pricing import Shocks, value
from engine.scenarios.custom import custom_market, remarks, spot_model
from engine.scenarios.iv_model import DAYS_A_YEAR, IvColumns, IvShock, hold, iv_model
from engine.scenarios.movers import LOWEST_MOVE, Movers, movers
from engine.scenarios.templates import Scenario, Scope
from engine.settings import ScenarioSettings


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of one scenario."""

    scenario: Scenario
    move: float


@dataclass(frozen=True, slots=True, eq=False)
class ShockedMarket:
    """What a leg does to each position: (n,) spot and sigma after, where floor or cap held a sigma, and, where some neither
    move nor age, which."""

    spot: Floats
    sigma: Floats
    held: Bools
    still: Bools | None = None


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
    legs = [Leg(scenario, move) for scenario in scenarios for move in scenario.spot]
    if not legs:
        return ()
    models = {spot_model(scenario.custom, settings) for scenario in scenarios}
    who = {model: movers(book, settings.model_copy(update={"spot_model": model})) for model in models}
    legs = [_remarked(book, who[spot_model(leg.scenario.custom, settings)], leg) for leg in legs]
    markets = [shock(book, who[spot_model(leg.scenario.custom, settings)], leg, settings) for leg in legs]
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
    change = book.scale * (shocked_prices - book.base)
    for i, market in enumerate(markets):
        if market.still is not None:
            change[i, market.still] = 0.0
    return _of_the_living(book, change)


def _of_the_living(book: MarkedBook, change: Floats) -> Floats:
    """P&L (k, n) with none of what has expired, NaN for what has no value, and no -0.0."""
    return np.asarray(np.where(book.valued, np.where(book.expired, 0.0, change), np.nan) + 0.0)


def pnl_under(book: MarkedBook, spot: Floats, sigma: Floats) -> Floats:
    """P&L of each position in base currency, (k, n), with spots and sigmas (k, n) at once, no time passing; NaN for what has no
    value or no shock."""
    change = book.scale * (value(book.contracts, Shocks(spot, sigma, np.zeros(len(spot)))) - book.base)
    return _of_the_living(book, change)


def shock(book: MarkedBook, who: Movers, leg: Leg, settings: ScenarioSettings) -> ShockedMarket:
    """Spot and sigma of each position after one leg."""
    scenario, base = leg.scenario, book.contracts
    if scenario.custom is not None:
        return ShockedMarket(*custom_market(book, who, scenario.custom, settings))
    touched = who.touched_by(scenario.symbol, scenario.scope is Scope.SINGLE_STOCKS)
    in_volatility = iv_model(settings).at_the_money(scenario.iv, who.tenor, leg.move, settings)
    level_after, level_held = hold(who.level, who.level * (1.0 + in_volatility), settings)
    level_move = np.where(
        np.isnan(who.level) | (who.level <= 0.0),
        in_volatility,
        level_after / np.where(who.level > 0.0, who.level, 1.0) - 1.0,
    )
    follows = who.own if scenario.scope is Scope.SINGLE_STOCKS else who.market
    move = np.where(touched, follows * leg.move + who.volatility * level_move, 0.0)
    move = np.maximum(move, LOWEST_MOVE)
    spot = base.spot * (1.0 + move)
    sigma, held = _sigma_after(
        book, who, touched, IvShock(scenario.iv, leg.move, scenario.days, 1.0 + move), settings
    )
    return ShockedMarket(spot, sigma, held | (level_held & touched & (who.volatility != 0.0)))


def _remarked(book: MarkedBook, who: Movers, leg: Leg) -> Leg:
    """The leg with what this book makes of its custom scenario."""
    if leg.scenario.custom is None:
        return leg
    return replace(leg, scenario=replace(leg.scenario, remarks=remarks(book, who, leg.scenario.custom)))


def _sigma_after(
    book: MarkedBook, who: Movers, touched: Bools, shock: IvShock, settings: ScenarioSettings
) -> tuple[Floats, Bools]:
    base, moves = book.contracts, who.iv_moves & touched
    columns = IvColumns(base.sigma, base.tau, book.moneyness, book.dte, who.underlying, book.surfaces)
    sigma, held = hold(base.sigma, iv_model(settings).sigma(columns, shock, settings), settings)
    return np.where(moves, sigma, base.sigma), held & moves


def _worse_legs(legs: Sequence[Leg], pnl: Floats) -> list[int]:
    """Index of the leg to report for each scenario: the one with the lower portfolio P&L, the first of equals."""
    totals = np.nansum(pnl, axis=1)
    chosen: dict[str, int] = {}
    for i, leg in enumerate(legs):
        best = chosen.setdefault(leg.scenario.name, i)
        if totals[i] < totals[best]:
            chosen[leg.scenario.name] = i
    return list(chosen.values())
