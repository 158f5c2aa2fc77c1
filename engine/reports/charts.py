"""The pictures of the chat and the report: each a function from a table and plain words to a PNG.

They are slow to import and to run (tenths of a second of Python), so a program with an event loop draws them
through `engine.reports.renderer.Renderer`.
"""

from engine.reports.chart_bars import scenario_bars
from engine.reports.chart_correlation import correlation_map
from engine.reports.chart_heat import heat_map
from engine.reports.chart_history import history_picture
from engine.reports.chart_table import table_picture
from engine.reports.chart_waterfall import waterfall

__all__ = ["correlation_map", "heat_map", "history_picture", "scenario_bars", "table_picture", "waterfall"]
