"""Treasury yields to a curve: the newest day that can be believed, par yields made into zero rates, nonsense refused."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import MarketDataError
from engine.treasury import TENORS, continuous_rates, parse_curve

TODAY = date(2026, 11, 25)
HEAD = "observation_date," + ",".join(TENORS)
FLAT = ",".join(["4.00"] * 9)
STEEP = "2026-11-24,1,1,1,1,1,1,1,1,30"
YEARS = tuple(TENORS.values())


def table(*lines, head=HEAD):
    return "\n".join([head, *lines]) + "\n"


def complaint(text):
    """What is said of a table that is not believed; always one short line."""
    with pytest.raises(MarketDataError) as caught:
        parse_curve(text, TODAY)
    message = str(caught.value)
    assert message.startswith("Treasury yields") and "\n" not in message and len(message) < 300
    return message


def slow_twin(par):
    """Zero rates from all bonds at once: their cash flows times the discount factors are their prices, 1."""
    halves = np.arange(1, 61) / 2
    coupons = np.interp(halves, sorted(par), [par[years] for years in sorted(par)]) / 2
    flows = np.tril(np.repeat(coupons[:, None], 60, axis=1)) + np.eye(60)
    for bill in (0, 1):
        flows[bill] = 0.0
        flows[bill, bill] = (1 + coupons[bill]) ** (bill + 1)
    discounts = np.linalg.solve(flows, np.ones(60))
    return {years: -math.log(discounts[round(2 * years) - 1]) / years for years in YEARS if years >= 0.5}


# Reading


def test_the_newest_day_is_taken():
    curve = parse_curve(table("2026-11-23," + ",".join(["3.00"] * 9), "2026-11-24," + FLAT), TODAY)
    assert (curve.currency, curve.as_of) == ("USD", date(2026, 11, 24))
    assert curve.points == tuple((years, pytest.approx(2 * math.log(1.02))) for years in YEARS)


@pytest.mark.parametrize(
    "holiday", [".,.,.,.,.,.,.,.,.", ",,,,,,,,", "4,4,.,.,4,4,4,4,4", ".,4,4,4,4,.,.,.,4"]
)
def test_a_day_without_enough_tenors_leaves_the_one_before(holiday):
    assert parse_curve(table("2026-11-24," + FLAT, "2026-11-25," + holiday), TODAY).as_of == date(
        2026, 11, 24
    )


def test_a_tenor_that_is_missing_is_no_point():
    curve = parse_curve(table("2026-11-24,.,4,4,4,4,,4,.,4"), TODAY)
    assert [years for years, _ in curve.points] == [0.25, 0.5, 1.0, 2.0, 10.0, 30.0]


def test_columns_are_known_by_their_names_and_others_do_not_matter():
    names = ["DGS3", *reversed(TENORS)]
    text = table("2026-11-24,9," + ",".join(map(str, range(9, 0, -1))), head="DATE," + ",".join(names))
    points = dict(parse_curve(text, TODAY).points)
    assert points[0.25] == pytest.approx(2 * math.log(1.01)) and points[1.0] == pytest.approx(
        2 * math.log(1.02)
    )


def test_lines_may_end_as_on_windows():
    assert parse_curve(table("2026-11-24," + FLAT).replace("\n", "\r\n"), TODAY).as_of == date(2026, 11, 24)


@pytest.mark.parametrize(
    "text", ["", "\n", "<!DOCTYPE html>\n<html>busy</html>", "{}", "\x00" * 500, "x" * 10_000]
)
def test_what_is_no_table_is_refused(text):
    assert "no table of FRED's" in complaint(text)


def test_a_column_that_is_missing_is_named():
    head = HEAD.replace(",DGS2,", ",").replace("DGS20,", "")
    assert "no column DGS2, DGS20" in complaint(table("2026-11-24" + ",4" * 7, head=head))


@pytest.mark.parametrize("lines", [[], ["2026-11-24" + ",." * 9], ["2026-11-24,4,4,.,.,4,4,4,4,4"]])
def test_a_table_without_a_whole_day_is_refused(lines):
    assert f"none of {len(lines)} days has enough tenors" in complaint(table(*lines))


@pytest.mark.parametrize(
    "cell", ["999", "30.01", "-2.01", "nan", "inf", "-inf", "n/a", "1e400", "4,4", "x" * 999]
)
def test_nonsense_on_any_day_is_refused_with_its_line(cell):
    assert ", line 2: " in complaint(table(f"2026-11-23,{cell}" + ",4" * 8, "2026-11-24," + FLAT))


@pytest.mark.parametrize(
    "line", ["2026-11-24,4,4", "2026-11-24", "", "24.11.2026," + FLAT, "2026-11-31," + FLAT]
)
def test_a_line_that_is_cut_or_has_no_date_is_refused(line):
    assert ", line 3: " in complaint(table("2026-11-23," + FLAT, line, "2026-11-25," + FLAT))


@pytest.mark.parametrize(("line", "cells"), [("2026-11-24,4,4", 3), (f"2026-11-24,{FLAT},4", 11)])
def test_a_line_of_another_length_is_said_to_be_one(line, cells):
    assert f"line 2: {cells} cells under 10 columns" in complaint(table(line))


def test_yields_of_tomorrow_are_refused():
    tomorrow = TODAY + timedelta(days=1)
    assert f"{tomorrow} after" in complaint(table(f"{tomorrow},{FLAT}"))
    assert parse_curve(table(f"{TODAY},{FLAT}"), TODAY).as_of == TODAY


@pytest.mark.parametrize("second", ["2026-11-24", "2026-11-20"])
def test_days_that_do_not_ascend_are_refused(second):
    assert f"line 3: {second} after 2026-11-24" in complaint(table("2026-11-24," + FLAT, f"{second},{FLAT}"))


def test_yields_that_no_bonds_could_have_are_refused():
    assert "no discount factors fit" in complaint(table(STEEP))


# Zero rates


@given(percent=st.floats(-2.0, 30.0))
def test_a_flat_par_curve_is_a_flat_zero_curve(percent):
    rates = continuous_rates(dict.fromkeys(YEARS, percent / 100))
    assert [rate for _, rate in rates] == pytest.approx([2 * math.log1p(percent / 200)] * 9, abs=1e-12)


@given(percents=st.lists(st.floats(-1.0, 20.0), min_size=9, max_size=9))
def test_the_rates_are_those_of_solving_all_bonds_at_once(percents):
    par = {years: percent / 100 for years, percent in zip(YEARS, percents, strict=True)}
    try:
        rates = dict(continuous_rates(par))
    except MarketDataError:
        assume(False)
    assert {years: rates[years] for years in YEARS if years >= 0.5} == pytest.approx(slow_twin(par), abs=1e-9)


def test_where_yields_rise_the_zero_rate_is_above_the_par_yield():
    par = {years: 0.03 + 0.0005 * years for years in YEARS}
    rates = dict(continuous_rates(par))
    for years in YEARS:
        simple = 2 * math.log1p(par[years] / 2)
        assert rates[years] > simple if years > 1 else rates[years] == pytest.approx(simple, abs=1e-15)


# Recorded yields


def test_every_day_that_was_recorded_becomes_a_curve_near_its_yields(reference_data):
    head, *lines = (reference_data / "rates" / "fred_treasury_cmt_daily.csv").read_text().splitlines()
    for line in lines[::40]:
        day, *cells = line.split(",")
        par = dict(zip(YEARS, (float(cell) / 100 for cell in cells), strict=True))
        curve = parse_curve(table(line, head=head), TODAY)
        assert curve.as_of == date.fromisoformat(day)
        assert dict(curve.points) == pytest.approx(par, abs=0.006)
        assert dict(curve.points[2:]) == pytest.approx(slow_twin(par), abs=1e-12)


def test_the_recorded_table_gives_its_last_day(reference_data):
    text = (reference_data / "rates" / "fred_treasury_cmt_daily.csv").read_text()
    curve = parse_curve(text, TODAY)
    assert curve.as_of == date(2026, 2, 20)
    assert curve.points[1] == (0.25, pytest.approx(2 * math.log(1 + 0.0369 / 2)))
