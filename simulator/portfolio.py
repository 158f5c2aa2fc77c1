"""What the embedded account holds: a premium seller's book, fixed by a seed and a date.

Its risk is down: puts are sold naked and far from the money, calls only covered or as a side of a spread. Near spreads and
shares lose in any fall, far puts and VIX calls only in a deep one, so that a fall of 8 % leaves it much nearer to ruin.

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
    _Plan("SPY", 1, "P", "0dte", 0.98),
    _Plan("NVDA", -2, "P", "month1", 0.80),  # reports before expiry
    _Plan("TSLA", -1, "P", "month2", 0.74),
    _Plan("QQQ", -1, "P", "week1", 0.98),
    _Plan("QQQ", 1, "P", "week1", 0.94),  # a vertical spread with the line above
    _Plan("VIX", 2, "C", "month2", 1.40),
    _Plan("VIX", -8, "C", "month2", 2.10),  # a hedge that pays in a fall and costs in a panic
    _Plan("SPX", -1, "C", "week2", 1.03),
    _Plan("SPX", 1, "C", "week2", 1.037),
    _Plan("SPX", -1, "C", "am1", 1.055),
    _Plan("SPX", 1, "C", "am1", 1.062),
    _Plan("SPY", 20),
    _Plan("MU", -1, "P", "month2", 0.72),
    _Plan("META", -1, "P", "month1", 0.93),
    _Plan("META", 1, "P", "month1", 0.89),
    _Plan("KO", 100),
    _Plan("KO", -1, "C", "month2", 1.03),
    _Plan("AMD", -1, "P", "month2", 0.74),
    _Plan("TSLA", -1, "C", "week1", 1.16),
    _Plan("IWM", -2, "P", "week2", 0.98),
    _Plan("IWM", 2, "P", "week2", 0.95),
)

_BASE = {row.symbol: row.spot for row in UNIVERSE}
_SPY_PER_SPX, _VIX = _BASE["SPY"] / _BASE["SPX"], _BASE["VIX"]
_GROWN_SLOTS = ("week1", "week2", "week3", "month1", "month2", "month3")
_FAR_SLOTS = ("month1", "month2", "month3")  # what is sold far from the money needs time to be worth selling
_SHARES_WORTH = 8_000  # USD of each stock of a grown account


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
            yield _Plan(bought.symbol, max(10, round(_SHARES_WORTH / bought.spot / 10) * 10))
        for _ in range(4):
            yield from _strategy(rng, rng.choice(growing))


def _strategy(rng: random.Random, underlying: Underlying) -> Iterator[_Plan]:
    """A few legs of one trade. Distances from the money grow with the underlying's volatility."""
    symbol, size = underlying.symbol, rng.randint(1, 2)
    slot, late = rng.choice(_GROWN_SLOTS), rng.choice(_FAR_SLOTS)
    far, near, above = (
        centre + rng.uniform(-0.015, 0.015)
        for centre in (0.92 - 0.40 * underlying.iv30, 0.96, 1.03 + 0.15 * underlying.iv30)
    )
    kind = rng.choices(("put", "ratio", "put spread", "call spread", "jade lizard"), (4, 1, 3, 1, 2))[0]
    if underlying.is_index:
        kind, size = "call spread", 1
    if kind in ("put", "jade lizard"):
        yield _Plan(symbol, -size, "P", late, far)
    if kind == "ratio":
        yield _Plan(symbol, size, "P", late, near - 0.02)
        yield _Plan(symbol, -2 * size, "P", late, far)
    if kind == "put spread":
        yield _Plan(symbol, -size, "P", slot, near)
        yield _Plan(symbol, size, "P", slot, near - 0.03)
    if kind in ("call spread", "jade lizard"):
        yield _Plan(symbol, -size, "C", slot, above)
        yield _Plan(symbol, size, "C", slot, above + (0.008 if underlying.is_index else 0.03))


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
