"""The instruments that the gateway knows, and how a request's contract fields find them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from zlib import crc32

from simulator.expiries import Expiry, listed, listed_futures
from simulator.gateway.protocol import ContractFields
from simulator.portfolio import listed_strikes
from simulator.trading_days import NEW_YORK
from simulator.universe import UNIVERSE, Kind, Underlying

_BY_SYMBOL = {row.symbol: row for row in UNIVERSE}
_DERIVED_IDS = 700_000_000  # ids of options and futures are this plus a checksum of the local symbol
_OPTION_MULTIPLIER, _FUTURE_MULTIPLIER = 100, 1000
_MONTH_CODES = "FGHJKMNQUVXZ"
_TRADING_CLASS = {"NASDAQ": "NMS", "ARCA": None, "NYSE": None, "CBOE": None}


@dataclass(frozen=True, slots=True)
class Instrument:
    """A stock, an index, a future or an option: `expiry` only on the last two, `strike` and `right` only on options."""

    con_id: int
    underlying: Underlying
    expiry: Expiry | None = None
    strike: float = 0.0
    right: str = ""

    @property
    def symbol(self) -> str:
        return self.underlying.symbol

    @property
    def sec_type(self) -> str:
        if self.expiry is None:
            return self.underlying.sec_type
        return "OPT" if self.right else "FUT"

    @property
    def is_option(self) -> bool:
        return self.right != ""

    @property
    def is_future(self) -> bool:
        return self.expiry is not None and not self.right

    @property
    def multiplier(self) -> int:
        if self.expiry is None:
            return 1
        return _OPTION_MULTIPLIER if self.right else _FUTURE_MULTIPLIER

    @property
    def last_trade(self) -> str:
        """yyyymmdd of the last trading day: the day before the expiry where settlement is in the morning."""
        return f"{self.expiry.last_trade:%Y%m%d}" if self.expiry else ""

    @property
    def trading_class(self) -> str:
        if self.expiry:
            return self.expiry.trading_class
        return _TRADING_CLASS[self.underlying.primary_exchange] or self.symbol

    @property
    def local_symbol(self) -> str:
        """The symbol, the 21-character OSI form of an option (which names the expiry, not the last trade), or a
        future's class, month and year: VXZ6."""
        if self.expiry is None:
            return self.symbol
        if self.right:
            return _osi(self.expiry, self.strike, self.right)
        return _future_symbol(self.expiry)

    @property
    def primary_exchange(self) -> str:
        if self.is_future:
            return "CFE"
        if self.is_option:
            return "CBOE" if self.underlying.is_index else "AMEX"
        return self.underlying.primary_exchange

    @property
    def min_tick(self) -> float:
        """The smallest price step: nickels on SPX options and futures, cents elsewhere."""
        return 0.05 if self.is_future or (self.is_option and self.symbol == "SPX") else 0.01


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything listed in one trading class, as the answer to reqSecDefOptParams."""

    trading_class: str
    expirations: tuple[str, ...]
    strikes: tuple[float, ...]


class Directory:
    """Every instrument, made on first use. Ids of options and futures follow from the contract, not from the order of use.

    Args:
        spots: starting spot per symbol; listed strikes lie around it.
    """

    def __init__(self, spots: Mapping[str, float]) -> None:
        self._spots = dict(spots)
        self._by_id = {row.con_id: Instrument(row.con_id, row) for row in UNIVERSE}
        self._by_local = {known.local_symbol: known for known in self._by_id.values()}

    def underlying(self, symbol: str) -> Instrument:
        """The stock or index itself. Raises KeyError for a symbol outside the universe."""
        return self._by_local[symbol]

    def by_id(self, con_id: int) -> Instrument | None:
        return self._by_id.get(con_id)

    def option(self, symbol: str, expiry: Expiry, strike: float, right: str) -> Instrument:
        """The option, which need not be asked for before."""
        local = _osi(expiry, strike, right)
        return self._by_local.get(local) or self._register(local, _BY_SYMBOL[symbol], expiry, strike, right)

    def futures(self, symbol: str, now: datetime) -> list[Instrument]:
        """Every listed future on an underlying, soonest first; empty for a symbol that has none or is not known."""
        underlying = _BY_SYMBOL.get(symbol)
        rows = listed_futures(underlying, now) if underlying else ()
        named = ((_future_symbol(row), row) for row in rows)
        return [
            self._by_local.get(local) or self._register(local, _BY_SYMBOL[symbol], row)
            for local, row in named
        ]

    def _register(
        self, local: str, underlying: Underlying, expiry: Expiry, strike: float = 0.0, right: str = ""
    ) -> Instrument:
        con_id = _DERIVED_IDS + crc32(local.encode()) % 200_000_000
        while con_id in self._by_id:
            con_id += 1
        self._by_local[local] = self._by_id[con_id] = Instrument(con_id, underlying, expiry, strike, right)
        return self._by_id[con_id]

    def find(self, wanted: ContractFields, now: datetime, limit: int = 2) -> list[Instrument]:
        """Every instrument that the fields describe, at most `limit`; an id decides alone. Empty for none."""
        if wanted.con_id:
            known = self._by_id.get(wanted.con_id)
            return [known] if known else []
        if wanted.sec_type == "OPT" or (not wanted.sec_type and wanted.last_trade):
            return list(islice(self._options(wanted, now), limit))
        if wanted.sec_type == "FUT":
            return [one for one in self.futures(wanted.symbol, now) if _is_meant_future(one, wanted)][:limit]
        known = self._by_local.get(wanted.symbol or wanted.local_symbol)
        is_meant = known is not None and wanted.sec_type == known.sec_type and wanted.currency in ("", "USD")
        return [known] if known and is_meant else []

    def chains(self, con_id: int, now: datetime) -> list[Chain]:
        """What is listed on an underlying, one chain per trading class."""
        known = self._by_id.get(con_id)
        if known is None or known.expiry is not None:
            return []
        rows = listed(known.underlying, now)
        answer = []
        for trading_class in sorted({row.trading_class for row in rows}):
            mine = [row for row in rows if row.trading_class == trading_class]
            strikes = sorted({strike for row in mine for strike in self._strikes(known.symbol, row, now)})
            days = tuple(f"{row.last_trade:%Y%m%d}" for row in mine)
            answer.append(Chain(trading_class, days, tuple(strikes)))
        return answer

    def _options(self, wanted: ContractFields, now: datetime) -> Iterator[Instrument]:
        if wanted.local_symbol in self._by_local:
            yield self._by_local[wanted.local_symbol]
            return
        underlying = _BY_SYMBOL.get(wanted.symbol)
        if underlying is None:
            return
        for row in listed(underlying, now):
            if not _is_meant(row, wanted):
                continue
            for strike in self._strikes(wanted.symbol, row, now):
                if wanted.strike and abs(strike - wanted.strike) > 1e-6:
                    continue
                for right in "CP":
                    if wanted.right[:1] in ("", right):
                        yield self.option(wanted.symbol, row, strike, right)

    def _strikes(self, symbol: str, expiry: Expiry, now: datetime) -> tuple[float, ...]:
        """The grid of an expiry together with the strikes that are already in use."""
        days = (expiry.day - now.astimezone(NEW_YORK).date()).days
        used = {
            known.strike
            for known in self._by_local.values()
            if known.is_option and known.expiry == expiry and known.symbol == symbol
        }
        return tuple(sorted(used.union(listed_strikes(symbol, self._spots[symbol], days))))


def exchange_name(instrument: Instrument) -> str:
    """Where a request for the instrument is routed."""
    if instrument.is_future:
        return instrument.primary_exchange
    return "CBOE" if instrument.underlying.kind in (Kind.INDEX, Kind.VOLATILITY) else "SMART"


def _is_meant(row: Expiry, wanted: ContractFields) -> bool:
    """True when the request's date names the expiry: in full, its month only, or not at all."""
    if wanted.trading_class and wanted.trading_class != row.trading_class:
        return False
    last, day = f"{row.last_trade:%Y%m%d}", f"{row.day:%Y%m%d}"
    asked = wanted.last_trade[:8]
    if len(asked) == 6:
        return last.startswith(asked)
    return asked in ("", last) or (asked == day and wanted.trading_class == row.trading_class)


def _is_meant_future(one: Instrument, wanted: ContractFields) -> bool:
    """True when every field of the request that is filled in fits the future; its date may be of the month only."""
    return (
        wanted.exchange in ("", one.primary_exchange)
        and wanted.currency in ("", "USD")
        and wanted.multiplier in ("", str(one.multiplier))
        and wanted.trading_class in ("", one.trading_class)
        and wanted.local_symbol in ("", one.local_symbol)
        and one.last_trade.startswith(wanted.last_trade[:8])
    )


def _future_symbol(expiry: Expiry) -> str:
    return f"{expiry.trading_class}{_MONTH_CODES[expiry.day.month - 1]}{expiry.day.year % 10}"


def _osi(expiry: Expiry, strike: float, right: str) -> str:
    return f"{expiry.trading_class:<6}{expiry.day:%y%m%d}{right}{round(strike * 1000):08d}"
