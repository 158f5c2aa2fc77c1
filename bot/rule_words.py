"""What the rules of alerts are called, in messages, in tables and in commands."""

from typing import Final

from bot.cards import short_label
from engine.alerts import Rule
from engine.results import RiskReport

MOST_LISTED: Final = 6

TITLES: Final = {
    Rule.PORTFOLIO_LOSS: "the loss limit",
    Rule.MARGIN_CUSHION: "the margin cushion",
    Rule.VAR: "the Value at Risk",
    Rule.SHORT_GAMMA: "short gamma",
    Rule.VEGA: "vega",
    Rule.CONCENTRATION: "concentration",
    Rule.ASSIGNMENT: "early assignment",
    Rule.PIN: "pin risk",
    Rule.EXPIRING: "expiry today",
    Rule.MODEL_GAP: "the broker's model",
    Rule.EARNINGS_INSIDE: "earnings inside an expiration",
    Rule.IV_HIGH: "high IV rank",
    Rule.IV_LOW: "low IV rank",
}
"""What a rule watches, in the words of its messages."""

NAMES: Final = {
    Rule.PORTFOLIO_LOSS: "worst loss",
    Rule.MARGIN_CUSHION: "cushion",
    Rule.VAR: "VaR 99 %",
    Rule.SHORT_GAMMA: "gamma, 2 sd",
    Rule.VEGA: "vega",
    Rule.CONCENTRATION: "largest name",
    Rule.ASSIGNMENT: "assignment",
    Rule.PIN: "pin",
    Rule.EXPIRING: "expiry",
    Rule.MODEL_GAP: "model gap",
    Rule.EARNINGS_INSIDE: "earnings",
    Rule.IV_HIGH: "IV high",
    Rule.IV_LOW: "IV low",
}
"""The same where there is little room, and as people call it in a command."""
RULE_WORDS: Final = {name.casefold(): rule for rule, name in NAMES.items()}
ORDER: Final = {rule.value: i for i, rule in enumerate(Rule)}


def labels_of(report: RiskReport) -> dict[str, str]:
    """Positions as people write them, by id."""
    return {position.id: short_label(position, 24) for position in report.positions}


def and_more_of(count: int) -> str:
    """What a list that is cut at MOST_LISTED ends with."""
    return f" and {count - MOST_LISTED} more" if count > MOST_LISTED else ""
