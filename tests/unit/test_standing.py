"""How large the book is, where it is concentrated, and what each position does at worst, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from engine.analysis import analyse
from engine.model import Account, Kind
from engine.risk.buckets import BUCKETS, NO_EXPIRY, expiry_bucket
from engine.risk.standing import NO_SECTOR
from tests.unit.books import FAR, MARKET, SETTINGS, holding, option, snapshot
from tests.unit.histories import market


def report(held, underlyings=None, **account):
    of = snapshot(held, MARKET if underlyings is None else underlyings, net_liquidation=100_000.0)
    return analyse(replace(of, account=Account(**account)), SETTINGS)


HELD = [
    holding("AAA", 100.0, mark=100.0),
    holding("BBB", -200.0, mark=50.0),
    option("SPY", 640, "P", -2.0, iv=0.18),
    option("SPY", 600, "P", 1.0, iv=0.2, expiry=FAR),
]


def test_gross_net_leverage_and_cushion():
    of = report(HELD, excess_liquidity=25_000.0)
    values = [row.value for row in of.positions]
    assert values[:2] == [10_000.0, -10_000.0]
    assert of.standing.gross == pytest.approx(sum(abs(value) for value in values))
    assert of.standing.net == pytest.approx(sum(values))
    assert of.standing.leverage == pytest.approx(of.standing.gross / 100_000.0)
    assert of.standing.margin_cushion == 0.25


def test_delta_is_weighed_by_beta_and_told_in_shares_of_the_reference():
    of = report(HELD)
    beta = {"AAA": 1.5, "BBB": MARKET["BBB"].beta, "SPY": 1.0}
    expected = sum((beta[row.underlying] or 1.0) * row.exposure.dollar_delta for row in of.positions)
    assert of.standing.beta_delta == pytest.approx(expected)
    assert of.standing.beta_shares == pytest.approx(expected / MARKET["SPY"].spot)
    assert of.standing.assumed_betas == tuple(name for name in ("AAA", "BBB") if MARKET[name].beta is None)


def test_vega_of_a_month_weighs_far_expiries_less():
    of = report(HELD)
    expected = sum(row.exposure.vega * np.sqrt(30.0 / row.dte) for row in of.positions if row.dte is not None)
    assert of.standing.vega_30 == pytest.approx(expected)


def test_greeks_by_underlying_by_expiry_and_by_sector_sum_to_the_book_s():
    sectors = {
        name: replace(one, sector={"AAA": "Technology", "BBB": "Energy"}.get(name))
        for name, one in MARKET.items()
    }
    of = report(HELD, sectors)
    assert set(of.by_sector) == {"Technology", "Energy", NO_SECTOR}
    assert next(iter(of.by_expiry)) == NO_EXPIRY and len(of.by_expiry) == 3
    for groups in (of.by_underlying, of.by_expiry, of.by_sector):
        for greek in ("dollar_delta", "vega", "theta"):
            assert sum(getattr(one, greek) for one in groups.values()) == pytest.approx(
                getattr(of.greeks, greek)
            )
    assert of.by_sector["Energy"] == of.by_underlying["BBB"]


def test_without_a_known_sector_there_are_none():
    assert report(HELD).by_sector == {}


def test_the_last_day_of_a_bucket_is_in_it():
    assert [expiry_bucket(last) for last, _ in BUCKETS[:-1]] == [name for _, name in BUCKETS[:-1]]
    assert (expiry_bucket(-1), expiry_bucket(8), expiry_bucket(4000)) == (
        BUCKETS[0][1],
        BUCKETS[1][1],
        BUCKETS[-1][1],
    )
    assert expiry_bucket(None) == NO_EXPIRY


def test_concentration_is_of_net_liquidation_and_parts_of_the_tail_sum_to_it():
    of = report(HELD, market())
    rows = {row.name: row for row in of.concentration}
    assert (rows["AAA"].value, rows["BBB"].value) == (0.1, 0.1)
    assert rows["BBB"].dollar_delta == pytest.approx(0.1)
    assert sum(row.es for row in rows.values()) == pytest.approx(1.0)
    values = [row.value for row in of.concentration]
    assert values == sorted(values, reverse=True)


def test_without_history_the_share_of_the_tail_is_unknown():
    assert [row.es for row in report(HELD).concentration] == [None] * 3


def test_the_worst_and_the_best_scenario_of_each_position():
    of = report(HELD)
    for i, row in enumerate(of.positions):
        pnl = {result.name: result.position_pnl[i] for result in of.scenarios}
        assert row.worst.pnl == min(pnl.values()) == pnl[row.worst.id]
        assert row.best.pnl == max(pnl.values()) == pnl[row.best.id]
    result = of.scenarios[0]
    assert result.position_pct[1] == pytest.approx(100.0 * result.position_pnl[1] / 10_000.0)


def test_extrinsic_value_is_the_mark_less_what_exercise_gives():
    held = [option("AAA", 90, "C", 1.0, iv=0.3, mark=11.5), option("AAA", 90, "P", 1.0, iv=0.3, mark=0.7)]
    assert [row.extrinsic for row in report([*held, holding("AAA", 1.0, mark=100.0)]).positions] == [
        1.5,
        0.7,
        None,
    ]


def test_an_empty_book_and_one_of_cash_have_defined_answers():
    empty = report([])
    assert (empty.standing.gross, empty.standing.beta_delta, empty.concentration) == (0.0, 0.0, ())
    cash = report([holding("EUR", 100.0, Kind.CASH, mark=1.0)])
    assert (cash.standing.gross, cash.standing.leverage, cash.standing.margin_cushion) == (100.0, 0.001, None)


def test_what_cannot_be_valued_is_in_no_sum_and_has_no_share():
    dark = {**MARKET, "AAA": replace(MARKET["AAA"], spot=None)}
    of = report([holding("AAA", 100.0), holding("BBB", 10.0, mark=50.0)], dark)
    assert of.standing.gross == 500.0 and [remark.id for remark in of.quality.left_out] == ["AAA"]
    unknown = next(row for row in of.concentration if row.name == "AAA")
    assert (unknown.value, unknown.dollar_delta) == (None, None)
    assert of.positions[0].worst is None
