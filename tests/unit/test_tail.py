"""Value at Risk of a book: laws of the figures by property, the days of history that they rest on, and what is unknown."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.analysis import analyse
from engine.marks import mark_book
from engine.model import Kind, Underlying
from engine.risk.backtest import SEED_DAYS
from engine.risk.moves import DAYS, POINTS_DOWN, daily_moves, term_scale
from engine.risk.tail import (
    BY_GREEKS,
    FILTERED,
    LEVELS,
    PLAIN,
    component_es,
    component_var,
    expected_shortfall,
    incremental_es,
    value_at_risk,
)
from tests.unit.books import AS_OF, FAR, MARKET, MONTHLY, SETTINGS, VIX_DAY, holding, option, snapshot
from tests.unit.histories import TODAYS, market

K, N = 200, 5
matrices = hnp.arrays(np.float64, (K, N), elements=st.integers(-10_000, 10_000).map(float))
levels = st.sampled_from(LEVELS)


def tail(positions, underlyings=None, chosen=SETTINGS):
    return analyse(
        snapshot(positions, market() if underlyings is None else underlyings, net_liquidation=1e5), chosen
    ).tail


def moves(positions, underlyings):
    return daily_moves(mark_book(snapshot(positions, underlyings), SETTINGS), SETTINGS.scenarios)


# Laws of the figures


@settings(deadline=None, max_examples=60)
@given(matrices, levels)
def test_components_sum_to_the_whole_to_the_cent(pnl, level):
    total = pnl.sum(axis=1)
    assert component_es(pnl, level).sum() == pytest.approx(expected_shortfall(total, level), abs=1e-6)
    parts = component_var(pnl, level)
    assert np.isnan(parts).all() or parts.sum() == pytest.approx(value_at_risk(total, level), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(matrices, levels)
def test_the_shortfall_is_at_least_the_value_at_risk(pnl, level):
    total = pnl.sum(axis=1)
    assert expected_shortfall(total, level) >= value_at_risk(total, level) - 1e-9


@settings(deadline=None, max_examples=40)
@given(matrices, levels)
def test_what_a_group_adds_is_the_whole_less_the_whole_without_it(pnl, level):
    mask = np.array([True, False, True, False, False])
    (added,) = incremental_es(pnl, [mask], level)
    without = expected_shortfall(pnl[:, ~mask].sum(axis=1), level)
    assert added == pytest.approx(expected_shortfall(pnl.sum(axis=1), level) - without, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(matrices, levels, st.floats(0.1, 50.0))
def test_a_book_of_another_size_has_figures_of_that_size(pnl, level, size):
    assert expected_shortfall(size * pnl[:, 0], level) == pytest.approx(
        size * expected_shortfall(pnl[:, 0], level), rel=1e-9, abs=1e-6
    )
    np.testing.assert_allclose(
        component_var(size * pnl, level), size * component_var(pnl, level), rtol=1e-6, atol=1e-4
    )


def test_by_hand():
    """Losses of 1 to 100: at 95 % the five worst are 96 to 100, and type 7 puts the quantile at 95.05."""
    pnl = -np.arange(1.0, 101.0)
    assert value_at_risk(pnl, 0.95) == pytest.approx(95.05)
    assert expected_shortfall(pnl, 0.95) == pytest.approx(98.0)
    assert expected_shortfall(pnl, 0.975) == pytest.approx((100 + 99 + 0.5 * 98) / 2.5)


def test_a_normal_s_figures_come_back_from_many_days():
    pnl = np.random.default_rng(3).normal(0.0, 1.0, 400_000)
    assert value_at_risk(pnl, 0.99) == pytest.approx(2.326, abs=0.02)
    assert expected_shortfall(pnl, 0.975) == pytest.approx(2.338, abs=0.02)


# The book


def test_a_stock_s_figures_are_those_of_its_own_days():
    found = tail([holding("AAA", 10.0, mark=100.0)])
    returns = np.diff(np.log([level for _, level in market()["AAA"].closes]))[-DAYS:]
    pnl = 10.0 * 100.0 * (np.exp(returns) - 1.0)
    plain = next(one for one in found.figures if (one.method, one.level) == (PLAIN, 0.99))
    assert plain.var == pytest.approx(value_at_risk(pnl, 0.99)) and plain.es == pytest.approx(
        expected_shortfall(pnl, 0.99)
    )
    assert (plain.days, found.days) == (DAYS, DAYS + SEED_DAYS)
    assert found.figures[0].method == FILTERED and found.unknown is None and found.notes == ()


def test_a_storm_a_year_ago_weighs_less_than_one_now():
    calm, storm = 0.005, 0.03
    days = TODAYS
    random = np.random.default_rng(8)
    for stormy, larger in ((slice(100, 160), PLAIN), (slice(-40, None), FILTERED)):
        sizes = np.full(len(days), calm)
        sizes[stormy] = storm
        path = 100.0 * np.exp(np.cumsum(random.normal(0.0, 1.0, len(days)) * sizes))
        closes = tuple(zip(days, (path * 100.0 / path[-1]).tolist(), strict=True))
        found = tail(
            [holding("AAA", 1.0, mark=100.0)], market() | {"AAA": replace(MARKET["AAA"], closes=closes)}
        )
        by_method = {one.method: one.var for one in found.figures if one.level == 0.99}
        assert max(by_method, key=by_method.get) == larger


def test_a_position_and_its_opposite_have_no_risk():
    puts = [option("SPY", 640, "P", q, iv=0.18, id=name) for name, q in (("long", 3.0), ("short", -3.0))]
    found = tail(puts)
    assert all(abs(one.var) < 1e-6 and abs(one.es) < 1e-6 for one in found.figures)


def test_a_put_and_its_stock_share_one_line_and_the_put_takes_from_the_loss():
    found = tail([holding("AAA", 100.0, mark=100.0), option("AAA", 100, "P", 1.0, iv=0.3)])
    (share,) = found.by_underlying
    assert share.name == "AAA" and share.component_es == pytest.approx(share.standalone_es)
    assert found.component_es[0] > 0.0 > found.component_es[1]
    assert found.component_es.sum() == pytest.approx(found.figure(0.975).es)
    assert found.component_var.sum() == pytest.approx(found.figure(0.99).var)


def test_by_underlying_the_parts_sum_and_the_largest_is_first():
    held = [
        holding("AAA", 50.0, mark=100.0),
        holding("BBB", -10.0, mark=50.0),
        option("SPY", 640, "P", -5.0, iv=0.18),
    ]
    found = tail(held)
    parts = [share.component_es for share in found.by_underlying]
    assert parts == sorted(parts, reverse=True) and sum(parts) == pytest.approx(found.figure(0.975).es)


def test_options_of_all_kinds_have_figures():
    held = [
        option("AAA", 95, "P", -3.0, iv=0.35), option("SPX", 6400, "C", 1.0, iv=0.15),
        option("SPY", 600, "P", 2.0, iv=0.2, expiry=FAR),
        option("VIX", 20, "C", 5.0, iv=0.9, expiry=VIX_DAY), option("TQQQ", 90, "C", -2.0, iv=0.6),
        holding("VXX", 10.0, mark=40.0),
        holding("ES", 1.0, mark=6420.0, multiplier=50.0), holding("BOND", 1.0, Kind.BOND, mark=99.5),
    ]  # fmt: skip
    found = tail(held)
    assert found.unknown is None and found.left_out == () and np.isfinite(found.component_es).all()
    assert found.component_es[-1] == 0.0
    assert found.notes == (
        "daily moves with the volatility of SPY: VIX",
        "daily moves by beta to SPY: ES (1.00)",
        "no daily moves, counted as still: BOND",
    )


# Days


def test_a_name_without_history_moves_by_beta_and_that_is_said():
    underlyings = market() | {"AAA": MARKET["AAA"]}
    found = moves([holding("AAA", 1.0, mark=100.0)], underlyings)
    np.testing.assert_allclose(
        found.spot[:, 0], 1.5 * moves([holding("SPY", 1.0, mark=640.0)], underlyings).spot[:, 0]
    )
    assert found.notes[0] == "daily moves by beta to SPY: AAA (1.50)"


def test_gaps_are_filled_by_beta_and_counted():
    closes = tuple(pair for i, pair in enumerate(market()["AAA"].closes) if i != 300)
    found = moves(
        [holding("AAA", 1.0, mark=100.0)], market() | {"AAA": replace(MARKET["AAA"], closes=closes)}
    )
    assert (
        np.isfinite(found.spot).all()
        and found.notes[0] == "daily moves by beta to SPY: AAA (1.50, 1 of 551 days)"
    )


def test_a_name_without_history_or_beta_is_left_out_and_named():
    underlyings = market() | {"NEW": Underlying("NEW", Kind.STOCK, 10.0)}
    held = [holding("AAA", 1.0, mark=100.0), holding("NEW", 5.0, Kind.STOCK, mark=10.0)]
    found = tail(held, underlyings)
    assert [remark.id for remark in found.left_out] == ["NEW"] and "no daily closes" in found.left_out[
        0
    ].reason
    assert np.isnan(found.component_es[1]) and found.figure(0.99).var > 0.0


def test_a_halted_stock_has_days_without_moves():
    flat = tuple((day, 100.0) for day in TODAYS)
    found = tail([holding("AAA", 1.0, mark=100.0)], market() | {"AAA": replace(MARKET["AAA"], closes=flat)})
    assert all(
        one.var == 0.0 and one.es == 0.0 for one in found.figures
    ) and found.component_var.tolist() == [0.0]


def test_volatility_moves_by_its_own_history_by_the_reference_s_or_by_points():
    put = [option("AAA", 100, "P", 1.0, iv=0.3)]
    scale = term_scale((MONTHLY - AS_OF.date()).days)
    own = moves(put, market())
    np.testing.assert_allclose(
        own.iv[:, 0], scale * np.diff(np.log([x for _, x in market()["AAA"].iv_history]))
    )
    assert own.notes == ()
    by_reference = moves(put, market() | {"AAA": replace(market()["AAA"], iv_history=None)})
    np.testing.assert_allclose(
        by_reference.iv[:, 0], scale * np.diff(np.log([x for _, x in market()["SPY"].iv_history]))
    )
    assert by_reference.notes == ("IV moves with that of SPY: AAA",)
    by_points = moves(put, market(iv=False))
    fall = np.argmin(moves([holding("SPY", 1.0, mark=640.0)], market()).spot[:, 0])
    market_move = moves([holding("SPY", 1.0, mark=640.0)], market()).spot[fall, 0]
    assert by_points.iv[fall, 0] == pytest.approx(scale * np.log1p(-POINTS_DOWN * market_move / 0.16))


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_too_short_a_history_is_unknown_with_its_reason(count):
    short = {
        name: replace(one, closes=one.closes and one.closes[-count:] if count else None)
        for name, one in market().items()
    }
    found = tail([holding("AAA", 1.0, mark=100.0)], short)
    assert found.figures == () and found.unknown == f"{max(count - 1, 0)} daily moves are known, 60 needed"
    assert np.isnan(found.component_es).all()


def test_a_few_months_have_plain_history_only():
    short = {name: replace(one, closes=one.closes and one.closes[-100:]) for name, one in market().items()}
    assert {one.method for one in tail([holding("AAA", 1.0, mark=100.0)], short).figures} == {
        PLAIN,
        BY_GREEKS,
    }


def test_all_cash_has_no_risk_and_an_empty_book_says_so():
    found = tail([holding("EUR", 1000.0, Kind.CASH, mark=1.0)])
    assert all(one.var == one.es == 0.0 for one in found.figures)
    assert tail([]).unknown == "nothing is held"


def test_what_has_no_value_has_no_part():
    found = tail(
        [holding("AAA", 1.0, mark=100.0), holding("DARK", 1.0, Kind.STOCK)],
        market() | {"DARK": Underlying("DARK", Kind.STOCK, None)},
    )
    assert np.isnan(found.component_es[1]) and found.figure(0.99).var > 0.0


def test_the_same_snapshot_has_the_same_figures():
    held = [option("AAA", 95, "P", -3.0, iv=0.35), option("SPY", 640, "C", 1.0, iv=0.15)]
    first, second = tail(held), tail(held)
    assert first.figures == second.figures
    np.testing.assert_array_equal(first.component_es, second.component_es)


# What history may be like


def changed(level, symbol="AAA"):
    """The market with the closes of a symbol as `level` has them from each (i, close)."""
    closes = tuple((day, level(i, close)) for i, (day, close) in enumerate(market()[symbol].closes))
    return market() | {symbol: replace(market()[symbol], closes=closes)}


def older(series, days):
    return series and tuple((day - timedelta(days=days), level) for day, level in series)


def test_a_history_that_ended_long_ago_is_not_of_today():
    old = {name: replace(one, closes=older(one.closes, 60)) for name, one in market().items()}
    last = AS_OF.date() - timedelta(days=61)
    assert tail([holding("AAA", 1.0, mark=100.0)], old).unknown == f"the daily closes end on {last}"


def test_days_after_the_snapshot_do_not_exist():
    ahead = {name: replace(one, closes=older(one.closes, -40)) for name, one in market().items()}
    found = moves([holding("AAA", 1.0, mark=100.0)], ahead)
    assert found.days[-1] == AS_OF.date() and len(found.days) == DAYS + SEED_DAYS - 39


def test_what_lies_before_a_long_gap_is_another_series():
    gap = {
        name: replace(one, closes=one.closes and older(one.closes[:200], 90) + one.closes[200:])
        for name, one in market().items()
    }
    assert len(moves([holding("AAA", 1.0, mark=100.0)], gap).days) == DAYS + SEED_DAYS - 200


def test_a_fall_over_a_missing_close_is_found_on_the_day_it_comes_back():
    halved = changed(lambda i, close: close / 2 if i >= 300 else close)
    missing = tuple(pair for i, pair in enumerate(halved["AAA"].closes) if i != 300)
    held = [holding("AAA", 1.0, mark=100.0)]
    whole, gap = moves(held, halved), moves(held, halved | {"AAA": replace(halved["AAA"], closes=missing)})
    assert gap.spot[300, 0] < -0.6 and gap.spot[299:301].sum() == pytest.approx(whole.spot[299:301].sum())


def test_a_stock_that_did_not_move_for_a_year_does_not_explode_the_filter():
    sleeping = changed(lambda i, close: 100.0 if i < 450 else 105.0 if i == 450 else 105.0 * 1.04 ** (i % 2))
    found = tail([holding("AAA", -10.0, mark=100.0)], sleeping)
    assert 0.0 < found.figure(0.99).es < 1_000.0


def test_a_position_that_loses_its_value_on_some_day_is_named_not_dropped(monkeypatch):
    from engine.risk import tail as module

    real = module.pnl_under

    def broken(*asked):
        pnl = real(*asked)
        pnl[7, 0] = np.inf
        return pnl

    monkeypatch.setattr(module, "pnl_under", broken)
    found = tail([holding("AAA", 1.0, mark=100.0), holding("BBB", 1.0, mark=50.0)])
    assert [(one.id, one.reason) for one in found.left_out] == [("AAA", "some days give it no value")]
    assert np.isnan(found.component_es[0]) and np.isfinite(found.figure(0.99).es)


def test_why_nothing_is_in_it_is_said():
    found = tail(
        [holding("NEW", 1.0, Kind.STOCK, mark=10.0)], market() | {"NEW": Underlying("NEW", Kind.STOCK, 10.0)}
    )
    assert found.unknown == "nothing could be valued" and [one.id for one in found.left_out] == ["NEW"]


def test_a_fund_of_volatility_moves_by_its_own_closes_and_its_options_volatility_too():
    held = [holding("VXX", 1.0, mark=40.0), option("VXX", 40, "C", 1.0, iv=0.7)]
    found = moves(held, market())
    own = np.diff(np.log([level for _, level in market()["VXX"].closes]))
    np.testing.assert_allclose(found.spot[:, 0], own)
    assert np.abs(found.iv[:, 1]).max() > 0.0
    without = moves(held, market() | {"VXX": MARKET["VXX"]})
    assert "daily moves with the volatility of SPY: VXX" in without.notes and np.isfinite(without.spot).all()


def test_points_that_stand_in_for_the_reference_s_volatility_are_said():
    found = moves([option("AAA", 100, "P", 1.0, iv=0.3)], market(iv=False))
    assert found.notes == (
        "IV moves 1.65 points for each 1 % of its fall, 1.05 of its rise: SPY", "IV moves with that of SPY: AAA",
    )  # fmt: skip


def test_a_leap_in_the_closes_is_pointed_at():
    split = changed(lambda i, close: close * 10.0 if i < 400 else close)
    (note,) = moves([holding("AAA", 1.0, mark=100.0)], split).notes
    assert note.startswith(f"a leap in its closes (a split?): AAA {TODAYS[400]} -")


@pytest.mark.parametrize("level", [0.0, -5.0, float("nan"), float("inf")])
def test_a_close_that_can_not_be_is_missing(level):
    bad = changed(lambda i, close: level if i == 200 else close)
    found = moves([holding("AAA", 1.0, mark=100.0)], bad)
    assert np.isfinite(found.spot).all() and "1 of 551 days" in found.notes[0]


def test_the_parts_of_the_page_s_example():
    """docs/risk.md: two positions over 100 days."""
    pnl = np.zeros((100, 2))
    pnl[:3] = [[-1000.0, 100.0], [-500.0, -200.0], [-650.0, 0.0]]
    assert expected_shortfall(pnl.sum(axis=1), 0.975) == pytest.approx(770.0)
    np.testing.assert_allclose(component_es(pnl, 0.975), [730.0, 40.0])


def test_what_is_not_used_is_not_said():
    assert moves([holding("AAA", 1.0, mark=100.0)], market(iv=False)).notes == ()
