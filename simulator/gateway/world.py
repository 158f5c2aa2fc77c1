"""Everything behind the sockets: market, options, account and history, made from one seed at one moment."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from simulator.gateway.board import Board
from simulator.gateway.contracts import Directory, Instrument
from simulator.gateway.history import VOLUMES, Bar, History
from simulator.gateway.market import YEAR_S, Market
from simulator.gateway.quotes import Quote, future_quote, option_quote, stock_quote
from simulator.portfolio import Portfolio, build_portfolio
from simulator.trading_days import NEW_YORK

_TYPICAL_SHARES = 9_000_000


@dataclass(slots=True)
class Day:
    """The day of an underlying or a future so far."""

    open: float
    high: float
    low: float


class World:
    """The embedded market and what is known of it.

    Args:
        positions: how many positions the account holds.
        seed: the same seed at the same moment gives the same world.
        now: aware.
    """

    def __init__(self, positions: int, seed: int, now: datetime) -> None:
        self.portfolio: Portfolio = build_portfolio(positions, seed, now)
        held = self.portfolio
        self.market = Market(held.spots, held.dividends, held.earnings, seed, now.timestamp())
        self.directory = Directory(held.spots)
        self.board = Board(self.market)
        today = now.astimezone(NEW_YORK).date()
        self.history = History(self.market.universe, self.market.spot, seed, today)
        self._futures = [
            one for row in self.market.universe for one in self.directory.futures(row.symbol, now)
        ]
        self._days = {symbol: Day(price, price, price) for symbol, price in self._levels()}

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.market.now, UTC)

    def spot(self, symbol: str) -> float:
        return float(self.market.spot[self.market.index[symbol]])

    def note_extremes(self) -> None:
        """Widens each day's high and low to the current level."""
        for symbol, price in self._levels():
            day = self._days[symbol]
            day.high, day.low = max(day.high, price), min(day.low, price)

    def day(self, instrument: Instrument) -> Day:
        """The day of an underlying or a future; that of a future listed later begins with the first look at it."""
        if instrument.local_symbol not in self._days:
            self._futures.append(instrument)
            self._days[instrument.local_symbol] = Day(*[self.future_price(instrument)] * 3)
        return self._days[instrument.local_symbol]

    def previous_close(self, instrument: Instrument) -> float:
        """Yesterday's close; a future closed where its day began."""
        if instrument.is_future:
            return self.day(instrument).open
        return self.history.previous_close(instrument.symbol)

    def future_price(self, instrument: Instrument) -> float:
        """The forward for the future's settlement: the one that prices the options of its month."""
        assert instrument.expiry is not None
        tau = (instrument.expiry.at.timestamp() - self.market.now) / YEAR_S
        return float(self.market.vix_forward(np.array([max(tau, 0.0)]))[0])

    def _levels(self) -> list[tuple[str, float]]:
        spots = [(row.symbol, self.spot(row.symbol)) for row in self.market.universe]
        return spots + [(one.local_symbol, self.future_price(one)) for one in self._futures]

    def volume(self, symbol: str) -> int:
        """Shares traded today: grows through the New York day."""
        clock = self.now.astimezone(NEW_YORK)
        share = (clock.hour * 3600 + clock.minute * 60 + clock.second) / 86_400
        return int(VOLUMES.get(symbol, _TYPICAL_SHARES) * share)

    def today_bar(self, symbol: str) -> Bar:
        day = self._days[symbol]
        start, high, low, last = (round(v, 2) for v in (day.open, day.high, day.low, self.spot(symbol)))
        return Bar(self.history.today, start, high, low, last, self.volume(symbol))

    def quote(self, instrument: Instrument) -> Quote:
        """The instrument's quote now; an option's row must have been solved."""
        if instrument.is_option:
            return option_quote(instrument, self.board.view, self.board.row(instrument), self.market.now)
        if instrument.is_future:
            return future_quote(instrument, self.future_price(instrument), self.market.now)
        return stock_quote(instrument, self.spot(instrument.symbol), self.market.now)

    def is_priced(self, instrument: Instrument) -> bool:
        """False for an option that was added after the last refresh."""
        return not instrument.is_option or self.board.is_priced(instrument)

    def dividends_text(self, symbol: str) -> str | None:
        """Tick 59: what was paid in 12 months, what will be, and the next ex-date and amount; None without any."""
        ahead = [one for one in self.market.dividends.get(symbol, ()) if one.at > self.now]
        if not ahead:
            return None
        yearly = sum(one.amount for one in ahead[:4])
        return f"{yearly:g},{yearly:g},{ahead[0].ex_date:%Y%m%d},{ahead[0].amount:g}"
