"""What the embedded account holds: a premium seller's book with some hedges, fixed by a seed and a date.

The default is the table below, hand-made; more positions are grown over the rest of the universe, one or two
stocks per ten options. Cash is not decided here: `simulator.gateway.funding` sets it from the worst case.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from simulator.expiries import Expiry, listed, third_friday
from simulator.trading_days import NEW_YORK
from simulator.universe import UNIVERSE, Dividend, Kind, Underlying, dividends_ahead, earnings_at


@dataclass(frozen=True, slots=True)
class Holding:
    """One position; a stock has no `expiry`, `strike` and `right`. `entry` is the price paid or received as a
    ratio to the first mark."""

    underlying: str
    quantity: int
    expiry: Expiry | None = None
    strike: float | None = None
    right: str | None = None
    entry: float = 1.0


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The account and its world at the start: spots after the seed's variation, holdings, dates ahead."""

    account: str
    started: datetime
    spots: dict[str, float]
    holdings: tuple[Holding, ...]
    dividends: dict[str, tuple[Dividend, ...]]
    earnings: dict[str, datetime]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A line of the hand-made book: `slot` names an expiry, `moneyness` is strike over spot."""

    symbol: str
    quantity: int
    right: str | None = None
    slot: str = ""
    moneyness: float = 1.0


_CORE: tuple[_Plan, ...] = (
    _Plan("AAPL", 100),
    _Plan("AAPL", -1, "C", "month1", 1.04),  # covered, its dividend before expiry
    _Plan("SPY", -1, "P", "0dte", 0.995),
    _Plan("SPX", -1, "P", "week1", 0.965),
    _Plan("SPX", 1, "P", "week1", 0.959),  # a vertical spread with the line above
    _Plan("VIX", 3, "C", "month2", 1.40),
    _Plan("MSFT", -1, "P", "month1", 0.89),
    _Plan("NVDA", -2, "P", "week2", 0.89),  # reports before expiry
    _Plan("SPY", 40),
    _Plan("KO", 200),
    _Plan("KO", -2, "C", "month2", 1.03),
    _Plan("SPX", 1, "P", "am1", 0.93),  # a hedge that a first fall uses up
    _Plan("SPX", -1, "P", "am1", 0.875),
    _Plan("TSLA", -1, "P", "week1", 0.86),
    _Plan("TSLA", -1, "C", "week1", 1.16),
    _Plan("META", -1, "P", "month1", 0.92),
    _Plan("META", 1, "P", "month1", 0.87),
    _Plan("QQQ", -1, "P", "month1", 0.88),
    _Plan("SPY", 1, "P", "0dte", 0.985),
    _Plan("SPY", -1, "P", "month1", 0.88),
    _Plan("VIX", -3, "C", "month2", 2.10),
    _Plan("NVDA", -2, "C", "week2", 1.10),
    _Plan("SPX", -1, "C", "month2", 1.055),
    _Plan("AAPL", -1, "P", "month2", 0.89),
)

_BASE = {row.symbol: row.spot for row in UNIVERSE}
_SPY_PER_SPX, _VIX = _BASE["SPY"] / _BASE["SPX"], _BASE["VIX"]
_GROWN_SLOTS = ("week1", "week2", "week3", "month1", "month2", "month3")


def build_portfolio(positions: int, seed: int, now: datetime) -> Portfolio:
    """The account's holdings for a seed at a moment.

    Args:
        positions: how many, at least 1.
        seed: varies levels, strikes and entry prices; the same seed and date give the same account.
        now: aware; expiries, dividends and earnings are relative to it.
    Raises:
        ValueError: If positions is below 1.
    """
    if positions < 1:
        raise ValueError(f"positions must be at least 1, not {positions}")
    rng = random.Random(seed)
    spots = {row.symbol: round(row.spot * rng.uniform(0.98, 1.02), 2) for row in UNIVERSE}
    spots["SPY"], spots["VIX"] = round(spots["SPX"] * _SPY_PER_SPX, 2), _VIX
    today = now.astimezone(NEW_YORK).date()
    return Portfolio(
        account=f"DU{4_000_000 + random.Random(seed ^ 0x5EED).randrange(5_000_000)}",
        started=now,
        spots=spots,
        holdings=tuple(_holdings(positions, rng, spots, now)),
        dividends={row.symbol: ahead for row in UNIVERSE if (ahead := dividends_ahead(row, today))},
        earnings={row.symbol: at for row in UNIVERSE if (at := earnings_at(row.symbol, today))},
    )


def strike_step(spot: float, days: int) -> float:
    """Distance of listed strikes for an underlying's level; weeklies are listed finer than monthlies."""
    for limit, step in ((25, 0.5), (100, 1.0), (320, 2.5), (2500, 5.0)):
        if spot < limit:
            return step
    return 5.0 if days <= 60 else 25.0


def listed_strikes(symbol: str, spot: float, days: int) -> tuple[float, ...]:
    """The strikes of an expiry `days` ahead, between half and one and a half times the starting spot."""
    step = _step(symbol, spot, days)
    low, high = (0.5, 1.5) if symbol != "VIX" else (0.6, 5.0)
    return tuple(round(n * step, 2) for n in range(int(low * spot / step) + 1, int(high * spot / step) + 1))


def _step(symbol: str, spot: float, days: int) -> float:
    fixed = {"SPY": 1.0, "QQQ": 1.0, "IWM": 1.0, "VIX": 0.5}
    return fixed.get(symbol) or strike_step(spot, days)


def _holdings(count: int, rng: random.Random, spots: dict[str, float], now: datetime) -> Iterator[Holding]:
    taken: set[tuple[object, ...]] = set()
    by_symbol = {row.symbol: row for row in UNIVERSE}
    for plan in _plans(rng):
        underlying = by_symbol[plan.symbol]
        holding = _realise(plan, underlying, rng, spots[plan.symbol], now)
        key = (plan.symbol, holding.expiry, holding.strike, holding.right)
        if key in taken:
            continue
        taken.add(key)
        yield holding
        if len(taken) == count:
            return


def _plans(rng: random.Random) -> Iterator[_Plan]:
    """The hand-made book, then more of the kind without end."""
    yield from _CORE
    owned = {plan.symbol for plan in _CORE if plan.right is None}
    growing = [row for row in UNIVERSE if row.kind is not Kind.VOLATILITY]
    stocks = [row for row in growing if not row.is_index and row.symbol not in owned]
    rng.shuffle(stocks)
    while True:
        if stocks:
            bought = stocks.pop()
            yield _Plan(bought.symbol, max(10, round(14_000 / bought.spot / 10) * 10))
        for _ in range(3):
            yield from _strategy(rng, rng.choice(growing).symbol)


def _strategy(rng: random.Random, symbol: str) -> Iterator[_Plan]:
    """A few legs of one trade: mostly premium sold far from the money, some near puts bought against it."""
    slot, size = rng.choice(_GROWN_SLOTS), 1 if symbol == "SPX" else rng.randint(1, 3)
    far, near, above = rng.uniform(0.80, 0.88), rng.uniform(0.93, 0.97), rng.uniform(1.05, 1.14)
    kind = rng.choices(("put", "strangle", "condor", "put spread", "ratio"), (3, 3, 1, 1, 2))[0]
    if symbol == "SPX":
        kind = "condor"
    if kind in ("put", "strangle"):
        yield _Plan(symbol, -size, "P", slot, far)
    if kind in ("condor", "put spread"):
        yield _Plan(symbol, -size, "P", slot, near)
        yield _Plan(symbol, size, "P", slot, near - 0.03)
    if kind in ("strangle", "condor"):
        yield _Plan(symbol, -size, "C", slot, above)
    if kind == "condor":
        yield _Plan(symbol, size, "C", slot, above + 0.05)
    if kind == "ratio":
        yield _Plan(symbol, 1, "P", slot, near)
        yield _Plan(symbol, -2, "P", slot, far)


def _realise(plan: _Plan, underlying: Underlying, rng: random.Random, spot: float, now: datetime) -> Holding:
    if plan.right is None:
        return Holding(plan.symbol, plan.quantity, entry=rng.uniform(0.82, 1.06))
    expiry = _expiry(plan.slot, underlying, now)
    days = (expiry.day - now.astimezone(NEW_YORK).date()).days
    target = spot * plan.moneyness * rng.uniform(0.997, 1.003)
    strike = min(
        listed_strikes(plan.symbol, spot, days), key=lambda listed_strike: abs(listed_strike - target)
    )
    entry = rng.uniform(1.02, 1.55) if plan.quantity < 0 else rng.uniform(0.9, 1.4)
    return Holding(plan.symbol, plan.quantity, expiry, strike, plan.right, entry)


def _expiry(slot: str, underlying: Underlying, now: datetime) -> Expiry:
    """The listed expiry that a slot stands for: '0dte', 'weekN', 'monthN', 'amN' (AM-settled monthlies)."""
    rows = listed(underlying, now)
    if slot == "0dte":
        return rows[0]
    today, number = now.astimezone(NEW_YORK).date(), int(slot[-1])
    if underlying.kind is Kind.VOLATILITY:
        return [row for row in rows if row.day > today + timedelta(days=9)][number - 1]
    if slot.startswith("am"):
        return [row for row in rows if row.is_am_settled and row.day > today + timedelta(days=14)][number - 1]
    rows = tuple(row for row in rows if not row.is_am_settled)
    if slot.startswith("week"):
        return _nearest(rows, today + timedelta(days=3), number, weekly=True)
    return _nearest(rows, today + timedelta(days=17), number, weekly=False)


def _nearest(rows: tuple[Expiry, ...], first: date, number: int, *, weekly: bool) -> Expiry:
    """The n-th expiry from a day on, among those of a Friday's week end or among third Fridays."""

    def wanted(day: date) -> bool:
        friday = third_friday(day.year, day.month)
        return day in (friday, friday - timedelta(days=1)) if not weekly else day.weekday() >= 3

    return _one_a_week([row for row in rows if row.day >= first and wanted(row.day)])[number - 1]


def _one_a_week(rows: list[Expiry]) -> list[Expiry]:
    """Of each calendar week the last of the rows: a Friday, or the Thursday before a holiday."""
    return list({row.day.isocalendar()[:2]: row for row in rows}.values())
