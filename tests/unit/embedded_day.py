"""Two Snapshots of the embedded account, a day of its market apart, made by the Book from the gateway's own quotes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from engine.book import Book, Holding, Quote
from engine.broker.facts import ContractFact, SecType
from engine.broker.translate import contract_of
from engine.model import Dividend, Kind, RateCurve, Right, Snapshot
from simulator.gateway.account import Account
from simulator.gateway.contracts import Instrument
from simulator.gateway.world import World
from simulator.universe import RATE

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
STEP_S = 5.0
A_SESSION_S = 6.5 * 3600.0
KINDS = {"STOCK": Kind.STOCK, "ETF": Kind.ETF, "INDEX": Kind.INDEX, "VOLATILITY": Kind.INDEX}


def embedded_day(positions: int = 40, seed: int = 7, now: datetime = NOW) -> tuple[Snapshot, Snapshot]:
    """The account at `now` and a day later; what has expired is gone from the second."""
    world = World(positions, seed, now)
    account = Account(world, seed)
    first = _snapshot(world, account)
    for _ in range(round(A_SESSION_S / STEP_S)):
        world.market.step(world.market.now + STEP_S)
    world.market.now = (now + timedelta(days=1)).timestamp()
    world.board.refresh_all()
    return first, _snapshot(world, account)


def _snapshot(world: World, account: Account) -> Snapshot:
    book, at = Book(), world.now
    held = [
        row for row in account.positions if row.instrument.expiry is None or row.instrument.expiry.at > at
    ]
    holdings = {_id(account, row.instrument): row for row in held}
    book.hold(
        Holding(id_, _contract(row.instrument), float(row.quantity), account.name, row.average_cost)
        for id_, row in holdings.items()
    )
    for row in held:
        _describe(book, world, row.instrument, at)
    for id_, row in holdings.items():
        quote = world.quote(row.instrument)
        book.set_quote(id_, Quote(quote.bid, quote.ask, quote.last, at=at))
    book.set_account(account.figures().net_liquidation, book.account, {})
    book.set_rates(RateCurve("USD", at.date(), ((1.0, RATE),)))
    book.complete = True
    return book.freeze(at)


def _describe(book: Book, world: World, instrument: Instrument, at: datetime) -> None:
    """The underlying's spot, dividends ahead and, where its options are on one, the future of their expiry."""
    symbol = instrument.symbol
    book.set_underlying(symbol, KINDS[instrument.underlying.kind.value])
    book.set_spot(symbol, world.spot(symbol), Quote().mode, at)
    ahead = [one for one in world.market.dividends.get(symbol, ()) if one.at > at]
    book.set_dividends(symbol, tuple(Dividend(one.ex_date, one.amount) for one in ahead))
    if symbol == "VIX" and instrument.expiry is not None:
        book.set_forward(
            symbol, instrument.expiry.day, world.future_price(replace(instrument, right="", strike=0.0))
        )


def _contract(instrument: Instrument):
    expiry: date | None = None if instrument.expiry is None else instrument.expiry.day
    fact = ContractFact(
        con_id=instrument.con_id,
        sec_type={"STK": SecType.STOCK, "IND": SecType.INDEX, "OPT": SecType.OPTION}[instrument.sec_type],
        symbol=instrument.symbol,
        expiry=expiry,
        strike=instrument.strike if instrument.is_option else None,
        right=Right(instrument.right) if instrument.is_option else None,
        multiplier=float(instrument.multiplier),
        currency="USD",
        trading_class=instrument.trading_class,
    )
    return contract_of(fact, expiry)


def _id(account: Account, instrument: Instrument) -> str:
    return f"{account.name}:{_contract(instrument).label}"
