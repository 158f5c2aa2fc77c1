"""The calendar: when the market is open."""

from engine.calendar.sessions import Session, Sessions

__all__ = ["Session", "Sessions"]
