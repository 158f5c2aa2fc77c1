"""Risk: Greeks and their sums, scenario results, percentages, Value at Risk, explained P&L."""

from engine.risk.explain import explain_pnl
from engine.risk.exposures import exposure_sum, position_exposures
from engine.risk.hindsight import settled, tail_day
from engine.risk.iv_rank import IvRank, iv_rank
from engine.risk.metrics import Basis, basis, known, scenario_results, total
from engine.risk.model_gaps import CAUSE_WORDS, Cause, Figure, FigureGap, ModelGap, ModelGaps, model_gaps
from engine.risk.standing import by_expiry, by_sector, by_underlying, concentration, standing
from engine.risk.tail import simulated, tail_risk
from engine.risk.track import Track, methods_of, track

__all__ = [
    "CAUSE_WORDS",
    "Basis",
    "Cause",
    "Figure",
    "FigureGap",
    "IvRank",
    "ModelGap",
    "ModelGaps",
    "Track",
    "basis",
    "by_expiry",
    "by_sector",
    "by_underlying",
    "concentration",
    "explain_pnl",
    "exposure_sum",
    "iv_rank",
    "known",
    "methods_of",
    "model_gaps",
    "position_exposures",
    "scenario_results",
    "settled",
    "simulated",
    "standing",
    "tail_day",
    "tail_risk",
    "total",
    "track",
]
