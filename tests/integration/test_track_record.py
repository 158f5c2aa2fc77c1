"""The end of the day keeps the Value at Risk: from a live link through the job into a SQLite file, once a date, and settles the
day before."""

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bot import watch as watching
from bot.alarms import Alarms
from bot.clock import SystemClock
from bot.config import TelegramSettings
from bot.diary import Diary
from bot.gate import Gate
from bot.handlers.context import Context
from bot.handlers.risk import risk
from bot.health import Health
from bot.outbox import Outbox
from bot.pictures import Pictures
from bot.saved import SavedScenarios
from bot.track import TrackRecord
from bot.watch import Watch
from engine.calendar.days import on_or_before
from engine.reports import Renderer
from engine.risk import tail_day
from engine.settings import AlertSettings
from engine.store import AsyncStore, Store
from scheduler import Run
from tests.integration.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ZONE = ZoneInfo("America/New_York")
HISTORY = 300


def remember(book, today):
    """Daily closes of every underlying, up to yesterday."""
    random = np.random.default_rng(3)
    for one in {holding.contract.underlying for holding in book.holdings}:
        levels = (book.spot(one) or 100.0) * np.exp(np.cumsum(random.normal(0.0, 0.01, HISTORY)))
        days = [today - timedelta(days=HISTORY - i) for i in range(HISTORY)]
        book.set_closes(one, tuple(zip(days, levels.tolist(), strict=True)))


@asynccontextmanager
async def closing(live, folder):
    """A live account with a history, and the job of its close."""
    clock = SystemClock()
    async with live() as it, AsyncStore.open(f"sqlite:///{folder}/riskbot.sqlite3") as store:
        await until(lambda: it.book.complete and not it.book.awaits_prices, 20.0)
        today = clock.now().astimezone(ZONE).date()
        remember(it.book, today)
        saved = SavedScenarios(it.desk, store, clock)
        alarms = Alarms(store, clock, AlertSettings(console=False), ZONE)
        await alarms.load()
        record, diary = TrackRecord(store), Diary(store, "NYSE", ZONE)
        context = Context(
            it.desk, Pictures(Renderer()), clock, ZONE, Health(clock.now()), alarms, saved, record, diary
        )
        gate = Gate(TelegramSettings(allowed_users=(1,), allowed_chats=(1,)))
        watch = Watch(context, store, Outbox(store, None, clock), gate, AlertSettings(console=False))
        yield it, store, watch, context, today


async def test_the_close_keeps_one_row_a_date_however_often_it_runs_and_settles_the_day_before(
    live, tmp_path
):
    async with closing(live, tmp_path) as (it, store, watch, context, today):
        view = await it.desk.view(fresh=True)
        before = on_or_before(today - timedelta(days=1))
        then = replace(view.snapshot, as_of=view.snapshot.as_of - timedelta(days=1))
        await store.write(Store.save_tail_day, then, tail_day(view.report, before))

        await watch.end_of_day(Run(today, SystemClock().now()))
        (first, kept) = await store.read(Store.tail_days)
        await watch.end_of_day(Run(today, SystemClock().now()))
        (again, latest) = await store.read(Store.tail_days)

        assert (first.day, first.until, kept.day) == (before, today, today)
        assert kept.figures and kept.figures[0].method == "filtered history" and kept.pnl is None
        assert first.pnl is not None and abs(first.pnl) < 0.2 * first.net_liquidation, first.remark
        assert first.change is not None
        assert (latest.day, again.until) == (today, today) and latest.as_of > kept.as_of
        (reply,) = await risk(context, "backtest")
        assert "1 day judged" in reply.html and "nothing can be said yet" in reply.html


async def test_the_account_s_correlations_are_drawn_or_told(live, tmp_path):
    async with closing(live, tmp_path) as (_, _, _, context, _):
        (told,) = await risk(context, "correlation")
        assert told.picture is None and "How underlyings move together" in told.html
        async with Renderer() as renderer:
            (drawn,) = await risk(replace(context, pictures=Pictures(renderer)), "corr aapl")
        assert drawn.picture.startswith(b"\x89PNG") and "How positions on AAPL move together" in drawn.html


async def test_of_a_close_that_was_not_seen_nothing_is_kept(live, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(watching, "ACCOUNT_WITHIN_S", 0.5)
    async with closing(live, tmp_path) as (it, store, watch, _, today):
        await it.desk.view(fresh=True)
        with it.gateway.during("1100"), caplog.at_level(logging.WARNING):
            await until(lambda: it.link.state.blind is not None, 20.0)
            await watch.end_of_day(Run(today, SystemClock().now()))
        assert await store.read(Store.tail_days) == []
        assert "no Value at Risk is kept" in caplog.text
