"""Column types that refuse what must never be stored: times without a zone, numbers that are not numbers.

SQLite would take both in silence: it drops the zone and turns NaN into NULL.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from engine.errors import StoreError
from engine.model import UNSET_ABOVE


class RefusedValue(StoreError, DontWrapMixin):
    """A value that its column does not take; SQLAlchemy lets it through as it is."""


class UtcTime(TypeDecorator[datetime]):
    """An instant, stored as UTC and read back aware. `name` is the column's, for the message."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def __init__(self, name: str) -> None:
        super().__init__(timezone=True)
        self.name = name

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise RefusedValue(f"{self.name}: the time {value} has no zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


class Finite(TypeDecorator[float]):
    """A number: not NaN, not infinite, not the broker's 'unset'. `name` is the column's, for the message."""

    impl = Float
    cache_ok = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        if value is None:
            return None
        if not abs(value) <= UNSET_ABOVE:
            raise RefusedValue(f"{self.name}: {value} is not a number that can be stored")
        return float(value)
