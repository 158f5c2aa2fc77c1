"""Alerts: rules make findings, findings move states, transitions are told."""

from engine.alerts.rules import PORTFOLIO_LOSS, Finding, portfolio_loss
from engine.alerts.states import AlertStatus, Change, Transition, advance

__all__ = [
    "PORTFOLIO_LOSS",
    "AlertStatus",
    "Change",
    "Finding",
    "Transition",
    "advance",
    "portfolio_loss",
]
