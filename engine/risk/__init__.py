"""Risk: Greeks and their sums, scenario results, percentages, Value at Risk."""

from engine.risk.exposures import exposure_sum, position_exposures
from engine.risk.iv_rank import IvRank, iv_rank
from engine.risk.metrics import Basis, basis, scenario_results, total
from engine.risk.standing import by_expiry, by_sector, by_underlying, concentration, standing
from engine.risk.tail import simulated, tail_risk

__all__ = [
    "Basis",
    "IvRank",
    "basis",
    "by_expiry",
    "by_sector",
    "by_underlying",
    "concentration",
    "exposure_sum",
    "iv_rank",
    "position_exposures",
    "scenario_results",
    "simulated",
    "standing",
    "tail_risk",
    "total",
]
