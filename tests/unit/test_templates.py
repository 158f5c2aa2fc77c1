"""The standard scenarios: the sixteen rows and their numbers, how one is asked for, and earnings by symbol."""

import pytest

from engine.errors import RequestError
from engine.scenarios import TEMPLATES, Scope, find, for_symbol, standard_set, template
from engine.scenarios.shapes import ByDte, ByWing, Proportional, TermSlide, Uniform

TABLE = [
    ("Normal Day", (0.0,), 0, Uniform(0.0)),
    ("Earnings Beat", (0.05,), 0, ByDte(((7, -0.35), (30, -0.15)), -0.05)),
    ("Earnings Miss", (-0.08,), 0, ByDte(((7, -0.30), (30, -0.10)), 0.0)),
    ("Earnings Inline", (0.01, -0.01), 0, ByDte(((7, -0.40), (30, -0.20)), -0.05)),
    ("Market Panic", (-0.05,), 0, ByWing(0.60, 0.35, 0.25)),
    ("Flash Crash", (-0.08,), 0, ByWing(1.00, 0.50, 0.30)),
    ("Black Swan", (-0.20,), 0, Proportional(1.50)),
    ("Fed Hawkish", (-0.02,), 0, Uniform(0.20)),
    ("Fed Dovish", (0.015,), 0, Uniform(-0.10)),
    ("Fed Neutral", (0.005, -0.005), 0, Uniform(-0.05)),
    ("Short Squeeze", (0.10,), 0, ByWing(-0.10, 0.10, 0.30)),
    ("FOMO Rally", (0.05,), 0, ByWing(-0.20, -0.025, 0.15)),
    ("Relief Rally", (0.03,), 0, Uniform(-0.15)),
    ("1 Day Pass", (0.0,), 1, ByDte(((29, -0.01),), 0.0)),
    ("Weekend", (0.0,), 3, ByDte(((7, -0.02),), 0.0)),
    ("1 Week", (0.0,), 7, TermSlide()),
]
NAMES = tuple(name for name, *_ in TABLE)


def test_there_are_sixteen_templates_with_these_names_and_numbers():
    assert [(row.name, row.spot, row.days, row.iv) for row in TEMPLATES] == TABLE


def test_only_earnings_move_single_stocks():
    alone = {row.name for row in TEMPLATES if row.scope is Scope.SINGLE_STOCKS}
    assert alone == {"Earnings Beat", "Earnings Miss", "Earnings Inline"}


def test_an_exact_name_wins_over_longer_ones():
    assert find("earnings beat", ("Earnings Beat TSLA", "Earnings Beat")) == ["Earnings Beat"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Black Swan", ["Black Swan"]),
        ("  bLaCk   swan ", ["Black Swan"]),
        ("panic", ["Market Panic"]),  # a later word
        ("flash", ["Flash Crash"]),
        ("fed", ["Fed Hawkish", "Fed Dovish", "Fed Neutral"]),
        ("earn", ["Earnings Beat", "Earnings Miss", "Earnings Inline"]),
        ("rally", ["FOMO Rally", "Relief Rally"]),
        ("week", ["Weekend", "1 Week"]),  # the start of the name before the start of a word
        ("1", ["1 Day Pass", "1 Week"]),
        ("quee", ["Short Squeeze"]),  # anywhere, when nothing starts with it
    ],
)
def test_a_part_of_the_name_is_enough(text, names):
    assert find(text, NAMES) == names


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("panik", "Market Panic"),
        ("blak swan", "Black Swan"),
        ("hawkisch", "Fed Hawkish"),
        ("wekend", "Weekend"),
        ("sqeeze", "Short Squeeze"),
    ],
)
def test_an_unknown_name_suggests_the_nearest_with_an_example_that_works(text, nearest):
    with pytest.raises(RequestError) as caught:
        find(text, NAMES)
    message = str(caught.value)
    assert f"Nearest: {nearest}." in message and "\n" not in message
    assert find(message.rpartition("/scenario ")[2], NAMES) == [nearest]


@pytest.mark.parametrize("text", ["xyzzy", "💥" * 500, "<b>", "a" * 4000, "%s{}"])
def test_nonsense_gets_a_short_line_with_an_example_that_works(text):
    with pytest.raises(RequestError) as caught:
        find(text, NAMES)
    assert len(str(caught.value)) < 200
    find(str(caught.value).rpartition("/scenario ")[2], NAMES)


def test_a_name_with_line_breaks_makes_one_line():
    with pytest.raises(RequestError) as caught:
        find("no\nsuch", NAMES)
    assert "\n" not in str(caught.value)


def test_a_template_by_its_exact_name_only():
    assert template("market panic").spot == (-0.05,)
    with pytest.raises(RequestError, match="Market Panic"):
        template("panic")


def test_an_earnings_run_is_named_after_its_symbol():
    run = for_symbol(template("Earnings Beat"), "TSLA")
    assert (run.name, run.symbol, run.spot) == ("Earnings Beat TSLA", "TSLA", (0.05,))
    assert run.note == "moves TSLA alone"


def test_earnings_without_a_symbol_say_that_they_move_all_stocks():
    assert template("Earnings Beat").note == "moves all single stocks at once"
    assert template("Market Panic").note is None


def test_the_standard_set_is_the_table_when_nobody_reports():
    assert standard_set(()) == TEMPLATES


def test_the_standard_set_has_one_earnings_run_for_each_reporting_symbol():
    names = [row.name for row in standard_set(("TSLA", "AAPL"))]
    assert names[:7] == [
        "Normal Day",
        "Earnings Beat TSLA",
        "Earnings Beat AAPL",
        "Earnings Miss TSLA",
        "Earnings Miss AAPL",
        "Earnings Inline TSLA",
        "Earnings Inline AAPL",
    ]
    assert len(names) == 13 + 6
