"""`python -m benchmarks.betas`: which shrinkage of a beta foretells the next two years best.

49 large US stocks against SPY, total returns, 2005-2024: at each start of a year a beta from the last 60, 120 or 504 days is
compared with the slope of the two years that follow. Prints the table of docs/validation.md; with `--write` puts it there.
"""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.crises import DATA, write_between
from engine.scenarios.betas import Days, Estimate, estimate

PRICES: Final = DATA.parent / "prices"
BEGIN, END = "<!-- betas: begin (python -m benchmarks.betas --write) -->", "<!-- betas: end -->"
LENGTHS: Final = (60, 120, 504)
SPREADS: Final = (0.2, 0.3, 0.4, 0.5)
YEARS: Final = range(2007, 2023)
LEAST_AFTER: Final = 400


def closes(folder: Path) -> tuple[dict[str, Days], Days]:
    """Closes adjusted for splits and dividends, by ticker, and SPY's."""
    rows = pd.read_parquet(folder / "us_daily_close_adjclose_2005_2024-03.parquet")
    market = pd.read_csv(folder / "spy_daily.csv.gz")
    return {str(name): _days(of) for name, of in rows.groupby("ticker")}, _days(market)


def _days(rows: pd.DataFrame) -> Days:
    dates = pd.to_datetime(rows["date"]).dt.date
    return tuple(sorted(zip(dates, rows["adj_close"].astype(float), strict=True)))


def pairs(stocks: dict[str, Days], market: Days, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) slope and error before each start of a year, and (n,) the slope of the two years after."""
    before, after = [], []
    for year in YEARS:
        start, end = date(year, 1, 3), date(year, 1, 3) + timedelta(days=731)
        index_before = tuple(day for day in market if day[0] <= start)
        index_after = tuple(day for day in market if start <= day[0] <= end)
        for days in stocks.values():
            past = tuple(day for day in days if day[0] <= start)[-length - 1 :]
            if len(past) <= length:
                continue
            then = estimate.__wrapped__(past, index_before)
            later = estimate.__wrapped__(tuple(day for day in days if start <= day[0] <= end), index_after)
            if isinstance(then, Estimate) and isinstance(later, Estimate) and later.days >= LEAST_AFTER:
                before.append((then.slope, then.error))
                after.append(later.slope)
    return np.array(before), np.array(after)


def report() -> str:
    stocks, market = closes(PRICES)
    lines = [
        "| RMSE against the next two years | "
        + " | ".join(f"{n} days" for n in LENGTHS)
        + " |\n|---|---|---|---|"
    ]
    measured = [pairs(stocks, market, length) for length in LENGTHS]

    def row(name: str, predict) -> str:
        wrong = [np.sqrt(np.mean((predict(*before.T) - after) ** 2)) for before, after in measured]
        return f"| {name} | " + " | ".join(f"{x:.3f}" for x in wrong) + " |"

    lines.append(row("1 for all", lambda slope, error: np.ones_like(slope)))
    lines.append(row("the slope as it is", lambda slope, error: slope))
    lines.append(row("2/3 slope + 1/3", lambda slope, error: (2.0 * slope + 1.0) / 3.0))
    for spread in SPREADS:

        def shrunk(slope, error, spread=spread):
            weight = spread**2 / (spread**2 + error**2)
            return weight * slope + 1.0 - weight

        lines.append(row(f"by its error, spread {spread}", shrunk))
    counts = ", ".join(str(len(after)) for _, after in measured)
    return "\n".join(lines) + f"\n\nStock-years: {counts}."


def main() -> int:
    if not PRICES.is_dir():
        print(f"skipped: no recorded prices at {PRICES}", file=sys.stderr)
        return 0
    if "--write" in sys.argv:
        write_between(BEGIN, END, report())
    else:
        print(report())
    return 0


if __name__ == "__main__":
    sys.exit(main())
