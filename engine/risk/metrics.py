"""From outcomes to results: portfolio P&L, percentages, worst and best position (D9, D10)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.marks import MarkedBook
from engine.model import Floats
from engine.results import Exposure, NamedPnl, ScenarioResult
from engine.risk.exposures import exposures_after
from engine.scenarios import Outcome


@dataclass(frozen=True, slots=True)
class Basis:
    """What percentages are of, and what the portfolio is worth. None is unknown."""

    amount: float | None
    name: str
    portfolio_value: float | None


def basis(book: MarkedBook) -> Basis:
    """Net liquidation value from the account; where there is none, gross market value (D9). Of nothing, or of debts, there are no
    percentages."""
    net_liquidation = book.snapshot.net_liquidation
    if net_liquidation is not None:
        return Basis(net_liquidation if net_liquidation > 0.0 else None, "net liquidation", net_liquidation)
    gross = float(np.nansum(np.abs(book.value)))
    return Basis(gross if gross > 0.0 else None, "gross market value", total(book.value))


def known(number: float) -> float | None:
    """A number, or None where it is NaN or infinite."""
    return float(number) if math.isfinite(number) else None


def total(column: Floats) -> float | None:
    """The sum of what is known; None when there are rows and none is known. An empty book sums to 0."""
    there = column[~np.isnan(column)]
    return None if column.size and not there.size else float(there.sum())


def scenario_results(book: MarkedBook, outcomes: Sequence[Outcome], of: Basis) -> tuple[ScenarioResult, ...]:
    """Each outcome as a result with its sums."""
    after = exposures_after(book, outcomes)
    return tuple(_result(book, outcome, greeks, of) for outcome, greeks in zip(outcomes, after, strict=True))


def _result(book: MarkedBook, outcome: Outcome, greeks: Exposure, of: Basis) -> ScenarioResult:
    scenario, pnl = outcome.leg.scenario, outcome.pnl
    ids = [position.id for position in book.snapshot.positions]
    portfolio = total(pnl)
    there = np.flatnonzero(~np.isnan(pnl))
    worst = int(there[np.argmin(pnl[there])]) if there.size else None
    best = int(there[np.argmax(pnl[there])]) if there.size else None
    return ScenarioResult(
        name=scenario.name,
        leg=f"{100.0 * outcome.leg.move:+g} %" if len(scenario.spot) > 1 else None,
        note=scenario.note,
        pnl=portfolio,
        pct=None if portfolio is None or of.amount is None else 100.0 * portfolio / of.amount,
        value=None if portfolio is None or of.portfolio_value is None else of.portfolio_value + portfolio,
        worst=None if worst is None else NamedPnl(ids[worst], float(pnl[worst])),
        best=None if best is None else NamedPnl(ids[best], float(pnl[best])),
        position_pnl=pnl,
        position_value=book.value + pnl,
        position_iv=np.where(
            [position.contract.is_option for position in book.snapshot.positions],
            outcome.market.sigma,
            np.nan,
        ),
        greeks=greeks,
        left_out=tuple(remark.id for remark in book.left_out),
        held=tuple(ids[i] for i in np.flatnonzero(outcome.market.held)),
    )
