"""The account over time: net liquidation, what each day made, Value at Risk, the worst scenario against its limit; a picture."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.reports.canvas import Segment, Sheet, paragraph_height, png, wrap
from engine.reports.history_days import DayAxis, daily_changes, daily_strokes, day_axis, strokes
from engine.reports.legend import draw_limit
from engine.reports.numbers import UNKNOWN, compact, percent
from engine.reports.theme import (
    DARK,
    MARGIN,
    NOTE_SIZE,
    SMALLEST_SIZE,
    TEXT_SIZE,
    TITLE_SIZE,
    WIDTH,
    Theme,
)

Floats = NDArray[np.float64]

MOST_POINTS: Final = 200_000
LARGEST: Final = 1e15
DAILY_FROM: Final = 46
"""Days shown from which on each day is one point, its last."""
PLOT: Final = 210.0
_HEADING: Final = 62.0
_GAP: Final = 34.0
_LABELS: Final = 168.0
_AXIS: Final = 90.0
_STRIP: Final = _HEADING + PLOT + _GAP
_DOT: Final = 12.0
_THINNEST: Final = 4.0
_MOST_TICKS: Final = 6
_WIDEST: Final = 120.0
_RIGHT: Final = float(WIDTH - MARGIN)
_LIMIT_SHOWN_TO: Final = 3.0
"""A limit that lies farther off than so many times the largest figure is said in words alone."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """One quantity's strip: its words, its values by point, its colour, and its limit."""

    name: str
    values: Floats
    colour: str
    share: bool = False
    from_zero: bool = True
    limit: float | None = None

    def text(self, value: float) -> str:
        return percent(value, signed=False) if self.share else compact(value).removeprefix("+")


@dataclass(frozen=True, slots=True)
class _Line:
    """Where the points lie across, and which of them belong together."""

    places: list[float]
    parted: Callable[[Floats], list[list[int]]]


@dataclass(frozen=True, slots=True)
class _Strip:
    """Where a panel's values go: `low` at the bottom, `high` at the top; two levels between them are labelled."""

    low: float
    high: float
    top: float
    shown_low: float
    shown_high: float

    def height(self, value: float) -> float:
        return self.top + PLOT * (self.high - value) / (self.high - self.low)


def history_picture(
    frame: pd.DataFrame,
    *,
    title: str,
    note: str,
    loss_limit: float | None = None,
    var_limit: float | None = None,
    theme: Theme = DARK,
) -> bytes:
    """Draw the account over time as a PNG of four strips, 1170 px wide.

    Where nothing was stored, or a figure is unknown, there is no line. A single point is a dot.

    Args:
        frame: index: local times in order, aware; columns: 'net_liquidation' and 'var_99' (amounts), 'worst_loss' (a share,
            losses positive).
        title: what and how long, with the currency.
        note: what is missing; wrapped, never shortened.
        loss_limit: the share that a scenario may lose.
        var_limit: the amount that the Value at Risk may have.
        theme: the look.
    Raises:
        ValueError: If there is no point, or more than 200,000.
    """
    return png(
        history_sheet(frame, title=title, note=note, loss_limit=loss_limit, var_limit=var_limit, theme=theme)
    )


def history_sheet(
    frame: pd.DataFrame,
    *,
    title: str,
    note: str,
    loss_limit: float | None = None,
    var_limit: float | None = None,
    theme: Theme = DARK,
) -> Sheet:
    """The sheet that `history_picture` encodes."""
    if not 1 <= len(frame) <= MOST_POINTS:
        raise ValueError(f"a history has 1 to {MOST_POINTS} points, not {len(frame)}")
    times = [at.to_pydatetime() for at in frame.index]
    axis = day_axis(times)
    made = daily_changes(frame["net_liquidation"].where(frame["net_liquidation"].abs() < LARGEST))
    line = _Line([_x(axis.place(at)) for at in times], partial(strokes, times))
    if len(axis.days) >= DAILY_FROM:
        frame = frame.groupby(pd.Index([at.date() for at in times])).last()
        days = list(frame.index)
        line = _Line([_x(axis.middle(day)) for day in days], partial(daily_strokes, days))
    title_lines = wrap(title, WIDTH - 2 * MARGIN, TITLE_SIZE, bold=True)
    note_lines = wrap(note, WIDTH - 2 * MARGIN, NOTE_SIZE)
    top = MARGIN + paragraph_height(title_lines, TITLE_SIZE) + _GAP
    bottom = top + 4 * _STRIP + _AXIS
    sheet = Sheet(WIDTH, round(bottom + paragraph_height(note_lines, NOTE_SIZE) + MARGIN), theme)
    sheet.heading(title_lines, MARGIN)
    for place, panel in zip((0, 2, 3), _panels(frame, theme, loss_limit, var_limit), strict=True):
        _draw_panel(sheet, panel, line, top + place * _STRIP)
    _draw_days(sheet, made, axis, top + _STRIP)
    _draw_ticks(sheet, axis, bottom - _AXIS)
    sheet.footnote(note_lines, bottom)
    return sheet


def _panels(
    frame: pd.DataFrame, theme: Theme, loss_limit: float | None, var_limit: float | None
) -> tuple[_Panel, _Panel, _Panel]:
    return (
        _Panel("net liquidation", _column(frame, "net_liquidation"), theme.gain, from_zero=False),
        _Panel("Value at Risk 99 %", _column(frame, "var_99"), theme.loss, limit=var_limit),
        _Panel("worst scenario", _column(frame, "worst_loss"), theme.loss, share=True, limit=loss_limit),
    )


def _column(frame: pd.DataFrame, name: str) -> Floats:
    values = frame[name].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) < LARGEST, values, np.nan)


def _draw_panel(sheet: Sheet, panel: _Panel, line: _Line, top: float) -> None:
    known = panel.values[np.isfinite(panel.values)]
    words = f"last {panel.text(float(panel.values[-1]))}"
    if panel.limit is not None:
        words += f", limit {panel.text(panel.limit)}"
    _head(sheet, panel.name, words, top)
    if not len(known):
        _unknown(sheet, top + _HEADING)
        return
    strip = _strip(panel, known, top + _HEADING)
    _draw_grid(sheet, strip, (panel.text(strip.shown_low), panel.text(strip.shown_high)))
    if panel.limit is not None and panel.limit <= strip.high:
        y = strip.height(panel.limit)
        draw_limit(sheet, [((_LABELS, y), (_RIGHT, y))])
    heights = [strip.height(value) for value in panel.values.tolist()]
    segments: list[Segment] = []
    for one in line.parted(panel.values):
        segments += [((line.places[i], heights[i]), (line.places[j], heights[j])) for i, j in pairwise(one)]
        if len(one) == 1:
            x, y = line.places[one[0]], heights[one[0]]
            sheet.box(
                x - _DOT / 2, y - _DOT / 2, _DOT, _DOT, fill=panel.colour, edge=panel.colour, line_width=1
            )
    sheet.lines(segments, colour=panel.colour, line_width=4, slanting=True)


def _draw_days(sheet: Sheet, made: pd.Series, axis: DayAxis, top: float) -> None:
    """What each day made, a bar each, up or down from nothing."""
    last = f"last day {compact(float(made.iloc[-1]))}" if len(made) else UNKNOWN
    _head(sheet, "P&L by day", last, top)
    if made.empty:
        _unknown(sheet, top + _HEADING)
        return
    low, high = min(float(made.min()), 0.0), max(float(made.max()), 0.0)
    slack = 0.06 * (high - low) or 1.0
    strip = _Strip(low - slack, high + slack, top + _HEADING, low, high)
    _draw_grid(sheet, strip, (compact(low), compact(high)))
    width = max(0.6 * axis.width * (_RIGHT - _LABELS), _THINNEST)
    for day, amount in zip(made.index.tolist(), made.tolist(), strict=True):
        if amount == 0.0:
            continue
        first, second = sorted((strip.height(0.0), strip.height(amount)))
        fill = sheet.theme.loss if amount < 0.0 else sheet.theme.gain
        left = _x(axis.middle(day)) - min(width, _WIDEST) / 2.0
        sheet.box(left, first, min(width, _WIDEST), max(second - first, _THINNEST), fill=fill)
    zero = strip.height(0.0)
    sheet.lines([((_LABELS, zero), (_RIGHT, zero))], colour=sheet.theme.muted, line_width=2)


def _head(sheet: Sheet, name: str, words: str, top: float) -> None:
    y = top + _HEADING / 2
    sheet.text(MARGIN, y, name, size=TEXT_SIZE, bold=True)
    sheet.text(_RIGHT, y, words, size=TEXT_SIZE, colour=sheet.theme.muted, align="right")


def _unknown(sheet: Sheet, top: float) -> None:
    sheet.box(_LABELS, top, _RIGHT - _LABELS, PLOT, fill=sheet.theme.ground, hatched=True)


def _strip(panel: _Panel, known: Floats, top: float) -> _Strip:
    low, high = float(known.min()), float(known.max())
    if panel.from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
        if panel.limit is not None and panel.limit <= _LIMIT_SHOWN_TO * high:
            high = max(high, panel.limit)
    slack = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
    return _Strip(low if panel.from_zero and low == 0.0 else low - slack, high + slack, top, low, high)


def _draw_grid(sheet: Sheet, strip: _Strip, words: tuple[str, str]) -> None:
    """Two level lines with their amounts; one where both read the same."""
    low, high = strip.height(strip.shown_low), strip.height(strip.shown_high)
    levels = [(high, words[1])] if words[0] == words[1] else [(low, words[0]), (high, words[1])]
    for y, label in levels:
        sheet.lines([((_LABELS, y), (_RIGHT, y))], colour=sheet.theme.rule, line_width=2)
        sheet.text(_LABELS - 14, y, label, size=SMALLEST_SIZE, colour=sheet.theme.muted, align="right")


def _draw_ticks(sheet: Sheet, axis: DayAxis, top: float) -> None:
    """Below all strips: some days, or of a single one its hours."""
    middle = top + _AXIS / 2 - _GAP / 2
    if len(axis.days) == 1:
        begin, end = _hour(axis.first), _hour(axis.last)
        if begin == end:
            sheet.text(_x(0.5), middle, begin, size=NOTE_SIZE, colour=sheet.theme.muted, align="center")
            return
        sheet.text(_x(0.0), middle, begin, size=NOTE_SIZE, colour=sheet.theme.muted)
        sheet.text(_x(1.0), middle, end, size=NOTE_SIZE, colour=sheet.theme.muted, align="right")
        return
    far = (axis.days[-1] - axis.days[0]).days > 330
    every = max(1, -(-len(axis.days) // _MOST_TICKS))
    for day in axis.days[every // 2 :: every]:
        words = f"{day:%b %y}" if far else f"{day:%d %b}"
        sheet.text(
            _x(axis.middle(day)), middle, words, size=NOTE_SIZE, colour=sheet.theme.muted, align="center"
        )


def _hour(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}:{int(seconds % 3600 // 60):02d}"


def _x(place: float) -> float:
    return _LABELS + place * (_RIGHT - _LABELS)
