"""The P&L between two Snapshots: laws by property, what came and went beside price, and what can't be explained."""

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.explained import STEPS, TERMS, Trade
from engine.marks import mark_book
from engine.model import Contract, Dividend, Kind, Position, Settlement, Underlying
from engine.pricing import rate_at
from engine.risk import explain_pnl
from tests.unit.books import AS_OF, FAR, MARKET, MONTHLY, SETTINGS, WEEKLY, books, holding, option, snapshot

DAY = timedelta(days=1)
LATER = AS_OF + DAY
EURO = Underlying("SAP", Kind.STOCK, 200.0)
WIDER = MARKET | {"SAP": EURO}
CURVE = ((0.08, 0.02), (0.5, 0.04), (2.0, 0.05))

laws = settings(deadline=None, max_examples=40)


def explain(earlier, later, trades=(), symbol=None):
    return explain_pnl(earlier, later, SETTINGS, trades, symbol)


def moved(start, *, spot=1.0, iv=1.0, days=0.0, fx=1.0, rate=0.0):
    """`start` later: spots and given sigmas times something, so many days on, exchange rates times something."""
    return replace(
        start,
        as_of=start.as_of + timedelta(days=days),
        underlyings={
            name: replace(
                one, spot=one.spot * spot, forwards={day: price * spot for day, price in one.forwards.items()}
            )
            for name, one in start.underlyings.items()
        },
        positions=tuple(
            replace(
                one,
                iv=None if one.iv is None else one.iv * iv,
                mark=None if one.mark is None or one.contract.kind is Kind.CASH else one.mark * spot,
            )
            for one in start.positions
        ),
        fx={name: value * fx for name, value in start.fx.items()},
        rates={name: tuple((t, r + rate) for t, r in curve) for name, curve in start.rates.items()},
    )


@st.composite
def modelled(draw, most=5, symbols=("AAA", "BBB", "SPY", "SPX", "VIX", "TQQQ")):
    """A book whose marks are its models', with a stock in another currency at times."""
    count = draw(st.integers(1, most))
    held = []
    for i in range(count):
        symbol = draw(st.sampled_from(symbols))
        strike = round(MARKET[symbol].spot * draw(st.sampled_from([0.9, 0.97, 1.0, 1.04])), 1)
        expiry = date(2026, 8, 19) if symbol == "VIX" else draw(st.sampled_from([MONTHLY, FAR]))
        quantity = float(draw(st.integers(-9, 9).filter(bool)))
        held.append(
            option(
                symbol,
                strike,
                draw(st.sampled_from("CP")),
                quantity,
                expiry=expiry,
                iv=draw(st.floats(0.1, 0.9)),
                id=f"{i}",
            )
        )
    if draw(st.booleans()):
        held.append(holding("BBB", 100.0, mark=50.0))
    if draw(st.booleans()):
        held.append(Position("sap", Contract("SAP", Kind.STOCK, "SAP", "EUR"), 10.0, mark=200.0))
    return snapshot(held, WIDER, fx={"EUR": 1.1}, rates={"USD": CURVE})


def all_zero_but(view, *names):
    return {name: value for name, value in asdict(view).items() if name not in names and value != 0.0} == {}


def sums(found):
    return [(one.actual, one.terms, one.steps) for one in [found.total, *found.by_underlying.values()]] + [
        (row.explained.actual, row.explained.terms, row.explained.steps) for row in found.positions
    ]


# Laws


@laws
@given(books(), books())
def test_both_views_sum_to_the_actual_whatever_the_two_books_are(first, second):
    second = replace(second, as_of=first.as_of + timedelta(hours=20))
    found = explain(first, second)
    for actual, terms, steps in sums(found):
        scale = 1e-6 * max(1.0, sum(abs(x) for x in asdict(steps).values()))
        assert sum(asdict(steps).values()) == pytest.approx(actual, abs=scale, nan_ok=True)
        assert sum(asdict(terms).values()) == pytest.approx(actual, abs=scale, nan_ok=True)
    assert {one.id for one in found.left_out}.isdisjoint({row.id for row in found.positions})


@laws
@given(modelled(), st.floats(0.9, 1.1), st.floats(0.7, 1.4), st.floats(0.0, 9.0), st.floats(0.9, 1.1))
def test_the_steps_sum_to_the_change_of_value_and_leave_no_data(start, spot, iv, days, fx):
    later = moved(start, spot=spot, iv=iv, days=days, fx=fx, rate=0.003)
    found = explain(start, later)
    values = sum(row.value_after - row.value_before for row in found.positions)
    assert found.left_out == ()
    assert found.total.actual == pytest.approx(values, abs=1e-6)
    assert sum(asdict(found.total.steps).values()) == pytest.approx(values, abs=1e-6)
    assert found.total.steps.data == pytest.approx(0.0, abs=1e-6)


@laws
@given(books(), st.booleans())
def test_no_change_of_anything_is_exactly_nothing(start, again):
    later = replace(start) if again else start
    found = explain(start, later)
    for actual, terms, steps in sums(found):
        if actual == actual:
            assert actual == 0.0 and all_zero_but(terms) and all_zero_but(steps)
    assert found.large_residual is None


@laws
@given(modelled(), st.floats(0.1, 12.0))
def test_only_time_is_only_theta_and_the_time_step(start, days):
    start = replace(start, positions=tuple(p for p in start.positions if p.contract.underlying != "AAA"))
    found = explain(start, moved(start, days=days))
    assert all_zero_but(found.total.steps, "time")
    assert all_zero_but(found.total.terms, "theta", "residual")


@laws
@given(modelled(), st.floats(0.93, 1.07))
def test_only_spot_is_only_the_spot_step(start, spot):
    found = explain(start, moved(start, spot=spot))
    assert all_zero_but(found.total.steps, "spot")
    assert all_zero_but(found.total.terms, "delta", "gamma", "residual")


@laws
@given(modelled(), st.floats(0.8, 1.3))
def test_only_volatility_is_only_the_iv_step(start, iv):
    found = explain(start, moved(start, iv=iv))
    assert all_zero_but(found.total.steps, "iv")
    assert all_zero_but(found.total.terms, "vega", "volga", "residual")


@laws
@given(modelled(), st.floats(-0.01, 0.01))
def test_only_rates_are_only_the_rest_and_rho(start, rate):
    found = explain(start, moved(start, rate=rate))
    assert all_zero_but(found.total.steps, "rest")
    assert all_zero_but(found.total.terms, "rho", "residual")


@laws
@given(modelled(), st.floats(0.5, 2.0))
def test_only_currency_is_only_currency(start, fx):
    found = explain(start, moved(start, fx=fx))
    assert all_zero_but(found.total.steps, "currency")
    assert all_zero_but(found.total.terms, "currency", "residual")
    assert abs(found.total.terms.residual) < 1e-9
    assert found.total.terms.currency == found.total.steps.currency


@laws
@given(modelled(), st.floats(0.95, 1.05), st.floats(0.8, 1.2))
def test_opposite_positions_cancel(start, spot, iv):
    opposite = tuple(replace(p, id=f"-{p.id}", quantity=-p.quantity) for p in start.positions)
    both = replace(start, positions=start.positions + opposite)
    found = explain(both, moved(both, spot=spot, iv=iv, days=1.0))
    assert max(map(abs, [*asdict(found.total.terms).values(), *asdict(found.total.steps).values()])) < 1e-6


@laws
@given(modelled(), st.floats(0.95, 1.05), st.floats(0.8, 1.2))
def test_two_halves_are_the_whole(start, spot, iv):
    halves = tuple(
        replace(p, id=f"{p.id}/{half}", quantity=p.quantity / 2.0) for p in start.positions for half in "ab"
    )
    split = replace(start, positions=halves)
    whole = explain(start, moved(start, spot=spot, iv=iv, days=1.0)).total
    parts = explain(split, moved(split, spot=spot, iv=iv, days=1.0)).total
    assert asdict(parts.terms) == pytest.approx(asdict(whole.terms), abs=1e-6)
    assert asdict(parts.steps) == pytest.approx(asdict(whole.steps), abs=1e-6)


# Each term, by hand


def test_the_greek_terms_are_greek_times_move_times_holding():
    start = snapshot([option("BBB", 50, "C", -3.0, iv=0.4)], rates={"USD": ((1.0, 0.03),)})
    later = moved(start, spot=1.02, iv=1.1, days=2.0, rate=0.001)
    found = explain(start, later)
    unit = mark_book(start, SETTINGS).greeks
    terms, held = found.total.terms, -3.0 * 100.0
    assert terms.delta == pytest.approx(held * unit.delta[0] * 1.0)
    assert terms.gamma == pytest.approx(held * unit.gamma[0] * 0.5 * 1.0**2)
    assert terms.vega == pytest.approx(held * unit.vega[0] * 4.0)
    assert terms.vanna == pytest.approx(held * unit.vanna[0] * 1.0 * 4.0)
    assert terms.volga == pytest.approx(held * unit.volga[0] * 0.5 * 4.0**2)
    assert terms.theta == pytest.approx(held * unit.theta[0] * 2.0)
    assert terms.rho == pytest.approx(held * unit.rho[0] * 0.1)
    assert found.vega_by_expiry == {"8-30 d": terms.vega}
    assert abs(terms.residual) < 0.02 * found.gross
    assert found.gross == pytest.approx(sum(abs(asdict(terms)[name]) for name in TERMS[:10]))


def test_a_forward_that_moves_beside_spot_is_carry_in_one_view_and_the_rest_in_the_other():
    def index(forward):
        return MARKET | {"SPX": replace(MARKET["SPX"], forwards={MONTHLY: forward})}

    held = [option("SPX", 6400, "C", 1.0, iv=0.15)]
    found = explain(snapshot(held, index(6415.0)), snapshot(held, index(6417.0)))
    assert found.total.steps.rest == pytest.approx(found.total.terms.carry, rel=0.01)
    assert 80.0 < found.total.steps.rest < 130.0 and found.total.steps.spot == 0.0


def test_a_dividend_is_paid_on_shares_and_lifts_a_call_by_delta_of_it():
    """AAA goes ex 0.50 on 10 August; spot stays, so the share gains 0.50 and the put loses what it had priced in."""
    at = datetime(2026, 8, 7, 20, 0, tzinfo=UTC)
    held = [holding("AAA", 200.0, mark=100.0), option("AAA", 100, "P", 2.0, iv=0.3, expiry=FAR)]
    start = snapshot(held, as_of=at)
    found = explain(start, moved(start, days=3.0))
    stock, put = (row.explained for row in found.positions)
    assert stock.steps.dividends == stock.terms.dividends == stock.actual == 100.0
    assert put.steps.dividends == pytest.approx(put.terms.dividends, rel=0.1)
    assert put.terms.dividends == pytest.approx(-200.0 * 0.5 * 0.42, rel=0.2)


def test_shares_that_fell_by_their_dividend_earned_nothing():
    at = datetime(2026, 8, 7, 20, 0, tzinfo=UTC)
    start = snapshot([holding("AAA", 200.0, mark=100.0)], as_of=at)
    later = replace(start, as_of=at + 3 * DAY, positions=(replace(start.positions[0], mark=99.5),))
    total = explain(start, later).total
    assert (total.actual, total.steps.spot, total.steps.dividends) == pytest.approx((0.0, -100.0, 100.0))


def test_shares_sold_before_the_ex_date_get_nothing_and_short_ones_pay():
    at = datetime(2026, 8, 7, 19, 0, tzinfo=UTC)
    sold = Trade(holding("AAA").contract, at + timedelta(minutes=30), -200.0, 100.0, commission=1.0)
    start = snapshot([holding("AAA", 200.0, mark=100.0)], as_of=at)
    gone = explain(start, replace(start, as_of=at + 3 * DAY, positions=()), [sold])
    assert gone.total.steps.dividends == 0.0 and gone.total.actual == pytest.approx(-1.0)
    short = snapshot([holding("AAA", -50.0, mark=100.0)], as_of=at)
    assert explain(short, moved(short, days=3.0)).total.steps.dividends == -25.0


def test_the_price_of_a_currency_is_an_exchange_rate():
    euros = Position("EUR", Contract("EUR", Kind.CASH, "EUR"), 1000.0, mark=1.10)
    total = explain(snapshot([euros]), snapshot([replace(euros, mark=1.12)], as_of=LATER)).total
    assert total.steps.currency == total.terms.currency == pytest.approx(20.0) == total.actual
    assert total.steps.spot == total.terms.delta == 0.0


def test_a_future_earns_from_price_to_price_and_a_fill_from_its_own():
    held = holding("ES", 2.0, multiplier=50.0, mark=6420.0, entry_price=6400.0)
    fill = Trade(held.contract, AS_OF + timedelta(hours=1), -1.0, 6428.0)
    end = snapshot([replace(held, quantity=1.0, mark=6430.0, entry_price=6400.0)], as_of=LATER)
    total = explain(snapshot([held]), end, [fill]).total
    assert total.actual == pytest.approx(50 * (2 * 10 - 2))
    assert (total.steps.spot, total.steps.trades) == pytest.approx((1000.0, -100.0))


@pytest.mark.parametrize(("strike", "right"), [(90, "C"), (100, "C"), (100, "P"), (115, "P")])
def test_the_time_step_over_an_ex_date_has_time_alone(strike, right):
    """Just before the ex-date an option is worth what it is just after at a spot lower by the dividend, or its exercise."""
    at = datetime(2026, 8, 7, 20, 0, tzinfo=UTC)
    held = [option("AAA", strike, right, iv=0.3, expiry=FAR)]
    start = snapshot(held, as_of=at)
    total = explain(start, moved(start, days=3.0)).total
    lower = MARKET | {"AAA": replace(MARKET["AAA"], spot=99.5)}
    after = mark_book(snapshot(held, lower, as_of=at + 3 * DAY), SETTINGS).base[0]
    just_before = max(after, 100.0 - strike if right == "C" else 0.0)
    assert total.steps.time == pytest.approx(
        100.0 * (just_before - mark_book(start, SETTINGS).base[0]), abs=1.0
    )
    assert total.steps.time < 0.0 and total.actual == pytest.approx(total.steps.time + total.steps.dividends)


def test_a_currency_moves_the_start_value_in_one_view_and_the_later_one_in_the_other():
    held = [Position("sap", Contract("SAP", Kind.STOCK, "SAP", "EUR"), 10.0, mark=200.0)]
    start = snapshot(held, WIDER, fx={"EUR": 1.1})
    total = explain(start, moved(start, spot=1.1, fx=1.2 / 1.1)).total
    assert total.terms.currency == pytest.approx(2000.0 * 0.1)
    assert total.steps.currency == pytest.approx(2200.0 * 0.1)
    assert (total.terms.delta, total.steps.spot) == pytest.approx((200.0 * 1.2, 200.0 * 1.1))


# What came and went


def test_a_closed_option_is_marked_at_the_later_market_and_the_fill_is_a_trade():
    put = option("BBB", 50, "P", -2.0, iv=0.4, account="U1")
    start = snapshot([put])
    fill = Trade(put.contract, AS_OF + timedelta(hours=2), 2.0, 1.0, "U1", 1.3, "USD")
    end = replace(moved(start, days=1.0), positions=())
    found = explain(start, end, [fill])
    (row,) = found.positions
    assert row.quantity_after == 0.0 and row.mark_after is None and found.remarks == ()
    assert found.total.actual == pytest.approx(-row.value_before - 2.0 * 100.0 * 1.0 - 1.3)
    assert found.total.steps.fees == -1.3 and found.total.steps.changed == 0.0
    assert found.total.steps.time > 0.0 and found.total.steps.trades != 0.0
    held_on = explain(start, moved(start, days=1.0)).total.steps
    assert found.total.steps.time == pytest.approx(held_on.time)


def test_a_position_that_came_by_a_fill_earns_from_its_price():
    call = option("BBB", 50, "C", 4.0, iv=0.4, mark=2.5)
    end = snapshot([call], as_of=LATER)
    fill = Trade(call.contract, AS_OF + timedelta(hours=1), 4.0, 2.2)
    found = explain(snapshot([]), end, [fill])
    assert found.total.actual == pytest.approx(4.0 * 100.0 * 0.3) == found.total.steps.trades
    assert found.notes == ("fills whose commission is not known: 1",)


def test_a_day_trade_that_is_in_neither_snapshot_is_a_trade():
    contract = option("BBB", 50, "C").contract
    fills = [
        Trade(contract, AS_OF + timedelta(hours=h), q, p, commission=0.65)
        for h, q, p in ((1, 3.0, 2.0), (2, -3.0, 2.4))
    ]
    found = explain(snapshot([]), snapshot([], as_of=LATER), fills)
    assert found.total.actual == pytest.approx(3 * 100 * 0.4 - 1.3)
    assert found.total.steps.trades == pytest.approx(120.0) and found.left_out == ()


def test_fills_outside_of_the_time_between_are_not_looked_at():
    stock = holding("BBB", 10.0, mark=50.0)
    fills = [Trade(stock.contract, at, 5.0, 40.0) for at in (AS_OF, LATER + timedelta(seconds=1))]
    found = explain(snapshot([stock]), snapshot([stock], as_of=LATER), fills)
    assert found.total.actual == 0.0


def test_without_a_known_fill_a_change_is_named_and_is_no_residual():
    stock, put = holding("BBB", 10.0, mark=50.0), option("BBB", 50, "P", 1.0, iv=0.4)
    start = snapshot([stock, put])
    end = snapshot([replace(stock, quantity=25.0), option("BBB", 45, "P", -1.0, iv=0.4)], as_of=LATER)
    found = explain(start, end)
    said = {one.id: one.reason for one in found.remarks}
    assert said[stock.id] == "position changed without a known trade: +15"
    assert said[put.id] == "position changed without a known trade: -1"
    assert len(said) == 3
    assert found.by_underlying["BBB"].steps.changed == found.total.terms.changed != 0.0
    assert next(row for row in found.positions if row.id == stock.id).explained.steps.changed == 15 * 50.0
    assert found.total.terms.residual == pytest.approx(0.0, abs=2.0)
    assert found.total.earned == pytest.approx(found.total.actual - found.total.steps.changed)


def test_the_last_position_of_a_name_that_is_gone_leaves_at_its_earlier_mark():
    only = option("BBB", 50, "P", 3.0, iv=0.4, mark=2.0)
    end = snapshot([], {"SPY": MARKET["SPY"]}, as_of=LATER)
    found = explain(snapshot([only]), end)
    assert found.total.actual == found.total.steps.changed == -600.0 and found.left_out == ()
    assert found.total.earned == 0.0


def test_an_expired_option_is_settled_at_intrinsic_value_and_said():
    at = datetime(2026, 7, 31, 19, 30, tzinfo=UTC)
    call = option("BBB", 48, "C", -2.0, expiry=WEEKLY, iv=0.4, mark=2.3)
    found = explain(snapshot([call], as_of=at), snapshot([], as_of=at + DAY))
    assert found.total.actual == pytest.approx(-200.0 * (2.0 - 2.3))
    assert found.total.steps.changed == 0.0
    assert found.remarks[0].reason == "expired: settled at 2.00, its intrinsic value at the later spot"


def test_an_option_that_expired_with_no_later_spot_is_left_out_and_named():
    at = datetime(2026, 7, 31, 19, 30, tzinfo=UTC)
    call = option("BBB", 48, "C", -2.0, expiry=WEEKLY, iv=0.4)
    found = explain(snapshot([call], as_of=at), snapshot([], {}, as_of=at + DAY))
    assert found.left_out[0].reason == "it expired, and the later snapshot has no price for BBB"
    assert found.total.actual != found.total.actual


@pytest.mark.parametrize("later_spot", [55.0, 48.0])
def test_shares_that_an_expired_option_delivered_came_at_its_strike(later_spot):
    at = datetime(2026, 7, 31, 19, 30, tzinfo=UTC)
    call = option("BBB", 50, "C", -2.0, expiry=WEEKLY, iv=0.4, mark=3.0)
    stock = holding("BBB", 200.0, mark=53.0)
    market = MARKET | {"BBB": replace(MARKET["BBB"], spot=53.0)}
    end = snapshot([], MARKET | {"BBB": replace(MARKET["BBB"], spot=later_spot)}, as_of=at + DAY)
    found = explain(snapshot([stock, call], market, as_of=at), end)
    assert found.total.actual == pytest.approx(200 * 50.0 - (200 * 53.0 - 200 * 3.0))
    assert found.total.steps.changed == 0.0
    assert any("by the expiry of BBB 2026-07-31 50 C, at its strike" in one.reason for one in found.remarks)


def test_shares_that_came_by_a_fill_at_the_strike_are_not_paid_for_twice():
    at = datetime(2026, 7, 31, 19, 30, tzinfo=UTC)
    put = option("BBB", 52, "P", -1.0, expiry=WEEKLY, iv=0.4, mark=2.1)
    fill = Trade(holding("BBB").contract, at + timedelta(hours=1), 100.0, 52.0)
    end = snapshot([holding("BBB", 100.0, mark=50.0)], as_of=at + DAY)
    found = explain(snapshot([put], as_of=at), end, [fill])
    assert found.total.actual == pytest.approx(100 * 50.0 - 100 * 52.0 + 100 * 2.1)
    assert found.total.steps.changed == 0.0


def test_shares_bought_at_another_price_are_no_delivery():
    at = datetime(2026, 7, 31, 19, 30, tzinfo=UTC)
    put = option("BBB", 52, "P", -1.0, expiry=WEEKLY, iv=0.4, mark=2.1)
    fill = Trade(holding("BBB").contract, at + timedelta(hours=1), 100.0, 50.3)
    end = snapshot([holding("BBB", 100.0, mark=50.0)], as_of=at + DAY)
    found = explain(snapshot([put], as_of=at), end, [fill])
    assert found.total.actual == pytest.approx(-100 * 0.3 - 100 * 2.0 + 100 * 2.1)


def test_another_contract_under_the_same_id_is_another_position():
    start = snapshot([option("BBB", 50, "P", 1.0, iv=0.4, mark=2.0, id="x")])
    end = snapshot([option("BBB", 45, "P", 1.0, iv=0.4, mark=0.7, id="x")], as_of=LATER)
    found = explain(start, end)
    assert [row.id for row in found.positions] == ["x (earlier)", "x"]
    assert len(found.remarks) == 2 and found.total.earned == pytest.approx(
        found.positions[0].explained.actual - found.positions[0].explained.steps.changed
    )


def test_theta_ends_with_the_option():
    at = datetime(2026, 7, 31, 8, 0, tzinfo=UTC)
    call = option("BBB", 50, "C", 1.0, expiry=WEEKLY, iv=0.4)
    start = snapshot([call], as_of=at)
    total = explain(start, snapshot([], as_of=at + 5 * DAY)).total
    assert total.terms.theta == pytest.approx(100.0 * mark_book(start, SETTINGS).greeks.theta[0] * 0.5)


def test_a_conversion_of_cash_that_is_no_position_is_not_counted_and_said():
    fill = Trade(Contract("EUR", Kind.CASH, "EUR"), AS_OF + timedelta(hours=1), 10_000.0, 1.1)
    found = explain(snapshot([]), snapshot([], as_of=LATER), [fill])
    assert found.total.actual == 0.0 and found.notes == (
        "conversions of cash that are no position are not in it: 1",
    )


def test_a_fill_of_an_am_settled_option_has_its_last_trading_day():
    held = option("SPX", 6400, "C", 1.0, iv=0.15, settlement=Settlement.AM, mark=90.0)
    told = replace(held.contract, expiry=MONTHLY - DAY)
    end = snapshot([replace(held, quantity=3.0)], as_of=LATER)
    found = explain(snapshot([held]), end, [Trade(told, AS_OF + timedelta(hours=1), 2.0, 88.0)])
    assert found.total.steps.changed == 0.0 and found.total.actual == pytest.approx(2 * 100 * 2.0)


# Splits


def split_book(ratio, mark=1.0):
    """BBB before and after a split of `ratio`:1, spot otherwise up 1 %."""
    before = [
        holding("BBB", 100.0, mark=50.0),
        option("BBB", 50, "C", -1.0, iv=0.4, mark=2.0),
        option("BBB", 45, "P", 2.0, iv=0.42, mark=0.5),
    ]
    after_spot = 50.5 / ratio
    after = [
        holding("BBB", 100.0 * ratio, mark=after_spot),
        option("BBB", round(50 / ratio, 2), "C", -1.0 * ratio, iv=0.4, mark=2.2 / ratio),
        option("BBB", round(45 / ratio, 2), "P", 2.0 * ratio, iv=0.42, mark=0.45 / ratio),
    ]
    market = MARKET | {"BBB": replace(MARKET["BBB"], spot=after_spot)}
    return snapshot(before), snapshot(after, market, as_of=LATER)


@pytest.mark.parametrize("ratio", [7.0, 1.5, 0.1])
def test_a_split_does_not_explode(ratio):
    start, end = split_book(ratio)
    end = replace(end, positions=tuple(p for p in end.positions if ratio >= 1.0 or not p.contract.is_option))
    start = replace(
        start, positions=tuple(p for p in start.positions if ratio >= 1.0 or not p.contract.is_option)
    )
    found = explain(start, end)
    assert found.total.steps.changed == pytest.approx(0.0, abs=1e-9)
    by_hand = 50.0 + (-100.0 * 0.2 + 200.0 * -0.05 if ratio >= 1.0 else 0.0)
    assert found.total.actual == pytest.approx(by_hand)
    assert (
        found.total.steps.spot == pytest.approx(0.5 * 100 - 0.5 * 100 * 0.55 - 0.5 * 200 * 0.15, abs=15)
        or ratio < 1
    )
    assert found.notes and "BBB split" in found.notes[0]


def test_a_split_with_trades_in_between_is_left_out_with_the_reason():
    start, end = split_book(7.0)
    fill = Trade(start.positions[0].contract, AS_OF + timedelta(hours=1), 10.0, 50.0)
    found = explain(start, end, [fill])
    assert found.positions == ()
    assert all("split and was traded in between" in one.reason for one in found.left_out)


def test_a_crash_and_a_purchase_are_no_split():
    stock = holding("BBB", 100.0, mark=50.0)
    crash = MARKET | {"BBB": replace(MARKET["BBB"], spot=7.0)}
    fell = explain(snapshot([stock]), snapshot([replace(stock, mark=7.0)], crash, as_of=LATER))
    assert fell.total.steps.spot == pytest.approx(-4300.0) and fell.notes == ()
    bought = explain(snapshot([stock]), snapshot([replace(stock, quantity=700.0)], as_of=LATER))
    assert bought.total.steps.changed == 600 * 50.0


def test_a_purchase_in_a_crash_is_no_split():
    stock, put = holding("BBB", 100.0, mark=50.0), option("BBB", 40, "P", 1.0, iv=0.9, expiry=FAR)
    crash = MARKET | {"BBB": replace(MARKET["BBB"], spot=27.0)}
    twice = replace(stock, quantity=200.0, mark=27.0)
    fill = Trade(stock.contract, AS_OF + timedelta(hours=1), 100.0, 30.0)
    bought = explain(snapshot([stock]), snapshot([twice], crash, as_of=LATER), [fill])
    assert bought.total.actual == pytest.approx(-100 * 23.0 - 100 * 3.0) and bought.left_out == ()
    unseen = explain(snapshot([stock, put]), snapshot([twice, put], crash, as_of=LATER))
    assert unseen.total.steps.changed == 100 * 27.0


# Edges


def test_an_empty_book_is_nothing():
    found = explain(snapshot([]), snapshot([], as_of=LATER))
    assert found.total.actual == 0.0 and found.positions == () and found.large_residual is None


def test_a_snapshot_that_is_not_whole_is_said():
    found = explain(snapshot([], complete=False), snapshot([], as_of=LATER))
    assert found.notes == ("the earlier snapshot is not whole: positions may be missing",)


def test_the_wrong_order_and_another_base_currency_are_refused_in_a_line():
    with pytest.raises(RequestError, match="give the earlier one first"):
        explain(snapshot([], as_of=LATER), snapshot([]))
    with pytest.raises(RequestError, match="one snapshot is in USD, the other in EUR"):
        explain(snapshot([]), replace(snapshot([]), base_currency="EUR"))


@pytest.mark.parametrize("which", ["earlier", "later"])
def test_what_has_no_price_in_one_of_them_is_named_and_in_no_sum(which):
    known, unknown = holding("BBB", 10.0, mark=50.0), holding("BOND", 5.0, Kind.BOND, mark=99.0)
    blind = replace(unknown, mark=None)
    start = snapshot([known, blind if which == "earlier" else unknown])
    end = snapshot([replace(known, mark=51.0), blind if which == "later" else unknown], as_of=LATER)
    found = explain(start, end)
    assert [(one.id, one.reason) for one in found.left_out] == [("BOND", f"{which}: no price")]
    assert found.total.actual == 10.0


def test_one_underlying_alone():
    held = [holding("BBB", 10.0, mark=50.0), holding("AAA", 10.0, mark=100.0)]
    start = snapshot(held, net_liquidation=1e5)
    end = replace(moved(start, spot=1.01, days=0.2), net_liquidation=101_000.0)
    found = explain(start, end, symbol="AAA")
    assert [row.id for row in found.positions] == ["AAA"] and found.net_liquidation_change is None
    assert explain(start, end).net_liquidation_change == 1000.0


def test_a_residual_over_a_tenth_is_flagged_with_who_and_why():
    start = snapshot(
        [
            option("SPY", 640, "C", 5.0, expiry=WEEKLY, iv=0.16),
            option("BBB", 50, "C", 1.0, expiry=FAR, iv=0.4),
        ]
    )
    found = explain(start, moved(start, spot=1.06))
    flag = found.large_residual
    assert flag.causes[0].id == start.positions[0].id and "near their expiry" in flag.reason
    assert abs(flag.residual) > 0.1 * abs(found.total.actual) and flag.share == pytest.approx(
        abs(flag.residual / found.total.actual)
    )
    assert explain(start, moved(start, spot=1.001)).large_residual is None


def test_a_mark_that_leaves_its_model_is_data_and_said():
    put = option("BBB", 50, "P", 10.0, iv=0.4, mark=2.0)
    found = explain(snapshot([put]), snapshot([replace(put, mark=2.5)], as_of=AS_OF))
    assert found.total.steps.data == pytest.approx(500.0) == found.total.terms.residual
    assert found.large_residual.reason.startswith("marks moved away from the models")


def test_a_volatility_from_another_source_is_said():
    near = option("BBB", 51, "P", 1.0, iv=0.3)
    start = snapshot([option("BBB", 50, "P", 10.0, bid=2.0, ask=2.1), near])
    end = snapshot([option("BBB", 50, "P", 10.0), near], as_of=AS_OF + timedelta(minutes=5))
    (note,) = explain(start, end).notes
    assert note.startswith(
        "the volatility of BBB 2026-08-21 50 P (first mark, then smile) is of another source"
    )


def test_the_start_s_curve_at_the_time_that_is_left_is_no_change_of_rates():
    assert rate_at(CURVE, 0.3) != rate_at(CURVE, 0.2)
    start = snapshot([option("BBB", 50, "C", 1.0, iv=0.4, expiry=FAR)], rates={"USD": CURVE})
    found = explain(start, moved(start, days=40.0))
    assert found.total.steps.rest == 0.0 and found.total.terms.rho == 0.0
    assert set(STEPS) == set(asdict(found.total.steps))


def test_an_ex_date_known_only_later_is_paid_too():
    stock = holding("BBB", 100.0, mark=50.0)
    paid = (
        Dividend(AS_OF.date(), 0.9),
        Dividend(AS_OF.date() + DAY, 0.2),
        Dividend(AS_OF.date() + 2 * DAY, 0.8),
    )
    told = MARKET | {"BBB": replace(MARKET["BBB"], dividends=paid)}
    found = explain(snapshot([stock]), snapshot([stock], told, as_of=AS_OF + DAY))
    assert found.total.steps.dividends == pytest.approx(20.0)
