"""The link against every fault that the simulated gateway plays: back in time, never fine while blind, in words."""

import random

import anyio
import pytest

from engine.broker import session
from engine.settings import DataSettings
from tests.integration.fault_runs import CASES, Case, Outcome, run_case, table

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SEED = 20260728
AT_ONCE = 8
"""Runs side by side."""
DATA = DataSettings(stale_after=8)


@pytest.fixture
def quick(monkeypatch):
    """The link's patience, shortened: it is minutes of waiting otherwise. `make soak` runs with the real one."""
    for name, seconds in {
        "SILENT_AFTER_S": 5.0,
        "BEAT_S": 1.5,
        "LOGIN_TIMEOUT_S": 3.0,
        "RETRY_STREAMS_S": 3.0,
        "CHECK_AFTER_S": 2.0,
        "LOOK_S": 0.25,
    }.items():
        monkeypatch.setattr(session, name, seconds)


@pytest.mark.timeout(400)
async def test_sixty_faults_are_survived_in_time_and_in_words(quick, capsys):
    chance = random.Random(SEED)
    cases = [*CASES, *chance.choices(CASES, k=max(0, 60 - len(CASES)))]
    outcomes: list[Outcome] = []
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def one(case: Case, seed: int) -> None:
        async with limit:
            outcomes.append(await run_case(case, chance.uniform(2.0, 4.0), 40.0, seed, DATA))

    async with anyio.create_task_group() as tasks:
        for number, case in enumerate(cases):
            tasks.start_soon(one, case, SEED + number)
    with capsys.disabled():
        print("\n" + table(sorted(outcomes, key=lambda outcome: outcome.case.fault)))
    assert len(outcomes) == 60
    times = sorted(outcome.seconds for outcome in outcomes)
    assert times[30] <= 5.0 and times[58] <= 35.0
    assert [one.case.fault for one in outcomes if not one.lines_back] == []
    assert [one.case.fault for one in outcomes if one.fine_while_blind] == []
    assert [one.case.fault for one in outcomes if one.case.blinds and not one.was_blind] == []
    told = [(one.case, " ".join(one.said)) for one in outcomes]
    assert [(case.fault, said) for case, said in told if case.told not in said] == []
    assert [(one.case.fault, one.said) for one in outcomes if one.case.harmless and one.said] == []
