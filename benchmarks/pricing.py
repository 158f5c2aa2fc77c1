"""Pricing alone: the jobs that people wait for, with their bars, and how cost grows. Medians of this machine."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import anyio
import anyio.to_thread
import numpy as np

from benchmarks.books import book, shocks
from engine.pricing import (
    Contracts,
    Model,
    black_scholes,
    greeks,
    implied_volatility,
    price,
    valuation,
    value,
)
from engine.pricing.tables import Tables

SHOCKS = 741  # 20 scenarios, a 17 x 13 matrix, 500 days
PATHS = 10_000


def forget() -> None:
    """Start without a table."""
    valuation._TABLES = Tables()  # type: ignore[misc]


def median_ms(work: Callable[[], object], runs: int = 9, before: Callable[[], None] = lambda: None) -> float:
    """Median milliseconds of `work` over `runs`, after one that does not count."""
    times = []
    for _ in range(runs + 1):
        before()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1000.0 * statistics.median(times[1:])


def jobs() -> None:
    """The jobs of a risk tool, tables made anew each time unless said otherwise."""
    small, large = book(500), book(5_000)
    some, many, paths = shocks(small, SHOCKS), shocks(large, SHOCKS), shocks(small, PATHS)
    _row(
        "500 contracts x 741 shocks, tables included",
        median_ms(lambda: value(small, some), before=forget),
        "ms",
        "bar 40",
    )
    _row("  the same when the tables are there", median_ms(lambda: value(small, some)), "ms", "")
    _row(
        "5,000 contracts x 741 shocks, tables included",
        median_ms(lambda: value(large, many), 3, forget),
        "ms",
        "bar 400",
    )
    _row(
        "10,000 paths x 500 contracts, tables included",
        median_ms(lambda: _monte_carlo(small), 3, forget),
        "ms",
        "bar 250, shocks made too",
    )
    _row("  the same when the shocks are there", median_ms(lambda: value(small, paths), 3, forget), "ms", "")
    american = small.take(small.model == Model.AMERICAN)
    prices = price(american)
    for name, before, bar in (
        ("tables made on the way", forget, "bar 15,000"),
        ("tables there", lambda: None, ""),
    ):
        ms = median_ms(lambda: implied_volatility(american, prices), 5, before)
        _row(f"American implied volatilities, {name}", 1000.0 * len(american) / ms, "/s", bar)
    one = american.take(np.arange(50))
    moved = [
        Contracts(*(one.spot * (1 + 1e-4 * k) if n == "spot" else getattr(one, n) for n in one.__slots__))
        for k in range(9)
    ]
    ticks = iter(moved * 20)
    greeks(one)
    _row(
        "marks and Greeks of 50 contracts after a tick of their spot",
        median_ms(lambda: greeks(next(ticks)), 99),
        "ms",
        "bar 1",
    )
    _row("Greeks of 500 contracts, tables included", median_ms(lambda: greeks(small), 5, forget), "ms", "")


def _monte_carlo(c: Contracts) -> None:
    """Joint paths, the shocks that they make, and the values."""
    value(c, shocks(c, PATHS))


def growth() -> None:
    """Milliseconds as the job grows in one direction, tables included."""
    base = book(500)
    for n in (125, 250, 500, 1_000, 2_000):
        c = book(n)
        s = shocks(c, SHOCKS)
        _row(f"  {n} contracts", median_ms(lambda c=c, s=s: value(c, s), 5, forget), "ms", "")
    for k in (1, 10, 100, 1_000, 10_000):
        s = shocks(base, k)
        _row(f"  {k} shocks", median_ms(lambda s=s: value(base, s), 5, forget), "ms", "")
    for m in (0, 1, 2, 4, 8):
        c = _paying(m)
        _row(
            f"  {m} dividends each, American calls and puts, {len(c)} contracts",
            median_ms(lambda c=c: price(c), 5, forget),
            "ms",
            "",
        )
    from engine.pricing import tables

    cores, pieces = tables.CORES, tables.PIECES
    for threads in (1, 2):
        tables.CORES, tables.PIECES = threads, 4 * threads if threads > 1 else 1  # type: ignore[misc]
        s = shocks(base, SHOCKS)
        _row(f"  {threads} threads", median_ms(lambda s=s: value(base, s), 5, forget), "ms", "")
    tables.CORES, tables.PIECES = cores, pieces  # type: ignore[misc]


def _paying(count: int, n: int = 400) -> Contracts:
    random = np.random.default_rng(4)
    dates = [(0.05 + 0.9 * k / max(count, 1), 0.4) for k in range(count)]
    return Contracts.of(
        model=Model.AMERICAN, is_call=random.random(n) < 0.5, spot=100.0, strike=random.uniform(80, 120, n),
        sigma=random.uniform(0.15, 0.5, n), tau=1.0, rate=0.04, dividends=[dates] if dates else (),
    )  # fmt: skip


def european_ratio() -> None:
    """Price and Greeks of a million Europeans: the compiled loop beside numpy with scipy's ndtr, on the same columns."""
    from engine.pricing.kernels import compiled

    n = 1_000_000
    random = np.random.default_rng(1)
    call = random.random(n) < 0.5
    spot, strike = random.uniform(50, 150, n), random.uniform(50, 150, n)
    sigma, tau = random.uniform(0.1, 0.6, n), random.uniform(0.02, 2, n)
    rate, yield_, out = np.full(n, 0.04), np.full(n, 0.01), np.empty((9, n))
    sign, none = np.where(call, 1.0, -1.0), np.zeros(n)
    edges = np.linspace(0, n, 9).astype(int).tolist()

    def ours() -> None:
        columns = (sign, spot, strike, sigma, tau, rate, yield_, none)
        pieces = [
            threading.Thread(target=compiled.european, args=(*columns, a, b, out)) for a, b in pairwise(edges)
        ]
        for piece in pieces:
            piece.start()
        for piece in pieces:
            piece.join()

    fast = median_ms(ours)
    slow = median_ms(lambda: black_scholes.greeks(call, spot, strike, sigma, tau, rate, yield_), 3)
    one = median_ms(lambda: compiled.european(sign, spot, strike, sigma, tau, rate, yield_, none, 0, n, out))
    _row(
        "European price and 8 Greeks, compiled, all cores",
        n / fast / 1000.0,
        "M/s",
        f"{slow / fast:.1f} x numpy with ndtr ({n / slow / 1000.0:.1f} M/s), bar 5 x",
    )
    _row("  on one core", n / one / 1000.0, "M/s", f"{slow / one:.1f} x")


def memory() -> None:
    """The whole process with 5,000 contracts loaded and valued, measured in a process of its own."""
    code = (
        "from benchmarks.books import book, shocks\n"
        "from engine.pricing import greeks, value\n"
        "c = book(5000)\n"
        "value(c, shocks(c, 741)); greeks(c)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    peak_kb = int(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    )
    _row(
        "peak memory of a process, 5,000 contracts x 741 shocks and Greeks", peak_kb / 1024.0, "MB", "bar 600"
    )


async def _lag(seconds: float) -> tuple[float, int]:
    """The event loop's lag, p99 in ms, while 5,000 contracts are repriced in a worker thread again and again."""
    c = book(5_000)
    s, lags, done = shocks(c, 100), [], 0
    ends = time.perf_counter() + seconds

    async def reprice() -> None:
        nonlocal done
        while time.perf_counter() < ends:
            forget()
            await anyio.to_thread.run_sync(value, c, s)
            done += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reprice)
        while time.perf_counter() < ends:
            asked = time.perf_counter()
            await anyio.sleep(0.002)
            lags.append(time.perf_counter() - asked - 0.002)
    return 1000.0 * float(np.quantile(lags, 0.99)), done


def lag() -> None:
    """See `_lag`."""
    value(book(50), shocks(book(50), 2))
    p99, rounds = anyio.run(_lag, 6.0)
    _row(f"event loop's lag p99, 5,000 contracts repriced {rounds} times meanwhile", p99, "ms", "bar 20")


def _row(name: str, figure: float, unit: str, note: str) -> None:
    digits = 0 if figure >= 1000 else 1 if figure >= 10 else 2
    print(f"{name:<66}{figure:>12,.{digits}f} {unit:<4} {note}", flush=True)


def main() -> None:
    """All of it; about a minute."""
    jobs()
    european_ratio()
    memory()
    lag()
    print("\nhow the cost grows, 500 contracts x 741 shocks where not said otherwise:")
    growth()
