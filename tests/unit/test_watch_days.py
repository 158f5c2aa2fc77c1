"""The day's messages: the morning note, the end-of-day report that is late, the one that is missed; once a date."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import anyio
import pytest

from bot.alarms import Alarms
from bot.config import TelegramSettings
from bot.desk import View
from bot.diary import Diary
from bot.gate import Gate
from bot.handlers.context import Context
from bot.health import Health
from bot.outbox import Outbox
from bot.track import TrackRecord
from bot.watch import Watch
from engine.analysis import analyse
from engine.broker import LinkPhase, LinkState
from engine.model import Event, EventKind, Impact, Kind, Underlying
from engine.settings import AlertSettings
from engine.store import AsyncStore, Store
from scheduler import Run
from tests.unit.books import SETTINGS, holding, option, snapshot
from tests.unit.virtual_time import VirtualClock

ZONE = ZoneInfo("America/New_York")
TUE, HALF_DAY = date(2026, 11, 24), date(2026, 11, 27)
CPI = Event(
    EventKind.ECONOMIC,
    datetime(2026, 11, 24, 15, tzinfo=UTC),
    True,
    Impact.HIGH,
    name="CPI",
    source="events.csv",
)
FOMC = Event(
    EventKind.FOMC, datetime(2026, 11, 25, 19, tzinfo=UTC), True, Impact.HIGH, name="FOMC", source="f.csv"
)
MARKET = [Underlying("SPY", Kind.ETF, 640.0, iv30=0.16), Underlying("A&B", Kind.STOCK, 50.0, iv30=0.4)]
HELD = [
    holding("A&B", 100.0, kind=Kind.STOCK, mark=50.0),
    option("SPY", 640, "P", -10.0, expiry=TUE, iv=0.2),
    option("SPY", 600, "P", -10.0, expiry=date(2026, 12, 18), iv=0.2),
]


def new_york(text):
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=ZONE).astimezone(UTC)


class Desk:
    """The account as it was seen last, and the link."""

    settings = SETTINGS

    def __init__(self, clock):
        self.clock = clock
        self.seen_at = None
        self.blind_until = None
        self.changes = 0

    @property
    def link_state(self):
        down = self.blind_until is not None and self.clock.now() < self.blind_until
        return LinkState(LinkPhase.DOWN if down else LinkPhase.LIVE, self.clock.now())

    async def view(self, *, fresh=False):
        await anyio.sleep(0.25)
        as_of = self.seen_at or self.clock.now()
        snap = snapshot(
            HELD, MARKET, as_of=as_of, net_liquidation=250_000.0, events=(CPI, FOMC), complete=True
        )
        return View(snap, analyse(snap, SETTINGS), 0.25)

    async def simulated(self, view):
        return view.report


class NoPictures:
    async def matrix(self, *_, **__):
        return None


@pytest.fixture
def day(tmp_path):
    """Runs `during(watch)` at a time in New York and gives (chat, html) of every message that waits."""
    clock = VirtualClock(new_york("24 09:15"))
    desk = Desk(clock)
    gate = Gate(TelegramSettings(allowed_users=(1,), allowed_chats=(1, 2)))

    async def main(during):
        async with AsyncStore.open(f"sqlite:///{tmp_path}/riskbot.sqlite3") as store:
            alarms = Alarms(store, clock, AlertSettings(console=False), ZONE)
            record, diary = TrackRecord(store), Diary(store, "NYSE", ZONE)
            context = Context(desk, NoPictures(), clock, ZONE, health, alarms, None, record, diary)
            await during(
                Watch(context, store, Outbox(store, None, clock), gate, AlertSettings(console=False))
            )
            items = [await store.write(Store.claim_next, clock.now()) for _ in range(12)]
            return [(one.chat_id, one.body["html"]) for one in items if one], await store.read(
                Store.tail_days
            )

    def at(text, during):
        clock._start += new_york(text) - clock.now()
        it.messages, it.kept = clock.run(main, during)
        return it.messages

    health = Health(clock.now())
    it = SimpleNamespace(clock=clock, desk=desk, health=health, at=at, messages=[], kept=[])
    return it


def run_of(day, due, late=None):
    return Run(day, new_york(due), late)


def test_the_morning_note_says_what_the_day_brings_to_every_chat_once(day):
    async def twice(watch):
        for _ in range(2):
            await watch.start_of_day(run_of(TUE, "24 09:15"))

    messages = day.at("24 09:15", twice)
    assert [chat for chat, _ in messages] == [1, 2]
    note = messages[0][1]
    assert note.startswith("<b>Tuesday 24 November</b>\nNet liquidation is 250,000 USD over 3 positions.")
    assert "Worst scenario: Black Swan" in note and "1 expiring within 7 days" in note
    assert "<b>Today</b>\nT+0 Tue 24 Nov 10:00: CPI" in note and "FOMC (" not in note and "T+1" not in note
    assert "<b>Expires today</b>: SPY 2026-11-24 640 P" in note and "as of 09:15:00 EST" in note
    assert "half-day" not in note and "late" not in note


def test_the_note_of_a_half_day_says_when_the_market_closes(day):
    messages = day.at("27 09:15", lambda watch: watch.start_of_day(run_of(HALF_DAY, "27 09:15")))
    assert "A half-day: the market closes at 13:00 EST." in messages[0][1]
    assert "Nothing is known to come today." in messages[0][1]


def test_with_the_account_of_yesterday_the_note_still_has_today_s_events_and_says_how_old_it_is(day):
    day.desk.seen_at, day.desk.blind_until = new_york("23 15:59"), new_york("24 23:00")
    note = day.at("24 09:15", lambda watch: watch.start_of_day(run_of(TUE, "24 09:15")))[0][1]
    assert "T+0 Tue 24 Nov 10:00: CPI" in note and "<b>Expires today</b>" in note
    assert "as of 23 Nov 15:59:00 EST" in note and "link down" in note


def test_a_late_end_of_day_says_of_which_day_it_is_and_how_late(day):
    messages = day.at("24 19:05", lambda w: w.end_of_day(run_of(TUE, "24 16:05", timedelta(hours=3))))
    assert messages[0][1].startswith("<i>for Tuesday, 3 h late</i>\n<b>End of day 2026-11-24</b>")
    assert "late" not in messages[1][1]


def test_on_time_it_says_nothing_of_that_and_keeps_the_value_at_risk_of_its_day(day):
    messages = day.at("24 16:05", lambda watch: watch.end_of_day(run_of(TUE, "24 16:05")))
    assert messages[0][1].startswith("<b>End of day 2026-11-24</b>")
    assert [one.day for one in day.kept] == [TUE]


def test_after_midnight_it_is_still_tuesday_s_and_no_value_at_risk_is_kept_of_it(day):
    late = timedelta(hours=9)
    messages = day.at("25 01:05", lambda watch: watch.end_of_day(run_of(TUE, "24 16:05", late)))
    assert messages[0][1].startswith("<i>for Tuesday, 9 h late</i>") and day.kept == []
    again = day.at("25 16:05", lambda watch: watch.end_of_day(run_of(TUE + timedelta(days=1), "25 16:05")))
    assert again[0][1].startswith("<b>End of day 2026-11-25</b>")
    assert [one.day for one in day.kept] == [date(2026, 11, 25)]


def test_of_an_account_last_seen_the_day_before_no_value_at_risk_is_kept(day, caplog):
    day.desk.seen_at = new_york("23 15:59")
    day.at("24 16:05", lambda watch: watch.end_of_day(run_of(TUE, "24 16:05")))
    assert day.kept == [] and "the account is of 2026-11-23" in caplog.text


def test_a_run_that_was_cut_off_after_its_message_was_stored_repeats_no_message(day):
    for text in ("24 16:05", "24 17:05"):
        late = None if text == "24 16:05" else timedelta(hours=1)
        messages = day.at(text, lambda watch, late=late: watch.end_of_day(run_of(TUE, "24 16:05", late)))
    assert messages == []


def test_an_account_on_its_way_is_waited_for(day):
    day.desk.blind_until = new_york("24 16:06")
    messages = day.at("24 16:05", lambda watch: watch.end_of_day(run_of(TUE, "24 16:05")))
    assert "link down" not in messages[0][1] and "as of 16:06:0" in messages[0][1]


def test_but_not_for_ever(day):
    day.desk.blind_until = new_york("24 23:00")
    messages = day.at("24 16:05", lambda watch: watch.end_of_day(run_of(TUE, "24 16:05")))
    assert "link down" in messages[0][1] and day.kept == []
    assert day.clock.now() < new_york("24 16:08")


def test_a_missed_report_is_told_once_to_every_chat(day):
    async def twice(watch):
        for _ in range(2):
            await watch.no_end_of_day([TUE], "riskbot was not running")

    messages = day.at("25 09:00", twice)
    assert messages == [(n, "⚠ no end-of-day report for Tue 24 Nov: riskbot was not running") for n in (1, 2)]


def test_a_cycle_says_how_long_its_phases_took(day):
    day.at("24 12:00", lambda watch: watch.cycle())
    assert day.health.phases.analysis == pytest.approx(0.25)
    assert day.health.last_cycle_s >= 0.25 and str(day.health.phases).startswith("analysis 250 ms, rules ")
