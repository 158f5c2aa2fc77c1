"""Risk: Greeks and their sums, scenario results, percentages."""

from engine.risk.exposures import exposure_sum, position_exposures
from engine.risk.metrics import Basis, basis, scenario_results, total

__all__ = ["Basis", "basis", "exposure_sum", "position_exposures", "scenario_results", "total"]
