"""The JSON of a report: the keys that others rely on, numbers as numbers, and null for what is unknown."""

import json

import pytest
from hypothesis import given, settings

from engine.analysis import analyse
from engine.model import Kind, Underlying
from engine.reports.document import report_document, report_json
from engine.reports.tables import (
    greeks_frame,
    matrix_frame,
    position_frame,
    report_text,
    scenario_frame,
    shocked_position_frame,
)
from tests.unit.books import MARKET, SETTINGS, books, holding, option, snapshot


def refuse(constant):
    raise AssertionError(f"{constant} in the document")


def parsed(report):
    return json.loads(report_json(report), parse_constant=refuse)


@pytest.fixture
def report():
    held = [option("SPY", 640, "P", -2.0, iv=0.2), holding("AAA", 10.0), holding("DARK", 1.0, Kind.STOCK)]
    return analyse(
        snapshot(held, MARKET | {"DARK": Underlying("DARK", Kind.STOCK, None)}, net_liquidation=1e5), SETTINGS
    )


@settings(max_examples=25, deadline=None)
@given(books())
def test_no_number_is_nan_or_infinite(snap):
    parsed(analyse(snap, SETTINGS))


def test_the_keys_of_the_design_are_there(report):
    document = parsed(report)
    assert {"scenarios", "matrix", "greeks", "positions"} <= document.keys()
    for row in document["scenarios"]:
        assert {"name", "leg", "pnl", "pct", "value", "worst", "best", "positions"} <= row.keys()
        assert all({"id", "value", "pnl", "iv"} <= one.keys() for one in row["positions"])
    assert {"spot", "iv", "pnl"} <= document["matrix"].keys()
    for position in document["positions"]:
        assert {"id", "mark", "iv", "iv_source", "delta", "gamma", "vega", "theta", "rho"} <= position.keys()


def test_the_document_has_the_report_s_figures(report):
    document = parsed(report)
    panic = document["scenarios"][4]
    assert panic["name"] == "Market Panic" and panic["pnl"] == report.scenarios[4].pnl
    assert [row["pnl"] for row in panic["positions"][:2]] == report.scenarios[4].position_pnl.tolist()[:2]
    assert panic["worst"] == {"id": report.scenarios[4].worst.id, "pnl": report.scenarios[4].worst.pnl}
    assert document["greeks"]["vega"] == report.greeks.vega


def test_the_matrix_is_addressed_by_spot_then_iv(report):
    matrix = parsed(report)["matrix"]
    assert matrix["pnl"][0][2] == report.matrix.pnl[0, 2]
    assert (len(matrix["pnl"]), len(matrix["pnl"][0])) == (len(matrix["spot"]), len(matrix["iv"]))


def test_what_is_unknown_is_null_and_named(report):
    document = parsed(report)
    dark = document["positions"][2]
    assert dark["mark"] is dark["value"] is dark["iv"] is dark["delta"] is dark["exposure"] is None
    assert document["by_underlying"]["DARK"]["dollar_delta"] is None
    assert document["quality"]["left_out"] == [{"id": "DARK", "reason": "no price"}]
    assert all(
        row["positions"][2]["pnl"] is None and row["left_out"] == ["DARK"] for row in document["scenarios"]
    )


def test_a_stock_has_no_volatility(report):
    document = parsed(report)
    assert document["positions"][1]["iv"] is None
    assert {row["positions"][1]["iv"] for row in document["scenarios"]} == {None}


def test_times_are_utc_text(report):
    assert parsed(report)["as_of"] == "2026-07-28T19:59:00Z"
    assert parsed(report)["positions"][0]["expiry"] == "2026-08-21"


def test_the_tables_have_the_report_s_figures(report):
    frame = scenario_frame(report)
    assert frame.loc["Market Panic", "pnl"] == report.scenarios[4].pnl
    assert frame["left_out"].unique().tolist() == [1]
    assert position_frame(report).loc["AAA", "position_dollar_delta"] == 1_000.0
    assert matrix_frame(report.matrix).loc[-0.2, 1.0] == report.matrix.pnl[0, -1]


def test_a_scenario_s_table_starts_with_the_largest_loss_and_ends_with_the_unknown(report):
    frame = shocked_position_frame(report, report.scenarios[4])
    assert frame["pnl"].iloc[0] == frame["pnl"].min()
    assert frame.index[-1] == "DARK"


def test_the_greeks_table_adds_no_shares_of_different_things(report):
    frame = greeks_frame(report)
    assert frame.index[-1] == "TOTAL" and frame["delta"].isna().loc["TOTAL"]
    assert frame.loc["TOTAL", "dollar_delta"] == report.greeks.dollar_delta


def test_the_text_of_a_report_names_every_scenario_and_what_is_left_out(report):
    text = report_text(report)
    assert all(result.name in text for result in report.scenarios)
    assert "left out of every total: DARK: no price" in text
    assert "nan" not in text.lower()


@settings(max_examples=15, deadline=None)
@given(books())
def test_every_report_can_be_written_as_text(snap):
    assert report_text(analyse(snap, SETTINGS)).startswith("riskbot report as of 2026-07-28 19:59:00 UTC")


def test_an_empty_account_has_a_document_and_a_text():
    report = analyse(snapshot([]), SETTINGS)
    assert report_document(report)["positions"] == []
    assert "0 positions" in report_text(report)
    assert position_frame(report).empty
