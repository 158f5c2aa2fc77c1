"""Risk Navigator's exports against riskbot: reading them (pure, bytes in), finding whose figures they are, comparing."""

from engine.navigator.compare import TOLERANCES, Comparison, Difference, compare
from engine.navigator.export import Export, read_export
from engine.navigator.tables import comparison_json, comparison_text, differences_frame, totals_frame, verdict

__all__ = [
    "TOLERANCES",
    "Comparison",
    "Difference",
    "Export",
    "compare",
    "comparison_json",
    "comparison_text",
    "differences_frame",
    "read_export",
    "totals_frame",
    "verdict",
]
