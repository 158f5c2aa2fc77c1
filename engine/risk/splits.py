"""Stock splits between two Snapshots: the earlier one restated in the later one's shares.

A split multiplies quantities by one clean ratio and divides spot and strikes by it (exchange notices; strikes are rounded to
cents). It is believed where the quantity of the stock, or strikes and quantities of options, changed by that ratio *and* spot
fell by about as much, where no known fill accounts for the quantity, and where no option on it kept its strike.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from engine.explained import Trade
from engine.model import SHARES, Contract, Position, Snapshot, Underlying

LARGEST_PART: Final = 50
"""Of a ratio such as 3:2 or 1:20: no larger numbers are clean."""
SMALLEST: Final = 1.2
"""A ratio nearer to one is a stock dividend or a trade."""
MOVE_BESIDE: Final = 0.25
"""How far, as a log return, spot may move beside its split."""
STRIKE_ROUNDING: Final = 0.0051


@dataclass(frozen=True, slots=True)
class Split:
    """`new` shares for `old` ones of `symbol`."""

    symbol: str
    new: int
    old: int

    @property
    def ratio(self) -> float:
        return self.new / self.old

    @property
    def words(self) -> str:
        return f"{self.symbol} split {self.new}:{self.old}"


def find_splits(earlier: Snapshot, later: Snapshot, trades: Iterable[Trade] = ()) -> tuple[Split, ...]:
    """The splits that positions and spots of both agree on, and fills do not account for."""
    found, fills = [], list(trades)
    for symbol in dict.fromkeys(position.contract.underlying for position in earlier.positions):
        spot, after = _spot(earlier, symbol), _spot(later, symbol)
        if math.isnan(spot) or math.isnan(after) or abs(math.log(after / spot)) < math.log(SMALLEST) / 2:
            continue
        before, now = _of(earlier, symbol), _of(later, symbol)
        if {one.contract for one in before if one.contract.is_option} & {one.contract for one in now}:
            continue
        for ratio in _ratios([_with_fills(one, fills) for one in before], now):
            if abs(math.log(after * float(ratio) / spot)) <= MOVE_BESIDE:
                found.append(Split(symbol, ratio.numerator, ratio.denominator))
                break
    return tuple(found)


def restated(earlier: Snapshot, later: Snapshot, splits: Iterable[Split]) -> Snapshot:
    """The earlier Snapshot as it would have been in the shares of after the splits; values stay what they were."""
    by_symbol = {split.symbol: split for split in splits}
    if not by_symbol:
        return earlier
    positions = tuple(
        _restated_position(position, later, by_symbol[position.contract.underlying].ratio)
        if position.contract.underlying in by_symbol
        else position
        for position in earlier.positions
    )
    underlyings = {
        symbol: _restated_underlying(one, by_symbol[symbol].ratio) if symbol in by_symbol else one
        for symbol, one in earlier.underlyings.items()
    }
    return replace(earlier, positions=positions, underlyings=underlyings)


def _with_fills(position: Position, fills: Iterable[Trade]) -> Position:
    """The position after what was traded of it."""
    traded = sum(
        one.quantity
        for one in fills
        if one.contract.label == position.contract.label and one.account in {None, position.account}
    )
    return replace(position, quantity=position.quantity + traded)


def _ratios(before: Sequence[Position], after: Sequence[Position]) -> list[Fraction]:
    """What quantities changed by, of the same shares, or of options whose strikes changed by the same: clean ratios, the
    commonest first."""
    votes: dict[Fraction, int] = {}
    for old in before:
        for new in after:
            ratio = _clean(old, new)
            if ratio is not None:
                votes[ratio] = votes.get(ratio, 0) + 1
    return sorted(votes, key=lambda ratio: -votes[ratio])


def _clean(old: Position, new: Position) -> Fraction | None:
    """The ratio that made `new` of `old`; None where it is not one."""
    was, now = old.contract, new.contract
    alike = (was.kind, was.right, was.expiry, old.account) == (now.kind, now.right, now.expiry, new.account)
    if not alike or old.quantity == 0.0 or new.quantity / old.quantity <= 0.0:
        return None
    grown = new.quantity / old.quantity
    ratio = Fraction(grown).limit_denominator(LARGEST_PART)
    clean = ratio.numerator <= LARGEST_PART and abs(float(ratio) / grown - 1.0) < 1e-9
    if not clean or max(float(ratio), 1.0 / float(ratio)) < SMALLEST:
        return None
    if was.strike is not None and now.strike is not None:
        return ratio if abs(was.strike / float(ratio) - now.strike) <= STRIKE_ROUNDING else None
    return ratio if was.kind in SHARES and was.symbol == now.symbol else None


def _restated_position(position: Position, later: Snapshot, ratio: float) -> Position:
    contract = _restated_contract(position, later, ratio)
    same = next((new for new in later.positions if _is(new, contract, position.account)), None)
    broker = position.broker
    return replace(
        position,
        id=position.id if same is None else same.id,
        contract=contract,
        quantity=position.quantity * ratio,
        entry_price=_over(position.entry_price, ratio),
        bid=_over(position.bid, ratio),
        ask=_over(position.ask, ratio),
        last=_over(position.last, ratio),
        mark=_over(position.mark, ratio),
        quote_spot=_over(position.quote_spot, ratio),
        broker=replace(broker, mark=_over(broker.mark, ratio)),
    )


def _over(price: float | None, ratio: float) -> float | None:
    return None if price is None else price / ratio


def _restated_contract(position: Position, later: Snapshot, ratio: float) -> Contract:
    """With the strike that the later Snapshot has for it, rounded as the exchange does, else by the ratio."""
    contract = position.contract
    if contract.strike is None:
        return contract
    strike = contract.strike / ratio
    near = (
        new.contract.strike
        for new in later.positions
        if _is(new, replace(contract, strike=new.contract.strike), position.account)
        and new.contract.strike is not None
        and abs(new.contract.strike - strike) <= STRIKE_ROUNDING
    )
    return replace(contract, strike=next(near, round(strike, 2)))


def _is(position: Position, contract: Contract, account: str | None) -> bool:
    return position.account == account and position.contract == contract


def _restated_underlying(one: Underlying, ratio: float) -> Underlying:
    return replace(
        one,
        spot=_over(one.spot, ratio),
        dividends=tuple(replace(paid, amount=paid.amount / ratio) for paid in one.dividends),
        forwards={day: price / ratio for day, price in one.forwards.items()},
    )


def _of(snapshot: Snapshot, symbol: str) -> list[Position]:
    return [position for position in snapshot.positions if position.contract.underlying == symbol]


def _spot(snapshot: Snapshot, symbol: str) -> float:
    known = snapshot.underlyings.get(symbol)
    spot = None if known is None else known.spot
    return spot if spot is not None and 0.0 < spot < math.inf else math.nan
