"""The tables. What a row must satisfy stands in the table itself, since `table=True` does not validate.

A change here needs a migration beside it (`migrations/versions`); a test compares the two.
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, Index, LargeBinary, MetaData, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from engine.store.columns import Finite, UtcTime

NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Every constraint has a name: SQLite can change only what a migration can call by its name."""


class _Table(SQLModel):
    metadata = MetaData(naming_convention=NAMES)


class SnapshotRow(_Table, table=True):
    """`body` is the Snapshot's JSON, compressed with zlib."""

    __tablename__ = "snapshots"
    __table_args__ = (Index(None, "as_of"),)

    id: int | None = Field(default=None, primary_key=True)
    as_of: datetime = Field(sa_type=UtcTime("snapshots.as_of"))
    complete: bool
    source: str
    net_liquidation: float | None = Field(default=None, sa_type=Finite("snapshots.net_liquidation"))
    body: bytes = Field(sa_type=LargeBinary)


class RunRow(_Table, table=True):
    """One scenario over one snapshot: money in the base currency, `pct` in percent, `left_out` a count of positions."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("snapshot_id", "scenario"),
        CheckConstraint("left_out >= 0", name="left_out"),
        CheckConstraint("(worst_id IS NULL) = (worst_pnl IS NULL)", name="worst"),
        CheckConstraint("(best_id IS NULL) = (best_pnl IS NULL)", name="best"),
    )

    id: int | None = Field(default=None, primary_key=True)
    snapshot_id: int = Field(foreign_key="snapshots.id", ondelete="CASCADE")
    scenario: str
    leg: str | None = None
    pnl: float | None = Field(default=None, sa_type=Finite("runs.pnl"))
    pct: float | None = Field(default=None, sa_type=Finite("runs.pct"))
    value: float | None = Field(default=None, sa_type=Finite("runs.value"))
    worst_id: str | None = None
    worst_pnl: float | None = Field(default=None, sa_type=Finite("runs.worst_pnl"))
    best_id: str | None = None
    best_pnl: float | None = Field(default=None, sa_type=Finite("runs.best_pnl"))
    left_out: int


class HeadlineRow(_Table, table=True):
    """The figures of a cycle that outlive its snapshot: money in the base currency, `worst_loss` a share, losses positive."""

    __tablename__ = "headlines"
    __table_args__ = (
        CheckConstraint("(worst_scenario IS NULL) = (worst_loss IS NULL)", name="worst"),
        CheckConstraint("left_out >= 0", name="left_out"),
        Index(None, "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcTime("headlines.at"))
    currency: str
    net_liquidation: float | None = Field(default=None, sa_type=Finite("headlines.net_liquidation"))
    var_99: float | None = Field(default=None, sa_type=Finite("headlines.var_99"))
    es_975: float | None = Field(default=None, sa_type=Finite("headlines.es_975"))
    worst_scenario: str | None = None
    worst_loss: float | None = Field(default=None, sa_type=Finite("headlines.worst_loss"))
    vega: float | None = Field(default=None, sa_type=Finite("headlines.vega"))
    gamma_loss: float | None = Field(default=None, sa_type=Finite("headlines.gamma_loss"))
    left_out: int


class BarRow(_Table, table=True):
    """One day of one series of one symbol."""

    __tablename__ = "bars"

    symbol: str = Field(primary_key=True)
    what: str = Field(primary_key=True)
    day: date = Field(primary_key=True, sa_type=Date)
    open: float = Field(sa_type=Finite("bars.open"))
    high: float = Field(sa_type=Finite("bars.high"))
    low: float = Field(sa_type=Finite("bars.low"))
    close: float = Field(sa_type=Finite("bars.close"))


class RateRow(_Table, table=True):
    """One point of one currency's interest rate curve of one day: continuously compounded, decimals a year."""

    __tablename__ = "rates"
    __table_args__ = (
        CheckConstraint("years > 0", name="years"),
        CheckConstraint("rate > -0.5 AND rate < 1", name="rate"),
    )

    currency: str = Field(primary_key=True)
    day: date = Field(primary_key=True, sa_type=Date)
    years: float = Field(primary_key=True, sa_type=Finite("rates.years"))
    rate: float = Field(sa_type=Finite("rates.rate"))


class ExecutionRow(_Table, table=True):
    """A fill, in its last correction; a sale's quantity is negative."""

    __tablename__ = "executions"
    __table_args__ = (
        CheckConstraint("quantity <> 0", name="quantity"),
        CheckConstraint("\"right\" IN ('C', 'P')", name="right"),
        CheckConstraint("settlement IN ('AM', 'PM')", name="settlement"),
        Index(None, "at"),
    )

    id: str = Field(primary_key=True)
    account: str
    con_id: int = Field(sa_type=BigInteger)
    symbol: str
    kind: str
    underlying: str
    currency: str
    multiplier: float = Field(sa_type=Finite("executions.multiplier"))
    expiry: date | None = Field(default=None, sa_type=Date)
    strike: float | None = Field(default=None, sa_type=Finite("executions.strike"))
    right: str | None = None
    settlement: str
    at: datetime = Field(sa_type=UtcTime("executions.at"))
    quantity: float = Field(sa_type=Finite("executions.quantity"))
    price: float = Field(sa_type=Finite("executions.price"))
    commission: float | None = Field(default=None, sa_type=Finite("executions.commission"))
    commission_currency: str | None = None
    realized: float | None = Field(default=None, sa_type=Finite("executions.realized"))


class DividendRow(_Table, table=True):
    """A dividend per share, in the share's currency: who told of it, and when."""

    __tablename__ = "dividends"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("source IN ('broker', 'yahoo')", name="source"),
    )

    symbol: str = Field(primary_key=True)
    ex_date: date = Field(primary_key=True, sa_type=Date)
    amount: float = Field(sa_type=Finite("dividends.amount"))
    source: str
    told_at: datetime = Field(sa_type=UtcTime("dividends.told_at"))


class EventRow(_Table, table=True):
    """Something dated that moves volatility, as `source` said at `fetched_at`. `symbols` is a JSON list."""

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint("kind IN ('FOMC', 'EARNINGS', 'EXPIRATION', 'ECONOMIC', 'DIVIDEND')", name="kind"),
        CheckConstraint("timing IN ('before open', 'after close')", name="timing"),
        CheckConstraint("impact IN ('high', 'medium', 'low')", name="impact"),
        Index(None, "at"),
    )

    source: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    at: datetime = Field(primary_key=True, sa_type=UtcTime("events.at"))
    symbols: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    confirmed: bool | None = None
    timing: str | None = None
    impact: str
    fetched_at: datetime = Field(sa_type=UtcTime("events.fetched_at"))


class TailDayRow(_Table, table=True):
    """The close of a trading day whose Value at Risk is kept, and what its book made until the next: money in the base currency.

    `left_out` is a JSON list of ids.
    """

    __tablename__ = "tail_days"
    __table_args__ = (CheckConstraint("until > day", name="until"),)

    day: date = Field(primary_key=True, sa_type=Date)
    as_of: datetime = Field(sa_type=UtcTime("tail_days.as_of"))
    snapshot_id: int | None = Field(default=None, foreign_key="snapshots.id", ondelete="SET NULL")
    net_liquidation: float | None = Field(default=None, sa_type=Finite("tail_days.net_liquidation"))
    value: float | None = Field(default=None, sa_type=Finite("tail_days.value"))
    left_out: str = Field(sa_type=Text)
    until: date | None = Field(default=None, sa_type=Date)
    pnl: float | None = Field(default=None, sa_type=Finite("tail_days.pnl"))
    change: float | None = Field(default=None, sa_type=Finite("tail_days.change"))
    remark: str | None = Field(default=None, sa_type=Text)


class TailFigureRow(_Table, table=True):
    """One day's Value at Risk and expected shortfall by one method at one level; `place` is its order among the day's."""

    __tablename__ = "tail_figures"
    __table_args__ = (CheckConstraint("level > 0 AND level < 1", name="level"),)

    day: date = Field(primary_key=True, foreign_key="tail_days.day", ondelete="CASCADE", sa_type=Date)
    method: str = Field(primary_key=True)
    level: float = Field(primary_key=True, sa_type=Finite("tail_figures.level"))
    place: int
    var: float = Field(sa_type=Finite("tail_figures.var"))
    es: float = Field(sa_type=Finite("tail_figures.es"))
    days: int


class ScenarioRow(_Table, table=True):
    """A scenario that the owner has saved in chat: its words, by name."""

    __tablename__ = "scenarios"
    __table_args__ = (CheckConstraint("length(text) BETWEEN 1 AND 400", name="text"),)

    name: str = Field(primary_key=True)
    text: str = Field(sa_type=Text)
    saved_at: datetime = Field(sa_type=UtcTime("scenarios.saved_at"))


class JobRunRow(_Table, table=True):
    """A run of a job that runs once a slot (a date): planned, begun (`started_at`) or ended (`outcome`). What is planned and has
    no outcome is owed."""

    __tablename__ = "job_runs"
    __table_args__ = (
        CheckConstraint("outcome IN ('ok', 'failed', 'late', 'missed')", name="outcome"),
        CheckConstraint(
            "outcome IS NULL OR outcome = 'missed' OR (started_at IS NOT NULL AND finished_at IS NOT NULL)",
            name="times",
        ),
        CheckConstraint("seconds >= 0", name="seconds"),
    )

    job: str = Field(primary_key=True)
    slot: str = Field(primary_key=True)
    due_at: datetime = Field(sa_type=UtcTime("job_runs.due_at"))
    started_at: datetime | None = Field(default=None, sa_type=UtcTime("job_runs.started_at"))
    finished_at: datetime | None = Field(default=None, sa_type=UtcTime("job_runs.finished_at"))
    outcome: str | None = None
    seconds: float | None = Field(default=None, sa_type=Finite("job_runs.seconds"))
    note: str | None = Field(default=None, sa_type=Text)


class AlertRow(_Table, table=True):
    """The present state of each rule for each subject. `detail` is JSON."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint("state IN ('OK', 'PENDING', 'FIRING', 'RECOVERING', 'UNKNOWN')", name="state"),
        CheckConstraint("severity IN ('warning', 'critical')", name="severity"),
        CheckConstraint("episode >= 0", name="episode"),
    )

    rule: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    state: str
    severity: str | None = None
    since: datetime = Field(sa_type=UtcTime("alerts.since"))
    episode: int
    detail: str = Field(sa_type=Text)
    updated_at: datetime = Field(sa_type=UtcTime("alerts.updated_at"))


class AlertEventRow(_Table, table=True):
    """A change of an alert's state: `value` against `limit`, in the rule's unit."""

    __tablename__ = "alert_events"
    __table_args__ = (
        CheckConstraint("severity IN ('warning', 'critical')", name="severity"),
        CheckConstraint("change IN ('fired', 'escalated', 'cleared', 'blind', 'seeing')", name="change"),
        Index(None, "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcTime("alert_events.at"))
    rule: str
    subject: str
    change: str
    severity: str | None = None
    episode: int
    value: float | None = Field(default=None, sa_type=Finite("alert_events.value"))
    limit: float | None = Field(default=None, sa_type=Finite("alert_events.limit"))


class MuteRow(_Table, table=True):
    """A rule of alerts that its reader wants to hear nothing of."""

    __tablename__ = "mutes"

    rule: str = Field(primary_key=True)
    since: datetime = Field(sa_type=UtcTime("mutes.since"))


class OutboxRow(_Table, table=True):
    """A message and where it is on its way. `body` is JSON, `picture` a PNG."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("kind IN ('alert', 'report', 'reply')", name="kind"),
        CheckConstraint("state IN ('pending', 'sending', 'sent', 'dead')", name="state"),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent_at"),
        Index(None, "state", "priority"),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str
    chat_id: int = Field(sa_type=BigInteger)
    priority: int
    kind: str
    body: str = Field(sa_type=Text)
    picture: bytes | None = Field(default=None, sa_type=LargeBinary)
    state: str
    attempts: int = 0
    not_before: datetime | None = Field(default=None, sa_type=UtcTime("outbox.not_before"))
    created_at: datetime = Field(sa_type=UtcTime("outbox.created_at"))
    sent_at: datetime | None = Field(default=None, sa_type=UtcTime("outbox.sent_at"))
    telegram_message_id: int | None = Field(default=None, sa_type=BigInteger)
    error: str | None = Field(default=None, sa_type=Text)
    may_repeat: bool = False
