"""What is said of how the stored Values at Risk fared, as a card."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from bot.cards import cut, pre
from engine.reports.numbers import compact
from engine.results import TailDay
from engine.risk import Track, track

LEVELS: Final = (0.95, 0.99)
FEWEST: Final = 30
"""Days below which no test says anything."""
ENOUGH: Final = 250
MOST_EXCEPTIONS: Final = 8
MOST_UNKNOWN: Final = 3
REJECTED_BELOW: Final = 0.05
LONGEST_NOTE: Final = 160


def backtest_text(days: Sequence[TailDay], method: str | None, currency: str) -> str:
    """Exceptions, the tests of their number and of their clusters, and the zone, over what is stored; `method` None for none."""
    head = "<b>Back-test of the Value at Risk</b>"
    if method is None:
        return (
            f"{head}\nNo Value at Risk is stored yet. One is kept after each close, and judged by the next."
        )
    tracks = [track(days, method, level) for level in LEVELS]
    judged = tracks[0].test.days
    words = [f"{head}, {escape(method)}, {escape(currency)}", _span(tracks[0], days)]
    if judged < FEWEST:
        words.append(f"A test needs about {ENOUGH}: nothing can be said yet.")
    elif judged < ENOUGH:
        words.append(f"A test needs about {ENOUGH}: only gross faults show yet.")
    words.append(pre([*_table(tracks), *_exceptions(days, method, tracks)]))
    if judged >= FEWEST:
        words += [_verdict(one) for one in tracks]
        words.append("p: the chance of so much under a true model.")
    if tracks[0].actual_days:
        words.append("with trades: net liquidation's own losses over it, of so many days.")
    return "\n".join([*words, *_unknown(days, method)])


def _span(one: Track, days: Sequence[TailDay]) -> str:
    stored = [day.day for day in days if day.var(one.method, one.level) is not None]
    said = f"{_days(one.test.days)} judged"
    if stored:
        said += f", {_days(one.stored)} stored from {stored[0]} to {stored[-1]}"
    if one.unknown:
        said += f"; {_days(one.unknown)} without a verdict"
    return said + (f"; {_days(one.waiting)} waiting for the next close." if one.waiting else ".")


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _table(tracks: Sequence[Track]) -> list[str]:
    def line(name: str, cells: Sequence[str]) -> str:
        return f"{name:<14}" + "".join(f"{cell:>8}" for cell in cells)

    tests = [one.test for one in tracks]
    lines = [
        line("", [f"{100.0 * one.level:g} %" for one in tracks]),
        line("exceptions", [str(test.exceptions) for test in tests]),
        line("expected", [f"{test.expected:.1f}" for test in tests]),
    ]
    if tests[0].days >= FEWEST:
        lines += [
            line("p of number", [_chance(test.kupiec_p) for test in tests]),
            line("p of clusters", [_chance(test.independence_p) for test in tests]),
            line("p of both", [_chance(test.coverage_p) for test in tests]),
            line("Basel zone", ["?" if test.zone is None else str(test.zone) for test in tests]),
        ]
    if tracks[0].actual_days:
        lines.append(line("with trades", [f"{one.actual}/{one.actual_days}" for one in tracks]))
    return lines


def _chance(p: float) -> str:
    if math.isnan(p):
        return "none"
    return "<0.1 %" if p < 0.001 else f"{100.0 * p:.1f} %"


def _exceptions(days: Sequence[TailDay], method: str, tracks: Sequence[Track]) -> list[str]:
    """The newest first: what was lost, and the Values at Risk that it is to be compared with."""
    over = {one.day: one.loss for each in tracks for one in each.exceeded}
    if not over:
        return []
    before = {day.until: day for day in days}
    lines = ["", f"{'lost over':<10}{'loss':>7}{'95 %':>7}{'99 %':>6}"]
    for day in sorted(over, reverse=True)[:MOST_EXCEPTIONS]:
        first, second = (before[day].var(method, level) for level in LEVELS)
        lines.append(f"{day!s:<10}{_money(over[day]):>7}{_money(first):>7}{_money(second):>6}")
    rest = len(over) - MOST_EXCEPTIONS
    return [*lines, f"and {rest} more"] if rest > 0 else lines


def _money(amount: float | None) -> str:
    return compact(amount, short=True).removeprefix("+")


def _verdict(one: Track) -> str:
    """What the tests make of one level, in a sentence."""
    test = one.test
    said = f"{100.0 * one.level:g} %: "
    if test.kupiec_p < REJECTED_BELOW:
        many = test.exceptions > test.expected
        said += f"too {'many' if many else 'few'} exceptions for chance: the figures are too {'low' if many else 'high'}"
    else:
        said += "their number can be chance"
    if math.isnan(test.independence_p):
        return said + "."
    return said + (
        "; they come in clusters." if test.independence_p < REJECTED_BELOW else "; no clusters to be seen."
    )


def _unknown(days: Sequence[TailDay], method: str) -> list[str]:
    """The newest days without a verdict, and why."""
    bad = [
        one
        for one in days
        if one.until is not None and one.pnl is None and any(row.method == method for row in one.figures)
    ]
    lines = [
        f"! {one.until} has no verdict: {escape(cut(one.remark or 'unknown', LONGEST_NOTE))}"
        for one in bad[: -MOST_UNKNOWN - 1 : -1]
    ]
    rest = len(bad) - MOST_UNKNOWN
    return [*lines, f"! and {_days(rest)} more without a verdict"] if rest > 0 else lines
