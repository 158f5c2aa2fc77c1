"""What of the states is told now: each firing once, again while nobody has taken note of it, and not while it is put off.

A firing that may not be told yet (its rule is muted, it is snoozed, the hours are quiet) stays untold, and is told when it may
be, with all others that waited: so a digest is nothing special.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from engine.alerts.findings import QUIETLY_UNKNOWN, Finding, Rule
from engine.alerts.states import AlertStatus, Change, Transition
from engine.model import AlertState, Severity

Key = tuple[str, str]
BELOW: Final = frozenset({Rule.MARGIN_CUSHION, Rule.IV_LOW})
"""What is worse the less it is."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How its reader wants to hear of alerts.

    Attributes:
        repeat_after: a critical alert of which nobody has taken note is told again after so long; None for never.
        muted: rules that are not told at all.
        quiet: whether the hours are quiet now: only critical alerts are told in them.
        blind_after: what can't be judged is told once it has lasted so long; None for never, where another part tells it.
    """

    repeat_after: timedelta | None = None
    muted: frozenset[str] = frozenset()
    quiet: bool = False
    blind_after: timedelta | None = timedelta(0)


def to_tell(
    statuses: Iterable[AlertStatus],
    transitions: Iterable[Transition],
    findings: Mapping[Key, Finding],
    now: datetime,
    manner: Manner,
    key: str,
) -> tuple[list[AlertStatus], list[Transition]]:
    """The statuses with what their reader has heard, and what is told.

    Args:
        key: names the occasion, and with the severity the message.
        statuses: after the transitions, each once.
        findings: of this look, by rule and subject.
    """
    happened = list(transitions)
    worse = {(t.after.rule, t.after.subject) for t in happened if t.change is Change.ESCALATED}
    telling = [t for t in happened if _is_end(t)]
    after = []
    for status in statuses:
        mine = (status.rule, status.subject)
        change = _due(status, findings.get(mine), now, manner, mine in worse)
        if change is not None:
            status = replace(
                status,
                told_at=now,
                told_key=f"{key}:{status.severity}",
                snoozed_until=None,
                snoozed_above=None,
            )
            telling.append(Transition(change, status, findings.get(mine)))
        after.append(status)
    return after, telling


def badness(finding: Finding | None) -> float | None:
    """How far beyond its limit a finding is, 1 at the limit, more the worse; None where there is no measure."""
    if finding is None or not finding.value or not finding.limit:
        return None
    ratio = finding.value / finding.limit
    return 1.0 / ratio if finding.rule in BELOW else ratio


def _is_end(transition: Transition) -> bool:
    """Whether a transition is the end of what was told, which is told as well."""
    return transition.change in {Change.CLEARED, Change.SEEING} and transition.after.told_at is not None


def _due(
    status: AlertStatus, finding: Finding | None, now: datetime, manner: Manner, worse: bool
) -> Change | None:
    """What there is to tell now of an alert that fires or can't be judged."""
    if status.state is AlertState.UNKNOWN:
        return _still_blind(status, now, manner)
    if status.state is not AlertState.FIRING or status.rule in manner.muted:
        return None
    if manner.quiet and status.severity is not Severity.CRITICAL:
        return None
    if worse and status.told_at is not None:
        return Change.ESCALATED
    if _is_snoozed(status, finding, now):
        return None
    if status.told_at is None:
        return Change.FIRED
    if status.snoozed_until is not None and status.told_at < status.snoozed_until:
        return Change.REMINDED  # its time is over, or it got as much worse as was asked for
    waited = manner.repeat_after is not None and now - status.told_at >= manner.repeat_after
    return Change.REMINDED if waited and not status.acked and status.severity is Severity.CRITICAL else None


def _still_blind(status: AlertStatus, now: datetime, manner: Manner) -> Change | None:
    if status.told_at is not None or status.rule in manner.muted or status.rule in QUIETLY_UNKNOWN:
        return None
    lasted = manner.blind_after is not None and now - status.since >= manner.blind_after
    return Change.BLIND if lasted else None


def _is_snoozed(status: AlertStatus, finding: Finding | None, now: datetime) -> bool:
    if status.snoozed_until is None or now >= status.snoozed_until:
        return False
    measure = badness(finding)
    return status.snoozed_above is None or measure is None or measure < status.snoozed_above
