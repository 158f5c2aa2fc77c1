"""Betas: least squares against the reference, shrunk by their own error; the config wins, and what is weak is said."""

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.analysis import analyse
from engine.model import Kind, Underlying
from engine.scenarios import TEMPLATES, Scope
from engine.scenarios.betas import PRIOR_SD, betas, estimate
from engine.settings import EngineSettings, ScenarioSettings
from tests.unit.books import AS_OF, holding, option, snapshot

NEWEST = AS_OF.date() - timedelta(days=1)
BETA = ScenarioSettings(spot_model="beta")


def days(count):
    return [NEWEST - timedelta(days=back) for back in reversed(range(count))]


def closes(returns, dates=None):
    """Closes from 100 that make these log returns; one more day than returns."""
    levels = 100.0 * np.exp(np.cumsum([0.0, *returns]))
    return tuple(zip(dates or days(len(levels)), levels.tolist(), strict=True))


def market_and(slope, noise, count=500, seed=1):
    random = np.random.default_rng(seed)
    x = random.normal(0.0, 0.01, count)
    return closes(slope * x + random.normal(0.0, noise, count)), closes(x)


@given(st.floats(-5.0, 5.0))
def test_a_series_that_is_a_power_of_the_market_has_that_beta_unshrunk(slope):
    found = estimate(*market_and(slope, 0.0))
    assert found.beta == pytest.approx(slope, abs=1e-9)
    assert found.days == 500


def test_the_slope_and_its_error_are_those_of_least_squares():
    own, market = market_and(1.6, 0.02, count=120)
    found = estimate(own, market)
    x, y = (np.diff(np.log([close for _, close in series])) for series in (market, own))
    (slope, _), covariance = np.polyfit(x, y, 1, cov="unscaled")
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    error = math.sqrt(covariance[0, 0] * residual @ residual / (len(x) - 2))
    assert (found.slope, found.error) == (pytest.approx(slope), pytest.approx(error))


def test_the_shrinkage_by_hand():
    """A slope as uncertain as betas are spread counts half."""
    own, market = market_and(2.0, 0.02, count=120)
    found = estimate(own, market)
    weight = PRIOR_SD**2 / (PRIOR_SD**2 + found.error**2)
    assert found.beta == pytest.approx(weight * found.slope + 1.0 - weight)
    assert 1.0 < found.beta < found.slope


def test_less_history_is_shrunk_more():
    long, short = (estimate(*market_and(2.0, 0.02, count)) for count in (500, 60))
    assert (short.beta - 1.0) / (short.slope - 1.0) < (long.beta - 1.0) / (long.slope - 1.0) < 1.0


def test_only_the_last_two_years_count():
    old, new = market_and(3.0, 0.0, 900), market_and(0.5, 0.0, 731)
    early = [day - timedelta(days=731) for day in days(901)]
    joined = [
        tuple(zip(early, (c for _, c in before), strict=True))[:-1] + after
        for before, after in zip(old, new, strict=True)
    ]
    assert estimate(*joined).beta == pytest.approx(0.5, abs=1e-6)


@given(st.sets(st.integers(0, 300), max_size=100))
def test_a_day_that_one_of_them_lacks_is_a_longer_return_in_both(missing):
    own, market = market_and(1.5, 0.0, 300)
    holey = tuple(pair for i, pair in enumerate(own) if i not in missing)
    assert estimate(holey, market).beta == pytest.approx(1.5, abs=1e-9)


def test_a_close_that_is_no_price_is_left_out():
    own, market = market_and(1.5, 0.0)
    own = (*own[:100], (own[100][0], 0.0), (own[101][0], -1.0), (own[102][0], math.nan), *own[103:])
    assert estimate(own, market).beta == pytest.approx(1.5, abs=1e-9)


def test_too_little_history_gives_a_reason_and_no_number():
    assert estimate(*market_and(1.5, 0.01, 59)) == "59 days, 60 needed"
    assert estimate((), closes([0.01] * 300)) == "0 days, 60 needed"


def test_a_reference_that_never_moves_gives_no_number():
    assert estimate(closes([0.01] * 99), closes([0.0] * 99)) == "the reference did not move"


def market(own, reference, **facts):
    return {
        "NEW": Underlying("NEW", Kind.STOCK, 100.0, closes=own, **facts),
        "SPY": Underlying("SPY", Kind.ETF, 640.0, closes=reference),
    }


def report(underlyings, chosen=BETA, held=None):
    return analyse(
        snapshot(held or [holding("NEW", kind=Kind.STOCK)], underlyings), EngineSettings(scenarios=chosen)
    )


def pnl_of(done, name):
    return next(result.pnl for result in done.scenarios if result.name == name)


def test_every_market_scenario_moves_a_stock_by_its_beta_from_history():
    done = report(market(*market_and(2.0, 0.0)))
    assert done.quality.notes == ("net liquidation unknown: percentages are of gross market value",)
    for scenario in TEMPLATES:
        if scenario.scope is Scope.MARKET:
            assert pnl_of(done, scenario.name) == pytest.approx(200.0 * min(scenario.spot), abs=1e-6)


def test_a_move_of_the_stock_s_own_is_not_multiplied():
    done = report(market(*market_and(2.0, 0.0)))
    assert pnl_of(done, "Earnings Miss") == pytest.approx(-8.0)


def test_options_move_with_their_underlying_s_beta():
    done = report(market(*market_and(2.0, 0.0)), held=[option("NEW", 1.0, "C", iv=0.3, multiplier=1.0)])
    assert pnl_of(done, "Market Panic") == pytest.approx(-10.0, abs=0.01)


def test_the_config_s_beta_wins_over_the_snapshot_s_and_that_over_history():
    given_ = market(*market_and(2.0, 0.0), beta=1.2)
    assert pnl_of(report(given_), "Market Panic") == pytest.approx(-6.0)
    mine = BETA.model_copy(update={"betas": {"NEW": 1.8}})
    assert pnl_of(report(given_, mine), "Market Panic") == pytest.approx(-9.0)


def test_a_beta_of_zero_leaves_the_price_and_still_moves_the_volatility():
    chosen = BETA.model_copy(update={"betas": {"NEW": 0.0}})
    held = [option("NEW", 100.0, "C", iv=0.3), holding("NEW", kind=Kind.STOCK)]
    done = report({"NEW": Underlying("NEW", Kind.STOCK, 100.0)}, chosen, held)
    panic = next(result for result in done.scenarios if result.name == "Market Panic")
    assert panic.position_pnl[1] == 0.0 and panic.position_iv[0] == pytest.approx(0.3 * 1.35)
    assert not any("beta" in note for note in done.quality.notes)


def test_the_reference_need_not_be_held_but_its_closes_must_be_there():
    own, reference = market_and(2.0, 0.0)
    without = replace(market(own, reference)["SPY"], closes=None)
    done = report({**market(own, reference), "SPY": without})
    assert "beta unknown, 1 assumed: NEW (no daily closes of SPY)" in done.quality.notes


@pytest.mark.parametrize(
    ("count", "note"),
    [
        (30, "beta unknown, 1 assumed: NEW (30 days, 60 needed)"),
        (120, "beta from little history: NEW (120 days)"),
    ],
)
def test_missing_and_short_history_are_said(count, note):
    assert note in report(market(*market_and(2.0, 0.0, count))).quality.notes


def test_history_that_ended_long_ago_is_said():
    own, reference = (
        tuple((day - timedelta(days=60), close) for day, close in series) for series in market_and(2.0, 0.0)
    )
    assert (
        f"beta from little history: NEW (until {NEWEST - timedelta(days=60)})"
        in report(market(own, reference)).quality.notes
    )


def test_symbols_share_the_reason_that_they_have_in_common():
    held = [holding(name, kind=Kind.STOCK) for name in ("C", "A", "B")]
    own, reference = market_and(2.0, 0.0, 30)
    underlyings = {name: Underlying(name, Kind.STOCK, 100.0) for name in "AC"} | {
        "B": Underlying("B", Kind.STOCK, 100.0, closes=own),
        "SPY": Underlying("SPY", Kind.ETF, 640.0, closes=reference),
    }
    said = "beta unknown, 1 assumed: A, C (no daily closes); B (30 days, 60 needed)"
    assert said in report(underlyings, held=held).quality.notes


def test_nothing_is_said_of_betas_that_are_not_asked_for():
    assert not any("beta" in note for note in report(market(None, None), ScenarioSettings()).quality.notes)


def test_the_reference_has_beta_one_by_definition():
    snap = snapshot([holding("SPY")], {"SPY": Underlying("SPY", Kind.ETF, 640.0)})
    assert betas(snap, ["SPY"], BETA)["SPY"].value == 1.0


def test_a_symbol_nobody_knows_has_no_beta():
    assert betas(snapshot([]), ["GONE"], BETA)["GONE"].value is None


def test_dates_are_days_not_positions():
    own, reference = market_and(1.5, 0.0, 300)
    assert estimate(own[::-1], reference).newest == NEWEST
    assert isinstance(estimate(own, reference).newest, date)
