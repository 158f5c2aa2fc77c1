"""The account: positions with marks, cash, margins and P&L in a world that moves."""

import random
from dataclasses import dataclass

import numpy as np

from simulator.gateway import funding
from simulator.gateway.contracts import Instrument
from simulator.gateway.surface import Floats
from simulator.gateway.world import World
from simulator.portfolio import Holding

_MARGIN_WIDTH = 0.15
_INITIAL_OVER_MAINTENANCE = 1.10
_DAILY_SWING = 0.004


@dataclass(frozen=True, slots=True)
class Position:
    """A position; `average_cost` is per share or per contract (multiplier included), as the broker has it."""

    instrument: Instrument
    quantity: int
    average_cost: float


@dataclass(frozen=True, slots=True)
class Marked:
    """A position at its mark (per share)."""

    position: Position
    mark: float

    @property
    def value(self) -> float:
        return self.mark * self.position.instrument.multiplier * self.position.quantity

    @property
    def unrealized(self) -> float:
        return self.value - self.position.average_cost * self.position.quantity


@dataclass(frozen=True, slots=True)
class Figures:
    """The account's totals in USD."""

    cash: float
    stocks: float
    options: float
    gross: float
    unrealized: float
    daily: float
    initial_margin: float
    maintenance_margin: float

    @property
    def net_liquidation(self) -> float:
        return self.cash + self.stocks + self.options


class Account:
    """What the account holds in a world; cash is set so that the worst case costs `funding.TARGET_LOSS` of it at the start."""

    def __init__(self, world: World, seed: int) -> None:
        self.name = world.portfolio.account
        self._world = world
        held = [(self._instrument(row), row) for row in world.portfolio.holdings]
        world.board.add([one for one, _ in held if one.is_option])
        world.board.refresh_all()
        self.positions = [
            Position(one, row.quantity, round(world.quote(one).mid * row.entry * one.multiplier, 4))
            for one, row in held
        ]
        self._shares = {
            row.instrument.symbol: row.quantity for row in self.positions if not row.instrument.is_option
        }
        rows = self.marked()
        value, gross = sum(row.value for row in rows), sum(abs(row.value) for row in rows)
        self.cash = funding.cash_for(self.worst_case(), value, gross)
        swing = random.Random(seed).uniform(-_DAILY_SWING, _DAILY_SWING)
        self._yesterday = (self.cash + value) * (1 + swing)
        self._first = {row.position.instrument.con_id: row.value for row in rows}

    def marked(self) -> list[Marked]:
        """Every position at the middle of its quote."""
        return [Marked(row, round(self._world.quote(row.instrument).mid, 6)) for row in self.positions]

    def figures(self) -> Figures:
        """The totals at the current marks."""
        rows = self.marked()
        options = sum(row.value for row in rows if row.position.instrument.is_option)
        stocks = sum(row.value for row in rows if not row.position.instrument.is_option)
        market, board = self._world.market, self._world.board
        maintenance = funding.scan_margin(market, board, self._shares, self._units(), _MARGIN_WIDTH)
        return Figures(
            cash=self.cash,
            stocks=stocks,
            options=options,
            gross=sum(abs(row.value) for row in rows),
            unrealized=sum(row.unrealized for row in rows),
            daily=self.cash + stocks + options - self._yesterday,
            initial_margin=_INITIAL_OVER_MAINTENANCE * maintenance,
            maintenance_margin=maintenance,
        )

    def daily(self, row: Marked) -> float:
        """What a position has gained since the world began."""
        return row.value - self._first[row.position.instrument.con_id]

    def worst_case(self) -> float:
        """Loss of the book in the worst case from here, USD, positive for a loss."""
        return funding.worst_case(self._world.market, self._world.board, self._shares, self._units())

    def _instrument(self, row: Holding) -> Instrument:
        directory = self._world.directory
        if row.expiry is None or row.strike is None or row.right is None:
            return directory.underlying(row.underlying)
        return directory.option(row.underlying, row.expiry, row.strike, row.right)

    def _units(self) -> Floats:
        """Signed shares under each row of the board."""
        units = np.zeros(len(self._world.board))
        for row in self.positions:
            if row.instrument.is_option:
                units[self._world.board.row(row.instrument)] += row.quantity * row.instrument.multiplier
        return units
