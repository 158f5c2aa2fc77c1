"""The live picture of the account, fed by ticks; `freeze` makes a Snapshot of it.

The one mutable thing of the engine. It holds facts with their times and values nothing: marks and sigmas are found later, from
the Snapshot. All calls come from the event loop's thread.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from engine.model import (
    NO_BROKER_VIEW,
    OPTION_KINDS,
    SHARES,
    Account,
    BrokerView,
    Contract,
    DataMode,
    Dividend,
    Event,
    Kind,
    Position,
    RateCurve,
    Snapshot,
    Underlying,
)

PRICED = OPTION_KINDS | SHARES
Days = tuple[tuple[date, float], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """What one line last said. `at` is when bid or ask last spoke, `traded_at` when a trade did; None where they never did."""

    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    close: float | None = None
    mode: DataMode = DataMode.LIVE
    at: datetime | None = None
    traded_at: datetime | None = None
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A position as the broker lists it, price aside."""

    id: str
    contract: Contract
    quantity: float
    account: str | None
    entry_price: float | None


@dataclass(slots=True)
class _Live:
    """Everything known of the price of one position."""

    holding: Holding
    quote: Quote = field(default_factory=Quote)
    quote_spot: float | None = None
    view: BrokerView = NO_BROKER_VIEW
    view_at: datetime | None = None
    last_good_iv: float | None = None


class Book:
    """Positions, underlyings and account as they are now."""

    def __init__(self, base_currency: str = "USD") -> None:
        self.base_currency = base_currency
        self.net_liquidation: float | None = None
        self.account = Account()
        self.complete = False
        self.source = "gateway"
        self.events: tuple[Event, ...] = ()
        self.changes = 0
        self.heard_at: datetime | None = None
        self._fx: dict[str, float] = {}
        self._curves: dict[str, RateCurve] = {}
        self._live: dict[str, _Live] = {}
        self._underlyings: dict[str, Underlying] = {}
        self._risks: dict[str, float] = {}
        self._closes: dict[str, Days] = {}
        self._iv_history: dict[str, Days] = {}
        self._told_dividends: set[str] = set()
        self._other_dividends: dict[str, tuple[Dividend, ...]] = {}

    @property
    def holdings(self) -> list[Holding]:
        return [live.holding for live in self._live.values()]

    @property
    def awaits_prices(self) -> bool:
        """Whether an underlying of an option or stock has no price yet."""
        needed = {
            live.holding.contract.underlying
            for live in self._live.values()
            if live.holding.contract.kind in PRICED
        }
        return any(name not in self._underlyings or self._underlyings[name].spot is None for name in needed)

    def hold(self, holdings: Iterable[Holding]) -> None:
        """Make these the positions: new ones come in, known ones keep their prices, the rest are gone."""
        before = self._live
        self._live = {}
        for holding in holdings:
            known = before.get(holding.id)
            if known is None:
                self._live[holding.id] = _Live(holding)
            else:
                known.holding = holding
                self._live[holding.id] = known
        self.changes += 1

    def set_account(self, net_liquidation: float | None, account: Account, fx: Mapping[str, float]) -> None:
        """Account figures in base currency, and the value of one unit of each other currency in it."""
        self.net_liquidation, self.account, self._fx = net_liquidation, account, dict(fx)
        self.changes += 1

    def set_rates(self, curve: RateCurve) -> None:
        """The interest rates of the curve's currency; every other keeps its own, or the configured rate."""
        self._curves[curve.currency] = curve
        self.changes += 1

    def set_events(self, events: tuple[Event, ...]) -> None:
        """What is coming, as the calendar has it, in order of time."""
        self.events = events
        self.changes += 1

    def curve(self, currency: str) -> RateCurve | None:
        """The interest rates of `currency`; None where the configured rate stands in."""
        return self._curves.get(currency)

    def set_underlying(self, symbol: str, kind: Kind, sector: str | None = None) -> None:
        """Make sure that `symbol` is known, as what, and of which sector."""
        known = self._underlyings.get(symbol) or self._new(symbol, kind)
        self._underlyings[symbol] = replace(known, kind=kind, sector=sector or known.sector)

    def _new(self, symbol: str, kind: Kind) -> Underlying:
        """An underlying with what was known of its past and its dividends before it was one."""
        return Underlying(
            symbol,
            kind,
            spot=None,
            dividends=self._other_dividends.get(symbol, ()),
            closes=self._closes.get(symbol),
            iv_history=self._iv_history.get(symbol),
        )

    def set_spot(self, symbol: str, spot: float, mode: DataMode, at: datetime) -> None:
        self._change(symbol, spot=spot, data=mode, spot_as_of=at)

    def set_iv30(self, symbol: str, iv30: float) -> None:
        """The underlying's 30-day implied volatility, decimals per year."""
        self._change(symbol, iv30=iv30)

    def set_closes(self, symbol: str, closes: Days) -> None:
        """Daily closes, oldest first; kept for a symbol that is not an underlying yet."""
        self._closes[symbol] = closes
        self._change(symbol, closes=closes)

    def set_iv_history(self, symbol: str, iv_history: Days) -> None:
        """The 30-day implied volatility of each day, decimals per year, oldest first; kept as `set_closes` keeps."""
        self._iv_history[symbol] = iv_history
        self._change(symbol, iv_history=iv_history)

    def set_dividends(self, symbol: str, dividends: tuple[Dividend, ...]) -> None:
        """Dividends as the broker tells them."""
        self._told_dividends.add(symbol)
        self._change(symbol, dividends=dividends)

    def set_other_dividends(self, symbol: str, dividends: tuple[Dividend, ...]) -> None:
        """Dividends from elsewhere; they count until the broker tells its own."""
        self._other_dividends[symbol] = dividends
        if symbol not in self._told_dividends:
            self._change(symbol, dividends=dividends)

    @property
    def told_dividends(self) -> frozenset[str]:
        """The symbols whose dividends the broker has told."""
        return frozenset(self._told_dividends)

    def set_forward(self, symbol: str, expiry: date, price: float) -> None:
        """The price of the listed future of that expiry."""
        known = self._underlyings.get(symbol)
        if known is not None:
            self._change(symbol, forwards={**known.forwards, expiry: price})

    def _change(self, symbol: str, **facts: object) -> None:
        known = self._underlyings.get(symbol)
        if known is not None:
            self._underlyings[symbol] = replace(known, **facts)  # type: ignore[arg-type]
            self.changes += 1

    def set_quote(self, position_id: str, quote: Quote) -> None:
        live = self._live.get(position_id)
        if live is not None:
            if quote.at is not None and quote.at != live.quote.at:
                live.quote_spot = self.spot(live.holding.contract.underlying)
            live.quote = quote
            self.changes += 1

    def set_portfolio_mark(self, position_id: str, mark: float, at: datetime) -> None:
        """The mark of the broker's portfolio download; it costs no market data line."""
        live = self._live.get(position_id)
        if live is not None:
            live.view, live.view_at = replace(live.view, mark=mark), at
            self.changes += 1

    def set_model(self, position_id: str, view: BrokerView) -> None:
        """The broker's own model of an option; its portfolio mark stays."""
        live = self._live.get(position_id)
        if live is not None:
            live.view = replace(view, mark=live.view.mark)
            self.changes += 1

    def remember_sigmas(self, sigmas: Mapping[str, float]) -> None:
        """Sigmas that quotes have just given, to fall back on when the quotes are gone (D7)."""
        for position_id, sigma in sigmas.items():
            live = self._live.get(position_id)
            if live is not None:
                live.last_good_iv = sigma

    def weigh(self, risks: Mapping[str, float]) -> None:
        """How much each position matters, in one unit of money: what is quoted oftener is chosen by it."""
        self._risks = dict(risks)

    def risk_of(self, position_id: str) -> float:
        """As `weigh` was told; 0 where it was not."""
        return self._risks.get(position_id, 0.0)

    def spot(self, symbol: str) -> float | None:
        """The present price of an underlying."""
        known = self._underlyings.get(symbol)
        return None if known is None else known.spot

    def with_past(self, snapshot: Snapshot) -> Snapshot:
        """A Snapshot of an earlier run with the closes and volatilities of today's past where it has none of its own."""
        underlyings = {
            symbol: replace(
                one,
                closes=one.closes or self._closes.get(symbol),
                iv_history=one.iv_history or self._iv_history.get(symbol),
            )
            for symbol, one in snapshot.underlyings.items()
        }
        return replace(snapshot, underlyings=underlyings)

    def freeze(self, as_of: datetime) -> Snapshot:
        """The Snapshot of this instant. Underlyings that a position needs and nobody described are there without a price."""
        underlyings = dict(self._underlyings)
        for live in self._live.values():
            contract = live.holding.contract
            if contract.underlying not in underlyings:
                kind = Kind.OTHER if contract.is_option else contract.kind
                underlyings[contract.underlying] = self._new(contract.underlying, kind)
        return Snapshot(
            as_of=as_of,
            base_currency=self.base_currency,
            underlyings=underlyings,
            positions=tuple(_frozen(live) for live in self._live.values()),
            complete=self.complete,
            source=self.source,
            net_liquidation=self.net_liquidation,
            fx=dict(self._fx),
            rates={currency: curve.points for currency, curve in self._curves.items()},
            account=self.account,
            events=self.events,
        )


def _frozen(live: _Live) -> Position:
    quote, holding = live.quote, live.holding
    return Position(
        id=holding.id,
        contract=holding.contract,
        quantity=holding.quantity,
        account=holding.account,
        entry_price=holding.entry_price,
        bid=quote.bid,
        ask=quote.ask,
        last=quote.last,
        quote_spot=live.quote_spot if quote.at is not None else None,
        last_good_iv=live.last_good_iv,
        data=quote.mode,
        broker=live.view,
        as_of=quote.at or live.view_at or quote.traded_at,
        broker_as_of=live.view_at,
    )
