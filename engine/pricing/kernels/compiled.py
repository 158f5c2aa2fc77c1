"""The kernels, compiled: what `engine.pricing.twin` says slowly."""

from engine.pricing.kernels.european import european
from engine.pricing.kernels.lookup import evaluate, greeks, implied
from engine.pricing.kernels.tables import build

__all__ = ["build", "european", "evaluate", "greeks", "implied"]
