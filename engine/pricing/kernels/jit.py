"""How kernels are compiled: without the interpreter's lock, with IEEE's infinities and NaN, kept on disk."""

from collections.abc import Callable
from typing import Any

import numba

from engine.pricing.kernels.disk import folder

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
    "fastmath": {"contract", "nsz"},  # none of the flags that assume away NaN, none that reorder sums
}

folder().mkdir(parents=True, exist_ok=True)
numba.config.CACHE_DIR = str(folder())  # type: ignore[attr-defined]  # read when a kernel is defined


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call, or load what an earlier process compiled."""
    return numba.njit(function, **OPTIONS)  # type: ignore[no-any-return]


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A formula that becomes part of each loop that uses it."""
    return numba.njit(function, inline="always", **OPTIONS)  # type: ignore[no-any-return]
