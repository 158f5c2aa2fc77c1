"""A market data line: what one subscription has been told, and what it is to be told next."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.gateway.contracts import Instrument
from simulator.gateway.quotes import Quote, computations
from simulator.gateway.world import World

_MODEL_DECIMALS = (6, 5, 4, 4, 6, 5, 5, 4)  # of iv, delta, price, pvDividend, gamma, vega, theta, undPrice
_CAN_AUTO_EXECUTE = 1

Tick = tuple[object, ...]
"""The fields of one message: 1 price, 2 size, 21 computation, 45 generic, 46 text."""


@dataclass(slots=True, eq=False)
class Line:
    """One reqMktData. `sent` holds the last value per tick, so that only what changed goes out."""

    req_id: int
    instrument: Instrument
    generic: frozenset[int]
    is_snapshot: bool
    since: float = 0.0  # steady clock
    is_delayed: bool = False
    is_dead: bool = False  # open, and never told anything again
    sent: dict[tuple[int, int], object] = field(default_factory=dict)

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    def news(self, world: World) -> Iterator[Tick]:
        """Every tick that is new or has changed since the last call."""
        quote = world.quote(self.instrument)
        yield from self._prices(quote, world)
        if self.instrument.is_option:
            yield from self._computations(quote, world)
            yield from self._option_extras(world)
        elif self.instrument.is_future:
            yield from self._mark(world)
        else:
            yield from self._underlying_extras(world)

    def tell_again(self) -> None:
        """Makes every tick news."""
        self.sent.clear()

    def _prices(self, quote: Quote, world: World) -> Iterator[Tick]:
        sides: list[tuple[int, int, float | None, int | None]] = [
            (1, 0, quote.bid, quote.bid_size),
            (2, 3, quote.ask, quote.ask_size),
            (4, 5, quote.last, quote.last_size),
        ]
        if quote.bid == -1.0:
            sides = sides[2:]  # an index is not traded: no bid, no ask
        for price_tick, size_tick, price, size in sides:
            if price is None:
                continue
            if self._is_new((1, price_tick), price):
                mask = _CAN_AUTO_EXECUTE if price_tick != 4 and not self.instrument.is_option else 0
                yield 1, 6, self.req_id, price_tick, price, size or 0, mask
            if size is not None and self._is_new((2, size_tick), size):
                yield 2, 6, self.req_id, size_tick, size
        yield from self._day(world)

    def _day(self, world: World) -> Iterator[Tick]:
        """Open, high, low and close of an underlying or a future, and an underlying's volume."""
        if self.instrument.is_option:
            return
        day = world.day(self.instrument)
        prices = {6: day.high, 7: day.low, 9: world.previous_close(self.instrument), 14: day.open}
        for tick, price in prices.items():
            if self._is_new((1, tick), round(price, 2)):
                yield 1, 6, self.req_id, tick, round(price, 2), 0, 0
        if self.instrument.is_future:
            return
        volume = world.volume(self.symbol) // 10_000 * 10_000
        if volume and self._is_new((2, 8), volume):
            yield 2, 6, self.req_id, 8, volume

    def _computations(self, quote: Quote, world: World) -> Iterator[Tick]:
        """Bid, ask, last and model computation; one that was sent is repeated only when its numbers move."""
        board = world.board
        for tick, computed in computations(quote, board.view, board.row(self.instrument)).items():
            numbers = tuple(round(v, n) for v, n in zip(computed.wire(), _MODEL_DECIMALS, strict=True))
            if self._is_new((21, tick), numbers):
                yield 21, self.req_id, tick, 0, *numbers

    def _option_extras(self, world: World) -> Iterator[Tick]:
        """Open interest (101), volume (100) and mark (221, 232), the first two on the option's own side."""
        call = self.instrument.right == "C"
        lots = self.instrument.con_id % 4_000
        for generic, tick, count in (
            (101, 27 if call else 28, 40 + lots),
            (100, 29 if call else 30, lots // 7),
        ):
            if generic in self.generic and self._is_new((2, tick), count):
                yield 2, 6, self.req_id, tick, count
        yield from self._mark(world)

    def _underlying_extras(self, world: World) -> Iterator[Tick]:
        for tick, value in self._volatilities(world):
            if self._is_new((45, tick), value):
                yield 45, 6, self.req_id, tick, value
        dividends = world.dividends_text(self.symbol)
        if 456 in self.generic and dividends and self._is_new((46, 59), dividends):
            yield 46, 6, self.req_id, 59, dividends
        yield from self._mark(world)

    def _volatilities(self, world: World) -> Iterator[tuple[int, float]]:
        """Ticks 23 and 24: historical and implied volatility of the underlying, for 104 and 106."""
        if 104 in self.generic:
            yield 23, round(world.history.realised(self.symbol), 6)
        if 106 in self.generic:
            yield 24, round(world.market.iv30(self.symbol), 5)

    def _mark(self, world: World) -> Iterator[Tick]:
        """The mark price of what has a bid and an ask, for 221 or 232."""
        quote = world.quote(self.instrument)
        if not self.generic & {221, 232} or quote.bid < 0:
            return
        mark = round(quote.mid, 4)
        if self._is_new((1, 37), mark):
            yield 1, 6, self.req_id, 37, mark, 0, 0

    def _is_new(self, tick: tuple[int, int], value: object) -> bool:
        if self.sent.get(tick) == value:
            return False
        self.sent[tick] = value
        return True
