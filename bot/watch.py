"""The watch: freeze, all scenarios, the rules, tell; and each few minutes store. State changes and their messages are stored in
one transaction (D12)."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from html import escape
from typing import Final

import anyio

from bot.alarms import Step, beside, record_of
from bot.alert_text import alert_replies, ended_by_message, ended_text
from bot.cards import clock
from bot.delivery import plain
from bot.desk import Desk, View
from bot.gate import Gate
from bot.handlers.context import Context
from bot.handlers.day import end_of_day
from bot.handlers.morning import morning
from bot.job_text import late_words, missed_words
from bot.outbox import Outbox, messages
from bot.replies import Reply
from bot.stopwatch import Phases
from engine.alerts import judge
from engine.clock import Clock
from engine.model import Severity
from engine.settings import AlertSettings
from engine.store import AsyncStore, Message, MessageKind, Priority, Store
from scheduler import MarketHours, Run

log = logging.getLogger(__name__)

LINK_LOOK_S: Final = 2.0
BLIND_TOLD_AFTER: Final = timedelta(seconds=60)
"""An outage shorter than this is nobody's business."""
BEFORE_THE_OPEN: Final = timedelta(hours=1)
ACCOUNT_WITHIN_S: Final = 120.0
"""So long the day's messages wait for an account that is not there: after a restart it is on its way."""

PRIORITIES: Final = {
    Severity.CRITICAL: Priority.CRITICAL,
    Severity.WARNING: Priority.ALERT,
    None: Priority.ALERT,
}


class Watch:
    """The bodies of the jobs."""

    def __init__(
        self, context: Context, store: AsyncStore, outbox: Outbox, gate: Gate, settings: AlertSettings
    ) -> None:
        self._context = context
        self._store = store
        self._outbox = outbox
        self._gate = gate
        self._enabled = settings.enabled
        self._console = settings.console
        self._looked_at = -1
        self._analysed_s = self._stored_s = 0.0

    @property
    def _desk(self) -> Desk:
        return self._context.desk

    @property
    def _clock(self) -> Clock:
        return self._context.clock

    async def refresh(self) -> None:
        """Marks and Greeks anew, so that sigmas are remembered while their quotes are fresh."""
        await self._desk.view(fresh=True)
        self._context.health.last_refresh_at = self._clock.now()

    async def cycle(self) -> None:
        """Judge the book as it is now, store it and tell what changed."""
        started = self._clock.monotonic()
        if not await self._judge(cycle=True):
            return
        health, took = self._context.health, self._clock.monotonic() - started
        health.last_cycle_at, health.last_cycle_s = self._clock.now(), took
        rules = max(took - self._analysed_s - self._stored_s, 0.0)
        health.phases = Phases(self._analysed_s, rules, self._stored_s)
        log.info("cycle: %s", health.phases)

    async def look(self) -> None:
        """Judge the book where anything moved since the last look, so that a breach is told in seconds; the cycle stores it."""
        changes = self._desk.changes
        seeing = self._desk.link_state.blind is None
        if changes != self._looked_at and seeing and await self._judge(cycle=False):
            self._looked_at = changes

    async def _judge(self, *, cycle: bool) -> bool:
        """Judge the book as it is now and store what changed with the messages that it causes; a `cycle` also judges a blind
        link, and stores what is seen and every state. False where there is nothing to judge yet."""
        alarms = self._context.alarms
        async with alarms.lock:
            view = await self._desk.view(fresh=True)
            self._analysed_s = view.seconds
            link = self._desk.link_state  # after the view: right after the start that waits for the link
            blind, keep = link.blind, cycle and link.blind is None
            if blind is not None and (link.expected or not cycle):
                log.info("not judged: %s", blind)
                return False
            if blind is None and not view.report.complete:
                log.info("not judged: the account has not arrived whole yet")
                return False
            dated, gaps = await beside(view)
            verdict = judge(view.report, dated, self._desk.settings.risk_limits, blind, gaps)
            step = alarms.step(verdict, blind=blind is not None)
            waiting, lines = await self._messages(step, view)
            before = self._clock.monotonic()
            await self._record(step, view, waiting, keep)
            self._stored_s = self._clock.monotonic() - before
            alarms.taken(step)
        if self._console:
            for line in lines:
                print(line, flush=True)
        return True

    async def _record(self, step: Step, view: View, waiting: list[Message], keep: bool) -> None:
        """Store the step, or, where the database takes nothing, have its messages sent from memory; the states are here."""
        whole = keep or self._outbox.behind
        records = [record_of(one, self._clock) for one in (step.statuses if whole else step.changed)]
        if keep:
            cycle = (view.snapshot, view.report, records, waiting, step.events)
            await self._outbox.record(waiting, Store.save_cycle, *cycle, cycle=True)
        elif records or waiting:
            await self._outbox.record(waiting, Store.save_alerts, records, waiting, step.events)

    async def follow_link(self, hours: MarketHours) -> None:
        """Say once when the link has been blind for a while in or shortly before market hours, and once when it sees again.

        The hour of the broker's own restarts is not the time to say so; a login that does not come back after it is.
        """
        told: datetime | None = None
        while True:
            await anyio.sleep(LINK_LOOK_S)
            state, now = self._desk.link_state, self._clock.now()
            since = state.blind_since
            if state.blind is None:
                if told is not None:
                    minutes = (now - told).total_seconds() / 60.0
                    await self._say_of_link(f"🟢 the link is back after {minutes:.0f} min", f"back:{told}")
                told = None
                continue
            lasting = since is not None and now - since >= BLIND_TOLD_AFTER and not state.expected
            if told is None and lasting and await _quotes_matter(hours, now):
                told = since
                when = "?" if since is None else clock(since, now, self._context.zone)
                words = f"⚪ blind since {when}: {state.blind}. Rules are UNKNOWN; riskbot keeps trying. /status has more"
                await self._say_of_link(words, f"blind:{since}")

    async def _say_of_link(self, words: str, key: str) -> None:
        if self._enabled:
            if self._console:
                print(f"alert: {words}", flush=True)
            await self._tell(f"link:{key}"[:200], MessageKind.ALERT, [Reply(escape(words))], Priority.ALERT)

    async def start_of_day(self, run: Run) -> None:
        """The morning note to every chat, once per date."""
        note = await morning(self._context, await self._account(), run.day)
        await self._tell(
            f"start-of-day:{run.day}", MessageKind.REPORT, _marked_late([note], run), Priority.REPORT
        )

    async def end_of_day(self, run: Run) -> None:
        """The day's message to every chat, once per date, and its Value at Risk into the record."""
        view = await self._account()
        replies = _marked_late(await end_of_day(self._context, view), run)
        await self._tell(f"end-of-day:{run.day}", MessageKind.REPORT, replies, Priority.REPORT)
        await self._keep(view, run.day)

    async def no_end_of_day(self, days: Sequence[date], why: str) -> None:
        """Say once for which dates there will be no message of the day."""
        reply = Reply("⚠ " + escape(missed_words("end-of-day report", days, why), quote=False))
        key = f"no-end-of-day:{days[0]}:{days[-1]}"
        await self._tell(key, MessageKind.ALERT, [reply], Priority.REPORT)

    async def _account(self) -> View:
        """A fresh view, waited for a little while the account is not there or not whole."""
        view = await self._desk.view(fresh=True)
        with anyio.move_on_after(ACCOUNT_WITHIN_S):
            while self._desk.link_state.blind is not None or not view.report.complete:
                await anyio.sleep(LINK_LOOK_S)
                view = await self._desk.view(fresh=True)
        return view

    async def _keep(self, view: View, day: date) -> None:
        """Only what was seen at the close is of the close: of an old or a blind view no Value at Risk is kept."""
        blind, zone = self._desk.link_state.blind, self._context.zone
        seen, today = (at.astimezone(zone).date() for at in (view.report.as_of, self._clock.now()))
        if blind is not None or not view.report.complete or not day == seen == today:
            log.warning("no Value at Risk is kept of %s: %s", day, blind or f"the account is of {seen}")
            return
        whole = replace(view, report=await self._desk.simulated(view))
        await self._context.track.keep(whole, day, self._desk.settings)

    async def failed(self, line: str) -> None:
        """Tell the owner that a job failed, once an hour for the same words."""
        health = self._context.health
        health.failures += 1
        health.last_failure = line
        key = f"failed:{line}:{self._clock.now():%Y-%m-%dT%H}"
        reply = Reply("⚠ " + escape(line, quote=False))
        await self._tell(key[:200], MessageKind.ALERT, [reply], Priority.ALERT)

    async def _messages(self, step: Step, view: View) -> tuple[list[Message], list[str]]:
        """What a step tells, to every chat and on the terminal: alerts, and their ends as replies to what told them."""
        waiting: list[Message] = []
        lines: list[str] = []
        if not self._enabled or not step.telling:
            return waiting, lines
        foot = self._context.foot(view)
        for severity, reply in alert_replies(step.telling, view.report, step.at):
            lines.append(_first_line(reply))
            words = Reply(f"{reply.html}\n{foot}", keyboard=reply.keyboard)
            key = f"{step.key}:{severity or f'notice{len(waiting)}'}"
            waiting += messages(
                key, self._gate.chats, MessageKind.ALERT, [words], PRIORITIES[severity], self._clock
            )
        for told_key, ended in ended_by_message(step.telling).items():
            over = ended_text(ended, view.report, step.at)
            lines.append("alert: " + plain(over).replace("\n", ", "))
            waiting += await self._outbox.ending(step.key, told_key, over, self._gate.chats)
        return waiting, lines

    async def _tell(self, key: str, kind: MessageKind, replies: list[Reply], priority: Priority) -> None:
        waiting = messages(key, self._gate.chats, kind, replies, priority, self._clock)
        await self._outbox.put(waiting)


async def _quotes_matter(hours: MarketHours, now: datetime) -> bool:
    """Whether the market is open, or is about to open."""
    return await hours.is_open(now) or await hours.is_open(now + BEFORE_THE_OPEN)


def _marked_late(replies: list[Reply], run: Run) -> list[Reply]:
    """The messages of a run, the first one saying that it is late where it is."""
    late = late_words(run)
    if late is None:
        return replies
    first, *rest = replies
    return [replace(first, html=f"<i>{late}</i>\n{first.html}"), *rest]


def _first_line(reply: Reply) -> str:
    return "alert: " + plain(reply.html).split("\n", 1)[0]
