"""What is coming, as text: the list of /events, what it means for the book, and the lines of the end-of-day message.

Times are in the zone of the config; dates of earnings without an hour are New York's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from bot.cards import WIDTH, age, pre
from engine.calendar import SOON_SESSIONS, Finding, FindingKind, coming, day_of, sessions_until
from engine.model import Event, EventKind, Snapshot, Timing

MOST_ROWS: Final = 40
MOST_GROUPS: Final = 10
MOST_NAMED: Final = 3
MOST_COMING: Final = 6
DATE_WIDTH: Final = 12
OLD_AFTER: Final = timedelta(days=2)
HOURS: Final = {Timing.BEFORE_OPEN: "BMO", Timing.AFTER_CLOSE: "AMC", None: "?"}
LISTED: Final = frozenset({FindingKind.SOON, FindingKind.EARNINGS})
"""Findings that the list of events says already."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Findings of one kind on one event: said once, for all their positions."""

    first: Finding
    labels: tuple[str, ...]


def events_text(
    snapshot: Snapshot,
    findings: Sequence[Finding],
    *,
    days: int,
    symbol: str | None,
    zone: ZoneInfo,
    problems: Iterable[str] = (),
) -> str:
    """/events: what comes within `days` days, by date, and what it means for the positions held.

    `problems` are what the sources could not say, a line each.
    """
    rows = coming(snapshot, days, symbol)
    of = f" of {escape(symbol)}" if symbol else ""
    words = [f"<b>Events</b>{of}, next {days} day{'' if days == 1 else 's'}"]
    words.append(
        pre([_row(one, snapshot, zone) for one in rows[:MOST_ROWS]]) if rows else "Nothing is known to come."
    )
    if len(rows) > MOST_ROWS:
        words.append(f"<i>and {len(rows) - MOST_ROWS} more; ask for fewer days or one symbol</i>")
    if any(one.kind is EventKind.EARNINGS for one in rows[:MOST_ROWS]):
        words.append(
            "<i>BMO before the open, AMC after the close, ~ not confirmed; T+n: trading days from today</i>"
        )
    elif rows:
        words.append("<i>~ not confirmed; T+n: trading days from today</i>")
    meant = [one for one in findings if one.kind not in LISTED and _is_on(one, symbol, snapshot)]
    groups = _groups(meant)
    words += [_sentence(group, zone) for group in groups[:MOST_GROUPS]]
    if len(groups) > MOST_GROUPS:
        words.append(f"<i>and {len(groups) - MOST_GROUPS} more findings; ask for one symbol</i>")
    words += [f"<i>⚠ {escape(line)}</i>" for line in (*_old(rows, snapshot.as_of), *problems)]
    return "\n".join(words)


def coming_up_lines(findings: Sequence[Finding], zone: ZoneInfo) -> list[str]:
    """The end-of-day message's lines on the next five sessions, HTML; none where nothing comes."""
    soon = [one for one in findings if one.kind is FindingKind.SOON]
    near = (one for one in findings if one.sessions is None or one.sessions <= SOON_SESSIONS)
    rest = _groups([one for one in near if one.kind not in LISTED])
    if not soon and not rest:
        return []
    lines = ["<b>Coming up</b>"]
    for one in soon[:MOST_COMING]:
        mark = " (not confirmed)" if one.estimated else ""
        lines.append(f"T+{one.sessions} {_when(one, zone)}: {escape(one.event)}{mark}")
    if len(soon) > MOST_COMING:
        lines.append(f"and {len(soon) - MOST_COMING} more: /events")
    lines += [_sentence(group, zone) for group in rest[:MOST_COMING]]
    if len(rest) > MOST_COMING:
        lines.append(f"and {len(rest) - MOST_COMING} more findings: /events")
    return lines


def when_text(one: Event, zone: ZoneInfo) -> tuple[str, str]:
    """The day and the hour of an event: in `zone`, but of earnings the exchange's day with BMO, AMC or '?'."""
    if one.kind is EventKind.EARNINGS:
        return f"{day_of(one.at):%d%b}", HOURS[one.timing]
    if one.kind is EventKind.DIVIDEND:
        return f"{day_of(one.at):%d%b}", "open"
    local = one.at.astimezone(zone)
    return f"{local:%d%b}", f"{local:%H:%M}"


def _row(one: Event, snapshot: Snapshot, zone: ZoneInfo) -> str:
    day, hour = when_text(one, zone)
    count = f"T+{sessions_until(day_of(snapshot.as_of), day_of(one.at))}"
    unsure = "" if one.confirmed is True or one.kind is EventKind.DIVIDEND else "~"
    room = WIDTH - DATE_WIDTH - len(count) - 1
    name, width = _short(one), room - len(unsure)
    name = (name if len(name) <= width else name[: width - 1] + "…") + unsure
    return f"{day:<5} {hour:<5} {name:<{room}} {count}"


def _short(one: Event) -> str:
    """An event in few words: symbol first, as the column is narrow."""
    whose = " ".join(one.symbols)
    if one.kind is EventKind.EARNINGS:
        return f"{whose} earns"
    if one.kind is EventKind.DIVIDEND:
        return f"{whose} ex-div"
    return one.label.split(",")[0].split(":")[0]


def _groups(findings: Iterable[Finding]) -> list[_Group]:
    found: dict[tuple[object, ...], list[Finding]] = {}
    for one in findings:
        key = (one.kind,) if one.kind is FindingKind.EARNINGS_UNKNOWN else (one.kind, one.event, one.day)
        found.setdefault(key, []).append(one)
    return [_Group(each[0], tuple(one.label for one in each)) for each in found.values()]


def _sentence(group: _Group, zone: ZoneInfo) -> str:
    one = group.first
    named = ", ".join(group.labels[:MOST_NAMED])
    more = f" and {len(group.labels) - MOST_NAMED} more" if len(group.labels) > MOST_NAMED else ""
    dated = ""
    if one.day is not None:
        unsure = ", not confirmed" if one.estimated else ""
        dated = f" ({one.event} {_when(one, zone)}, T+{one.sessions}{unsure})"
    why = one.why[:1].upper() + one.why[1:]
    return f"<b>{one.kind.capitalize()}</b>: {escape(f'{named}{more}{dated}')}. {escape(why)}."


def _when(one: Finding, zone: ZoneInfo) -> str:
    if one.at is None or one.event.startswith(("earnings", "ex-dividend")):
        return f"{one.day:%a %d %b}"
    return f"{one.at.astimezone(zone):%a %d %b %H:%M}"


def _is_on(one: Finding, symbol: str | None, snapshot: Snapshot) -> bool:
    if symbol is None or one.label == symbol:
        return True
    return any(
        position.id == one.position and position.contract.underlying == symbol
        for position in snapshot.positions
    )


def _old(rows: Sequence[Event], as_of: datetime) -> list[str]:
    """Sources that have not spoken for days: what they said stands, with its age."""
    oldest: dict[str, datetime] = {}
    for one in rows:
        if one.fetched_at is not None and as_of - one.fetched_at > OLD_AFTER:
            oldest[one.source] = min(one.fetched_at, oldest.get(one.source, one.fetched_at))
    return [
        f"{source}: last heard {age((as_of - at).total_seconds())} ago"
        for source, at in sorted(oldest.items())
    ]
