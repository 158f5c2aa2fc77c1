"""`python -m benchmarks.backtests`: one-day 99 % Values at Risk of the S&P 500 against what it did, 2016-07 to 2026-06.

Prints the tables of docs/validation.md; with `--write` puts them there, between the marks.
"""

import csv
import gzip
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.page import DATA, show
from engine.model import Bools, Floats
from engine.risk.backtest import (
    BackTest,
    back_test,
    ewma_var,
    filtered_var,
    historical_var,
    normal_var,
    restarted_var,
    student_var,
)

CLOSES: Final = DATA / "prices" / "gspc_daily.csv.gz"
BEGIN, END = "<!-- backtests: begin (python -m benchmarks.backtests --write) -->", "<!-- backtests: end -->"
FIRST, LAST = "2016-07-01", "2026-06-30"
LEVEL: Final = 0.99

METHODS: Final[Mapping[str, Callable[[Floats, float], Floats]]] = {
    "filtered historical, 500 days": filtered_var,
    "filtered, two years alone (`/risk`)": restarted_var,
    "historical, 250 days": historical_var,
    "historical, 500 days": lambda returns, level: historical_var(returns, level, 500),
    "normal, 250 days": normal_var,
    "Student's t, 5 degrees (simulated paths)": student_var,
    "normal, exponentially weighted": ewma_var,
}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Simple returns (n,) and their days, ISO dates (n,), oldest first."""

    days: np.ndarray
    returns: Floats

    @property
    def judged(self) -> Bools:
        """Which days are judged: forecasts may look back to before them."""
        return np.asarray((self.days >= FIRST) & (self.days <= LAST))


def series(path: Path) -> Series:
    """The closes of the file as returns."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    closes = np.array([float(row["close"]) for row in rows])
    return Series(np.array([row["date"] for row in rows[1:]]), closes[1:] / closes[:-1] - 1.0)


def judge(of: Series, method: str, chosen: Bools | None = None) -> BackTest:
    """One method over the judged days, or over those of them that are chosen."""
    days = of.judged if chosen is None else of.judged & chosen
    return back_test(-of.returns[days], METHODS[method](of.returns, LEVEL)[days], LEVEL)


def report(of: Series) -> str:
    """The page's tables, Markdown."""
    tests = {method: judge(of, method) for method in METHODS}
    days = int(of.judged.sum())
    lines = [
        f"**{days} days, 99 %: {(1.0 - LEVEL) * days:.1f} exceptions expected** (likelihood ratios)\n",
        "| | exceptions | Kupiec (5 %: 3.84) | | independence (3.84) | both (5.99) |\n|---|---|---|---|---|---|",
    ]
    for method, test in tests.items():
        share = 100.0 * test.exceptions / test.days
        verdict = "passes" if test.passes() else "fails"
        lines.append(
            f"| {method} | {test.exceptions} = {share:.2f} % | {test.kupiec:.2f} | {verdict} | {test.independence:.2f} | {test.coverage:.2f} |"
        )
    return "\n".join(lines) + "\n\n" + _by_year(of)


def _by_year(of: Series) -> str:
    years = np.array([day[:4] for day in of.days])
    judged = np.unique(years[of.judged])
    lines = [
        "**Exceptions and Basel zone by year**\n",
        "| | " + " | ".join(judged) + " |\n|---" + "|---" * len(judged) + "|",
    ]
    for method in METHODS:
        tests = (judge(of, method, years == year) for year in judged)
        lines.append(f"| {method} | " + " | ".join(f"{test.exceptions} {test.zone}" for test in tests) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(show(CLOSES, lambda path: report(series(path)), BEGIN, END))
