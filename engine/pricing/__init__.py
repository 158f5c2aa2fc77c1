"""Pricing: contracts and shocks in, values, Greeks and implied volatilities out. Pure functions over columns."""

from engine.pricing.rates import rate_at
from engine.pricing.types import (
    BoolArray,
    Contracts,
    Dividends,
    Floats,
    GreekColumns,
    ImpliedVolatility,
    IntArray,
    IvReason,
    Model,
    Shocks,
)
from engine.pricing.valuation import greeks, implied_volatility, price, shocked_greeks, value

__all__ = [
    "BoolArray",
    "Contracts",
    "Dividends",
    "Floats",
    "GreekColumns",
    "ImpliedVolatility",
    "IntArray",
    "IvReason",
    "Model",
    "Shocks",
    "greeks",
    "implied_volatility",
    "price",
    "rate_at",
    "shocked_greeks",
    "value",
]
