"""What yesterday's book made until today: marks where there are any, the model where there are none, and no verdict beyond."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis import analyse
from engine.marks import mark_book
from engine.model import BrokerView, Dividend, Kind, Settlement, Snapshot
from engine.risk import settled, tail_day
from engine.risk.hindsight import hindsight
from engine.risk.moves import term_scale
from tests.unit.books import AS_OF, MARKET, MONTHLY, SETTINGS, VIX_DAY, books, holding, option, snapshot
from tests.unit.test_tail import market

TOMORROW = AS_OF + timedelta(days=1)
DAY = AS_OF.date()


def then(*held, underlyings=MARKET, **facts):
    return snapshot(held, underlyings, **facts)


def now(*held, spots=(), as_of=TOMORROW, iv30=None, **facts):
    """Tomorrow, with other spots (symbol, spot)."""
    moved = {name: replace(one, spot_as_of=as_of) for name, one in MARKET.items()}
    for name, spot in spots:
        moved[name] = replace(moved[name], spot=spot, iv30=iv30 or moved[name].iv30)
    return snapshot(held, moved, as_of=as_of, **facts)


def made(before, after, **options):
    return hindsight(before, after, SETTINGS, **options)


# With marks


def test_a_stock_makes_its_move_times_what_was_held_whatever_is_held_now():
    before = then(holding("AAA", 10.0, mark=100.0))
    after = now(holding("AAA", 25.0, mark=103.0), spots=[("AAA", 103.0)])
    found = made(before, after)
    assert found.total == pytest.approx(30.0) and found.unknown == () and found.modelled == ()


def test_an_option_that_is_still_held_makes_the_change_of_its_mark():
    before = then(option("AAA", 100, "P", -2.0, bid=3.0, ask=3.2))
    after = now(option("AAA", 100, "P", -5.0, bid=4.0, ask=4.4))
    assert made(before, after).total == pytest.approx(-2.0 * 100.0 * (4.2 - 3.1))


def test_a_contract_in_another_account_has_the_same_price():
    before = then(option("AAA", 100, "P", 1.0, bid=3.0, ask=3.2, account="A"))
    after = now(option("AAA", 100, "P", 7.0, bid=4.0, ask=4.4, account="B", id="other"))
    assert made(before, after).total == pytest.approx(100.0 * (4.2 - 3.1))


def test_what_was_bought_today_has_no_part_in_it():
    before = then(holding("AAA", 10.0, mark=100.0))
    after = now(holding("AAA", 10.0, mark=103.0), holding("BBB", 1e6, mark=90.0), spots=[("AAA", 103.0)])
    assert made(before, after).total == pytest.approx(30.0)


def test_a_foreign_holding_is_worth_what_its_currency_is_worth():
    held = holding("AAA", 10.0, currency="EUR", mark=100.0)
    before, after = then(held, fx={"EUR": 1.10}), now(replace(held, mark=101.0), fx={"EUR": 1.08})
    assert made(before, after).total == pytest.approx(10.0 * (101.0 * 1.08 - 100.0 * 1.10))


def test_a_future_makes_the_variation_since_yesterday_whatever_its_entry():
    held = holding("ES", 2.0, multiplier=50.0, mark=6420.0, entry_price=6000.0)
    after = now(replace(held, mark=6400.0, entry_price=6300.0))
    assert made(then(held), after).total == pytest.approx(2.0 * 50.0 * -20.0)


def test_what_a_foreign_future_has_paid_already_is_not_exchanged_again():
    held = holding("ES", 2.0, multiplier=50.0, currency="EUR", mark=6420.0, entry_price=6000.0)
    found = made(then(held, fx={"EUR": 1.10}), now(replace(held, mark=6400.0), fx={"EUR": 1.05}))
    assert found.total == pytest.approx(2.0 * 50.0 * -20.0 * 1.05)


def test_a_dividend_that_left_the_price_is_what_the_share_made_and_a_short_pays_it():
    underlyings = MARKET | {"AAA": replace(MARKET["AAA"], dividends=(Dividend(TOMORROW.date(), 2.0),))}
    for quantity in (10.0, -10.0):
        before = then(holding("AAA", quantity, mark=100.0), underlyings=underlyings)
        after = now(holding("AAA", quantity, mark=98.5), spots=[("AAA", 98.5)])
        assert made(before, after).total == pytest.approx(quantity * 0.5)


def test_a_dividend_of_another_day_is_not_in_it():
    dates = (DAY, TOMORROW.date() + timedelta(days=1))
    underlyings = MARKET | {
        "AAA": replace(MARKET["AAA"], dividends=tuple(Dividend(one, 2.0) for one in dates))
    }
    before = then(holding("AAA", 10.0, mark=100.0), underlyings=underlyings)
    assert made(before, now(holding("AAA", 10.0, mark=100.0))).total == 0.0


# By the model


def test_an_option_that_is_not_held_any_more_is_worth_what_the_model_says_with_its_own_volatility():
    put = option("BBB", 48, "P", -3.0, iv=0.4)
    found = made(then(put), now(spots=[("BBB", 45.0)]))
    worth = [
        mark_book(snapshot([replace(put, mark=None)], underlyings, as_of=at), SETTINGS).base[0]
        for underlyings, at in ((MARKET, AS_OF), (now(spots=[("BBB", 45.0)]).underlyings, TOMORROW))
    ]
    assert found.total == pytest.approx(-300.0 * (worth[1] - worth[0])) and found.modelled == (put.id,)


def test_its_volatility_moves_as_its_underlying_s_month_did():
    put = option("BBB", 48, "P", -3.0, iv=0.5)
    found = made(then(put), now(spots=[("BBB", 45.0)], iv30=0.6))
    sigma = 0.5 * (0.6 / 0.4) ** term_scale((MONTHLY - DAY).days)
    after = mark_book(now(replace(put, iv=sigma), spots=[("BBB", 45.0)]), SETTINGS).base[0]
    before = mark_book(then(put), SETTINGS).mark[0]
    assert found.total == pytest.approx(-300.0 * (after - before), rel=1e-9)


def test_a_stock_that_was_sold_is_worth_its_underlying_s_price():
    before = then(holding("AAA", 10.0, mark=100.0))
    found = made(before, now(spots=[("AAA", 97.0)]))
    assert found.total == pytest.approx(-30.0) and found.modelled == ()


def test_a_quote_of_yesterday_is_no_price_of_today():
    old = option("BBB", 48, "P", 1.0, bid=1.0, ask=1.1, as_of=AS_OF)
    found = made(then(old), now(old, spots=[("BBB", 40.0)]))
    assert found.modelled == (old.id,) and found.total > 100.0 * 5.0


def test_a_broker_s_mark_of_yesterday_is_no_price_of_today():
    bond = holding("BOND", 1.0, Kind.BOND, broker=BrokerView(mark=99.0), broker_as_of=AS_OF)
    told = replace(bond, broker=BrokerView(mark=98.0), broker_as_of=TOMORROW)
    assert made(then(bond), now(told)).total == pytest.approx(-1.0)
    found = made(then(bond), now(bond))
    assert found.total is None and found.unknown[0].reason == "no price"


def test_the_volatility_of_a_volatility_s_option_stays():
    call = option("VIX", 20, "C", 1.0, expiry=VIX_DAY, iv=0.9)
    before = MARKET | {"VIX": replace(MARKET["VIX"], iv30=0.9)}
    after = now(spots=[("VIX", 18.0)], iv30=1.5)
    stays = mark_book(now(replace(call, iv=0.9)), SETTINGS).base[0]
    was = mark_book(then(call), SETTINGS).base[0]
    assert made(then(call, underlyings=before), after).total == pytest.approx(100.0 * (stays - was))


def test_what_else_is_held_today_says_where_the_forward_is():
    put = option("SPX", 6400, "P", 1.0, iv=0.2)
    pair = [option("SPX", 6300, "C", bid=300.0, ask=301.0), option("SPX", 6300, "P", bid=100.0, ask=101.0)]
    told = mark_book(now(put, *pair), SETTINGS).base[0] - mark_book(then(put), SETTINGS).base[0]
    assert made(then(put), now(*pair)).total == pytest.approx(100.0 * told)
    assert made(then(put), now()).total != pytest.approx(100.0 * told, abs=50.0)


def test_what_expired_today_is_worth_its_intrinsic_value():
    at = datetime(2026, 7, 29, 20, 5, tzinfo=UTC)
    put = option("AAA", 100, "P", -1.0, expiry=at.date(), bid=1.0, ask=1.2)
    for held in ((), (replace(put, bid=0.0, ask=0.05),)):
        found = made(then(put), now(*held, spots=[("AAA", 93.0)], as_of=at))
        assert found.total == pytest.approx(-100.0 * (7.0 - 1.1))


# No verdict


@pytest.mark.parametrize(
    ("expiry", "settlement"), [(TOMORROW.date(), Settlement.AM), (DAY, Settlement.PM), (DAY, Settlement.AM)]
)
def test_what_expired_at_a_price_that_nobody_saw_is_unknown(expiry, settlement):
    at = datetime(2026, 7, 29, 20, 5, tzinfo=UTC)
    put = option("SPX", 6400, "P", expiry=expiry, settlement=settlement, bid=40.0, ask=41.0)
    found = made(then(put, holding("AAA", 1.0, mark=100.0)), now(holding("AAA", 1.0, mark=90.0), as_of=at))
    assert found.total is None and [one.id for one in found.unknown] == [put.id]
    assert found.pnl[1] == pytest.approx(-10.0)


def test_a_price_of_before_is_none_of_today_and_what_is_not_watched_has_to_be_of_the_close():
    before = then(holding("AAA", 10.0, mark=100.0))

    def reasons(spot_at, *held):
        after = now(*held)
        one = replace(MARKET["AAA"], spot_as_of=spot_at)
        return [
            x.reason
            for x in made(before, replace(after, underlyings=after.underlyings | {"AAA": one})).unknown
        ]

    assert reasons(AS_OF) == ["no price of AAA since then"]
    assert reasons(AS_OF, option("AAA", 90, "C", iv=0.3)) == ["no price of AAA since then"]
    assert reasons(TOMORROW - timedelta(hours=3)) == ["no price of AAA since then"]
    assert reasons(TOMORROW - timedelta(hours=3), option("AAA", 90, "C", iv=0.3)) == []
    assert reasons(TOMORROW - timedelta(minutes=10)) == []


def test_without_any_price_it_is_unknown_and_named():
    dark = now()
    dark = replace(dark, underlyings={name: one for name, one in dark.underlyings.items() if name != "BBB"})
    found = made(then(holding("BBB", 1.0, mark=50.0), holding("AAA", 1.0, mark=100.0)), dark)
    assert found.total is None and [(one.id, one.reason) for one in found.unknown] == [("BBB", "no price")]


def test_a_leap_with_another_holding_may_be_a_split_and_with_the_same_it_is_a_crash():
    before = then(holding("AAA", 10.0, mark=100.0))
    split = made(before, now(holding("AAA", 20.0, mark=50.0), spots=[("AAA", 50.0)]))
    assert split.total is None and "a split?" in split.unknown[0].reason
    crash = made(before, now(holding("AAA", 10.0, mark=50.0), spots=[("AAA", 50.0)]))
    assert crash.total == pytest.approx(-500.0)


def test_another_base_currency_makes_no_sum():
    after = replace(now(holding("AAA", 1.0, mark=99.0), fx={"USD": 0.9}), base_currency="EUR")
    found = made(then(holding("AAA", 1.0, mark=100.0)), after)
    assert found.total is None and found.unknown[0].reason == "the account's currency was USD"


def test_what_no_figure_was_of_does_not_count_and_hides_nothing():
    before = then(
        holding("AAA", 1.0, mark=100.0), holding("BBB", 1.0, mark=50.0), holding("DARK", 1.0, Kind.STOCK)
    )
    after = now(holding("AAA", 1.0, mark=90.0), spots=[("AAA", 90.0)])
    found = made(before, after, without=frozenset({"BBB"}))
    assert found.total == pytest.approx(-10.0) and math.isnan(found.pnl[1]) and math.isnan(found.pnl[2])
    assert made(before, after, without=frozenset({"AAA", "BBB"})).total is None


@settings(deadline=None, max_examples=25)
@given(books(), st.booleans())
def test_the_same_book_in_the_same_market_made_nothing(snap, empty):
    found = hindsight(snap, replace(snap, positions=() if empty else snap.positions), SETTINGS)
    known = mark_book(snap, SETTINGS).valued
    if not empty:
        assert [0.0] * int(known.sum()) == pytest.approx(
            found.pnl[known & (found.pnl == found.pnl)].tolist(), abs=1e-6
        )
    assert (found.total is None) == bool(found.unknown or not known.any())


def test_neither_order_nor_what_else_is_held_changes_a_position_s_profit():
    held = [holding("AAA", 10.0, mark=100.0), option("BBB", 48, "P", 2.0, bid=2.0, ask=2.2)]
    later = [holding("AAA", 10.0, mark=98.0), option("BBB", 48, "P", 2.0, bid=2.4, ask=2.6)]
    one = made(then(*held), now(*later, spots=[("AAA", 98.0)]))
    other = made(then(*reversed(held)), now(*reversed(later), spots=[("AAA", 98.0)]))
    assert one.pnl.tolist() == pytest.approx(other.pnl.tolist()[::-1])


# The stored day


def day_of(*held, **facts):
    snap = snapshot(held, market(), **{"net_liquidation": 1e5} | facts)
    return snap, tail_day(analyse(snap, SETTINGS), DAY)


def test_a_day_has_the_report_s_figures_and_what_they_leave_out():
    snap, day = day_of(
        holding("AAA", 10.0, mark=100.0), holding("DARK", 1.0, Kind.STOCK), holding("CL", 1.0, mark=70.0)
    )
    report = analyse(snap, SETTINGS)
    assert day.figures == report.tail.figures and day.value == 1070.0
    assert day.left_out == ("DARK", "CL") and (day.pnl, day.until) == (None, None)
    assert day.var(*("filtered history", 0.99)) == report.tail.figure(0.99).var
    assert day.var("filtered history", 0.42) is None


def test_a_settled_day_has_the_book_s_profit_and_the_account_s_change():
    snap, day = day_of(holding("AAA", 10.0, mark=100.0), holding("CL", 1.0, mark=70.0))
    after = now(holding("AAA", 99.0, mark=97.0), spots=[("AAA", 97.0)], net_liquidation=99_000.0)
    found = settled(day, snap, after, TOMORROW.date(), 1, SETTINGS)
    assert (found.pnl, found.change, found.until) == (pytest.approx(-30.0), -1000.0, TOMORROW.date())
    assert found.figures == day.figures and found.remark is None


def test_two_trading_days_are_no_test_of_one():
    snap, day = day_of(holding("AAA", 10.0, mark=100.0))
    found = settled(day, snap, now(holding("AAA", 10.0, mark=97.0)), date(2026, 7, 30), 2, SETTINGS)
    assert found.pnl is None and found.change is None and "2 trading days later" in found.remark


@pytest.mark.parametrize("kept", [True, False])
def test_a_day_without_a_verdict_says_why(kept):
    snap, day = day_of(holding("AAA", 10.0, mark=100.0))
    after = now()
    after = replace(after, underlyings={}) if kept else after
    found = settled(day, snap if kept else None, after, TOMORROW.date(), 1, SETTINGS)
    assert found.pnl is None and found.until == TOMORROW.date()
    assert found.remark == (
        "not valued: AAA: no price" if kept else "the Snapshot of that day is not stored any more"
    )


def test_an_empty_account_has_no_figures_and_no_profit():
    empty = Snapshot(AS_OF, "USD", {}, (), net_liquidation=5.0)
    day = tail_day(analyse(empty, SETTINGS), DAY)
    assert day.figures == () and day.value == 0.0
    assert settled(day, empty, now(), TOMORROW.date(), 1, SETTINGS).remark == "no position counts"
