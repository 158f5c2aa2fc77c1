"""The volatility models against dated crises (shared/data/crises.json), and the page that says so."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.crises import BEGIN, END, RULES, Crisis, crises, errors, multiplier, report
from benchmarks.page import shown_between


@pytest.fixture(scope="module")
def events(reference_data: Path) -> list[Crisis]:
    return crises(reference_data / "crises.json")


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (-0.30, 1.50),
        (-0.20, 1.50),
        (-0.05, 0.35),
        (-0.041, 0.305),
        (0.0, 0.0),
        (0.04, -0.0875),
        (0.10, 0.10),
        (0.5, 0.10),
    ],
)
def test_the_size_of_a_shock_is_what_the_templates_say(move: float, expected: float) -> None:
    assert multiplier(move) == pytest.approx(expected)


def test_one_event_by_hand(events: list[Crisis]) -> None:
    """2018-02-05: 20 + 15 * 2.098/3 = 30.5 % of VIX 17.31 at 30 days, half of that share of VIX6M 17.49."""
    (one,) = [event for event in events if event.name == "volmageddon_2018_02_05"]
    change = 100.0 * (RULES["`beta_weighted`"](one.before, one.move) - one.before)
    assert change[[1, 3]] == pytest.approx([17.31 * 0.3049, 17.49 * 0.3049 / 2], abs=0.01)
    assert one.realised[[1, 3]] == pytest.approx([20.01, 7.06])


def test_there_are_32_events_and_the_models_beat_no_change_at_every_tenor(events: list[Crisis]) -> None:
    assert len(events) == 32
    rmse = {name: np.sqrt((errors(events, rule) ** 2).mean(axis=0)) for name, rule in RULES.items()}
    assert (rmse["`beta_weighted`"] < rmse["no change"]).all() and (rmse["`flat`"] < rmse["no change"]).all()


def test_the_page_shows_the_tables_of_these_models(events: list[Crisis]) -> None:
    assert shown_between(BEGIN, END) == report(events), "run: python -m benchmarks.crises --write"
