"""Small books for the tests of the core: one market, its contracts, and random portfolios of them."""

from datetime import UTC, date, datetime
from types import MappingProxyType

from hypothesis import strategies as st

from engine.model import (
    Contract,
    Dividend,
    Exercise,
    Kind,
    Position,
    Right,
    Settlement,
    Snapshot,
    Underlying,
)
from engine.settings import EngineSettings

SETTINGS = EngineSettings()
AS_OF = datetime(2026, 7, 28, 19, 59, tzinfo=UTC)
WEEKLY, MONTHLY, FAR = date(2026, 7, 31), date(2026, 8, 21), date(2027, 1, 15)
VIX_DAY = date(2026, 8, 19)

MARKET = {
    "AAA": Underlying("AAA", Kind.STOCK, 100.0, beta=1.5, dividends=(Dividend(date(2026, 8, 10), 0.5),)),
    "BBB": Underlying("BBB", Kind.STOCK, 50.0, beta=0.5, iv30=0.4),
    "SPY": Underlying("SPY", Kind.ETF, 640.0, beta=1.0, iv30=0.16),
    "TQQQ": Underlying("TQQQ", Kind.ETF, 90.0, iv30=0.5),
    "VXX": Underlying("VXX", Kind.ETF, 40.0, iv30=0.7),
    "SPX": Underlying("SPX", Kind.INDEX, 6400.0, beta=1.0, dividend_yield=0.012),
    "VIX": Underlying("VIX", Kind.INDEX, 18.0, forwards=MappingProxyType({VIX_DAY: 19.0})),
    "ES": Underlying("ES", Kind.FUTURE, 6420.0),
    "CL": Underlying("CL", Kind.FUTURE, 70.0),
}


def holding(
    symbol, quantity=1.0, kind=None, *, underlying=None, currency="USD", multiplier=1.0, expiry=None, **facts
):
    """A position without optionality; its kind is that of `symbol` in MARKET unless said."""
    kind = kind or MARKET[symbol].kind
    contract = Contract(symbol, kind, underlying or symbol, currency, multiplier, expiry)
    return Position(facts.pop("id", symbol), contract, quantity, **facts)


def option(
    symbol,
    strike,
    right,
    quantity=1.0,
    *,
    expiry=MONTHLY,
    kind=Kind.OPTION,
    multiplier=100.0,
    currency="USD",
    exercise=None,
    settlement=Settlement.PM,
    **facts,
):
    """An option on `symbol`; `right` is 'C' or 'P'."""
    contract = Contract(
        symbol, kind, symbol, currency, multiplier, expiry, float(strike), Right(right),
        exercise and Exercise(exercise), settlement,
    )  # fmt: skip
    return Position(facts.pop("id", contract.label), contract, quantity, **facts)


def snapshot(positions, underlyings=MARKET, **facts):
    """A Snapshot of `positions` at AS_OF in USD; `underlyings` is a mapping or a list."""
    if not isinstance(underlyings, dict):
        underlyings = {row.symbol: row for row in underlyings}
    return Snapshot(facts.pop("as_of", AS_OF), "USD", underlyings, tuple(positions), **facts)


QUANTITIES = st.integers(-20, 20).filter(bool).map(float)


@st.composite
def options(draw, symbols=("AAA", "BBB", "SPY", "TQQQ", "SPX", "VIX", "VXX")):
    """An option with a sigma given, with a quote that may make no sense, or with nothing known."""
    symbol = draw(st.sampled_from(symbols))
    strike = round(MARKET[symbol].spot * draw(st.sampled_from([0.8, 0.95, 0.99, 1.0, 1.02, 1.05, 1.3])), 1)
    expiry = VIX_DAY if symbol == "VIX" else draw(st.sampled_from([AS_OF.date(), WEEKLY, MONTHLY, FAR]))
    facts = draw(
        st.one_of(
            st.builds(lambda iv: {"iv": iv}, st.floats(0.02, 2.0)),
            st.builds(lambda bid, width: {"bid": bid, "ask": bid + width}, st.floats(0.0, 30.0), st.floats(-0.1, 1.0)),
            st.just({}),
        )
    )  # fmt: skip
    return option(symbol, strike, draw(st.sampled_from("CP")), draw(QUANTITIES), expiry=expiry, **facts)


@st.composite
def linears(draw):
    """A stock, fund, future, currency or bond; some have no price."""
    symbol = draw(st.sampled_from(["AAA", "BBB", "SPY", "TQQQ", "VXX", "ES", "EUR", "BOND"]))
    if symbol == "EUR":
        return holding("EUR", draw(QUANTITIES), Kind.CASH, currency="EUR", mark=1.0)
    if symbol == "BOND":
        return holding("BOND", draw(QUANTITIES), Kind.BOND, mark=draw(st.sampled_from([99.5, None])))
    return holding(symbol, draw(QUANTITIES), mark=draw(st.sampled_from([None, MARKET[symbol].spot])))


@st.composite
def books(draw, most=6):
    """A Snapshot of up to `most` positions, some without a value."""
    drawn = draw(st.lists(st.one_of(linears(), options()), max_size=most))
    positions = [
        Position(f"{i}:{p.id}", p.contract, p.quantity, mark=p.mark, iv=p.iv, bid=p.bid, ask=p.ask)
        for i, p in enumerate(drawn)
    ]
    return snapshot(
        positions,
        net_liquidation=draw(st.sampled_from([100_000.0, None])),
        fx=draw(st.sampled_from([{"EUR": 1.1}, {}])),
    )
