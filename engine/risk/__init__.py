"""Risk: Greeks and their sums, scenario results, percentages, Value at Risk."""

from engine.risk.exposures import exposure_sum, position_exposures
from engine.risk.iv_rank import IvRank, iv_rank
from engine.risk.metrics import Basis, basis, scenario_results, total
from engine.risk.model_gaps import CAUSE_WORDS, Cause, Figure, FigureGap, ModelGap, ModelGaps, model_gaps
from engine.risk.tail import tail_risk

__all__ = [
    "CAUSE_WORDS",
    "Basis",
    "Cause",
    "Figure",
    "FigureGap",
    "IvRank",
    "ModelGap",
    "ModelGaps",
    "basis",
    "exposure_sum",
    "iv_rank",
    "model_gaps",
    "position_exposures",
    "scenario_results",
    "tail_risk",
    "total",
]
