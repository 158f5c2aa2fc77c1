"""Pricing's parts under pytest-benchmark: spread and outliers of each, and a comparison with an earlier run.

Run by `make bench`, which keeps each run in .benchmarks; `pytest-benchmark compare` sets them side by side.
"""

from typing import Any

import pytest

from benchmarks.books import book, shocks
from benchmarks.pricing import SHOCKS, forget
from engine.pricing import (
    Model,
    american,
    greeks,
    implied_volatility,
    price,
    shocked_greeks,
    value,
)

BOOK = book(500)
AMERICANS = BOOK.take(BOOK.model == Model.AMERICAN)


@pytest.mark.parametrize("contracts", [50, 500], ids="{} contracts".format)
def bench_values_tables_included(benchmark: Any, contracts: int) -> None:
    c = book(contracts)
    states = shocks(c, SHOCKS)
    benchmark.pedantic(lambda: value(c, states), setup=forget, rounds=9, warmup_rounds=1)


@pytest.mark.parametrize("count", [1, 20, SHOCKS], ids="{} shocks".format)
def bench_values_tables_there(benchmark: Any, count: int) -> None:
    states = shocks(BOOK, count)
    benchmark(value, BOOK, states)


def bench_greeks(benchmark: Any) -> None:
    benchmark(greeks, BOOK)


def bench_greeks_after_twenty_scenarios(benchmark: Any) -> None:
    states = shocks(BOOK, 20)
    benchmark(shocked_greeks, BOOK, states)


@pytest.mark.parametrize("tables", ["included", "there"])
def bench_implied_volatilities(benchmark: Any, tables: str) -> None:
    prices = price(AMERICANS)
    setup = forget if tables == "included" else None
    benchmark.pedantic(lambda: implied_volatility(AMERICANS, prices), setup=setup, rounds=9, warmup_rounds=1)


def bench_the_tree(benchmark: Any) -> None:
    """The textbook's way, for the scale of things: no shock, no table."""
    early = AMERICANS.model == Model.AMERICAN
    benchmark(american.solve, AMERICANS, early)
