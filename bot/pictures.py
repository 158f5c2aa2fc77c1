"""The chat's pictures: which columns they show and what their note says; drawn in the renderer's process."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import pandas as pd

from bot.cards import iv_text, ranked, short_label
from engine.errors import RenderError
from engine.explained import Explained
from engine.reports import (
    Renderer,
    correlation_map,
    heat_map,
    history_picture,
    scenario_bars,
    table_picture,
    waterfall,
)
from engine.reports.correlations import correlation_frame
from engine.reports.explain_tables import waterfall_frame
from engine.reports.numbers import UNKNOWN, amount, compact, percent, shock
from engine.reports.tables import matrix_frame
from engine.results import Correlation, Matrix, MatrixMark, PositionRisk, Quality, RiskReport, ScenarioResult

log = logging.getLogger(__name__)

LABEL_WIDTH: Final = 22


class Pictures:
    """Draws, or answers None where it can't: the caller then sends the text."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def positions(
        self, rows: list[PositionRisk], quality: Quality, *, title: str, note: str
    ) -> bytes | None:
        flagged = frozenset(remark.id for remark in quality.flagged)
        if flagged & {row.id for row in rows}:
            note += "; * second-best data"
        return await self._draw(table_picture, positions_table(rows, flagged), title=title, note=note)

    async def scenario(
        self, report: RiskReport, result: ScenarioResult, start: int, count: int, *, note: str
    ) -> bytes | None:
        frame = scenario_table(report, result).iloc[start : start + count]
        share = "" if result.pct is None else f" ({percent(result.pct / 100.0)})"
        title = f"{result.name}: {amount(result.pnl, signed=True)} {report.base_currency}{share}"
        return await self._draw(table_picture, frame, title=title, note=note)

    async def scenarios(self, report: RiskReport, *, limit: float | None, note: str) -> bytes | None:
        frame = pd.DataFrame({"pnl": [result.pnl for result in report.scenarios]}, dtype=float)
        frame.index = pd.Index([result.name for result in report.scenarios])
        title = f"Scenarios, P&L in {report.base_currency}"
        return await self._draw(scenario_bars, frame, title=title, note=note, limit=limit)

    async def matrix(
        self, matrix: Matrix, *, title: str, note: str, unit: str, limit: float | None
    ) -> bytes | None:
        return await self._draw(
            heat_map,
            matrix_frame(matrix),
            title=title,
            note=note,
            unit=unit,
            limit=limit,
            marks=matrix_marks(matrix),
            iv_axis="IV of a month at the money" if matrix.shaped else "implied volatility",
        )

    async def correlation(
        self, found: Correlation, labels: Mapping[str, str], *, title: str, note: str
    ) -> bytes | None:
        frame = correlation_frame(found, labels)
        return await self._draw(correlation_map, frame, title=title, note=note)

    async def explained(self, explained: Explained, *, title: str, note: str) -> bytes | None:
        return await self._draw(waterfall, waterfall_frame(explained), title=title, note=note)

    async def history(
        self, frame: pd.DataFrame, *, title: str, note: str, loss_limit: float, var_limit: float | None
    ) -> bytes | None:
        return await self._draw(
            history_picture, frame, title=title, note=note, loss_limit=loss_limit, var_limit=var_limit
        )

    async def _draw(self, function: Callable[..., bytes], frame: pd.DataFrame, **words: Any) -> bytes | None:
        try:
            return await self._renderer.draw(function, frame, **words)
        except RenderError as error:
            log.warning("no picture: %s", error)
            return None


def matrix_marks(matrix: Matrix) -> tuple[tuple[int, int, str], ...]:
    """(row, column, words) of the templates' places; the words say where one is beyond the grid."""
    return tuple((mark.row, mark.column, mark.name + _beyond(mark)) for mark in matrix.marks)


def _beyond(mark: MatrixMark) -> str:
    return f" ({shock(mark.spot)}, IV {shock(mark.iv)}: off the grid)" if mark.off else ""


def positions_table(rows: list[PositionRisk], flagged: frozenset[str]) -> pd.DataFrame:
    """Positions as finished texts, for a picture; the IV of a flagged one carries a star."""
    return pd.DataFrame(
        {
            "position": [short_label(row, LABEL_WIDTH) for row in rows],
            "qty": [f"{row.quantity:+g}" for row in rows],
            "mark": [UNKNOWN if row.mark is None else f"{row.mark:,.2f}" for row in rows],
            "value": [compact(row.value) for row in rows],
            "P&L": ["" if row.unrealized_pnl is None else compact(row.unrealized_pnl) for row in rows],
            "IV": [iv_text(row) + ("*" if row.id in flagged else "") for row in rows],
            "$Δ": [compact(None if row.exposure is None else row.exposure.dollar_delta) for row in rows],
        }
    )


def scenario_table(report: RiskReport, result: ScenarioResult) -> pd.DataFrame:
    """One scenario by position as finished texts, the largest loss first."""
    rows = ranked(report, result)
    ivs = dict(zip(report.ids, result.position_iv.tolist(), strict=True))
    return pd.DataFrame(
        {
            "position": [short_label(row, LABEL_WIDTH) for row, _, _ in rows],
            "qty": [f"{row.quantity:+g}" for row, _, _ in rows],
            "value": [compact(row.value) for row, _, _ in rows],
            "P&L": [compact(pnl) for _, pnl, _ in rows],
            "new value": [compact(value) for _, _, value in rows],
            "IV": [_shift(row.iv, ivs[row.id]) for row, _, _ in rows],
        }
    )


def _shift(before: float | None, after: float) -> str:
    if before is None or after != after:
        return ""
    return f"{100.0 * before:.0f}→{100.0 * after:.0f}%"
