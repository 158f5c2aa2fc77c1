"""Exports of riskbot's own figures in the layouts of docs/compare.md, for the tests of the comparison."""

import csv
import io
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from engine.marks import mark_book
from engine.model import Kind
from engine.navigator.figures import figures
from engine.navigator.headers import Measure
from tests.unit.books import FAR, SETTINGS, WEEKLY, holding, option, snapshot

ES_DAY = date(2026, 9, 18)
MOVES = (-0.15, -0.09, -0.03, 0.03, 0.06, 0.12)


def book():
    """Calls, puts, stocks, a leveraged fund, a future and index options; some long, some short, each at the model's price."""
    bare = _bare_book()
    marks = mark_book(bare, SETTINGS).mark.tolist()
    return replace(
        bare,
        positions=tuple(replace(one, mark=mark) for one, mark in zip(bare.positions, marks, strict=True)),
    )


def _bare_book():
    return snapshot(
        [
            holding("SPY", 50.0, mark=640.0),
            option("SPY", 640, "P", -10.0, iv=0.16),
            option("SPY", 600, "P", 12.0, iv=0.21),
            option("SPY", 660, "C", -5.0, iv=0.13, expiry=FAR),
            holding("AAA", -300.0, mark=100.0),
            option("AAA", 95, "P", 7.0, iv=0.35),
            option("AAA", 105, "C", -4.0, iv=0.30, expiry=WEEKLY),
            holding("TQQQ", 120.0, mark=90.0),
            option("TQQQ", 85, "P", 3.0, iv=0.60),
            option("SPX", 6300, "P", 2.0, iv=0.17),
            holding(
                "ES", 2.0, Kind.FUTURE, multiplier=50.0, expiry=ES_DAY, mark=6425.0, entry_price=6400.0,
                id="ES 2026-09-18",
            ),
        ],
        net_liquidation=250_000.0,
    )  # fmt: skip


# How a contract is described


def _day(contract):
    return f"{contract.expiry:%b}{contract.expiry.day}'{contract.expiry:%y}"


def _right(contract):
    return "PUT" if contract.right == "P" else "CALL"


DESCRIPTIONS = {
    "tws": lambda c: f"{c.symbol} {_day(c)} {c.strike:g} {_right(c)}",
    "spaced": lambda c: (
        f"{c.symbol} {f'{c.expiry:%b}'.upper()} {c.expiry.day} '{c.expiry:%y} {c.strike:g} {_right(c).title()}"
    ),
    "compact": lambda c: (
        f"{c.symbol} {c.expiry:%d}{f'{c.expiry:%b}'.upper()}{c.expiry:%y} {c.strike:g} {c.right}"
    ),
    "osi": lambda c: f"{c.symbol:<6}{c.expiry:%y%m%d}{c.right}{round(1000 * c.strike):08d}",
    "advanced": lambda c: (
        f"{c.symbol}    {f'{c.expiry:%b%Y}'.upper()} {c.strike:g} {c.right} "
        f"[{c.symbol:<6}{c.expiry:%y%m%d}{c.right}{round(1000 * c.strike):08d} 100]"
    ),
    "suffixed": lambda c: f"{c.symbol} {_day(c)} {c.strike:g} {_right(c)} (100) @SMART",
}


def _described(contract, style):
    if contract.is_option:
        return DESCRIPTIONS[style](contract)
    if contract.kind is Kind.FUTURE:
        return f"{contract.symbol} {contract.expiry:%b}'{contract.expiry:%y}"
    return f"{contract.symbol} STK" if style == "suffixed" else contract.symbol


# How a number is written


def _dots(value, digits):
    return f"{value:.{digits}f}"


def _thousands(value, digits):
    return f"{value:,.{digits}f}"


def _parentheses(value, digits):
    return f"({-value:,.{digits}f})" if value < 0 else f"{value:,.{digits}f}"


def _trailing(value, digits):
    return f"{-value:.{digits}f}-" if value < 0 else f"{value:.{digits}f}"


def _comma(value, digits):
    return f"{value:,.{digits}f}".translate(str.maketrans({",": ".", ".": ","}))


def _currency(value, digits):
    return f"USD {value:,.{digits}f}"


NUMBERS = {
    "dots": _dots, "thousands": _thousands, "parentheses": _parentheses, "trailing": _trailing, "comma": _comma,
    "currency": _currency,
}  # fmt: skip

HEADERS = {
    "guide": {
        Measure.QUANTITY: "Position", Measure.PRICE: "Price", Measure.VALUE: "Value", Measure.DELTA: "Delta",
        Measure.GAMMA: "Gamma", Measure.VEGA: "Vega", Measure.THETA: "Theta", Measure.RHO: "Rho", Measure.IV: "Implied Vol. %",
        Measure.DOLLAR_DELTA: "Exposure", Measure.SPOT: "Und Price",
    },
    "loud": {
        Measure.QUANTITY: "POS", Measure.PRICE: "MKT PRICE", Measure.VALUE: "MKT\nVALUE", Measure.DELTA: "POSITION (DELTA)",
        Measure.GAMMA: "PORTFOLIO\nGAMMA", Measure.VEGA: "Position Vega", Measure.THETA: "Position Theta",
        Measure.RHO: "position rho", Measure.IV: "IV %", Measure.DOLLAR_DELTA: "Delta Dollars", Measure.SPOT: "UNDERLYING PRICE",
    },
}  # fmt: skip
MOVE_HEADERS = {
    "plain": lambda move: f"{100 * move:+g}%",
    "named": lambda move: f"P&L({100 * move:+g}%)",
    "spaced": lambda move: f"{100 * move:.1f} %" if move > 0 else f"{100 * move:g} %",
}
PLAIN = tuple(measure for measure in Measure if measure is not Measure.PNL)
OF_SUMS = {
    Measure.VALUE, Measure.DELTA, Measure.DOLLAR_DELTA, Measure.GAMMA, Measure.VEGA, Measure.THETA, Measure.RHO, Measure.PNL,
}  # fmt: skip
OF_TOTALS = OF_SUMS - {Measure.DELTA, Measure.GAMMA}


@dataclass(frozen=True)
class Layout:
    separator: str = ","
    encoding: str = "utf-8"
    numbers: str = "dots"
    headers: str = "guide"
    moves: str = "plain"
    descriptions: str = "tws"
    grouped: str = "no"  # "no", "indented", "column" or "twice"
    titles: bool = False
    total: bool = False
    scale: str = "holding"  # "holding", "quantity" or "unit"; of the Greeks
    none: str = ""


@dataclass
class Table:
    """Rows of numbers under keys, not yet text: (name, indent, {key: number}); tests change a number before writing."""

    layout: Layout
    keys: list
    rows: list = field(default_factory=list)


def table_of(snapshot_, layout, settings=SETTINGS, beta=False):
    """riskbot's figures of a Snapshot as an export would have them."""
    keys = [(measure, None) for measure in PLAIN] + [(Measure.PNL, move) for move in MOVES]
    ours = figures(mark_book(snapshot_, settings), keys, settings.scenarios, beta)
    scale = {"holding": ours.holding, "quantity": ours.quantity, "unit": np.ones(len(ours.holding))}[
        layout.scale
    ]
    scales = dict.fromkeys(keys, np.ones(len(scale)))
    for measure in (Measure.DELTA, Measure.GAMMA, Measure.VEGA, Measure.THETA, Measure.RHO):
        scales[measure, None] = scale
    scales[Measure.VALUE, None] = scales[Measure.DOLLAR_DELTA, None] = ours.base
    columns = {key: ours.unit[key] * scales[key] for key in keys}
    columns[Measure.IV, None] = 100.0 * columns[Measure.IV, None]
    table = Table(layout, keys)
    positions = snapshot_.positions
    for name in dict.fromkeys(position.contract.underlying for position in positions):
        members = [i for i, position in enumerate(positions) if position.contract.underlying == name]
        if layout.grouped != "no":
            table.rows.append((name, "group", 0, _sums(columns, members, OF_SUMS, layout)))
        indent = 2 if layout.grouped == "indented" else 0
        for i in members:
            label = _described(positions[i].contract, layout.descriptions)
            cells = {key: float(columns[key][i]) for key in keys if np.isfinite(columns[key][i])}
            table.rows.append((label, name, indent, cells))
    if layout.total:
        table.rows.append(("Total", "total", 0, _sums(columns, range(len(positions)), OF_TOTALS, layout)))
    return table


def _sums(columns, members, measures, layout):
    if layout.scale == "unit":
        measures = measures & {Measure.VALUE, Measure.DOLLAR_DELTA, Measure.PNL}
    return {key: float(column[list(members)].sum()) for key, column in columns.items() if key[0] in measures}


def written(table):
    """The export as bytes, and the line that each row of the table stands on."""
    layout = table.layout
    number = NUMBERS[layout.numbers]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=layout.separator, lineterminator="\r\n")
    in_column = layout.grouped == "column"
    if layout.titles:
        out.write("Risk Navigator: Risk by Position\r\n\r\n")
    names = ["Underlying", "Financial Instrument"] if in_column else ["Contract Description"]
    heads = [HEADERS[layout.headers].get(m) or MOVE_HEADERS[layout.moves](move) for m, move in table.keys]
    writer.writerow([*names, *heads, "Conversion Rate"])
    lines = []
    for name, role, indent, cells in table.rows:
        lines.append(out.getvalue().count("\n") + 1)
        first = [" " * indent + name]
        if in_column:
            first = [name, ""] if role in {"group", "total"} else [role, name]
        texts = [
            number(cells[key], 0 if key[0] is Measure.QUANTITY else 6) if key in cells else layout.none
            for key in table.keys
        ]
        writer.writerow([*first, *texts, "1"])
    return out.getvalue().encode(layout.encoding), lines
