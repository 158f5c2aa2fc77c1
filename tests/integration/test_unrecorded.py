"""A disk that takes nothing: alerts go on from memory, marked; nothing is lost, nothing told twice. Real files, real HTTP."""

import logging
import runpy
import sqlite3
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from telegram.ext import ApplicationBuilder

from bot import outbox
from bot.clock import SystemClock
from bot.delivery import send
from bot.outbox import Outbox, messages
from bot.replies import Reply, button
from engine.model import AlertState
from engine.store import AsyncStore, MessageKind, Priority, Store
from simulator.telegram import DEMO_USER_ID, FloodLimits, TelegramConfig, running_telegram
from tests.integration.disks import full, read_only, small_disk
from tests.integration.waiting import until

pytestmark = pytest.mark.anyio

samples = runpy.run_path(str(Path(__file__).with_name("store_writer.py")))
an_alert, a_snapshot, a_report, a_run = (
    samples[name] for name in ("an_alert", "a_snapshot", "a_report", "a_run")
)
CLOCK = SystemClock()


class Sending:
    """A running outbox over a real store, and what its chat shows."""

    def __init__(self, telegram, store, sender):
        self.telegram, self.store, self.outbox = telegram, store, sender

    def texts(self):
        return [one["text"] for one in self.telegram.messages() if one["from"]["is_bot"]]

    def about(self, words):
        return [text for text in self.texts() if words in text]

    def alert(self, name):
        reply = Reply(f"🔴 {name}", keyboard=((button("Why", "alerts"),),))
        return messages(name, [DEMO_USER_ID], MessageKind.ALERT, [reply], Priority.CRITICAL, CLOCK)

    async def fire(self, name, episode=1):
        """As the watch does: the state and its message in one transaction. The state is so large that it needs new pages."""
        state = replace(an_alert(episode, at=CLOCK.now()), subject=name, detail={"x": "y" * 30_000})
        waiting = self.alert(name)
        return await self.outbox.record(waiting, Store.save_alerts, [state], waiting)

    async def cycle(self, name, episode=1):
        waiting = self.alert(name)
        report = a_report(a_run(), as_of=CLOCK.now())
        return await self.outbox.record(
            waiting, Store.save_cycle, a_snapshot(CLOCK.now(), positions=400), report, [an_alert(episode)],
            waiting, cycle=True,
        )  # fmt: skip


@asynccontextmanager
async def sending(folder, flood=None):
    async with (
        running_telegram(TelegramConfig(flood=flood)) as telegram,
        AsyncStore.open(f"sqlite:///{folder}/riskbot.sqlite3") as store,
    ):
        bot = ApplicationBuilder().token(telegram.token).base_url(telegram.base_url).build().bot
        async with bot, anyio.create_task_group() as tasks:
            sender = Outbox(store, bot, CLOCK, [DEMO_USER_ID])
            tasks.start_soon(sender.run)
            yield Sending(telegram, store, sender)
            tasks.cancel_scope.cancel()


def states(folder):
    """What the outbox's rows say, as another program sees them."""
    with closing(sqlite3.connect(folder / "riskbot.sqlite3")) as database:
        return database.execute("SELECT state FROM outbox ORDER BY id").fetchall()


@pytest.mark.parametrize("disk", [full, read_only])
async def test_on_a_disk_that_takes_nothing_an_alert_is_sent_once_from_memory_marked(tmp_path, disk):
    async with sending(tmp_path) as it:
        assert await it.fire("stored")
        await until(lambda: it.about("stored"))
        with disk(it.store._store):
            assert not await it.fire("in passing")
            await until(lambda: it.about("in passing"))
            assert not await it.fire("in passing")
            assert not await it.fire("another")
            await until(lambda: it.about("another"))
        assert it.about("in passing") == ["(not recorded)\n🔴 in passing"]
        assert it.about("stored") == ["🔴 stored"]
        (shown,) = [one for one in it.telegram.messages() if "in passing" in (one["text"] or "")]
        assert shown["reply_markup"]["inline_keyboard"][0][0]["text"] == "Why"


@pytest.mark.parametrize(
    ("disk", "why"), [(full, "database or disk is full"), (read_only, "attempt to write a readonly database")]
)
async def test_the_owner_is_told_once_that_nothing_is_recorded_and_once_that_it_is_again(
    tmp_path, disk, why, caplog
):
    async with sending(tmp_path) as it:
        with disk(it.store._store):
            for i in range(4):
                await it.fire(f"alert {i}")
            await until(lambda: len(it.about("alert ")) == 4)
            assert len(it.about("nothing can be recorded")) == 1
            assert why in it.about("nothing can be recorded")[0]
            assert it.outbox.behind and it.about("recording again") == []
        assert await it.fire("after")
        await until(lambda: it.about("after") and it.about("recording again"))
        assert await it.fire("later")
        await until(lambda: it.about("later"))
        assert len(it.about("recording again")) == 1 and not it.outbox.behind
        assert it.about("later") == ["🔴 later"]
    told = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(told) == 1 and why in told[0].getMessage()


async def test_a_small_write_that_fits_does_not_pass_for_room_for_a_cycle(tmp_path):
    async with sending(tmp_path) as it:
        await it.cycle("first")
        with full(it.store._store):
            assert not await it.cycle("second")
            await it.store.write(Store.save_alerts, [], [])
            assert await it.outbox.record([], Store.save_alerts, [], [])
            await it.outbox.put([])
            await until(lambda: it.about("second"))
            assert it.about("recording again") == []
        assert await it.cycle("third")
        await until(lambda: it.about("recording again"))


async def test_states_that_were_not_stored_are_stored_with_the_next(tmp_path):
    async with sending(tmp_path) as it:
        with read_only(it.store._store):
            assert not await it.fire("unstored", episode=7)
        assert it.outbox.behind
        assert await it.fire("stored", episode=8)
        assert not it.outbox.behind
        (state,) = await it.store.read(Store.alert_states)
        assert (state.subject, state.episode, state.state) == ("stored", 8, AlertState.FIRING)


async def test_what_could_not_be_marked_as_sent_is_marked_when_it_can_and_not_sent_again(
    tmp_path, monkeypatch
):
    async with sending(tmp_path) as it:
        with ExitStack() as disk:

            async def send_and_fail(*arguments, **words):
                disk.enter_context(read_only(it.store._store))
                return await send(*arguments, **words)

            monkeypatch.setattr(outbox, "send", send_and_fail)
            await it.outbox.put(it.alert("one"))
            await until(lambda: it.about("one") and it.about("nothing can be recorded"))
            monkeypatch.undo()
        await it.outbox.put(it.alert("two"))
        await until(lambda: it.about("two"))
        assert it.about("one") == ["🔴 one"]
    assert states(tmp_path) == [("sent",), ("sent",)]


async def test_what_could_not_be_marked_before_a_crash_is_sent_again_and_says_so(tmp_path, monkeypatch):
    async with sending(tmp_path) as it:
        with ExitStack() as disk:

            async def send_and_fail(*arguments, **words):
                disk.enter_context(read_only(it.store._store))
                return await send(*arguments, **words)

            monkeypatch.setattr(outbox, "send", send_and_fail)
            await it.outbox.put(it.alert("one"))
            await until(lambda: it.about("one") and it.about("nothing can be recorded"))
    monkeypatch.undo()
    async with sending(tmp_path) as it:
        await until(lambda: it.about("one"))
        assert it.about("one") == ["(may be a repeat)\n🔴 one"]


async def test_a_report_that_no_alert_goes_with_is_sent_from_memory_too(tmp_path):
    async with sending(tmp_path) as it:
        with read_only(it.store._store):
            await it.outbox.put(it.alert("the day's report"))
            await until(lambda: it.about("the day's report"))
        assert it.about("the day's report") == ["(not recorded)\n🔴 the day's report"]


async def test_what_telegram_does_not_take_at_once_waits_in_memory(tmp_path):
    async with sending(tmp_path, FloodLimits(private_burst=1)) as it:
        with read_only(it.store._store):
            for i in range(3):
                await it.fire(f"patient {i}")
            await until(lambda: len(it.about("patient")) == 3, 30)
        assert {text.split()[-1] for text in it.about("patient")} == {"0", "1", "2"}
        assert any("Too Many Requests" in row.refused for row in it.telegram.refusals)


async def test_a_disk_that_is_truly_full(tmp_path):
    with small_disk(tmp_path / "disk"):
        async with sending(tmp_path / "disk") as it:
            await it.fire("stored")
            filler = tmp_path / "disk" / "filler"
            with pytest.raises(OSError, match="No space"):
                filler.write_bytes(bytes(8_000_000))
            while await it.cycle("fills the log"):
                pass
            await it.cycle("in passing")
            await until(lambda: it.about("in passing"))
            assert "full" in it.about("nothing can be recorded")[0]
            filler.unlink()
            assert await it.cycle("stored again")
            await until(lambda: it.about("recording again") and it.about("stored again"))
            assert it.about("stored again") == ["🔴 stored again"]
