"""The simulated Value at Risk: against what a formula says of it, and the laws of what is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from engine.analysis import analyse, with_simulation
from engine.marks import mark_book
from engine.model import Kind
from engine.risk.moves import daily_moves, term_scale
from engine.risk.simulation import es_error, factors, shrunk_correlation, var_error
from engine.risk.tail import BY_GREEKS, SIMULATED, expected_shortfall, value_at_risk
from tests.unit.books import FAR, MARKET, SETTINGS, VIX_DAY, holding, option, snapshot
from tests.unit.histories import TODAYS, history, market

PATHS = SETTINGS.simulation.paths
FREEDOM = SETTINGS.simulation.degrees_of_freedom


def figures(held, underlyings=None, **simulation):
    chosen = SETTINGS.model_copy(update={"simulation": SETTINGS.simulation.model_copy(update=simulation)})
    of = snapshot(held, market() if underlyings is None else underlyings, net_liquidation=1e5)
    tail = with_simulation(analyse(of, chosen), of, chosen).tail
    return [tail.figure(level, SIMULATED) for level in (0.95, 0.975, 0.99)]


def drawn(held, underlyings=None):
    book = mark_book(snapshot(held, market() if underlyings is None else underlyings), SETTINGS)
    return factors(book, daily_moves(book, SETTINGS.scenarios))


def unit_t(level):
    """Quantile of Student's t of unit variance."""
    return stats.t.ppf(level, FREEDOM) * np.sqrt((FREEDOM - 2.0) / FREEDOM)


def test_one_stock_has_the_quantiles_of_its_distribution():
    (size,) = drawn([holding("AAA", 10.0, mark=100.0)]).size
    for figure in figures([holding("AAA", 10.0, mark=100.0)], paths=200_000):
        exact = 1_000.0 * (1.0 - np.exp(-size * unit_t(figure.level)))
        assert abs(figure.var - exact) < 4.0 * figure.var_error
        assert 0.0 < figure.var_error < 0.02 * exact


def test_a_book_of_stocks_has_the_value_at_risk_of_its_covariance():
    held = [holding("AAA", 4.0, mark=100.0), holding("BBB", -6.0, mark=50.0), holding("SPY", 1.0, mark=640.0)]
    of = drawn(held)
    weights = np.array([400.0, -300.0, 640.0])[np.argsort(of.spot)]
    spread = np.sqrt(weights @ (of.correlation * np.outer(of.size, of.size)) @ weights)
    for figure in figures(held, paths=100_000):
        # a log return of 2 % makes a loss of 1.98 %: the line is a tangent
        assert figure.var == pytest.approx(spread * unit_t(figure.level), rel=0.03)


def test_the_same_seed_gives_the_same_figures_and_another_others_within_their_error():
    held = [holding("AAA", 10.0, mark=100.0), option("AAA", 100, "P", -2.0, iv=0.3)]
    first, again, other = figures(held), figures(held), figures(held, seed=2)
    assert first == again
    for one, two in zip(first, other, strict=True):
        assert 0.0 < abs(one.var - two.var) < 5.0 * one.var_error
        assert 0.0 < abs(one.es - two.es) < 5.0 * one.es_error


def test_a_position_and_its_opposite_cancel_in_every_path():
    held = [option("SPY", 640, "P", q, iv=0.18, id=str(q)) for q in (3.0, -3.0)]
    assert all(abs(one.var) < 1e-6 and abs(one.es) < 1e-6 for one in figures(held))


def test_a_book_twice_as_large_has_twice_the_figures():
    held = [holding("AAA", 10.0, mark=100.0), option("SPY", 640, "P", -1.0, iv=0.18)]
    twice = [replace(one, quantity=2.0 * one.quantity) for one in held]
    for one, two in zip(figures(held), figures(twice), strict=True):
        assert two.var == pytest.approx(2.0 * one.var) and two.es_error == pytest.approx(2.0 * one.es_error)
        assert one.es >= one.var


def test_options_of_all_kinds_are_in_it():
    held = [
        option("AAA", 95, "P", -3.0, iv=0.35), option("SPX", 6400, "C", 1.0, iv=0.15),
        option("SPY", 600, "P", 2.0, iv=0.2, expiry=FAR), option("VIX", 20, "C", 5.0, iv=0.9, expiry=VIX_DAY),
        holding("ES", 1.0, mark=6420.0, multiplier=50.0), holding("BOND", 1.0, Kind.BOND, mark=99.5),
    ]  # fmt: skip
    found = figures(held)
    assert [one.days for one in found] == [PATHS] * 3 and all(one.var > 0.0 for one in found)
    assert [one.var for one in found] == sorted(one.var for one in found)


def test_what_does_not_move_has_no_simulated_loss():
    held = [holding("BOND", 1.0, Kind.BOND, mark=99.5), holding("AAA", 0.0, mark=1.0)]
    assert [one.var for one in figures(held)] == [0.0] * 3


def test_without_history_there_is_none():
    assert figures([holding("AAA", 1.0, mark=100.0)], MARKET) == [None] * 3
    assert figures([]) == [None] * 3


def test_volatility_follows_the_return_by_its_own_regression():
    """Volatilities made as -4 times a fall and -1 times a rise come back so, and nothing else is drawn of them."""
    closes = market()["AAA"].closes
    returns = np.diff(np.log([x for _, x in closes]))
    path = np.concatenate([[0.0], np.cumsum(np.where(returns < 0.0, -4.0, -1.0) * returns)])
    volatility = tuple(zip(TODAYS, (0.3 * np.exp(path - path[-1])).tolist(), strict=True))
    put = option("AAA", 95, "P", 1.0, iv=0.3)
    of = drawn([put], market() | {"AAA": replace(market()["AAA"], iv_history=volatility)})
    np.testing.assert_allclose(of.slopes, [[-4.0, -1.0]], rtol=1e-6)
    spot, iv = of.moves(np.array([[-1.0] * len(of.size), [1.0] * len(of.size)]))
    days = (put.contract.expiry - snapshot([], {}).as_of.date()).days
    np.testing.assert_allclose(iv[:, 0], np.array([-4.0, -1.0]) * spot[:, 0] * term_scale(days), rtol=1e-6)


def test_names_that_move_as_one_are_drawn_as_one():
    """A fund by its ratio and a future are the market itself: a hedge of one with the other leaves nothing to chance."""
    underlyings = {**market(), "TQQQ": replace(MARKET["TQQQ"], closes=None)}
    held = [holding("SPY", 1.0, mark=640.0), holding("TQQQ", 1.0, mark=90.0), holding("ES", 1.0, mark=6420.0)]
    of = drawn(held, underlyings)
    assert len(of.size) == 1
    np.testing.assert_allclose(of.spot_ratio, [1.0, 3.0, 1.0])


units = hnp.arrays(np.float64, st.tuples(st.integers(5, 40), st.integers(1, 12)), elements=st.floats(-3, 3))


@settings(deadline=None, max_examples=80)
@given(units)
def test_a_shrunk_correlation_is_one_and_is_between_the_seen_and_none(columns):
    size = np.sqrt(np.mean(np.square(columns), axis=0))
    columns = np.divide(columns, size, out=np.zeros_like(columns), where=size > 0.0)
    found = shrunk_correlation(columns)
    seen = columns.T @ columns / len(columns)
    assert np.linalg.eigvalsh(found).min() > -1e-12 and (np.diag(found) == 1.0).all()
    assert (np.abs(found) <= np.abs(np.where(np.eye(len(seen)) > 0, 1.0, seen)) + 1e-12).all()


def test_the_shrinkage_comes_nearer_to_the_truth_than_what_is_seen():
    random = np.random.default_rng(5)
    truth = np.full((20, 20), 0.4) + 0.6 * np.eye(20)
    sample = random.multivariate_normal(np.zeros(20), truth, 60)
    sample /= np.sqrt(np.mean(np.square(sample), axis=0))
    seen = sample.T @ sample / 60
    off = ~np.eye(20, dtype=bool)
    assert np.square(shrunk_correlation(sample) - truth)[off].sum() < np.square(seen - truth)[off].sum()


def test_standard_errors_are_those_of_many_repetitions():
    random = np.random.default_rng(11)
    runs = random.standard_t(FREEDOM, (400, 10_000))
    for error, of in ((var_error, value_at_risk), (es_error, expected_shortfall)):
        told = np.mean([error(run, 0.975) for run in runs[:50]])
        assert told == pytest.approx(np.std([of(run, 0.975) for run in runs]), rel=0.15)


def test_greeks_alone_agree_on_a_line_and_not_on_a_crash_put():
    held = [holding("AAA", 10.0, mark=100.0)]
    line = analyse(snapshot(held, market(), net_liquidation=1e5), SETTINGS).tail
    assert line.figure(0.99, BY_GREEKS).var == pytest.approx(line.figure(0.99).var)
    held = [option("AAA", 80, "P", -10.0, iv=0.3, mark=0.05)]
    wild = market() | {"AAA": replace(market()["AAA"], closes=history(9, 100.0, 0.05))}
    bent = analyse(snapshot(held, wild, net_liquidation=1e5), SETTINGS).tail
    assert bent.figure(0.99).var > 2.0 * bent.figure(0.99, BY_GREEKS).var
