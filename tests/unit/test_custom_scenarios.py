"""Custom scenarios on a book: the laws that hold for any of them and for every template, and who moves by how much."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis import analyse
from engine.errors import RequestError
from engine.marks import mark_book
from engine.model import Kind, Underlying
from engine.scenarios import TEMPLATES, custom_scenario, for_symbol, run_scenarios, symbol_key
from engine.settings import EngineSettings, ScenarioSettings
from tests.unit.books import (
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

LAWS = settings(max_examples=60, deadline=None)
SYMBOLS = ("aaa", "bbb", "spy", "tqqq", "vxx", "spx", "vix")


def percents(lowest, highest):
    return st.integers(lowest * 10, highest * 10).map(lambda tenths: f"{tenths / 10:+g}%")


BUCKETS = st.sampled_from(["", " 0-7dte", " 8-30dte", " >30dte", " <=2dte"])
AMOUNTS = st.one_of(percents(-95, 300), st.integers(-60, 200).map(lambda points: f"{points:+d}p"))
WORDS = st.sampled_from(["iv", "puts", "money", "calls"])
IV_CLAUSES = st.builds(lambda word, amount, days: f"{word} {amount}{days}", WORDS, AMOUNTS, BUCKETS)
RULES = st.builds(
    lambda side, beyond, then: f"if spot {side} {beyond} {then}",
    st.sampled_from("<>"),
    percents(-20, 20),
    IV_CLAUSES,
)
WHOLE = st.sampled_from(["2d", "1w", "30d", "by beta", "by uniform", "by right", "scaled"])


@st.composite
def parts(draw, subject):
    """The clauses of one part: the subject, perhaps a move, IV clauses that may clash."""
    clauses = [subject] if subject else []
    if subject or draw(st.booleans()):
        clauses.append(draw(percents(-50, 50)))
    return clauses + draw(st.lists(IV_CLAUSES, max_size=3, unique_by=lambda clause: clause.split()[0]))


@st.composite
def customs(draw, whole=WHOLE, named=True):
    """A custom scenario as a list of parts, each a list of clauses."""
    symbols = draw(st.lists(st.sampled_from(SYMBOLS), max_size=3, unique=True)) if named else []
    said = [draw(parts(symbol)) for symbol in symbols]
    market = draw(st.sampled_from(["rest", "all", ""] if symbols else ["all"]))
    said += [draw(parts(market))] if market else []
    extra = draw(st.lists(st.one_of(RULES, whole), max_size=2, unique_by=lambda clause: clause.split()[0]))
    return [*said, *([clause] for clause in extra)]


def text_of(said):
    return ", ".join(" ".join(clauses) for clauses in said if clauses)


def scenario_of(said):
    """The scenario, None where the generated clauses contradict each other."""
    try:
        return custom_scenario("custom", text_of(said))
    except RequestError:
        return None


def outcome(of, scenario, chosen=SETTINGS.scenarios):
    snap = of if hasattr(of, "positions") else snapshot(of)
    text = custom_scenario("custom", scenario) if isinstance(scenario, str) else scenario
    (done,) = run_scenarios(mark_book(snap, EngineSettings(scenarios=chosen)), [text], chosen)
    return done


def pnl(position, text, chosen=SETTINGS.scenarios, market=MARKET):
    return float(outcome(snapshot([position], market), text, chosen).pnl[0])


# Laws


ZEROS = ["0%", "iv 0%", "iv 0p", "puts 0% money 0p calls 0%", "0d", "all 0% by beta", "spy 0% iv 0%, aaa 0%, rest 0%",
         "iv 0% scaled", "puts 0% by right", "spx 0%, vix 0% iv 0p", "-0% iv -0%", "0% if spot < -5% puts +20%"]  # fmt: skip


@LAWS
@given(books(), st.sampled_from(ZEROS))
def test_zero_shock_is_exactly_zero_to_the_bit(snap, text):
    done = outcome(snap, text)
    valued = mark_book(snap, SETTINGS).valued
    for known, x in zip(valued.tolist(), done.pnl.tolist(), strict=True):
        assert (x == 0.0 and math.copysign(1.0, x) == 1.0) if known else math.isnan(x)


@LAWS
@given(books(), customs(), st.integers(0, 2**32))
def test_the_order_of_clauses_does_not_matter(snap, said, seed):
    scenario = scenario_of(said)
    mixed, order = [list(clauses) for clauses in said], random.Random(seed)
    order.shuffle(mixed)
    for clauses in mixed:
        order.shuffle(clauses)
    again = scenario_of(mixed)
    assert again == scenario
    if scenario is not None:
        first, second = outcome(snap, scenario), outcome(snap, again)
        assert first.pnl.tobytes() == second.pnl.tobytes()
        assert first.market.sigma.tobytes() == second.market.sigma.tobytes()


@LAWS
@given(books(), st.sampled_from(SYMBOLS), st.data())
def test_a_scenario_on_one_symbol_leaves_the_others_at_exactly_zero(snap, symbol, data):
    clauses = [data.draw(parts(symbol)), [data.draw(st.one_of(RULES, WHOLE))], [data.draw(WHOLE)]]
    scenario = scenario_of(clauses)
    if scenario is None:
        return
    for position, x in zip(snap.positions, outcome(snap, scenario).pnl.tolist(), strict=True):
        if symbol_key(position.contract.underlying) != symbol.upper():
            assert math.isnan(x) or (x == 0.0 and math.copysign(1.0, x) == 1.0)


@LAWS
@given(books(), customs(), st.booleans())
def test_no_result_is_unknown_while_inputs_are_good_and_none_is_good_while_one_is_bad(snap, said, beta):
    scenario = scenario_of(said)
    if scenario is None:
        return
    chosen = ScenarioSettings(spot_model="beta" if beta else "uniform", crash_put_extra=0.3)
    done = outcome(snap, scenario, chosen)
    valued = mark_book(snap, EngineSettings(scenarios=chosen)).valued
    assert np.isfinite(done.pnl).tolist() == valued.tolist()


def _parity(scenario, iv, moneyness, expiry, symbol):
    expiry = VIX_DAY if symbol == "VIX" else expiry
    strike = round(MARKET[symbol].spot * moneyness, 1)
    pair = [option(symbol, strike, right, expiry=expiry, multiplier=1.0, iv=iv) for right in "CP"]
    book = mark_book(snapshot(pair), SETTINGS)
    (done,) = run_scenarios(book, [scenario], SETTINGS.scenarios)
    base, after = book.contracts, done.market
    years = 0.0 if after.still is not None and after.still[0] else scenario.days / 365.0
    tau, r = base.tau[0], base.rate[0]
    q = r if symbol == "VIX" else base.dividend_yield[0]

    def forward_less_strike(spot, t):
        return spot * math.exp(-q * max(t, 0.0)) - strike * math.exp(-r * max(t, 0.0))

    expected = forward_less_strike(after.spot[0], tau - years) - forward_less_strike(base.spot[0], tau)
    assert after.spot[0] == after.spot[1] and after.sigma[0] == after.sigma[1]
    assert done.pnl[0] - done.pnl[1] == pytest.approx(expected, abs=1e-8 * strike)


PARITY = (
    st.floats(0.05, 1.5),
    st.floats(0.7, 1.4),
    st.sampled_from([WEEKLY, MONTHLY, FAR]),
    st.sampled_from(["SPX", "VIX"]),
)


@LAWS
@given(customs(whole=st.sampled_from(["2d", "1w", "30d", "by beta", "scaled"])), *PARITY)
def test_european_put_call_parity_holds_in_custom_scenarios(said, iv, moneyness, expiry, symbol):
    scenario = scenario_of(said)
    if scenario is not None:
        _parity(scenario, iv, moneyness, expiry, symbol)


@pytest.mark.parametrize("scenario", [*TEMPLATES, for_symbol(TEMPLATES[2], "SPX")], ids=lambda one: one.name)
def test_european_put_call_parity_holds_in_every_template(scenario):
    for iv, moneyness, symbol in ((0.1, 0.9, "SPX"), (0.4, 1.1, "SPX"), (0.9, 1.2, "VIX")):
        _parity(scenario, iv, moneyness, MONTHLY, symbol)


@LAWS
@given(
    customs(named=False, whole=st.sampled_from(["2d", "by beta", "by right"])),
    st.sampled_from(["AAA", "BBB", "SPY", "SPX", "TQQQ"]),
    st.sampled_from("CP"),
    st.floats(0.7, 1.4),
    st.sampled_from([WEEKLY, MONTHLY, FAR]),
    st.floats(0.05, 1.5),
    st.integers(1, 200),
)
def test_the_p_and_l_of_a_long_equity_option_rises_with_iv(said, symbol, right, moneyness, expiry, iv, more):
    """Whatever else happens: where a rule that always holds adds volatility, the option is not worth less."""
    strike = round(MARKET[symbol].spot * moneyness, 1)
    held = option(symbol, strike, right, expiry=expiry, multiplier=1.0, iv=iv)
    less = scenario_of(said)
    greater = scenario_of([*said, [f"if spot < 50% iv +{more}p if spot > 49% iv +{more}p"]])
    if less is None or greater is None:
        return
    assert pnl(held, greater) >= pnl(held, less) - 1e-7 * MARKET[symbol].spot


@LAWS
@given(
    st.sampled_from(TEMPLATES),
    st.sampled_from(["AAA", "SPY", "SPX"]),
    st.sampled_from("CP"),
    st.floats(0.8, 1.25),
    st.sampled_from([MONTHLY, FAR]),
)
def test_in_every_template_a_long_option_gains_more_where_its_iv_is_higher_after(
    scenario, symbol, right, moneyness, expiry
):
    """The template beside itself with its IV shape put away: the sign of the difference is that of its own shift."""
    strike = round(MARKET[symbol].spot * moneyness, 1)
    snap = snapshot([option(symbol, strike, right, expiry=expiry, multiplier=1.0, iv=0.25)])
    flat = replace(scenario, name="flat", iv=TEMPLATES[0].iv, spot=scenario.spot[:1])
    with_iv, without = outcome(snap, replace(scenario, spot=scenario.spot[:1])), outcome(snap, flat)
    rises = with_iv.market.sigma[0] - without.market.sigma[0]
    gains = float(with_iv.pnl[0] - without.pnl[0])
    assert gains * np.sign(rises) >= -1e-7 * MARKET[symbol].spot


# Who moves


@pytest.mark.parametrize(
    ("held", "text", "expected"),
    [
        (holding("AAA"), "-5%", -5.0),
        (holding("AAA"), "aaa -15%, rest -3%", -15.0),
        (holding("BBB"), "aaa -15%, rest -3%", -1.5),
        (holding("BBB"), "aaa -15%", 0.0),
        (holding("TQQQ"), "-5%", -13.5),
        (holding("TQQQ"), "tqqq -5%", -4.5),  # what is named moves as written
        (holding("TQQQ"), "-5%, tqqq iv +10%", -13.5),  # no move said of it: it follows
        (holding("TQQQ"), "tqqq iv +10%", 0.0),
        (holding("AAA"), "-10% by beta", -15.0),
        (holding("AAA"), "aaa -10%, rest -3% by beta", -10.0),
        (holding("CL"), "-10%", 0.0),
        (holding("VXX"), "-10% iv +20%", 8.0),
        (holding("VXX"), "vxx +50%", 20.0),
        (holding("VXX"), "iv +9p", 40.0 * 0.09 / 0.18),  # points of what the VIX shows
        (holding("X", 10.0, Kind.BOND, underlying="AAA", mark=99.0), "aaa -10%", 0.0),
    ],
)
def test_who_moves_by_how_much(held, text, expected):
    assert pnl(held, text) == pytest.approx(expected)


def vix_future():
    return holding("VIX", kind=Kind.FUTURE, expiry=VIX_DAY, multiplier=1.0, mark=19.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-10%", 0.0),
        ("iv +20%", 3.8),
        ("iv +5p", 5.0),
        ("puts +40%", 0.0),  # it is the volatility at the money
        ("iv +20% scaled", 3.8 * 0.7),  # 22 days and 30: time beta 0.7
        ("iv +20% >60dte", 0.0),
        ("vix +50%", 9.5),
        ("spy -7% iv +20%", 0.0),
    ],
)
def test_a_volatility_future_follows_the_shift_at_the_money_unless_it_is_named(text, expected):
    assert pnl(vix_future(), text) == pytest.approx(expected)


def sigma(position, text, chosen=SETTINGS.scenarios):
    return float(outcome([position], text, chosen).market.sigma[0])


@pytest.mark.parametrize(
    ("strike", "right", "text", "expected"),
    [
        (640, "P", "iv +30%", 0.26),
        (640, "P", "iv +5p", 0.25),
        (600, "P", "puts +40% calls +10%", 0.28),
        (600, "C", "puts +40% calls +10%", 0.28),  # the wing is the strike's
        (600, "C", "puts +40% calls +10% by right", 0.22),
        (624, "P", "puts +40%", 0.2 * 1.2),  # half-way to the wing
        (640, "P", "puts +40%", 0.20),
        (640, "P", "puts +40%, by right", 0.28),
        (600, "P", "iv +10% puts +40%", 0.28),  # the particular beats the general
        (680, "P", "iv +10% puts +40%", 0.22),
        (640, "P", "iv +10% iv +50% 8-30dte", 0.30),
        (640, "P", "iv +10% iv +50% 0-7dte", 0.22),
        (640, "P", "iv -95%", 0.03),  # the floor
        (600, "P", "-8% if spot < -5% puts +20%", 0.24),
        (600, "P", "-5% if spot < -5% puts +20%", 0.20),  # not more than 5 %
        (600, "P", "spy -8% puts +10% if spot < -5% puts +20%", 0.26),
        (600, "P", "aaa -8% if spot < -5% puts +20%", 0.20),
        (640, "P", "-5%, spy iv +10%", 0.22),
        (640, "P", "iv +30%, spy -10%", 0.26),  # it takes from all what is not said of it
        (640, "P", "spy -10%, rest iv +30%", 0.20),
    ],
)  # fmt: skip
def test_what_volatility_becomes(strike, right, text, expected):
    assert sigma(option("SPY", strike, right, iv=0.2), text) == pytest.approx(expected)


def test_the_configured_crash_rule_counts_unless_the_scenario_has_its_own():
    chosen, put = ScenarioSettings(crash_put_extra=0.5), option("SPY", 600, "P", iv=0.2)
    assert sigma(put, "-8%", chosen) == pytest.approx(0.30)
    assert sigma(put, "-8% if spot < -5% puts +20%", chosen) == pytest.approx(0.24)


@pytest.mark.parametrize("expiry", [WEEKLY, MONTHLY, FAR])
@pytest.mark.parametrize("moneyness", [0.85, 0.97, 1.0, 1.03, 1.2])
def test_market_panic_can_be_said_in_words(expiry, moneyness):
    held = [
        option("SPX", 6400 * moneyness, "P", expiry=expiry, iv=0.2),
        vix_future(),
        holding("VXX"),
        holding("TQQQ"),
    ]
    said = outcome(held, "-5% puts +60% money +35% calls +25% scaled")
    np.testing.assert_allclose(said.pnl, outcome(held, TEMPLATES[4]).pnl, rtol=1e-12)


def test_what_does_not_move_does_not_age_either_and_keeps_its_greeks():
    held = [option("SPY", 640, "P", iv=0.2), option("AAA", 100, "C", iv=0.3)]
    texts = {"one": "spy -7% 2d", "both": "spy -7%, rest 0% 2d"}
    report = analyse(snapshot(held), EngineSettings(custom_scenarios=texts))
    one, both = report.scenarios[-2:]
    assert one.position_pnl[1] == 0.0 > both.position_pnl[1]
    assert one.position_pnl[0] == both.position_pnl[0]
    alone = analyse(snapshot(held[:1]), EngineSettings(custom_scenarios=texts)).scenarios[-2]
    assert one.greeks.vega == pytest.approx(alone.greeks.vega + report.by_underlying["AAA"].vega)


def test_it_says_whom_it_moves_who_is_not_held_and_whose_beta_is_assumed():
    market = {**MARKET, "NEW": Underlying("NEW", Kind.STOCK, 100.0)}
    held = [holding("AAA"), holding("NEW", kind=Kind.STOCK)]
    texts = {"a": "aaa -5% zzz +1%", "b": "-5% by beta", "c": "-5%", "d": "new -5%, rest -1% by beta"}
    report = analyse(snapshot(held, market), EngineSettings(custom_scenarios=texts))
    assert [result.note for result in report.scenarios[-4:]] == [
        "moves AAA, ZZZ alone; not held: ZZZ",
        "beta unknown, 1 assumed: NEW",
        None,
        None,
    ]


def test_share_classes_are_found_however_they_are_written():
    market = {"BRK B": Underlying("BRK B", Kind.STOCK, 500.0)}
    for text in ("brk.b -10%", "BRK-B -10%", "brk_b -10%"):
        assert pnl(holding("BRK B", kind=Kind.STOCK), text, market=market) == pytest.approx(-50.0)
