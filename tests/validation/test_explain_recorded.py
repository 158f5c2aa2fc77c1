"""The explained P&L on recorded closes: GOOG from 23 to 24 December 2015, and AAPL over its split of 9 June 2014."""

from dataclasses import asdict, replace
from datetime import date, time
from pathlib import Path

import pytest

from engine.explained import Explanation
from engine.model import Dividend, Position
from engine.risk import explain_pnl
from engine.settings import EngineSettings
from tests.validation.recorded_days import parity_spot, quotes, recorded, tight, varied_book

GOOG, AAPL = (date(2015, 12, 23), date(2015, 12, 24)), (date(2014, 6, 6), date(2014, 6, 9))
SEEDS = range(8)
RATIO = 7
PAID = date(2014, 8, 7)


def goog(folder: Path, seed: int, *, expiring: bool = False) -> Explanation:
    """150 shares short and 28 options; with `expiring` those of the second day too."""
    first, second = (quotes(folder, "goog_2015", day) for day in GOOG)
    good = tight(first)[lambda table: table.index.isin(tight(second).index)]
    if not expiring:
        good = good[good.index.get_level_values(0) > GOOG[1]]
    book = varied_book(good, "GOOG", GOOG[0], -150.0, seed)
    earlier = recorded(first, "GOOG", GOOG[0], time(16), book)
    return explain_pnl(earlier, recorded(second, "GOOG", GOOG[1], time(13), book), EngineSettings())


def aapl(folder: Path, seed: int) -> Explanation:
    """100 shares and 28 options, seven times as many of a seventh of the strike on Monday."""
    first, second = (quotes(folder, "aapl_2014", day) for day in AAPL)
    later = set(tight(second).index)
    good = tight(first)
    good = good[[(day, round(strike / RATIO, 2), right) in later for day, strike, right in good.index]]
    book = varied_book(good, "AAPL", AAPL[0], 100.0, seed)
    after = [new_shares(one) for one in book]
    earlier = recorded(first, "AAPL", AAPL[0], time(16), book, (Dividend(PAID, 3.29),))
    return explain_pnl(
        earlier, recorded(second, "AAPL", AAPL[1], time(16), after, (Dividend(PAID, 0.47),)), EngineSettings()
    )


def new_shares(one: Position) -> Position:
    contract = one.contract
    if contract.strike is not None:
        contract = replace(contract, strike=round(contract.strike / RATIO, 2))
    return Position(contract.label, contract, RATIO * one.quantity)


def test_the_spots_that_parity_gives_are_the_known_closes(reference_data: Path) -> None:
    """GOOG closed at 750.31 and 748.40, AAPL at 645.57 and 93.70."""
    spots = [
        parity_spot(quotes(reference_data, name, day), day)
        for name, days in (("goog_2015", GOOG), ("aapl_2014", AAPL))
        for day in days
    ]
    assert spots == pytest.approx([750.31, 748.40, 645.57, 93.70], rel=5e-4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("of", [goog, aapl])
def test_revaluation_leaves_under_a_fiftieth_of_the_gross(reference_data: Path, of, seed: int) -> None:
    found = of(reference_data, seed)
    assert found.left_out == () and len(found.positions) >= 20
    assert abs(found.total.steps.data) < 0.02 * found.gross
    assert abs(found.total.terms.residual) < 0.025 * found.gross
    assert sum(asdict(found.total.steps).values()) == pytest.approx(found.total.actual, abs=1e-6)
    assert found.total.steps.changed == 0.0 and found.total.steps.rest == pytest.approx(
        0.0, abs=0.01 * found.gross
    )


def test_over_the_split_the_stock_earns_what_its_price_rose_by(reference_data: Path) -> None:
    found = aapl(reference_data, 0)
    stock = found.positions[0]
    assert found.notes == ("AAPL split 7:1; the start is restated in new shares",)
    assert (stock.quantity_before, stock.quantity_after) == (700.0, 700.0)
    assert stock.explained.actual == pytest.approx(700.0 * (93.70 - 645.57 / 7.0), abs=60.0)
    assert abs(found.total.actual) < 50_000.0


def test_options_on_their_last_day_leave_the_most_and_are_named(reference_data: Path) -> None:
    found = goog(reference_data, 3, expiring=True)
    flag = found.large_residual
    assert flag is not None and "2015-12-24" in flag.causes[0].id
    assert "near their expiry" in flag.reason or "marks moved away" in flag.reason
