"""The grammar of /whatif: what each word means, that order does not matter, and that nothing but a RequestError comes out."""

import os
import random
import re
import time
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.scenarios import EXAMPLE, LONGEST_TEXT, scenario_name
from engine.scenarios.clauses import Custom, IvClause, Part, Rule, Wing
from engine.scenarios.grammar import RESERVED, GrammarError, parse

GENERATED = int(os.environ.get("RISKBOT_GRAMMAR_INPUTS", "20000"))
SLOWEST_S = 0.050


def iv(*clauses):
    return tuple(clauses)


ALL_UP = IvClause(Wing.ALL, 0.30)
PUTS, CALLS = IvClause(Wing.PUTS, 0.40), IvClause(Wing.CALLS, 0.10)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (EXAMPLE, Custom((("SPY", Part(-0.07, (CALLS, PUTS))),), days=2)),
        ("tsla -15%, rest -3%", Custom((("TSLA", Part(-0.15)),), Part(-0.03))),
        ("-5%, tsla -15%", Custom((("TSLA", Part(-0.15)),), Part(-0.05), inherits=True)),
        ("market -5%", Custom(rest=Part(-0.05), inherits=True)),
        ("spx -1.5% iv +10%", Custom((("SPX", Part(-0.015, (IvClause(Wing.ALL, 0.10),))),))),
        ("iv +5p", Custom(rest=Part(None, (IvClause(Wing.ALL, points=0.05),)), inherits=True)),
        ("iv 30%", Custom(rest=Part(None, (ALL_UP,)), inherits=True)),
        ("tsla nvda +2%", Custom((("NVDA", Part(0.02)), ("TSLA", Part(0.02))))),
        ("tsla +2% nvda -3%", Custom((("NVDA", Part(-0.03)), ("TSLA", Part(0.02))))),
        ("2d", Custom(rest=Part(), days=2)),
        ("1 week", Custom(rest=Part(), days=7)),
        ("-5% by beta", Custom(rest=Part(-0.05), inherits=True, spot_model="beta")),
        ("-5% spot_model: uniform", Custom(rest=Part(-0.05), inherits=True, spot_model="uniform")),
        ("puts +40% by: right", Custom(rest=Part(None, (PUTS,)), inherits=True, by_right=True)),
        ("puts +40% scaled", Custom(rest=Part(None, (PUTS,)), inherits=True, scaled=True)),
        (
            "iv -35% 0-7dte iv -15% 8 - 30dte",
            Custom(
                rest=Part(
                    None, (IvClause(Wing.ALL, -0.35, dte=(0, 7)), IvClause(Wing.ALL, -0.15, dte=(8, 30)))
                ),
                inherits=True,
            ),
        ),
        ("iv <=7dte -35%", Custom(rest=Part(None, (IvClause(Wing.ALL, -0.35, dte=(0, 7)),)), inherits=True)),
        (
            "iv -5% >90dte",
            Custom(rest=Part(None, (IvClause(Wing.ALL, -0.05, dte=(91, 9999)),)), inherits=True),
        ),
        (
            "-8% if spot < -5% puts +40%",
            Custom(rest=Part(-0.08), inherits=True, rules=(Rule(True, -0.05, PUTS),)),
        ),
        ("$all -5%", Custom((("ALL", Part(-0.05)),))),
        ("BRK.B −5 %", Custom((("BRK B", Part(-0.05)),))),
        ("SPY=-7% PUTS:+40% and calls +10%, 2D", Custom((("SPY", Part(-0.07, (CALLS, PUTS))),), days=2)),
    ],
)
def test_what_the_words_mean(text, meant):
    assert parse(text) == meant


@pytest.mark.parametrize(
    "clauses",
    [
        ["spy", "-7%", "puts +40%", "2d"],
        ["-8%", "iv +10%", "calls +5p 0-7dte", "if spot < -5% puts +20%"],
        ["tsla", "iv -35% 0-7dte", "iv -15% 8-30dte", "by right"],
    ],
)
def test_within_a_part_the_order_does_not_matter(clauses):
    assert len({parse(" ".join(order)) for order in permutations(clauses)}) == 1


def test_the_order_of_parts_does_not_matter():
    parts = ["tsla -15% iv +30%", "nvda -10%", "rest -3%", "2d by beta"]
    assert len({parse(", ".join(order)) for order in permutations(parts)}) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Say what happens"),
        ("spy -7% puts", "at the end of 'spy -7% puts': 'puts' needs a percentage or vol points"),
        ("spy -60%", "at '-60%' after 'spy': spot moves from -50% to +50%"),
        ("spy -7", "at '-7' after 'spy': a number needs its unit"),
        ("spy -7% 💥", "at '💥' after 'spy -7%': no word, number or comma"),
        ("tsla", "say what happens to tsla"),
        ("tsla -15% rest -3% iv +5%", "put a comma between them"),
        ("tsla -1%, tsla -2%", "TSLA moves twice"),
        ("-5%, rest -3%", "either all move or the rest does"),
        ("iv +5% iv +6%", "iv is said twice"),
        ("iv +5% 0-7dte iv +6% 5-9dte", "iv is said twice for some of these days"),
        ("iv +600%", "volatility moves from -95% to +500%"),
        ("iv +400p", "volatility moves from -100p to +300p"),
        ("iv +5% 9-3dte", "no day to expiry is in there"),
        ("0-7dte iv +5%", "days to expiry follow what they are for"),
        ("5p", "vol points follow iv, puts, money or calls"),
        ("400d", "whole days, up to 365"),
        ("1.5d", "whole days"),
        ("1d 2d", "1 days are said already"),
        ("money +5% by right", "by right there is no money"),
        ("by beta by uniform", "'beta' is said already"),
        ("by", "expected right, wing, beta or uniform"),
        ("if spot -5% puts +20%", "a rule starts with"),
        ("if spot < -5%", "a rule ends with what volatility does more"),
        ("> -5%", "a comparison belongs to a rule"),
        ("dte -5%", "a symbol of that name is $dte"),
        ("a" * (LONGEST_TEXT + 1), f"at most {LONGEST_TEXT} characters"),
    ],
)
def test_where_it_stopped_why_and_an_example_that_works(text, words):
    with pytest.raises(RequestError) as caught:
        parse(text, "/whatif ")
    message = str(caught.value)
    assert words in message and "\n" not in message
    parse(message.rpartition("Try: /whatif ")[2])


def documented():
    """Every example of docs/scenarios.md: the second column of its table, the lines of its blocks, its inline code."""
    page = (
        (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text().partition("## Writing your own")[2]
    )
    rows = [line.split(" | ")[1] for line in page.splitlines() if line.startswith("| ") and "`" in line]
    shown = [
        r"/whatif (.+?)(?:  |$)",
        r"/scenario save crash2 (.+?)(?:  |$)",
        r'--whatif "(.+?)"',
        r"^      \w+: (.+)$",
        r"`((?:-5% puts|spy|tqqq|vix) [^`]+)`",
    ]
    found = [text for row in rows for text in re.findall("`([^`]+)`", row)]
    return found + [text for pattern in shown for text in re.findall(pattern, page, re.MULTILINE)]


def test_every_example_of_the_documentation_works():
    examples = documented()
    assert len(examples) > 25
    for text in examples:
        parse(text)


WORDS = [
    *sorted(RESERVED), "spy", "tsla", "brk.b", "$all", "rest", "right", "beta", "-7%", "+40%", "5p", "2d", "1w", "3 days",
    "0-7dte", ">30dte", "<", ">", "<=", ",", ";", ":", "=", "-", "+", "%", "p", "0", "1e9", "99999999999%", "--5%", "𝟝%", "٣%",
    "−5%", "💥", "\x00", "\n", "\ud800", "'", '"', "<b>", "|", "$", ".", "-.", ".5%", "5.%", "nan%", "inf", "9-9-9dte", "a-b-c",
    "ſpot", "İv", "\u2028",
]  # fmt: skip


def generated(seed):
    """Words of the grammar in any order, mangled at times."""
    made = random.Random(seed)
    text = made.choice(["", " ", "  "]).join(made.choices(WORDS, k=made.randint(0, 12)))
    if made.random() < 0.3 and text:
        at = made.randrange(len(text))
        text = (
            text[:at]
            + chr(made.randrange(0x250)) * made.choice([1, 1, 1, 300])
            + text[at + made.randint(0, 3) :]
        )
    return text * made.choice([1] * 20 + [5, 200])


def test_no_input_does_anything_but_parse_or_be_refused_in_one_line_and_none_is_slow():
    slowest, understood, refused = 0.0, 0, set()
    for seed in range(GENERATED):
        text = generated(seed)
        started = time.thread_time()
        try:
            parse(text)
            understood += 1
        except RequestError as error:
            refused.add(str(error))
        slowest = max(slowest, time.thread_time() - started)
    assert understood > GENERATED / 100
    assert all("\n" not in words and "Try: " in words for words in refused)
    assert slowest < SLOWEST_S


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=500))
def test_any_text_parses_or_is_refused(text):
    try:
        parse(text)
    except RequestError as error:
        parse(str(error).rpartition("Try: ")[2])


@pytest.mark.parametrize(
    "text", ["1" * 399, "-" * 399, "a." * 199, "$" * 399, "0-" * 199, " " * 400, "iv " * 133, "a" * 10**6]
)
def test_long_runs_take_no_time(text):
    started = time.thread_time()
    with pytest.raises(RequestError):
        parse(text)
    assert time.thread_time() - started < SLOWEST_S


def test_names_are_short_words_in_lower_case():
    assert scenario_name("Crash_2-b") == "crash_2-b"


@pytest.mark.parametrize(
    "name", ["save", "Delete", "weekend", "2d", "", "a b", "x" * 25, "<b>", "a|b", "straße"]
)
def test_other_names_are_refused_with_one_that_works(name):
    with pytest.raises(RequestError, match="Try: crash2"):
        scenario_name(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spy -7% tsla iv +30%", "put a comma before tsla"),
        ("spy -5% rest iv +10%", "put a comma before rest"),
        ("spy down 7%", "'down' can't stand here"),
        ("-5% if spot <= -5% puts +20%", "a rule starts with"),
        (",", "nothing is said"),
        ("by beta", "nothing is said"),
    ],
)
def test_what_would_be_misread_is_refused(text, words):
    with pytest.raises(GrammarError, match=words):
        parse(text)
