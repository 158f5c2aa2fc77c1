"""The waterfall by its structure: where bars begin and end, what is unknown, what the sum is."""

import io
import math

import pandas as pd
import pytest
from PIL import Image

from engine.reports import charts
from engine.reports.chart_bars import BAR
from engine.reports.chart_waterfall import waterfall_sheet
from engine.reports.theme import WIDTH
from tests.unit.test_charts import NOTE, hatched, texts


def parts(**pnl):
    return pd.DataFrame({"pnl": list(pnl.values())}, index=list(pnl))


def falls(**pnl):
    return waterfall_sheet(parts(**pnl), title="P&L", note=NOTE).figure


def test_each_bar_of_a_waterfall_begins_where_the_one_above_ends_and_the_sum_at_zero():
    bars_ = [
        box
        for box in falls(time=300.0, spot=-1200.0, volatility=500.0).axes[0].patches
        if box.get_height() == BAR
    ]
    (first, second, third, total) = [(box.get_x(), box.get_x() + box.get_width()) for box in bars_[:4]]
    assert first[1] == pytest.approx(second[1]) and second[0] == pytest.approx(third[0])
    assert total == pytest.approx((third[1], first[0]))


def test_a_waterfall_has_a_row_a_part_and_the_sum_with_their_signs():
    shown = texts(falls(time=300.0, spot=-1200.0))
    assert shown[:7] == ["P&L", "time", "+300", "spot", "−1.2k", "P&L", "−900"]


@pytest.mark.parametrize("absurd", [math.nan, math.inf, 1.797e308])
def test_a_part_that_is_no_amount_is_hatched_and_in_no_sum(absurd):
    figure = falls(time=300.0, spot=absurd)
    assert "?" in texts(figure) and texts(figure).count("+300") == 2
    assert len(hatched(figure)) == 1


def test_a_waterfall_of_nothing_is_drawn_and_one_without_parts_refused():
    assert texts(falls(time=0.0))[-2] == "0" or "0" in texts(falls(time=0.0))
    with pytest.raises(ValueError, match="1 to 30 parts"):
        falls()


def test_a_waterfall_is_a_picture_of_the_chat():
    data = charts.waterfall(parts(time=300.0, spot=-1200.0), title="P&L", note=NOTE)
    assert Image.open(io.BytesIO(data)).width == WIDTH and len(data) < 200_000
