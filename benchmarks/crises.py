"""`python -m benchmarks.crises`: the volatility models against what volatility indices did in dated crises.

Prints the tables of docs/validation.md; with `--write` puts them there, between the marks. Each event is the move of the S&P 500
between two closes and the Cboe index of 9, 30, 93 and 184 days at both. A model is given the first close and the move, and the
size of the shock from the templates (`multiplier`); its answer is compared with the second close, in vol points.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.page import DATA, show
from engine.model import Floats
from engine.scenarios import TEMPLATES, Scope
from engine.scenarios.iv_model import MODELS, hold
from engine.scenarios.shapes import Proportional
from engine.settings import ScenarioSettings

EVENTS: Final = DATA / "crises.json"
BEGIN, END = "<!-- crises: begin (python -m benchmarks.crises --write) -->", "<!-- crises: end -->"

TENORS: Final = np.array([9.0, 30.0, 93.0, 184.0])
INDICES: Final = ("vix9d", "vix", "vix3m", "vix6m")
SETTINGS: Final = ScenarioSettings()

Rule = Callable[[Floats, float], Floats]
"""Levels after, (4,), from levels before (decimals) and the move of spot."""


@dataclass(frozen=True, slots=True, eq=False)
class Crisis:
    """One dated window: `before` and `after` are (4,), decimals."""

    name: str
    move: float
    before: Floats
    after: Floats

    @property
    def realised(self) -> Floats:
        return 100.0 * (self.after - self.before)


def crises(path: Path) -> list[Crisis]:
    """The events of the file, in its order."""
    rows = json.loads(path.read_text(encoding="utf-8"))["events"]
    return [
        Crisis(
            row["name"],
            row["spx"][1] / row["spx"][0] - 1.0,
            *(np.array([row[index][end] for index in INDICES]) / 100.0 for end in (0, 1)),
        )
        for row in rows
    ]


def multiplier(move: float) -> float:
    """What the templates say of a month's volatility at the money for a move of the market: linear between them, held at the ends."""
    month = np.array([30.0])
    known = {
        leg: float(MODELS["beta_weighted"].at_the_money(scenario.iv, month, leg, SETTINGS)[0])
        for scenario in TEMPLATES
        if scenario.scope is Scope.MARKET and not scenario.days
        for leg in scenario.spot
    }
    moves = sorted(known)
    return float(np.interp(move, moves, [known[one] for one in moves]))


def of_model(name: str) -> Rule:
    """A configured model as a rule."""

    def after(before: Floats, move: float) -> Floats:
        shift = MODELS[name].at_the_money(Proportional(multiplier(move)), TENORS, move, SETTINGS)
        return hold(before, before * (1.0 + shift), SETTINGS)[0]

    return after


def ibkr(before: Floats, move: float) -> Floats:
    """IBKR's coordination as its guide describes it: -10 times a fall, -1 times a rise, damped with time to a fifth."""
    damped = 0.2 + 0.8 * np.exp(-TENORS / 28.0)
    return np.asarray(before * (1.0 - (10.0 if move < 0.0 else 1.0) * move * damped))


def points(before: Floats, move: float) -> Floats:
    """Vol points per percent, 1.64 for falls and 1.32 for rises at 30 days, by (30 / T)^0.38: fitted on 2011-2018."""
    return np.asarray(before - (1.64 if move < 0.0 else 1.32) * move * (30.0 / TENORS) ** 0.38)


RULES: Final[Mapping[str, Rule]] = {
    **{f"`{name}`": of_model(name) for name in MODELS},
    "no change": lambda before, move: before,
    "IBKR's 10X / X": ibkr,
    "points per percent": points,
}
"""The configured models first, then yardsticks that are not in riskbot."""


def errors(events: Iterable[Crisis], rule: Rule) -> Floats:
    """Predicted less realised change, (n_events, 4), vol points."""
    return np.array([100.0 * (rule(one.before, one.move) - one.after) for one in events])


def report(events: Sequence[Crisis]) -> str:
    """The page's tables, Markdown."""
    groups = {
        "all events": events,
        "falls of more than 2 %": [one for one in events if one.move < -0.02],
        "rises": [one for one in events if one.move > 0.0],
    }
    head = "| | 9 days | 30 days | 93 days | 184 days |\n|---|---|---|---|---|"
    parts = []
    for name, rows in groups.items():
        lines = [f"**RMSE in vol points, {name}: {len(rows)}** (mean error in brackets)\n", head]
        for label, rule in RULES.items():
            wrong = errors(rows, rule)
            cells = zip(np.sqrt((wrong**2).mean(axis=0)), wrong.mean(axis=0), strict=True)
            lines.append(
                f"| {label} | " + " | ".join(f"{rms:.1f} ({mean:+.1f})" for rms, mean in cells) + " |"
            )
        parts.append("\n".join(lines))
    parts.append(_by_event(events))
    return "\n\n".join(parts)


def _by_event(events: Sequence[Crisis]) -> str:
    lines = [
        "**Each event: change in vol points at 9 / 30 / 93 / 184 days**\n",
        "| event | spot | multiplier | realised | `beta_weighted` | `flat` |\n|---|---|---|---|---|---|",
    ]
    for one in events:
        predicted = [100.0 * (of_model(name)(one.before, one.move) - one.before) for name in MODELS]
        cells = " | ".join(" / ".join(f"{x:+.1f}" for x in column) for column in (one.realised, *predicted))
        lines.append(
            f"| {one.name} | {100 * one.move:+.1f} % | {100 * multiplier(one.move):+.0f} % | {cells} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(show(EVENTS, lambda path: report(crises(path)), BEGIN, END))
