"""The embedded market is believable: its surfaces, quotes, history and account."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from simulator.expiries import listed, listed_futures, third_friday, zero_day
from simulator.gateway.account import Account
from simulator.gateway.contracts import Instrument
from simulator.gateway.quotes import computations, half_spread
from simulator.gateway.world import World
from simulator.portfolio import build_portfolio
from simulator.trading_days import is_trading_day
from simulator.universe import RATE, UNIVERSE

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
SPX = UNIVERSE[0]


def a_world(positions: int = 24, seed: int = 7, now: datetime = NOW) -> tuple[World, Account]:
    world = World(positions, seed, now)
    return world, Account(world, seed)


def spx_options(world: World, days: int, moneyness: tuple[float, ...], right: str = "P") -> list[Instrument]:
    """Listed SPXW options of the first expiry at least `days` ahead, solved."""
    expiry = next(
        row for row in listed(SPX, NOW) if row.trading_class == "SPXW" and (row.day - NOW.date()).days >= days
    )
    spot = world.spot("SPX")
    options = [world.directory.option("SPX", expiry, round(spot * m / 5) * 5, right) for m in moneyness]
    world.board.add(options)
    world.board.refresh_all()
    return options


def sigma(world: World, option: Instrument) -> float:
    return float(world.board.view.sigma[world.board.row(option)])


def test_puts_below_the_money_have_more_volatility_than_calls_above():
    world, _ = a_world()
    low, money, high = (sigma(world, one) for one in spx_options(world, 25, (0.92, 1.0, 1.05)))
    assert low > 1.2 * money
    assert high < money


def test_vix_calls_above_the_money_have_more_volatility():
    world, _ = a_world()
    vix = next(row for row in UNIVERSE if row.symbol == "VIX")
    options = [
        world.directory.option("VIX", listed(vix, NOW)[0], strike, "C") for strike in (17.0, 25.0, 40.0)
    ]
    world.board.add(options)
    world.board.refresh_all()
    near, far, farther = (sigma(world, one) for one in options)
    assert near < far < farther


def test_calm_index_volatility_rises_with_time_and_the_vix_futures_with_it():
    market = a_world()[0].market
    assert market.atm("SPX", 7 / 365) < market.atm("SPX", 30 / 365) < market.atm("SPX", 0.5)
    spot, front, back = market.vix_forward(np.array([0.0, 30 / 365, 120 / 365]))
    assert spot == pytest.approx(1.12 * 100 * market.iv30("SPX"))
    assert spot < front < back


def test_the_front_expiry_of_a_name_that_reports_is_dear():
    market = a_world()[0].market
    before, after = market.atm("TSLA", 0.5 / 365), market.atm("TSLA", 7 / 365)
    assert after > 1.5 * before
    assert market.atm("TSLA", 1.0) < after


def test_volatility_rises_when_spot_falls_and_the_vix_with_it():
    market = a_world()[0].market
    calm, vix = market.iv30("SPX"), market.spot[market.index["VIX"]]
    market.set_spot("SPX", 0.95 * market.spot[market.index["SPX"]])
    assert market.iv30("SPX") > 1.15 * calm
    assert market.spot[market.index["VIX"]] > 1.15 * vix


def test_an_inverted_term_structure_follows_a_crash():
    market = a_world()[0].market
    market.shock(-0.10, 0.1)
    assert market.atm("SPX", 7 / 365) > market.atm("SPX", 0.5)


def test_put_call_parity_of_european_options_holds_within_the_spread():
    world, _ = a_world()
    market, moneyness = world.market, (0.9, 0.97, 1.0, 1.03, 1.1)
    calls, puts = spx_options(world, 25, moneyness, "C"), spx_options(world, 25, moneyness, "P")
    for call, put in zip(calls, puts, strict=True):
        row = world.board.row(call)
        years = (call.expiry.at - NOW).total_seconds() / (365 * 86_400)
        parity = np.exp(-RATE * years) * (world.board.view.forward[row] - call.strike)
        c, p = world.quote(call), world.quote(put)
        assert c.bid - p.ask <= parity <= c.ask - p.bid
        assert c.mid - p.mid == pytest.approx(parity, abs=0.5 * (c.ask - c.bid + p.ask - p.bid))
    assert market.spot[market.index["SPX"]] < world.board.view.forward[world.board.row(calls[0])]


def test_strikes_offer_no_free_butterfly():
    world, _ = a_world()
    for days in (1, 10, 80):
        options = spx_options(world, days, tuple(np.arange(0.8, 1.2, 0.01)), "C")
        rows = [world.board.row(one) for one in options]
        value, strike = world.board.view.price[rows], np.array([one.strike for one in options])
        slope = np.diff(value) / np.diff(strike)
        assert (slope <= 1e-9).all()
        assert (slope >= -1 - 1e-9).all()
        assert (np.diff(slope) >= -1e-4).all()


def test_quotes_are_never_crossed_or_negative_and_are_whole_cents():
    world, account = a_world(500)
    for _ in range(3):
        for held in account.positions:
            quote = world.quote(held.instrument)
            assert 0 <= quote.bid < quote.ask
            assert round(quote.bid * 100) == pytest.approx(quote.bid * 100)
            assert (quote.bid_size == 0) == (quote.bid == 0)
        world.market.shock(-0.05)
        world.board.refresh_all()


def test_a_far_out_of_the_money_option_has_no_bid():
    world, _ = a_world()
    (option,) = spx_options(world, 0, (0.7,))
    quote = world.quote(option)
    assert (quote.bid, quote.bid_size) == (0.0, 0)
    assert quote.ask > 0


def test_what_is_missing_is_a_sentinel():
    world, account = a_world(100)
    missing = set()
    for held in account.positions:
        if held.instrument.is_option:
            row = world.board.row(held.instrument)
            quote = world.quote(held.instrument)
            missing |= {
                tick for tick, one in computations(quote, world.board.view, row).items() if not one.sigma
            }
            if quote.last is None:
                last = computations(quote, world.board.view, row)[12]
                assert last.wire() == (-1, -2, -1, -1, -2, -2, -2, -1)
    assert 12 in missing
    assert 13 not in missing


def test_the_bid_has_less_volatility_than_the_ask():
    world, _ = a_world()
    (option,) = spx_options(world, 25, (1.0,))
    each = computations(world.quote(option), world.board.view, world.board.row(option))
    assert each[10].sigma < each[13].sigma < each[11].sigma


def test_values_between_full_solutions_stay_well_inside_the_spread():
    world, account = a_world(60)
    board = world.board
    for second in range(1, 120):
        world.market.step(NOW.timestamp() + second)
        board.refresh_all()
    expanded = board.view.price.copy()
    board.solve(np.arange(len(board)))
    board.refresh()
    for held in account.positions:
        if held.instrument.is_option:
            row = board.row(held.instrument)
            allowed = half_spread(held.instrument, board.view.price[row], board.view.vega[row])
            assert abs(expanded[row] - board.view.price[row]) < 0.5 * allowed


def test_stocks_move_together():
    market = a_world()[0].market
    spots = []
    for second in range(4000):
        market.step(NOW.timestamp() + second)
        spots.append(market.spot.copy())
    returns = np.diff(np.log(spots), axis=0)
    at = [market.index[symbol] for symbol in ("SPX", "SPY", "AAPL", "MSFT", "JPM", "KO")]
    correlation = np.corrcoef(returns[:, at].T)
    assert (correlation > 0.05).all()
    assert correlation[0, 1] > 0.95
    vix = np.corrcoef(returns[:, market.index["SPX"]], returns[:, market.index["VIX"]])[0, 1]
    assert vix < -0.3


def test_moves_have_the_size_that_the_surface_implies():
    market = a_world()[0].market
    spots = []
    for second in range(6000):
        market.step(NOW.timestamp() + second)
        spots.append(market.spot[market.index["SPX"]])
    yearly = np.std(np.diff(np.log(spots))) * np.sqrt(252 * 6.5 * 3600)
    assert 0.6 * market.iv30("SPX") < yearly < 1.2 * market.iv30("SPX")


def test_the_same_seed_gives_the_same_market():
    one, other = a_world()[0].market, a_world()[0].market
    for second in range(50):
        one.step(NOW.timestamp() + second)
        other.step(NOW.timestamp() + second)
    assert (one.spot == other.spot).all()


def test_another_seed_gives_another_account():
    assert build_portfolio(24, 7, NOW).holdings != build_portfolio(24, 8, NOW).holdings


def test_history_ends_at_todays_spot_and_is_correlated():
    world, _ = a_world()
    bars = {symbol: world.history.prices(symbol, world.today_bar(symbol)) for symbol in ("SPX", "AAPL", "KO")}
    for symbol, rows in bars.items():
        assert rows[-1].close == pytest.approx(world.spot(symbol), abs=0.01)
        assert rows[-1].day == NOW.date()
        assert abs(rows[-2].close / rows[-1].close - 1) < 0.03
        assert all(
            bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in rows
        )
        assert NOW.date() - rows[0].day > timedelta(days=730)
    returns = [np.diff(np.log([bar.close for bar in rows])) for rows in bars.values()]
    assert (np.corrcoef(returns) > 0.1).all()


def test_adjusted_history_lies_below_where_dividends_were_paid():
    world, _ = a_world()
    paid = world.history.prices("KO", world.today_bar("KO"))
    adjusted = world.history.prices("KO", world.today_bar("KO"), adjusted=True)
    assert adjusted[0].close < 0.97 * paid[0].close
    assert adjusted[-2].close == paid[-2].close


def test_volatility_history_ends_at_the_level_of_the_day():
    world, _ = a_world()
    bars = world.history.volatilities("AAPL", world.market.iv30("AAPL"))
    assert bars[-1].close == pytest.approx(world.market.iv30("AAPL"), abs=1e-6)
    assert 0.08 < min(bar.close for bar in bars) < max(bar.close for bar in bars) < 1.5


@pytest.mark.parametrize("count", [1, 5, 500])
def test_an_account_has_as_many_different_positions_as_asked(count: int):
    holdings = build_portfolio(count, 3, NOW).holdings
    keys = {(row.underlying, row.expiry, row.strike, row.right) for row in holdings}
    assert len(holdings) == len(keys) == count


def test_a_large_account_spreads_over_the_universe():
    holdings = build_portfolio(500, 7, NOW).holdings
    stocks = sum(row.expiry is None for row in holdings)
    assert len({row.underlying for row in holdings}) >= 38
    assert 30 <= stocks <= 100


def test_no_positions_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        build_portfolio(0, 7, NOW)


def test_the_0dte_expires_today_or_tomorrow_when_an_hour_is_not_left():
    assert zero_day(datetime(2026, 11, 24, 19, 59, tzinfo=UTC)) == date(2026, 11, 24)
    assert zero_day(datetime(2026, 11, 24, 20, 1, tzinfo=UTC)) == date(2026, 11, 25)


def test_expiries_follow_the_exchanges_conventions():
    rows = listed(SPX, NOW)
    monthly = next(row for row in rows if row.trading_class == "SPX")
    assert monthly.day == third_friday(2026, 12) == date(2026, 12, 18)
    assert monthly.last_trade == date(2026, 12, 17)
    assert monthly.at == datetime(2026, 12, 18, 14, 30, tzinfo=UTC)
    vix = next(row for row in UNIVERSE if row.symbol == "VIX")
    assert [row.day for row in listed(vix, NOW)[:2]] == [date(2026, 12, 16), date(2027, 1, 20)]
    assert not is_trading_day(date(2026, 11, 26))
    assert date(2026, 12, 24) in {row.day for row in rows}  # Christmas Day is a Friday
    assert date(2026, 12, 25) not in {row.day for row in rows}


def test_vix_futures_settle_with_the_options_of_their_month_and_trade_until_then():
    vix = next(row for row in UNIVERSE if row.symbol == "VIX")
    options, futures = listed(vix, NOW), listed_futures(vix, NOW)
    assert {row.at for row in options} < {row.at for row in futures}
    assert all(row.day.weekday() == 2 and row.last_trade == row.day for row in futures)
    assert listed_futures(SPX, NOW) == ()


def test_a_vix_future_is_quoted_around_the_forward_that_prices_the_options():
    world, account = a_world()
    futures = {row.expiry.day: row for row in world.directory.futures("VIX", NOW)}
    held = [row.instrument for row in account.positions if row.instrument.symbol == "VIX"]
    assert held
    for _ in range(2):
        for option in held:
            quote = world.quote(futures[option.expiry.day])
            forward = world.board.view.forward[world.board.row(option)]
            assert quote.bid < forward < quote.ask
            assert quote.mid == pytest.approx(forward, abs=0.05)
        world.market.shock(-0.08, 0.10)
        world.board.refresh_all()


def test_a_future_listed_after_the_world_began_has_a_day_as_well():
    world, _ = a_world()
    later = world.directory.futures("VIX", NOW + timedelta(days=60))[-1]
    day = world.day(later)
    assert day.open == world.previous_close(later) == pytest.approx(world.future_price(later))
    world.market.shock(-0.08, 0.10)
    world.note_extremes()
    assert world.day(later).high == pytest.approx(world.future_price(later))
    assert world.day(later).high > day.open
