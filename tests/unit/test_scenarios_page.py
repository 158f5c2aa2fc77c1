"""docs/scenarios.md says what the code does: its tables and worked examples, recomputed."""

from datetime import UTC, date, datetime
from math import sqrt
from pathlib import Path

import pytest

from engine.analysis import analyse
from engine.marks import mark_book
from engine.model import Kind, Underlying
from engine.scenarios import TEMPLATES, calculate_iv_shift, run_scenarios, template
from engine.surface import Point, surface
from tests.unit.books import SETTINGS, option, snapshot

NAMES = tuple(scenario.name for scenario in TEMPLATES)
PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")


def rows(after):
    """The cells of the table that follows a mark, by its first column."""
    table = PAGE.partition(f"<!-- {after} -->")[2].partition("\n\n")[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {name: rest for name, *rest in cells}


def test_every_template_is_on_the_page():
    assert list(rows("shifts")) == list(rows("example")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_shifts(name):
    for cell, days in zip(rows("shifts")[name], (5, 20, 60, 300), strict=True):
        stated = [float(number) for number in cell.split("/")]
        found = [100.0 * (calculate_iv_shift(1.0, m, days, name, 0.0) - 1.0) for m in (0.95, 1.0, 1.05)]
        assert stated == pytest.approx(found, abs=1e-9)


@pytest.fixture(scope="module")
def worked():
    put = option("SPX", 6080, "P", -1.0, expiry=date(2026, 8, 21), iv=0.18)
    market = {"SPX": Underlying("SPX", Kind.INDEX, 6400.0, dividend_yield=0.012)}
    rates = {"USD": ((0.01, 0.04), (1.0, 0.04))}
    return snapshot(
        [put], market, as_of=datetime(2026, 8, 1, 20, tzinfo=UTC), net_liquidation=100_000.0, rates=rates
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_worked_example(worked, name):
    spot, iv, pnl = (float(cell) for cell in rows("example")[name])
    result = next(one for one in analyse(worked, SETTINGS).scenarios if one.name == name)
    (outcome,) = run_scenarios(mark_book(worked, SETTINGS), [template(name)], SETTINGS.scenarios)
    assert result.pnl == pytest.approx(pnl, abs=0.006)
    assert 100.0 * result.position_iv[0] == pytest.approx(iv, abs=1e-9)
    assert outcome.market.spot[0] == pytest.approx(spot, abs=1e-9)


def test_the_base_price_of_the_example(worked):
    assert mark_book(worked, SETTINGS).base[0] == pytest.approx(13.1707, abs=5e-5)


def test_the_slide_by_hand():
    known = surface([Point(24 / 365, 0.0, 0.30), Point(171 / 365, 0.0, 0.20)])
    (ratio,) = known.slide(known.taus[1:], 7 / 365)
    assert ratio == pytest.approx(sqrt((2.16 + 4.68 * 140 / 147) / 164) / 0.20)
    assert ratio == pytest.approx(1.0043, abs=5e-5)
