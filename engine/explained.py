"""The nouns of an explained P&L: what `explain_pnl` takes beside two Snapshots, and what it returns.

Money is in the account's base currency, gains positive. NaN is *unknown* in a number, None elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime

from engine.model import Contract, Kind, Right
from engine.results import NamedPnl, Remark


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill between the two Snapshots: `quantity` is negative for a sale, `price` per unit in the contract's currency.

    `commission` is a cost, positive, in `commission_currency`; None where nobody has told.
    """

    contract: Contract
    at: datetime
    quantity: float
    price: float
    account: str | None = None
    commission: float | None = None
    commission_currency: str | None = None


@dataclass(frozen=True, slots=True)
class GreekTerms:
    """P&L by the Greeks of the start, base currency. With dS, dsigma, dr, dt the changes of spot, own sigma, rate and time:

    Attributes:
        delta, gamma: delta dS; gamma dS^2 / 2.
        vega, vanna, volga: vega dsigma; vanna dS dsigma; volga dsigma^2 / 2, dsigma that of the position's own strike.
        theta: theta dt, to the expiry at most.
        rho: rho dr.
        carry: what a changed yield, implied forward or forecast of dividends is worth, by delta.
        dividends: paid on shares held when they went ex; of an option delta times the dividend, since spot alone falls by it.
        currency: the value at the start times the change of its exchange rate.
        trades: from the price of each fill to the later mark. fees: commissions, a cost negative.
        changed: value of quantities that changed without a known trade; their cash is not known, so it is no P&L.
        residual: what the actual P&L has beyond all of these.
    """

    delta: float
    gamma: float
    vega: float
    vanna: float
    volga: float
    theta: float
    rho: float
    carry: float
    dividends: float
    currency: float
    trades: float
    fees: float
    changed: float
    residual: float


@dataclass(frozen=True, slots=True)
class Steps:
    """P&L by valuing the book anew after one change at a time, in this order, base currency; the steps sum to the actual.

    Attributes:
        time: the time that passed; what expired is worth its intrinsic value.
        dividends: what went ex, at the old spot; paid on shares held.
        spot: spots, and forwards of what is valued on one. iv: each option's own volatility.
        rest: rates, dividends ahead, yields and forwards.
        currency: exchange rates, on the later value.
        trades, fees, changed: as in `GreekTerms`.
        data: how much further the marks are from the models than before.
    """

    time: float
    dividends: float
    spot: float
    iv: float
    rest: float
    currency: float
    trades: float
    fees: float
    changed: float
    data: float


@dataclass(frozen=True, slots=True)
class Explained:
    """The actual P&L of something, and both views of it."""

    actual: float
    terms: GreekTerms
    steps: Steps

    @property
    def earned(self) -> float:
        """The actual P&L without the value of what changed without a known trade."""
        return self.actual - self.steps.changed


@dataclass(frozen=True, slots=True)
class ExplainedPosition:
    """One position, in either Snapshot or traded between them. Marks and IVs are None where it is not held or has none.

    `value_before` and `value_after` are in base currency, of a future its variation since entry; `dte` is of the earlier time.
    """

    id: str
    label: str
    underlying: str
    kind: Kind
    expiry: date | None
    strike: float | None
    right: Right | None
    dte: int | None
    quantity_before: float
    quantity_after: float
    mark_before: float | None
    mark_after: float | None
    iv_before: float | None
    iv_after: float | None
    value_before: float
    value_after: float
    explained: Explained


@dataclass(frozen=True, slots=True)
class LargeResidual:
    """The Greeks do not explain the P&L: why, and the positions with the largest residual, the largest first."""

    residual: float
    share: float
    reason: str
    causes: tuple[NamedPnl, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The P&L between two Snapshots.

    Attributes:
        positions: those that could be valued, in the order of the earlier Snapshot, then of the later.
        total, by_underlying: sums over `positions`; the total is NaN where something is held and nothing could be valued.
        vega_by_expiry: the vega term by days to expiry at the start ('0-7 d'); buckets without options are left out.
        gross: sum over positions of the sizes of their Greek terms, what residuals are measured against.
        net_liquidation_change: as the account has it: with cash, interest and transfers; None where unknown.
        remarks: what a reader must know of a position: it expired, it changed without a known trade.
        left_out: positions that can't be valued in one of the two, in no sum.
        large_residual: set where the Greeks leave too much unexplained.
    """

    earlier: datetime
    later: datetime
    base_currency: str
    positions: tuple[ExplainedPosition, ...]
    total: Explained
    by_underlying: Mapping[str, Explained]
    vega_by_expiry: Mapping[str, float]
    gross: float
    net_liquidation_change: float | None
    remarks: tuple[Remark, ...]
    left_out: tuple[Remark, ...]
    notes: tuple[str, ...]
    large_residual: LargeResidual | None


TERMS = tuple(field.name for field in fields(GreekTerms))
STEPS = tuple(field.name for field in fields(Steps))
