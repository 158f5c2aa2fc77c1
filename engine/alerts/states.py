"""The state of each (rule, subject), and what a new finding does to it.

A breach that what is known already shows fires. UNKNOWN replaces OK only and never clears a firing alert (D10). A firing alert
ends when everything is known and the value is back under 90 % of the limit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from engine.alerts.rules import Finding
from engine.model import AlertState, Severity


class Change(StrEnum):
    """What there is to tell."""

    FIRED = "fired"
    ESCALATED = "escalated"
    CLEARED = "cleared"
    BLIND = "blind"
    SEEING = "seeing"


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """One subject of one rule. `episode` counts its firings, so that each has an identity of its own."""

    rule: str
    subject: str
    state: AlertState
    severity: Severity | None
    since: datetime
    episode: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """A change worth telling, with the finding that made it; None where the subject is not judged any more."""

    change: Change
    after: AlertStatus
    finding: Finding | None


def advance(
    known: Mapping[tuple[str, str], AlertStatus], findings: Iterable[Finding], now: datetime
) -> tuple[list[AlertStatus], list[Transition]]:
    """The statuses after `findings`, and the transitions to tell.

    A firing subject that its rule does not judge any more, such as the earnings of a day gone by, ends.
    """
    statuses: list[AlertStatus] = []
    transitions: list[Transition] = []
    judged: set[tuple[str, str]] = set()
    seeing: set[str] = set()
    for finding in findings:
        key = (finding.rule, finding.subject)
        judged.add(key)
        if finding.unknown is None:
            seeing.add(finding.rule)
        after, change = _next(known.get(key), finding, now)
        statuses.append(after)
        if change is not None:
            transitions.append(Transition(change, after, finding))
    for key in sorted(known.keys() - judged):
        gone = known[key]
        if gone.rule in seeing and gone.state is not AlertState.OK:
            after = _entered(gone, AlertState.OK, None, now)
            statuses.append(after)
            if gone.state is AlertState.FIRING:
                transitions.append(Transition(Change.CLEARED, after, None))
    return statuses, transitions


def _next(before: AlertStatus | None, finding: Finding, now: datetime) -> tuple[AlertStatus, Change | None]:
    current = before or AlertStatus(finding.rule, finding.subject, AlertState.OK, None, now)
    firing = current.state is AlertState.FIRING
    if finding.severity is not None:
        if not firing:
            return _entered(
                current, AlertState.FIRING, finding.severity, now, episode=current.episode + 1
            ), Change.FIRED
        if finding.severity is Severity.CRITICAL and current.severity is Severity.WARNING:
            return replace(current, severity=Severity.CRITICAL), Change.ESCALATED
        return current, None
    if firing:
        if finding.unknown is not None or not finding.recovered:
            return current, None
        return _entered(current, AlertState.OK, None, now), Change.CLEARED
    if finding.unknown is not None:
        if current.state is AlertState.UNKNOWN:
            return current, None
        return _entered(current, AlertState.UNKNOWN, None, now), Change.BLIND
    if current.state is AlertState.OK:
        return current, None
    change = Change.SEEING if current.state is AlertState.UNKNOWN else None
    return _entered(current, AlertState.OK, None, now), change


def _entered(
    current: AlertStatus,
    state: AlertState,
    severity: Severity | None,
    now: datetime,
    episode: int | None = None,
) -> AlertStatus:
    return replace(
        current,
        state=state,
        severity=severity,
        since=now,
        episode=current.episode if episode is None else episode,
    )
