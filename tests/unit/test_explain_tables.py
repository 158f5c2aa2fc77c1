"""An explained P&L as tables, text and JSON: nothing is lost on the way, and what is unknown stays so."""

import json
import math
from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from engine.explained import STEPS, TERMS, Trade
from engine.model import Kind
from engine.reports.explain_tables import (
    CAUSES,
    cause_frame,
    explain_json,
    explain_notes,
    explain_position_frame,
    explain_text,
    explain_underlying_frame,
    waterfall_frame,
)
from engine.risk import explain_pnl
from tests.unit.books import AS_OF, MARKET, SETTINGS, holding, option, snapshot


@pytest.fixture(scope="module")
def found():
    held = [
        holding("BBB", 100.0, mark=50.0),
        option("BBB", 50, "P", 2.0, iv=0.4),
        option("SPY", 640, "C", 1.0, iv=0.2),
    ]
    later = MARKET | {name: replace(MARKET[name], spot=MARKET[name].spot * 1.02) for name in ("BBB", "SPY")}
    fill = Trade(held[0].contract, AS_OF + timedelta(hours=1), 50.0, 50.2, commission=1.0)
    end = [replace(held[0], quantity=160.0, mark=51.0), replace(held[1], iv=0.38), held[2]]
    return explain_pnl(
        snapshot(held), snapshot(end, later, as_of=AS_OF + timedelta(days=1)), SETTINGS, [fill]
    )


def test_the_causes_hold_every_term_and_every_step_once():
    assert sorted(term for _, terms, _ in CAUSES for term in terms) == sorted(TERMS)
    assert sorted(step for _, _, steps in CAUSES for step in steps) == sorted(STEPS)


def test_both_columns_of_the_causes_sum_to_the_total(found):
    frame = cause_frame(found.total)
    for column in ("greeks", "revalued"):
        assert (
            frame[column].iloc[:-1].sum()
            == pytest.approx(frame[column].iloc[-1])
            == pytest.approx(found.total.actual)
        )


def test_the_underlyings_and_the_positions_sum_to_the_total(found):
    by_underlying, by_position = explain_underlying_frame(found), explain_position_frame(found)
    for name, value in by_underlying.loc["TOTAL"].items():
        assert by_underlying.iloc[:-1][name].sum() == pytest.approx(value)
        assert by_position[name].sum() == pytest.approx(value)


def test_the_waterfall_has_what_moved_and_sums_to_the_actual(found):
    frame = waterfall_frame(found.total)
    assert list(frame.index) == ["time", "spot", "volatility", "trades", "fees", "changed unseen"]
    assert frame["pnl"].sum() == pytest.approx(found.total.actual, abs=1.0)


def test_the_text_names_each_cause_and_what_changed_unseen(found):
    text = explain_text(found)
    for part in (
        "By cause (USD)",
        "    8-30 d",
        "By underlying, Greeks",
        "By position, revalued",
        "SPY 2026-08-21 640 C",
    ):
        assert part in text
    assert "! +510 of it is positions that changed without a known trade" in text
    assert "BBB: position changed without a known trade: +10" in text
    assert "nan" not in text


def test_the_json_is_one_object_in_full_precision(found):
    document = json.loads(explain_json(found))
    assert document["actual"] == found.total.actual
    assert document["earned"] == found.total.actual - found.total.steps.changed
    assert document["steps"] == asdict(found.total.steps) and document["greeks"] == asdict(found.total.terms)
    assert {row["id"] for row in document["positions"]} == {row.id for row in found.positions}
    first = document["positions"][0]
    assert (first["quantity_before"], first["quantity_after"], first["mark_after"]) == (100.0, 160.0, 51.0)
    assert document["by_underlying"]["BBB"]["actual"] == found.by_underlying["BBB"].actual


def test_what_is_unknown_is_null_and_a_question_mark():
    blind = explain_pnl(snapshot([holding("BOND", kind=Kind.BOND)]), snapshot([], as_of=AS_OF), SETTINGS)
    document = json.loads(explain_json(blind))
    assert document["actual"] is None and document["steps"]["spot"] is None
    assert document["left_out"] == [{"id": "BOND", "reason": "earlier: no price"}]
    assert ": ? USD; 0 positions, 1 left out" in explain_text(blind)
    assert explain_notes(blind) == ["left out: BOND: earlier: no price"]
    assert math.isnan(blind.total.actual)


def test_an_empty_book_has_a_text_and_a_waterfall():
    empty = explain_pnl(snapshot([]), snapshot([], as_of=AS_OF), SETTINGS)
    assert "0 positions, 0 left out" in explain_text(empty)
    assert waterfall_frame(empty.total)["pnl"].tolist() == [0.0] * len(STEPS)
    assert explain_position_frame(empty).empty
