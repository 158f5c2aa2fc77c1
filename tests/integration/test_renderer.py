"""The renderer with its real process: what it survives, and that nothing is left behind."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import numpy as np
import pandas as pd
import pytest

from engine.errors import RenderError
from engine.reports import charts
from engine.reports.renderer import Renderer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]

ROOT = Path(__file__).parents[2]
HANG_WITHOUT_THE_GIL = (time.sleep, 60)
HANG_INSIDE_THE_INTERPRETER = (re.match, r"(a+)+$", "a" * 64 + "b")

BUSY = "import re, sys, time; print('busy', file=sys.stderr, flush=True); "
PARENT = """
import anyio, os
from engine.reports.renderer import Renderer

async def main():
    async with Renderer() as renderer:
        print(await renderer.draw(os.getpid), flush=True)
        renderer._deadline_s = {deadline_s}
        await renderer.draw(exec, {code!r})

anyio.run(main)
"""


def heat(renderer):
    frame = pd.DataFrame(
        np.linspace(-1e5, 3e4, 63).reshape(9, 7), np.linspace(0.2, -0.2, 9), np.linspace(-0.5, 1, 7)
    )
    return renderer.draw(charts.heat_map, frame, title="Matrix", note="now", unit="USD", limit=5e4)


def alive(pid):
    """Whether the process runs; a zombie that waits for its parent's look does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def children():
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for file in lists for pid in file.read_text().split()}


async def until(condition, deadline_s=20.0):
    with anyio.fail_after(deadline_s):
        while not condition():
            await anyio.sleep(0.01)


async def test_a_picture_comes_back_from_another_process():
    async with Renderer() as renderer:
        assert (await heat(renderer))[:8] == b"\x89PNG\r\n\x1a\n"
        assert await renderer.draw(os.getpid) != os.getpid()


async def test_pictures_share_one_process():
    async with Renderer() as renderer:
        assert await renderer.draw(os.getpid) == await renderer.draw(os.getpid)


async def test_parallel_callers_get_their_own_answers():
    async with Renderer() as renderer:
        answers = {}

        async def ask(number):
            answers[number] = await renderer.draw(math.factorial, number)

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(ask, number)
        assert answers == {number: math.factorial(number) for number in range(40)}


async def test_what_the_function_raises_is_its_callers_and_the_process_goes_on():
    async with Renderer() as renderer:
        pid = await renderer.draw(os.getpid)
        with pytest.raises(ValueError, match="1 to 60 scenarios") as caught:
            await renderer.draw(charts.scenario_bars, pd.DataFrame({"pnl": []}), title="All", note="now")
        assert "in the drawing process" in caught.value.__notes__[0]
        assert await renderer.draw(os.getpid) == pid


async def test_what_a_function_prints_does_not_disturb_its_answer():
    async with Renderer() as renderer:
        assert await renderer.draw(print, "hello") is None
        assert await renderer.draw(os.write, 1, b"hello, this is longer than a message's head\n") == 44


async def test_a_worker_that_was_killed_is_replaced():
    async with Renderer() as renderer:
        pid = await renderer.draw(os.getpid)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: renderer._worker.process.returncode is not None)
        assert (await heat(renderer))[:4] == b"\x89PNG"


async def test_a_worker_that_dies_over_a_picture_is_an_error_and_then_replaced():
    async with Renderer() as renderer:
        with pytest.raises(RenderError, match="ended before its picture"):
            await renderer.draw(os._exit, 3)
        assert (await heat(renderer))[:4] == b"\x89PNG"


@pytest.mark.parametrize("hang", [HANG_WITHOUT_THE_GIL, HANG_INSIDE_THE_INTERPRETER], ids=["sleeps", "spins"])
async def test_a_picture_that_hangs_ends_at_its_deadline_and_the_next_is_drawn(hang):
    async with Renderer(deadline_s=10.0) as renderer:
        pid = await renderer.draw(os.getpid)
        renderer._deadline_s = 0.3
        start = time.perf_counter()
        with pytest.raises(RenderError, match=r"longer than 0\.3 s"):
            await renderer.draw(*hang)
        assert time.perf_counter() - start < 4.0, "the worker's own watchdog ended it, not the deadline"
        assert not alive(pid)
        renderer._deadline_s = 20.0
        assert (await heat(renderer))[:4] == b"\x89PNG"


async def test_a_cancelled_caller_takes_the_process_with_it_and_the_next_caller_is_served():
    async with Renderer() as renderer:
        pid = await renderer.draw(os.getpid)
        with anyio.move_on_after(0.2) as scope:
            await renderer.draw(*HANG_WITHOUT_THE_GIL)
        assert scope.cancelled_caught
        assert not alive(pid)
        assert (await heat(renderer))[:4] == b"\x89PNG"


async def test_a_caller_cancelled_while_it_waits_for_its_turn_leaves_the_process_alone():
    async with Renderer() as renderer:
        pid = await renderer.draw(os.getpid)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(renderer.draw, time.sleep, 0.5)
            await anyio.sleep(0)
            with anyio.move_on_after(0.1) as scope:
                await renderer.draw(math.factorial, 5)
        assert scope.cancelled_caught
        assert await renderer.draw(os.getpid) == pid


async def test_a_worker_retires_after_its_share_of_pictures():
    async with Renderer(retire_after=3) as renderer:
        pids = [await renderer.draw(os.getpid) for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


async def test_nothing_is_left_behind_after_leaving():
    before = children()
    async with Renderer() as renderer:
        pid = await renderer.draw(os.getpid)
        assert pid in children() - before
    assert children() - before == set()


async def test_leaving_before_the_worker_is_up_leaves_nothing_behind():
    before = children()
    async with Renderer():
        pass
    assert children() - before == set()


async def test_leaving_by_cancellation_in_the_middle_of_a_picture_leaves_nothing_behind():
    before = children()
    with anyio.move_on_after(2.0) as scope:
        async with Renderer() as renderer:
            await renderer.draw(*HANG_WITHOUT_THE_GIL)
    assert scope.cancelled_caught
    assert children() - before == set()


async def test_leaving_while_another_task_draws_tells_that_task():
    failures = []

    async def draw(renderer):
        try:
            await renderer.draw(*HANG_WITHOUT_THE_GIL)
        except RenderError as error:
            failures.append(str(error))

    before = children()
    async with anyio.create_task_group() as tasks:  # noqa: SIM117 the tasks outlive the renderer
        async with Renderer() as renderer:
            await renderer.draw(os.getpid)
            tasks.start_soon(draw, renderer)
            tasks.start_soon(draw, renderer)
            await until(lambda: renderer._turn.statistics().tasks_waiting == 1)
    assert failures == ["the drawing process ended before its picture was done", "the renderer is closed"]
    assert children() - before == set()


async def test_a_closed_renderer_says_so():
    async with Renderer() as renderer:
        pass
    with pytest.raises(RenderError, match="closed"):
        await heat(renderer)


async def test_a_process_that_can_not_start_is_an_error_of_the_picture_alone(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    async with Renderer() as renderer:
        with pytest.raises(RenderError, match="can't start"):
            await heat(renderer)


@pytest.mark.parametrize(
    ("hang", "deadline_s"),
    [("time.sleep(300)", 300.0), ("re.match('(a+)+$', 'a' * 64 + 'b')", 2.0)],
    ids=["sleeps, so it sees its input end", "spins, so the watchdog ends it"],
)
async def test_the_worker_of_a_killed_parent_ends_even_in_the_middle_of_a_picture(hang, deadline_s):
    command = [sys.executable, "-c", PARENT.format(code=BUSY + hang, deadline_s=deadline_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        worker = int(parent.stdout.readline())
        assert parent.stderr.readline() == b"busy\n"
        parent.kill()
        parent.wait()
        await until(lambda: not alive(worker))


async def test_the_loop_stays_free_while_pictures_are_drawn():
    lags = []

    async def probe():
        while True:
            start = time.perf_counter()
            await anyio.sleep(0.005)
            lags.append(time.perf_counter() - start - 0.005)

    async with Renderer() as renderer, anyio.create_task_group() as tasks:
        await heat(renderer)
        tasks.start_soon(probe)
        for _ in range(8):
            await heat(renderer)
        tasks.cancel_scope.cancel()
    assert np.percentile(lags, 99) <= 0.050
