"""The compiled kernels where they are ready, their numpy twin until then: same functions, same numbers to rounding.

Compiling takes half a minute and is done once per machine, in a process of its own that leaves its work on disk.
"""

import logging
import subprocess
import sys
import threading
from types import ModuleType
from typing import Final

log = logging.getLogger(__name__)

_lock: Final = threading.Lock()
_chosen: ModuleType | None = None
_compiling: subprocess.Popen[bytes] | None = None


def kernels() -> ModuleType:
    """The module with `build`, `evaluate`, `greeks` and `implied`: compiled if that is done, else numpy's."""
    global _chosen  # noqa: PLW0603 - which of two equal implementations answers, not state that an answer depends on
    if _chosen is not None:
        return _chosen
    from engine.pricing.kernels import disk

    with _lock:
        if disk.is_compiled():
            from engine.pricing.kernels import compiled

            _chosen = compiled
            return compiled
        from engine.pricing import twin

        if _has_failed():
            log.warning(
                "the pricing kernels do not compile: python -m engine.pricing.kernels says why. Prices are right, but slow"
            )
            _chosen = twin
    return twin


def use(module: ModuleType | None) -> None:
    """Let `module` answer from now on; None lets `kernels` choose again."""
    global _chosen  # noqa: PLW0603
    _chosen = module


def _has_failed() -> bool:
    """Whether the compiling process, started at the first call, has ended in vain."""
    global _compiling  # noqa: PLW0603
    if _compiling is None:
        log.info("compiling the pricing kernels; until that is done prices are made without them, slower")
        _compiling = subprocess.Popen(
            [sys.executable, "-m", "engine.pricing.kernels"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return bool(_compiling.poll())
