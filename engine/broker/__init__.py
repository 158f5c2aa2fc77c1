"""The broker: a read-only login that keeps the Book true. It delivers facts; it values nothing."""

from engine.broker.history import History
from engine.broker.link import Link, LinkPhase, LinkState

__all__ = ["History", "Link", "LinkPhase", "LinkState"]
