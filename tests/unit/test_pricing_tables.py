"""The residual tables: when one is made, how much is kept, and that what is kept never changes an answer."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from engine.pricing import Contracts, Model, Shocks, backend, greeks, price, twin, valuation, value
from engine.pricing.american import solve
from engine.pricing.bands import RUNG, TIME_STEP, base_middle
from engine.pricing.tables import Tables
from tests.unit.contracts import later

SECOND = 1.0 / (365.0 * 86_400.0)
DISTINCT = 8
"""Tables of the book: one for each with a dividend, and for the others, whose strikes share them, a call's and a put's."""


def book() -> Contracts:
    """Twelve Americans in the middle of their rung of deviations and of their ten minutes, half of them with a dividend."""
    strikes, calls = np.meshgrid([90.0, 100.0, 110.0], [True, False, True, False])
    tau = np.rint(0.4 / TIME_STEP) * TIME_STEP
    c = Contracts.of(
        model=Model.AMERICAN,
        is_call=calls.ravel(),
        strike=strikes.ravel(),
        spot=100.0,
        sigma=0.3,
        tau=tau,
        rate=0.04,
        dividend_yield=0.02,
        dividends=[[]] * 6 + [[(0.11, 0.8)]] * 6,
    )
    return replace(c, sigma=base_middle(c) / np.sqrt(tau))


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    """The tables that the door reads, none made yet."""
    fresh = Tables(1_000_000)
    monkeypatch.setattr(valuation, "_TABLES", fresh)
    return fresh


def test_strikes_share_a_table_but_for_cash_dividends(tables: Tables) -> None:
    price(book())
    assert tables.built == DISTINCT


def test_the_same_contracts_again_take_no_table(tables: Tables) -> None:
    price(book())
    price(book())
    assert tables.built == DISTINCT


def test_a_contract_held_twice_takes_one_table(tables: Tables) -> None:
    c = book()
    price(c.take(np.array([3, 3, 3])))
    assert tables.built == 1


def test_a_tick_of_spot_takes_no_table(tables: Tables) -> None:
    c = book()
    price(c)
    price(replace(c, spot=1.03 * c.spot))
    assert tables.built == DISTINCT


def test_a_tick_of_volatility_within_its_rung_takes_no_table(tables: Tables) -> None:
    c = book()
    price(c)
    price(replace(c, sigma=c.sigma * RUNG**0.49))
    assert tables.built == DISTINCT


def test_a_tick_of_volatility_to_the_next_rung_takes_one_table(tables: Tables) -> None:
    c = book().take(np.array([0]))
    price(c)
    price(replace(c, sigma=c.sigma * RUNG**0.51))
    assert tables.built == 2


def test_ten_seconds_take_no_table(tables: Tables) -> None:
    c = book()
    price(c)
    price(later(c, 10.0 * SECOND))
    assert tables.built == DISTINCT


def test_ten_minutes_take_one_table_each(tables: Tables) -> None:
    c = book()
    price(c)
    price(later(c, 600.0 * SECOND))
    assert tables.built == 2 * DISTINCT


def test_a_europeans_put_and_call_share_a_table(tables: Tables) -> None:
    c = book().take(np.array([6, 9]))
    price(replace(c, model=np.full(2, int(Model.BLACK_SCHOLES))))
    assert tables.built == 1


def test_a_european_without_dividends_takes_no_table(tables: Tables) -> None:
    c = book().take(np.arange(6))
    price(replace(c, model=np.full(6, int(Model.BLACK_SCHOLES))))
    assert tables.built == 0


def test_a_shock_beyond_the_band_takes_a_second_table(tables: Tables) -> None:
    c = book().take(np.array([0]))
    value(c, valuation.Shocks(c.spot[None, :], 3.0 * c.sigma[None, :], np.zeros(1)))
    assert tables.built == 2


def small(monkeypatch: pytest.MonkeyPatch, capacity: int) -> Tables:
    tables = Tables(capacity)
    monkeypatch.setattr(valuation, "_TABLES", tables)
    return tables


def test_tables_that_are_forgotten_change_no_answer(monkeypatch: pytest.MonkeyPatch, tables: Tables) -> None:
    c = book()
    ample = price(c)
    small(monkeypatch, 1_500)
    piecewise = [price(c.take(np.arange(i, i + 2)))[0] for i in range(0, 12, 2)]
    np.testing.assert_array_equal(piecewise, ample[::2])


def test_what_is_kept_stays_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    c, tables = book(), small(monkeypatch, 2_000)
    used = []
    for i in range(12):
        price(c.take(np.array([i])))
        used.append(tables._used)
    assert max(used) <= 2_000


def test_a_call_that_needs_more_than_the_bound_is_answered(
    monkeypatch: pytest.MonkeyPatch, tables: Tables
) -> None:
    c = book()
    ample = price(c)
    small(monkeypatch, 10)
    np.testing.assert_array_equal(price(c), ample)


def test_a_call_that_needs_more_than_the_bound_keeps_no_more_than_its_own(
    monkeypatch: pytest.MonkeyPatch, tables: Tables
) -> None:
    c = book()
    price(c)
    tight = small(monkeypatch, 10)
    for _ in range(3):
        price(c)
    assert tight._used == tables._used


def test_threads_that_ask_at_once_get_the_answer_of_one(
    monkeypatch: pytest.MonkeyPatch, tables: Tables
) -> None:
    c = book()
    books = [replace(c, rate=c.rate + 0.001 * k) for k in range(4)]
    alone = [greeks(b).rho for b in books]
    small(monkeypatch, 20_000)  # two books fill it: the threads make each other's tables be forgotten
    together: list[np.ndarray] = [np.empty(0)] * 8
    gate = threading.Barrier(8)

    def ask(k: int) -> None:
        gate.wait()
        together[k] = greeks(books[k % 4]).rho

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(together, alone + alone)


class Failing:
    """Kernels whose `build` fails after it has written half."""

    def __init__(self) -> None:
        self.evaluate = twin.evaluate

    def build(self, rows: object, begins: int, ends: int, numbers: np.ndarray) -> None:
        numbers[:100] = 1e9
        raise MemoryError("no room")


def half_made(monkeypatch: pytest.MonkeyPatch, c: Contracts) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(backend, "kernels", Failing)
        with pytest.raises(MemoryError, match="no room"):
            price(c)


def test_an_error_while_tables_are_made_leaves_none(monkeypatch: pytest.MonkeyPatch, tables: Tables) -> None:
    half_made(monkeypatch, book())
    assert len(tables) == 0


def test_after_an_error_the_answer_is_right(monkeypatch: pytest.MonkeyPatch, tables: Tables) -> None:
    c = book()
    half_made(monkeypatch, c)
    after = price(c)
    small(monkeypatch, 1_000_000)
    np.testing.assert_array_equal(after, price(c))


def test_a_volatile_contract_with_dividends_is_read_off_a_table_as_far_as_one_reaches(tables: Tables) -> None:
    quarterly = [(0.06 + 0.25 * k, 0.5) for k in range(8)]
    c = Contracts.of(
        model=Model.AMERICAN, is_call=[True, False], spot=100.0, strike=100.0, sigma=0.65, tau=1.95, rate=0.048,
        dividends=[quarterly],
    )  # fmt: skip
    sigma = np.array([[0.43, 0.43], [0.9, 0.9], [1.3, 1.3]])
    values = value(c, Shocks(np.broadcast_to(c.spot, sigma.shape), sigma, np.zeros(3)))
    early = np.ones(2, dtype=bool)
    exact = [solve(replace(c, sigma=at), early, steps=1601).price for at in sigma]
    assert tables.built == 2
    assert np.abs(values - exact).max() < 0.005
