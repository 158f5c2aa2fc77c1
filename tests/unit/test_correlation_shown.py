"""Correlations as they are shown: the picture by its structure, the card's words, the report's text and JSON."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bot.correlation_text import (
    MOST_POSITIONS,
    MOST_UNDERLYINGS,
    correlation_caption,
    correlation_text,
    picture_note,
    shown_correlation,
)
from bot.handlers.risk import VIEWS
from engine.analysis import analyse
from engine.model import Kind
from engine.reports.canvas import text_width
from engine.reports.chart_correlation import correlation_map, correlation_sheet
from engine.reports.correlations import correlation_frame, correlation_shown, largest
from engine.reports.document import report_json
from engine.reports.numbers import coefficient
from engine.reports.tables import report_text
from engine.reports.theme import DARK, LIGHT, WIDTH, contrast, diverging
from engine.risk.correlation import correlation
from tests.unit.books import MARKET, SETTINGS, holding, option, snapshot
from tests.unit.test_charts import hatched, opened, text_of, texts
from tests.unit.test_tail import market

NOTE = "as of 15:59:30 EDT, oldest price 4 s"
THEMES = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)


def frame(n, name=lambda i: f"AB{i}"):
    random = np.random.default_rng(n)
    found = correlation(
        random.normal(size=(80, n)) + random.normal(size=(80, 1)), tuple(name(i) for i in range(n))
    )
    return correlation_frame(found)


def drawn(shown, theme=DARK):
    return correlation_sheet(shown, title="Together", note=NOTE, theme=theme).figure


def analysed(held, underlyings=None):
    return analyse(snapshot(held, underlyings or market(), net_liquidation=1e5), SETTINGS)


@pytest.fixture(scope="module")
def report():
    held = [
        holding("AAA", 10.0, mark=100.0),
        option("AAA", 95, "P", 10.0, iv=0.35),
        holding("SPY", 5.0, mark=640.0),
        holding("EUR", 10.0, Kind.CASH, mark=1.1),
    ]
    return analysed(held)


# The picture


@THEMES
@pytest.mark.parametrize("n", [1, 3, 8, 16])
def test_the_picture_is_as_wide_as_three_phone_screens_in_pixels(n, theme):
    picture = correlation_map(frame(n), title="Together", note=NOTE, theme=theme)
    assert opened(picture).width == WIDTH and len(picture) < 200_000


@pytest.mark.parametrize(
    "names", [lambda i: f"AB{i}", lambda i: f"GOOGL {i + 10}Aug 12345P and a much longer name {i}"]
)
@pytest.mark.parametrize("n", [2, MOST_POSITIONS, MOST_UNDERLYINGS])
def test_every_number_stays_inside_its_cell_and_every_name_left_of_them(n, names):
    figure = drawn(frame(n, names))
    cells = sorted(
        (patch for patch in figure.axes[0].patches[: n * n]), key=lambda one: (one.get_y(), one.get_x())
    )
    left = cells[0].get_x()
    numbers = [one for one in figure.axes[0].texts if re.fullmatch(r"[+−]?(\.\d\d|1|0)", one.get_text())]
    assert len(numbers) == n * n
    assert max(text_width(one.get_text(), one.get_fontsize()) for one in numbers) < cells[0].get_width()
    beside = [one for one in figure.axes[0].texts if one.get_horizontalalignment() == "right"]
    assert all(one.get_position()[0] <= left for one in beside if not one.get_rotation())


def test_a_dozen_positions_have_numbers_of_seven_and_a_half_pixels_on_a_phone():
    figure = drawn(frame(MOST_POSITIONS, lambda i: f"GOOGL {i + 10}Aug 347.5P"))
    assert text_of(figure, "+1").get_fontsize() >= 22.5 and figure.get_figwidth() * 72 == WIDTH


def test_each_cell_has_its_number_with_its_sign():
    shown = pd.DataFrame([[1.0, -0.456], [-0.456, 1.0]], index=["A", "B"], columns=["A", "B"])
    assert texts(drawn(shown)).count("+1") == 2 and texts(drawn(shown)).count("−.46") == 2


def test_what_moves_together_has_the_colour_of_losses_and_its_mirror_that_of_gains():
    shown = pd.DataFrame([[1.0, -1.0], [-1.0, 1.0]], index=["A", "B"], columns=["A", "B"])
    first, second = (patch.get_facecolor() for patch in drawn(shown).axes[0].patches[:2])
    assert first == pytest.approx(diverging(DARK)(0.0)) and second == pytest.approx(diverging(DARK)(1.0))


@THEMES
def test_every_number_reads_on_its_cell(theme):
    figure = drawn(frame(8), theme)
    inks = [one.get_color() for one in figure.axes[0].texts if one.get_text().startswith(("+.", "−.", "+1"))]
    cells = [patch.get_facecolor()[:3] for patch in figure.axes[0].patches[:64]]
    assert min(contrast(ink, cell) for ink, cell in zip(inks, cells, strict=True)) >= 4.5


def test_an_unknown_correlation_is_a_hatched_question_mark():
    shown = frame(3)
    shown.iloc[0, 1] = shown.iloc[1, 0] = np.nan
    assert texts(drawn(shown)).count("?") == 2 and "? unknown" in texts(drawn(shown))
    assert len(hatched(drawn(shown))) == 3


@pytest.mark.parametrize("shown", [pd.DataFrame(), pd.DataFrame([[1.0, 2.0]])])
def test_what_is_no_matrix_is_refused(shown):
    with pytest.raises(ValueError, match="as many names down as along"):
        drawn(shown)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "+1"),
        (-1.0, "-1"),
        (0.9999, "+.99"),
        (0.0, "0"),
        (-0.004, "0"),
        (0.05, "+.05"),
        (-0.456, "-.46"),
    ],
)
def test_a_coefficient_has_four_characters_and_only_what_is_wholly_so_is_one(value, text):
    assert coefficient(value) == text


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_an_unknown_coefficient_is_a_question_mark(value):
    assert coefficient(value) == "?"


# The card


def test_risk_has_the_view_by_its_word_and_its_short_form():
    assert VIEWS["corr"] is VIEWS["correlation"]


def test_the_card_says_who_is_with_whom_and_who_has_none(report):
    shown = shown_correlation(report, None)
    for card in (correlation_caption(report, shown), correlation_text(report, shown)):
        assert "500 days of filtered history; the pairs of 3 positions average" in card
        assert "AAA" in card and "AAA 21Aug 95P" in card and "SPY" in card
    assert "! none of EUR: its P&amp;L does not move" in correlation_text(report, shown)
    assert picture_note(shown) == "none of EUR: its P&L does not move"
    put, stock = (
        report.tail.correlation.most_opposed(1)[0].other,
        report.tail.correlation.most_opposed(1)[0].one,
    )
    assert {put, stock} == {"AAA", "AAA 2026-08-21 95 P"}


def test_a_few_positions_are_shown_as_they_are_and_many_by_underlying(report):
    many = [option("AAA", 80 + i, "P", 1.0, iv=0.3) for i in range(MOST_POSITIONS + 1)]
    assert shown_correlation(report, None).things == "positions"
    crowd = analysed([*many, holding("SPY", 1.0, mark=640.0)])
    shown = shown_correlation(crowd, None)
    assert (shown.things, shown.part.names) == ("underlyings", ("AAA", "SPY"))
    of_one = shown_correlation(crowd, "AAA")
    assert (of_one.things, len(of_one.whole.names), len(of_one.part.order)) == (
        "positions",
        13,
        MOST_POSITIONS,
    )
    assert picture_note(of_one) == "the 12 of 13 positions that move most"


def test_the_largest_are_those_whose_profit_and_loss_moves_most():
    pnl = np.random.default_rng(5).normal(size=(50, 6)) * [1, 6, 2, 0, 4, 3]
    found = largest(correlation(pnl, tuple("abcdef")), 3)
    assert [found.names[i] for i in sorted(found.order)] == ["b", "e", "f"]
    assert [one.id for one in found.left_out] == ["d"]


def test_without_history_the_card_says_why(report):
    bare = analysed([holding("AAA", 1.0, mark=100.0)], MARKET)
    for card in (correlation_text, correlation_caption):
        assert "Unknown: 0 daily moves are known, 60 needed." in card(bare, shown_correlation(bare, None))


def test_one_position_has_no_pair():
    one = analysed([holding("AAA", 1.0, mark=100.0)])
    assert "there is no pair" in correlation_text(one, shown_correlation(one, None))
    assert "there is no pair" in correlation_shown(one)


def test_the_card_says_how_many_positions_are_not_in_it(report):
    held = replace(report, tail=replace(report.tail, left_out=report.tail.correlation.left_out))
    assert "Without 1 of 4 positions." in correlation_text(held, shown_correlation(held, None))


# The report


def test_the_text_report_has_a_table_by_underlying(report):
    text = report_text(report)
    assert "How underlyings move together (correlation of daily P&L, filtered history)" in text
    assert "average of all pairs: " in text and "! none of EUR: its P&L does not move" in text


def test_with_many_underlyings_the_text_report_has_the_pairs_that_stand_out():
    names = [f"S{i}" for i in range(14)]
    underlyings = market(names={name: replace(MARKET["BBB"], symbol=name) for name in names})
    held = [holding("BBB", 1.0, underlying=name, id=name, mark=50.0) for name in names]
    shown = correlation_shown(analysed(held, underlyings))
    assert shown.count(" and ") == 10


def test_the_document_has_both_matrices_with_null_for_what_has_none(report):
    document = json.loads(report_json(report))["correlation"]
    found = report.tail.correlation
    assert document["by_position"]["names"] == list(report.ids)
    assert document["by_position"]["matrix"][0][:3] == found.matrix[0, :3].tolist()
    assert document["by_position"]["matrix"][3] == [None] * 4
    assert document["by_position"]["left_out"] == [{"id": "EUR", "reason": "its P&L does not move"}]
    assert document["by_underlying"]["names"] == ["AAA", "SPY", "EUR"]
    assert document["by_underlying"]["average"] == report.tail.correlation_by_underlying.average
