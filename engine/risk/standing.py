"""How large the book is beside the account, and where it is concentrated."""

import math
from typing import Final

import numpy as np

from engine.marks import MarkedBook
from engine.model import Account, Floats
from engine.results import Concentration, Exposure, Standing, TailRisk
from engine.risk.buckets import BUCKETS, NO_EXPIRY, expiry_bucket
from engine.risk.exposures import exposure_sum
from engine.risk.metrics import Basis, total
from engine.scenarios.movers import movers
from engine.settings import ScenarioSettings

NO_SECTOR: Final = "unknown"
DEVIATIONS, DAYS_A_YEAR = 2.0, 252.0
DOLLAR_DELTA, DOLLAR_GAMMA, VEGA = (
    Exposure.__slots__.index(name) for name in ("dollar_delta", "dollar_gamma", "vega")
)


def by_underlying(book: MarkedBook, table: Floats) -> dict[str, Exposure]:
    """The Greeks (n, 9) of each underlying's positions together, in the order of the positions."""
    return _by([position.contract.underlying for position in book.snapshot.positions], table)


def by_expiry(book: MarkedBook, table: Floats) -> dict[str, Exposure]:
    """The Greeks of the positions of each bucket together, what has no expiry first."""
    days = [None if math.isnan(dte) else int(dte) for dte in book.dte]
    sums = _by([expiry_bucket(dte) for dte in days], table)
    return {name: sums[name] for name in (NO_EXPIRY, *(name for _, name in BUCKETS)) if name in sums}


def by_sector(book: MarkedBook, table: Floats) -> dict[str, Exposure]:
    """The Greeks of each sector's positions together, NO_SECTOR for those of which none is known; empty where all are."""
    known = {name: one.sector for name, one in book.snapshot.underlyings.items()}
    sectors = [known.get(position.contract.underlying) or NO_SECTOR for position in book.snapshot.positions]
    return _by(sectors, table) if set(sectors) - {NO_SECTOR} else {}


def _by(names: list[str], table: Floats) -> dict[str, Exposure]:
    of = np.array(names, dtype=object)
    return {name: exposure_sum(table, of == name) for name in dict.fromkeys(names)}


def standing(book: MarkedBook, table: Floats, settings: ScenarioSettings) -> Standing:
    """Market value beside the account, and the book's delta and vega each as one comparable number.

    Args:
        table: (n, 9), the positions' exposures.
    """
    who = movers(book, settings.model_copy(update={"spot_model": "beta"}))
    reference = book.snapshot.underlyings.get(settings.reference_index)
    beta_delta = total(who.market * table[:, DOLLAR_DELTA])
    spot = None if reference is None else reference.spot
    gross, net_liquidation = total(np.abs(book.value)), book.snapshot.net_liquidation
    return Standing(
        gross=gross,
        net=total(book.value),
        leverage=None
        if gross is None or not net_liquidation or net_liquidation < 0.0
        else gross / net_liquidation,
        margin_cushion=_cushion(book.snapshot.account, book.snapshot.net_liquidation),
        reference=settings.reference_index,
        beta_delta=beta_delta,
        beta_shares=None if beta_delta is None or not spot else beta_delta / spot,
        assumed_betas=who.proxied,
        gamma_pnl=_gamma_pnl(book, table[:, DOLLAR_GAMMA]),
        vega_30=total(table[:, VEGA] * np.sqrt(30.0 / np.maximum(np.nan_to_num(book.dte, nan=30.0), 1.0))),
    )


def _gamma_pnl(book: MarkedBook, dollar_gamma: Floats) -> Floats:
    """(n,): half of gamma times the square of a move of two daily deviations, by the underlying's 30-day volatility, else by the
    position's own."""
    market = book.snapshot.underlyings
    month = [
        None if (one := market.get(position.contract.underlying)) is None else one.iv30
        for position in book.snapshot.positions
    ]
    sigma = np.array([math.nan if iv30 is None else iv30 for iv30 in month])
    sigma = np.where(np.isfinite(sigma), sigma, book.contracts.sigma)
    percent = 100.0 * DEVIATIONS * sigma / math.sqrt(DAYS_A_YEAR)
    loss = 0.5 * dollar_gamma * percent * percent / 100.0
    return np.asarray(np.where(dollar_gamma == 0.0, 0.0, loss))


def _cushion(account: Account, net_liquidation: float | None) -> float | None:
    """None where the account does not tell; nothing of nothing is no cushion at all."""
    if net_liquidation is not None and net_liquidation <= 0.0:
        return 0.0
    if account.excess_liquidity is None or net_liquidation is None:
        return None
    return account.excess_liquidity / net_liquidation


def concentration(book: MarkedBook, table: Floats, of: Basis, tail: TailRisk) -> tuple[Concentration, ...]:
    """Each underlying's share in market value, in dollar delta and in the tail, the largest market value first.

    Args:
        table: (n, 9), the positions' exposures.
    """
    names = np.array([position.contract.underlying for position in book.snapshot.positions], dtype=object)
    figure = tail.figure(0.975)
    parts = {share.name: share.component_es for share in tail.by_underlying}
    rows = []
    for name in dict.fromkeys(names.tolist()):
        mine = names == name
        rows.append(
            Concentration(
                name,
                _share(total(book.value[mine]), of.amount),
                _share(total(table[mine, DOLLAR_DELTA]), of.amount),
                None if figure is None or figure.es <= 0.0 or name not in parts else parts[name] / figure.es,
            )
        )
    return tuple(sorted(rows, key=lambda row: -(math.inf if row.value is None else row.value)))


def _share(amount: float | None, of: float | None) -> float | None:
    """|amount| over the basis."""
    return None if amount is None or of is None else abs(amount) / of
