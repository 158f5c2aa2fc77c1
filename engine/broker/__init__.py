"""The broker: a read-only login that keeps the Book true. It delivers facts; it values nothing."""

from engine.broker.link import Link, LinkPhase, LinkState

__all__ = ["Link", "LinkPhase", "LinkState"]
