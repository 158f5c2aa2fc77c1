"""How stored Values at Risk fared: three hundred stored days with known exceptions, and what is said of them."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.backtest_text import ENOUGH, FEWEST, backtest_text
from bot.cards import WIDTH
from bot.handlers.backtest import method_asked
from bot.handlers.risk import VIEWS
from engine.errors import RequestError
from engine.results import TailDay, TailFigure
from engine.risk import methods_of, track
from engine.risk.backtest import Zone, independence_ratio, kupiec_ratio
from engine.store import Store
from tests.unit.books import AS_OF, holding, snapshot

FIRST = date(2025, 3, 3)
FILTERED, PLAIN = "filtered history", "plain history"
BIG, HUGE = {20, 70, 71, 150, 220, 290}, {100, 200}
"""Days whose loss is over the 95 % figure alone, and over both."""


def figures(scale=1.0):
    return tuple(
        TailFigure(method, level, var * scale * more, 1.3 * var * scale, 500)
        for method, more in ((FILTERED, 1.0), (PLAIN, 10.0))
        for level, var in ((0.95, 1000.0), (0.975, 1300.0), (0.99, 1700.0))
    )


def stored_day(i, pnl=50.0, **facts):
    day = FIRST + timedelta(days=i)
    return TailDay(
        day,
        AS_OF,
        figures(),
        1e5,
        2e4,
        (),
        day + timedelta(days=1),
        pnl,
        facts.pop("change", pnl - 10.0),
        **facts,
    )


def stored(count=300):
    days = [stored_day(i, -1200.0 if i in BIG else -2500.0 if i in HUGE else 50.0) for i in range(count)]
    return [*days, replace(stored_day(count), until=None, pnl=None, change=None)]


def card(days, method=FILTERED):
    return backtest_text(days, method, "USD")


# The figures


def test_three_hundred_days_with_known_exceptions_from_a_file_have_the_known_figures(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as store:
        for one in stored():
            store.save_tail_day(snapshot([holding("AAA", mark=100.0)]), one)
        days = store.tail_days()
    low, high = track(days, FILTERED, 0.95), track(days, FILTERED, 0.99)
    assert (low.test.days, low.test.exceptions, low.test.expected) == (300, 8, pytest.approx(15.0))
    assert (high.test.days, high.test.exceptions, high.test.expected) == (300, 2, pytest.approx(3.0))
    assert low.test.kupiec == pytest.approx(kupiec_ratio(8, 300, 0.95)) and not low.test.passes()
    assert high.test.kupiec == pytest.approx(kupiec_ratio(2, 300, 0.99)) and high.test.passes()
    hits = [i in BIG | HUGE for i in range(300)]
    assert low.test.independence == pytest.approx(independence_ratio(np.array(hits)))
    assert high.test.zone is Zone.GREEN and (low.stored, low.waiting, low.unknown) == (301, 1, 0)
    assert [(one.day - FIRST).days - 1 for one in high.exceeded] == sorted(HUGE)
    assert {(one.loss, one.var) for one in high.exceeded} == {(2500.0, 1700.0)}
    assert [(one.day - FIRST).days - 1 for one in low.exceeded] == sorted(BIG | HUGE)


def test_each_method_is_judged_by_its_own_figures():
    assert track(stored(), PLAIN, 0.95).test.exceptions == 0
    assert track(stored(), "no such method", 0.95).stored == 0


def test_a_day_without_a_known_profit_is_in_no_figure_and_is_counted():
    days = stored()
    days[100] = replace(days[100], pnl=None, change=None, remark="not valued: AAA: no price")
    found = track(days, FILTERED, 0.99)
    assert (found.test.days, found.test.exceptions, found.unknown) == (299, 1, 1)
    assert "1 day without a verdict" in card(days)
    assert f"! {days[100].until} has no verdict: not valued: AAA: no price" in card(days)


def test_a_day_without_figures_is_no_forecast():
    days = [replace(one, figures=()) if i < 100 else one for i, one in enumerate(stored())]
    assert track(days, FILTERED, 0.99).test.days == 200


def test_the_account_s_own_change_is_counted_apart():
    days = [replace(one, change=-5000.0) if i in {3, 4} else one for i, one in enumerate(stored())]
    days[9] = replace(days[9], change=None)
    found = track(days, FILTERED, 0.99)
    assert (found.actual, found.actual_days) == (4, 299) and found.test.exceptions == 2


def test_a_loss_of_just_the_value_at_risk_is_no_exception():
    found = track([stored_day(0, -1000.0), stored_day(1, -1000.01)], FILTERED, 0.95)
    assert found.test.exceptions == 1 and [one.loss for one in found.exceeded] == [1000.01]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.one_of(st.none(), st.floats(-1e4, 1e4)), max_size=60),
    st.sampled_from([0.95, 0.99]),
)
def test_every_stored_day_is_judged_waiting_or_unknown(pnls, level):
    days = [stored_day(i, 0.0) for i in range(len(pnls))]
    days = [replace(one, pnl=pnl) for one, pnl in zip(days, pnls, strict=True)]
    found = track(days, FILTERED, level)
    assert found.test.days + found.waiting + found.unknown == found.stored == len(days)
    assert (
        found.test.exceptions
        == len(found.exceeded)
        == sum(pnl is not None and -pnl > days[0].var(FILTERED, level) for pnl in pnls)
    )


# The words


def test_the_card_has_figures_tests_zones_exceptions_and_verdicts():
    text = unescape(card(stored()))
    assert "300 days judged, 301 days stored from 2025-03-03 to 2025-12-28; 1 day waiting" in text
    assert re.search(r"exceptions +8 +2\n", text) and re.search(r"expected +15\.0 +3\.0\n", text)
    assert re.search(r"Basel zone +green +green", text)
    assert "2025-12-19   1.2k   1.0k  1.7k" in text and "with trades" in text
    assert "95 %: too few exceptions for chance: the figures are too high" in text
    assert "99 %: their number can be chance" in text


def test_too_many_exceptions_say_that_the_figures_are_too_low():
    days = [stored_day(i, -1800.0 if i % 10 == 0 else 5.0) for i in range(300)]
    assert "99 %: too many exceptions for chance: the figures are too low" in card(days)


@pytest.mark.parametrize("judged", [0, 1, 12, FEWEST - 1])
def test_few_days_have_no_verdict_whatever_they_lost(judged):
    text = card(
        [stored_day(i, -9999.0) for i in range(judged)] + [replace(stored_day(judged), until=None, pnl=None)]
    )
    assert "nothing can be said yet" in text
    assert "p of number" not in text and "Basel" not in text and "chance" not in text


def test_some_days_have_one_with_a_warning():
    text = card(stored(ENOUGH - 1))
    assert "only gross faults show yet" in text and "p of number" in text
    assert "only gross faults" not in card(stored(ENOUGH))


def test_nothing_stored_says_when_there_will_be():
    assert "No Value at Risk is stored yet" in backtest_text([], None, "USD")


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.one_of(st.none(), st.sampled_from([0.0, -0.4, 5e12, -5e12, -1e14]), st.floats(-1e7, 1e7)),
        max_size=80,
    ),
    st.floats(1e-3, 1e9),
    st.text("<&>é\n x", max_size=300),
)
def test_no_line_of_the_table_is_wider_than_thirty_columns(pnls, scale, remark):
    days = [
        replace(stored_day(i), pnl=pnl, change=pnl, remark=remark, figures=figures(scale))
        for i, pnl in enumerate(pnls)
    ]
    text = card(days)
    for block in re.findall(r"<pre>(.*?)</pre>", text, re.DOTALL):
        assert [line for line in unescape(block).split("\n") if len(line) > WIDTH] == []
    assert "nan" not in text and "<&" not in text


# What is asked for


def test_the_method_is_the_one_relied_on_or_a_part_of_a_name():
    days = stored(3)
    assert methods_of(days) == (FILTERED, PLAIN)
    assert method_asked(days, "") == FILTERED and method_asked(days, " Plain ") == PLAIN
    assert method_asked([], "plain") is None


@pytest.mark.parametrize(
    ("text", "said"), [("history", "Several stored methods are"), ("monte", "No stored method is")]
)
def test_another_method_is_refused_with_those_that_there_are(text, said):
    with pytest.raises(
        RequestError, match=f"{said} called '{text}'; there are: filtered history, plain history"
    ):
        method_asked(stored(3), text)


def test_risk_has_the_view():
    assert VIEWS["backtest"].__module__ == "bot.handlers.backtest"


@pytest.fixture
def configured(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as store:
        for one in stored(5):
            store.save_tail_day(snapshot([]), one)
    path = tmp_path / "config.yaml"
    path.write_text(f"database:\n  url: sqlite:///{tmp_path / 'riskbot.sqlite3'}\n")
    return path


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", "backtest", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_line_says_the_same(configured):
    said = run("plain", "--config", str(configured))
    assert said.returncode == 0 and "plain history" in said.stdout and "5 days judged" in said.stdout
    refused = run("monte", "--config", str(configured))
    assert (
        refused.returncode == 2
        and refused.stderr.count("\n") == 1
        and "Try: riskbot backtest" in refused.stderr
    )
