"""What is said of the account over time: what changed, the highest Value at Risk, the worst day, and what is missing."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from bot.cards import pre
from engine.reports.history_days import daily_changes, missing_days
from engine.reports.numbers import UNKNOWN, and_more, compact, percent
from engine.settings import RiskLimits
from engine.store import Headline

MOST_DAYS: Final = 3660
MOST_NAMED: Final = 4
NONE_STORED: Final = "No figures are stored yet: a cycle in market hours keeps some each few minutes."


@dataclass(frozen=True, slots=True)
class Day:
    """A date and an amount, or a share."""

    day: date
    value: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The period in figures; None is unknown. `change` is of net liquidation, deposits included; losses as in Headline.

    Attributes:
        missing: weekdays inside the period without any figure: holidays and outages.
        var_unknown, partial: how many of the `points` have no Value at Risk, or figures that leave out positions.
    """

    first: datetime
    last: datetime
    points: int
    currency: str
    net_liquidation: float | None
    change: float | None
    change_share: float | None
    best_day: Day | None
    worst_day: Day | None
    var: float | None
    highest_var: Day | None
    worst_scenario: str | None
    worst_loss: float | None
    highest_loss: Day | None
    highest_loss_scenario: str | None
    missing: tuple[date, ...]
    var_unknown: int
    partial: int


def history_frame(points: Sequence[Headline], zone: ZoneInfo) -> pd.DataFrame:
    """The headlines as columns by local time."""
    columns = ("net_liquidation", "var_99", "worst_loss")
    rows = {name: [getattr(one, name) for one in points] for name in columns}
    index = pd.DatetimeIndex([one.at for one in points], tz=UTC).tz_convert(zone)
    return pd.DataFrame(rows, index=index, dtype=float)


def summary(points: Sequence[Headline], zone: ZoneInfo) -> Summary:
    """The period that the headlines, at least one, span."""
    frame, last = history_frame(points, zone), points[-1]
    times = [at.to_pydatetime() for at in frame.index]
    known = frame["net_liquidation"].dropna()
    change = float(known.iloc[-1] - known.iloc[0]) if len(known) else None
    made = daily_changes(frame["net_liquidation"])
    worst = max(points, key=lambda one: -math.inf if one.worst_loss is None else one.worst_loss)
    return Summary(
        first=points[0].at,
        last=last.at,
        points=len(points),
        currency=last.currency,
        net_liquidation=last.net_liquidation,
        change=change,
        change_share=None if change is None or not known.iloc[0] else change / float(known.iloc[0]),
        best_day=None if made.empty else Day(made.index[int(made.argmax())], float(made.max())),
        worst_day=None if made.empty else Day(made.index[int(made.argmin())], float(made.min())),
        var=last.var_99,
        highest_var=_highest(frame["var_99"]),
        worst_scenario=last.worst_scenario,
        worst_loss=last.worst_loss,
        highest_loss=_highest(frame["worst_loss"]),
        highest_loss_scenario=worst.worst_scenario,
        missing=tuple(missing_days(times)),
        var_unknown=sum(one.var_99 is None for one in points),
        partial=sum(one.left_out > 0 for one in points),
    )


def _highest(column: "pd.Series[float]") -> Day | None:
    known = column.dropna()
    return None if known.empty else Day(known.index[int(known.argmax())].date(), float(known.max()))


def history_text(found: Summary, limits: RiskLimits, days: int, zone: ZoneInfo) -> str:
    """The period as a card."""
    head = f"<b>History, {period(days)}</b>, {escape(found.currency)}"
    net = f"net liquidation {_money(found.net_liquidation)}, {compact(found.change)} ({percent(found.change_share)})"
    lines = [f"{'':<12}{'amount':>10}{'day':>8}"]
    lines += [
        _line("best day", found.best_day, compact),
        _line("worst day", found.worst_day, compact),
        f"{'VaR now':<12}{_money(found.var):>10}",
        _line("highest VaR", found.highest_var, _money),
        f"{'loss now':<12}{_share(found.worst_loss):>10}",
        _line("highest loss", found.highest_loss, _share),
    ]
    words = [head, net, pre(lines)]
    if found.worst_scenario is not None:
        highest = escape(found.highest_loss_scenario or UNKNOWN)
        words.append(
            f"loss: of the worst scenario, now {escape(found.worst_scenario)}, at its highest {highest}"
        )
    words.append(_limits(limits))
    return "\n".join([*words, *(f"<i>{escape(one)}</i>" for one in notes(found, zone))])


def notes(found: Summary, zone: ZoneInfo) -> list[str]:
    """What it rests on, and what is missing."""
    first, last = (at.astimezone(zone) for at in (found.first, found.last))
    said = [
        f"{found.points} figures, {first:%d %b %Y %H:%M} to {last:%d %b %H:%M %Z}; P&L has deposits in it"
    ]
    if found.missing:
        count = len(found.missing)
        named = ", ".join(f"{day:%d %b}" for day in found.missing[:MOST_NAMED]) + and_more(count, MOST_NAMED)
        said.append(f"⚠ nothing on {count} weekday{'' if count == 1 else 's'}: {named}")
    if found.var_unknown:
        said.append(f"⚠ Value at Risk unknown in {found.var_unknown} of {found.points}")
    if found.partial:
        said.append(f"⚠ {found.partial} of {found.points} leave out some positions")
    return said


def history_json(points: Sequence[Headline], found: Summary | None, days: int) -> str:
    """The period and every point as one JSON object; unknown is null."""
    whole = {
        "days": days,
        "summary": None if found is None else asdict(found),
        "points": [asdict(one) for one in points],
    }
    return json.dumps(whole, default=_text, allow_nan=False, indent=1)


def period(days: int) -> str:
    return "today" if days == 1 else f"{days} days"


def _line(name: str, one: Day | None, text: Callable[[float | None], str]) -> str:
    day = "" if one is None else f"{one.day:%d %b}"
    return f"{name:<12}{text(None if one is None else one.value):>10}{day:>8}"


def _limits(limits: RiskLimits) -> str:
    var = "none" if limits.var_limit is None else _money(limits.var_limit)
    return f"limits now: loss {percent(limits.max_portfolio_loss, signed=False)}, VaR {var}"


def _money(amount: float | None) -> str:
    return compact(amount).removeprefix("+")


def _share(loss: float | None) -> str:
    return percent(loss, signed=False)


def _text(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(value)
