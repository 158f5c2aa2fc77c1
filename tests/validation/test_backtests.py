"""One-day 99 % Values at Risk of the S&P 500, 2016-07 to 2026-06, and the page that says how they fared."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.backtests import BEGIN, END, METHODS, Series, judge, report, series
from benchmarks.page import shown_between


@pytest.fixture(scope="module")
def index(reference_data: Path) -> Series:
    return series(reference_data / "prices" / "gspc_daily.csv.gz")


def test_ten_years_are_judged(index: Series) -> None:
    assert index.judged.sum() == 2497 and np.isfinite(index.returns).all()


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        ("filtered historical, 500 days", True),
        ("filtered, two years alone (`/risk`)", True),
        ("historical, 250 days", False),
        ("normal, 250 days", False),
    ],
)
def test_filtered_history_passes_kupiec_and_a_plain_year_does_not(
    index: Series, method: str, passes: bool
) -> None:
    assert judge(index, method).passes() is passes


def test_the_page_shows_these_tables(index: Series) -> None:
    assert shown_between(BEGIN, END) == report(index), "run: python -m benchmarks.backtests --write"
    assert len(METHODS) == 7
