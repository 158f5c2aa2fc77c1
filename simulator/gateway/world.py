"""Everything behind the sockets: market, options, account and history, made from one seed at one moment."""

from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.gateway.board import Board
from simulator.gateway.contracts import Directory, Instrument
from simulator.gateway.history import VOLUMES, Bar, History
from simulator.gateway.market import Market
from simulator.gateway.quotes import Quote, option_quote, stock_quote
from simulator.portfolio import Portfolio, build_portfolio
from simulator.trading_days import NEW_YORK

_TYPICAL_SHARES = 9_000_000


@dataclass(slots=True)
class Day:
    """An underlying's day so far."""

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
        self._days = {row.symbol: Day(*[self.spot(row.symbol)] * 3) for row in self.market.universe}

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.market.now, UTC)

    def spot(self, symbol: str) -> float:
        return float(self.market.spot[self.market.index[symbol]])

    def note_extremes(self) -> None:
        """Widens each day's high and low to the current spot."""
        for symbol, day in self._days.items():
            spot = self.spot(symbol)
            day.high, day.low = max(day.high, spot), min(day.low, spot)

    def day(self, symbol: str) -> Day:
        return self._days[symbol]

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
