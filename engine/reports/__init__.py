"""Reports: tables, pictures, exports. DataFrames first; everything else is a view of them."""

from engine.reports.charts import (
    correlation_map,
    heat_map,
    history_picture,
    scenario_bars,
    table_picture,
    waterfall,
)
from engine.reports.renderer import Renderer

__all__ = [
    "Renderer",
    "correlation_map",
    "heat_map",
    "history_picture",
    "scenario_bars",
    "table_picture",
    "waterfall",
]
