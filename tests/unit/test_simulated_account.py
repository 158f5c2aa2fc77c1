"""The embedded account is a premium seller's whose risk lies below: what the engine makes of it, at first and after a crash."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.analysis import analyse
from engine.model import Contract, Kind, Position, Right, Settlement, Snapshot, Underlying
from engine.results import RiskReport
from engine.settings import EngineSettings
from simulator.gateway.account import Account
from simulator.gateway.world import World
from simulator.portfolio import build_portfolio
from simulator.trading_days import NEW_YORK
from simulator.universe import Kind as Traded

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
KINDS = {
    Traded.STOCK: Kind.STOCK,
    Traded.ETF: Kind.ETF,
    Traded.INDEX: Kind.INDEX,
    Traded.VOLATILITY: Kind.INDEX,
}
LIMIT = -15.0


def a_world(positions: int = 24, seed: int = 7, now: datetime = NOW) -> tuple[World, Account]:
    world = World(positions, seed, now)
    return world, Account(world, seed)


def report(world: World, account: Account, now: datetime = NOW) -> RiskReport:
    """What the engine says of the account when all of its quotes have arrived."""
    underlyings = {
        row.symbol: Underlying(row.symbol, KINDS[row.kind], world.spot(row.symbol))
        for row in world.market.universe
    }
    positions = []
    for held in account.positions:
        one, quote = held.instrument, world.quote(held.instrument)
        contract = Contract(one.symbol, underlyings[one.symbol].kind, one.symbol)
        if one.is_option:
            settlement = Settlement.AM if one.expiry.is_am_settled else Settlement.PM
            contract = Contract(
                one.trading_class,
                Kind.OPTION,
                one.symbol,
                multiplier=one.multiplier,
                expiry=one.expiry.day,
                strike=one.strike,
                right=Right(one.right),
                settlement=settlement,
            )
        positions.append(Position(contract.label, contract, held.quantity, bid=quote.bid, ask=quote.ask))
    worth = account.figures().net_liquidation
    snapshot = Snapshot(now, "USD", underlyings, tuple(positions), net_liquidation=worth)
    return analyse(snapshot, EngineSettings())


def losses(of: RiskReport) -> dict[str, float]:
    """Percent of net liquidation by scenario."""
    return {row.name: row.pct for row in of.scenarios}


def crash(world: World) -> None:
    world.market.shock(-0.08, 0.10)
    world.board.refresh_all()


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("days", [0, 11, 25])
def test_the_default_account_fears_a_black_swan_most_and_a_rally_little(seed: int, days: int):
    now = NOW + timedelta(days=days)
    of = report(*a_world(24, seed, now), now)
    found = losses(of)
    swan = found.pop("Black Swan")
    assert -13.5 < swan < -11
    assert min(found.values()) > -9
    assert -9 < found["Flash Crash"] < -4
    assert -9 < found["Market Panic"] < -2.3
    assert min(found["Short Squeeze"], found["FOMO Rally"]) > -6
    assert min(of.matrix.pnl[-1]) / of.basis > -0.12
    assert of.greeks.theta > 0


@pytest.mark.parametrize(("positions", "seed"), [(16, 1), (24, 1), (24, 23), (40, 2), (100, 3)])
def test_a_crash_puts_an_account_within_its_limits_clearly_beyond_them(positions: int, seed: int):
    world, account = a_world(positions, seed)
    assert LIMIT < min(losses(report(world, account)).values()) < -10
    crash(world)
    assert min(losses(report(world, account)).values()) < LIMIT - 1.5


def test_the_worst_case_that_sets_the_cash_is_the_engines_black_swan():
    world, account = a_world()
    swan = losses(report(world, account))["Black Swan"]
    assert 100 * account.worst_case() / account.figures().net_liquidation == pytest.approx(-swan, abs=0.3)


def test_no_single_option_dwarfs_the_account():
    world, account = a_world()
    (swan,) = [row for row in report(world, account).scenarios if row.name == "Black Swan"]
    assert abs(swan.position_pnl).max() < 0.1 * account.figures().net_liquidation


def test_the_account_is_a_premium_sellers_and_of_a_quarter_million():
    world, account = a_world()
    units = np.zeros(len(world.board))
    spots = np.array([world.spot(one.symbol) for one in world.board.instruments])
    for held in account.positions:
        if held.instrument.is_option:
            units[world.board.row(held.instrument)] += 100 * held.quantity
    assert (world.board.view.vega * units).sum() < 0
    assert (world.board.view.gamma * units * spots**2).sum() < 0
    assert (world.board.view.theta * units).sum() > 0
    assert 180_000 < account.figures().net_liquidation < 320_000


def test_the_default_account_holds_what_it_should():
    portfolio = build_portfolio(24, 7, NOW)
    options = [row for row in portfolio.holdings if row.expiry]
    today = NOW.astimezone(NEW_YORK).date()
    assert len(portfolio.holdings) == 24
    assert any(row.expiry.day == today for row in options)
    assert any(today < row.expiry.day <= today + timedelta(days=9) for row in options)
    assert {"SPX", "SPXW", "VIX"} <= {row.expiry.trading_class for row in options}
    assert any(
        row.expiry.at > dividend.at > NOW
        for row in options
        for dividend in portfolio.dividends.get(row.underlying, ())
    )
    assert any(row.expiry.at > portfolio.earnings.get(row.underlying, row.expiry.at) for row in options)
    assert {row.underlying for row in portfolio.holdings if not row.expiry} >= {"SPY", "AAPL", "KO"}
