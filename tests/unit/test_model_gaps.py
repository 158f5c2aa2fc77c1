"""riskbot against the broker's model: which contracts differ, by how much money, and why that may be."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from bot.cards import WIDTH
from bot.model_table import model_frame, model_json, model_table
from bot.model_text import model_text
from engine.analysis import analyse
from engine.model import BrokerView, Dividend, IvSource, Underlying
from engine.risk import Cause, Figure, model_gaps
from tests.unit.books import AS_OF, FAR, MARKET, SETTINGS, WEEKLY, holding, option, snapshot

SAYS = ("iv", "delta", "gamma", "vega", "theta")


def agreeing(positions, market=MARKET, **facts):
    """A Snapshot in which the broker's model says what riskbot does."""
    of = snapshot(positions, market, **facts)
    rows = analyse(of, SETTINGS).positions
    said = [
        replace(one, broker=BrokerView(**{name: getattr(row, name) for name in SAYS})) if row.right else one
        for one, row in zip(of.positions, rows, strict=True)
    ]
    return replace(of, positions=tuple(said))


def but(of, id_, **changes):
    """The Snapshot with something else said of one contract: each change is added to what the broker says."""
    positions = []
    for one in of.positions:
        if one.id == id_:
            said = {name: getattr(one.broker, name) + more for name, more in changes.items()}
            one = replace(one, broker=replace(one.broker, **said))
        positions.append(one)
    return replace(of, positions=tuple(positions))


def gaps_of(of):
    return model_gaps(of, analyse(of, SETTINGS).positions)


SPY_PUT, SPY_CALL = "SPY 2026-08-21 640 P", "SPY 2026-08-21 640 C"
HELD = [
    holding("SPY", 10.0),
    option("SPY", 640, "P", -10.0, iv=0.16),
    option("SPY", 640, "C", 5.0, iv=0.16),
    option("AAA", 95, "P", 3.0, iv=0.35),
]


def test_a_broker_that_says_the_same_agrees_on_every_option():
    found = gaps_of(agreeing(HELD))
    assert (len(found.gaps), found.agreeing) == (3, 3)
    assert all(gap.cause is None for gap in found.gaps)
    assert found.without == ()
    assert max(map(abs, found.money.values())) < 1e-9


@pytest.mark.parametrize(
    ("figure", "change", "money"),
    [
        ("iv", 0.01, None),
        ("delta", 0.05, 0.05 * 6.40 * -1000),
        ("gamma", 0.01, 0.5 * 0.01 * 6.40**2 * -1000),
        ("vega", 0.10, 0.10 * -1000),
        ("theta", -0.10, 0.10 * 1000),
    ],
)
def test_a_gap_is_worth_what_it_means_for_the_position(figure, change, money):
    of = but(agreeing(HELD), SPY_PUT, **{figure: change})
    found = gaps_of(of)
    (gap,) = [one for one in found.gaps if not one.agrees]
    if money is None:
        money = 100 * change * analyse(of, SETTINGS).positions[1].vega * -1000
    assert (gap.id, gap.largest.figure) == (SPY_PUT, Figure(figure if figure != "iv" else "IV"))
    assert gap.largest.money == pytest.approx(money)
    assert found.money[gap.largest.figure] == pytest.approx(money)


def test_money_is_in_base_currency():
    held = [option("AAA", 95, "P", 3.0, iv=0.35, currency="EUR")]
    of = agreeing(held, fx={"EUR": 1.1})
    (gap,) = gaps_of(but(of, held[0].id, vega=0.1)).gaps
    assert gap.largest.money == pytest.approx(0.1 * 300 * 1.1)


def test_the_largest_gap_in_money_comes_first_and_what_agrees_last():
    of = but(but(agreeing(HELD), "AAA 2026-08-21 95 P", vega=0.2), SPY_PUT, vega=0.1)
    assert [gap.id for gap in gaps_of(of).gaps] == [SPY_PUT, "AAA 2026-08-21 95 P", SPY_CALL]


def test_options_the_broker_gave_nothing_for_are_named_and_stocks_are_not_asked():
    of = agreeing(HELD)
    of = replace(
        of,
        positions=(
            *of.positions,
            option("SPY", 700, "C", iv=0.1),
            option("SPY", 1, "C", expiry=date(2026, 7, 1)),
        ),
    )
    found = gaps_of(of)
    assert [(one.id, one.reason) for one in found.without] == [
        ("SPY 2026-08-21 700 C", "the broker's model has said nothing of it")
    ]


def test_an_option_without_a_value_here_is_named():
    market = MARKET | {"DARK": Underlying("DARK", MARKET["AAA"].kind, None)}
    held = option("DARK", 10, "C", broker=BrokerView(delta=0.5))
    (remark,) = gaps_of(snapshot([held], market)).without
    assert remark.reason == "it has no value here"


def test_absurd_figures_of_the_broker_are_gaps_and_no_failure():
    of = but(
        but(agreeing(HELD), SPY_PUT, vega=1e299, delta=-1e299),
        SPY_CALL,
        vega=1e299,
        delta=1e299,
        iv=float("nan"),
    )
    report = analyse(of, SETTINGS)
    found = model_gaps(of, report.positions)
    assert found.agreeing == 1
    assert "?" in model_text(report, found)
    json.loads(model_json(report, found))


# Causes


def cause_of(of, id_):
    return next((gap.cause, gap.detail) for gap in gaps_of(of).gaps if gap.id == id_)


def test_an_old_quote_is_the_first_suspect():
    held = [replace(option("SPY", 640, "P", iv=0.16), as_of=AS_OF - timedelta(minutes=9))]
    assert cause_of(but(agreeing(held), SPY_PUT, delta=0.1), SPY_PUT) == (
        Cause.STALE,
        "its quote here is 9 min old",
    )


def test_a_quote_at_another_spot_is_of_another_moment():
    held = [replace(option("SPY", 640, "P", iv=0.16), quote_spot=650.0)]
    cause, detail = cause_of(but(agreeing(held), SPY_PUT, delta=0.1), SPY_PUT)
    assert (cause, detail) == (Cause.STALE, "quoted at 650, the spot here is 640")


def test_deep_in_the_money_no_volatility_is_identified():
    held = [
        option("SPY", 300, "C", bid=340.5, ask=340.9, expiry=WEEKLY),
        option("SPY", 640, "P", iv=0.2, expiry=WEEKLY),
    ]
    of = agreeing(held)
    assert analyse(of, SETTINGS).positions[0].iv_source is not IvSource.MARK
    assert cause_of(but(of, held[0].id, delta=-0.1), held[0].id)[0] is Cause.DEEP


def test_a_volatility_that_differs_alone_is_the_mark_s():
    cause, detail = cause_of(but(agreeing(HELD), SPY_PUT, iv=0.02), SPY_PUT)
    assert (cause, detail) == (Cause.IV, "18.0 % there, 16.0 % here from given")


def test_call_and_put_that_differ_against_each_other_tell_the_forward():
    of = but(but(agreeing(HELD), SPY_PUT, iv=0.02), SPY_CALL, iv=-0.02)
    cause, detail = cause_of(of, SPY_PUT)
    assert cause is Cause.RATE and detail == "the broker's forward looks higher"
    of = but(but(agreeing(HELD), SPY_PUT, iv=-0.02), SPY_CALL, iv=0.02)
    assert cause_of(of, SPY_CALL)[1].endswith("lower")


def test_call_and_put_that_differ_together_tell_no_forward():
    of = but(but(agreeing(HELD), SPY_PUT, iv=0.02), SPY_CALL, iv=0.02)
    assert cause_of(of, SPY_PUT)[0] is Cause.IV


def test_an_ex_date_before_expiry_is_a_dividend():
    id_ = "AAA 2026-08-21 95 P"
    cause, detail = cause_of(but(agreeing(HELD), id_, delta=0.05), id_)
    assert (cause, detail) == (Cause.DIVIDEND, "ex 10 Aug before expiry; the broker's forward looks higher")
    assert cause_of(but(agreeing(HELD), id_, delta=-0.05), id_)[1].endswith("lower")


def test_a_dividend_that_went_ex_is_none():
    market = MARKET | {"AAA": replace(MARKET["AAA"], dividends=(Dividend(AS_OF.date(), 0.5),))}
    id_ = "AAA 2026-08-21 95 P"
    assert cause_of(but(agreeing(HELD, market), id_, vega=0.2), id_)[0] is Cause.MODEL


def test_a_long_expiry_without_a_dividend_is_a_rate():
    held = [option("SPY", 640, "P", iv=0.16, expiry=FAR)]
    assert cause_of(but(agreeing(held), held[0].id, vega=0.2), held[0].id) == (
        Cause.RATE,
        "171 days to expiry",
    )


def test_in_the_money_and_american_may_be_exercise_and_the_rest_is_unknown():
    held = [
        option("SPY", 700, "P", iv=0.16),
        option("SPY", 640, "P", iv=0.16),
        option("SPX", 6800, "P", iv=0.2),
    ]
    of = agreeing(held, MARKET | {"SPX": replace(MARKET["SPX"], dividend_yield=0.0)})
    for one, cause in zip(held, (Cause.EXERCISE, Cause.MODEL, Cause.MODEL), strict=True):
        assert cause_of(but(of, one.id, theta=-0.5), one.id)[0] is cause


# Words


def test_the_card_names_the_gap_the_figures_and_the_cause():
    of = but(agreeing(HELD), SPY_PUT, delta=0.05)
    report = analyse(of, SETTINGS)
    text = model_text(report, model_gaps(of, report.positions))
    assert "2 of 3 options agree" in text
    lines = text.split("<pre>")[1].split("</pre>")[0].split("\n")
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[2].split() == ["SPY", "21Aug", "640P", "-320"]
    assert lines[3].split()[0] == "delta" and lines[3].split()[-1] == "rate"
    assert "rate: another rate or carry (SPY 21Aug 640P: the broker&#x27;s forward looks higher)" in text


def test_a_card_without_anything_to_compare_says_so_and_names_why():
    of = snapshot([option("SPY", 640 + i, "P", iv=0.2) for i in range(5)])
    report = analyse(of, SETTINGS)
    text = model_text(report, model_gaps(of, report.positions))
    assert "nothing to compare" in text
    assert "! 5 not compared, the broker&#x27;s model has said nothing of it: SPY 21Aug 640P" in text
    assert "and 2 more" in text


def test_the_terminal_has_every_figure_and_the_json_too():
    of = but(agreeing(HELD), SPY_PUT, delta=0.05)
    report = analyse(of, SETTINGS)
    gaps = model_gaps(of, report.positions)
    text = model_table(report, gaps)
    assert "2 of 3 options agree" in text and "another rate or carry" in text
    frame = model_frame(gaps)
    assert len(frame) == 15 and frame["agrees"].sum() == 14
    document = json.loads(model_json(report, gaps))
    assert (document["options"], document["agreeing"], len(document["figures"])) == (3, 2, 15)
    assert document["money"]["delta"] == pytest.approx(-320.0)
