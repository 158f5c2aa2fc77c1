"""What the chat says, as text: cards of HTML whose tables fit 30 columns in <pre>.

A card is words only; pictures are drawn elsewhere from the same report. Every card ends with its time, the age of its oldest
price and what is missing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from html import escape
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from engine.broker import LinkPhase, LinkState
from engine.model import Kind, Right
from engine.reports.numbers import UNKNOWN, amount, and_more, compact, percent, shock
from engine.reports.tables import greeks_frame, matrix_frame
from engine.results import Matrix, PositionRisk, RiskReport, ScenarioResult
from engine.scenarios import ALL_STOCKS

WIDTH: Final = 30
PAGE_ROWS: Final = 24
DAYS_SHOWN_WITHOUT_YEAR: Final = 330
MOST_NAMED: Final = 3
MOST_REASONS: Final = 2


def pre(lines: Iterable[str]) -> str:
    """Lines as a monospace block."""
    return "<pre>" + escape("\n".join(lines)) + "</pre>"


class Labelled(Protocol):
    """What a label is made of."""

    @property
    def label(self) -> str: ...
    @property
    def expiry(self) -> date | None: ...
    @property
    def dte(self) -> int | None: ...
    @property
    def strike(self) -> float | None: ...
    @property
    def right(self) -> Right | None: ...


def short_label(position: Labelled, width: int = 17) -> str:
    """'SPY 21Aug 640P', 'AAPL': a position in at most `width` columns; a symbol that is too long is cut, never the strike."""
    if position.expiry is None:
        return cut(position.label, width)
    symbol = position.label.split(f" {position.expiry}", 1)[0]
    far = position.dte is not None and position.dte > DAYS_SHOWN_WITHOUT_YEAR
    strike = "" if position.strike is None else f" {position.strike:g}{position.right or ''}"
    day = f"{position.expiry:%b%y}" if far else f"{position.expiry:%d%b}"
    rest = f" {day}{strike}"
    return cut(cut(symbol, max(width - len(rest), 1)) + rest, width)


def cut(text: str, width: int) -> str:
    """`text`, its end as '…' where it is wider than `width`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _percent(pct: float) -> str:
    """Percent in at most seven columns."""
    return f"{round(pct, 1) + 0.0:+.1f}%" if abs(pct) < 1000.0 else f"{compact(pct, short=True)}%"


def foot(report: RiskReport, link: LinkState, now: datetime, zone: ZoneInfo) -> str:
    """The card's time, the age of its oldest price, and what is missing."""
    local = report.as_of.astimezone(zone)
    day = "" if local.date() == now.astimezone(zone).date() else f"{local:%d %b} "
    lines = [f"as of {day}{local:%H:%M:%S %Z}, {_oldest(report, now)}"]
    if link.phase in {LinkPhase.LIVE, LinkPhase.DEGRADED}:
        lines += [f"⚠ {one.text}, since {clock(one.since, now, zone)}" for one in link.reasons if one.blinds]
    else:
        lines.append(f"⚠ link {link.phase} since {clock(link.since, now, zone)}")
    lines += [f"⚠ {note}" for note in report.quality.notes]
    if report.quality.left_out:
        named = [f"{remark.id} ({remark.reason})" for remark in report.quality.left_out[:MOST_NAMED]]
        lines.append(
            f"⚠ left out of totals: {'; '.join(named)}{and_more(len(report.quality.left_out), MOST_NAMED)}"
        )
    lines += second_best(report)
    return "\n".join(f"<i>{escape(line)}</i>" for line in lines)


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """'14:33', with the day where it is not today."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%d %b %H:%M}"


def second_best(report: RiskReport) -> list[str]:
    """How many positions rest on second-best data, and why, the commonest reason first."""
    reasons = Counter(remark.reason for remark in report.quality.flagged)
    lines = [
        f"{count} of {len(report.positions)} *: {reason}"
        for reason, count in reasons.most_common(MOST_REASONS)
    ]
    rest = len(reasons) - MOST_REASONS
    return [*lines, f"{rest} more remarks: riskbot analyse lists them"] if rest > 0 else lines


def iv_text(row: PositionRisk) -> str:
    """'24.1%', '?' where it is not known, nothing for what has none."""
    if row.right is None:
        return ""
    if row.iv is None:
        return UNKNOWN
    shown = round(100.0 * row.iv, 1) + 0.0
    return f"{shown:.1f}%" if abs(shown) < 1000.0 else f"{compact(shown, short=True)}%"


def _oldest(report: RiskReport, now: datetime) -> str:
    if report.quality.oldest_price is None:
        return "no price has come yet"
    return f"oldest price {age((now - report.quality.oldest_price).total_seconds())}"


def age(seconds: float) -> str:
    """How long ago: '3 s', '12 min', '5 h', '2 d'."""
    seconds = max(seconds, 0.0)
    for size, unit, up_to in ((1.0, "s", 120.0), (60.0, "min", 7200.0), (3600.0, "h", 172_800.0)):
        if seconds < up_to:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400.0:.0f} d"


def quantity(held: float) -> str:
    """A signed quantity in at most five columns."""
    text = f"{held:+g}"
    if len(text) <= 5:
        return text
    return compact(held, short=True) if abs(held) >= 1.0 else f"{held:+.2f}"


def pages(count: int) -> int:
    return max(1, -(-count // PAGE_ROWS))


def positions_head(report: RiskReport, symbol: str | None) -> str:
    """The first lines of /positions: what is held, what it is worth."""
    held = selected(report, symbol)
    known = [position.value for position in held if position.value is not None]
    worth = amount(sum(known), signed=True) if known or not held else UNKNOWN
    of = f" on {escape(symbol)}" if symbol else ""
    net = "" if symbol else f"\nnet liquidation {amount(report.net_liquidation)}"
    return f"<b>{len(held)} position{'' if len(held) == 1 else 's'}{of}</b>, worth {worth} {report.base_currency}{net}"


def selected(report: RiskReport, symbol: str | None) -> list[PositionRisk]:
    """The positions on `symbol`, or all; grouped by underlying, stocks first, then by expiry and strike."""
    held = [position for position in report.positions if symbol is None or position.underlying == symbol]
    return sorted(
        held,
        key=lambda p: (
            p.underlying,
            p.expiry is not None,
            p.expiry or date.min,
            p.strike or 0.0,
            p.right or "",
        ),
    )


def positions_text(report: RiskReport, symbol: str | None, page: int) -> str:
    """One page of positions, two lines each: label, quantity, value; mark, IV, delta per unit."""
    rows = selected(report, symbol)[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    flagged = {remark.id for remark in report.quality.flagged}
    lines = [f"{'position':<17}{'qty':>5}{'value':>8}", f"{'  mark':<12}{'IV':>8}{'delta':>10}"]
    for row in rows:
        star = "*" if row.id in flagged else ""
        mark = UNKNOWN if row.mark is None else price_text(row.mark)
        delta = UNKNOWN if row.delta is None else delta_text(row.delta)
        lines.append(f"{short_label(row):<17}{quantity(row.quantity):>5}{compact(row.value):>8}")
        lines.append(f"  {mark:<10}{iv_text(row) + star:>8}{delta:>10}")
    return positions_head(report, symbol) + "\n" + pre(lines)


def price_text(price: float) -> str:
    """A price in at most ten columns."""
    text = f"{round(price, 2) + 0.0:,.2f}"
    return text if len(text) <= 10 else compact(price)


def delta_text(delta: float) -> str:
    """A unit delta in at most ten columns."""
    return f"{round(delta, 2) + 0.0:+.2f}" if abs(delta) < 1000.0 else compact(delta)


def scenarios_text(report: RiskReport) -> str:
    """All scenarios: P&L and percent of the basis."""
    lines = [f"{'scenario':<15}{'P&L':>7}{'%':>8}"]
    for result in report.scenarios:
        name = result.name if len(result.name) <= 15 else cut(result.name.removeprefix("Earnings "), 15)
        share = UNKNOWN if result.pct is None else _percent(result.pct)
        lines.append(f"{name:<15}{compact(result.pnl):>7}{share:>8}")
    words = f"<b>Scenarios</b>, {report.base_currency} and % of {report.basis_name}\n" + pre(lines)
    together = [
        result
        for result in report.scenarios
        if result.name.startswith("Earnings") and result.note == ALL_STOCKS
    ]
    fed = next((result.note for result in report.scenarios if result.name.startswith("Fed ")), None)
    words += f"\n<i>{escape(fed)}</i>" if fed else ""
    return words + ("\n<i>Earnings: all single stocks at once; no date is known</i>" if together else "")


def scenario_head(report: RiskReport, result: ScenarioResult) -> str:
    """The verdict on one scenario, and who causes it."""
    title = result.name if result.leg is None else f"{result.name}, worse leg {result.leg}"
    share = "" if result.pct is None else f" ({percent(result.pct / 100.0)})"
    lines = [f"<b>{escape(title)}: {amount(result.pnl, signed=True)} {report.base_currency}{share}</b>"]
    if result.note is not None:
        lines.append(escape(result.note))
    labels = {position.id: short_label(position, 24) for position in report.positions}
    worst = result.worst_positions(report.ids, MOST_NAMED)
    if worst:
        lines.append("worst: " + ", ".join(f"{escape(labels[row.id])} {compact(row.pnl)}" for row in worst))
    if result.best is not None and result.best.pnl > 0:
        lines.append(f"best: {escape(labels[result.best.id])} {compact(result.best.pnl)}")
    after = result.greeks
    lines.append(
        f"after: $Δ {compact(after.dollar_delta)}, vega {compact(after.vega)}, theta {compact(after.theta)}"
    )
    return "\n".join(lines)


def scenario_text(report: RiskReport, result: ScenarioResult, page: int) -> str:
    """One scenario by position, the largest loss first."""
    rows = ranked(report, result)[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    lines = [f"{'position':<16}{'P&L':>7}{'value':>7}"]
    lines += [f"{short_label(row, 16):<16}{compact(pnl):>7}{compact(value):>7}" for row, pnl, value in rows]
    return scenario_head(report, result) + "\n" + pre(lines)


def ranked(report: RiskReport, result: ScenarioResult) -> list[tuple[PositionRisk, float, float]]:
    """(position, P&L, new value), the largest loss first, what can't be valued at the end."""
    rows = list(
        zip(report.positions, result.position_pnl.tolist(), result.position_value.tolist(), strict=True)
    )
    return sorted(rows, key=lambda row: (row[1] != row[1], row[1]))


def matrix_text(matrix: Matrix, title: str, currency: str) -> str:
    """The numbers of the heat map, in blocks of four IV columns."""
    frame = matrix_frame(matrix)
    blocks = []
    for start in range(0, len(frame.columns), 4):
        columns = list(frame.columns[start : start + 4])
        lines = ["  IV %" + "".join(f"{_step(iv).rstrip('%'):>6}" for iv in matrix.iv[start : start + 4])]
        for spot, row in frame[columns].iterrows():
            cells = "".join(f"{compact(value, short=True):>6}" for value in row)
            lines.append(f"{_step(float(str(spot))):>6}{cells}")
        blocks.append(pre(lines))
    return f"<b>{escape(title)}</b>, P&L in {currency}\n" + "\n".join(blocks)


def _step(fraction: float) -> str:
    return shock(fraction).replace(" ", "")


GREEK_HEADS: Final = {"dollar_delta": "$Δ", "dollar_gamma": "$Γ1%", "vega": "vega", "theta": "theta"}


def greeks_text(report: RiskReport, by: str) -> str:
    """Greeks by underlying, expiry or sector, in total and as one number each; sectors have names in place of gamma."""
    shown = [column for column in GREEK_HEADS if by != "sector" or column != "dollar_gamma"]
    width = WIDTH - 6 * len(shown)
    lines = [
        f"{'days' if by == 'expiry' else '':<{width}}"
        + "".join(f"{GREEK_HEADS[column]:>6}" for column in shown)
    ]
    for name, row in greeks_frame(report, by).iterrows():
        cells = "".join(f"{compact(row[column], short=True):>6}" for column in shown)
        lines.append(f"{cut(str(name).removesuffix(' d'), width):<{width}}{cells}")
    gamma = "" if by == "sector" else "$Γ its change for 1 %, "
    words = f"<b>Greeks by {by}</b>, {report.base_currency}: $Δ dollar delta, {gamma}vega per vol point, theta per day"
    of = report.standing
    against = (
        f"Beta-weighted: $Δ {compact(of.beta_delta)}, {compact(of.beta_shares)} shares of {escape(of.reference)}. "
        f"Vega of a month: {compact(of.vega_30)}."
    )
    return f"{words}\n{pre(lines)}\n{against}"


def summary_lines(report: RiskReport) -> list[str]:
    """Five plain sentences on the day's book."""
    known = [result for result in report.scenarios if result.pnl is not None]
    worst = min(known, key=lambda result: result.pnl or 0.0, default=None)
    best = max(known, key=lambda result: result.pnl or 0.0, default=None)
    greeks = report.greeks
    expiring = [position for position in report.positions if position.dte is not None and position.dte <= 7]
    net = amount(report.net_liquidation) if report.net_liquidation is not None else "unknown"
    return [
        f"Net liquidation is {net} {report.base_currency} over {len(report.positions)} positions.",
        "No scenario could be computed."
        if worst is None
        else f"Worst scenario: {worst.name}, {compact(worst.pnl)}{_share(worst)}.",
        "" if best is None else f"Best scenario: {best.name}, {compact(best.pnl)}{_share(best)}.",
        (
            f"A 1 % move is worth {compact(greeks.dollar_delta / 100.0)}, "
            f"a vol point {compact(greeks.vega)}, a day {compact(greeks.theta)}."
        ),
        f"{len(expiring)} expiring within 7 days; {len(report.quality.left_out)} positions could not be valued.",
    ]


def _share(result: ScenarioResult) -> str:
    return "" if result.pct is None else f" ({percent(result.pct / 100.0)})"


def day_text(report: RiskReport, zone: ZoneInfo) -> str:
    """The end-of-day message: five lines of summary, dated in the exchange's zone."""
    lines = [escape(line) for line in summary_lines(report) if line]
    return "\n".join([f"<b>End of day {report.as_of.astimezone(zone):%Y-%m-%d}</b>", *lines])


def known_symbols(report: RiskReport) -> Sequence[str]:
    """The underlyings that are held, in order."""
    return tuple(
        dict.fromkeys(position.underlying for position in report.positions if position.kind is not Kind.CASH)
    )
