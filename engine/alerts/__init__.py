"""Alerts: rules make findings, findings move states, transitions are told."""

from engine.alerts.findings import Finding, Rule
from engine.alerts.rules import BOOK, Judgement, judge
from engine.alerts.states import AlertStatus, Change, Patience, Transition, advance

__all__ = [
    "BOOK",
    "AlertStatus",
    "Change",
    "Finding",
    "Judgement",
    "Patience",
    "Rule",
    "Transition",
    "advance",
    "judge",
]
