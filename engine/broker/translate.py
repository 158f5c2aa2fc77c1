"""From the broker's facts to the model: what a position is called, what it is on, how it settles."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from engine.book import Holding
from engine.broker.facts import AccountFact, ContractFact, DetailsFact, HoldingFact, SecType, finite
from engine.errors import ConfigError
from engine.model import Account, Contract, Kind, Settlement

AM_SETTLED_CLASSES: Final = frozenset({"SPX", "NDX", "RUT", "VIX", "VIXW", "DJX", "RUI", "NQX"})
"""Trading classes that settle at the open; their last trading day is the day before."""

KINDS: Final = {
    SecType.STOCK: Kind.STOCK,
    SecType.OPTION: Kind.OPTION,
    SecType.INDEX: Kind.INDEX,
    SecType.FUTURE: Kind.FUTURE,
    SecType.FUTURE_OPTION: Kind.FUTURE_OPTION,
    SecType.CASH: Kind.CASH,
    SecType.BOND: Kind.BOND,
    SecType.FUND: Kind.FUND,
    SecType.OTHER: Kind.OTHER,
}
COST_INCLUDES_MULTIPLIER: Final = frozenset({SecType.OPTION, SecType.FUTURE, SecType.FUTURE_OPTION})


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """The account in base currency, and what one unit of each other currency is worth in it; `gross_position` is the size of
    all that is held."""

    base_currency: str
    net_liquidation: float | None
    account: Account
    fx: Mapping[str, float]
    gross_position: float | None = None


def holding(fact: HoldingFact, real_expiries: Mapping[int, date]) -> Holding:
    """A position row as a Holding; `real_expiries` has the settlement dates of AM-settled options by con_id."""
    contract = contract_of(fact.contract, real_expiries.get(fact.contract.con_id))
    per_unit = fact.contract.multiplier if fact.contract.sec_type in COST_INCLUDES_MULTIPLIER else 1.0
    return Holding(
        id=f"{fact.account}:{contract.label}",
        contract=contract,
        quantity=fact.quantity,
        account=fact.account,
        entry_price=None if fact.average_cost is None else fact.average_cost / per_unit,
    )


def apart(holdings: Mapping[tuple[str, int], Holding]) -> dict[tuple[str, int], Holding]:
    """The holdings by (account, con_id), those that share a name told apart by their con_id: none may hide another."""
    names = Counter(held.id for held in holdings.values())
    return {
        (account, con_id): held if names[held.id] == 1 else replace(held, id=f"{held.id} #{con_id}")
        for (account, con_id), held in holdings.items()
    }


def contract_of(fact: ContractFact, real_expiry: date | None = None) -> Contract:
    """The contract in the model's words. An option's symbol is its trading class, so that SPX and SPXW stay apart."""
    kind = KINDS[fact.sec_type]
    is_option = fact.sec_type in {SecType.OPTION, SecType.FUTURE_OPTION}
    if is_option and (fact.expiry is None or fact.strike is None or fact.right is None):
        kind, is_option = Kind.OTHER, False
    am_settled = is_option and fact.trading_class in AM_SETTLED_CLASSES
    return Contract(
        symbol=(fact.trading_class or fact.symbol) if is_option else fact.symbol,
        kind=kind,
        underlying=fact.symbol,
        currency=fact.currency,
        multiplier=fact.multiplier,
        expiry=real_expiry or fact.expiry,
        strike=fact.strike if is_option else None,
        right=fact.right if is_option else None,
        settlement=Settlement.AM if am_settled else Settlement.PM,
    )


def underlying_kind(details: DetailsFact) -> Kind:
    """What an underlying is: an ETF is a stock whose details say so."""
    if details.contract.sec_type is SecType.STOCK and details.stock_type in {"ETF", "ETN", "ETP"}:
        return Kind.ETF
    return KINDS[details.contract.sec_type]


def account_figures(rows: Iterable[AccountFact]) -> AccountFigures:
    """Account figures from the rows of one account."""
    rows = list(rows)
    base = next(
        (row.currency for row in rows if row.tag == "NetLiquidation" and row.currency not in {"", "BASE"}),
        "USD",
    )
    amounts = {row.tag: _amount(row.value) for row in rows if row.currency in {base, "BASE"}}
    fx = {
        row.currency: rate
        for row in rows
        if row.tag == "ExchangeRate"
        and row.currency not in {base, "BASE"}
        and (rate := _amount(row.value)) is not None
        and rate > 0.0
    }
    account = Account(
        cash=amounts.get("TotalCashValue"),
        initial_margin=amounts.get("InitMarginReq"),
        maintenance_margin=amounts.get("MaintMarginReq"),
        excess_liquidity=amounts.get("ExcessLiquidity"),
    )
    return AccountFigures(base, amounts.get("NetLiquidation"), account, fx, amounts.get("GrossPositionValue"))


def added_up(several: Sequence[AccountFigures]) -> AccountFigures:
    """The figures of accounts together. A figure that one of them does not tell is unknown.

    Raises:
        ConfigError: If their base currencies differ.
    """
    if len(several) == 1:
        return several[0]
    bases = {one.base_currency for one in several}
    if len(bases) != 1:
        raise ConfigError(
            f"ibkr.account: accounts in {' and '.join(sorted(bases))} can't be added up; name one"
        )

    def total(values: Iterable[float | None]) -> float | None:
        known = list(values)
        return None if None in known else sum(value for value in known if value is not None)

    fields = Account.__slots__
    fx: dict[str, float] = {}
    for one in several:
        fx |= one.fx
    return AccountFigures(
        base_currency=bases.pop(),
        net_liquidation=total(one.net_liquidation for one in several),
        account=Account(**{name: total(getattr(one.account, name) for one in several) for name in fields}),
        fx=fx,
        gross_position=total(one.gross_position for one in several),
    )


def _amount(text: str) -> float | None:
    try:
        return finite(float(text))
    except ValueError:
        return None
