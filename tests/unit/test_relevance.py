"""Which scenarios run: the table always, the Fed's flagged before a meeting, each report's own Beat, Miss and Inline."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.analysis import analyse
from engine.model import Event, EventKind, Impact, Kind, Timing, Underlying
from engine.scenarios import TEMPLATES, relevant_scenarios
from engine.settings import ScenarioSettings
from tests.unit.books import SETTINGS, holding, option, snapshot

NOW = datetime(2026, 12, 2, 15, 0, tzinfo=UTC)  # Wednesday
FOMC = Event(EventKind.FOMC, datetime(2026, 12, 9, 19, tzinfo=UTC), True, Impact.HIGH)
MARKET = {
    "AAA": Underlying("AAA", Kind.STOCK, 100.0),
    "BBB": Underlying("BBB", Kind.STOCK, 50.0),
    "SPY": Underlying("SPY", Kind.ETF, 640.0),
}
POSITIONS = (holding("AAA"), holding("BBB"), holding("SPY"))
DEFAULTS = ScenarioSettings()


def reports(symbol, days, timing=Timing.AFTER_CLOSE):
    return Event(EventKind.EARNINGS, NOW + timedelta(days=days), symbols=(symbol,), timing=timing)


def chosen(events, as_of=NOW, settings=DEFAULTS, positions=POSITIONS):
    return relevant_scenarios(events, positions, MARKET, as_of, settings)


def names(scenarios):
    return [one.name for one in scenarios]


ALWAYS = [row.name for row in TEMPLATES if not row.name.startswith("Earnings")]


@pytest.mark.parametrize("events", [(), (FOMC,), (reports("AAA", 3), reports("BBB", 9))])
def test_market_squeeze_rally_and_time_always_run(events):
    assert [name for name in names(chosen(events)) if not name.startswith("Earnings")] == ALWAYS


def test_each_stock_that_reports_within_thirty_days_has_its_own_three_by_date():
    found = names(chosen((reports("AAA", 9), reports("BBB", 3))))
    assert [name for name in found if name.startswith("Earnings")] == [
        f"Earnings {how} {symbol}" for how in ("Beat", "Miss", "Inline") for symbol in ("BBB", "AAA")
    ]


def test_without_a_date_all_stocks_report_at_once_and_it_is_said():
    beat = next(one for one in chosen(()) if one.name == "Earnings Beat")
    assert beat.note == "moves all single stocks at once"


@pytest.mark.parametrize(
    ("as_of", "note"),
    [
        ("2026-12-01 15:00", None),  # six sessions ahead
        ("2026-12-02 15:00", "FOMC in 5 sessions: Wed 09 Dec 14:00 New York"),
        ("2026-12-08 15:00", "FOMC next session: Wed 09 Dec 14:00 New York"),
        ("2026-12-09 18:59", "FOMC today: Wed 09 Dec 14:00 New York"),
        ("2026-12-09 19:01", None),  # it has spoken
    ],
)
def test_the_fed_s_scenarios_are_flagged_five_sessions_ahead(as_of, note):
    at = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    notes = {one.note for one in chosen((FOMC,), as_of=at) if one.name.startswith("Fed ")}
    assert notes == {note}
    assert all(
        one.note != note for one in chosen((FOMC,), as_of=at) if note and not one.name.startswith("Fed ")
    )


def test_the_flag_is_in_the_report():
    snap = snapshot(POSITIONS, list(MARKET.values()), events=(FOMC,), as_of=NOW)
    (hawkish,) = [one for one in analyse(snap, SETTINGS).scenarios if one.name == "Fed Hawkish"]
    assert hawkish.note == "FOMC in 5 sessions: Wed 09 Dec 14:00 New York"


def test_with_the_calendar_off_nothing_is_flagged_and_nobody_reports():
    off = ScenarioSettings(use_calendar=False)
    assert chosen((FOMC, reports("AAA", 3)), settings=off) == TEMPLATES


def test_with_earnings_off_the_fed_is_still_flagged():
    off = ScenarioSettings(auto_detect_earnings=False)
    found = chosen((FOMC, reports("AAA", 3)), settings=off)
    assert names(found) == names(TEMPLATES)
    assert sum(one.note == "FOMC in 5 sessions: Wed 09 Dec 14:00 New York" for one in found) == 3


def test_a_report_without_an_hour_counts_to_the_end_of_its_day():
    today = replace(reports("AAA", 0, None), at=NOW - timedelta(hours=1))
    assert "Earnings Beat AAA" in names(chosen((today,)))
    assert "Earnings Beat AAA" not in names(chosen((replace(today, timing=Timing.BEFORE_OPEN),)))


def test_two_words_on_one_report_are_one_report():
    estimate, mine = reports("AAA", 31), replace(reports("AAA", 29), source="events.csv")
    assert names(chosen((estimate, mine))).count("Earnings Beat AAA") == 1
    assert "Earnings Beat AAA" not in names(
        chosen((replace(estimate, source="events.csv"), replace(mine, source="")))
    )


def test_an_option_makes_its_underlying_held():
    held = (option("AAA", 100, "C", iv=0.4),)
    assert "Earnings Miss AAA" in names(chosen((reports("AAA", 3),), positions=held))
