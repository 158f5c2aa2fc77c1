"""Signs, separators and compact units, as a person reads them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.reports.numbers import amount, compact, percent

UNREADABLE = [None, math.nan, math.inf, -math.inf, 1.797e308]
UNITS = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-12_345.0, "-12.3k"),
        (950.0, "+950"),
        (1_234_567.0, "+1.2M"),
        (0.0, "0"),
        (-0.0, "0"),
        (-0.3, "0"),
        (-123_456.0, "-123k"),
        (2.5e9, "+2.5B"),
        (-3.0e12, "-3.0T"),
    ],
)
def test_a_compact_amount_has_its_sign_and_unit(value, text):
    assert compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.4, "+999"), (999.6, "+1.0k"), (99_960.0, "+100k"), (999_600.0, "+1.0M"), (-999_960_000.0, "-1.0B")],
)
def test_what_rounds_up_to_a_thousand_takes_the_next_unit(value, text):
    assert compact(value) == text


def test_a_short_compact_amount_keeps_its_decimal_below_ten_only():
    assert [compact(value, short=True) for value in (-12_345.0, 9_940.0, 9_960.0)] == [
        "-12k",
        "+9.9k",
        "+10k",
    ]


@pytest.mark.parametrize("value", UNREADABLE)
def test_what_is_no_amount_is_a_question_mark(value):
    assert (compact(value), percent(value), amount(value)) == ("?", "?", "?")


@given(st.floats(min_value=-9e14, max_value=9e14, allow_nan=False))
def test_a_compact_amount_reads_back_within_its_last_digit(value):
    text = compact(value)
    unit = UNITS.get(text[-1], 1.0)
    number = float(text[:-1] if text[-1] in UNITS else text)
    assert abs(number * unit - value) <= max(0.5, 0.05 * abs(value))
    assert len(text) <= 6


@pytest.mark.parametrize(
    ("fraction", "digits", "text"),
    [(0.053, 1, "+5.3 %"), (-0.2, 0, "-20 %"), (0.0, 1, "0.0 %"), (-0.0004, 1, "0.0 %"), (1.5, 0, "+150 %")],
)
def test_a_percentage_is_a_fraction_times_a_hundred_with_its_sign(fraction, digits, text):
    assert percent(fraction, digits) == text


def test_an_amount_has_thousands_separators():
    assert amount(-1_234_567.8) == "-1,234,568"


def test_a_value_has_no_plus_unless_it_is_asked_for():
    assert (amount(1234.5, 2), amount(1234.5, 2, signed=True)) == ("1,234.50", "+1,234.50")


def test_an_unsigned_percentage_keeps_its_minus():
    assert (percent(0.16, signed=False), percent(-0.16, signed=False)) == ("16.0 %", "-16.0 %")
