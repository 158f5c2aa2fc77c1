"""The state of each (rule, subject), and what a new finding does to it.

    OK -> PENDING -> FIRING -> RECOVERING -> OK

A breach that what is known already shows fires, once it has lasted. UNKNOWN replaces OK and PENDING only and never clears a
firing alert (D10): that ends when everything is known and the value has been back under 90 % of the limit for a while.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from engine.alerts.findings import UNHURRIED, Finding
from engine.model import AlertState, Severity


class Change(StrEnum):
    """What there is to tell."""

    FIRED = "fired"
    ESCALATED = "escalated"
    REMINDED = "reminded"
    CLEARED = "cleared"
    BLIND = "blind"
    SEEING = "seeing"


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """One subject of one rule.

    Attributes:
        since: when it came into this state.
        episode: counts its firings, so that each has an identity of its own.
        fired_at: when the present firing, or the last, began.
        told_at: when its reader last heard of it, of a firing or of what can't be judged; None where he has not.
        told_key: on which occasion; the key of the message begins with it.
        acked: whether he has taken note.
        snoozed_until, snoozed_above: he wants to hear no more before that, or before it is that much worse (`badness`).
    """

    rule: str
    subject: str
    state: AlertState
    severity: Severity | None
    since: datetime
    episode: int = 0
    fired_at: datetime | None = None
    told_at: datetime | None = None
    told_key: str | None = None
    acked: bool = False
    snoozed_until: datetime | None = None
    snoozed_above: float | None = None

    @property
    def is_firing(self) -> bool:
        return self.state in {AlertState.FIRING, AlertState.RECOVERING}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a breach lasts before it fires, one of an unhurried rule at least, and how long its end before it is told."""

    pending: timedelta = timedelta(0)
    recovering: timedelta = timedelta(0)
    unhurried: timedelta = timedelta(0)


AT_ONCE: Final = Patience()


@dataclass(frozen=True, slots=True)
class Transition:
    """A change worth telling, with the status after it and the finding that made it; None where the subject is not judged any
    more."""

    change: Change
    after: AlertStatus
    finding: Finding | None


def advance(
    known: Mapping[tuple[str, str], AlertStatus],
    findings: Iterable[Finding],
    now: datetime,
    *,
    sees: bool,
    patience: Patience = AT_ONCE,
) -> tuple[list[AlertStatus], list[Transition]]:
    """The statuses after `findings`, and the transitions to tell.

    A firing subject that its rule does not judge any more, such as the earnings of a day gone by, ends, where `sees` says that
    the whole book could be judged.
    """
    statuses: list[AlertStatus] = []
    transitions: list[Transition] = []
    judged: set[tuple[str, str]] = set()
    for finding in findings:
        key = (finding.rule.value, finding.subject)
        judged.add(key)
        before = known.get(key) or AlertStatus(*key, AlertState.OK, None, now)
        after, change = _next(before, finding, now, patience)
        statuses.append(after)
        if change is not None:
            transitions.append(Transition(change, after, finding))
    for key in sorted(known.keys() - judged) if sees else ():
        gone = known[key]
        if gone.is_firing:
            after, change = _over(gone, now, patience)
            statuses.append(after)
            if change is not None:
                transitions.append(Transition(change, after, None))
        elif gone.state is not AlertState.OK:
            statuses.append(_entered(gone, AlertState.OK, None, now))
    return statuses, transitions


def _next(
    before: AlertStatus, finding: Finding, now: datetime, patience: Patience
) -> tuple[AlertStatus, Change | None]:
    if finding.severity is not None:
        least = patience.unhurried if finding.rule in UNHURRIED else patience.pending
        return _broken(before, finding.severity, now, max(patience.pending, least))
    if before.is_firing:
        return _ending(before, finding, now, patience)
    if finding.unknown is not None:
        if before.state is AlertState.UNKNOWN:
            return before, None
        return replace(_entered(before, AlertState.UNKNOWN, None, now), told_at=None), Change.BLIND
    if before.state is AlertState.OK:
        return before, None
    change = Change.SEEING if before.state is AlertState.UNKNOWN else None
    return _entered(before, AlertState.OK, None, now), change


def _broken(
    before: AlertStatus, severity: Severity, now: datetime, pending: timedelta
) -> tuple[AlertStatus, Change | None]:
    """What a breach does: it fires once it has lasted, and a firing alert stays, or gets worse."""
    if before.is_firing:
        worse = severity is Severity.CRITICAL and before.severity is Severity.WARNING
        after = replace(before, severity=severity) if worse else before
        if before.state is AlertState.RECOVERING:
            after = _entered(after, AlertState.FIRING, after.severity, now)
        return after, Change.ESCALATED if worse else None
    waiting = before.state is AlertState.PENDING
    if pending and not (waiting and now - before.since >= pending):
        return (before if waiting else _entered(before, AlertState.PENDING, None, now)), None
    fired = _entered(before, AlertState.FIRING, severity, now)
    return replace(
        fired, episode=before.episode + 1, fired_at=now, told_at=None, told_key=None, acked=False
    ), Change.FIRED


def _ending(
    before: AlertStatus, finding: Finding, now: datetime, patience: Patience
) -> tuple[AlertStatus, Change | None]:
    """What the lack of a breach does to a firing alert: it ends once it is known to be over and has been so for a while."""
    over = finding.unknown is None and finding.recovered
    if not over:
        if before.state is AlertState.FIRING:
            return before, None
        return _entered(before, AlertState.FIRING, before.severity, now), None
    return _over(before, now, patience)


def _over(before: AlertStatus, now: datetime, patience: Patience) -> tuple[AlertStatus, Change | None]:
    """A firing alert whose cause is gone: it ends once that has lasted."""
    if not patience.recovering or (
        before.state is AlertState.RECOVERING and now - before.since >= patience.recovering
    ):
        return _entered(before, AlertState.OK, None, now), Change.CLEARED
    if before.state is AlertState.RECOVERING:
        return before, None
    return _entered(before, AlertState.RECOVERING, before.severity, now), None


def _entered(before: AlertStatus, state: AlertState, severity: Severity | None, now: datetime) -> AlertStatus:
    return replace(before, state=state, severity=severity, since=now)
