"""What if: templates, the volatility model, and a book shocked by them."""

from engine.scenarios.apply import Outcome, run_scenarios
from engine.scenarios.betas import Beta, betas
from engine.scenarios.iv_model import calculate_iv_shift, get_moneyness_beta, get_time_beta
from engine.scenarios.matrix import risk_matrix
from engine.scenarios.movers import movers
from engine.scenarios.relevance import relevant_scenarios, stocks_reporting
from engine.scenarios.templates import (
    ALL_STOCKS,
    TEMPLATES,
    Scenario,
    Scope,
    find,
    for_symbol,
    standard_set,
    template,
)

__all__ = [
    "ALL_STOCKS",
    "TEMPLATES",
    "Beta",
    "Outcome",
    "Scenario",
    "Scope",
    "betas",
    "calculate_iv_shift",
    "find",
    "for_symbol",
    "get_moneyness_beta",
    "get_time_beta",
    "movers",
    "relevant_scenarios",
    "risk_matrix",
    "run_scenarios",
    "standard_set",
    "stocks_reporting",
    "template",
]
