"""A Snapshot as JSON and back, bit for bit (version 1). What is malformed is refused with the path of the field and the
reason."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from engine.errors import SnapshotError
from engine.model import (
    MARKET,
    OPTION_KINDS,
    UNSET_ABOVE,
    UNSHOCKED_KINDS,
    Account,
    BrokerView,
    Contract,
    DataMode,
    Dividend,
    Event,
    EventKind,
    Exercise,
    Impact,
    IvSource,
    Kind,
    Position,
    Right,
    Settlement,
    Snapshot,
    Timing,
    Underlying,
)

VERSION = 1
LARGEST_WHOLE = 10**300
EARLIEST, LATEST = 1970, 2200


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a JSON number")
    if (isinstance(value, int) and abs(value) > LARGEST_WHOLE) or not math.isfinite(value):
        raise ValueError("must be a finite number; write null for what is unknown")
    if abs(value) > UNSET_ABOVE:
        raise ValueError("is the broker's marker for 'unset'; write null")
    return value


def _market_number(value: object) -> object:
    """A number from the broker: its 'unset' marker (1.797e308) is read as unknown."""
    unset = isinstance(value, float) and UNSET_ABOVE < abs(value) < math.inf
    return None if value is None or unset else _number(value)


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("must be a date such as 2026-07-28")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a date such as 2026-07-28") from None


def _to_instant(value: object) -> object:
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            at = None
        if at is not None and at.tzinfo is not None and EARLIEST <= at.year <= LATEST:
            return at
    raise ValueError(f"{str(value)[:40]!r} is not a time with its zone, such as 2026-07-28T19:59:00Z")


Number = Annotated[float, BeforeValidator(_number)]
MarketNumber = Annotated[float | None, BeforeValidator(_market_number)]
Instant = Annotated[AwareDatetime, BeforeValidator(_to_instant)]
Day = Annotated[date, BeforeValidator(_day)]
Name = Annotated[str, Field(min_length=1)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Dividend(_File):
    ex_date: Day
    amount: Annotated[Number, Field(ge=0)]


class _Underlying(_File):
    kind: Kind
    spot: MarketNumber
    spot_as_of: Instant | None = None
    data: DataMode | None = None
    dividend_yield: Number | None = None
    dividends: list[_Dividend] | None = None
    beta: Number | None = None
    iv30: MarketNumber = None
    forwards: dict[Day, Annotated[Number, Field(gt=0)]] | None = None
    closes: list[tuple[Day, Number]] | None = None
    iv_history: list[tuple[Day, Number]] | None = None
    sector: Name | None = None


class _BrokerView(_File):
    mark: MarketNumber = None
    iv: MarketNumber = None
    delta: MarketNumber = None
    gamma: MarketNumber = None
    vega: MarketNumber = None
    theta: MarketNumber = None


class _Position(_File):
    id: Name
    account: str | None = None
    symbol: Name
    kind: Kind
    underlying: Name | None = None
    expiry: Day | None = None
    strike: Annotated[Number, Field(gt=0)] | None = None
    right: Right | None = None
    multiplier: Annotated[Number, Field(gt=0)] | None = None
    exercise: Exercise | None = None
    currency: Annotated[str, Field(min_length=3, max_length=3)] | None = None
    quantity: Number
    entry_price: MarketNumber = None
    bid: MarketNumber = None
    ask: MarketNumber = None
    last: MarketNumber = None
    quote_spot: Annotated[Number, Field(gt=0)] | None = None
    mark: MarketNumber = None
    iv: Annotated[Number, Field(gt=0, le=50)] | None = None
    iv_source: IvSource | None = None
    last_good_iv: Annotated[Number, Field(gt=0, le=50)] | None = None
    settlement: Settlement | None = None
    data: DataMode | None = None
    broker: _BrokerView | None = None
    as_of: Instant | None = None
    broker_as_of: Instant | None = None


class _Account(_File):
    cash: MarketNumber = None
    initial_margin: MarketNumber = None
    maintenance_margin: MarketNumber = None
    excess_liquidity: MarketNumber = None


class _Event(_File):
    kind: EventKind
    at: Instant
    confirmed: StrictBool | None = None
    impact: Impact | None = None
    symbols: list[Name] | None = None
    name: str | None = None
    timing: Timing | None = None
    source: str | None = None
    fetched_at: Instant | None = None


class _Snapshot(_File):
    version: Annotated[Literal[1], BeforeValidator(_number)]
    as_of: Instant
    complete: StrictBool | None = None
    source: str | None = None
    base_currency: Annotated[str, Field(min_length=3, max_length=3)]
    net_liquidation: MarketNumber = None
    fx: dict[str, Annotated[Number, Field(gt=0)]] | None = None
    rates: dict[str, list[tuple[Annotated[Number, Field(ge=0)], Number]]] | None = None
    underlyings: dict[Name, _Underlying]
    positions: list[_Position]
    account: _Account | None = None
    events: list[_Event] | None = None


def load_snapshot(text: str) -> Snapshot:
    """The Snapshot that `text`, a JSON document of version 1, describes.

    Raises:
        SnapshotError: If it is not JSON, misses a required key, holds an unknown or repeated one, or a value out of range; the
            text names the path of the field and the reason.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        raise SnapshotError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise SnapshotError(
            "not a snapshot: nested too deeply, or a number of thousands of digits"
        ) from error
    if not isinstance(document, dict):
        raise SnapshotError("the top level must be an object with version, as_of, underlyings, positions ...")
    try:
        parsed = _Snapshot.model_validate(document)
    except ValidationError as error:
        raise SnapshotError(_first_problem(error)) from error
    _refuse_contradictions(parsed)
    return _to_snapshot(parsed)


def dump_snapshot(snapshot: Snapshot) -> str:
    """`snapshot` as JSON text that `load_snapshot` reads back as an equal value."""
    return json.dumps(_to_document(snapshot), indent=1, allow_nan=False)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SnapshotError(f"the key {twice!r} stands twice in one object")
    return dict(pairs)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    path = ""
    for part in problem["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    reason = problem["msg"].removeprefix("Value error, ")
    reason = {
        "missing": "is required",
        "extra_forbidden": "is not a key of version 1",
        "model_type": "must be an object",
    }.get(problem["type"], reason)
    more = error.error_count() - 1
    return f"{path}: {reason}" + (f" (and {more} more)" if more else "")


def _refuse_contradictions(parsed: _Snapshot) -> None:
    """What each field allows alone but not together."""
    seen: dict[str, int] = {}
    for i, position in enumerate(parsed.positions):
        where = f"positions[{i}]"
        if position.id in seen:
            raise SnapshotError(f"{where}.id: {position.id!r} is already positions[{seen[position.id]}]")
        seen[position.id] = i
        if position.kind in OPTION_KINDS:
            for name in ("underlying", "expiry", "strike", "right"):
                if getattr(position, name) is None:
                    raise SnapshotError(f"{where}.{name}: is required for an option")
        name = position.underlying or position.symbol
        if name not in parsed.underlyings and position.kind not in UNSHOCKED_KINDS:
            raise SnapshotError(f"{where}.underlying: {name!r} is not in underlyings")
    for currency, curve in (parsed.rates or {}).items():
        taus = [tau for tau, _ in curve]
        if not taus or taus != sorted(set(taus)):
            raise SnapshotError(f"rates.{currency}: needs at least one [years, rate] pair, years ascending")


def _to_snapshot(parsed: _Snapshot) -> Snapshot:
    account = parsed.account or _Account()
    return Snapshot(
        as_of=parsed.as_of.astimezone(UTC),
        base_currency=parsed.base_currency,
        underlyings={symbol: _to_underlying(symbol, row) for symbol, row in parsed.underlyings.items()},
        positions=tuple(_to_position(row) for row in parsed.positions),
        complete=parsed.complete is not False,
        source=parsed.source or "file",
        net_liquidation=parsed.net_liquidation,
        fx=dict(parsed.fx or {}),
        rates={currency: tuple(curve) for currency, curve in (parsed.rates or {}).items()},
        account=Account(**account.model_dump()),
        events=tuple(
            Event(
                kind=row.kind,
                at=row.at.astimezone(UTC),
                confirmed=row.confirmed,
                impact=row.impact or Impact.MEDIUM,
                symbols=tuple(row.symbols or (MARKET,)),
                name=row.name or "",
                timing=row.timing,
                source=row.source or "",
                fetched_at=_utc(row.fetched_at),
            )
            for row in parsed.events or ()
        ),
    )


def _to_underlying(symbol: str, row: _Underlying) -> Underlying:
    return Underlying(
        symbol=symbol,
        kind=row.kind,
        spot=row.spot,
        spot_as_of=_utc(row.spot_as_of),
        data=row.data or DataMode.LIVE,
        dividend_yield=0.0 if row.dividend_yield is None else row.dividend_yield,
        dividends=tuple(Dividend(item.ex_date, item.amount) for item in row.dividends or ()),
        beta=row.beta,
        iv30=row.iv30,
        forwards=dict(row.forwards or {}),
        closes=None if row.closes is None else tuple(row.closes),
        iv_history=None if row.iv_history is None else tuple(row.iv_history),
        sector=row.sector,
    )


def _to_position(row: _Position) -> Position:
    contract = Contract(
        symbol=row.symbol,
        kind=row.kind,
        underlying=row.underlying or row.symbol,
        currency=row.currency or "USD",
        multiplier=row.multiplier or (100.0 if row.kind is Kind.OPTION else 1.0),
        expiry=row.expiry,
        strike=row.strike,
        right=row.right,
        exercise=row.exercise,
        settlement=row.settlement or Settlement.PM,
    )
    return Position(
        id=row.id,
        contract=contract,
        quantity=row.quantity,
        account=row.account,
        entry_price=row.entry_price,
        bid=row.bid,
        ask=row.ask,
        last=row.last,
        quote_spot=row.quote_spot,
        broker_as_of=_utc(row.broker_as_of),
        mark=row.mark,
        iv=row.iv,
        iv_source=row.iv_source,
        last_good_iv=row.last_good_iv,
        data=row.data or DataMode.LIVE,
        broker=BrokerView(**row.broker.model_dump()) if row.broker else BrokerView(),
        as_of=_utc(row.as_of),
    )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _pairs(rows: Iterable[tuple[date, float]] | None) -> list[list[Any]] | None:
    return None if rows is None else [[day.isoformat(), value] for day, value in rows]


def _to_document(snapshot: Snapshot) -> dict[str, Any]:
    account = snapshot.account
    return {
        "version": VERSION,
        "as_of": _instant(snapshot.as_of),
        "complete": snapshot.complete,
        "source": snapshot.source,
        "base_currency": snapshot.base_currency,
        "net_liquidation": snapshot.net_liquidation,
        "fx": dict(snapshot.fx),
        "rates": {currency: [list(pair) for pair in curve] for currency, curve in snapshot.rates.items()},
        "underlyings": {symbol: _underlying_document(row) for symbol, row in snapshot.underlyings.items()},
        "positions": [_position_document(position) for position in snapshot.positions],
        "account": {name: getattr(account, name) for name in Account.__slots__},
        "events": [
            {
                "kind": event.kind.value,
                "at": _instant(event.at),
                "confirmed": event.confirmed,
                "impact": event.impact.value,
                "symbols": list(event.symbols),
                "name": event.name,
                "timing": event.timing,
                "source": event.source,
                "fetched_at": _instant(event.fetched_at),
            }
            for event in snapshot.events
        ],
    }


def _underlying_document(row: Underlying) -> dict[str, Any]:
    forwards: Mapping[date, float] = row.forwards
    return {
        "kind": row.kind.value,
        "spot": row.spot,
        "spot_as_of": _instant(row.spot_as_of),
        "data": row.data.value,
        "dividend_yield": row.dividend_yield,
        "dividends": [{"ex_date": item.ex_date.isoformat(), "amount": item.amount} for item in row.dividends],
        "beta": row.beta,
        "iv30": row.iv30,
        "forwards": {day.isoformat(): value for day, value in forwards.items()},
        "closes": _pairs(row.closes),
        "iv_history": _pairs(row.iv_history),
        "sector": row.sector,
    }


def _position_document(position: Position) -> dict[str, Any]:
    contract = position.contract
    return {
        "id": position.id,
        "account": position.account,
        "symbol": contract.symbol,
        "kind": contract.kind.value,
        "underlying": contract.underlying,
        "expiry": None if contract.expiry is None else contract.expiry.isoformat(),
        "strike": contract.strike,
        "right": contract.right,
        "multiplier": contract.multiplier,
        "exercise": contract.exercise,
        "currency": contract.currency,
        "quantity": position.quantity,
        "entry_price": position.entry_price,
        "bid": position.bid,
        "ask": position.ask,
        "last": position.last,
        "quote_spot": position.quote_spot,
        "broker_as_of": _instant(position.broker_as_of),
        "mark": position.mark,
        "iv": position.iv,
        "iv_source": position.iv_source,
        "last_good_iv": position.last_good_iv,
        "settlement": contract.settlement.value,
        "data": position.data.value,
        "broker": {name: getattr(position.broker, name) for name in BrokerView.__slots__},
        "as_of": _instant(position.as_of),
    }
