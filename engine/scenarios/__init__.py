"""What if: templates, the volatility model, and a book shocked by them."""

from engine.scenarios.apply import Outcome, pnl_under, run_scenarios
from engine.scenarios.betas import Beta, betas
from engine.scenarios.clauses import Wing
from engine.scenarios.custom import custom_scenario, custom_set, scenario_name
from engine.scenarios.grammar import EXAMPLE, LONGEST_TEXT, GrammarError, symbol_key
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
    "EXAMPLE",
    "LONGEST_TEXT",
    "TEMPLATES",
    "Beta",
    "GrammarError",
    "Outcome",
    "Scenario",
    "Scope",
    "Wing",
    "betas",
    "calculate_iv_shift",
    "custom_scenario",
    "custom_set",
    "find",
    "for_symbol",
    "get_moneyness_beta",
    "get_time_beta",
    "movers",
    "pnl_under",
    "relevant_scenarios",
    "risk_matrix",
    "run_scenarios",
    "scenario_name",
    "standard_set",
    "stocks_reporting",
    "symbol_key",
    "template",
]
