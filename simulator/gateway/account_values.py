"""The account's figures as the broker's tags: what messages 6, 63 and 73 carry."""

from collections.abc import Iterator

from simulator.gateway.account import Account, Figures

ValueRow = tuple[str, str, str]
"""Tag, value, currency: all text; the currency is empty for texts and ratios."""

_ZERO_LEDGER = (
    "CorporateBondValue", "FundValue", "FutureOptionValue", "FuturesPNL", "FxCashBalance", "IssuerOptionValue",
    "MoneyMarketFundValue", "MutualFundValue", "NetDividend", "RealizedPnL", "TBillValue", "TBondValue", "WarrantValue",
)  # fmt: skip
_SEGMENTED_ZERO = (
    "AccruedDividend",
    "Guarantee",
    "IncentiveCoupons",
    "PhysicalCertificateValue",
    "PASharesValue",
)


def value_rows(account: Account) -> list[ValueRow]:
    """Every tag of the account at the current marks."""
    figures = account.figures()
    return [*_texts(account.name), *_totals(figures), *_ratios(figures), *_ledger(figures)]


def _texts(name: str) -> Iterator[ValueRow]:
    yield "AccountCode", name, ""
    yield "AccountReady", "true", ""
    yield "AccountType", "INDIVIDUAL", ""
    for tag in ("DayTradesRemaining", *(f"DayTradesRemainingT+{n}" for n in (1, 2, 3, 4))):
        yield tag, "-1", ""
    yield "NLVAndMarginInReview", "false", ""
    yield "SegmentTitle-C", "US Commodities", ""
    yield "SegmentTitle-S", "US Securities", ""
    yield "TradingType-S", "PMRGN", ""
    yield "WhatIfPMEnabled", "true", ""


def _totals(figures: Figures) -> Iterator[ValueRow]:
    """Totals in the base currency, each also for the securities (-S) and the commodities (-C) segment."""
    worth, initial, maintenance = figures.net_liquidation, figures.initial_margin, figures.maintenance_margin
    totals = {
        "AccruedCash": 0.0,
        "AvailableFunds": worth - initial,
        "EquityWithLoanValue": worth,
        "ExcessLiquidity": worth - maintenance,
        "FullAvailableFunds": worth - initial,
        "FullExcessLiquidity": worth - maintenance,
        "FullInitMarginReq": initial,
        "FullMaintMarginReq": maintenance,
        "InitMarginReq": initial,
        "LookAheadAvailableFunds": worth - initial,
        "LookAheadExcessLiquidity": worth - maintenance,
        "LookAheadInitMarginReq": initial,
        "LookAheadMaintMarginReq": maintenance,
        "MaintMarginReq": maintenance,
        "NetLiquidation": worth,
        "PostExpirationExcess": worth - maintenance,
        "PostExpirationMargin": 0.0,
        "TotalCashValue": figures.cash,
        **dict.fromkeys(_SEGMENTED_ZERO, 0.0),
    }
    for tag, amount in totals.items():
        yield tag, _money(amount), "USD"
        yield f"{tag}-C", _money(0.0), "USD"
        yield f"{tag}-S", _money(amount), "USD"
    for tag, amount in (
        ("BuyingPower", max(0.0, 6.67 * (worth - initial))),
        ("GrossPositionValue", figures.gross),
        ("GrossPositionValue-S", figures.gross),
        ("RegTEquity", worth),
        ("RegTEquity-S", worth),
        ("RegTMargin", 0.5 * figures.stocks),
        ("RegTMargin-S", 0.5 * figures.stocks),
        ("SMA", max(0.0, worth - 0.5 * figures.stocks)),
        ("SMA-S", max(0.0, worth - 0.5 * figures.stocks)),
    ):
        yield tag, _money(amount), "USD"


def _ratios(figures: Figures) -> Iterator[ValueRow]:
    worth = figures.net_liquidation
    yield "Cushion", f"{(worth - figures.maintenance_margin) / worth:.6f}", ""
    yield "Leverage-S", f"{figures.gross / worth:.2f}", ""
    yield "LookAheadNextChange", "0", ""


def _ledger(figures: Figures) -> Iterator[ValueRow]:
    """The block per currency: once for USD and once for BASE, which is the same here."""
    amounts = {
        "CashBalance": figures.cash,
        "TotalCashBalance": figures.cash,
        "StockMarketValue": figures.stocks,
        "OptionMarketValue": figures.options,
        "NetLiquidationByCurrency": figures.net_liquidation,
        "UnrealizedPnL": figures.unrealized,
        **dict.fromkeys(_ZERO_LEDGER, 0.0),
    }
    for currency in ("BASE", "USD"):
        yield "Currency", currency, currency
        yield "RealCurrency", currency, currency
        yield "ExchangeRate", "1.00", currency
        yield "AccountOrGroup", "All", currency
        for tag, amount in amounts.items():
            yield tag, _money(amount), currency


def _money(amount: float) -> str:
    return f"{amount:.2f}"
