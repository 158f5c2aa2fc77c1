"""An export against riskbot: its own figures agree in every layout, one wrong figure is found, and what has no counterpart is
named."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.model import Dividend, Kind, Settlement
from engine.navigator import (
    TOLERANCES,
    compare,
    comparison_json,
    comparison_text,
    differences_frame,
    read_export,
    totals_frame,
    verdict,
)
from engine.navigator.headers import Measure
from tests.unit.books import AS_OF, FAR, MARKET, SETTINGS, holding, option, snapshot
from tests.unit.navigator_exports import (
    DESCRIPTIONS,
    HEADERS,
    MOVE_HEADERS,
    NUMBERS,
    Layout,
    book,
    table_of,
    written,
)

BOOK = book()


@st.composite
def layouts(draw):
    scale = draw(st.sampled_from(["holding", "quantity", "unit"]))
    numbers = draw(st.sampled_from(sorted(NUMBERS)))
    return Layout(
        separator=draw(st.sampled_from([",", ";", "\t", "|"])),
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])),
        numbers=numbers,
        headers="guide" if scale == "unit" else draw(st.sampled_from(sorted(HEADERS))),
        moves=draw(st.sampled_from(sorted(MOVE_HEADERS))),
        descriptions=draw(st.sampled_from(sorted(DESCRIPTIONS))),
        grouped=draw(st.sampled_from(["no", "indented", "column"])),
        titles=draw(st.booleans()),
        total=draw(st.booleans()),
        scale=scale,
        none=draw(st.sampled_from(["", "--", "N/A"])),
    )


def compared(data, of=BOOK, **options):
    return compare(read_export(data), of, SETTINGS, **options)


def assert_nothing_left(found):
    assert found.unread == found.unmatched == found.ambiguous == found.not_comparable == ()
    assert found.missing == ()
    assert found.unknown_columns == ("Conversion Rate",)


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_an_export_of_riskbot_s_own_figures_agrees_in_every_layout(layout):
    data, _ = written(table_of(BOOK, layout))
    found = compared(data)
    assert found.differences == ()
    assert_nothing_left(found)
    assert (found.positions, found.agreeing) == (11, 11)
    assert found.sums == found.sums_agreeing == 5 * (layout.grouped != "no") + layout.total
    assert all(one.doubt is None for one in found.readings)
    assert all(one.agrees for one in found.totals)
    assert verdict(found).startswith("11 of 11 positions agree")


@settings(max_examples=100, deadline=None)
@given(layouts(), st.data())
def test_one_wrong_figure_is_reported_and_nothing_else(layout, data):
    table = table_of(BOOK, layout)
    cells = [(i, key) for i, row in enumerate(table.rows) for key in row[3]]
    i, key = data.draw(st.sampled_from(cells))
    name, role, indent, figures = table.rows[i]
    sums = 20.0 if role in {"group", "total"} else 1.0
    wrong = figures[key] + data.draw(st.sampled_from([-1, 1])) * sums * far_off(key[0], layout, figures[key])
    table.rows[i] = (name, role, indent, figures | {key: wrong})
    bytes_, lines = written(table)
    found = compared(bytes_)
    assert [(one.row, one.figure.split()[0]) for one in found.differences] == [
        (lines[i], key[0].value.split()[0])
    ]
    assert found.differences[0].theirs == pytest.approx(
        wrong / (100.0 if key[0] is Measure.IV else 1.0), abs=1e-5
    )
    assert found.differences[0].cause
    assert_nothing_left(found)


def far_off(measure, layout, value):
    """More than any tolerance, and less than what would be another unit."""
    holding = {"holding": 1000.0, "quantity": 12.0, "unit": 1.0}[layout.scale]
    least = {
        Measure.QUANTITY: 1.0, Measure.PRICE: 0.05, Measure.SPOT: 1.0, Measure.VALUE: 200.0, Measure.IV: 2.0,
        Measure.DOLLAR_DELTA: 200_000.0, Measure.PNL: 150.0, Measure.DELTA: 0.5 * holding, Measure.GAMMA: 0.02 * holding,
        Measure.VEGA: 0.3 * holding, Measure.THETA: 0.3 * holding, Measure.RHO: 0.3 * holding,
    }[measure]  # fmt: skip
    return 1.0 if measure is Measure.QUANTITY else max(0.3 * abs(value), least)


def by_hand(*lines, of=BOOK, **options):
    return compared("\n".join(lines).encode(), of, **options)


def test_two_rows_of_one_symbol_are_its_sum_and_then_its_stock():
    found = by_hand(
        "Financial Instrument,Position,Price", "SPY,,640", "SPY Aug21'26 640 PUT,-10,", "SPY,50,640"
    )
    assert (found.sums, found.positions) == (1, 2)
    assert found.differences == ()


def test_a_symbol_alone_is_the_stock_where_it_is_held_and_the_sum_where_only_options_are():
    found = by_hand("Financial Instrument,Position,Price,Value", "AAA,-300,100,-30000", "SPX,,6400,")
    assert (found.positions, found.sums) == (1, 1)
    assert found.differences == ()


def test_rows_of_plot_data_by_underlying_are_sums():
    table = table_of(BOOK, Layout(grouped="twice"))
    table.rows = [row for row in table.rows if row[1] == "group"]
    data, _ = written(table)
    found = compared(data.replace(b"Contract Description", b"Underlying"))
    assert (found.positions, found.sums, found.sums_agreeing) == (0, 5, 5)
    assert found.missing == ()  # positions are not in such a report


def test_beta_weighted_columns_are_compared_with_moves_by_beta():
    data, _ = written(table_of(BOOK, Layout(), beta=True))
    assert {one.figure.split()[0] for one in compared(data).differences} == {"P&L"}
    assert compared(data, beta=True).differences == ()


def test_more_tolerance_is_more_agreement_and_none_is_none():
    lines = ("Financial Instrument,Price", "AAA,100.4")
    assert by_hand(*lines).differences == ()
    assert len(by_hand(*lines, factor=0.0).differences) == 1
    assert len(by_hand("Financial Instrument,Price", "AAA,104.00").differences) == 1
    assert by_hand("Financial Instrument,Price", "AAA,104.00", factor=10.0).differences == ()


def test_a_rounded_figure_is_compared_as_rounded():
    of = snapshot([holding("AAA", 100.0, mark=100.3), holding("TQQQ", 10.0, mark=90.25)])
    exact = {"of": of, "factor": 0.0}
    assert by_hand("Financial Instrument,Price", "AAA,100", "TQQQ,90", **exact).differences == ()
    assert by_hand("Financial Instrument,Value", "AAA,10K", "TQQQ,902.50", **exact).differences == ()
    (one,) = by_hand("Financial Instrument,Price", "AAA,100", "TQQQ,90.25", **exact).differences
    assert one.label == "AAA"  # 100 was 100.00: the column has cents
    (one,) = by_hand("Financial Instrument,Position", "AAA,100.4", "TQQQ,10", of=of, factor=10.0).differences
    assert one.figure == "position"


def test_a_contract_that_settles_at_the_open_may_be_dated_by_its_last_trading_day():
    am = replace(option("SPX", 6300, "P", iv=0.2).contract, settlement=Settlement.AM)
    held = replace(option("SPX", 6300, "P", iv=0.2), contract=am)
    found = by_hand("Financial Instrument,Position", "SPX Aug20'26 6300 PUT,1", of=snapshot([held]))
    assert (found.positions, found.agreeing) == (1, 1)


def test_what_settles_at_the_close_is_dated_by_its_own_day():
    found = by_hand("Financial Instrument,Position", "SPX Aug20'26 6300 PUT,2")
    assert found.positions == 0
    assert found.unmatched[0].why == "is not held in the snapshot"


def test_a_month_that_two_positions_are_in_is_ambiguous():
    held = [
        option("SPY", 640, "P", iv=0.2),
        option("SPY", 640, "P", iv=0.2, expiry=AS_OF.date().replace(month=8, day=14)),
    ]
    found = by_hand("Financial Instrument,Position", "SPY AUG 2026 640 P,1", of=snapshot(held))
    assert found.positions == 0
    assert "could be SPY 2026-08-21 640 P, SPY 2026-08-14 640 P" in found.ambiguous[0].why


def test_two_lines_of_one_holding_are_named_and_neither_is_compared():
    found = by_hand("Financial Instrument,Price", "AAA STK,1", "TQQQ STK,90", "AAA STK,100")
    assert [(one.row, one.why) for one in found.ambiguous] == [
        (2, "the same as row 4; none of them is compared"),
        (4, "the same as row 2; none of them is compared"),
    ]
    assert found.positions == 1 and found.differences == ()


def test_one_holding_of_two_accounts_is_compared_as_a_whole_or_by_account():
    held = [
        holding("AAA", 100.0, mark=100.0, id="U1:AAA", account="U1"),
        holding("AAA", 50.0, mark=100.0, id="U2:AAA", account="U2"),
    ]
    whole = by_hand("Financial Instrument,Position,Value", "AAA,150,15000", of=snapshot(held))
    assert (whole.positions, whole.differences) == (1, ())
    apart = by_hand(
        "Account,Financial Instrument,Position",
        "U1,AAA STK,100",
        "U2,AAA STK,50",
        "U3,AAA STK,1",
        of=snapshot(held),
    )
    assert (apart.positions, apart.differences) == (2, ())
    assert apart.unmatched[0].why == "is not held in account U3"


def test_a_future_is_found_by_month_or_code_and_has_its_whole_value():
    for name in ("ES Sep'26", "ES Sep18'26", "ESU6", "ES 20260918 FUT"):
        found = by_hand("Financial Instrument,Position,Value", f"{name},2,642500")
        assert (found.positions, found.differences) == (1, ())


def test_a_future_that_could_be_that_of_the_month_before_is_ambiguous():
    market = MARKET | {"CL": replace(MARKET["CL"])}
    future = {"multiplier": 1000.0, "mark": 70.0}
    held = [
        holding(
            "CL", 1.0, Kind.FUTURE, expiry=AS_OF.date().replace(month=month, day=20), id=str(month), **future
        )
        for month in (8, 9)
    ]
    found = by_hand("Financial Instrument,Position", "CL Sep'26,1", of=snapshot(held, market))
    assert "could be CL 2026-09-20, CL 2026-08-20" in found.ambiguous[0].why


def test_columns_of_their_own_say_which_contract_it_is():
    found = by_hand(
        "Symbol,Security Type,Expiry,Strike,Put/Call,Position",
        "SPY,OPT,20260821,640.0,P,-10",
        "AAA,STK,--,,,-300",
    )
    assert (found.positions, found.differences) == (2, ())


def test_what_is_on_one_side_only_is_listed():
    found = by_hand("Financial Instrument,Position", "ZZZ STK,5", "SPY Aug21'26 640 PUT,-10")
    assert [(one.row, one.what) for one in found.unmatched] == [(2, "ZZZ STK")]
    assert len(found.missing) == 10 and "SPY" in found.missing


def test_greeks_that_could_be_of_two_scales_say_so():
    held = [option("SPY", 640, "P", 1.1, iv=0.2, multiplier=1.0)]
    found = by_hand("Financial Instrument,Delta", "SPY Aug21'26 640 PUT,-0.47", of=snapshot(held))
    assert found.readings[0].doubt is not None


def test_greeks_that_fit_no_scale_say_so():
    found = by_hand(
        "Financial Instrument,Vega", "SPY Aug21'26 640 PUT,7777777", "SPY Aug21'26 600 PUT,-5555555"
    )
    assert found.readings[0].doubt == "no scale fits its figures"


def test_an_amount_in_another_currency_is_told_from_one_in_base_currency():
    held = [
        option("AAA", 105, "C", 10.0, iv=0.3, currency="EUR"),
        option("AAA", 95, "P", -10.0, iv=0.3, currency="EUR"),
    ]
    of = snapshot(held, fx={"EUR": 1.1})
    for currency, factor in (("base", 1.1), ("own", 1.0)):
        table = table_of(of, Layout())
        for i, (name, role, indent, cells) in enumerate(table.rows):
            vega = cells[Measure.VEGA, None] * factor
            table.rows[i] = (name, role, indent, cells | {(Measure.VEGA, None): vega})
        found = compared(written(table)[0], of)
        reading = next(one for one in found.readings if one.column.measure is Measure.VEGA)
        assert ("base" in reading.scale) is (currency == "base")
        assert found.differences == ()


def test_a_position_without_a_value_is_named_and_not_compared():
    of = snapshot([holding("AAA", 1.0, mark=100.0), holding("DARK", 1.0, Kind.STOCK)], MARKET)
    found = by_hand(
        "Financial Instrument,Position,Price,Value", "AAA,1,100,100", "DARK,1,5,5", "Total,,,105", of=of
    )
    assert found.differences == ()
    assert {(one.row, one.why) for one in found.not_comparable} == {(3, "riskbot has no value for DARK: no price"),
                                                                    (4, "riskbot has no value for DARK: no price")}  # fmt: skip


def test_an_empty_book_has_every_line_unmatched():
    found = by_hand("Financial Instrument,Value", "AAA,1", "Total,5", of=snapshot([]))
    assert len(found.unmatched) == 2
    assert verdict(found) == "nothing could be compared: see below"


# Likely causes


def causes(*lines, of=BOOK):
    return {one.figure: one.cause for one in by_hand(*lines, of=of).differences}


def test_a_quantity_that_differs_explains_its_position_s_figures():
    found = causes("Financial Instrument,Position,Value,Delta", "AAA,-200,-20000,-200", "SPY,50,32000,50")
    assert found["value"] == found["delta"] == "the quantity differs"
    assert found["position"].startswith("another quantity")


def test_an_underlying_that_stands_elsewhere_is_another_moment():
    found = causes("Financial Instrument,Price", "AAA,103", "AAA Aug21'26 95 PUT,1.11")
    assert found == {"price": "another moment: AAA at 103 there, 100 here"}


def test_an_old_quote_here_is_the_cause():
    old = AS_OF - timedelta(minutes=20)
    of = snapshot([option("SPY", 640, "P", bid=10.0, ask=10.2, as_of=old, quote_spot=640.0)])
    assert causes("Financial Instrument,Price", "SPY Aug21'26 640 PUT,15", of=of) == {
        "price": "its quote here is 20 min old"
    }


def test_another_volatility_explains_the_greeks():
    found = causes(
        "Financial Instrument,Implied Vol.,Vega",
        "SPY Aug21'26 640 PUT,25 %,-900",
        "SPY Aug21'26 600 PUT,21%,900",
    )
    assert found["vega"] == "IV 25.0 % there, 16.0 % here"


def test_greeks_that_differ_at_one_price_may_be_a_dividend_or_a_rate():
    table = table_of(BOOK, Layout(scale="unit"))
    wrong = {"AAA Aug21'26 95 PUT", "SPY Jan15'27 660 CALL"}
    table.rows = [
        (n, r, i, c | {(Measure.DELTA, None): c[Measure.DELTA, None] + 0.05} if n in wrong else c)
        for n, r, i, c in table.rows
    ]
    found = {one.label: one.cause for one in compared(written(table)[0]).differences}
    assert found["AAA 2026-08-21 95 P"].startswith(
        "a dividend before expiry that the broker counts otherwise (ex 10 Aug"
    )
    assert "the broker's forward looks higher" in found["AAA 2026-08-21 95 P"]
    assert found["SPY 2027-01-15 660 C"].startswith("another rate or carry (171 days to expiry")


def test_a_short_position_s_delta_tells_the_forward_as_a_long_one_s_does():
    for more, forward in ((0.05, "higher"), (-0.05, "lower")):
        table = table_of(BOOK, Layout())
        short = "SPY Jan15'27 660 CALL"  # -5 of 100
        table.rows = [
            (n, r, i, c | {(Measure.DELTA, None): c[Measure.DELTA, None] - 500 * more} if n == short else c)
            for n, r, i, c in table.rows
        ]
        (difference,) = compared(written(table)[0]).differences
        assert f"the broker's forward looks {forward}" in difference.cause


def test_a_sum_with_a_position_that_the_export_lacks_says_so():
    found = causes("Financial Instrument,Position,Value", "AAA STK,-300,-30000", "Total,,999")
    assert found["value"].startswith("the export has no line for SPY and 9 more")


def test_differences_are_ordered_by_what_they_mean_in_money():
    found = by_hand("Financial Instrument,Price", "AAA,101.00", "TQQQ,70", "SPY,641")
    assert [one.money for one in found.differences] == pytest.approx([2400.0, 300.0])
    assert list(differences_frame(found)["label"]) == ["TQQQ", "AAA"]


# Words


def test_the_text_has_everything_and_the_json_is_json():
    import json

    lines = (
        "Title",
        "Financial Instrument,Position,Value,Delta,VaR",
        "AAA,-200,bad,-200,1",
        "???,1,,,",
        "Total,,5,,",
    )
    found = by_hand(*lines)
    text = comparison_text(found)
    for part in (
        "row 3: 'Value: bad': is not a number",
        "row 4: '???'",
        "columns not compared: VaR",
        "'Title'",
        "Delta: ",
    ):
        assert part in text
    document = json.loads(comparison_json(found))
    assert document["verdict"] == verdict(found)
    assert {row["row"] for row in document["unread"]} == {3, 4}
    assert document["totals"] == totals_frame(found).to_dict("records")


def test_a_file_without_a_header_is_refused_in_one_line():
    with pytest.raises(RequestError, match="no row of the export is a header"):
        read_export(b"a,b\n1,2\n")


def test_dividends_are_not_a_cause_after_expiry():
    market = MARKET | {"AAA": replace(MARKET["AAA"], dividends=(Dividend(FAR, 0.5),))}
    table = table_of(snapshot(BOOK.positions, market), Layout(scale="unit"))
    table.rows = [
        (
            n,
            r,
            i,
            c | {(Measure.DELTA, None): c[Measure.DELTA, None] + 0.05} if n == "AAA Aug21'26 95 PUT" else c,
        )
        for n, r, i, c in table.rows
    ]
    (difference,) = compared(written(table)[0], snapshot(BOOK.positions, market)).differences
    assert "dividend" not in difference.cause


def test_the_page_has_the_tolerances_of_the_code():
    page = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w& ]+) \| ([\d.]+) % \| ([\d.]+) \|$", page, re.MULTILINE)
    said = {Measure(name): (float(share) / 100.0, float(amount)) for name, share, amount in rows}
    assert said == {measure: (pytest.approx(one.share), one.amount) for measure, one in TOLERANCES.items()}
