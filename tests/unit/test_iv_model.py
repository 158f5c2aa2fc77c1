"""The volatility model of the scenarios: wings, time, the four shapes, floor and cap, and the crash rule (D2, D3)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.marks import mark_book
from engine.model import Kind
from engine.scenarios import (
    TEMPLATES,
    Scenario,
    calculate_iv_shift,
    get_moneyness_beta,
    get_time_beta,
    run_scenarios,
)
from engine.scenarios.iv_model import MODELS, hold, iv_model
from engine.scenarios.shapes import Uniform
from engine.settings import ScenarioSettings
from tests.unit.books import SETTINGS, VIX_DAY, holding, option, snapshot

PLAIN = ScenarioSettings()
SIGMA = st.floats(0.001, 20.0)
MONEYNESS = st.floats(0.01, 10.0)
DTE = st.integers(0, 2000)
NAME = st.sampled_from([scenario.name for scenario in TEMPLATES])
MOVE = st.floats(-0.9, 0.9)


@pytest.mark.parametrize(
    ("moneyness", "beta"),
    [
        (0.5, 1.3),
        (0.95, 1.3),
        (0.975, 1.15),
        (0.99, 1.06),
        (1.0, 1.0),
        (1.01, 0.96),
        (1.025, 0.9),
        (1.05, 0.8),
        (2.0, 0.8),
    ],
)
def test_the_moneyness_beta_is_linear_between_the_wings_and_the_money(moneyness, beta):
    assert get_moneyness_beta(moneyness) == pytest.approx(beta, abs=1e-12)


def test_the_wings_start_where_the_settings_say():
    assert get_moneyness_beta(0.95, wing_at=0.10) == pytest.approx(1.15)
    assert get_moneyness_beta(0.90, wing_at=0.10) == pytest.approx(1.3)


@given(MONEYNESS)
def test_the_moneyness_beta_stays_between_its_wings(moneyness):
    assert 0.8 <= get_moneyness_beta(moneyness) <= 1.3


@pytest.mark.parametrize(
    ("dte", "beta"),
    [(0, 1.5), (7, 1.5), (8, 1.0), (30, 1.0), (31, 0.7), (90, 0.7), (91, 0.5), (2000, 0.5)],
)
def test_the_time_beta_steps_after_7_30_and_90_days(dte, beta):
    assert get_time_beta(dte) == beta


def test_an_expired_option_counts_as_a_weekly():
    assert get_time_beta(-3) == 1.5


@pytest.mark.parametrize(
    ("name", "moneyness", "dte", "relative"),
    [
        ("Normal Day", 0.9, 5, 0.0),
        ("Fed Hawkish", 0.9, 5, 0.20),  # uniform: neither wing nor time scales it
        ("Fed Dovish", 1.2, 400, -0.10),
        ("Earnings Beat", 1.0, 7, -0.35),  # by_dte: as written
        ("Earnings Beat", 1.0, 8, -0.15),
        ("Earnings Beat", 0.8, 30, -0.15),
        ("Earnings Beat", 1.0, 31, -0.05),
        ("Market Panic", 0.95, 20, 0.60),  # by_wing: the number, scaled by time beta
        ("Market Panic", 1.00, 20, 0.35),
        ("Market Panic", 1.05, 20, 0.25),
        ("Market Panic", 0.975, 20, 0.475),
        ("Market Panic", 1.025, 20, 0.30),
        ("Market Panic", 0.90, 3, 0.60 * 1.5),
        ("Market Panic", 0.90, 60, 0.60 * 0.7),
        ("Market Panic", 0.90, 300, 0.60 * 0.5),
        ("Short Squeeze", 0.90, 20, -0.10),
        ("FOMO Rally", 1.00, 120, -0.025 * 0.5),
        ("Black Swan", 0.95, 3, 1.5 * 1.3 * 1.5),  # proportional: multiplier * both betas
        ("Black Swan", 1.00, 20, 1.5),
        ("Black Swan", 1.10, 60, 1.5 * 0.8 * 0.7),
        ("1 Day Pass", 1.0, 29, -0.01),
        ("1 Day Pass", 1.0, 30, 0.0),
        ("Weekend", 1.0, 7, -0.02),
        ("Weekend", 1.0, 8, 0.0),
        ("1 Week", 1.0, 3, 0.0),
    ],
)
def test_each_shape_by_hand(name, moneyness, dte, relative):
    assert calculate_iv_shift(0.2, moneyness, dte, name, 0.0) == pytest.approx(
        0.2 * (1 + relative), rel=1e-12
    )


@given(SIGMA, MONEYNESS, DTE, MOVE)
def test_a_normal_day_leaves_every_volatility_as_it_is(base, moneyness, dte, move):
    assert calculate_iv_shift(base, moneyness, dte, "Normal Day", move) == base


@given(SIGMA, MONEYNESS, DTE, NAME, MOVE)
def test_no_volatility_leaves_the_floor_and_the_cap_unless_it_was_outside(base, moneyness, dte, name, move):
    after = calculate_iv_shift(base, moneyness, dte, name, move)
    assert min(0.03, base) <= after <= max(5.0, base)


def test_the_floor_holds_what_would_fall_below():
    assert calculate_iv_shift(0.04, 1.0, 3, "Earnings Beat", 0.05) == 0.03


def test_the_cap_holds_what_would_rise_above():
    assert calculate_iv_shift(3.0, 0.9, 3, "Black Swan", -0.2) == 5.0


def test_a_base_below_the_floor_does_not_fall_and_may_rise():
    assert calculate_iv_shift(0.02, 1.0, 3, "Earnings Beat", 0.05) == 0.02
    assert calculate_iv_shift(0.02, 1.0, 3, "Fed Hawkish", -0.02) == pytest.approx(0.024)


def test_a_base_above_the_cap_does_not_rise_and_may_fall():
    assert calculate_iv_shift(6.0, 1.0, 3, "Fed Hawkish", -0.02) == 6.0
    assert calculate_iv_shift(6.0, 1.0, 3, "Fed Dovish", 0.015) == pytest.approx(5.4)


def test_floor_and_cap_come_from_the_settings():
    tight = ScenarioSettings(iv_floor=0.15, iv_cap=1.1)
    assert calculate_iv_shift(0.16, 1.0, 3, "Earnings Beat", 0.05, tight) == 0.15
    assert calculate_iv_shift(1.0, 1.0, 3, "Black Swan", -0.2, tight) == 1.1


def test_what_a_bound_holds_is_told():
    base, wanted = np.array([0.2, 0.04, 3.0, 0.02, math.nan]), np.array([0.3, 0.01, 9.0, 0.02, math.nan])
    _, held = hold(base, wanted, PLAIN)
    assert held.tolist() == [False, True, True, False, False]


def test_nan_stays_nan():
    assert math.isnan(calculate_iv_shift(math.nan, 1.0, 3, "Black Swan", -0.2))


CRASH = ScenarioSettings(crash_put_extra=0.4)


def test_the_put_wing_gets_no_extra_by_default():
    assert calculate_iv_shift(0.2, 0.9, 20, "Flash Crash", -0.5) == pytest.approx(0.4)


def test_the_put_wing_gets_its_extra_where_spot_falls_by_more_than_the_crash_move():
    assert calculate_iv_shift(0.2, 0.9, 20, "Fed Hawkish", -0.051, CRASH) == pytest.approx(0.2 * 1.6)


@pytest.mark.parametrize("move", [-0.05, 0.0, 0.2])
def test_a_fall_of_the_crash_move_itself_or_less_gives_no_extra(move):
    assert calculate_iv_shift(0.2, 0.9, 20, "Fed Hawkish", move, CRASH) == pytest.approx(0.2 * 1.2)


@pytest.mark.parametrize(("moneyness", "extra"), [(0.975, 0.2), (1.0, 0.0), (1.1, 0.0)])
def test_the_extra_fades_towards_the_money_and_never_reaches_the_calls(moneyness, extra):
    after = calculate_iv_shift(0.2, moneyness, 20, "Fed Hawkish", -0.1, CRASH)
    assert after == pytest.approx(0.2 * (1.2 + extra))


def test_the_crash_move_comes_from_the_settings():
    settings = ScenarioSettings(crash_put_extra=0.4, crash_move=0.2)
    assert calculate_iv_shift(0.2, 0.9, 20, "Fed Hawkish", -0.1, settings) == pytest.approx(0.2 * 1.2)


def test_a_template_is_found_in_any_case():
    assert calculate_iv_shift(0.2, 1.0, 20, " black SWAN ", -0.2) == calculate_iv_shift(
        0.2, 1.0, 20, "Black Swan", -0.2
    )


def test_an_unknown_template_is_refused_with_the_nearest():
    with pytest.raises(RequestError, match="Black Swan"):
        calculate_iv_shift(0.2, 1.0, 20, "Blak Swan", -0.2)


# The door


FLAT = ScenarioSettings(default_iv_model="flat")


@pytest.mark.parametrize(
    ("name", "relative"),
    [
        ("Normal Day", 0.0),
        ("Fed Hawkish", 0.20),
        ("Market Panic", 0.35),  # the money's number
        ("Flash Crash", 0.50),
        ("Black Swan", 1.50),  # the multiplier alone
        ("FOMO Rally", -0.025),
    ],
)
@given(moneyness=MONEYNESS, dte=DTE)
def test_the_flat_model_knows_neither_wing_nor_time(name, relative, moneyness, dte):
    after = calculate_iv_shift(0.2, moneyness, dte, name, -0.1, FLAT)
    assert after == pytest.approx(0.2 * (1 + relative), rel=1e-12)


@given(MONEYNESS, DTE, st.sampled_from(["Earnings Beat", "Earnings Inline", "1 Day Pass", "Weekend"]))
def test_what_is_stated_by_days_to_expiry_is_the_same_in_both_models(moneyness, dte, name):
    both = [calculate_iv_shift(0.2, moneyness, dte, name, 0.05, chosen) for chosen in (PLAIN, FLAT)]
    assert both[0] == both[1]


def test_the_flat_model_has_no_put_wing_to_give_an_extra_to():
    flat = FLAT.model_copy(update={"crash_put_extra": 0.4})
    assert calculate_iv_shift(0.2, 0.9, 20, "Flash Crash", -0.5, flat) == pytest.approx(0.3)


def test_both_models_agree_at_the_money_of_a_month():
    for scenario in TEMPLATES:
        both = [calculate_iv_shift(0.2, 1.0, 30, scenario.name, 0.0, chosen) for chosen in (PLAIN, FLAT)]
        assert both[0] == pytest.approx(both[1], rel=1e-12)


def test_every_model_of_the_door_may_be_configured():
    assert [iv_model(ScenarioSettings(default_iv_model=name)) for name in MODELS] == list(MODELS.values())


class WholeSurface:
    """A model of the third kind: it looks at the surface and at where each spot goes, and sets a level by tenor."""

    def sigma(self, base, shock, settings):
        rows = zip(
            base.underlying, base.tau, np.log(base.moneyness / shock.spot_ratio), base.sigma, strict=True
        )
        slid = [
            base.surfaces[name].sigma(tau, k) if name in base.surfaces else sigma
            for name, tau, k, sigma in rows
        ]
        return np.array(slid, dtype=float) - shock.market_move * np.sqrt(30.0 / base.dte)

    def at_the_money(self, shape, tenor, market_move, settings):
        return -market_move * np.sqrt(30.0 / tenor)


def test_a_model_that_moves_whole_surfaces_needs_no_change_in_its_callers(monkeypatch):
    """Sticky moneyness: after a fall of 10 % the strike at 90 % is at the money and has the smile's sigma there, plus a level."""
    monkeypatch.setattr("engine.scenarios.iv_model.MODELS", {"beta_weighted": WholeSurface()})
    held = [option("SPX", 5760, "P", iv=0.30), option("SPX", 6400, "P", iv=0.20)]
    vix = holding("VIX", kind=Kind.FUTURE, expiry=VIX_DAY, mark=19.0)
    book = mark_book(snapshot([*held, vix]), SETTINGS)
    (outcome,) = run_scenarios(book, [Scenario("fall", (-0.1,), Uniform(0.0))], SETTINGS.scenarios)
    assert outcome.market.sigma[0] == pytest.approx(0.20 + 0.1 * math.sqrt(30 / 24))
    assert outcome.market.spot[2] == pytest.approx(19.0 * (1 + 0.1 * math.sqrt(30 / 52)))
