"""A day of the embedded market explained: what revaluation leaves, and what the account itself says of it."""

from dataclasses import asdict

import pytest

from engine.risk import explain_pnl
from tests.unit.books import SETTINGS
from tests.unit.embedded_day import embedded_day

LEFT = 0.002
"""Of the gross Greek P&L; what is allowed is ten times as much."""


@pytest.mark.parametrize(("positions", "seed"), [(24, 7), (40, 1), (120, 3)])
def test_a_day_leaves_no_residual_but_data(positions, seed):
    first, second = embedded_day(positions, seed)
    found = explain_pnl(first, second, SETTINGS)
    assert found.left_out == () and len(found.positions) == positions
    assert abs(found.total.steps.data) < LEFT * found.gross
    assert sum(abs(row.explained.steps.data) for row in found.positions) < LEFT * found.gross
    assert sum(asdict(found.total.steps).values()) == pytest.approx(found.total.actual, abs=1e-6)
    assert abs(found.total.terms.residual) < 0.05 * found.gross


def test_the_account_s_own_change_of_value_is_the_explained_one():
    """The embedded account keeps its cash, and options that expire stay at their intrinsic value in it."""
    first, second = embedded_day()
    found = explain_pnl(first, second, SETTINGS)
    assert found.total.actual == pytest.approx(found.net_liquidation_change, abs=0.002 * found.gross)
    assert any("expired: settled at" in one.reason for one in found.remarks)
