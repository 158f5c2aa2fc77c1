"""The live picture, analysed: one Snapshot and one RiskReport shared by all who ask within the cache time (D14)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf, isfinite
from typing import Final

import anyio
import anyio.to_thread

from engine.analysis import analyse, analyse_matrix, analyse_scenario, with_simulation
from engine.book import Book
from engine.broker import Link, LinkPhase, LinkState
from engine.clock import Clock
from engine.explained import Explanation, Trade
from engine.model import IvSource, RateCurve, Snapshot
from engine.results import Matrix, PositionRisk, RiskReport, ScenarioResult
from engine.risk import explain_pnl
from engine.scenarios import Scenario
from engine.settings import EngineSettings, MatrixSettings
from engine.treasury import DOLLAR

FIRST_PRICES_WITHIN_S: Final = 6.0
LOOK_EVERY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class View:
    """A Snapshot and what it means."""

    snapshot: Snapshot
    report: RiskReport
    seconds: float


class Desk:
    """Answers "what is the risk now?". Valuation runs in a worker thread, one at a time."""

    def __init__(self, book: Book, link: Link, clock: Clock, settings: EngineSettings) -> None:
        self._book = book
        self._link = link
        self._clock = clock
        self._settings = settings
        self._configured = settings.custom_scenarios
        self._lock = anyio.Lock()
        self._view: View | None = None
        self._made_at = 0.0
        self._last_complete: View | None = None
        self._simulating = anyio.Lock()
        self._simulated: tuple[View, RiskReport] | None = None

    @property
    def settings(self) -> EngineSettings:
        return self._settings

    @property
    def configured_scenarios(self) -> Mapping[str, str]:
        """The custom scenarios of the config, a text by name."""
        return self._configured

    async def use_scenarios(self, saved: Mapping[str, str]) -> None:
        """From now on run these custom scenarios too, a text by name; one of the config wins over one of the same name."""
        async with self._lock:
            both = {**saved, **self._configured}
            self._settings = self._settings.model_copy(update={"custom_scenarios": both})
            self._made_at = -inf
            if self._last_complete is not None:
                await self.remember(self._last_complete.snapshot)

    @property
    def link_state(self) -> LinkState:
        return self._link.state

    @property
    def changes(self) -> int:
        """Counts what has changed in the live picture."""
        return self._book.changes

    @property
    def heard_at(self) -> datetime | None:
        """When the feed last said anything."""
        return self._book.heard_at

    @property
    def curve(self) -> RateCurve | None:
        """The dollar's interest rates; None where the configured rate stands in."""
        return self._book.curve(DOLLAR)

    async def remember(self, snapshot: Snapshot | None) -> None:
        """Take the last complete Snapshot of an earlier run: it answers until the account has arrived. The Book has its past."""
        if snapshot is not None:
            started = self._clock.monotonic()
            snapshot = self._book.with_past(snapshot)
            report = await anyio.to_thread.run_sync(analyse, snapshot, self._settings)
            self._last_complete = View(snapshot, report, self._clock.monotonic() - started)

    async def view(self, *, fresh: bool = False) -> View:
        """The present view; a made one is shared for `data.cache_ttl` seconds unless a `fresh` one is asked for.

        With the link down it is the last one that was complete, dated as it was.
        """
        await self._first_prices()
        asked_at = self._clock.monotonic()
        async with self._lock:
            young = not fresh and asked_at - self._made_at <= self._shared_for()
            if self._view is not None and young:
                return self._view
            if not self._book.complete and self._last_complete is not None:
                return self._last_complete
            return await self._make()

    async def simulated(self, view: View) -> RiskReport:
        """The view's report with a simulated Value at Risk beside the others; made once a view."""
        async with self._simulating:
            if self._simulated is None or self._simulated[0] is not view:
                report = await anyio.to_thread.run_sync(
                    with_simulation, view.report, view.snapshot, self._settings
                )
                self._simulated = (view, report)
            return self._simulated[1]

    async def matrix(self, view: View, symbol: str | None, grid: MatrixSettings) -> Matrix:
        """The risk matrix of the book, or of the positions on `symbol`; the report's own where that is the one asked for."""
        if symbol is None and grid == self._settings.matrix:
            return view.report.matrix
        return await anyio.to_thread.run_sync(analyse_matrix, view.snapshot, self._settings, symbol, grid)

    async def scenario(self, view: View, scenario: Scenario) -> ScenarioResult:
        """One scenario outside the standard set."""
        return await anyio.to_thread.run_sync(analyse_scenario, view.snapshot, self._settings, scenario)

    async def explain(
        self, view: View, earlier: Snapshot, trades: Sequence[Trade], symbol: str | None
    ) -> Explanation:
        """The P&L from an earlier Snapshot to the view's, of the book or of the positions on `symbol`."""
        return await anyio.to_thread.run_sync(
            explain_pnl, earlier, view.snapshot, self._settings, trades, symbol
        )

    def _shared_for(self) -> float:
        """The cache time less what the next view will take: no answer shows the market of longer ago than the cache time."""
        ttl = self._settings.data.cache_ttl
        return ttl if self._view is None else max(ttl - self._view.seconds, ttl / 4.0)

    async def _first_prices(self) -> None:
        """Right after the start, wait a little for the account and its prices, so that the first answer is not an empty one."""
        if self._view is not None:
            return
        with anyio.move_on_after(FIRST_PRICES_WITHIN_S):
            while self._is_coming_up():  # noqa: ASYNC110 - asked once, at the start
                await anyio.sleep(LOOK_EVERY_S)

    def _is_coming_up(self) -> bool:
        down = self._link.state.phase is LinkPhase.DOWN
        return not down and (not self._book.complete or self._book.awaits_prices)

    async def _make(self) -> View:
        started = self._clock.monotonic()
        snapshot = self._book.freeze(self._clock.now())
        report = await anyio.to_thread.run_sync(analyse, snapshot, self._settings)
        self._view = View(snapshot, report, self._clock.monotonic() - started)
        self._made_at = started
        if snapshot.complete:
            self._last_complete = self._view
        self._book.remember_sigmas(
            {
                position.id: position.iv
                for position in report.positions
                if position.iv_source is IvSource.MARK and position.iv is not None
            }
        )
        self._book.weigh({position.id: _weight(position) for position in report.positions})
        return self._view


def _weight(position: PositionRisk) -> float:
    """How much an old price of this position would matter: what gamma makes of a 2 % move, and a vol point, money."""
    seen = position.exposure
    if seen is None or position.right is None:
        return 0.0
    weight = 0.02 * abs(seen.dollar_gamma) + abs(seen.vega)
    return weight if isfinite(weight) else 0.0
