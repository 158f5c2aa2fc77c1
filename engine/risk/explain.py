"""Why the book's value changed between two Snapshots: by the Greeks of the start, and by revaluation step by step.

actual = later value - earlier value + what fills, fees, dividends and settlements paid. Both views sum to it: the Greeks with a
residual, the steps with what the marks left the models by (P&L explain as banks' product control knows it: e.g. Basel
Committee, MAR32, hypothetical and risk-theoretical P&L).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from engine.errors import RequestError
from engine.explained import (
    STEPS,
    TERMS,
    Explained,
    ExplainedPosition,
    Explanation,
    GreekTerms,
    Steps,
    Trade,
)
from engine.marks import MarkedBook, days_to_expiry
from engine.model import Floats, Kind, Snapshot
from engine.results import Remark
from engine.risk.buckets import BUCKETS, expiry_bucket
from engine.risk.flows import Flow, flows
from engine.risk.metrics import known
from engine.risk.period import Period, period
from engine.risk.residuals import large_residual, other_sources
from engine.risk.revaluation import unit_steps, unit_terms
from engine.risk.splits import find_splits, restated
from engine.settings import EngineSettings

GROSS_OVER: Final = 10
"""The first so many of TERMS are those of the market: what gross is summed over."""


def explain_pnl(
    earlier: Snapshot,
    later: Snapshot,
    settings: EngineSettings,
    trades: Iterable[Trade] = (),
    symbol: str | None = None,
) -> Explanation:
    """The P&L from one Snapshot to a later one, by position, by underlying and in total, in both views.

    Args:
        trades: fills; those outside of the time between are not looked at.
        symbol: of the positions on this underlying alone.
    Raises:
        RequestError: If `later` is the earlier, or their base currencies differ.
    """
    _refuse(earlier, later)
    if symbol is not None:
        earlier, later = _on(earlier, symbol), _on(later, symbol)
        trades = [trade for trade in trades if trade.contract.underlying == symbol]
    trades = [trade for trade in trades if earlier.as_of < trade.at <= later.as_of]
    trades, conversions = _without_conversions(trades, earlier, later)
    splits = find_splits(earlier, later, trades)
    unclear = {one.symbol for one in splits} & {trade.contract.underlying for trade in trades}
    both = period(restated(earlier, later, splits), later, trades, settings)
    came, notes = flows(both, unclear)
    notes = conversions + tuple(f"{one.words}; the start is restated in new shares" for one in splits) + notes
    return _explanation(both, came, _incomplete(earlier, later) + notes, of_all=symbol is None)


def _refuse(earlier: Snapshot, later: Snapshot) -> None:
    if later.as_of < earlier.as_of:
        raise RequestError(
            f"the later snapshot ({later.as_of:%Y-%m-%d %H:%M:%S}) is before the earlier one "
            f"({earlier.as_of:%Y-%m-%d %H:%M:%S}); give the earlier one first"
        )
    if earlier.base_currency != later.base_currency:
        raise RequestError(
            f"one snapshot is in {earlier.base_currency}, the other in {later.base_currency}; "
            "give two of one base currency"
        )


def _without_conversions(
    trades: list[Trade], earlier: Snapshot, later: Snapshot
) -> tuple[list[Trade], tuple[str, ...]]:
    """The fills without those of currencies that are no positions: one sort of cash for another, and a note of how many."""
    held = {
        one.contract.symbol
        for book in (earlier, later)
        for one in book.positions
        if one.contract.kind is Kind.CASH
    }
    kept = [one for one in trades if one.contract.kind is not Kind.CASH or one.contract.symbol in held]
    count = len(trades) - len(kept)
    return kept, (f"conversions of cash that are no position are not in it: {count}",) if count else ()


def _on(snapshot: Snapshot, symbol: str) -> Snapshot:
    return replace(
        snapshot, positions=tuple(one for one in snapshot.positions if one.contract.underlying == symbol)
    )


def _incomplete(earlier: Snapshot, later: Snapshot) -> tuple[str, ...]:
    names = [name for name, one in (("earlier", earlier), ("later", later)) if not one.complete]
    return tuple(f"the {name} snapshot is not whole: positions may be missing" for name in names)


def _explanation(both: Period, came: list[Flow], notes: tuple[str, ...], *, of_all: bool) -> Explanation:
    counted = [i for i, flow in enumerate(came) if flow.why_not is None]
    actual, terms, steps = _columns(both, came)
    rows = [
        _position(both, came[i], i, Explained(actual[i], _terms(terms[i]), _steps(steps[i]))) for i in counted
    ]
    nothing = not counted and bool(came)
    whole = _sum(actual[counted], terms[counted], steps[counted]) if not nothing else _unknown()
    names = dict.fromkeys(row.underlying for row in rows)
    places = {name: [i for i in counted if both.positions[i].contract.underlying == name] for name in names}
    gross = float(np.abs(terms[counted, :GROSS_OVER]).sum())
    start, end = both.earlier.net_liquidation, both.later.net_liquidation
    return Explanation(
        earlier=both.earlier.as_of,
        later=both.later.as_of,
        base_currency=both.later.base_currency,
        positions=tuple(rows),
        total=whole,
        by_underlying={name: _sum(actual[at], terms[at], steps[at]) for name, at in places.items()},
        vega_by_expiry=_vega_by_expiry(rows),
        gross=gross,
        net_liquidation_change=None if start is None or end is None or not of_all else end - start,
        remarks=tuple(
            Remark(row.id, said) for row, i in zip(rows, counted, strict=True) for said in came[i].remarks
        ),
        left_out=tuple(
            Remark(one.id, flow.why_not)
            for one, flow in zip(both.positions, came, strict=True)
            if flow.why_not is not None
        ),
        notes=notes + other_sources(both, counted),
        large_residual=None if nothing else large_residual(rows, whole, gross),
    )


@np.errstate(over="ignore", invalid="ignore")  # absurd inputs give absurd numbers, not warnings
def _columns(both: Period, came: list[Flow]) -> tuple[Floats, Floats, Floats]:
    """actual (n,), terms (n, len(TERMS)) and steps (n, len(STEPS)), base currency."""
    price = np.array([flow.price for flow in came])
    fx = np.array([flow.fx for flow in came])
    modelled = np.array([flow.modelled for flow in came], dtype=np.bool_)
    unseen = np.array([flow.closed_unseen for flow in came], dtype=np.bool_)
    trades, fees, dividends, changed, cash = (
        np.array([getattr(flow, name) for flow in came], dtype=np.float64)
        for name in ("trades", "fees", "dividends", "changed", "cash")
    )
    held = both.held_before * both.unit
    worth = np.where(held != 0.0, both.before.mark - both.entry, 0.0)
    worth_after = price - both.entry
    fx_before = np.where(held != 0.0, both.fx_before, fx)
    value_before = held * worth * fx_before
    actual = both.held_after * both.unit * worth_after * fx - value_before + cash
    trades = trades + np.where(unseen, held * worth_after * fx - value_before, 0.0)
    changed = changed * both.unit * worth_after * fx
    moved = np.where(modelled, held, 0.0)
    kept = np.where(unseen, 0.0, held)
    local = np.where(modelled, unit_steps(both), 0.0) * moved * fx_before
    by_greeks = np.where(modelled, unit_terms(both), 0.0) * moved * fx
    later_fx, early_fx = ((fx - fx_before) * kept * each for each in (worth_after, worth))
    steps = np.array([local[0], local[1] + dividends, *local[2:5], later_fx, trades, fees, changed, local[5]])
    known = np.array([*by_greeks[:8], by_greeks[8] + dividends, early_fx, trades, fees, changed])
    cash_rows = np.array([one.contract.kind is Kind.CASH for one in both.positions], dtype=np.bool_)
    _to_currency(steps, STEPS.index("spot"), STEPS.index("currency"), cash_rows)
    _to_currency(known, TERMS.index("delta"), TERMS.index("currency"), cash_rows)
    terms = np.vstack([known, actual - known.sum(axis=0)])
    return actual + 0.0, terms.T + 0.0, steps.T + 0.0


def _to_currency(table: Floats, source: int, target: int, rows: Floats | np.ndarray) -> None:
    """The price of a currency is an exchange rate."""
    table[target, rows] += table[source, rows]
    table[source, rows] = 0.0


def _terms(row: Floats) -> GreekTerms:
    return GreekTerms(*row.tolist())


def _steps(row: Floats) -> Steps:
    return Steps(*row.tolist())


def _sum(actual: Floats, terms: Floats, steps: Floats) -> Explained:
    return Explained(float(actual.sum()), _terms(terms.sum(axis=0)), _steps(steps.sum(axis=0)))


def _unknown() -> Explained:
    return Explained(math.nan, GreekTerms(*[math.nan] * len(TERMS)), Steps(*[math.nan] * len(STEPS)))


def _position(both: Period, flow: Flow, i: int, explained: Explained) -> ExplainedPosition:
    position = both.positions[i]
    contract, unit = position.contract, float(both.unit[i])
    held, later = float(both.held_before[i]), float(both.held_after[i])
    start, end = both.before, both.after
    worth = known(start.mark[i]) if held != 0.0 else None
    return ExplainedPosition(
        id=position.id,
        label=contract.label,
        underlying=contract.underlying,
        kind=contract.kind,
        expiry=contract.expiry,
        strike=contract.strike,
        right=contract.right,
        dte=days_to_expiry(contract, both.earlier.as_of),
        quantity_before=held,
        quantity_after=later,
        mark_before=worth,
        mark_after=flow.price if later != 0.0 else None,
        iv_before=_sigma(start, i) if held != 0.0 else None,
        iv_after=_sigma(end, i) if later != 0.0 else None,
        value_before=0.0
        if worth is None
        else held * unit * (worth - both.entry[i]) * float(both.fx_before[i]),
        value_after=later * unit * (flow.price - float(both.entry[i])) * flow.fx,
        explained=explained,
    )


def _sigma(book: MarkedBook, i: int) -> float | None:
    return known(book.contracts.sigma[i]) if book.snapshot.positions[i].contract.is_option else None


def _vega_by_expiry(rows: Sequence[ExplainedPosition]) -> dict[str, float]:
    """The vega term by whole days to expiry at the start, the nearest bucket first."""
    sums: dict[str, float] = {}
    for row in rows:
        if row.right is not None and row.dte is not None and row.quantity_before != 0.0:
            name = expiry_bucket(row.dte)
            sums[name] = sums.get(name, 0.0) + row.explained.terms.vega
    return {name: sums[name] for _, name in BUCKETS if name in sums}
