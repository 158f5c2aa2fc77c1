"""The words of an export: numbers, contracts and headers in the ways they are written."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Kind, Right
from engine.navigator.cells import decimal_comma, is_none, number
from engine.navigator.descriptions import Described, described, is_total
from engine.navigator.headers import Field, Level, Measure, read_header

AUGUST = date(2026, 8, 21)

# Numbers


@pytest.mark.parametrize(
    ("text", "value", "half_unit"),
    [
        ("0.52", 0.52, 0.005),
        ("-12", -12.0, 0.5),
        ("1,234.50", 1234.5, 0.005),
        ("1'234.5", 1234.5, 0.05),
        ("1 234,567", None, None),
        ("(1,234)", -1234.0, 0.5),
        ("$(12.5)", -12.5, 0.05),
        ("(USD 12.5)", -12.5, 0.05),
        ("1,234.50-", -1234.5, 0.005),
        ("\u22123.1", -3.1, 0.05),
        ("+4", 4.0, 0.5),
        ("16.2 %", 0.162, 0.0005),
        ("-15%", -0.15, 0.005),
        ("1.2K", 1200.0, 50.0),
        ("-3.45M", -3_450_000.0, 5000.0),
        ("USD 5.00", 5.0, 0.005),
        ("5.00 EUR", 5.0, 0.005),
        ("€1,000", 1000.0, 0.5),
        ("-$5", -5.0, 0.5),
        ("$-5", -5.0, 0.5),
        ("1.5e-3", 0.0015, 0.00005),
        (".5", 0.5, 0.05),
        ("'7", 7.0, 0.5),
        ('="7"', 7.0, 0.5),
        ("\u00a07\u00a0", 7.0, 0.5),
    ],
)
def test_a_number_is_read_as_people_write_it(text, value, half_unit):
    found = number(text)
    assert (found and found.value, found and found.half_unit) == (
        value if value is None else pytest.approx(value),
        half_unit if half_unit is None else pytest.approx(half_unit),
    )


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "1,23",
        "12,34,567.8",
        "1.2.3",
        "(5",
        "5)",
        "--5",
        "-5-",
        "(-5)",
        "5%%",
        "1 2",
        "0x10",
        "1_000",
        "1e999",
        "inf",
    ],
)
def test_what_is_not_clearly_a_number_is_none(text):
    assert number(text) is None


def test_a_decimal_comma_is_read_where_the_file_has_one():
    assert number("1.234,56", comma=True).value == pytest.approx(1234.56)
    assert number("-0,5", comma=True).value == -0.5
    assert number("1,234.56", comma=True) is None
    assert decimal_comma(["1.234,56", "0,5", "12", "1.234"])
    assert not decimal_comma(["1,234.56", "0.5", "12", "1,234"])
    assert not decimal_comma(["1,234", "12"])


@pytest.mark.parametrize("text", ["", " ", "-", "--", "N/A", "n/a", "NaN", "?", "\u2013"])
def test_what_means_no_value(text):
    assert is_none(text)


@given(st.floats(-1e12, 1e12), st.integers(0, 8))
def test_every_printed_number_comes_back_within_half_of_its_last_digit(value, digits):
    for text in (f"{value:.{digits}f}", f"{value:,.{digits}f}"):
        found = number(text)
        assert abs(found.value - value) <= found.half_unit * (1 + 1e-9) + abs(value) * 1e-15
        assert found.half_unit == pytest.approx(0.5 * 10.0**-digits)


@given(st.text(max_size=80))
def test_no_cell_is_too_strange(text):
    number(text)
    number(text, comma=True)
    is_none(text)
    described(text)
    is_total(text)
    read_header([text, "Position"])


# Contracts


@pytest.mark.parametrize(
    "name",
    [
        "SPY Aug21'26 640 PUT",
        "SPY AUG 21 '26 640 Put",
        "SPY Aug 21, 2026 640 P",
        "SPY 21AUG26 640 P",
        "SPY 21 Aug 2026 640 P",
        "SPY 21-AUG-2026 640 PUT",
        "SPY 2026-08-21 640 P",
        "SPY 20260821 640.00 P",
        "SPY 20260821 P 640",
        "spy august 21 '26 640 puts",
        "SPY Aug21'26 640 PUT (100)",
        "SPY Aug21'26 640 PUT @SMART",
        "SPY Aug21'26 640 PUT (100) @SMART",
        "SPY  Aug21\u203226 640 PUT".replace("\u2032", "\u2019"),
        "SPY Aug21'26 640 P OPT",
    ],
)
def test_an_option_is_read_in_every_way_it_is_written(name):
    assert described(name) == Described("SPY", Kind.OPTION, AUGUST, None, 640.0, Right.PUT)


def test_a_symbol_of_the_exchanges_says_its_trading_class():
    said = described("SPXW  260821P06400500")
    assert said == Described("SPXW", Kind.OPTION, AUGUST, None, 6400.5, Right.PUT, "SPXW")
    said = described("SPX    AUG2026 6400.5 P [SPXW  260821P06400500 100]")
    assert said == Described("SPX", Kind.OPTION, AUGUST, None, 6400.5, Right.PUT, "SPXW")
    assert described("SPX Aug21'26 6,400.5 PUT (SPXW)").root == "SPXW"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("AAPL", Described("AAPL")),
        ("AAPL STK", Described("AAPL", Kind.STOCK)),
        ("AAPL@NASDAQ", Described("AAPL")),
        ("BRK B", Described("BRK B")),
        ("BRK B Aug21'26 500 C", Described("BRK B", Kind.OPTION, AUGUST, None, 500.0, Right.CALL)),
        ("EUR.USD", Described("EUR.USD")),
        ("ES Sep'26", Described("ES", Kind.FUTURE, None, date(2026, 9, 1))),
        ("ES SEP26", Described("ES", Kind.FUTURE, None, date(2026, 9, 1))),
        ("ES Sep18'26", Described("ES", Kind.FUTURE, date(2026, 9, 18))),
        ("SPY AUG 2026 640 P", Described("SPY", Kind.OPTION, None, date(2026, 8, 1), 640.0, Right.PUT)),
        ("???", None),
        ("SPY Feb30'26 640 PUT", None),
        ("SPY Aug21'26 0 PUT", None),
        ("SPY Aug21'26 640", None),
        ("a sentence about nothing in particular", None),
    ],
)
def test_other_contracts_and_what_is_none(name, said):
    assert described(name) == said


@pytest.mark.parametrize(
    ("name", "total"),
    [("Total", True), ("TOTAL (in USD)", True), ("Portfolio", True), ("Grand total", True), ("All Underlyings", True),
     ("ALL", False), ("TOTS", False)],
)  # fmt: skip
def test_the_row_of_the_whole_portfolio_is_known_by_its_name(name, total):
    assert is_total(name) is total


# Headers


@pytest.mark.parametrize(
    ("text", "measure", "says"),
    [
        ("Position", Measure.QUANTITY, None),
        ("POS.", Measure.QUANTITY, None),
        ("Mkt Value", Measure.VALUE, None),
        ("Market\nPrice", Measure.PRICE, None),
        ("Und. Price", Measure.SPOT, None),
        ("Delta", Measure.DELTA, None),
        ("Position (Delta)", Measure.DELTA, Level.POSITION),
        ("Portfolio Gamma", Measure.GAMMA, Level.POSITION),
        ("vega (per unit)", Measure.VEGA, Level.UNIT),
        ("Delta Dollars", Measure.DOLLAR_DELTA, None),
        ("Exposure", Measure.DOLLAR_DELTA, None),
        ("Implied Vol. %", Measure.IV, None),
        ("\ufeffRho", Measure.RHO, None),
    ],
)
def test_a_header_is_known_however_it_is_written(text, measure, says):
    (column,) = read_header(["Underlying", text]).columns
    assert (column.measure, column.says, column.index) == (measure, says, 1)


@pytest.mark.parametrize(
    ("text", "move"),
    [
        ("+3%", 0.03), ("P&L(+3%)", 0.03), ("3.0%", 0.03), ("-15 %", -0.15), ("\u221215%", -0.15), ("P&L at -9%", -0.09),
        ("PNL -12%", -0.12), ("P/L (6 %)", 0.06), ("Equity Portfolio Value Change +30%", 0.3), ("(-3%)", -0.03), ("2,5%", 0.025),
        ("0%", 0.0),
    ],
)  # fmt: skip
def test_a_header_of_a_move_is_read_with_its_sign(text, move):
    (column,) = read_header(["Underlying", text]).columns
    assert (column.measure, column.move) == (Measure.PNL, pytest.approx(move))


@pytest.mark.parametrize(
    "text",
    ["Unrealized P&L", "Unrealized P&L (%)", "Value % NLV", "VAR 99.5%", "Adjusted Vega", "Vega x T^-1/2", "Gamma 1%", "P&L",
     "-100%", "Gross Value", "Delta Vega", "Price Change"],
)  # fmt: skip
def test_a_metric_that_is_not_compared_is_unknown(text):
    header = read_header(["Underlying", "Position", text])
    assert header.unknown == (text,)
    assert len(header.columns) == 1


def test_the_best_of_two_columns_of_one_figure_is_taken():
    header = read_header(["Symbol", "Financial Instrument", "Last", "Market Price", "Price"])
    assert header.fields == {Field.SYMBOL: 0, Field.NAME: 1}
    assert [column.header for column in header.columns] == ["Market Price"]
    assert set(header.unknown) == {"Last", "Price"}


def test_a_row_is_a_header_when_it_names_contracts_and_figures():
    assert read_header(["Underlying", "+3%"]).is_known
    assert not read_header(["Underlying", "Account"]).is_known
    assert not read_header(["Position", "Price"]).is_known
