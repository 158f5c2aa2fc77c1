"""The Store: the one way to the database. Its methods block for milliseconds and are safe to call from any thread."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Final, Self

from sqlalchemy import URL, bindparam, delete, func, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from engine.errors import StoreError
from engine.model import Dividend, Event, RateCurve, Snapshot
from engine.results import RiskReport, TailDay
from engine.store import alert_events, backup, headlines, job_runs, outbox, retention, rows, tail_days
from engine.store.engines import (
    BUSY_TIMEOUT_MS,
    as_store_error,
    file_of,
    is_sqlite,
    make_folder,
    open_reader,
    open_writer,
    parse_url,
)
from engine.store.records import (
    AlertEvent,
    AlertRecord,
    Bar,
    DividendSource,
    Execution,
    Headline,
    JobRun,
    Message,
    OutboxItem,
    OutboxState,
    SavedScenario,
)
from engine.store.schema import migrate
from engine.store.tables import (
    AlertRow,
    BarRow,
    DividendRow,
    EventRow,
    ExecutionRow,
    OutboxRow,
    RateRow,
    ScenarioRow,
    SnapshotRow,
)

SHORT_PATIENCE_MS: Final = 50
"""How long folding the log may hold up the next writer while it waits for a reader."""


class Store:
    """Snapshots, scenario runs, headline figures, saved scenarios, bars, fills, dividends, events, rates, Values at Risk, runs of
    jobs, alert states and the outbox.

    Writers wait for each other on a lock, readers wait for nobody. What the database refuses is a StoreError, and then nothing
    of that call is stored.
    """

    def __init__(self, url: URL) -> None:
        self._is_sqlite = is_sqlite(url)
        self._file = file_of(url)
        self._writer = open_writer(url)
        self._reader = open_reader(url)
        self._writing = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, url: str) -> Self:
        """The store at `url`, its schema brought up to date; a SQLite file and its folder are made when missing.

        Raises:
            StoreError: If the URL can't be read, the database can't be reached or written, or a newer version wrote it.
        """
        target = parse_url(url)
        make_folder(target)
        with as_store_error(f"can't open the database {target.render_as_string(hide_password=True)}"):
            migrate(target)
            return cls(target)

    def close(self) -> None:
        """Wait for the writer, fold the write-ahead log into the file and let go of every connection. May be called twice."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            self._reader.dispose()
            if self._is_sqlite:
                self._checkpoint()
            self._writer.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save_cycle(
        self,
        snapshot: Snapshot,
        report: RiskReport,
        alerts: Iterable[AlertRecord],
        messages: Iterable[Message],
        events: Iterable[AlertEvent] = (),
    ) -> int:
        """Store a cycle whole: the snapshot, a run per scenario of `report` and its headline figures, the alerts' new states,
        what became of them and the messages they cause.

        The years of closes and volatilities stay out of the stored snapshot: they are in the bars.

        Returns:
            The id of the stored snapshot.
        """
        row, headline = rows.snapshot_row(_without_years(snapshot)), headlines.headline(report)
        with self._write("can't save the cycle") as session:
            session.add(row)
            session.flush()
            assert row.id is not None, "flushed"
            session.add_all(rows.run_row(row.id, result) for result in report.scenarios)
            if headline is not None:
                headlines.add(session, headline)
            _put_alerts(session, alerts)
            alert_events.add(session, events)
            outbox.add(session, messages)
        return row.id

    def save_alerts(
        self, alerts: Iterable[AlertRecord], messages: Iterable[Message], events: Iterable[AlertEvent] = ()
    ) -> None:
        """Store the alerts' new states, what became of them and the messages they cause, together, without a snapshot."""
        with self._write("can't save the alerts") as session:
            _put_alerts(session, alerts)
            alert_events.add(session, events)
            outbox.add(session, messages)

    def latest_alert_events(self, count: int) -> list[AlertEvent]:
        """What became of alerts, the newest first."""
        with self._read() as session:
            return alert_events.latest(session, count)

    def muted_rules(self) -> frozenset[str]:
        """The rules that its reader wants to hear nothing of."""
        with self._read() as session:
            return alert_events.muted(session)

    def mute(self, rule: str, since: datetime | None) -> None:
        """Mute a rule from `since` on; None lets it speak again."""
        with self._write("can't save what is muted") as session:
            alert_events.mute(session, rule, since)

    def told(self, key: str) -> list[OutboxItem]:
        """The messages of one occasion, to every chat."""
        wanted = select(OutboxRow).where(col(OutboxRow.key).startswith(f"{key}:", autoescape=True))
        with self._read() as session:
            return [rows.outbox_item(row) for row in session.exec(wanted)]

    def latest_snapshot(self, complete_only: bool = True) -> Snapshot | None:
        """The newest snapshot; with `complete_only`, the newest in which everything had arrived."""
        newest = (
            select(SnapshotRow).order_by(col(SnapshotRow.as_of).desc(), col(SnapshotRow.id).desc()).limit(1)
        )
        if complete_only:
            newest = newest.where(col(SnapshotRow.complete))
        with self._read() as session:
            row = session.exec(newest).first()
        return None if row is None else rows.stored_snapshot(row)

    def complete_snapshot(self, at: datetime, *, after: bool = False) -> Snapshot | None:
        """The last snapshot at or before `at` in which everything had arrived; with `after`, the first at or after it."""
        order = col(SnapshotRow.as_of).asc() if after else col(SnapshotRow.as_of).desc()
        found = select(SnapshotRow).where(col(SnapshotRow.complete)).order_by(order).limit(1)
        found = found.where(SnapshotRow.as_of >= at if after else SnapshotRow.as_of <= at)
        with self._read() as session:
            row = session.exec(found).first()
        return None if row is None else rows.stored_snapshot(row)

    def snapshot_at(self, at: datetime) -> Snapshot | None:
        """The last snapshot at or before `at`, complete or not."""
        last = (
            select(SnapshotRow)
            .where(SnapshotRow.as_of <= at)
            .order_by(col(SnapshotRow.as_of).desc(), col(SnapshotRow.id).desc())
            .limit(1)
        )
        with self._read() as session:
            row = session.exec(last).first()
        return None if row is None else rows.stored_snapshot(row)

    def headlines(self, since: datetime) -> list[Headline]:
        """The headline figures of the cycles at or after `since`, oldest first."""
        with self._read() as session:
            return headlines.since(session, since)

    def alert_states(self) -> list[AlertRecord]:
        """Every alert's last stored state, by rule and subject."""
        with self._read() as session:
            found = session.exec(select(AlertRow).order_by(AlertRow.rule, AlertRow.subject)).all()
        return [rows.alert_record(row) for row in found]

    def enqueue(self, messages: Iterable[Message]) -> None:
        """Put messages into the outbox; one whose key is already there, sent or not, is left as it is."""
        with self._write("can't store the messages") as session:
            outbox.add(session, messages)

    def claim_next(self, now: datetime) -> OutboxItem | None:
        """The message that goes first, highest priority, then oldest, now marked as being sent; None when none is due."""
        with self._write("can't take a message from the outbox") as session:
            return outbox.claim_next(session, now)

    def mark_sent(self, id_: int, message_id: int, at: datetime) -> None:
        """Telegram took message `id_` and calls it `message_id`.

        Raises:
            NotBeingSent: If it is not.
        """
        with self._write("can't mark the message as sent") as session:
            outbox.settle(
                session, id_, OutboxState.SENT, telegram_message_id=message_id, sent_at=at, error=None
            )

    def mark_retry(self, id_: int, not_before: datetime, error: str, may_have_arrived: bool = False) -> None:
        """Message `id_` goes back to wait until `not_before`; after a timeout it may have arrived, and the next try says so.

        Raises:
            NotBeingSent: If it is not.
        """
        marks = {"may_repeat": True} if may_have_arrived else {}
        with self._write("can't put the message back") as session:
            outbox.settle(session, id_, OutboxState.PENDING, not_before=not_before, error=error, **marks)

    def mark_dead(self, id_: int, error: str) -> None:
        """Message `id_` can never be sent.

        Raises:
            NotBeingSent: If it is not.
        """
        with self._write("can't park the message") as session:
            outbox.settle(session, id_, OutboxState.DEAD, error=error)

    def recover_sending(self) -> int:
        """At start: what an earlier process left half-sent waits again, marked as a possible repeat. Returns how many."""
        with self._write("can't recover the outbox") as session:
            return outbox.recover(session)

    def put_bars(self, bars: Iterable[Bar]) -> None:
        """Store daily bars; a day that is already there is replaced."""
        latest = {(bar.symbol, bar.what, bar.day): bar for bar in bars}
        if not latest:
            return
        same = (col(getattr(BarRow, name)) == bindparam(f"old_{name}") for name in ("symbol", "what", "day"))
        old = [{"old_symbol": symbol, "old_what": what, "old_day": day} for symbol, what, day in latest]
        new = [{name: getattr(bar, name) for name in Bar.__slots__} for bar in latest.values()]
        with self._write("can't store the bars") as session:
            connection = session.connection()
            connection.execute(delete(BarRow).where(*same), old)
            connection.execute(insert(BarRow), new)

    def bars(self, symbol: str, what: str, since: date | None = None) -> list[Bar]:
        """The daily bars of one series, oldest first."""
        series = select(BarRow).where(BarRow.symbol == symbol, BarRow.what == what).order_by(col(BarRow.day))
        if since is not None:
            series = series.where(BarRow.day >= since)
        with self._read() as session:
            return [rows.bar(row) for row in session.exec(series)]

    def newest_bars(self) -> dict[tuple[str, str], date]:
        """The last stored day of each series, by (symbol, what)."""
        newest = select(col(BarRow.symbol), col(BarRow.what), func.max(BarRow.day)).group_by(
            col(BarRow.symbol), col(BarRow.what)
        )
        with self._read() as session:
            return {(symbol, what): day for symbol, what, day in session.exec(newest)}

    def closes(
        self, what: str, since: date, symbol: str | None = None
    ) -> dict[str, tuple[tuple[date, float], ...]]:
        """The (day, close) pairs of one kind of series since a day, oldest first, by symbol: of one, or of all."""
        pairs = (
            select(col(BarRow.symbol), col(BarRow.day), col(BarRow.close))
            .where(BarRow.what == what, BarRow.day >= since)
            .order_by(col(BarRow.day))
        )
        if symbol is not None:
            pairs = pairs.where(BarRow.symbol == symbol)
        found: dict[str, list[tuple[date, float]]] = {}
        with self._read() as session:
            for name, day, close in session.exec(pairs):
                found.setdefault(name, []).append((day, close))
        return {name: tuple(days) for name, days in found.items()}

    def put_executions(self, executions: Iterable[Execution]) -> None:
        """Store fills; one that is already there is replaced, but keeps a commission and a gain that the new one lacks."""
        with self._write("can't store the executions") as session:
            for one in executions:
                row, before = rows.execution_row(one), session.get(ExecutionRow, one.id)
                if before is not None and row.commission is None:
                    row.commission, row.commission_currency = before.commission, before.commission_currency
                    row.realized = before.realized
                session.merge(row)

    def executions(self, since: datetime) -> list[Execution]:
        """The fills at or after `since`, oldest first."""
        wanted = (
            select(ExecutionRow)
            .where(ExecutionRow.at >= since)
            .order_by(col(ExecutionRow.at), col(ExecutionRow.id))
        )
        with self._read() as session:
            return [rows.execution(row) for row in session.exec(wanted)]

    def put_dividends(
        self, symbol: str, dividends: Iterable[Dividend], source: DividendSource, at: datetime
    ) -> None:
        """Store the dividends of `symbol` that are to come, as told `at`: they replace all with an ex-date from that day on."""
        ahead = (DividendRow.symbol == symbol, DividendRow.ex_date >= at.date())
        new = {one.ex_date: one.amount for one in dividends}
        with self._write("can't store the dividends") as session:
            session.connection().execute(delete(DividendRow).where(*ahead))  # type: ignore[arg-type]
            for ex_date, amount in new.items():
                session.merge(
                    DividendRow(
                        symbol=symbol, ex_date=ex_date, amount=amount, source=source.value, told_at=at
                    )
                )

    def dividends(self, since: date) -> dict[str, tuple[Dividend, ...]]:
        """The dividends with an ex-date from `since` on, earliest first, by symbol."""
        wanted = select(DividendRow).where(DividendRow.ex_date >= since).order_by(col(DividendRow.ex_date))
        found: dict[str, list[Dividend]] = {}
        with self._read() as session:
            for row in session.exec(wanted):
                found.setdefault(row.symbol, []).append(Dividend(row.ex_date, row.amount))
        return {symbol: tuple(each) for symbol, each in found.items()}

    def put_events(
        self, source: str, events: Iterable[Event], at: datetime, symbol: str | None = None
    ) -> None:
        """Store what `source` said `at` of what is coming: it replaces all that the source said of the time from then on.

        With a `symbol` it replaces only what was said of that one alone. A source that failed has said nothing: it is not put,
        and what it said before stays, with its time.
        """
        new = [rows.event_row(one) for one in events]
        said = [EventRow.source == source, EventRow.at >= at]
        if symbol is not None:
            said.append(EventRow.symbols == rows.symbols_text((symbol,)))
        with self._write("can't store the events") as session:
            session.connection().execute(delete(EventRow).where(*said))  # type: ignore[arg-type]
            for row in new:
                session.merge(row)

    def events(self, since: datetime) -> list[Event]:
        """What comes at or after `since`, in order of time."""
        wanted = (
            select(EventRow)
            .where(EventRow.at >= since)
            .order_by(col(EventRow.at), col(EventRow.symbols), col(EventRow.source), col(EventRow.name))
        )
        with self._read() as session:
            return [rows.event(row) for row in session.exec(wanted)]

    def put_curve(self, curve: RateCurve) -> None:
        """Store a curve; one of the same currency and day is replaced whole."""
        same = (RateRow.currency == curve.currency, RateRow.day == curve.as_of)
        with self._write("can't store the interest rates") as session:
            session.connection().execute(delete(RateRow).where(*same))  # type: ignore[arg-type]
            session.add_all(rows.rate_rows(curve))

    def latest_curve(self, currency: str) -> RateCurve | None:
        """The curve of `currency` of the newest day, however long ago; None where none was ever stored."""
        newest = select(func.max(RateRow.day)).where(RateRow.currency == currency).scalar_subquery()
        points = (
            select(RateRow)
            .where(RateRow.currency == currency, RateRow.day == newest)
            .order_by(col(RateRow.years))
        )
        with self._read() as session:
            return rows.rate_curve(session.exec(points).all())

    def save_tail_day(self, snapshot: Snapshot, new: TailDay, settled: TailDay | None = None) -> None:
        """Store a day's Value at Risk with the Snapshot that it is of, in the place of one of the same date, and what became of
        an earlier day; all of it or nothing."""
        row = rows.snapshot_row(_without_years(snapshot))
        with self._write("can't store the Value at Risk") as session:
            session.add(row)
            session.flush()
            assert row.id is not None, "flushed"
            tail_days.put(session, new, row.id)
            if settled is not None:
                tail_days.settle(session, settled)

    def tail_days(self) -> list[TailDay]:
        """The days whose Value at Risk is kept, oldest first."""
        with self._read() as session:
            return tail_days.every(session)

    def tail_day_before(self, day: date) -> tuple[TailDay, Snapshot | None] | None:
        """The last of them before `day`, with the Snapshot that it is of, where that is still stored."""
        with self._read() as session:
            found = tail_days.every(session, before=day)
            row = tail_days.snapshot_of(session, found[0].day) if found else None
        return (found[0], None if row is None else rows.stored_snapshot(row)) if found else None

    def begin_job_run(self, run: JobRun) -> bool:
        """Store that a run of a once-a-day job has begun; False where that run has ended before: then it must not run again."""
        with self._write("can't store the job's run") as session:
            return job_runs.begin(session, run)

    def put_job_runs(self, job: str, settled: Iterable[JobRun], planned: JobRun | None) -> None:
        """Store how runs of `job` ended, and the one that is owed next, in the place of any owed before; None for none."""
        with self._write("can't store the job's run") as session:
            job_runs.put(session, job, settled, planned)

    def job_runs(self, since: datetime) -> list[JobRun]:
        """The runs of once-a-day jobs due from `since` on, in order of time, and any that has not ended."""
        with self._read() as session:
            return job_runs.since(session, since)

    def put_scenario(self, scenario: SavedScenario) -> None:
        """Store a scenario; one of the same name is replaced."""
        with self._write("can't save the scenario") as session:
            session.merge(ScenarioRow(name=scenario.name, text=scenario.text, saved_at=scenario.saved_at))

    def delete_scenario(self, name: str) -> None:
        """Forget the scenario `name`, where there is one."""
        with self._write("can't delete the scenario") as session:
            row = session.get(ScenarioRow, name)
            if row is not None:
                session.delete(row)

    def scenarios(self) -> list[SavedScenario]:
        """The saved scenarios, by name."""
        with self._read() as session:
            found = session.exec(select(ScenarioRow).order_by(col(ScenarioRow.name))).all()
        return [SavedScenario(row.name, row.text, row.saved_at) for row in found]

    def surplus_snapshots(self, now: datetime, zone: tzinfo) -> list[int]:
        """The ids of the snapshots that need not be kept any longer, oldest first; `zone` is the exchange's."""
        with self._read() as session:
            return retention.surplus(retention.stored_snapshots(session), now, zone)

    def drop_snapshots(self, ids: Sequence[int]) -> int:
        """Delete snapshots with their runs, in one transaction; one that another table needs stays. Returns how many went."""
        with self._write("can't delete old snapshots") as session:
            return retention.drop_snapshots(session, ids)

    def spent_messages(self, now: datetime) -> list[int]:
        """The ids of messages that were sent, or given up, so long ago that nobody asks for them."""
        with self._read() as session:
            return retention.spent_messages(session, now)

    def drop_messages(self, ids: Sequence[int]) -> int:
        """Delete messages that are sent or given up, in one transaction; how many went."""
        with self._write("can't delete old messages") as session:
            return retention.drop_messages(session, ids)

    def give_back(self, pages: int) -> int:
        """Cut up to so many free pages off a SQLite file, in one transaction; how many are left to cut off."""
        if not self._is_sqlite:
            return 0
        with self._driver("can't shrink the database") as driver:
            if driver.execute("PRAGMA auto_vacuum").fetchone() != (retention.INCREMENTAL,):
                return 0
            # A page goes with each step of the statement, and `execute` takes but one step.
            driver.executescript(f"PRAGMA incremental_vacuum({pages})")
            (left,) = driver.execute("PRAGMA freelist_count").fetchone()
            return int(left)

    def fold_log(self) -> bool:
        """Fold SQLite's write-ahead log into the file while the program runs; whether all of it, or a reader was in the way."""
        if not self._is_sqlite:
            return True
        with self._driver("can't fold the log into the database") as driver:
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            driver.execute(f"PRAGMA busy_timeout={SHORT_PATIENCE_MS}")
            try:
                (busy, _, _) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            return not busy

    def back_up(self, day: date) -> Path | None:
        """Copy a SQLite file, checked, as the backup of `day`; the copy's path, None where the database is no file. No writer
        waits for it.

        Raises:
            StoreError: If the copy can't be made or is not sound.
        """
        return None if self._file is None else backup.back_up(self._file, day)

    @contextmanager
    def _write(self, doing: str) -> Iterator[Session]:
        """One transaction: all of the block is stored, or none of it."""
        with self._writing, as_store_error(doing):
            self._refuse_closed()
            with Session(self._writer, expire_on_commit=False) as session, session.begin():
                yield session

    @contextmanager
    def _read(self) -> Iterator[Session]:
        """One consistent view of what was committed."""
        with as_store_error("can't read the database"):
            self._refuse_closed()
            with Session(self._reader, expire_on_commit=False) as session:
                yield session

    @contextmanager
    def _driver(self, doing: str) -> Iterator[sqlite3.Connection]:
        """The writer's own SQLite connection, outside any transaction."""
        with self._writing, as_store_error(doing):
            self._refuse_closed()
            with closing(self._writer.raw_connection()) as connection:
                driver = connection.driver_connection
                assert isinstance(driver, sqlite3.Connection), "asked of SQLite alone"
                yield driver

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreError("the database is closed: riskbot is shutting down")

    def _checkpoint(self) -> None:
        # What can't be folded into the file now, on a full disk say, is read from the log by the next open.
        with suppress(sqlite3.Error, SQLAlchemyError), closing(self._writer.raw_connection()) as connection:
            connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]


def _without_years(snapshot: Snapshot) -> Snapshot:
    brief = {
        symbol: replace(one, closes=None, iv_history=None) for symbol, one in snapshot.underlyings.items()
    }
    return replace(snapshot, underlyings=brief)


def _put_alerts(session: Session, alerts: Iterable[AlertRecord]) -> None:
    new = [rows.alert_row(alert) for alert in alerts]
    touched = select(AlertRow).where(col(AlertRow.rule).in_({row.rule for row in new}))
    present = {(row.rule, row.subject): row for row in session.exec(touched)}
    for row in new:
        before = present.setdefault((row.rule, row.subject), row)
        if before is row:
            session.add(row)
        else:
            before.sqlmodel_update(row)
