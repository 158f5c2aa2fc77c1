"""The core's one door: `analyse(snapshot, settings) -> RiskReport`. Pure: the same Snapshot gives the same report, to the
bit."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.marks import MarkedBook, days_to_expiry, mark_book
from engine.model import CLOSED_MODES, Contract, Floats, Right, Snapshot
from engine.results import (
    Exposure,
    Matrix,
    NamedPnl,
    PositionRisk,
    Quality,
    Remark,
    RiskReport,
    ScenarioResult,
)
from engine.risk import (
    IvRank,
    basis,
    by_expiry,
    by_sector,
    by_underlying,
    concentration,
    exposure_sum,
    iv_rank,
    known,
    position_exposures,
    scenario_results,
    simulated,
    standing,
    tail_risk,
)
from engine.scenarios import (
    Scenario,
    custom_set,
    movers,
    relevant_scenarios,
    risk_matrix,
    run_scenarios,
)
from engine.settings import EngineSettings, MatrixSettings

MOST_NAMED: Final = 3


def analyse(snapshot: Snapshot, settings: EngineSettings) -> RiskReport:
    """Value the book, run the standard and the custom scenarios and the risk matrix, and say what the numbers rest on.

    Never raises for a value: a position that can't be valued is named in `quality.left_out` and is in no sum.

    Raises:
        GrammarError: If the text of a custom scenario can't be understood; config and chat refuse such a text beforehand.
    """
    book = mark_book(snapshot, settings)
    of = basis(book)
    chosen = relevant_scenarios(
        snapshot.events, snapshot.positions, snapshot.underlyings, snapshot.as_of, settings.scenarios
    )
    outcomes = run_scenarios(book, chosen + custom_set(settings.custom_scenarios), settings.scenarios)
    table = position_exposures(book)
    results = scenario_results(book, outcomes, of)
    tail = tail_risk(book, settings.scenarios)
    return RiskReport(
        as_of=snapshot.as_of,
        source=snapshot.source,
        complete=snapshot.complete,
        base_currency=snapshot.base_currency,
        net_liquidation=snapshot.net_liquidation,
        basis=of.amount,
        basis_name=of.name,
        value=of.portfolio_value,
        positions=_positions(book, table, results),
        greeks=exposure_sum(table),
        by_underlying=by_underlying(book, table),
        by_expiry=by_expiry(book, table),
        by_sector=by_sector(book, table),
        standing=standing(book, table, settings.scenarios),
        concentration=concentration(book, table, of, tail),
        scenarios=results,
        matrix=risk_matrix(book, settings.scenarios, grid=settings.matrix),
        quality=_quality(book, settings, of.name),
        tail=tail,
    )


def with_simulation(report: RiskReport, snapshot: Snapshot, settings: EngineSettings) -> RiskReport:
    """The report of the Snapshot with a simulated Value at Risk beside the others, the same for the same seed."""
    return replace(report, tail=simulated(mark_book(snapshot, settings), report.tail, settings))


def analyse_scenario(snapshot: Snapshot, settings: EngineSettings, scenario: Scenario) -> ScenarioResult:
    """One scenario outside the standard set."""
    book = mark_book(snapshot, settings)
    outcomes = run_scenarios(book, (scenario,), settings.scenarios)
    return scenario_results(book, outcomes, basis(book))[0]


def analyse_matrix(
    snapshot: Snapshot, settings: EngineSettings, symbol: str | None, grid: MatrixSettings | None = None
) -> Matrix:
    """The risk matrix of the positions on one underlying, or of all, over another grid than the configured one if given."""
    return risk_matrix(mark_book(snapshot, settings), settings.scenarios, symbol, grid or settings.matrix)


def _positions(
    book: MarkedBook, table: Floats, results: Sequence[ScenarioResult]
) -> tuple[PositionRisk, ...]:
    snapshot = book.snapshot
    today = snapshot.as_of.date()
    standings = {name: iv_rank(underlying, today) for name, underlying in snapshot.underlyings.items()}
    worst, best = _extremes(results, len(snapshot.positions))
    return tuple(
        _position(book, i, table[i], standings.get(position.contract.underlying), worst[i], best[i])
        for i, position in enumerate(snapshot.positions)
    )


def _extremes(
    results: Sequence[ScenarioResult], n: int
) -> tuple[list[NamedPnl | None], list[NamedPnl | None]]:
    """For each of n positions the scenario in which it loses most, and that in which it gains most; None where none values it."""
    if not results or not n:
        return [None] * n, [None] * n
    pnl = np.stack([result.position_pnl for result in results])
    valued = np.asarray(np.isfinite(pnl).any(axis=0))
    lowest = np.argmin(np.where(np.isnan(pnl), np.inf, pnl), axis=0)
    highest = np.argmax(np.where(np.isnan(pnl), -np.inf, pnl), axis=0)

    def named(rows: npt.NDArray[np.int64]) -> list[NamedPnl | None]:
        return [
            NamedPnl(results[row].name, float(pnl[row, i])) if valued[i] else None
            for i, row in enumerate(rows.tolist())
        ]

    return named(lowest), named(highest)


def _position(
    book: MarkedBook,
    i: int,
    exposures: Floats,
    standing: IvRank | None,
    worst: NamedPnl | None,
    best: NamedPnl | None,
) -> PositionRisk:
    position = book.snapshot.positions[i]
    contract, unit = position.contract, book.greeks
    mark = known(book.mark[i])
    unrealized = None
    if mark is not None and position.entry_price is not None:
        unrealized = known((mark - position.entry_price) * book.scale[i])
    return PositionRisk(
        id=position.id,
        label=contract.label,
        underlying=contract.underlying,
        kind=contract.kind,
        quantity=position.quantity,
        multiplier=contract.multiplier,
        currency=contract.currency,
        expiry=contract.expiry,
        strike=contract.strike,
        right=contract.right,
        dte=days_to_expiry(contract, book.snapshot.as_of),
        mark=mark,
        mark_source=book.mark_source[i],
        model_price=known(book.base[i]),
        value=known(book.value[i]),
        iv=known(book.contracts.sigma[i]) if contract.is_option else None,
        iv_source=book.iv_source[i],
        iv_rank=None if standing is None else standing.rank,
        iv_percentile=None if standing is None else standing.percentile,
        delta=known(unit.delta[i]),
        gamma=known(unit.gamma[i]),
        vega=known(unit.vega[i]),
        theta=known(unit.theta[i]),
        rho=known(unit.rho[i]),
        vanna=known(unit.vanna[i]),
        volga=known(unit.volga[i]),
        charm=known(unit.charm[i]),
        extrinsic=_extrinsic(contract, mark, book.contracts.spot[i]),
        exposure=Exposure(*exposures.tolist()) if book.valued[i] else None,
        unrealized_pnl=unrealized,
        worst=worst,
        best=best,
        as_of=position.as_of or _spot_time(book.snapshot, contract.underlying),
    )


def _extrinsic(contract: Contract, mark: float | None, spot: float) -> float | None:
    """The mark of an option less what exercising it now would give, per unit."""
    if mark is None or contract.strike is None or not math.isfinite(spot):
        return None
    inside = spot - contract.strike if contract.right is Right.CALL else contract.strike - spot
    return mark - max(inside, 0.0)


def _spot_time(snapshot: Snapshot, name: str) -> datetime | None:
    underlying = snapshot.underlyings.get(name)
    return None if underlying is None else underlying.spot_as_of


def _quality(book: MarkedBook, settings: EngineSettings, basis_name: str) -> Quality:
    snapshot = book.snapshot
    notes = []
    if not snapshot.complete:
        notes.append("the account has not arrived whole: positions may be missing")
    if snapshot.net_liquidation is None:
        notes.append("net liquidation unknown: percentages are of gross market value")
    elif snapshot.net_liquidation <= 0.0:
        notes.append("net liquidation is not positive: there are no percentages")
    notes.extend(movers(book, settings.scenarios).beta_notes)
    held = {position.contract.underlying for position in snapshot.positions}
    times = [position.as_of for position in snapshot.positions] + [
        _spot_time(snapshot, name) for name in held
    ]
    stale = _stale(snapshot, held, settings.data.stale_after)
    if stale:
        named = ", ".join(f"{remark.id} ({remark.reason})" for remark in stale[:MOST_NAMED])
        notes.append(f"stale: {named}{_more(len(stale))}")
    return Quality(
        book.left_out,
        book.flagged,
        stale,
        tuple(notes),
        min((at for at in times if at is not None), default=None),
    )


def _stale(snapshot: Snapshot, held: set[str], stale_after: float) -> tuple[Remark, ...]:
    """Underlyings held whose price is too old, judged on the quote of the underlying while its market is not closed (D10)."""
    remarks = []
    for name in sorted(held & snapshot.underlyings.keys()):
        underlying = snapshot.underlyings[name]
        if underlying.spot_as_of is not None and underlying.data not in CLOSED_MODES:
            seconds = (snapshot.as_of - underlying.spot_as_of).total_seconds()
            if seconds > stale_after:
                remarks.append(Remark(name, f"its price is {seconds:.0f} s old"))
    return tuple(remarks)


def _more(count: int) -> str:
    return f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
