"""Reading an export: whatever its bytes are, it is lines, or one sentence; what can't be read is named with its row."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.model import Kind
from engine.navigator import Export, compare, comparison_json, comparison_text, read_export
from engine.navigator.headers import Measure
from tests.unit.books import SETTINGS
from tests.unit.navigator_exports import book

PRICE, VALUE = (Measure.PRICE, None), (Measure.VALUE, None)

PORTFOLIO = (
    "Portfolio\n"
    "Financial Instrument Description,Position,Currency,Market Price,Market Value,Average Price,Unrealized P&L,Realized P&L,"
    "Liquidate Last,Security Type,Delta Dollars\n"
    "SPY,-30,USD,458.7739868,-13763.22,458.7742078,0.01,0.00,No,STK,-13763.22\n"
    "SPX    APR2022 4300 P [SPXW  220429P04300000 100],2,USD,113.7491989,22749.84,123.5542635,-1961.01,0.00,No,OPT,-261471.82\n"
    "\n"
    "Cash Balances\n"
    "USD,188569,USD\n"
    "Total (in USD),188569,USD\n"
    "\n"
)
"""The layout of TWS's portfolio export, as recorded in 2022."""


def read(text):
    return read_export(text.encode())


def test_the_portfolio_export_of_the_workstation_is_read_whole():
    found = read(PORTFOLIO)
    assert [(line.row, line.contract and line.contract.symbol) for line in found.lines] == [
        (3, "SPY"), (4, "SPX"), (7, "USD"), (8, None),
    ]  # fmt: skip
    assert found.lines[0].contract.kind is Kind.STOCK
    assert found.lines[1].contract.root == "SPXW"
    assert [one.what for one in found.headings] == ["Portfolio", "Cash Balances"]
    assert found.unread == ()
    assert "Average Price" in found.unknown_columns and "Liquidate Last" in found.unknown_columns


def test_a_second_header_starts_a_section_of_its_own():
    found = read("Financial Instrument,Price,Value\nAAA,1,2\nContract,Value,Price,Vega\nBBB,3,4,5\n")
    assert [(line.figures[PRICE].value, line.figures[VALUE].value) for line in found.lines] == [
        (1.0, 2.0),
        (4.0, 3.0),
    ]
    assert [column.measure for column in found.columns] == [Measure.PRICE, Measure.VALUE, Measure.VEGA]


@pytest.mark.parametrize(
    ("line", "row", "what", "why"),
    [
        ("A?A,1,2", 2, "A?A", "is not a contract description that is known"),
        ("AAA,one,2", 2, "Price: one", "is not a number"),
        (",1,2", 2, "1 | 2", "figures without a name"),
        ("AAA,1,234.50,2", 2, "AAA | 1 | 234.50 | 2", "4 cells where the header has 3"),
        ('"AAA,1,2\nBBB,3,4', 2, "AAA,1,2 BBB,3,4", "a quotation mark is not closed"),
    ],
)
def test_what_can_t_be_read_is_named_with_its_row_and_why(line, row, what, why):
    found = read(f"Financial Instrument,Price,Value\n{line}\n")
    (one,) = found.unread
    assert (one.row, one.what) == (row, what)
    assert one.why.startswith(why)


def test_the_rest_of_a_line_with_a_bad_cell_is_still_read():
    (line,) = read("Financial Instrument,Price,Value\nAAA,one,2\n").lines
    assert PRICE not in line.figures and line.figures[VALUE].value == 2.0


def test_a_contract_in_columns_that_makes_no_sense_is_named_and_read_as_its_symbol():
    found = read("Symbol,Expiry,Strike,Right,Price\nSPY,soon,640,P,1\n")
    assert "read as its symbol alone" in found.unread[0].why
    assert found.lines[0].contract.is_bare


def test_a_company_s_name_beside_its_symbol_does_not_hide_it():
    found = read("Symbol,Financial Instrument,Price\nFDS,FactSet Research Systems,400\nKO,Coca-Cola,70\n")
    assert [line.contract.symbol for line in found.lines] == ["FDS", "KO"]


def test_names_that_are_set_in_or_marked_keep_their_depth():
    found = read("Financial Instrument,Price\n+ SPY,1\n    SPY STK,2\n\u00a0\u00a0AAA,3\n")
    assert [(line.name, line.indent) for line in found.lines] == [("SPY", 2), ("SPY STK", 4), ("AAA", 2)]


@pytest.mark.parametrize("mark", ["sep=;\n", "\ufeff", "Some title; and more\n\n"])
def test_what_stands_before_the_header_is_passed(mark):
    found = read(f"{mark}Financial Instrument;Price\nAAA;1,5\n")
    assert (found.separator, found.decimal_comma) == (";", True)
    assert found.lines[0].figures[PRICE].value == 1.5


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"),
     ("cp1252", "Windows-1252")],
)  # fmt: skip
def test_encodings_are_told_apart(encoding, said):
    found = read_export("Financial Instrument,Price\r\nAAA,€5.00\r\nBBB,7.00\r\n".encode(encoding))
    assert found.encoding == said
    assert found.lines[0].figures[PRICE].value == 5.0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no row of the export is a header"),
        (b"\x00" * 100, "no row of the export is a header"),
        (b"PK\x03\x04...", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0...", "Excel workbook"),
        (b'Underlying,Position\n"' + b"x" * 200_000 + b'"', "no table of text"),
        (b"x" * 20_000_001, "over 20 MB"),
    ],
)
def test_what_is_no_export_is_refused_in_one_line(data, words):
    with pytest.raises(RequestError, match=words) as refused:
        read_export(data)
    assert "\n" not in str(refused.value)


CELLS = st.one_of(
    st.sampled_from(
        ["SPY", "Total", "Financial Instrument", "Position", "Delta", "Price", "+3%", "IV", "SPY Aug21'26 640 PUT", "AAA STK",
         "-10", "1,5", "(3)", "--", "7 %", "\"", "Underlying", "ES Sep'26", "1.797e308", "nan", "", "  AAA", "1e-400", "1e308"]
    ),
    st.text(max_size=8),
)  # fmt: skip
TABLES = st.builds(
    lambda rows, separator: "\n".join(separator.join(row) for row in rows),
    st.lists(st.lists(CELLS, max_size=6), max_size=12),
    st.sampled_from([",", ";", "\t"]),
)
BOOK = book()


def survives(data):
    try:
        export = read_export(data)
    except RequestError:
        return
    assert isinstance(export, Export)
    found = compare(export, BOOK, SETTINGS)
    comparison_text(found)
    comparison_json(found)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"Underlying,Position\r\x00")
def test_no_bytes_are_too_strange(data):
    survives(data)


@settings(max_examples=300, deadline=None)
@given(TABLES)
@example("Financial Instrument,IV\nSPY Aug21'26 640 PUT,--")
@example("Financial Instrument,Value\nTotal,1e308\nSPY,1e308")
def test_no_table_is_too_strange(text):
    survives(
        ("Financial Instrument,Position,Price,Value,Delta,IV,+3%\n" + text).encode("utf-8", "surrogatepass")
    )
    survives(text.encode("utf-16", "surrogatepass"))


@settings(max_examples=100, deadline=None)
@given(TABLES)
def test_every_row_with_something_in_it_is_read_named_or_a_heading(text):
    import csv
    import io

    whole = "Financial Instrument,Position,Price\n" + text.replace('"', "").replace("\r", "").replace(
        ";", ","
    ).replace("\t", ",")
    try:
        found = read_export(whole.encode("utf-8", "surrogatepass"))
    except RequestError:
        return
    told = {one.row for one in (*found.lines, *found.unread, *found.headings)}
    headers = set()
    rows = csv.reader(io.StringIO(whole, newline=""), delimiter=found.separator)
    from engine.navigator.headers import read_header

    for row, cells in enumerate(rows, 1):
        if read_header(cells).is_known:
            headers.add(row)
        elif any(cell.strip() for cell in cells):
            assert row in told | headers, (row, cells)
