"""Market hours: the exchange's sessions, with holidays and early closes, from pandas_market_calendars."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd
import pandas_market_calendars

from engine.errors import ConfigError

LOOK_AHEAD: Final = timedelta(days=14)
LOOK_BACK: Final = timedelta(days=14)
LONGEST_GAP: Final = timedelta(days=14)
"""No exchange rests longer between two sessions."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day's regular hours, UTC."""

    day: date
    opens: datetime
    closes: datetime


class Sessions:
    """The sessions of one exchange. Blocking and slow at first use: build it in a thread."""

    def __init__(self, exchange: str) -> None:
        try:
            self._calendar = pandas_market_calendars.get_calendar(exchange)
        except RuntimeError as error:
            raise ConfigError(f"schedule.exchange: {exchange!r} is not a known exchange; try NYSE") from error

    @property
    def zone(self) -> ZoneInfo:
        """Where the exchange's days begin and end."""
        return ZoneInfo(str(self._calendar.tz))

    def around(self, at: datetime) -> list[Session]:
        """The sessions from two weeks before `at` to two weeks after, in order."""
        table = self._calendar.schedule(start_date=(at - LOOK_BACK).date(), end_date=(at + LOOK_AHEAD).date())
        return _sessions(table)

    def last_closed(self, at: datetime) -> date:
        """The trading day of the last session that had closed by `at`."""
        table = self._calendar.schedule(start_date=(at - LONGEST_GAP).date(), end_date=at.date())
        closed = table[table["market_close"] <= at]
        last: date = closed.index[-1].date()
        return last


def _sessions(table: pd.DataFrame) -> list[Session]:
    opens, closes = (table[name].dt.tz_convert(UTC).to_list() for name in ("market_open", "market_close"))
    days = [stamp.date() for stamp in table.index]
    return [
        Session(day, first.to_pydatetime(), last.to_pydatetime())
        for day, first, last in zip(days, opens, closes, strict=True)
    ]
