"""The figures that history keeps of each cycle: what they are made of, and that unknown is stored as unknown."""

import math
import runpy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.results import Remark, TailFigure
from engine.store import Store
from engine.store.headlines import headline

samples = runpy.run_path(str(Path(__file__).parents[1] / "integration" / "store_writer.py"))
START, a_snapshot, a_report, a_run = (samples[name] for name in ("START", "a_snapshot", "a_report", "a_run"))
FIGURES = (
    TailFigure("filtered history", 0.975, 900.0, 1_250.0, 500),
    TailFigure("filtered history", 0.99, 1_200.0, 1_500.0, 500),
    TailFigure("plain history", 0.99, 7.0, 8.0, 500),
)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'riskbot.sqlite3'}") as opened:
        yield opened


def full_report(**changes):
    report = a_report(a_run("Market Panic", -500.0), a_run("Black Swan", -25_000.0), a_run("FOMO", 900.0))
    return replace(
        report,
        tail=replace(report.tail, figures=FIGURES, unknown=None),
        greeks=replace(report.greeks, vega=-310.0),
        standing=replace(report.standing, gamma_pnl=np.array([-700.0, math.nan, 100.0])),
        **changes,
    )


def test_a_cycle_keeps_its_headline_figures(store):
    store.save_cycle(a_snapshot(), full_report(), [], [])

    (one,) = store.headlines(START)

    assert (one.at, one.currency, one.net_liquidation) == (START, "USD", 250_000.0)
    assert (one.var_99, one.es_975) == (1_200.0, 1_250.0)
    assert (one.worst_scenario, one.worst_loss) == ("Black Swan", 0.1)
    assert (one.vega, one.gamma_loss, one.left_out) == (-310.0, 600.0, 0)


def test_what_is_unknown_is_stored_as_unknown(store):
    report = a_report(a_run(pnl=None))
    report = replace(report, net_liquidation=None, greeks=replace(report.greeks, vega=math.nan))

    store.save_cycle(a_snapshot(), report, [], [])

    (one,) = store.headlines(START)
    unknown = (one.net_liquidation, one.var_99, one.es_975, one.worst_scenario, one.worst_loss, one.vega)
    assert unknown == (None,) * 6 and one.gamma_loss is None


@pytest.mark.parametrize("absurd", [math.nan, math.inf, 1.797e308])
def test_no_absurd_number_keeps_a_cycle_from_being_stored(store, absurd):
    figures = (replace(FIGURES[0], es=absurd), replace(FIGURES[1], var=absurd))
    report = full_report(net_liquidation=absurd)
    report = replace(report, tail=replace(report.tail, figures=figures))

    store.save_cycle(a_snapshot(), report, [], [])

    (one,) = store.headlines(START)
    assert (one.net_liquidation, one.var_99, one.es_975) == (None, None, None)


def test_without_a_basis_there_is_no_share_and_so_no_worst_scenario():
    assert headline(full_report(basis=None)).worst_scenario is None


def test_of_an_account_that_is_not_whole_nothing_is_kept(store):
    store.save_cycle(a_snapshot(), full_report(complete=False), [], [])

    assert store.headlines(START) == []


def test_positions_in_no_figure_are_counted_once():
    report = full_report()
    remarks = (Remark("DU1:A", "no price"), Remark("DU1:B", "no price"))
    report = replace(report, quality=replace(report.quality, left_out=remarks))
    report = replace(report, tail=replace(report.tail, left_out=(Remark("DU1:B", "no history"),)))

    assert headline(report).left_out == 2


def test_headlines_come_in_order_since_a_time(store):
    times = [START + timedelta(minutes=5 * i) for i in (2, 0, 1)]
    for at in times:
        store.save_cycle(a_snapshot(at), full_report(as_of=at), [], [])

    assert [one.at for one in store.headlines(times[2])] == [times[2], times[0]]


def test_of_two_of_one_instant_the_last_counts(store):
    for value in (1.0, 2.0):
        store.save_cycle(a_snapshot(), full_report(net_liquidation=value), [], [])

    assert [one.net_liquidation for one in store.headlines(START)] == [2.0]
