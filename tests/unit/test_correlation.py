"""How positions move together: laws of the matrix by property, and what has no correlation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.analysis import analyse
from engine.marks import mark_book
from engine.model import Kind
from engine.risk.correlation import STILL_BELOW, cluster_order, correlation, correlations, pearson
from engine.risk.moves import daily_moves
from engine.risk.tail import FILTERED
from engine.scenarios import pnl_under
from tests.unit.books import MARKET, SETTINGS, holding, option, snapshot
from tests.unit.test_tail import market

K, N = 60, 6
days = hnp.arrays(np.float64, (K, N), elements=st.integers(-1000, 1000).map(float))
columns = st.integers(0, N - 1)


def moving(pnl):
    assume((np.ptp(pnl, axis=0) > 0.0).all())
    return pnl


def tail(positions, underlyings=None):
    chosen = market() if underlyings is None else underlyings
    return analyse(snapshot(positions, chosen, net_liquidation=1e5), SETTINGS).tail


def between(found, one, other):
    return found.matrix[found.names.index(one), found.names.index(other)]


# Laws of the matrix


@settings(deadline=None, max_examples=100)
@given(days, st.integers(0, N))
def test_it_is_symmetric_with_ones_and_positive_semi_definite(pnl, copied):
    pnl[:, :copied] = pnl[:, -1:]
    matrix = pearson(moving(pnl))
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diagonal(matrix), 1.0)
    assert np.abs(matrix).max() <= 1.0
    assert np.linalg.eigvalsh(matrix)[0] >= -1e-12 * N


def test_five_hundred_positions_over_fewer_days_are_positive_semi_definite_to_rounding():
    matrix = pearson(np.random.default_rng(2).normal(size=(450, 500)))
    assert np.linalg.eigvalsh(matrix)[0] >= -1e-12


@settings(deadline=None, max_examples=60)
@given(days)
def test_it_is_what_numpy_says(pnl):
    np.testing.assert_allclose(pearson(moving(pnl)), np.corrcoef(pnl.T), atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(days, columns, st.floats(1e-9, 1e9))
def test_the_size_of_a_position_changes_nothing_and_its_side_turns_the_signs(pnl, i, size):
    before = pearson(moving(pnl))
    larger, short = pnl.copy(), pnl.copy()
    larger[:, i] *= size
    short[:, i] *= -size
    np.testing.assert_allclose(pearson(larger), before, atol=1e-9)
    turned = before.copy()
    turned[i], turned[:, i] = -turned[i], -turned[:, i]
    turned[i, i] = 1.0
    np.testing.assert_allclose(pearson(short), turned, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(np.float64, K, elements=st.floats(-1e6, 1e6)), st.floats(0.01, 100.0))
def test_a_contract_twice_is_one_and_a_long_and_a_short_are_opposed(pnl, size):
    assume(np.ptp(pnl) > 1e-6 * np.abs(pnl).max())
    matrix = pearson(np.column_stack([pnl, size * pnl, -size * pnl]))
    np.testing.assert_allclose(matrix[0], [1.0, 1.0, -1.0], atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(days, st.permutations(range(N)))
def test_the_order_of_the_columns_is_that_of_the_rows(pnl, order):
    np.testing.assert_allclose(
        pearson(moving(pnl)[:, order]), pearson(pnl)[np.ix_(order, order)], rtol=0, atol=1e-12
    )


@settings(deadline=None, max_examples=60)
@given(days, st.sets(columns), st.sets(columns))
def test_what_never_moves_or_is_unknown_is_named_and_in_no_figure_and_the_rest_is_as_without_it(
    pnl, still, unknown
):
    moving(pnl)
    pnl[:, list(still)] = 3.3
    pnl[7, list(unknown)] = np.nan
    names = tuple("abcdef")
    found = correlation(pnl, names)
    out = still | unknown
    rest = [i for i in range(N) if i not in out]
    assert [remark.id for remark in found.left_out] == [names[i] for i in sorted(out)]
    assert np.isnan(found.matrix[list(out)]).all() and np.isnan(found.matrix[:, list(out)]).all()
    np.testing.assert_allclose(found.matrix[np.ix_(rest, rest)], pearson(pnl[:, rest]), rtol=0, atol=1e-12)
    assert sorted(found.order) == rest


@pytest.mark.parametrize("size", [1e-200, 1e-3, 1.0, 1e200])
def test_no_size_of_amounts_over_or_underflows(size):
    pnl = np.random.default_rng(4).normal(size=(K, 3))
    np.testing.assert_allclose(pearson(size * pnl), pearson(pnl), atol=1e-12)


def test_what_moves_by_less_than_a_cent_is_as_good_as_still():
    pnl = np.random.default_rng(4).normal(size=(K, 2))
    pnl[:, 1] *= 0.99 * STILL_BELOW / pnl[:, 1].std()
    found = correlation(pnl, ("large", "tiny"))
    assert [(remark.id, remark.reason) for remark in found.left_out] == [("tiny", "its P&L does not move")]
    assert found.order == (0,) and found.average is None


# The order


@settings(deadline=None, max_examples=40)
@given(days)
def test_the_order_is_a_permutation(pnl):
    assert sorted(cluster_order(pearson(pnl))) == np.flatnonzero(np.ptp(pnl, axis=0) > 0.0).tolist()


def test_the_order_puts_groups_beside_each_other():
    random = np.random.default_rng(6)
    groups = random.normal(size=(K, 3))
    member = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    order = cluster_order(pearson(groups[:, member] + 0.3 * random.normal(size=(K, 9))))
    assert len({tuple(member[list(order[i : i + 3])]) for i in (0, 3, 6)}) == 3
    assert all(len(set(member[list(order[i : i + 3])])) == 1 for i in (0, 3, 6))


def test_a_few_hundred_are_ordered_too():
    order = cluster_order(pearson(np.random.default_rng(6).normal(size=(K, 200))))
    assert sorted(order) == list(range(200))


# Words: pairs and the average


def test_pairs_by_hand():
    pnl = np.array([[1.0, 2.0, -1.0], [-1.0, -2.0, 1.0], [1.0, 2.0, 1.0], [-1.0, -2.0, -1.0]])
    found = correlation(pnl, ("a", "b", "c"))
    assert [(pair.one, pair.other) for pair in found.closest(5)] == [("a", "b")]
    assert found.closest(5)[0].correlation == pytest.approx(1.0)
    assert found.most_opposed(5) == () and found.average == pytest.approx(1.0 / 3.0)


def test_the_pairs_come_by_strength_and_no_pair_twice():
    pnl = np.random.default_rng(9).normal(size=(K, 8))
    found = correlation(pnl, tuple("abcdefgh"))
    both = [*found.closest(99), *reversed(found.most_opposed(99))]
    values = [pair.correlation for pair in both]
    assert values == sorted(values, reverse=True) and len(both) == 8 * 7 // 2
    assert found.average == pytest.approx(np.mean(values))
    assert len({frozenset((pair.one, pair.other)) for pair in both}) == len(both)


def test_a_part_is_the_same_figures_in_the_same_order():
    pnl = np.random.default_rng(9).normal(size=(K, 8))
    pnl[:, 5] = 0.0
    found = correlation(pnl, tuple("abcdefgh"))
    part = found.of([6, 1, 5, 4])
    assert part.names == ("b", "e", "f", "g")
    np.testing.assert_array_equal(part.matrix, found.matrix[np.ix_([1, 4, 5, 6], [1, 4, 5, 6])])
    assert [part.names[i] for i in part.order] == [
        found.names[i] for i in found.order if found.names[i] in "beg"
    ]
    assert [remark.id for remark in part.left_out] == ["f"]


# The book


def test_a_put_is_opposed_to_its_stock_and_a_short_put_is_with_it():
    held = [
        holding("AAA", 10.0, mark=100.0),
        option("AAA", 100, "P", 1.0, iv=0.3, id="long"),
        option("AAA", 100, "P", -3.0, iv=0.3, id="short"),
    ]
    found = tail(held).correlation
    assert between(found, "AAA", "long") < -0.9
    assert between(found, "AAA", "short") == pytest.approx(-between(found, "AAA", "long"))
    assert between(found, "long", "short") == pytest.approx(-1.0)


def test_by_underlying_it_is_of_the_sums():
    held = [
        holding("AAA", 10.0, mark=100.0),
        option("AAA", 100, "P", 2.0, iv=0.3),
        holding("BBB", 5.0, mark=50.0),
    ]
    found = tail(held)
    assert found.correlation_by_underlying.names == ("AAA", "BBB")
    alone = tail(held[:2]).correlation_by_underlying
    assert (alone.names, alone.order, alone.matrix.tolist()) == (("AAA",), (0,), [[1.0]])
    assert found.correlation_by_underlying.deviation[0] == pytest.approx(alone.deviation[0])


def test_it_is_of_the_profits_that_the_first_method_s_figures_are_of():
    held = [holding("AAA", 10.0, mark=100.0), holding("BBB", -5.0, mark=50.0)]
    book = mark_book(snapshot(held, market()), SETTINGS)
    moves = daily_moves(book, SETTINGS.scenarios)
    pnl = pnl_under(book, *moves.shocked(book, True, SETTINGS.scenarios))
    found = tail(held)
    assert found.figures[0].method == FILTERED
    np.testing.assert_allclose(found.correlation.matrix, np.corrcoef(pnl.T), atol=1e-12)
    np.testing.assert_allclose(found.correlation.deviation, pnl.std(axis=0))


def test_cash_and_what_is_halted_have_no_correlation_and_are_named():
    still = {
        **market(),
        "BBB": replace(market()["BBB"], closes=tuple((day, 50.0) for day, _ in market()["SPY"].closes)),
    }
    held = [
        holding("AAA", 10.0, mark=100.0),
        holding("BBB", 5.0, mark=50.0),
        holding("EUR", 100.0, Kind.CASH, currency="USD", mark=1.1),
    ]
    found = tail(held, still)
    assert [remark.id for remark in found.correlation.left_out] == ["BBB", "EUR"]
    assert {remark.reason for remark in found.correlation.left_out} == {"its P&L does not move"}
    assert np.isnan(found.correlation.matrix[1:]).all() and found.correlation.matrix[0, 0] == 1.0
    assert [remark.id for remark in found.correlation_by_underlying.left_out] == ["BBB", "EUR"]


def test_a_position_that_is_in_no_figure_has_no_correlation_and_its_underlying_is_of_the_rest():
    held = [
        holding("AAA", 10.0, mark=100.0),
        option("ZZZ", 10, "C", id="unknown"),
        holding("BBB", 1.0, mark=50.0),
    ]
    found = tail(held, {**market(), "ZZZ": replace(MARKET["BBB"], symbol="ZZZ", spot=None)})
    assert [(one.id, one.reason) for one in found.correlation.left_out] == [
        ("unknown", "its P&L is unknown on some days")
    ]
    assert [(one.id, one.reason) for one in found.correlation_by_underlying.left_out] == [
        ("ZZZ", "its P&L is unknown on some days")
    ]
    assert found.correlation.order == (0, 2)


def test_all_cash_has_no_correlation_at_all():
    found = tail(
        [holding("EUR", 100.0, Kind.CASH, mark=1.1), holding("GBP", 1.0, Kind.CASH, mark=1.3)]
    ).correlation
    assert found.order == () and found.average is None and len(found.left_out) == 2
    assert found.closest(3) == found.most_opposed(3) == ()


@pytest.mark.parametrize("held", [[], [holding("AAA", 1.0, mark=100.0)]])
def test_without_history_or_positions_there_is_none(held):
    found = tail(held, market(closes=False, iv=False))
    assert found.unknown is not None and found.correlation.names == () and found.correlation.average is None


def test_one_position_alone_moves_with_nothing():
    found = tail([holding("AAA", 1.0, mark=100.0)]).correlation
    assert (found.matrix.tolist(), found.order, found.average) == ([[1.0]], (0,), None)


@pytest.mark.parametrize("k", [0, 1])
def test_no_day_or_one_tells_nothing(k):
    one, by = correlations(np.full((k, 2), 5.0), [holding("AAA"), holding("BBB")])
    assert np.isnan(one.matrix).all() and one.order == by.order == () and len(by.left_out) == 2
    assert all(math.isnan(x) or x == 0.0 for x in one.deviation)
