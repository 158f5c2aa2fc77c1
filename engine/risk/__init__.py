"""Risk: Greeks and their sums, scenario results, percentages, Value at Risk, explained P&L."""

from engine.risk.explain import explain_pnl
from engine.risk.exposures import exposure_sum, position_exposures
from engine.risk.iv_rank import IvRank, iv_rank
from engine.risk.metrics import Basis, basis, scenario_results, total
from engine.risk.tail import tail_risk

__all__ = [
    "Basis",
    "IvRank",
    "basis",
    "explain_pnl",
    "exposure_sum",
    "iv_rank",
    "position_exposures",
    "scenario_results",
    "tail_risk",
    "total",
]
