"""The residual tables that were made, kept within a bound on memory, and the threads that make and read them.

One lock: calls wait for each other, and each uses all cores. A table is a pure function of its key, so what is kept changes
how long an answer takes and never the answer.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

import numpy as np

from engine.pricing import backend
from engine.pricing.bands import keys_of, rounded
from engine.pricing.grid import LANES, Rows
from engine.pricing.types import Floats, IntArray

CAPACITY: Final = 16 * 1024 * 1024
"""Numbers kept: 128 MB, some 30,000 tables. When they are full all are forgotten, and made again as asked for."""

WORTH_A_THREAD_NS: Final = 1_000_000
BUILD_NS: Final = 80_000
LOOK_UP_NS: Final = 50
GREEKS_NS: Final = 2_500
CORES: Final = os.cpu_count() or 1
PIECES: Final = 4 * CORES if CORES > 1 else 1


class Tables:
    """Residual tables by the inputs that they were made for."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._numbers = np.empty(capacity)  # pages that are never written take no memory
        self._offsets: dict[bytes, int] = {}
        self._used = 0
        self._lock = threading.RLock()
        self._pool: ThreadPoolExecutor | None = None
        self.built = 0

    def __len__(self) -> int:
        return len(self._offsets)

    def values(
        self, rows: Rows, columns: IntArray, shocks: IntArray, spots: Floats, sigmas: Floats, out: Floats
    ) -> None:
        """Write the value of each row's contract in the listed shocks into `out`, where the row serves the deviation.

        Args:
            columns: (n,), each row's column in the matrices. shocks: (k,), rows of the matrices.
            spots, sigmas, out: (n_shocks, n_contracts).
        """
        with self._lock:
            placed = self._placed(rows)
            self._spread(
                backend.kernels().evaluate,
                placed,
                LOOK_UP_NS * len(shocks),
                columns,
                shocks,
                spots,
                sigmas,
                self._numbers,
                out,
            )

    def greeks(
        self,
        rows: Rows,
        moved: Rows,
        rate_step: float,
        columns: IntArray,
        shocks: IntArray,
        spots: Floats,
        sigmas: Floats,
        out: Floats,
    ) -> None:
        """As `values`, for the nine numbers of `out` (9, n_shocks, n_contracts); `moved` are the rows at a higher rate."""
        with self._lock:
            n = len(rows.sign)
            both: Any = (np.concatenate(pair) for pair in zip(rows, moved, strict=True))
            placed = self._placed(Rows(*both))
            here, there = placed.part(0, n), placed.part(n, 2 * n)
            kernels, rest = backend.kernels(), (columns, shocks, spots, sigmas, self._numbers)

            def run(rows: Rows, begins: int, ends: int) -> None:
                kernels.evaluate(rows, begins, ends, *rest, out[0])
                kernels.greeks(rows, there, rate_step, begins, ends, *rest, out)

            self._spread(run, here, GREEKS_NS * len(shocks))

    def implied(self, rows: Rows, spots: Floats, targets: Floats) -> Floats:
        """(n,): the deviation at which each row at its spot (n,) is worth its target (n,); 0 below its band, +inf above."""
        out = np.empty(len(spots))
        with self._lock:
            self._spread(
                backend.kernels().implied,
                self._placed(rows),
                2 * GREEKS_NS,
                spots,
                targets,
                self._numbers,
                out,
            )
        return out

    def _placed(self, rows: Rows) -> Rows:
        """The rows with the offsets of their tables; those that are missing are made."""
        tabled = np.flatnonzero(rows.nodes > 0)
        wanted = rounded(rows if len(tabled) == len(rows.nodes) else rows.take(tabled))
        keys, sizes = keys_of(wanted), (LANES * (wanted.nodes + 1)).tolist()
        offsets = [self._offsets.get(key, -1) for key in keys]
        missing = [i for i, offset in enumerate(offsets) if offset < 0]
        if missing and self._used + sum(sizes[i] for i in missing) > len(self._numbers):
            self._offsets.clear()
            self._used, missing = 0, list(range(len(keys)))
            if sum(sizes) > len(self._numbers):
                self._numbers = np.empty(sum(sizes))
        fresh = []
        for i in missing:
            if keys[i] not in self._offsets:
                self._offsets[keys[i]] = self._used
                self._used += sizes[i]
                fresh.append(i)
            offsets[i] = self._offsets[keys[i]]
        if fresh:
            index = np.array(fresh)
            self._build(wanted.take(index)._replace(offset=np.array(offsets, dtype=np.int64)[index]))
        offset = rows.offset.copy()
        offset[tabled] = offsets
        return rows._replace(offset=offset)

    def _build(self, rows: Rows) -> None:
        self.built += len(rows.sign)
        try:
            self._spread(backend.kernels().build, rows, BUILD_NS, self._numbers)
        except BaseException:
            self._offsets.clear()  # what is half made must not be found
            self._used = 0
            raise

    def _spread(self, kernel: Callable[..., None], rows: Rows, cost_ns: int, *rest: object) -> None:
        """Run a kernel over all rows, on all cores where that is worth a thread."""
        n = len(rows.sign)
        if n * cost_ns < WORTH_A_THREAD_NS or CORES == 1:
            kernel(rows, 0, n, *rest)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CORES, thread_name_prefix="pricing")
        edges = np.linspace(0, n, min(PIECES, n) + 1).astype(int).tolist()
        waiting = [self._pool.submit(kernel, rows, a, b, *rest) for a, b in pairwise(edges)]
        for piece in waiting:
            piece.result()
