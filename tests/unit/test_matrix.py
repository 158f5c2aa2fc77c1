"""The risk matrix: steps, days and shape of the config, each cell a scenario, and where the templates lie on it."""

import numpy as np
import pytest
from pydantic import ValidationError

from bot.handlers.what_if import matrix_asked, matrix_words
from bot.pictures import matrix_marks
from bot.replies import button
from engine.analysis import analyse, analyse_matrix
from engine.errors import RequestError
from engine.marks import mark_book
from engine.reports.tables import matrix_title
from engine.scenarios import TEMPLATES, Scenario, risk_matrix, run_scenarios
from engine.scenarios.shapes import Proportional, Uniform
from engine.settings import MOST_STEPS, EngineSettings, MatrixSettings, ScenarioSettings
from tests.unit.books import FAR, SETTINGS, WEEKLY, holding, option, snapshot

HELD = [
    option("SPX", 6300, "P", -1.0, iv=0.2),
    option("AAA", 100, "C", 2.0, iv=0.3, expiry=FAR),
    holding("AAA", 5.0),
]
BETA = ScenarioSettings(spot_model="beta")


def matrix(positions=HELD, symbol=None, scenarios=SETTINGS.scenarios, **grid):
    book = mark_book(snapshot(positions), SETTINGS)
    return risk_matrix(book, scenarios, symbol, MatrixSettings(**grid))


def scenario_pnl(shape, spot, days=0, positions=HELD):
    book = mark_book(snapshot(positions), SETTINGS)
    (outcome,) = run_scenarios(book, [Scenario("x", (spot,), shape, days)], SETTINGS.scenarios)
    return outcome.pnl.sum()


def marked(found):
    return {mark.name: (found.spot[mark.row], found.iv[mark.column]) for mark in found.marks}


@pytest.mark.parametrize(("shaped", "shape"), [(False, Uniform), (True, Proportional)])
@pytest.mark.parametrize("days", [0, 5])
def test_a_cell_is_the_scenario_of_its_moves_shape_and_days(shaped, shape, days):
    found = matrix(spot_steps=(-0.1, 0.0), iv_steps=(-0.2, 0.0, 0.4), shaped=shaped, days=days)
    expected = [[scenario_pnl(shape(iv), spot, days) for iv in found.iv] for spot in found.spot]
    np.testing.assert_allclose(found.pnl, expected, atol=1e-9)
    assert (found.days, found.shaped) == (days, shaped)


def test_shaped_and_uniform_agree_for_a_month_s_option_at_the_money_alone():
    month = [option("SPX", 6400, "P", iv=0.2)]
    np.testing.assert_allclose(matrix(month, shaped=True).pnl, matrix(month).pnl, atol=1e-9)
    week = [option("SPX", 6400, "P", iv=0.2, expiry=WEEKLY)]
    assert matrix(week, shaped=True).pnl[4, -1] > matrix(week).pnl[4, -1]


def test_nothing_moves_and_days_pass_is_decay():
    found = matrix([option("SPX", 6400, "C", iv=0.2)], days=5)
    assert found.pnl[4, 2] < 0.0


def test_a_symbol_s_matrix_has_its_own_move_down_the_side():
    own = matrix([holding("AAA", 10.0), holding("TQQQ", 10.0)], "AAA", BETA)
    assert own.pnl[0, 0] == pytest.approx(-0.2 * 1000.0)
    assert matrix([holding("TQQQ", 10.0)], "TQQQ").pnl[0, 0] == pytest.approx(-0.2 * 900.0)
    assert matrix([holding("AAA", 10.0)], None, BETA).pnl[0, 0] == pytest.approx(-0.3 * 1000.0)


def test_the_report_s_matrix_is_the_configured_one():
    grid = MatrixSettings(spot_steps=(-0.5, 0.0), iv_steps=(0.0, 0.1), days=3, shaped=True)
    snap, chosen = snapshot(HELD), EngineSettings(matrix=grid)
    report = analyse(snap, chosen)
    assert (report.matrix.spot, report.matrix.iv, report.matrix.days) == ((-0.5, 0.0), (0.0, 0.1), 3)
    np.testing.assert_array_equal(report.matrix.pnl, analyse_matrix(snap, chosen, None).pnl)


def test_each_market_template_is_marked_at_the_nearest_cell():
    assert marked(matrix()) == {
        "Market Panic": (-0.05, 0.25),
        "Flash Crash": (-0.10, 0.50),
        "Black Swan": (-0.20, 1.00),
        "Fed Hawkish": (0.0, 0.25),
        "Fed Dovish": (0.0, 0.0),
        "Fed Neutral": (0.0, 0.0),
        "Short Squeeze": (0.10, 0.0),
        "FOMO Rally": (0.05, 0.0),
        "Relief Rally": (0.05, -0.25),
    }


def test_what_is_beyond_the_grid_is_marked_at_the_edge_and_said():
    assert [mark.name for mark in matrix().marks if mark.off] == ["Black Swan"]
    assert not any(mark.off for mark in matrix(iv_steps=(-0.5, 0.0, 0.75, 1.5)).marks)
    narrow = matrix(spot_steps=(0.0,), iv_steps=(0.0,))
    assert all(mark.off for mark in narrow.marks)


def test_both_legs_are_marked_where_the_grid_is_fine_enough():
    fine = matrix(spot_steps=(-0.005, 0.0, 0.005))
    assert [mark.row for mark in fine.marks if mark.name == "Fed Neutral"] == [2, 0]


def test_earnings_are_marked_on_a_stock_s_matrix_and_time_where_it_is_as_many_days_on():
    assert {"Earnings Beat", "Earnings Miss", "Earnings Inline"} <= marked(matrix(symbol="AAA")).keys()
    assert not {"Earnings Beat", "1 Week"} & marked(matrix(symbol="SPX")).keys()
    assert "1 Week" in marked(matrix(days=7)) and "Weekend" in marked(matrix(days=3))
    assert len(TEMPLATES) == len(marked(matrix()) | marked(matrix(symbol="AAA"))) + 3 + 1


def test_a_market_template_lies_where_it_takes_the_symbol():
    """AAA has a beta of 1.5: a market fall of 8 % is one of 12 % there; of a threefold fund a fall of 5 % is one of 15 %."""
    own = {mark.name: mark.spot for mark in matrix(symbol="AAA", scenarios=BETA).marks}
    assert own["Flash Crash"] == pytest.approx(-0.12) and own["Earnings Miss"] == -0.08
    fund = matrix([holding("TQQQ", 10.0)], "TQQQ")
    assert marked(fund)["Market Panic"] == (-0.15, 0.25)


def test_the_matrix_of_nothing_has_marks_and_zeros():
    found = matrix([])
    assert not found.pnl.any() and len(found.marks) == 9


@pytest.mark.parametrize(
    "grid",
    [
        {"spot_steps": ()},
        {"spot_steps": (0.1, 0.1)},
        {"iv_steps": (0.1, 0.0)},
        {"spot_steps": (-1.0, 0.0)},
        {"spot_steps": tuple(x / 100 for x in range(MOST_STEPS[0] + 1))},
        {"iv_steps": tuple(x / 100 for x in range(MOST_STEPS[1] + 1))},
        {"days": -1},
        {"days": 366},
    ],
)
def test_a_grid_that_can_t_be_drawn_is_refused(grid):
    with pytest.raises(ValidationError):
        MatrixSettings(**grid)


# Asked for in chat


@pytest.fixture(scope="module")
def report():
    return analyse(snapshot(HELD), SETTINGS)


@pytest.mark.parametrize(
    ("text", "symbol", "days", "shaped"),
    [
        ("", None, 0, False),
        ("spx", "SPX", 0, False),
        ("SPX 5d", "SPX", 5, False),
        ("5D shaped spx", "SPX", 5, True),
        ("shaped", None, 0, True),
        ("uniform 0d", None, 0, False),
        ("shaped uniform", None, 0, False),  # the last word counts
    ],
)
def test_symbol_days_and_shape_in_any_order(report, text, symbol, days, shaped):
    asked, grid = matrix_asked(report, MatrixSettings(), text)
    assert (asked, grid.days, grid.shaped) == (symbol, days, shaped)
    assert matrix_asked(report, MatrixSettings(days=9, shaped=True), matrix_words(asked, grid)) == (
        asked,
        grid,
    )
    button("Refresh", "matrix", "p", matrix_words(asked, grid))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("400d", "at most 365d"),
        ("spx aaa", "One symbol"),
        ("spy", "No position on"),
        ("-5d", "No position on"),
    ],
)
def test_what_can_t_be_drawn_is_answered_with_what_can(report, text, said):
    with pytest.raises(RequestError, match=said) as caught:
        matrix_asked(report, MatrixSettings(), text)
    assert "Try: /matrix " in str(caught.value)


def test_the_title_says_whose_when_and_how():
    assert matrix_title(matrix()) == "Risk matrix"
    assert matrix_title(matrix(days=1)) == "Risk matrix, 1 day on"
    assert matrix_title(matrix(days=5, shaped=True), "SPX") == "Risk matrix of SPX, 5 days on, IV shaped"


def test_the_legend_says_what_lies_beyond_the_grid():
    words = {word for _, _, word in matrix_marks(matrix())}
    assert {"Market Panic", "Black Swan (-20 %, IV +150 %: off the grid)"} <= words
