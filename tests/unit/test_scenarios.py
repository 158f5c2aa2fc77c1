"""Books shocked by scenarios: the laws that hold for every book, who moves with what (D4), legs (D5) and time (D6)."""

import math
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis import analyse
from engine.marks import SECONDS_A_YEAR, expiry_instant, mark_book
from engine.model import Exercise, Kind, Underlying
from engine.scenarios import TEMPLATES, Scenario, for_symbol, risk_matrix, run_scenarios, template
from engine.scenarios.shapes import Uniform
from engine.settings import SPOT_STEPS, EngineSettings, ScenarioSettings
from tests.unit.books import (
    AS_OF,
    FAR,
    MARKET,
    MONTHLY,
    SETTINGS,
    VIX_DAY,
    WEEKLY,
    books,
    holding,
    option,
    snapshot,
)

LAWS = settings(max_examples=25, deadline=None)
SLIDE = template("1 Week")


def outcomes(of, scenarios=TEMPLATES, chosen=SETTINGS.scenarios):
    """Outcome by scenario name, of a Snapshot or of positions in MARKET."""
    snap = of if hasattr(of, "positions") else snapshot(of)
    book = mark_book(snap, EngineSettings(scenarios=chosen))
    return {outcome.leg.scenario.name: outcome for outcome in run_scenarios(book, scenarios, chosen)}


def pnl(position, scenario, chosen=SETTINGS.scenarios, market=MARKET):
    """P&L of one position alone in one scenario."""
    (outcome,) = outcomes(snapshot([position], market), [scenario], chosen).values()
    return float(outcome.pnl[0])


def move(x, iv=0.0, days=0):
    return Scenario("what if", (x,), Uniform(iv), days)


# Laws


@LAWS
@given(books())
def test_a_normal_day_is_exactly_zero_for_every_position(snap):
    report = analyse(snap, SETTINGS)
    left_out = {remark.id for remark in report.quality.left_out}
    (normal,) = [result for result in report.scenarios if result.name == "Normal Day"]
    for id_, x in zip(report.ids, normal.position_pnl.tolist(), strict=True):
        assert math.isnan(x) if id_ in left_out else (x == 0.0 and math.copysign(1.0, x) == 1.0)


@LAWS
@given(books())
def test_the_new_value_is_the_value_and_the_p_and_l(snap):
    report = analyse(snap, SETTINGS)
    values = np.array([math.nan if p.value is None else p.value for p in report.positions])
    for result in report.scenarios:
        np.testing.assert_array_equal(result.position_value, values + result.position_pnl)
        if result.value is not None:
            assert result.value == report.value + result.pnl


@LAWS
@given(books())
def test_no_position_is_dropped_in_silence(snap):
    """What has no P&L is named in the scenario and has a reason in the report; what has one is in the sum."""
    report = analyse(snap, SETTINGS)
    reasons = {remark.id: remark.reason for remark in report.quality.left_out}
    for result in report.scenarios:
        unknown = {id_ for id_, x in zip(report.ids, result.position_pnl, strict=True) if math.isnan(x)}
        assert unknown == set(result.left_out) == set(reasons)
        known = [x for x in result.position_pnl.tolist() if not math.isnan(x)]
        if known:
            assert result.pnl == pytest.approx(math.fsum(known), abs=1e-6)
        else:
            assert result.pnl == (None if report.positions else 0.0)
    assert all(reasons.values())


@LAWS
@given(books(), st.sampled_from(["AAA", "SPY", "SPX", "VIX"]))
def test_a_scenario_of_one_symbol_leaves_the_others_at_zero(snap, symbol):
    done = outcomes(
        snap, [for_symbol(template("Earnings Miss"), symbol), replace(move(-0.3, 0.5), symbol=symbol)]
    )
    for outcome in done.values():
        for position, x in zip(snap.positions, outcome.pnl.tolist(), strict=True):
            if position.contract.underlying != symbol:
                assert math.isnan(x) or x == 0.0


@LAWS
@given(books(most=3))
def test_twice_the_holding_is_twice_the_p_and_l(snap):
    twice = replace(snap, positions=tuple(replace(p, quantity=2 * p.quantity) for p in snap.positions))
    for once, double in zip(outcomes(snap).values(), outcomes(twice).values(), strict=True):
        if once.leg == double.leg:
            np.testing.assert_array_equal(double.pnl, 2.0 * once.pnl)


@LAWS
@given(books(most=4), st.randoms(use_true_random=False))
def test_the_order_of_the_positions_does_not_matter(snap, random):
    order = list(range(len(snap.positions)))
    random.shuffle(order)
    mixed = replace(snap, positions=tuple(snap.positions[i] for i in order))
    for straight, shuffled in zip(outcomes(snap).values(), outcomes(mixed).values(), strict=True):
        np.testing.assert_allclose(shuffled.pnl, straight.pnl[order], rtol=1e-9, atol=1e-7)


@LAWS
@given(
    st.floats(0.05, 1.5),
    st.floats(0.7, 1.4),
    st.sampled_from([WEEKLY, MONTHLY, FAR]),
    st.sampled_from(["SPX", "VIX"]),
    st.sampled_from(TEMPLATES),
    st.sampled_from(["beta_weighted", "flat"]),
    st.sampled_from(["uniform", "beta"]),
)
def test_european_put_call_parity_holds_in_every_template_and_model(
    iv, moneyness, expiry, symbol, scenario, iv_model, spot_model
):
    expiry = VIX_DAY if symbol == "VIX" else expiry
    strike = round(MARKET[symbol].spot * moneyness, 1)
    pair = [option(symbol, strike, right, expiry=expiry, multiplier=1.0, iv=iv) for right in "CP"]
    book = mark_book(snapshot(pair), SETTINGS)
    chosen = ScenarioSettings(default_iv_model=iv_model, spot_model=spot_model, betas={"SPX": 0.9})
    (outcome,) = run_scenarios(book, [scenario], chosen)
    base, after, years = book.contracts, outcome.market, scenario.days / 365.0
    tau, r, q = base.tau[0], base.rate[0], base.dividend_yield[0]
    q = r if symbol == "VIX" else q

    def forward_less_strike(spot, t):
        return spot * math.exp(-q * max(t, 0.0)) - strike * math.exp(-r * max(t, 0.0))

    expected = forward_less_strike(after.spot[0], tau - years) - forward_less_strike(base.spot[0], tau)
    assert after.spot[0] == after.spot[1] and after.sigma[0] == after.sigma[1]
    assert outcome.pnl[0] - outcome.pnl[1] == pytest.approx(expected, abs=1e-8 * strike)


@LAWS
@given(st.lists(st.sampled_from(["spot", "nothing", "rate"]), min_size=1, max_size=3), st.integers(0, 3))
def test_what_can_t_be_valued_touches_no_other_position(holes, at):
    good = [option("SPY", 640, "P", iv=0.2), holding("AAA", 10), option("SPX", 6400, "C", iv=0.2)]
    bad = {
        "spot": lambda i: option("DARK", 10, "C", iv=0.3, id=f"d{i}"),
        "nothing": lambda i: holding("BOND", 1, Kind.BOND, id=f"b{i}"),
        "rate": lambda i: holding("AAA", 1, currency="JPY", id=f"j{i}"),
    }
    market = {**MARKET, "DARK": Underlying("DARK", Kind.STOCK, None)}
    mixed = good[:at] + [bad[hole](i) for i, hole in enumerate(holes)] + good[at:]
    alone, together = outcomes(snapshot(good, market)), outcomes(snapshot(mixed, market))
    for name, outcome in together.items():
        known = outcome.pnl[~np.isnan(outcome.pnl)]
        np.testing.assert_array_equal(known, alone[name].pnl)


# Who moves (D4)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("AAA", -5.0),
        ("SPY", -32.0),
        ("TQQQ", -13.5),  # three times -5 % of 90
        ("CL", 0.0),
    ],
)
def test_uniform_moves_stocks_and_funds_by_the_scenario_and_leveraged_ones_by_their_ratio(symbol, expected):
    assert pnl(holding(symbol), template("Market Panic")) == pytest.approx(expected)


def test_an_inverse_fund_moves_against_the_market():
    market = {"SQQQ": Underlying("SQQQ", Kind.ETF, 20.0)}
    assert pnl(holding("SQQQ", kind=Kind.ETF), move(-0.05), market=market) == pytest.approx(3.0)


def test_a_leveraged_fund_never_falls_below_nothing():
    assert -90.0 < pnl(holding("TQQQ"), move(-0.4)) == pytest.approx(-90.0, rel=1e-3)


def test_an_equity_future_moves_by_the_scenario():
    future = holding("ES", expiry=date(2026, 9, 18), multiplier=50.0, mark=6420.0, entry_price=6000.0)
    assert pnl(future, move(-0.05)) == pytest.approx(-0.05 * 6420 * 50)


@pytest.mark.parametrize("kind", [Kind.CASH, Kind.BOND, Kind.FUND, Kind.OTHER])
@pytest.mark.parametrize("underlying", [None, "AAA"])
def test_currencies_bonds_and_the_like_stay_even_beside_their_issuer_s_stock(kind, underlying):
    done = outcomes([holding("X", 10.0, kind, underlying=underlying, mark=99.0)])
    assert {float(outcome.pnl[0]) for outcome in done.values()} == {0.0}


def test_the_beta_model_moves_each_by_its_beta():
    beta = ScenarioSettings(spot_model="beta")
    assert pnl(holding("AAA"), move(-0.10), beta) == pytest.approx(-15.0)
    assert pnl(holding("BBB"), move(-0.10), beta) == pytest.approx(-2.5)


def test_the_beta_model_leaves_leveraged_funds_at_their_ratio():
    assert pnl(holding("TQQQ"), move(-0.10), ScenarioSettings(spot_model="beta")) == pytest.approx(-27.0)


def test_an_unknown_beta_counts_as_one_and_is_said():
    market = {"NEW": Underlying("NEW", Kind.STOCK, 100.0)}
    snap = snapshot([holding("NEW", kind=Kind.STOCK)], market)
    report = analyse(snap, EngineSettings(scenarios=ScenarioSettings(spot_model="beta")))
    assert report.scenarios[4].pnl == pytest.approx(-5.0)
    assert "beta unknown, 1 assumed: NEW (no daily closes)" in report.quality.notes


def test_the_reference_index_needs_no_beta():
    market = {"SPY": replace(MARKET["SPY"], beta=None)}
    report = analyse(
        snapshot([holding("SPY")], market), EngineSettings(scenarios=ScenarioSettings(spot_model="beta"))
    )
    assert not any("beta" in note for note in report.quality.notes)


def vix_future(**facts):
    return holding("VIX", kind=Kind.FUTURE, expiry=VIX_DAY, multiplier=1.0, mark=19.0, **facts)


def test_a_volatility_future_moves_with_the_iv_shift_at_its_own_tenor_never_with_the_market():
    """22 days to expiry + 30 = 52 days: time beta 0.7. Market Panic at the money +35 %, Black Swan +150 %."""
    assert pnl(vix_future(), move(-0.3, 0.0)) == 0.0
    assert pnl(vix_future(), move(0.0, 0.2)) == pytest.approx(3.8)
    assert pnl(vix_future(), template("Market Panic")) == pytest.approx(19.0 * 0.35 * 0.7)
    assert pnl(vix_future(), template("Black Swan")) == pytest.approx(19.0 * 1.5 * 0.7)


def test_a_volatility_future_is_held_by_floor_and_cap_and_says_so():
    (outcome,) = outcomes([replace(vix_future(), mark=19.0)], [move(0.0, -0.99)]).values()
    assert outcome.market.spot[0] == pytest.approx(3.0)
    assert outcome.market.held.tolist() == [True]


def test_volatility_options_are_priced_on_their_forward_with_their_sigma_unshifted():
    call = option("VIX", 20, "C", expiry=VIX_DAY, iv=0.9, multiplier=1.0)
    (outcome,) = outcomes([call], [template("Market Panic")]).values()
    assert outcome.market.spot[0] == pytest.approx(19.0 * (1 + 0.35 * 0.7))
    assert outcome.market.sigma[0] == 0.9


def test_volatility_options_do_not_see_the_market_move():
    assert pnl(option("VIX", 20, "C", expiry=VIX_DAY, iv=0.9), move(-0.3)) == 0.0


def test_volatility_funds_follow_a_thirty_day_forward_times_their_ratio():
    """A 30-day forward's own tenor is 60 days: time beta 0.7."""
    shift = 0.35 * 0.7
    assert pnl(holding("VXX"), template("Market Panic")) == pytest.approx(40.0 * shift)
    market = {name: Underlying(name, Kind.ETF, 40.0) for name in ("UVXY", "SVXY")}
    assert pnl(holding("UVXY", kind=Kind.ETF), template("Market Panic"), market=market) == pytest.approx(
        60 * shift
    )
    assert pnl(holding("SVXY", kind=Kind.ETF), template("Market Panic"), market=market) == pytest.approx(
        -20 * shift
    )


def test_index_options_move_with_the_market_and_their_own_wing():
    (outcome,) = outcomes([option("SPX", 0.9 * 6400, "P", iv=0.2)], [template("Market Panic")]).values()
    assert outcome.market.spot[0] == pytest.approx(0.95 * 6400)
    assert outcome.market.sigma[0] == pytest.approx(0.2 * 1.6)


def test_the_wing_is_the_base_market_s_while_spot_moves():
    """A strike at the money stays at the money, however far spot falls."""
    (outcome,) = outcomes([option("SPY", 640, "P", iv=0.2)], [template("Black Swan")]).values()
    assert outcome.market.sigma[0] == pytest.approx(0.2 * 2.5)


def test_put_and_call_of_a_strike_get_one_shift():
    pair = [option("AAA", 90, right, iv=0.3) for right in "CP"]
    for outcome in outcomes(pair).values():
        assert outcome.market.sigma[0] == outcome.market.sigma[1]


def test_earnings_without_a_symbol_move_single_stocks_only():
    held = [holding("AAA"), holding("SPY"), option("SPX", 6400, "C", iv=0.2), vix_future(), holding("TQQQ")]
    done = outcomes(held)["Earnings Miss"]
    assert done.pnl[0] == pytest.approx(-8.0)
    assert done.pnl[1:].tolist() == [0.0, 0.0, 0.0, 0.0]


# Two-sided scenarios (D5)


@pytest.mark.parametrize(("quantity", "leg"), [(10.0, "-0.5 %"), (-10.0, "+0.5 %")])
def test_a_two_sided_scenario_reports_its_worse_leg(quantity, leg):
    report = analyse(snapshot([holding("SPY", quantity)], net_liquidation=1e5), SETTINGS)
    (neutral,) = [result for result in report.scenarios if result.name == "Fed Neutral"]
    assert neutral.leg == leg
    assert neutral.pnl == pytest.approx(-32.0)


def test_a_two_sided_scenario_judges_the_portfolio_not_the_position():
    report = analyse(snapshot([holding("SPY", 10.0), holding("AAA", -100.0)]), SETTINGS)
    (neutral,) = [result for result in report.scenarios if result.name == "Fed Neutral"]
    assert neutral.leg == "+0.5 %" and neutral.pnl == pytest.approx(32.0 - 50.0)


def test_a_one_sided_scenario_names_no_leg():
    report = analyse(snapshot([holding("SPY")]), SETTINGS)
    assert [result.name for result in report.scenarios if result.leg] == ["Earnings Inline", "Fed Neutral"]


# Time (D6)


@pytest.mark.parametrize(("right", "worth"), [("C", 0.0), ("P", 10.0)])
@pytest.mark.parametrize("symbol", ["AAA", "SPX"])
def test_what_expires_inside_the_horizon_is_worth_its_intrinsic_value_at_the_shocked_spot(
    symbol, right, worth
):
    spot = MARKET[symbol].spot
    after_spot = 0.9 * spot
    held = option(symbol, after_spot + 10.0, right, expiry=WEEKLY, multiplier=1.0, iv=0.3, mark=20.0)
    book = mark_book(snapshot([held]), SETTINGS)
    (outcome,) = run_scenarios(book, [move(-0.1, 0.5, days=7)], SETTINGS.scenarios)
    assert book.base[0] + outcome.pnl[0] == pytest.approx(worth, abs=1e-9)


def test_a_day_shortens_tau_by_a_day():
    held = option("SPX", 6400, "C", iv=0.2, multiplier=1.0)
    tomorrow = replace(snapshot([held]), as_of=AS_OF + timedelta(days=1))
    now, then = mark_book(snapshot([held]), SETTINGS), mark_book(tomorrow, SETTINGS)
    (outcome,) = run_scenarios(now, [move(0.0, 0.0, days=1)], SETTINGS.scenarios)
    assert outcome.pnl[0] == pytest.approx(then.base[0] - now.base[0], rel=1e-9)


def term_structure(near, far, symbol="SPX"):
    return [
        option(symbol, MARKET[symbol].spot, "C", expiry=day, iv=iv)
        for day, iv in ((MONTHLY, near), (FAR, far))
    ]


def years_to(day):
    return (
        expiry_instant(option("SPX", 1, "C", expiry=day).contract) - AS_OF
    ).total_seconds() / SECONDS_A_YEAR


def test_a_week_slides_along_the_term_structure_in_total_variance():
    near, far, week = years_to(MONTHLY), years_to(FAR), 7 / 365
    (outcome,) = outcomes(term_structure(0.30, 0.20), [SLIDE]).values()
    part = (far - week - near) / (far - near)
    variance = (1 - part) * 0.30**2 * near + part * 0.20**2 * far
    assert outcome.market.sigma[1] == pytest.approx(math.sqrt(variance / (far - week)), rel=1e-12)
    assert outcome.market.sigma[0] == 0.30  # before the first expiry the curve is flat


def test_a_week_leaves_sigma_where_only_one_expiry_is_known():
    wings = [option("SPX", strike, "C", expiry=FAR, iv=0.2 + strike / 1e5) for strike in (6000, 6400, 6800)]
    (outcome,) = outcomes(wings, [SLIDE]).values()
    assert outcome.market.sigma.tolist() == [p.iv for p in wings]


def test_each_underlying_slides_on_its_own_term_structure():
    held = [*term_structure(0.30, 0.20), option("SPY", 640, "C", expiry=FAR, iv=0.2)]
    (outcome,) = outcomes(held, [SLIDE]).values()
    assert outcome.market.sigma[1] > 0.20 and outcome.market.sigma[2] == 0.20


def test_a_slide_takes_the_smile_along():
    held = [*term_structure(0.30, 0.20), option("SPX", 5760, "P", expiry=FAR, iv=0.28)]
    (outcome,) = outcomes(held, [SLIDE]).values()
    assert outcome.market.sigma[2] / 0.28 == pytest.approx(outcome.market.sigma[1] / 0.20)


def test_an_option_that_dies_within_the_week_does_not_spoil_the_slide():
    held = [*term_structure(0.30, 0.20), option("SPX", 6400, "C", expiry=WEEKLY, iv=0.4)]
    (outcome,) = outcomes(held, [SLIDE]).values()
    assert np.isfinite(outcome.pnl).all()


# Floor, cap and matrix


def test_options_that_the_floor_or_the_cap_held_are_named():
    held = [
        option("AAA", 100, "C", iv=0.04, expiry=WEEKLY, id="low"),
        option("AAA", 90, "P", iv=0.3, id="fine"),
    ]
    report = analyse(snapshot(held), SETTINGS)
    beat = report.scenarios[1]
    assert beat.name == "Earnings Beat" and beat.held == ("low",)
    assert beat.position_iv.tolist() == [0.03, pytest.approx(0.3 * 0.85)]


def test_the_matrix_is_exactly_zero_where_nothing_moves():
    matrix = risk_matrix(mark_book(snapshot([option("AAA", 100, "P", iv=0.3)]), SETTINGS), SETTINGS.scenarios)
    assert matrix.pnl[matrix.spot.index(0.0), matrix.iv.index(0.0)] == 0.0


def test_the_matrix_goes_from_minus_20_to_20_percent_by_minus_50_to_100_percent():
    matrix = risk_matrix(mark_book(snapshot([]), SETTINGS), SETTINGS.scenarios)
    assert (matrix.spot[0], matrix.spot[-1], matrix.iv[0], matrix.iv[-1]) == (-0.20, 0.20, -0.50, 1.00)
    assert matrix.pnl.shape == (len(matrix.spot), len(matrix.iv)) and not matrix.pnl.any()


def test_a_cell_of_the_matrix_is_the_uniform_scenario_of_its_moves():
    held = [option("SPX", 6300, "P", -1.0, iv=0.2), holding("AAA", 5.0), vix_future()]
    book = mark_book(snapshot(held), SETTINGS)
    matrix = risk_matrix(book, SETTINGS.scenarios)
    (outcome,) = run_scenarios(book, [move(-0.15, 0.5)], SETTINGS.scenarios)
    assert matrix.pnl[1, matrix.iv.index(0.5)] == pytest.approx(outcome.pnl.sum())


def test_the_matrix_of_a_symbol_has_its_positions_alone():
    book = mark_book(snapshot([holding("AAA", 10.0), holding("SPY", 10.0)]), SETTINGS)
    matrix = risk_matrix(book, SETTINGS.scenarios, "AAA")
    np.testing.assert_allclose(matrix.pnl[:, 0], [1000.0 * step for step in SPOT_STEPS], atol=1e-9)


def test_the_matrix_of_a_book_that_can_t_be_valued_is_unknown_not_zero():
    market = {"DARK": Underlying("DARK", Kind.STOCK, None)}
    matrix = risk_matrix(
        mark_book(snapshot([holding("DARK", kind=Kind.STOCK)], market), SETTINGS), SETTINGS.scenarios
    )
    assert np.isnan(matrix.pnl).all()


def test_a_currency_s_rate_scales_the_p_and_l():
    euro = holding("AAA", currency="EUR")
    assert outcomes(snapshot([euro], fx={"EUR": 1.1}))["Market Panic"].pnl[0] == pytest.approx(-5.5)


def test_a_forward_moves_with_spot():
    """The carry between spot and forward stays: what the forward gives is the yield, not a price that stands still."""
    market = {"SPX": replace(MARKET["SPX"], forwards=MappingProxyType({FAR: 6500.0}))}
    deep = option("SPX", 1, "C", expiry=FAR, iv=0.2, multiplier=1.0, exercise=Exercise.EUROPEAN)
    (outcome,) = outcomes(snapshot([deep], market), [move(0.10)]).values()
    discount = math.exp(-0.05 * years_to(FAR))
    assert outcome.pnl[0] == pytest.approx(650.0 * discount, rel=1e-9)
