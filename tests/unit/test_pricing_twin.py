"""The compiled kernels and their numpy twin answer the same; their exp, log and normal are right; the twin fills in."""

import math
import subprocess
from collections.abc import Callable, Iterator
from types import ModuleType

import numba
import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from engine.pricing import (
    Contracts,
    GreekColumns,
    Shocks,
    backend,
    implied_volatility,
    price,
    shocked_greeks,
    twin,
    valuation,
    value,
)
from engine.pricing.kernels import compiled, disk, maths
from engine.pricing.tables import Tables

RTOL = 1e-9
NAMES = GreekColumns.__slots__


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Ask one of the two implementations, which starts without tables."""

    def ask(module: ModuleType, question: Callable, *args: object) -> object:
        monkeypatch.setattr(valuation, "_TABLES", Tables(1_000_000))
        backend.use(module)
        return question(*args)

    yield ask
    backend.use(None)


def book() -> Contracts:
    """Every model, calls and puts, two thirds with up to three dividends, some of them large, tomorrow or on the last day."""
    rng = np.random.default_rng(20)
    n = 16
    tau = rng.uniform(0.02, 1.5, n)
    dividends = [
        [
            (float(t * years), float(cash))
            for t, cash in zip(rng.uniform(0.0, 1.1, 3), rng.uniform(0.1, 3.0, 3), strict=True)
        ]
        if i % 3
        else []
        for i, years in enumerate(tau)
    ]
    dividends[4], dividends[7], dividends[10] = (
        [(0.002, 1.0)],
        [(tau[7] - 0.002, 1.0)],
        [(0.4 * tau[10], 15.0)],
    )
    return Contracts.of(
        model=[3, 3, 3, 1, 3, 2, 4, 3, 1, 3, 3, 4, 3, 1, 3, 3],
        is_call=rng.random(n) < 0.5,
        spot=100.0,
        strike=rng.uniform(75.0, 130.0, n),
        sigma=rng.uniform(0.12, 0.9, n),
        tau=tau,
        rate=rng.uniform(-0.01, 0.06, n),
        dividend_yield=rng.uniform(0.0, 0.03, n),
        dividends=dividends,
    )


def shocks(c: Contracts) -> Shocks:
    rng = np.random.default_rng(21)
    years = np.array([0.0, 0.0, 0.0, 0.01])
    return Shocks(
        c.spot * rng.uniform(0.5, 1.5, (4, len(c))), c.sigma * rng.uniform(0.5, 1.6, (4, len(c))), years
    )


def test_twin_and_compiled_give_the_same_values(answers: Callable) -> None:
    c = book()
    ours, theirs = (answers(module, value, c, shocks(c)) for module in (compiled, twin))
    np.testing.assert_allclose(ours, theirs, rtol=RTOL, atol=RTOL)


@pytest.fixture
def both_greeks(answers: Callable) -> list[GreekColumns]:
    c = book()
    return [answers(module, shocked_greeks, c, shocks(c)) for module in (compiled, twin)]


MAGNIFIED = {"gamma": 1e3, "charm": 1e5}
"""Differences of table values by a small bump, and their bump, magnify what rounding leaves in a table."""


def test_twin_and_compiled_give_the_same_greeks(both_greeks: list[GreekColumns]) -> None:
    for name in NAMES:
        ours, theirs = (getattr(g, name) for g in both_greeks)
        atol = RTOL * MAGNIFIED.get(name, 1.0)
        np.testing.assert_allclose(ours, theirs, rtol=RTOL, atol=atol, err_msg=name)


def test_twin_and_compiled_give_the_same_implied_volatilities(answers: Callable) -> None:
    c = book()
    prices = price(c) * 1.01
    ours, theirs = (answers(module, implied_volatility, c, prices) for module in (compiled, twin))
    np.testing.assert_allclose(ours.sigma, theirs.sigma, rtol=RTOL)


def test_twin_and_compiled_give_the_same_reasons(answers: Callable) -> None:
    c = book()
    prices = np.concatenate([price(c)[:8], [0.0, 1e-9, 1e9, np.nan, -1.0, 30.0, 60.0, 0.5]])
    ours, theirs = (answers(module, implied_volatility, c, prices) for module in (compiled, twin))
    np.testing.assert_array_equal(ours.reason, theirs.reason)


@numba.njit
def exps(x, out):
    for i in range(x.size):
        out[i] = maths.exp(x[i])


@numba.njit
def logs(x, out):
    for i in range(x.size):
        out[i] = maths.log(x[i])


@numba.njit
def normals(x, out):
    for i in range(x.size):
        out[i] = maths.normal(x[i])


def of(kernel: Callable, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    kernel(x, out)
    return out


def test_exp_is_right_to_the_last_bits_over_the_whole_range() -> None:
    x = np.concatenate([np.linspace(-707.9, 708.9, 40_001), np.linspace(-1e-3, 1e-3, 2_001)])
    np.testing.assert_allclose(of(exps, x), [math.exp(v) for v in x], rtol=1e-15)


def test_exp_beyond_its_range_is_that_of_its_ends() -> None:
    np.testing.assert_allclose(of(exps, np.array([-1e4, 1e4])), np.exp([-708.0, 709.0]), rtol=1e-15)


def test_log_is_right_to_the_last_bits_over_the_whole_range() -> None:
    x = np.concatenate([np.logspace(-307.0, 308.0, 40_001), np.linspace(0.5, 2.0, 20_001)])
    np.testing.assert_allclose(of(logs, x), [math.log(v) for v in x], rtol=1e-15, atol=1e-16)


def test_the_normal_distribution_is_right_from_its_middle_to_its_smallest_values() -> None:
    x = np.linspace(-37.0, 9.0, 40_001)
    np.testing.assert_allclose(of(normals, x), np.where(x < -5.0, np.exp(log_ndtr(x)), ndtr(x)), rtol=1e-12)


def test_the_normal_distribution_ends_at_nothing_and_at_one() -> None:
    assert of(normals, np.array([-60.0, 60.0])).tolist() == pytest.approx([0.0, 1.0], abs=1e-300)


class Compiling:
    """A compiling process that has ended with this code, or (None) never does."""

    def __init__(self, code: int | None) -> None:
        self.code, self.started = code, 0

    def __call__(self, *_: object, **__: object) -> "Compiling":
        self.started += 1
        return self

    def poll(self) -> int | None:
        return self.code


@pytest.fixture
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """No kernel on disk, and a compiling process that stands at the given code."""

    def compiling(code: int | None) -> Compiling:
        process = Compiling(code)
        monkeypatch.setattr(subprocess, "Popen", process)
        return process

    backend.use(None)
    monkeypatch.setattr(disk, "is_compiled", lambda: False)
    monkeypatch.setattr(backend, "_compiling", None)
    monkeypatch.setattr(valuation, "_TABLES", Tables(1_000_000))
    yield compiling
    backend.use(None)


def test_while_kernels_compile_the_twin_answers(nothing_compiled: Callable) -> None:
    nothing_compiled(None)
    assert backend.kernels() is twin


def test_while_kernels_compile_prices_are_right(nothing_compiled: Callable, answers: Callable) -> None:
    nothing_compiled(None)
    c = book()
    meanwhile = price(c)
    np.testing.assert_allclose(meanwhile, answers(compiled, price, c), rtol=RTOL, atol=RTOL)


def test_one_process_compiles_however_often_prices_are_asked_for(nothing_compiled: Callable) -> None:
    process = nothing_compiled(None)
    for _ in range(3):
        backend.kernels()
    assert process.started == 1


def test_once_kernels_are_compiled_they_answer(
    nothing_compiled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_compiled(None)
    backend.kernels()
    monkeypatch.setattr(disk, "is_compiled", lambda: True)
    assert backend.kernels() is compiled


def test_a_compiler_that_failed_leaves_the_twin(nothing_compiled: Callable) -> None:
    nothing_compiled(1)
    assert backend.kernels() is twin


def test_a_compiler_that_failed_is_said_once(
    nothing_compiled: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    nothing_compiled(1)
    backend.kernels()
    backend.kernels()
    assert [r.levelname for r in caplog.records] == ["WARNING"]
