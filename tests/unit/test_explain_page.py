"""docs/explain.md: its example is what the program computes."""

from dataclasses import asdict
from pathlib import Path

from engine.marks import mark_book
from engine.risk import explain_pnl
from tests.unit.books import SETTINGS, holding, option, snapshot
from tests.unit.test_explain import moved

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8").split())


def signed(value):
    return f"{value:+,.2f}".replace("-", "−")


def test_the_example_by_hand_is_what_comes_out():
    held = [option("BBB", 50, "C", -3.0, iv=0.4), holding("BBB", 150.0, mark=50.0)]
    start = snapshot(held, rates={"USD": ((1.0, 0.03),)})
    found = explain_pnl(start, moved(start, spot=1.02, iv=1.1, days=2.0), SETTINGS)
    steps, terms = found.total.steps, asdict(found.total.terms)
    shown = [
        f"time {'−'}300",
        f"= {signed(steps.time)}. Spot",
        f"so {signed(steps.spot)}.",
        f"= {signed(steps.iv)}. Together",
    ]
    shown += [f"{signed(found.total.actual)}, the actual", f"the residual is {signed(terms['residual'])},"]
    shown += [f"= {signed(terms[name])}." for name in ("delta", "gamma", "vega", "vanna", "theta")]
    unit = mark_book(start, SETTINGS).greeks
    shown += [
        f"{name} {value[0]:.4f}"
        for name, value in (("delta", unit.delta), ("gamma", unit.gamma), ("vega", unit.vega))
    ]
    assert [text for text in shown if text not in PAGE] == []
