"""IV rank and percentile: by hand, by property, and unknown where the year is too short."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis import analyse
from engine.model import Kind, Underlying
from engine.risk.iv_rank import LEAST_DAYS, iv_rank
from tests.unit.books import MARKET, SETTINGS, holding, option, snapshot

TODAY = date(2026, 7, 28)


def with_days(levels, now=None):
    days = [TODAY - timedelta(days=len(levels) - 1 - i) for i in range(len(levels))]
    return Underlying("AAA", Kind.STOCK, 100.0, iv30=now, iv_history=tuple(zip(days, levels, strict=True)))


def test_by_hand():
    """201 days from 20 % to 40 % in steps of a tenth of a point; now 25 %: a quarter of the way, and 50 days were below."""
    found = iv_rank(with_days([0.20 + 0.001 * i for i in range(201)], 0.25), TODAY)
    assert (found.rank, found.percentile, found.days) == (
        pytest.approx(0.25),
        pytest.approx(50 / 201, abs=0.006),
        201,
    )


def test_one_spike_makes_the_rank_low_and_leaves_the_percentile():
    found = iv_rank(with_days([0.20] * 150 + [1.50] + [0.20] * 99 + [0.30], 0.30), TODAY)
    assert found.rank == pytest.approx(0.1 / 1.3) and found.percentile == pytest.approx(249 / 251)


def test_the_last_close_stands_in_for_an_unknown_volatility_now():
    assert iv_rank(with_days([0.2] * 220 + [0.4]), TODAY).rank == 1.0


def test_a_volatility_beyond_the_year_is_its_end():
    levels = [0.2 + 0.0001 * i for i in range(250)]
    assert iv_rank(with_days(levels, 0.9), TODAY).rank == 1.0
    assert iv_rank(with_days(levels, 0.05), TODAY) == replace(
        iv_rank(with_days(levels, 0.05), TODAY), rank=0.0, percentile=0.0
    )


@pytest.mark.parametrize(
    "underlying",
    [
        Underlying("AAA", Kind.STOCK, 100.0, iv30=0.3),
        with_days([0.2, 0.3] * 99, 0.3),
        with_days([0.2] * 250, 0.2),
        with_days([float("nan")] * 100 + [0.2, 0.3] * 99, 0.3),
    ],
    ids=["no history", "198 days", "never moved", "198 known days"],
)
def test_what_can_not_be_told_is_unknown(underlying):
    assert iv_rank(underlying, TODAY) is None


def test_days_of_another_year_do_not_count():
    old = tuple((TODAY - timedelta(days=400 + i), 0.9) for i in range(300))
    assert (
        iv_rank(
            replace(with_days([0.2, 0.3] * 99, 0.3), iv_history=old + with_days([0.2, 0.3] * 99).iv_history),
            TODAY,
        )
        is None
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.01, 3.0), min_size=LEAST_DAYS, max_size=260), st.floats(0.01, 3.0))
def test_both_are_shares(levels, now):
    found = iv_rank(with_days(levels, now), TODAY)
    assert found is None or (0.0 <= found.rank <= 1.0 and 0.0 <= found.percentile <= 1.0)


def test_each_position_has_its_underlying_s():
    underlyings = MARKET | {"AAA": replace(with_days([0.2, 0.3] * 120, 0.3), spot=100.0)}
    held = [
        option("AAA", 100, "P", 1.0, iv=0.3),
        holding("AAA", 1.0, mark=100.0),
        holding("BBB", 1.0, mark=50.0),
    ]
    first, second, third = analyse(snapshot(held, underlyings), SETTINGS).positions
    assert (first.iv_rank, first.iv_percentile) == (1.0, 0.5) == (second.iv_rank, second.iv_percentile)
    assert third.iv_rank is None and third.iv_percentile is None
