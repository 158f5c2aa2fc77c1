"""`riskbot history`: the account over time, from the database, without broker or chat."""

import sys
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.clock import SystemClock
from bot.config import Config
from bot.delivery import plain
from bot.handlers.history import FOR_EVER, begin, nothing
from bot.history_text import NONE_STORED, history_frame, history_json, history_text, notes, period, summary
from bot.snapshot_input import open_stored
from engine.errors import RequestError


def print_history(config: Config, days: int, *, as_json: bool, picture: Path | None) -> None:
    """Print the last so many days, and draw them into a file where one is named.

    Raises:
        RequestError: If nothing is stored of them, or the file can't be written.
        StoreError: If the database can't be read.
    """
    zone, now = ZoneInfo(config.schedule.time_zone), SystemClock().now()
    with open_stored(config.database.url, NONE_STORED) as store:
        points = store.headlines(begin(now, days, zone))
        every = points or store.headlines(now - timedelta(days=FOR_EVER))
    if not points:
        raise RequestError(nothing(every, days, zone).replace("/history", "riskbot history"))
    found, limits = summary(points, zone), config.engine.risk_limits
    print(history_json(points, found, days) if as_json else plain(history_text(found, limits, days, zone)))
    if picture is not None:
        from engine.reports import history_picture

        drawn = history_picture(
            history_frame(points, zone),
            title=f"History, {period(days)}, in {found.currency}",
            note="; ".join(notes(found, zone)),
            loss_limit=limits.max_portfolio_loss,
            var_limit=limits.var_limit,
        )
        try:
            picture.write_bytes(drawn)
        except OSError as error:
            raise RequestError(f"{picture}: can't be written: {error.strerror}") from error
        print(f"{picture}: written", file=sys.stderr)
