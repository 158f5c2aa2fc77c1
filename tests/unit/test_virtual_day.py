"""One virtual day with the real bodies of the jobs: a live Book that is quoted, real valuation, rules, store and outbox."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import anyio
import pytest

from bot.alarms import Alarms
from bot.app import _day_jobs
from bot.config import TelegramSettings
from bot.desk import Desk
from bot.diary import Diary
from bot.gate import Gate
from bot.handlers.context import Context
from bot.health import Health
from bot.outbox import Outbox
from bot.track import TrackRecord
from bot.watch import Watch
from engine.book import Book, Holding, Quote
from engine.broker import LinkPhase, LinkState
from engine.model import Account, DataMode, Kind
from engine.settings import AlertSettings, EngineSettings
from engine.store import AsyncStore, JobOutcome, Store
from scheduler import Job, MarketHours, Runner, ScheduleSettings
from tests.unit.books import holding, option
from tests.unit.virtual_time import VirtualClock, resident_mb

ZONE = ZoneInfo("America/New_York")
DAY = date(2026, 11, 27)
OPENS, CLOSES = (datetime(2026, 11, 27, hour, minute, tzinfo=UTC) for hour, minute in ((14, 30), (18, 0)))
FALLS_AT = OPENS + timedelta(hours=2)
PUT = option("SPY", 600, "P", -5.0, expiry=date(2026, 12, 18), id="put")
SHARES = holding("SPY", 100.0, kind=Kind.ETF, id="shares")
QUOTED_EACH_S = 50.0


class NoPictures:
    async def matrix(self, *_, **__):
        return None


def account():
    book = Book()
    book.hold([Holding(one.id, one.contract, one.quantity, "DU1", 5.0) for one in (PUT, SHARES)])
    book.set_underlying("SPY", Kind.ETF)
    book.set_iv30("SPY", 0.16)
    book.set_account(400_000.0, Account(cash=300_000.0, excess_liquidity=300_000.0), {})
    book.complete = True
    return book


async def quotes(book, clock):
    """The market from its open to its close; at noon, more or less, it falls."""
    await anyio.sleep((OPENS - clock.now()).total_seconds() - 3600.0)
    while clock.now() < CLOSES:
        spot = 640.0 if clock.now() < FALLS_AT else 590.0
        book.set_spot("SPY", spot, DataMode.LIVE, clock.now())
        mid = 6.0 if clock.now() < FALLS_AT else 22.0
        book.set_quote("put", Quote(mid - 0.1, mid + 0.1, None, None, DataMode.LIVE, clock.now()))
        book.set_quote("shares", Quote(spot - 0.01, spot + 0.01, None, None, DataMode.LIVE, clock.now()))
        book.heard_at = clock.now()
        await anyio.sleep(QUOTED_EACH_S)


async def no_upkeep():
    """The night's work on the database has tests of its own."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_half_day_with_the_real_jobs_has_its_note_its_alert_its_snapshots_and_its_report_once(tmp_path):
    clock = VirtualClock(datetime(2026, 11, 27, 5, tzinfo=UTC))
    book, health = account(), Health(clock.now())
    link = SimpleNamespace(state=LinkState(LinkPhase.LIVE, clock.now()))
    memory = []

    async def main():
        async with AsyncStore.open(f"sqlite:///{tmp_path}/riskbot.sqlite3") as store:
            desk = Desk(book, link, clock, EngineSettings())
            record, diary = TrackRecord(store), Diary(store, "NYSE", ZONE)
            alarms = Alarms(store, clock, AlertSettings(console=False, repeat=0), ZONE)
            context = Context(desk, NoPictures(), clock, ZONE, health, alarms, None, record, diary)
            gate = Gate(TelegramSettings(allowed_users=(1,), allowed_chats=(1,)))
            watch = Watch(context, store, Outbox(store, None, clock), gate, AlertSettings(console=False))
            schedule = ScheduleSettings()
            jobs = [
                Job("look", 2.0, watch.look),
                Job("refresh", 60.0, watch.refresh),
                Job("cycle", 300.0, watch.cycle),
            ]
            runner = Runner(MarketHours(schedule), clock, store, health.jobs, watch.failed)

            async def weigh():
                await anyio.sleep((OPENS - clock.now()).total_seconds() + 1800.0)
                for _ in range(2):
                    memory.append((resident_mb(), len(anyio.get_running_tasks())))
                    await anyio.sleep(2.4 * 3600.0)

            with anyio.move_on_after(86_400.0):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(quotes, book, clock)
                    tasks.start_soon(weigh)
                    await runner.run(jobs, _day_jobs(watch, schedule, no_upkeep))
            told = [await store.write(Store.claim_next, clock.now()) for _ in range(60)]
            return (
                [one for one in told if one],
                await store.read(Store.job_runs, CLOSES - timedelta(days=1)),
                (await store.read(Store.tail_days)),
                len(anyio.get_running_tasks()) - 1,
            )

    told, runs, kept, left = clock.run(main)

    kinds = Counter(one.key.split(":", 1)[0] for one in told)
    assert kinds["start-of-day"] == 1 and kinds["end-of-day"] == 2 and kinds["failed"] == 0
    note = next(one.body["html"] for one in told if one.key.startswith("start-of-day"))
    assert "A half-day: the market closes at 13:00 EST." in note
    fired = [one.body["html"] for one in told if "CRITICAL" in one.body["html"]]
    assert len(fired) == 1 and "would lose" in fired[0]
    assert {run.job: run.outcome for run in runs if run.slot == "2026-11-27"} == {
        "start of day": JobOutcome.OK,
        "end of day": JobOutcome.OK,
        "nightly": JobOutcome.OK,
    }
    assert [one.day for one in kept] == [DAY]
    counted = {name: (one.runs, one.failures) for name, one in health.jobs.jobs.items()}
    assert counted["look"] == (6300, 0) and counted["refresh"] == (210, 0) and counted["cycle"] == (42, 0)
    assert left == 0 and memory[1][1] <= memory[0][1]
    assert memory[1][0] - memory[0][0] <= 5.0, memory
