"""Alerts: rules make findings, findings move states, transitions are told."""

from engine.alerts.findings import QUIETLY_UNKNOWN, Finding, Rule
from engine.alerts.rules import BOOK, Judgement, judge, warns_at
from engine.alerts.states import AlertStatus, Change, Patience, Transition, advance
from engine.alerts.telling import Manner, badness, to_tell

__all__ = [
    "BOOK",
    "QUIETLY_UNKNOWN",
    "AlertStatus",
    "Change",
    "Finding",
    "Judgement",
    "Manner",
    "Patience",
    "Rule",
    "Transition",
    "advance",
    "badness",
    "judge",
    "to_tell",
    "warns_at",
]
