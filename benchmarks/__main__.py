"""`python -m benchmarks`: what a person waits for, as medians over repeated runs on this machine."""

import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import numpy as np

from benchmarks import peers, pricing, storm
from benchmarks.books import with_history
from benchmarks.live import first_answer_s, load_s, tick_to_answer_s
from engine.analysis import analyse
from engine.marks import mark_book
from engine.model import Kind, Snapshot
from engine.risk import simulated, tail_risk
from engine.scenarios import risk_matrix, run_scenarios, standard_set
from engine.settings import EngineSettings

SIZES = (100, 500)


def median_s(work: Callable[[], object], runs: int) -> float:
    """Median seconds of `work` over `runs`, after one that does not count."""
    work()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def row(name: str, seconds: float, bar: str) -> None:
    print(f"{name:<58}{1000 * seconds:>10.0f} ms   {bar}", flush=True)


def reporting(snapshot: Snapshot) -> tuple[str, ...]:
    """Every stock held, as if all reported within the month: the most scenarios that the calendar can choose."""
    held = {position.contract.underlying for position in snapshot.positions}
    return tuple(sorted(name for name in held if snapshot.underlyings[name].kind is Kind.STOCK))


def engine(size: int, snapshot: Snapshot, settings: EngineSettings) -> None:
    """Times of the pure core on one Snapshot."""
    book = mark_book(snapshot, settings)
    templates = standard_set(())
    row(
        f"{size} positions, all 16 templates",
        median_s(lambda: run_scenarios(book, templates, settings.scenarios), 5),
        "bar: 2000 ms at 100",
    )
    row(
        f"{size} positions, risk matrix 9 x 7", median_s(lambda: risk_matrix(book, settings.scenarios), 5), ""
    )
    if size == max(SIZES):
        everything = standard_set(reporting(snapshot))

        def scenarios_and_matrix() -> None:
            run_scenarios(book, everything, settings.scenarios)
            risk_matrix(book, settings.scenarios, grid=settings.matrix)

        row(
            f"{size} positions, {len(everything)} relevant scenarios and the matrix",
            median_s(scenarios_and_matrix, 5),
            "bar: 1000 ms",
        )
    known = with_history(snapshot)
    marked = mark_book(known, settings)
    tail = tail_risk(marked, settings.scenarios)
    row(
        f"{size} positions, Value at Risk: 500 days filtered, 500 plain, components, correlation",
        median_s(lambda: tail_risk(marked, settings.scenarios), 5),
        "",
    )
    row(
        f"{size} positions, Value at Risk: 10,000 simulated paths",
        median_s(lambda: simulated(marked, tail, settings), 5),
        "bar: 2000 ms",
    )
    row(f"{size} positions, the whole report", median_s(lambda: analyse(known, settings), 5), "bar: 1000 ms")


def main() -> int:
    print(
        f"riskbot benchmarks, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}\n"
    )
    settings = EngineSettings()
    for size in SIZES:
        loads = [anyio.run(load_s, size, seed) for seed in (1, 2, 3)]
        row(
            f"{size} positions, connect to marks and sigmas with sources",
            statistics.median(one.seconds for one in loads),
            "bar: 5000 ms at 100",
        )
        engine(size, loads[-1].snapshot, settings)
    ticks = anyio.run(tick_to_answer_s, 24, 20)
    row("tick at the gateway to the next answer, 24 positions", statistics.median(ticks), "bar: 1000 ms")
    row("  the slowest of 20", max(ticks), "bar: 1000 ms")
    row(
        "riskbot demo to the first answer to /scenario panic",
        statistics.median(first_answer_s() for _ in range(3)),
        "bar: 10000 ms",
    )
    storm.main()
    print("\npricing alone:")
    pricing.main()
    print("\nbeside peers, same contracts, one run:")
    peers.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
