"""The composition root: builds every part, hands each what it needs, owns the loop, the tasks and the order of shutdown.

Nothing else builds a part or reaches for one. Cancelling the root is the whole of shutdown.
"""

import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import anyio
from pydantic import SecretStr

from bot.alarms import Alarms
from bot.chat import Chat
from bot.clock import SystemClock
from bot.config import Config
from bot.desk import Desk
from bot.diary import Diary
from bot.dividends import Dividends, ask_yahoo
from bot.earnings import Reporter, YahooReporter
from bot.earnings import ask_yahoo as ask_earnings
from bot.events import Events
from bot.gate import Gate
from bot.handlers.context import Context
from bot.health import Health
from bot.history import StoredHistory, refer_to
from bot.outbox import Outbox
from bot.pictures import Pictures
from bot.rates import Rates
from bot.recovery import last_picture, open_database
from bot.saved import SavedScenarios
from bot.track import TrackRecord
from bot.upkeep import Upkeep
from bot.watch import Watch
from bot.yahoo import Turns
from engine.book import Book
from engine.broker import History, Link
from engine.reports import Renderer
from engine.store import AsyncStore
from scheduler import (
    AfterClose,
    BeforeOpen,
    DayJob,
    EachNight,
    Job,
    MarketHours,
    Run,
    Runner,
    ScheduleSettings,
)

log = logging.getLogger(__name__)


async def run_app(
    config: Config, token: SecretStr, on_ready: Callable[[], None], reporter: Reporter | None = None
) -> None:
    """Run the whole program until it is cancelled or told to stop by a signal.

    `reporter` is asked for earnings dates where Yahoo is not: the embedded world's.

    Raises:
        ConfigError: If a person must mend the config.
        RiskbotError: If a part can't go on.
    """
    clock = SystemClock()
    gate = Gate(config.telegram)
    book = Book()
    hours = MarketHours(config.schedule)
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(open_database(config.database.url, clock))
        await database.announce(gate.chats, clock)
        store = database.store
        archive = StoredHistory(book, store, clock, config.schedule.exchange)
        await archive.load()
        turns = Turns(clock)
        dividends = Dividends(
            book, store, clock, ask_yahoo if config.data.yahoo_dividends else None, turns=turns
        )
        await dividends.load()
        health = Health(started_at=clock.now())
        if config.data.yahoo_earnings:
            reporter = YahooReporter(ask_earnings, turns)
        events = Events(book, store, clock, config.data, health, reporter)
        await events.load()
        history = History(book, archive, clock, also=refer_to(book, config.scenarios.reference_index))
        link = Link(
            book, clock, config.ibkr, config.data, config.scenarios, is_open=hours.is_open, history=history
        )
        desk = Desk(book, link, clock, config.engine)
        rates = Rates(book, store, clock, config.data.treasury_url)
        await rates.load()
        renderer = await parts.enter_async_context(Renderer())
        context = await _context(config, desk, store, clock, health, renderer)
        await desk.remember(await last_picture(store))
        chat = Chat(token, config.telegram.base_url, gate, context)
        await parts.enter_async_context(chat.running())
        outbox = Outbox(store, chat.bot, clock, gate.chats, database.marks)
        watch = Watch(context, store, outbox, gate, config.alerts)
        upkeep = Upkeep(store, clock, config.schedule.exchange)
        runner = Runner(hours, clock, store, health.jobs, watch.failed)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
            tasks.start_soon(link.run)
            tasks.start_soon(rates.run)
            tasks.start_soon(dividends.run)
            tasks.start_soon(events.run)
            tasks.start_soon(outbox.run)
            tasks.start_soon(chat.watch)
            tasks.start_soon(watch.follow_link, hours)
            tasks.start_soon(_jobs, runner, watch, config, upkeep.nightly)
            on_ready()


async def _context(
    config: Config, desk: Desk, store: AsyncStore, clock: SystemClock, health: Health, renderer: Renderer
) -> Context:
    """What handlers and jobs are given, with what an earlier run has stored."""
    zone = ZoneInfo(config.schedule.time_zone)
    saved = SavedScenarios(desk, store, clock)
    await saved.load()
    alarms = Alarms(store, clock, config.alerts, zone)
    await alarms.load()
    diary = Diary(store, config.schedule.exchange, zone)
    return Context(desk, Pictures(renderer), clock, zone, health, alarms, saved, TrackRecord(store), diary)


async def _jobs(runner: Runner, watch: Watch, config: Config, nightly: Callable[[], Awaitable[None]]) -> None:
    """All jobs; `nightly` is the upkeep of the night."""
    jobs = [
        Job("look", config.schedule.look_interval, watch.look),
        Job("refresh", config.schedule.refresh_interval, watch.refresh),
        Job("cycle", config.data.snapshot_interval, watch.cycle),
    ]
    await runner.run(jobs, _day_jobs(watch, config.schedule, nightly))


def _day_jobs(
    watch: Watch, schedule: ScheduleSettings, nightly: Callable[[], Awaitable[None]]
) -> list[DayJob]:
    """What happens once a date, by the `schedule` section of the config."""
    before = BeforeOpen(timedelta(seconds=schedule.start_of_day_lead))
    after = AfterClose(timedelta(seconds=schedule.end_of_day_delay))
    hour = EachNight(time.fromisoformat(schedule.nightly_at), ZoneInfo(schedule.time_zone))

    async def upkeep(_: Run) -> None:
        await nightly()

    return [
        DayJob("start of day", before, watch.start_of_day, on=schedule.start_of_day),
        DayJob("end of day", after, watch.end_of_day, watch.no_end_of_day, schedule.end_of_day),
        DayJob("nightly", hour, upkeep, on=schedule.nightly),
    ]


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    """SIGTERM and SIGINT cancel the root; the parts close in the reverse order of their opening."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            log.info("stopping on signal %s", number)
            scope.cancel()
            return
