"""`analyse`: the same Snapshot gives the same report, percentages have a stated basis, and what is unknown stays unknown."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings

from engine.analysis import analyse, analyse_matrix
from engine.calendar import one_word
from engine.model import DataMode, Event, EventKind, Kind, Underlying
from engine.reports.document import report_document, report_json
from engine.scenarios import stocks_reporting
from engine.settings import DataSettings, EngineSettings, ScenarioSettings
from engine.snapshot_file import dump_snapshot, load_snapshot
from tests.unit.books import AS_OF, MARKET, SETTINGS, books, holding, option, snapshot

EXAMPLE = Path(__file__).parents[2] / "examples" / "snapshot.json"
DARK = {"DARK": Underlying("DARK", Kind.STOCK, None)}
MIXED = (
    holding("AAA", 10.0, entry_price=90.0),
    option("SPY", 640, "P", -2.0, iv=0.2),
    holding("EUR", 5.0, Kind.CASH, mark=1.1),
)


def named(report, name):
    (result,) = [result for result in report.scenarios if result.name == name]
    return result


def reporting(snap):
    return stocks_reporting(one_word(snap.events), snap.positions, snap.underlyings, snap.as_of)


@settings(max_examples=25, deadline=None)
@given(books())
def test_the_report_of_the_file_is_the_report_of_the_moment_figure_by_figure(snap):
    again = load_snapshot(dump_snapshot(snap))
    assert report_document(analyse(again, SETTINGS)) == report_document(analyse(snap, SETTINGS))


def test_the_report_of_the_example_is_the_same_after_a_round_trip():
    snap = load_snapshot(EXAMPLE.read_text())
    again = load_snapshot(dump_snapshot(snap))
    assert report_json(analyse(again, SETTINGS)) == report_json(analyse(snap, SETTINGS))


def test_the_example_is_valued_whole():
    report = analyse(load_snapshot(EXAMPLE.read_text()), SETTINGS)
    assert report.quality.left_out == () and report.basis_name == "net liquidation"
    assert {p.iv_source for p in report.positions if p.right} <= {"mark", "smile", "given"}


def test_the_same_snapshot_gives_the_same_report_twice():
    snap = snapshot(MIXED, net_liquidation=1e5)
    assert report_json(analyse(snap, SETTINGS)) == report_json(analyse(snap, SETTINGS))


# Percentages (D9)


def test_a_percentage_is_of_net_liquidation():
    report = analyse(snapshot([holding("AAA", 10.0)], net_liquidation=2_000.0), SETTINGS)
    assert (report.basis, report.basis_name) == (2_000.0, "net liquidation")
    assert named(report, "Market Panic").pct == pytest.approx(100 * -50 / 2_000)
    assert named(report, "Market Panic").value == pytest.approx(1_950.0)


def test_without_net_liquidation_a_percentage_is_of_gross_market_value_and_it_is_said():
    report = analyse(snapshot([holding("AAA", 10.0), holding("BBB", -20.0)]), SETTINGS)
    assert (report.basis, report.basis_name) == (2_000.0, "gross market value")
    assert named(report, "Market Panic").pct == pytest.approx(0.0)
    assert any("percentages are of gross market value" in note for note in report.quality.notes)
    assert report.value == pytest.approx(0.0)


def test_a_net_liquidation_that_is_not_positive_is_not_called_unknown():
    report = analyse(snapshot([holding("AAA", 10.0)], net_liquidation=-5_000.0), SETTINGS)
    assert (report.basis, report.basis_name, report.value) == (None, "net liquidation", -5_000.0)
    assert report.quality.notes[0] == "net liquidation is not positive: there are no percentages"
    assert all(result.pct is None for result in report.scenarios)


# Nothing, and nothing known


def test_an_empty_account_loses_nothing():
    report = analyse(snapshot([], net_liquidation=1_000.0), SETTINGS)
    assert {result.pnl for result in report.scenarios} == {0.0}
    assert {result.pct for result in report.scenarios} == {0.0}
    assert all(result.worst is None and result.best is None for result in report.scenarios)
    assert (report.value, report.greeks.vega) == (1_000.0, 0.0)


def test_an_empty_account_without_net_liquidation_has_no_percentages():
    report = analyse(snapshot([]), SETTINGS)
    assert report.basis is None and report.value == 0.0
    assert {result.pct for result in report.scenarios} == {None}


def test_a_book_of_which_nothing_can_be_valued_is_unknown_not_zero():
    report = analyse(snapshot([holding("DARK", 10.0, Kind.STOCK)], DARK), SETTINGS)
    assert report.value is None and report.basis is None
    assert {(r.pnl, r.pct, r.value, r.worst, r.best) for r in report.scenarios} == {(None,) * 5}
    assert math.isnan(report.greeks.dollar_delta) and math.isnan(report.scenarios[4].greeks.vega)


def test_net_liquidation_does_not_make_the_p_and_l_of_an_unknown_book_known():
    report = analyse(snapshot([holding("DARK", 10.0, Kind.STOCK)], DARK, net_liquidation=1e5), SETTINGS)
    assert {(r.pnl, r.pct, r.value) for r in report.scenarios} == {(None, None, None)}


def test_the_greeks_of_an_underlying_of_which_nothing_is_known_are_unknown():
    held = [holding("DARK", 10.0, Kind.STOCK), holding("AAA", 10.0)]
    report = analyse(snapshot(held, MARKET | DARK), SETTINGS)
    assert math.isnan(report.by_underlying["DARK"].dollar_delta)
    assert report.by_underlying["AAA"].dollar_delta == report.greeks.dollar_delta == 1_000.0


def test_what_is_left_out_is_named_with_its_reason_and_in_every_scenario():
    held = [holding("DARK", 10.0, Kind.STOCK), holding("AAA", 10.0)]
    report = analyse(snapshot(held, MARKET | DARK), SETTINGS)
    assert [(r.id, r.reason) for r in report.quality.left_out] == [("DARK", "no price")]
    assert {r.left_out for r in report.scenarios} == {("DARK",)}
    assert named(report, "Market Panic").pnl == pytest.approx(-50.0)


def test_an_account_that_has_not_arrived_whole_is_noted():
    report = analyse(snapshot(MIXED, complete=False), SETTINGS)
    assert not report.complete
    assert "the account has not arrived whole: positions may be missing" in report.quality.notes


# Stale prices (D10)


def aged(seconds, data=DataMode.LIVE):
    market = MARKET | {
        "AAA": replace(MARKET["AAA"], spot_as_of=AS_OF - timedelta(seconds=seconds), data=data)
    }
    return analyse(snapshot([holding("AAA")], market), SETTINGS).quality


def test_a_price_older_than_stale_after_is_named():
    assert [remark.id for remark in aged(61).stale] == ["AAA"]
    assert any("stale: AAA" in note for note in aged(61).notes)


@pytest.mark.parametrize(
    ("seconds", "data"),
    [(60, DataMode.LIVE), (0, DataMode.LIVE), (9e5, DataMode.CLOSE), (9e5, DataMode.FROZEN)],
)
def test_a_young_price_and_a_close_are_not_stale(seconds, data):
    assert aged(seconds, data).stale == ()


def test_how_old_is_stale_comes_from_the_settings():
    market = MARKET | {"AAA": replace(MARKET["AAA"], spot_as_of=AS_OF - timedelta(seconds=30))}
    chosen = EngineSettings(data=DataSettings(stale_after=20))
    assert analyse(snapshot([holding("AAA")], market), chosen).quality.stale


def test_the_oldest_price_is_the_oldest_of_quotes_and_underlyings_held():
    old, older = AS_OF - timedelta(seconds=20), AS_OF - timedelta(seconds=40)
    market = {
        "SPY": replace(MARKET["SPY"], spot_as_of=older),
        "AAA": replace(MARKET["AAA"], spot_as_of=AS_OF - timedelta(days=9)),  # not held
    }
    report = analyse(snapshot([option("SPY", 640, "P", iv=0.2, as_of=old)], market), SETTINGS)
    assert report.quality.oldest_price == older


# Earnings by symbol (D4)


def earnings(symbol, days):
    return Event(EventKind.EARNINGS, AS_OF + timedelta(days=days), symbols=(symbol,))


def test_each_stock_that_reports_within_thirty_days_has_its_own_runs():
    snap = snapshot(
        [holding("AAA"), option("BBB", 50, "C", iv=0.4)], events=(earnings("BBB", 3), earnings("AAA", 9))
    )
    names = [result.name for result in analyse(snap, SETTINGS).scenarios]
    assert names[1:7] == [
        f"Earnings {how} {symbol}" for how in ("Beat", "Miss", "Inline") for symbol in ("BBB", "AAA")
    ]
    assert len(names) == 19


def test_an_earnings_run_moves_its_symbol_alone_and_says_so():
    snap = snapshot(
        [holding("AAA"), holding("BBB"), option("AAA", 100, "C", iv=0.4)], events=(earnings("AAA", 3),)
    )
    miss = named(analyse(snap, SETTINGS), "Earnings Miss AAA")
    assert miss.note == "moves AAA alone"
    assert (
        miss.position_pnl[0] == pytest.approx(-8.0)
        and miss.position_pnl[1] == 0.0
        and miss.position_pnl[2] < 0
    )


@pytest.mark.parametrize("event", [
    earnings("AAA", -1),
    earnings("AAA", 31),
    earnings("BBB", 3),  # not held
    earnings("SPY", 3),  # no single stock
    replace(earnings("AAA", 3), kind=EventKind.DIVIDEND),
])  # fmt: skip
def test_other_events_give_no_runs(event):
    snap = snapshot([holding("AAA"), holding("SPY")], events=(event,))
    assert reporting(snap) == ()


def test_a_symbol_that_reports_twice_has_one_set_of_runs():
    snap = snapshot([holding("AAA")], events=(earnings("AAA", 3), earnings("AAA", 4)))
    assert reporting(snap) == ("AAA",)


@pytest.mark.parametrize("key", ["use_calendar", "auto_detect_earnings"])
def test_the_calendar_can_be_switched_off(key):
    chosen = EngineSettings(scenarios=ScenarioSettings(**{key: False}))
    snap = snapshot([holding("AAA")], events=(earnings("AAA", 3),))
    assert named(analyse(snap, chosen), "Earnings Beat").note == "moves all single stocks at once"


# Figures


def test_worst_and_best_name_the_positions_at_the_ends():
    held = [holding("AAA", 10.0), holding("SPY", -1.0), option("SPY", 640, "P", 1.0, iv=0.2)]
    panic = named(analyse(snapshot(held), SETTINGS), "Market Panic")
    assert panic.worst.id == "AAA" and panic.best.id == "SPY 2026-08-21 640 P"
    assert [row.id for row in panic.worst_positions(("AAA", "SPY", "P"), 3)] == ["AAA"]


def test_dollar_greeks_have_the_units_of_the_design():
    """dollar gamma: the change of dollar delta for 1 %; vega per point; theta per calendar day; rho per 1 %."""
    held = option("SPX", 6400, "C", -2.0, iv=0.2)
    base = analyse(snapshot([held]), SETTINGS)
    up = analyse(snapshot([held], {"SPX": replace(MARKET["SPX"], spot=6400 * 1.0001)}), SETTINGS)
    point = analyse(snapshot([replace(held, iv=0.2001)]), SETTINGS)
    day = analyse(snapshot([held], as_of=AS_OF + timedelta(minutes=10)), SETTINGS)
    rate = analyse(snapshot([held], rates={"USD": ((1.0, 0.0501),)}), SETTINGS)
    greeks = base.greeks

    def change(other, name="value"):
        return getattr(other.positions[0], name) - getattr(base.positions[0], name)

    assert greeks.dollar_delta == pytest.approx(change(up) / 0.0001, rel=1e-2)
    dollar_gamma = base.positions[0].gamma * 6400**2 / 100 * 100 * -2
    assert greeks.dollar_gamma == pytest.approx(dollar_gamma, rel=1e-12)
    assert greeks.vega == pytest.approx(change(point) / 0.01, rel=1e-2)
    assert greeks.theta == pytest.approx(change(day) * 144, rel=1e-2)
    assert greeks.rho == pytest.approx(change(rate) / 0.01, rel=1e-2)


def test_the_second_order_greeks_are_what_a_point_and_a_day_do_to_the_first():
    """vanna, charm: of dollar delta at the same spot; volga: of vega."""
    held = option("SPX", 6700, "C", -2.0, iv=0.2)
    base = analyse(snapshot([held]), SETTINGS).greeks
    point = analyse(snapshot([replace(held, iv=0.201)]), SETTINGS).greeks
    hour = analyse(snapshot([held], as_of=AS_OF + timedelta(hours=1)), SETTINGS).greeks
    assert base.vanna == pytest.approx((point.dollar_delta - base.dollar_delta) / 0.1, rel=1e-2)
    assert base.volga == pytest.approx((point.vega - base.vega) / 0.1, rel=1e-2)
    assert base.charm == pytest.approx((hour.dollar_delta - base.dollar_delta) * 24, rel=1e-2)


def test_the_greeks_after_a_scenario_are_those_of_the_shocked_market():
    held = option("SPX", 6400, "C", iv=0.2)
    after = named(analyse(snapshot([held]), SETTINGS), "Fed Hawkish").greeks
    market = {"SPX": replace(MARKET["SPX"], spot=6400 * 0.98)}
    shocked = analyse(snapshot([replace(held, iv=0.24)], market), SETTINGS).greeks
    assert after.dollar_delta == pytest.approx(shocked.dollar_delta, rel=1e-9)
    assert after.vega == pytest.approx(shocked.vega, rel=1e-9)


def test_a_currency_has_no_greeks():
    report = analyse(snapshot([holding("EUR", 5.0, Kind.CASH, mark=1.1)]), SETTINGS)
    assert report.greeks.dollar_delta == 0.0


def test_the_unrealized_gain_is_the_mark_over_the_entry_price():
    report = analyse(snapshot(MIXED), SETTINGS)
    assert report.positions[0].unrealized_pnl == pytest.approx(100.0)
    assert report.positions[1].unrealized_pnl is None


def test_the_matrix_of_one_symbol_leaves_the_rest_out():
    snap = snapshot([holding("AAA", 10.0), holding("SPY", 10.0)])
    assert analyse_matrix(snap, SETTINGS, "AAA").pnl[0, 0] == pytest.approx(-200.0)


def test_an_answer_keeps_the_time_of_its_snapshot():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert analyse(snapshot([], as_of=at), SETTINGS).as_of == at
