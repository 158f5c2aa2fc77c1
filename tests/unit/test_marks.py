"""From facts to marks, sigmas and models: the orders of D1, D7 and D8, and what is said when something is missing."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import numpy as np
import pytest

from engine.marks import days_to_expiry, expiry_instant, mark_book, market_mark, sane_mid
from engine.model import (
    BrokerView,
    DataMode,
    Dividend,
    Exercise,
    IvSource,
    Kind,
    MarkSource,
    Settlement,
    Underlying,
)
from engine.pricing import Model
from engine.settings import EngineSettings, ScenarioSettings
from tests.unit.books import AS_OF, FAR, MARKET, MONTHLY, SETTINGS, VIX_DAY, WEEKLY, holding, option, snapshot


def book(*positions, market=MARKET, chosen=SETTINGS, **facts):
    return mark_book(snapshot(positions, market, **facts), chosen)


def fair(position, market=MARKET):
    """The engine's own price of an option whose sigma is given."""
    return float(book(position, market=market).base[0])


def quoted(position, price, width=0.0, **facts):
    """`position` without its sigma, with a quote around `price`."""
    return replace(position, iv=None, bid=price - width / 2, ask=price + width / 2, **facts)


def remarks(rows, id_):
    return [remark.reason for remark in rows if remark.id == id_]


# The mark (D1)

EVERYTHING = option("SPY", 640, "P", mark=9.0, bid=8.0, ask=8.2, last=7.0, broker=BrokerView(mark=8.5))


@pytest.mark.parametrize(
    ("position", "mark", "source"),
    [
        (EVERYTHING, 9.0, MarkSource.GIVEN),
        (replace(EVERYTHING, mark=None), 8.1, MarkSource.QUOTE),
        (replace(EVERYTHING, mark=None, bid=None), 8.5, MarkSource.BROKER),
        (replace(EVERYTHING, mark=None, bid=None, broker=BrokerView()), 7.0, MarkSource.LAST),
    ],
)
def test_a_mark_is_given_else_the_quote_s_else_the_broker_s_else_the_last_trade(position, mark, source):
    assert market_mark(position) == (pytest.approx(mark), source)


def test_an_option_without_any_price_is_valued_by_the_model_and_flagged():
    done = book(option("SPY", 640, "P", iv=0.2, id="p"))
    assert done.mark_source == (MarkSource.MODEL,)
    assert done.mark[0] == done.base[0] > 0
    assert remarks(done.flagged, "p") == ["no price; valued by the model"]


def test_a_stock_without_any_price_of_its_own_has_its_underlying_s():
    assert book(holding("AAA")).mark[0] == 100.0


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(8.0, 7.9), (-1.0, 8.0), (8.0, -1.0), (0.0, 0.0), (1.0, 8.0), (None, 8.0), (8.0, None), (math.nan, 8.0)],
)  # fmt: skip
def test_a_quote_that_can_t_be_a_market_gives_no_mark(bid, ask):
    position = replace(EVERYTHING, mark=None, bid=bid, ask=ask)
    assert sane_mid(position) is None
    assert market_mark(position)[1] is MarkSource.BROKER


@pytest.mark.parametrize(("bid", "ask", "middle"), [(0.0, 0.05, 0.025), (0.0, 0.25, 0.125), (8.0, 8.0, 8.0)])
def test_a_cheap_option_s_quote_may_have_no_bid(bid, ask, middle):
    assert sane_mid(replace(EVERYTHING, bid=bid, ask=ask)) == pytest.approx(middle)


@pytest.mark.parametrize("sentinel", [-1.0, -2.0, 0.0])
@pytest.mark.parametrize("kind", [Kind.OPTION, Kind.STOCK, Kind.BOND])
def test_the_broker_s_words_for_nothing_are_no_price(sentinel, kind):
    contract = EVERYTHING.contract if kind is Kind.OPTION else holding("X", kind=kind).contract
    nothing = replace(
        EVERYTHING, contract=contract, mark=None, bid=sentinel, ask=sentinel, last=sentinel, broker=BrokerView(mark=sentinel)
    )  # fmt: skip
    assert market_mark(nothing)[1] is None


def test_the_broker_s_words_for_nothing_are_no_price_of_a_future():
    assert market_mark(holding("CL", last=-1.0))[1] is None


def test_a_future_s_price_may_be_negative():
    assert market_mark(holding("CL", last=-37.63)) == (-37.63, MarkSource.LAST)


def test_a_mark_that_no_volatility_explains_keeps_its_distance_to_the_model():
    """Twenty below intrinsic value: the mark is the value, and a scenario moves it by the model's difference."""
    done = book(option("AAA", 150, "P", mark=30.0, last_good_iv=0.3))
    assert done.value[0] == 3000.0
    assert done.base[0] >= 50.0
    assert done.iv_source == (IvSource.LAST_GOOD,)


# The volatility (D1, D7)


@pytest.mark.parametrize("symbol", ["AAA", "SPY", "SPX", "VIX", "VXX"])
@pytest.mark.parametrize("right", ["C", "P"])
def test_the_sigma_of_a_mark_reprices_it_with_the_engine_s_own_model(symbol, right):
    day = VIX_DAY if symbol == "VIX" else MONTHLY
    held = option(symbol, round(MARKET[symbol].spot * 0.98), right, expiry=day, iv=0.37)
    done = book(quoted(held, fair(held), 0.02))
    assert done.iv_source == (IvSource.MARK,)
    assert done.contracts.sigma[0] == pytest.approx(0.37, rel=1e-6)
    assert done.base[0] == pytest.approx(done.mark[0], abs=1e-9)


def rich(**facts):
    """An option that knows every source of sigma but its own, beside two that make a smile."""
    held = {"broker": BrokerView(iv=0.22), "last_good_iv": 0.23, "bid": 6.0, "ask": 6.1, "id": "it", **facts}
    return option("SPY", 640, "P", **held)


SMILE = (option("SPY", 620, "P", iv=0.25), option("SPY", 660, "P", iv=0.19))
NO_QUOTE = {"bid": None, "ask": None}


@pytest.mark.parametrize(
    ("position", "others", "market", "source", "sigma"),
    [
        (rich(iv=0.5), SMILE, MARKET, IvSource.GIVEN, 0.5),
        (rich(iv=0.5, iv_source=IvSource.SMILE), SMILE, MARKET, IvSource.SMILE, 0.5),
        (rich(), SMILE, MARKET, IvSource.MARK, None),
        (rich(**NO_QUOTE), SMILE, MARKET, IvSource.BROKER, 0.22),
        (rich(**NO_QUOTE, broker=BrokerView()), SMILE, MARKET, IvSource.LAST_GOOD, 0.23),
        (rich(**NO_QUOTE, broker=BrokerView(), last_good_iv=None), SMILE, MARKET, IvSource.SMILE, None),
        (rich(**NO_QUOTE, broker=BrokerView(), last_good_iv=None), (), MARKET, IvSource.IV30, 0.16),
        (
            rich(**NO_QUOTE, broker=BrokerView(), last_good_iv=None),
            (),
            {"SPY": replace(MARKET["SPY"], iv30=None)},
            IvSource.DEFAULT,
            0.30,
        ),
    ],
    ids=["given", "given with its source", "mark", "broker", "last good", "smile", "iv30", "default"],
)
def test_sigma_comes_from_the_best_source_there_is(position, others, market, source, sigma):
    done = book(position, *others, market=market)
    assert done.iv_source[0] is source
    if sigma is not None:
        assert done.contracts.sigma[0] == sigma
    said = [reason for reason in remarks(done.flagged, "it") if "volatility" in reason]
    second_best = source in {IvSource.LAST_GOOD, IvSource.IV30, IvSource.DEFAULT} or (
        source is IvSource.SMILE and position.iv is None
    )
    assert bool(said) is second_best


@pytest.mark.parametrize("iv", [-1.0, -2.0, 0.0])
def test_the_broker_s_words_for_no_volatility_are_none(iv):
    done = book(rich(**NO_QUOTE, broker=BrokerView(iv=iv)))
    assert done.iv_source == (IvSource.LAST_GOOD,)


def test_an_iv30_that_is_no_volatility_is_not_used():
    market = {"SPY": replace(MARKET["SPY"], iv30=-1.0)}
    done = book(rich(**NO_QUOTE, broker=BrokerView(), last_good_iv=None), market=market)
    assert done.iv_source == (IvSource.DEFAULT,)


def test_a_last_trade_of_unknown_time_gives_no_sigma_while_the_market_is_open():
    done = book(rich(bid=7.5, ask=None, last=30.0))
    assert done.mark_source == (MarkSource.LAST,) and done.iv_source == (IvSource.BROKER,)


def apart(seconds, **facts):
    market = {"SPY": replace(MARKET["SPY"], spot_as_of=AS_OF)}
    return book(rich(as_of=AS_OF - timedelta(seconds=seconds), **facts), market=market).iv_source[0]


@pytest.mark.parametrize("seconds", [0.0, 5.0, -5.0])
def test_quote_and_spot_at_most_five_seconds_apart_belong_together(seconds):
    assert apart(seconds) is IvSource.MARK


@pytest.mark.parametrize("seconds", [5.001, -5.001, 3600.0])
def test_quote_and_spot_further_apart_do_not_give_a_sigma(seconds):
    assert apart(seconds) is IvSource.BROKER


def test_a_time_that_is_not_given_is_the_snapshot_s_own():
    assert book(rich(as_of=AS_OF - timedelta(seconds=4))).iv_source == (IvSource.MARK,)
    assert book(rich(as_of=AS_OF - timedelta(seconds=6))).iv_source == (IvSource.BROKER,)


@pytest.mark.parametrize(
    ("quote", "spot", "source"),
    [
        (DataMode.CLOSE, DataMode.FROZEN, IvSource.MARK),
        (DataMode.DELAYED_FROZEN, DataMode.CLOSE, IvSource.MARK),
        (DataMode.CLOSE, DataMode.LIVE, IvSource.BROKER),
        (DataMode.LIVE, DataMode.CLOSE, IvSource.BROKER),
        (DataMode.DELAYED, DataMode.DELAYED, IvSource.BROKER),
    ],
)
def test_two_closes_belong_together_at_any_distance(quote, spot, source):
    market = {"SPY": replace(MARKET["SPY"], spot_as_of=AS_OF, data=spot)}
    held = rich(as_of=AS_OF - timedelta(hours=3), data=quote)
    assert book(held, market=market).iv_source == (source,)


def test_a_sigma_beyond_the_cap_is_not_believed():
    held = option("SPY", 640, "P", expiry=WEEKLY, bid=200.0, ask=201.0)
    assert book(held).iv_source == (IvSource.IV30,)


DEEP = option("BBB", 32, "C", expiry=FAR, iv=0.3, id="deep")
OTHER_SIDE = option("BBB", 32, "P", expiry=FAR, iv=0.3, id="other")


def test_a_deep_option_takes_the_sigma_of_its_strike_s_other_side():
    """A cent too dear, a deep call would say more than its put: its time value is too small to tell."""
    done = book(quoted(DEEP, fair(DEEP) + 0.01, 0.02), quoted(OTHER_SIDE, fair(OTHER_SIDE), 0.002))
    assert done.iv_source == (IvSource.SMILE, IvSource.MARK)
    assert done.contracts.sigma[0] == done.contracts.sigma[1] == pytest.approx(0.3, rel=1e-3)
    assert "too deep in the money" in remarks(done.flagged, "deep")[0]


def test_a_deep_option_without_its_other_side_takes_the_smile():
    smile = [option("BBB", strike, "P", expiry=FAR, iv=0.3) for strike in (30, 34)]
    done = book(quoted(DEEP, fair(DEEP), 0.02), *smile)
    assert done.iv_source[0] is IvSource.SMILE
    assert done.contracts.sigma[0] == pytest.approx(0.3)


def test_a_european_put_below_its_undiscounted_intrinsic_value_tells_its_sigma():
    held = option("SPX", 7500, "P", expiry=date(2027, 7, 16), iv=0.2)
    market = {"SPX": replace(MARKET["SPX"], dividend_yield=0.0)}
    price = fair(held, market)
    assert price < 7500 - 6400
    done = book(quoted(held, price, 1.0), market=market)
    assert done.iv_source == (IvSource.MARK,)
    assert done.contracts.sigma[0] == pytest.approx(0.2, rel=1e-6)


def test_the_smile_is_linear_in_log_moneyness():
    done = book(*SMILE, option("SPY", 640, "P"))
    part = (math.log(640 / 640) - math.log(620 / 640)) / (math.log(660 / 640) - math.log(620 / 640))
    assert done.contracts.sigma[2] == pytest.approx(0.25 + part * (0.19 - 0.25))


def test_the_term_structure_is_linear_in_total_variance():
    middle = date(2026, 10, 16)
    known = [option("SPY", 640, "P", expiry=day, iv=iv) for day, iv in ((MONTHLY, 0.30), (FAR, 0.20))]
    done = book(*known, option("SPY", 640, "P", expiry=middle))
    near, far, at = done.contracts.tau
    part = (at - near) / (far - near)
    variance = (1 - part) * 0.30**2 * near + part * 0.20**2 * far
    assert done.contracts.sigma[2] == pytest.approx(math.sqrt(variance / at))


@pytest.mark.parametrize(("strike", "sigma"), [(500, 0.25), (800, 0.19)])
def test_beyond_the_known_strikes_the_smile_is_flat(strike, sigma):
    assert book(*SMILE, option("SPY", strike, "P")).contracts.sigma[2] == pytest.approx(sigma)


def test_another_underlying_s_smile_is_not_borrowed():
    assert book(*SMILE, option("AAA", 100, "P")).iv_source[2] is IvSource.DEFAULT


# Models and forwards (D8)


@pytest.mark.parametrize(
    ("position", "model"),
    [
        (holding("AAA"), Model.LINEAR),
        (option("AAA", 100, "C"), Model.AMERICAN),
        (option("SPY", 640, "C"), Model.AMERICAN),
        (option("SPX", 6400, "C"), Model.BLACK_SCHOLES),
        (option("VIX", 20, "C", expiry=VIX_DAY), Model.BLACK_76),
        (option("ES", 6400, "C", kind=Kind.FUTURE_OPTION), Model.BLACK_76),
        (option("ES", 6400, "C", kind=Kind.FUTURE_OPTION, exercise="american"), Model.AMERICAN_76),
        (option("SPX", 6400, "C", exercise="american"), Model.AMERICAN),
        (option("AAA", 100, "C", exercise="european"), Model.BLACK_SCHOLES),
    ],
)
def test_a_contract_has_the_model_of_its_kind_unless_it_says_otherwise(position, model):
    assert book(position).contracts.model[0] == model


def test_oex_is_american():
    market = {"OEX": Underlying("OEX", Kind.INDEX, 3000.0)}
    assert book(option("OEX", 3000, "C"), market=market).contracts.model[0] == Model.AMERICAN


def test_the_config_s_table_says_otherwise():
    chosen = EngineSettings(scenarios=ScenarioSettings(exercise={"SPX": Exercise.AMERICAN}))
    assert book(option("SPX", 6400, "C"), chosen=chosen).contracts.model[0] == Model.AMERICAN


def forward_of(done, i=0):
    """The forward that the columns of a European option on a spot imply."""
    c = done.contracts
    return c.spot[i] * math.exp((c.rate[i] - c.dividend_yield[i]) * c.tau[i])


def pairs(*strikes, forward, rate=0.05, shift=0.0):
    """Quoted calls and puts on SPX whose parity gives `forward`."""
    tau = (expiry_instant(option("SPX", 1, "C").contract) - AS_OF).total_seconds() / (365 * 86_400)
    held = []
    for strike in strikes:
        gap = (forward + shift - strike) * math.exp(-rate * tau)
        put = max(-gap, 0.0) + 60.0
        held += [
            option("SPX", strike, right, bid=mid, ask=mid) for right, mid in (("C", put + gap), ("P", put))
        ]
    return held


def listed(forward):
    return {"SPX": replace(MARKET["SPX"], forwards=MappingProxyType({MONTHLY: forward}))}


def test_a_listed_forward_comes_first():
    done = book(*pairs(6400, forward=6450.0), market=listed(6430.0))
    assert forward_of(done) == pytest.approx(6430.0)


def test_parity_of_the_quotes_comes_next():
    done = book(*pairs(6300, 6400, forward=6450.0))
    assert forward_of(done) == pytest.approx(6450.0)
    assert done.contracts.sigma[0] == pytest.approx(done.contracts.sigma[1], rel=1e-6)
    assert not [remark for remark in done.flagged if "forward" in remark.reason]


def test_the_parity_forward_is_the_median_of_the_strikes():
    held = pairs(6500, forward=6450.0, shift=300.0) + pairs(6300, 6400, forward=6450.0)
    assert forward_of(book(*held)) == pytest.approx(6450.0)


def test_the_parity_of_another_settlement_or_expiry_is_not_used():
    for other in (replace, None):
        held = pairs(6400, forward=6500.0)
        lone = option("SPX", 6400, "C", expiry=FAR if other is None else MONTHLY, settlement=Settlement.AM)
        assert forward_of(book(lone, *held)) == pytest.approx(forward_of(book(lone)))


def test_carry_from_rate_and_yield_is_the_last_resort_and_flagged():
    done = book(option("SPX", 6400, "C", iv=0.2, id="c"))
    assert done.contracts.dividend_yield[0] == 0.012
    assert any("no forward" in reason for reason in remarks(done.flagged, "c"))


def test_volatility_options_are_on_their_listed_forward():
    assert book(option("VIX", 20, "C", expiry=VIX_DAY, iv=0.9)).contracts.spot[0] == 19.0


def test_volatility_options_without_a_listed_forward_are_on_the_parity_forward():
    market = {"VIX": replace(MARKET["VIX"], forwards=MappingProxyType({}))}
    pair = [
        option("VIX", 20, right, expiry=VIX_DAY, bid=mid, ask=mid) for right, mid in (("C", 2.0), ("P", 2.5))
    ]
    done = book(*pair, market=market)
    assert done.contracts.spot[0] == pytest.approx(20 - 0.5 * math.exp(0.05 * done.contracts.tau[0]))


def test_volatility_options_without_any_forward_are_on_spot_and_flagged():
    market = {"VIX": replace(MARKET["VIX"], forwards=MappingProxyType({}))}
    done = book(option("VIX", 20, "C", expiry=VIX_DAY, iv=0.9, id="c"), market=market)
    assert done.contracts.spot[0] == 18.0
    assert any("no forward" in reason for reason in remarks(done.flagged, "c"))


def test_dividends_before_expiry_count_and_later_ones_do_not():
    ahead = tuple(
        Dividend(day, amount) for day, amount in ((date(2026, 8, 10), 0.5), (date(2026, 11, 9), 0.6))
    )
    market = {"AAA": replace(MARKET["AAA"], dividends=ahead)}
    done = book(option("AAA", 100, "C", expiry=MONTHLY), option("AAA", 100, "C", expiry=FAR), market=market)
    assert done.contracts.dividend_amounts.tolist() == [[0.5, 0.0], [0.5, 0.6]]
    ex = datetime(2026, 8, 10, 13, 30, tzinfo=UTC)  # the open in New York
    assert done.contracts.dividend_times[0, 0] == pytest.approx((ex - AS_OF).total_seconds() / (365 * 86_400))


def test_a_dividend_that_went_ex_does_not_count():
    market = {"AAA": replace(MARKET["AAA"], dividends=(Dividend(date(2026, 7, 28), 9.0),))}
    plain = {"AAA": replace(MARKET["AAA"], dividends=())}
    held = option("AAA", 100, "C", iv=0.3)
    assert fair(held, market) == fair(held, plain)


def test_a_dividend_ahead_makes_calls_cheaper_and_puts_dearer():
    plain = {"AAA": replace(MARKET["AAA"], dividends=())}
    call, put = (option("AAA", 100, right, iv=0.3) for right in "CP")
    assert fair(call) < fair(call, plain)
    assert fair(put) > fair(put, plain)


def test_a_rate_is_the_currency_s_curve_at_the_expiry_else_the_configured_one():
    held = [option("SPX", 6400, "C", expiry=FAR, iv=0.2), option("AAA", 100, "C", currency="EUR", iv=0.2)]
    done = book(*held, rates={"USD": ((0.0, 0.03), (1.0, 0.05))}, fx={"EUR": 1.1})
    assert done.contracts.rate[0] == pytest.approx(0.03 + 0.02 * done.contracts.tau[0])
    assert done.contracts.rate[1] == 0.05


# Dates


@pytest.mark.parametrize(
    ("settlement", "day", "instant"),
    [
        (Settlement.PM, date(2026, 8, 21), datetime(2026, 8, 21, 20, 0, tzinfo=UTC)),
        (Settlement.AM, date(2026, 8, 21), datetime(2026, 8, 21, 13, 30, tzinfo=UTC)),
        (Settlement.PM, date(2026, 12, 18), datetime(2026, 12, 18, 21, 0, tzinfo=UTC)),
        (Settlement.AM, date(2026, 12, 18), datetime(2026, 12, 18, 14, 30, tzinfo=UTC)),
    ],
)
def test_an_option_stops_at_the_close_or_am_settled_at_the_open_of_new_york(settlement, day, instant):
    contract = option("SPX", 6400, "C", expiry=day, settlement=settlement).contract
    assert expiry_instant(contract) == instant


@pytest.mark.parametrize(
    ("as_of", "days"),
    [
        (datetime(2026, 7, 28, 19, 59, tzinfo=UTC), 3),
        (datetime(2026, 7, 29, 3, 59, tzinfo=UTC), 3),  # 23:59 of the 28th in New York
        (datetime(2026, 7, 29, 4, 0, tzinfo=UTC), 2),
        (datetime(2026, 7, 31, 23, 0, tzinfo=UTC), 0),
        (datetime(2026, 8, 1, 12, 0, tzinfo=UTC), -1),
    ],
)
def test_days_to_expiry_are_counted_in_new_york(as_of, days):
    assert days_to_expiry(option("SPY", 640, "C", expiry=WEEKLY).contract, as_of) == days


def test_years_are_seconds_of_365_days():
    done = book(option("SPY", 640, "C", expiry=MONTHLY, iv=0.2))
    assert done.contracts.tau[0] == (24 * 86_400 + 60) / (365 * 86_400)


def test_an_expired_option_is_worth_its_intrinsic_value():
    done = book(
        option("AAA", 90, "C", expiry=date(2026, 7, 27), iv=0.3),
        option("AAA", 90, "P", expiry=date(2026, 7, 27)),
    )
    assert done.base.tolist() == [10.0, 0.0]
    assert done.valued.all()


# What is missing is named, never summed


def test_an_option_without_a_spot_is_named_and_has_no_value():
    market = {"DARK": Underlying("DARK", Kind.STOCK, None)}
    done = book(option("DARK", 10, "C", iv=0.3, mark=2.0, id="d"), market=market)
    assert remarks(done.left_out, "d") == ["no price for its underlying DARK"]
    assert not done.valued[0] and np.isnan(done.value[0])


@pytest.mark.parametrize("spot", [0.0, -1.0, math.inf])
def test_a_spot_that_can_t_be_a_price_is_none(spot):
    done = book(option("DARK", 10, "C", iv=0.3), market={"DARK": Underlying("DARK", Kind.STOCK, spot)})
    assert not done.valued[0]


def test_a_stock_without_a_price_is_named():
    done = book(holding("DARK", kind=Kind.STOCK), market={"DARK": Underlying("DARK", Kind.STOCK, None)})
    assert remarks(done.left_out, "DARK") == ["no price"]


@pytest.mark.parametrize("fx", [{}, {"EUR": 0.0}, {"EUR": -1.0}])
def test_a_position_without_an_exchange_rate_is_named(fx):
    done = book(holding("AAA", currency="EUR"), fx=fx)
    assert remarks(done.left_out, "AAA") == ["no exchange rate for EUR"]
    assert np.isnan(done.value[0])


def test_a_bond_without_a_price_is_named():
    done = book(holding("BOND", kind=Kind.BOND))
    assert remarks(done.left_out, "BOND") == ["no price"]


def test_an_old_quote_of_an_option_is_flagged_unless_the_market_is_closed():
    old = AS_OF - timedelta(seconds=301)
    live, closed = rich(as_of=old), rich(as_of=old, data=DataMode.CLOSE)
    assert "its quote is 5 min old" in remarks(book(live).flagged, "it")
    assert not any("old" in reason for reason in remarks(book(closed).flagged, "it"))
    assert not any(
        "old" in reason for reason in remarks(book(rich(as_of=AS_OF - timedelta(seconds=299))).flagged, "it")
    )


# Values


def test_a_value_is_quantity_times_multiplier_times_mark_in_base_currency():
    done = book(option("AAA", 100, "C", -3.0, mark=2.5, iv=0.3, currency="EUR"), fx={"EUR": 1.2})
    assert done.value[0] == pytest.approx(-3 * 100 * 2.5 * 1.2)


def test_a_future_is_worth_its_variation_since_entry():
    done = book(
        holding("ES", 2.0, expiry=date(2026, 9, 18), multiplier=50.0, mark=6420.0, entry_price=6400.0)
    )
    assert done.value[0] == pytest.approx(2 * 50 * 20)


def test_moneyness_is_strike_over_spot():
    done = book(option("AAA", 90, "P", iv=0.3), holding("AAA"))
    assert done.moneyness[0] == pytest.approx(0.9)
    assert np.isnan(done.moneyness[1]) and np.isnan(done.dte[1])
