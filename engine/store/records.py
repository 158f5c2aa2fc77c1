"""The values that cross the store's door. Frozen, plain, without a trace of the database.

Times are aware; numbers are finite; `body` and `detail` are what JSON can say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from engine.model import AlertState, Contract, Severity


class MessageKind(StrEnum):
    ALERT = "alert"
    REPORT = "report"
    REPLY = "reply"


class Priority(IntEnum):
    """Who goes first when several messages wait; any other integer between them is allowed too."""

    REPLY = 10
    REPORT = 20
    ALERT = 30
    CRITICAL = 40


class OutboxState(StrEnum):
    """A message's way: pending -> sending -> sent, back to pending for another try, or dead for good."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class JobOutcome(StrEnum):
    """How a run of a once-a-day job ended. `LATE` is well done, but late; `MISSED` was never done."""

    OK = "ok"
    FAILED = "failed"
    LATE = "late"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job; (job, slot) names it. Without a start it is planned, without an outcome it is owed."""

    job: str
    slot: str
    due_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: JobOutcome | None = None
    seconds: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """The state of one rule for one subject. `episode` counts its firings, so that (rule, subject, episode) names one."""

    rule: str
    subject: str
    state: AlertState
    since: datetime
    updated_at: datetime
    severity: Severity | None = None
    episode: int = 0
    detail: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be sent once. `key` is its identity: the same key twice is one message, and the first one counts.

    `picture` is a PNG that goes with it; before `not_before` it is not sent.
    """

    key: str
    chat_id: int
    kind: MessageKind
    body: Mapping[str, Any]
    created_at: datetime
    priority: int = Priority.REPORT
    picture: bytes | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A change of an alert's state; `value` and `limit` are in the rule's unit."""

    at: datetime
    rule: str
    subject: str
    change: str
    severity: Severity | None
    episode: int
    value: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A message on its way. `may_repeat` says that it may have reached the chat before, and its reader must be told."""

    id: int
    key: str
    chat_id: int
    kind: MessageKind
    body: Mapping[str, Any]
    priority: int
    picture: bytes | None
    state: OutboxState
    attempts: int
    not_before: datetime | None
    created_at: datetime
    sent_at: datetime | None
    telegram_message_id: int | None
    error: str | None
    may_repeat: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of one series: `what` is the broker's word for it, 'TRADES' (prices) or 'OPTION_IMPLIED_VOLATILITY'
    (decimals)."""

    symbol: str
    what: str
    day: date
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill: `quantity` is negative for a sale, `price` per unit in the contract's currency.

    `commission` and `realized`, both in `commission_currency`, are None where the broker has told none.
    """

    id: str
    account: str
    con_id: int
    contract: Contract
    at: datetime
    quantity: float
    price: float
    commission: float | None = None
    commission_currency: str | None = None
    realized: float | None = None


@dataclass(frozen=True, slots=True)
class SavedScenario:
    """A custom scenario of the owner: its words, by a name in lower case."""

    name: str
    text: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class Headline:
    """The figures of one cycle that history keeps for ever; None is unknown.

    Attributes:
        currency: the base currency, in which amounts are.
        var_99, es_975: one day's Value at Risk and expected shortfall by the method relied on, losses positive.
        worst_scenario, worst_loss: the scenario that loses most and its loss as a share (of net liquidation where that is known);
            negative where even that one gains.
        vega: per vol point; gamma_loss: what gamma alone loses in a day of two deviations, an amount.
        left_out: how many positions are in some of these figures not counted.
    """

    at: datetime
    currency: str
    net_liquidation: float | None = None
    var_99: float | None = None
    es_975: float | None = None
    worst_scenario: str | None = None
    worst_loss: float | None = None
    vega: float | None = None
    gamma_loss: float | None = None
    left_out: int = 0


class DividendSource(StrEnum):
    """Who told of a dividend."""

    BROKER = "broker"
    YAHOO = "yahoo"
