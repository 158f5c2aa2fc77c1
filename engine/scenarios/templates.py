"""The standard scenarios, as data: one row each. To add one, add a row.

`spot` holds one move, or two where both sides are run and the worse is reported (D5). `scope` says what moves: the market, or
single stocks (D4), where `symbol` narrows it to one of them.
"""

from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from engine.errors import RequestError
from engine.scenarios.clauses import Custom
from engine.scenarios.shapes import ByDte, ByWing, IvShape, Proportional, TermSlide, Uniform


class Scope(StrEnum):
    MARKET = "market"
    SINGLE_STOCKS = "single stocks"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A what-if: a move of spot, what IV does, and how many calendar days pass.

    With `custom`, that says it all; `remarks` is what the book at hand makes of it.
    """

    name: str
    spot: tuple[float, ...]
    iv: IvShape
    days: int = 0
    scope: Scope = Scope.MARKET
    symbol: str | None = None
    remark: str | None = None
    custom: Custom | None = None
    remarks: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """What a reader must know of whom it moves, or why it is run now."""
        if self.custom is not None:
            return "; ".join([*filter(None, [self.custom.note]), *self.remarks]) or None
        if self.remark is not None:
            return self.remark
        if self.symbol is not None:
            return f"moves {self.symbol} alone"
        return ALL_STOCKS if self.scope is Scope.SINGLE_STOCKS else None


ALL_STOCKS: Final = "moves all single stocks at once"

TEMPLATES: Final = (
    Scenario("Normal Day", (0.0,), Uniform(0.0)),
    Scenario("Earnings Beat", (0.05,), ByDte(((7, -0.35), (30, -0.15)), -0.05), scope=Scope.SINGLE_STOCKS),
    Scenario("Earnings Miss", (-0.08,), ByDte(((7, -0.30), (30, -0.10)), 0.0), scope=Scope.SINGLE_STOCKS),
    Scenario(
        "Earnings Inline", (0.01, -0.01), ByDte(((7, -0.40), (30, -0.20)), -0.05), scope=Scope.SINGLE_STOCKS
    ),
    Scenario("Market Panic", (-0.05,), ByWing(put=0.60, money=0.35, call=0.25)),
    Scenario("Flash Crash", (-0.08,), ByWing(put=1.00, money=0.50, call=0.30)),
    Scenario("Black Swan", (-0.20,), Proportional(1.50)),
    Scenario("Fed Hawkish", (-0.02,), Uniform(0.20)),
    Scenario("Fed Dovish", (0.015,), Uniform(-0.10)),
    Scenario("Fed Neutral", (0.005, -0.005), Uniform(-0.05)),
    Scenario("Short Squeeze", (0.10,), ByWing(put=-0.10, money=0.10, call=0.30)),
    Scenario("FOMO Rally", (0.05,), ByWing(put=-0.20, money=-0.025, call=0.15)),
    Scenario("Relief Rally", (0.03,), Uniform(-0.15)),
    Scenario("1 Day Pass", (0.0,), ByDte(((29, -0.01),), 0.0), days=1),
    Scenario("Weekend", (0.0,), ByDte(((7, -0.02),), 0.0), days=3),
    Scenario("1 Week", (0.0,), TermSlide(), days=7),
)

NAMES: Final = tuple(scenario.name for scenario in TEMPLATES)
BY_NAME: Final = {scenario.name.casefold(): scenario for scenario in TEMPLATES}


def template(name: str) -> Scenario:
    """The template called `name`, in any case.

    Raises:
        RequestError: If there is none; the text names the nearest.
    """
    found = BY_NAME.get(name.strip().casefold())
    if found is None:
        raise RequestError(_no_such(name, NAMES))
    return found


def find(text: str, among: tuple[str, ...]) -> list[str]:
    """The names of `among` that `text` means: the exact one, else those with a word that starts so, else those that contain it.

    Raises:
        RequestError: If none does; the text names the nearest.
    """
    wanted = " ".join(text.casefold().split())
    for fits in (
        lambda name: name == wanted,
        lambda name: f" {wanted}" in f" {name}",
        lambda name: wanted in name,
    ):
        found = [name for name in among if fits(name.casefold())]
        if found:
            return found
    raise RequestError(_no_such(text, among))


def _no_such(text: str, among: tuple[str, ...]) -> str:
    lowered = {name.casefold(): name for name in among}
    words = {word: name for name in reversed(among) for word in name.casefold().split()}
    wanted = text.strip().casefold()
    near = get_close_matches(wanted, lowered, 1, 0.5) or get_close_matches(wanted, words, 1, 0.5)
    nearest = lowered.get(near[0]) or words[near[0]] if near else among[0]
    return (
        f"There is no scenario {text.strip()[:40]!r}. Nearest: {nearest}. Try: /scenario {nearest.casefold()}"
    )


def for_symbol(scenario: Scenario, symbol: str) -> Scenario:
    """The template `scenario` for `symbol` alone: "Earnings Beat TSLA"."""
    return replace(scenario, name=f"{scenario.name} {symbol}", symbol=symbol)


def standard_set(reporting: tuple[str, ...]) -> tuple[Scenario, ...]:
    """All templates, in the order of the table; the earnings ones once for each symbol of `reporting`, or for all single
    stocks when empty."""
    chosen: list[Scenario] = []
    for scenario in TEMPLATES:
        if scenario.scope is Scope.SINGLE_STOCKS and reporting:
            chosen.extend(for_symbol(scenario, symbol) for symbol in reporting)
        else:
            chosen.append(scenario)
    return tuple(chosen)
