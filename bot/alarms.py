"""The states of the alerts and what their reader wants of them: kept here while the program runs, and in the store for ever."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread

from bot.desk import View
from engine import calendar
from engine.alerts import (
    QUIETLY_UNKNOWN,
    AlertStatus,
    Change,
    Finding,
    Judgement,
    Manner,
    Patience,
    Rule,
    Transition,
    advance,
    badness,
    to_tell,
)
from engine.clock import Clock
from engine.risk import ModelGaps, model_gaps
from engine.settings import AlertSettings
from engine.store import AlertEvent, AlertRecord, AsyncStore, Store

Key = tuple[str, str]
TIMES: Final = ("fired_at", "told_at", "snoozed_until")
UNHURRIED_FOR: Final = timedelta(seconds=30)
BLIND_TOLD_AFTER: Final = timedelta(seconds=60)
FAR_AWAY: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Step:
    """What one look makes of the states at an instant: all that are judged, those that differ, what became of them, and what is
    told."""

    at: datetime
    statuses: tuple[AlertStatus, ...]
    changed: tuple[AlertStatus, ...]
    events: tuple[AlertEvent, ...]
    telling: tuple[Transition, ...]
    key: str


async def beside(view: View) -> tuple[tuple[calendar.Finding, ...], ModelGaps]:
    """What rules want to know beside the report: what the calendar means for the positions, and what the broker's model says
    otherwise. In a thread: the calendar of a year is slow to make the first time."""

    def found() -> tuple[tuple[calendar.Finding, ...], ModelGaps]:
        valued = view.report.positions
        return calendar.detect(view.snapshot, valued), model_gaps(view.snapshot, valued)

    return await anyio.to_thread.run_sync(found)


class Alarms:
    """Looks are judged one at a time, in `lock`; a step counts once it is stored, and then it is `taken`."""

    def __init__(self, store: AsyncStore, clock: Clock, settings: AlertSettings, zone: ZoneInfo) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._zone = zone
        self._patience = Patience(
            timedelta(seconds=settings.pending), timedelta(seconds=settings.recovering), UNHURRIED_FOR
        )
        self.lock = anyio.Lock()
        self._known: dict[Key, AlertStatus] = {}
        self._findings: dict[Key, Finding] = {}
        self.muted: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Take up what an earlier run has stored."""
        self._known = {
            (row.rule, row.subject): status_of(row) for row in await self._store.read(Store.alert_states)
        }
        self.muted = await self._store.read(Store.muted_rules)

    @property
    def states(self) -> tuple[AlertStatus, ...]:
        return tuple(self._known.values())

    @property
    def firing(self) -> tuple[AlertStatus, ...]:
        return tuple(one for one in self._known.values() if one.is_firing)

    def step(self, verdict: Judgement, *, blind: bool = False) -> Step:
        """What a verdict makes of the states now; `blind`: the link sees nothing, and that is told by who watches it."""
        now = self._clock.now()
        statuses, transitions = advance(
            self._known, verdict.findings, now, sees=verdict.unknown is None, patience=self._patience
        )
        self._findings = {(one.rule.value, one.subject): one for one in verdict.findings}
        key = f"alert:{now.isoformat()}"
        after, telling = to_tell(statuses, transitions, self._findings, now, self._manner(now, blind), key)
        changed = tuple(one for one in after if self._known.get((one.rule, one.subject)) != one)
        events = tuple(_event(one, now) for one in transitions if _is_kept(one))
        return Step(now, tuple(after), changed, events, tuple(telling), key)

    def taken(self, step: Step) -> None:
        """The step has been stored."""
        self._known |= {(one.rule, one.subject): one for one in step.statuses}

    def _manner(self, now: datetime, blind: bool) -> Manner:
        repeat, quiet = self._settings.repeat, self._settings.quiet_hours
        return Manner(
            repeat_after=timedelta(seconds=repeat) if repeat else None,
            muted=self.muted,
            blind_after=None if blind else BLIND_TOLD_AFTER,
            quiet=quiet is not None and is_between(now.astimezone(self._zone).time(), quiet),
        )

    async def acknowledge(self, told_at: str) -> list[AlertStatus]:
        """The alerts that were told on that occasion are known to their reader: those that still fire, now not repeated."""
        return await self._change(told_at, lambda one: replace(one, acked=True))

    async def snooze(
        self, told_at: str, *, until: datetime | None = None, worse: float | None = None
    ) -> list[AlertStatus]:
        """Say nothing more of them before `until`, or before they are worse by that share."""
        end = until or self._clock.now() + FAR_AWAY

        def quieter(one: AlertStatus) -> AlertStatus:
            measure = badness(self._findings.get((one.rule, one.subject)))
            above = None if worse is None or measure is None else measure * (1.0 + worse)
            return replace(one, snoozed_until=end, snoozed_above=above)

        return await self._change(told_at, quieter)

    async def _change(self, told_at: str, change: Callable[[AlertStatus], AlertStatus]) -> list[AlertStatus]:
        async with self.lock:
            mine = [one for one in self.firing if _was_told(one, told_at)]
            after = [change(one) for one in mine]
            await self._store.write(Store.save_alerts, [record_of(one, self._clock) for one in after], [])
            self._known |= {(one.rule, one.subject): one for one in after}
        return after

    async def mute(self, rule: Rule, on: bool) -> None:
        """Say nothing of a rule, or speak of it again."""
        async with self.lock:
            await self._store.write(Store.mute, rule.value, self._clock.now() if on else None)
            self.muted = self.muted | {rule.value} if on else self.muted - {rule.value}

    async def history(self, count: int) -> Sequence[AlertEvent]:
        """What became of alerts, the newest first."""
        return await self._store.read(Store.latest_alert_events, count)


def is_between(at: time, hours: str) -> bool:
    """Whether a time of day lies in hours such as '22:00-07:00', their end not included."""
    first, last = (time.fromisoformat(part) for part in hours.split("-"))
    return first <= at < last if first <= last else at >= first or at < last


def moment(at: datetime) -> str:
    """A time as a button can carry it."""
    return f"{round(at.timestamp() * 1000):x}"


def _was_told(status: AlertStatus, at: str) -> bool:
    """Whether a firing alert was told by the message of that moment; it may have been told once more since."""
    if status.told_at is None or status.fired_at is None:
        return False
    try:
        return int(moment(status.fired_at), 16) <= int(at, 16) <= int(moment(status.told_at), 16)
    except ValueError:
        return False


def record_of(status: AlertStatus, clock: Clock) -> AlertRecord:
    """The status as it is stored."""
    detail: dict[str, Any] = {
        name: at.isoformat() for name in TIMES if (at := getattr(status, name)) is not None
    }
    if status.told_key is not None:
        detail["told_key"] = status.told_key
    if status.acked:
        detail["acked"] = True
    if status.snoozed_above is not None:
        detail["snoozed_above"] = status.snoozed_above
    return AlertRecord(
        rule=status.rule,
        subject=status.subject,
        state=status.state,
        severity=status.severity,
        since=status.since,
        episode=status.episode,
        updated_at=clock.now(),
        detail=detail,
    )


def status_of(row: AlertRecord) -> AlertStatus:
    """The status that a stored row stands for."""
    times = {name: datetime.fromisoformat(row.detail[name]) for name in TIMES if name in row.detail}
    return AlertStatus(
        row.rule,
        row.subject,
        row.state,
        row.severity,
        row.since,
        row.episode,
        told_key=row.detail.get("told_key"),
        acked=bool(row.detail.get("acked", False)),
        snoozed_above=row.detail.get("snoozed_above"),
        **times,
    )


def _is_kept(transition: Transition) -> bool:
    """Whether a change is worth a line in the history."""
    sight = transition.change in {Change.BLIND, Change.SEEING}
    return not (sight and transition.after.rule in QUIETLY_UNKNOWN)


def _event(transition: Transition, now: datetime) -> AlertEvent:
    after, finding = transition.after, transition.finding
    return AlertEvent(
        at=now,
        rule=after.rule,
        subject=after.subject,
        change=transition.change.value,
        severity=after.severity,
        episode=after.episode,
        value=None if finding is None else finding.value,
        limit=None if finding is None else finding.limit,
    )
