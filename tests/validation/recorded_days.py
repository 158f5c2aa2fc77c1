"""Snapshots of recorded option days: bid and ask at the close, spot by put-call parity, and a varied book of them."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from engine.model import Contract, DataMode, Kind, Position, Right, Snapshot, Underlying

NEW_YORK = ZoneInfo("America/New_York")
RATE = 0.003
"""Short dollar rates of 2014 and 2015, between the bill and the swap; what is left is in the implied volatilities."""
CURVE = ((0.1, RATE), (2.0, 0.008))
NEAR = 0.03
WIDEST, ALWAYS_TIGHT = 0.10, 0.25
"""Of a quote, as a share of its middle and in dollars, in the book."""


def quotes(folder: Path, name: str, day: date) -> pd.DataFrame:
    """The day's quotes; no bid is a bid of 0."""
    table = pd.read_parquet(folder / "options" / "lean" / f"{name}_daily_quotes.parquet")
    table = table[table["quote_date"] == day.isoformat()].copy()
    table["bid"] = table["bid"].fillna(0.0)
    table["expiry"] = [date.fromisoformat(text) for text in table["expiry"]]
    return table[table["ask"] > 0.0].set_index(["expiry", "strike", "right"]).sort_index()


def parity_spot(table: pd.DataFrame, day: date) -> float:
    """K e^(-r tau) + C - P, the median over the eight tightest pairs near the money of a few days to two months, where neither
    early exercise nor a dividend matters."""
    middle = ((table["bid"] + table["ask"]) / 2.0).unstack()
    width = (table["ask"] - table["bid"]).unstack()
    found = []
    for (expiry, strike), call, put, wide in zip(
        middle.index, middle["C"], middle["P"], width["C"] + width["P"], strict=True
    ):
        days = (expiry - day).days
        if 2 < days <= 60 and abs(call - put) <= NEAR * strike:
            found.append((wide, call - put + strike * np.exp(-RATE * days / 365.0)))
    return median(spot for _, spot in sorted(found)[:8])


def recorded(
    table: pd.DataFrame, symbol: str, day: date, close: time, held: list[Position], dividends: tuple = ()
) -> Snapshot:
    """The Snapshot of a close: these positions at the day's quotes; a stock at spot."""
    spot = parity_spot(table, day)
    at = datetime.combine(day, close, NEW_YORK).astimezone(UTC)
    positions = []
    for one in held:
        contract = one.contract
        if not contract.is_option:
            quote = {"mark": spot}
        else:
            row = table.loc[(contract.expiry, contract.strike, str(contract.right))]
            quote = {"bid": float(row["bid"]), "ask": float(row["ask"])}
        positions.append(Position(one.id, contract, one.quantity, data=DataMode.CLOSE, **quote))
    underlying = Underlying(symbol, Kind.STOCK, spot, data=DataMode.CLOSE, dividends=dividends)
    return Snapshot(at, "USD", {symbol: underlying}, tuple(positions), rates={"USD": CURVE})


def option(symbol: str, expiry: date, strike: float, right: str, quantity: float) -> Position:
    contract = Contract(symbol, Kind.OPTION, symbol, "USD", 100.0, expiry, strike, Right(right))
    return Position(contract.label, contract, quantity)


def tight(table: pd.DataFrame) -> pd.DataFrame:
    """The quotes whose middle says something."""
    wide = table["ask"] - table["bid"]
    return table[wide <= np.maximum(ALWAYS_TIGHT, WIDEST * (table["ask"] + table["bid"]) / 2.0)]


def varied_book(table: pd.DataFrame, symbol: str, day: date, shares: float, seed: int) -> list[Position]:
    """Shares, and of up to seven expiries from near to far two puts and two calls between 88 and 112 % of spot, long and
    short, of the quotes in `table`."""
    spot, random = parity_spot(table, day), np.random.default_rng(seed)
    expiries = [one for one in dict.fromkeys(table.index.get_level_values(0)) if one > day]
    chosen = [expiries[i] for i in np.linspace(0, len(expiries) - 1, 7).round().astype(int)]
    held = [Position(symbol, Contract(symbol, Kind.STOCK, symbol), shares)]
    for expiry in dict.fromkeys(chosen):
        listed = table.loc[expiry].reset_index()
        listed = listed[(listed["strike"] / spot - 1.0).abs() < 0.12]
        for right in "CP":
            rows = listed[listed["right"] == right]
            strikes = random.choice(rows["strike"].to_numpy(), min(2, len(rows)), replace=False)
            sizes = random.choice([-5, -2, 1, 3, 8], len(strikes))
            held += [
                option(symbol, expiry, float(strike), right, float(size))
                for strike, size in zip(strikes, sizes, strict=True)
            ]
    return held
