"""Risk: Greeks and their sums, scenario results, percentages, Value at Risk."""

from engine.risk.exposures import exposure_sum, position_exposures
from engine.risk.metrics import Basis, basis, scenario_results, total
from engine.risk.tail import tail_risk

__all__ = ["Basis", "basis", "exposure_sum", "position_exposures", "scenario_results", "tail_risk", "total"]
