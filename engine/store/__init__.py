"""The store: what must outlive the process, in one SQL database. Later tables join these; there is no other way to store."""

from engine.store.aio import AsyncStore
from engine.store.outbox import NotBeingSent
from engine.store.records import (
    AlertEvent,
    AlertRecord,
    Bar,
    DividendSource,
    Execution,
    Headline,
    JobOutcome,
    JobRun,
    Message,
    MessageKind,
    OutboxItem,
    OutboxState,
    Priority,
    SavedScenario,
)
from engine.store.repair import Repair, mend
from engine.store.repository import Store
from engine.store.stand_in import is_unwritable, stand_in

__all__ = [
    "AlertEvent",
    "AlertRecord",
    "AsyncStore",
    "Bar",
    "DividendSource",
    "Execution",
    "Headline",
    "JobOutcome",
    "JobRun",
    "Message",
    "MessageKind",
    "NotBeingSent",
    "OutboxItem",
    "OutboxState",
    "Priority",
    "Repair",
    "SavedScenario",
    "Store",
    "is_unwritable",
    "mend",
    "stand_in",
]
