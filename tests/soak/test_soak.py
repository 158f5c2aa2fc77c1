"""Many faults, some side by side, with the link's real patience: `make soak`, or `make soak FAULTS=50`."""

import gc
import os
import random
from pathlib import Path

import anyio
import pytest

from engine.settings import DataSettings
from tests.integration.fault_runs import CASES, Case, Outcome, run_case, table

FAULTS = int(os.environ.get("RISKBOT_SOAK_FAULTS", "0"))
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(FAULTS == 0, reason="hours long: make soak")]

SEED = 1
AT_ONCE = 8
WARM_UP = 40
MEMORY_MB_PER_HUNDRED = 5.0


def resident_mb() -> float:
    """Memory of this process, from Linux's own books; 0 where there are none."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.timeout(0)
async def test_a_long_row_of_faults_leaves_nothing_behind():
    chance = random.Random(SEED)
    outcomes: list[Outcome] = []
    sizes: list[float] = []
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def one(case: Case, seed: int, lasts_s: float) -> None:
        async with limit:
            outcomes.append(await run_case(case, lasts_s, 120.0, seed, DataSettings(stale_after=20)))
            gc.collect()
            sizes.append(resident_mb())

    before = len(anyio.get_running_tasks())
    async with anyio.create_task_group() as tasks:
        for number in range(FAULTS):
            tasks.start_soon(one, chance.choice(CASES), SEED + number, chance.uniform(2.0, 20.0))
    print("\n" + table(sorted(outcomes, key=lambda outcome: outcome.case.fault)))
    print(
        f"memory: {sizes[min(WARM_UP, len(sizes) - 1)]:.0f} MB after {WARM_UP}, {sizes[-1]:.0f} MB at the end"
    )
    await anyio.sleep(1.0)
    times = sorted(outcome.seconds for outcome in outcomes)
    assert times[len(times) // 2] <= 5.0 and times[int(0.99 * (len(times) - 1))] <= 35.0
    assert [one.case.fault for one in outcomes if one.fine_while_blind or not one.lines_back] == []
    assert [one.case.fault for one in outcomes if one.case.blinds and not one.was_blind] == []
    assert len(anyio.get_running_tasks()) <= before + 1
    if len(sizes) > 2 * WARM_UP:
        grown = sizes[-1] - sizes[WARM_UP]
        assert grown <= MEMORY_MB_PER_HUNDRED * (len(sizes) - WARM_UP) / 100.0
