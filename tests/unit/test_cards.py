"""The chat's cards and their delivery: whatever the numbers and names are, a card fits a phone and Telegram's limits."""

import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import cards
from bot.alert_cards import limits_text
from bot.correlation_text import correlation_caption, correlation_text, shown_correlation
from bot.delivery import caption, plain, split
from bot.diary import Start
from bot.explain_text import (
    causes_text,
    explain_head,
    notes_text,
    positions_explained_text,
    underlyings_explained_text,
)
from bot.health import Health
from bot.job_text import jobs_text
from bot.model_text import model_text
from bot.morning_text import morning_text
from bot.replies import button, page_number, parse_data, rows_of
from bot.risk_text import concentration_text, risk_text, symbol_risk_text
from bot.stopwatch import Phases
from engine.alerts import judge
from engine.analysis import analyse
from engine.broker import LinkPhase, LinkState
from engine.errors import RequestError
from engine.explained import (
    STEPS,
    TERMS,
    Explained,
    ExplainedPosition,
    Explanation,
    GreekTerms,
    LargeResidual,
    Steps,
)
from engine.model import Event, EventKind, IvSource, Kind, MarkSource, Right, Underlying
from engine.reports.tables import GREEKS_BY
from engine.results import (
    Concentration,
    Exposure,
    Matrix,
    NamedPnl,
    PositionRisk,
    Quality,
    Remark,
    RiskReport,
    ScenarioResult,
    Standing,
    TailFigure,
    TailRisk,
    TailShare,
)
from engine.risk import Cause, Figure, FigureGap, ModelGap, ModelGaps
from engine.risk.correlation import correlation
from engine.scenarios import TEMPLATES
from engine.settings import IV_STEPS, SPOT_STEPS, RiskLimits
from engine.store import JobOutcome
from tests.unit.books import AS_OF, FAR, MARKET, SETTINGS, holding, option, snapshot

ZONE = ZoneInfo("America/New_York")
LIVE = LinkState(LinkPhase.LIVE, AS_OF)
SIZES = st.sampled_from([0, 1, 24, 500])
SEEDS = st.integers(0, 2**32)
LETTERS = "ABCXYZ.<>&\"' é…😀"


# Wild reports


def number(random):
    """Anything a float can be on a bad day."""
    size = 10.0 ** random.uniform(-12, random.choice([4, 9, 18, 300]))
    return random.choice(
        [0.0, -0.0, math.nan, 1.797e308, -999.96, 999_950.0, size, -size, random.uniform(-1e5, 1e5)]
    )


def finite(random):
    return random.choice([None, x]) if math.isfinite(x := number(random)) else None


def name(random):
    return "".join(random.choices(LETTERS, k=random.choice([1, 3, 5, 24, 40]))).strip() or "A"


def position(random, i):
    symbol, option = name(random), random.random() < 0.7
    expiry = date(2026, 7, 28) + timedelta(days=random.choice([0, 3, 24, 700])) if option else None
    strike = random.choice([5.0, 22.5, 640.0, 21_500.0, 12_345.5, 1e6]) if option else None
    right = random.choice(list(Right)) if option else None
    label = f"{symbol} {expiry} {strike:g} {right}" if option else symbol
    exposure = Exposure(*(number(random) for _ in range(9))) if random.random() < 0.8 else None
    return PositionRisk(
        f"DU1:{i}:{label}", label, symbol, Kind.OPTION if option else Kind.STOCK,
        random.choice([1.0, -10.0, 0.125, -123.456, 1e7, 12_345_678.9]), 100.0, "USD", expiry, strike, right,
        None if expiry is None else (expiry - date(2026, 7, 28)).days, finite(random), random.choice([None, *MarkSource]),
        finite(random), finite(random), finite(random), random.choice([None, *IvSource]), *(finite(random) for _ in range(11)),
        exposure, finite(random), *random.choice([(None, None), (NamedPnl(name(random), number(random)),) * 2]), None,
    )  # fmt: skip


def result(random, title, positions):
    pnl, value = (np.array([number(random) for _ in positions]) for _ in range(2))
    known = [NamedPnl(p.id, x) for p, x in zip(positions, pnl.tolist(), strict=True) if math.isfinite(x)]
    ends = (min(known, key=lambda n: n.pnl), max(known, key=lambda n: n.pnl)) if known else (None, None)
    greeks = Exposure(*(number(random) for _ in range(9)))
    return ScenarioResult(
        title, random.choice([None, "-0.5 %"]), random.choice([None, "moves <X> alone"]), finite(random), finite(random),
        finite(random), *ends, pnl, value, np.full(len(positions), 0.2), greeks, (), (),
    )  # fmt: skip


def wild_report(seed, size):
    random = Random(seed)
    positions = tuple(position(random, i) for i in range(size))
    titles = [template.name for template in TEMPLATES] + [f"Earnings Beat {name(random)}" for _ in range(8)]
    remarks = tuple(Remark(p.id, "no price for <it>") for p in positions if random.random() < 0.2)
    grid = np.array([[number(random) for _ in IV_STEPS] for _ in SPOT_STEPS])
    notes = ("beta unknown, 1 assumed: " + ", ".join(p.underlying for p in positions),) if positions else ()
    return RiskReport(
        as_of=AS_OF, source="test", complete=True, base_currency="USD", net_liquidation=finite(random), basis=1.0,
        basis_name="net liquidation", value=finite(random), positions=positions,
        greeks=Exposure(*(number(random) for _ in range(9))),
        by_underlying={p.underlying: Exposure(*(number(random) for _ in range(9))) for p in positions},
        by_expiry={bucket: Exposure(*(number(random) for _ in range(9))) for bucket in ("shares", "91-365 d", ">1 y")},
        by_sector={name(random): Exposure(*(number(random) for _ in range(9))) for _ in range(random.choice([0, 5]))},
        standing=Standing(
            *(finite(random) for _ in range(4)), name(random), finite(random), finite(random), ("<X>",),
            np.array([number(random) for _ in positions]), finite(random),
        ),
        concentration=tuple(Concentration(p.underlying, *(finite(random) for _ in range(3))) for p in positions),
        scenarios=tuple(result(random, title, positions) for title in titles),
        matrix=Matrix(SPOT_STEPS, IV_STEPS, grid),
        quality=Quality(remarks, remarks, (), notes, AS_OF - timedelta(seconds=90)),
        tail=wild_tail(random, positions, remarks),
    )  # fmt: skip


def wild_tail(random, positions, remarks):
    figures = tuple(
        TailFigure(method, level, number(random), number(random), 500, *errors)
        for method, errors in (
            ("filtered history", ()),
            ("plain history", ()),
            ("simulated paths", (number(random), finite(random))),
        )
        for level in (0.95, 0.975, 0.99)
    )
    shares = tuple(TailShare(p.underlying, *(number(random) for _ in range(4))) for p in positions)
    parts = np.array([number(random) for _ in positions])
    unknown = random.choice([None, None, "3 daily moves of <X> are known, 60 needed"])
    return TailRisk(
        figures if unknown is None else (),
        parts,
        parts,
        shares,
        500,
        remarks,
        ("IV moves with <SPY>'s",),
        unknown,
        *wild_correlations(random, positions),
    )


def wild_correlations(random, positions):
    pnl = np.random.default_rng(random.randrange(99)).normal(size=(20, len(positions)))
    pnl[:, [i for i in range(len(positions)) if random.random() < 0.1]] = random.choice([0.0, math.nan])
    return correlation(pnl, tuple(p.id for p in positions)), correlation(
        pnl, tuple(f"{p.underlying}{i}" for i, p in enumerate(positions))
    )


def wild_jobs(report, seed=7):
    """Jobs that have run, that run, that have not, that are off, with any duration and any words of failure."""
    random, health = Random(seed), Health(AS_OF)
    health.phases = Phases(*(abs(finite(random) or 0.0) for _ in range(3)))
    health.jobs.jumped = AS_OF - timedelta(days=3), random.choice([-7200.0, 1e9])
    for title in ("look", "refresh", "cycle", "start of day", "end of day", "nightly", "off"):
        health.jobs.add(title, on=title != "off")
        if title not in {"off", "nightly"}:
            health.jobs.begin(title, AS_OF - timedelta(hours=random.choice([0, 60])))
        if title not in {"off", "nightly", "refresh"}:
            took = random.choice([0.0, 0.0004, 0.9996, 119.97, 3600.0, 1e7])
            health.jobs.end(
                title, random.choice(list(JobOutcome)), took, random.choice([None, "no <luck> & " * 80])
            )
            health.jobs.expect(title, AS_OF + timedelta(hours=random.choice([0, 60])))
        health.jobs.jobs[title].runs = random.choice([0, 1, 10**7])
    return health


def wild_gaps(report, seed=7):
    """A comparison with the broker's model in which anything may differ by anything."""
    random = Random(seed)
    gaps, without = [], []
    for one in report.positions:
        figures = tuple(
            FigureGap(
                figure, random.uniform(-1e3, 1e3), random.choice([0.0, 1e300, -3.2e7, 0.5]), number(random)
            )
            for figure in Figure
        )
        if random.random() < 0.8:
            gaps.append(ModelGap(one.id, figures, random.choice(list(Cause)), name(random)))
        else:
            without.append(Remark(one.id, "it says <nothing>"))
    return ModelGaps(tuple(gaps), tuple(without), {figure: number(random) for figure in Figure})


def wild_explanation(seed, size):
    random = Random(seed)

    def explained():
        parts = [[number(random) for _ in names] for names in (TERMS, STEPS)]
        return Explained(number(random), GreekTerms(*parts[0]), Steps(*parts[1]))

    rows = tuple(
        ExplainedPosition(
            p.id, p.label, p.underlying, p.kind, p.expiry, p.strike, p.right, p.dte, p.quantity,
            random.choice([0.0, p.quantity]), None, None, None, None, 0.0, number(random), explained(),
        )
        for p in (position(random, i) for i in range(size))
    )  # fmt: skip
    remarks = tuple(Remark(row.id, "expired: settled at <2>") for row in rows[:20])
    causes = tuple(NamedPnl(row.id, number(random)) for row in rows[:3])
    large = LargeResidual(number(random), abs(number(random)), "marks <moved>", causes) if rows else None
    return Explanation(
        AS_OF, AS_OF + timedelta(hours=5), "USD", rows, explained(), {row.underlying: explained() for row in rows},
        {"0-7 d": number(random), "over 90 d": number(random)}, number(random), number(random), remarks, remarks,
        ("the <earlier> snapshot is not whole",), large,
    )  # fmt: skip


def every_explanation(seed, size):
    found = wild_explanation(seed, size)
    start = Start(None, "the close of Tue 24 <Nov>", "nothing is stored of <it>")
    words = [causes_text(found), positions_explained_text(found), underlyings_explained_text(found)]
    head, notes = explain_head(found, start, "<SPY>", 1e5), notes_text(found)
    return ["\n".join([head, one, *notes]) for one in words]


def every_card(report):
    """All that the chat can say of a report, each with its foot."""
    cards_ = [
        cards.scenarios_text(report),
        *(cards.greeks_text(report, by) for by in GREEKS_BY),
        concentration_text(report),
        cards.day_text(report, ZONE),
    ]
    cards_ += [risk_text(report, days) for days in (1, 10)]
    cards_ += [symbol_risk_text(report, symbol, 1) for symbol in cards.known_symbols(report)[:5]]
    for symbol in (None, *cards.known_symbols(report)[:3]):
        shown = shown_correlation(report, symbol)
        cards_ += [correlation_text(report, shown), correlation_caption(report, shown)]
    cards_.append(model_text(report, wild_gaps(report)))
    cards_.append(limits_text(judge(report, (), RiskLimits()), report, RiskLimits()))
    cards_.append(morning_text(report, (), date(2026, 11, 27), AS_OF, ZONE))
    cards_.append(jobs_text(wild_jobs(report), AS_OF, ZONE))
    cards_.append(cards.matrix_text(report.matrix, "Risk matrix of <X>", report.base_currency))
    cards_ += [cards.positions_text(report, None, page) for page in range(cards.pages(len(report.positions)))]
    cards_ += [cards.scenario_text(report, one, 0) for one in report.scenarios[::5]]
    below = cards.foot(report, LinkState(LinkPhase.DOWN, AS_OF, "refused"), AS_OF, ZONE)
    return [f"{card}\n{below}" for card in cards_]


class Tags(HTMLParser):
    """Fails on a tag that is not closed, or is closed without having been opened, or is not Telegram's."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        assert tag in {"b", "i", "pre", "code"} and not attrs
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag


def assert_well_formed(html):
    parser = Tags()
    parser.feed(html)
    parser.close()
    assert parser.open == []


def units(text):
    return len(text.encode("utf-16-le")) // 2


def blocks(html):
    return [unescape(block) for block in re.findall(r"<pre>(.*?)</pre>", html, re.DOTALL)]


@settings(max_examples=20, deadline=None)
@given(SEEDS, SIZES)
def test_no_line_of_a_table_is_wider_than_thirty_columns(seed, size):
    for card in every_card(wild_report(seed, size)) + every_explanation(seed, size):
        for block in blocks(card):
            assert [line for line in block.split("\n") if len(line) > cards.WIDTH] == []


@settings(max_examples=20, deadline=None)
@given(SEEDS, SIZES)
def test_every_message_fits_and_has_its_tags_closed(seed, size):
    for card in every_card(wild_report(seed, size)) + every_explanation(seed, size):
        for part in split(card):
            assert 0 < units(part) <= 4096
            assert_well_formed(part)


@settings(max_examples=20, deadline=None)
@given(SEEDS, SIZES)
def test_every_caption_fits_and_has_its_tags_closed(seed, size):
    for card in every_card(wild_report(seed, size)) + every_explanation(seed, size):
        text = caption(card)
        assert 0 < units(text) <= 1024


@settings(max_examples=10, deadline=None)
@given(SEEDS, SIZES)
def test_no_card_shows_nan_or_a_negative_zero(seed, size):
    for card in every_card(wild_report(seed, size)) + every_explanation(seed, size):
        assert not re.search(r"\bnan\b|\binf\b|-0(?:\.0+)?(?![.\d])|1\.8e\+308", " ".join(blocks(card)))


# What a card says


@pytest.fixture
def report():
    held = [
        option("SPY", 640, "P", -2.0, iv=0.2),
        holding("AAA", 10.0),
        holding("DARK", 1.0, Kind.STOCK, id="D<1>"),
    ]
    market = MARKET | {"DARK": Underlying("DARK", Kind.STOCK, None)}
    return analyse(snapshot(held, market, net_liquidation=1e5), SETTINGS)


def label(held, width=17):
    return cards.short_label(analyse(snapshot([held]), SETTINGS).positions[0], width)


def test_a_position_is_named_as_people_write_it():
    assert label(option("SPY", 640, "P")) == "SPY 21Aug 640P"
    assert label(holding("AAA")) == "AAA"


def test_an_expiry_far_away_shows_its_year():
    assert label(option("SPY", 640, "P", expiry=FAR.replace(year=2028))) == "SPY Jan28 640P"


def test_a_symbol_of_two_words_keeps_both():
    market = {"BRK B": Underlying("BRK B", Kind.STOCK, 500.0)}
    (position,) = analyse(snapshot([option("BRK B", 500, "C")], market), SETTINGS).positions
    assert cards.short_label(position) == "BRK B 21Aug 500C"


def test_a_long_symbol_is_cut_and_never_the_strike(report):
    long = replace(report.positions[0], label="GOOGLGOOGL 2026-08-21 640 P", underlying="GOOGLGOOGL")
    assert cards.short_label(long, 16).endswith(" 21Aug 640P") and len(cards.short_label(long, 16)) == 16


@pytest.mark.parametrize(
    ("held", "text"),
    [(1.0, "+1"), (-10.0, "-10"), (0.125, "+0.12"), (12_345.0, "+12k"), (-1e7, "-10M"), (99.5, "+99.5")],
)
def test_a_quantity_takes_five_columns(held, text):
    assert cards.quantity(held) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (3, "3 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172_800, "2 d"),
    ],
)
def test_an_age_has_one_unit(seconds, text):
    assert cards.age(seconds) == text


def test_names_are_escaped(report):
    text = cards.foot(report, LIVE, AS_OF, ZONE)
    assert "D&lt;1&gt;" in text and "D<1>" not in text


def test_a_foot_says_the_time_the_age_and_what_is_left_out(report):
    quality = replace(report.quality, oldest_price=AS_OF - timedelta(seconds=90))
    text = plain(cards.foot(replace(report, quality=quality), LIVE, AS_OF + timedelta(seconds=5), ZONE))
    assert "as of 15:59:00 EDT, oldest price 95 s" in text
    assert "left out of totals: D<1> (no price)" in text


def test_a_foot_says_that_the_link_is_down(report):
    assert "link down since 15:59" in cards.foot(report, LinkState(LinkPhase.DOWN, AS_OF), AS_OF, ZONE)
    assert "link" not in cards.foot(report, LIVE, AS_OF, ZONE)


def test_the_runs_of_two_symbols_can_be_told_apart():
    events = tuple(
        Event(EventKind.EARNINGS, AS_OF + timedelta(days=3), symbols=(symbol,)) for symbol in ("AAA", "BBB")
    )
    report = analyse(snapshot([holding("AAA"), holding("BBB")], events=events), SETTINGS)
    (table,) = blocks(cards.scenarios_text(report))
    names = [line[:15] for line in table.split("\n")]
    assert len(set(names)) == len(names)


def test_a_foot_names_three_and_counts_the_rest(report):
    many = tuple(Remark(f"P{i}", "no price") for i in range(5))
    text = cards.foot(replace(report, quality=replace(report.quality, left_out=many)), LIVE, AS_OF, ZONE)
    assert "P2" in text and "P3" not in text and "and 2 more" in text


def test_an_unknown_value_is_a_question_mark_not_zero(report):
    text = cards.positions_text(report, "DARK", 0)
    assert "worth ? USD" in text
    assert re.search(r"DARK +\+1 +\?", text)


def test_positions_can_be_narrowed_to_a_symbol(report):
    text = cards.positions_text(report, "AAA", 0)
    assert "1 position on AAA" in text and "SPY" not in text


def test_a_scenario_s_card_starts_with_the_largest_loss_and_ends_with_the_unknown(report):
    (table,) = blocks(cards.scenario_text(report, report.scenarios[4], 0))
    assert [line.split()[0] for line in table.split("\n")] == ["position", "SPY", "AAA", "DARK"]


def test_a_scenario_s_card_names_the_worse_leg(report):
    neutral = next(one for one in report.scenarios if one.name == "Fed Neutral")
    assert f"Fed Neutral, worse leg {neutral.leg}" in cards.scenario_head(report, neutral)


def test_the_columns_of_the_scenario_table_line_up(report):
    (table,) = blocks(cards.scenarios_text(report))
    assert len({len(line) for line in table.split("\n")}) == 1
    assert len(table.split("\n")) == 17


def test_the_matrix_has_every_cell(report):
    tables = blocks(cards.matrix_text(report.matrix, "Risk matrix", "USD"))
    assert [len(table.split("\n")) for table in tables] == [10, 10]
    assert tables[0].split("\n")[5].split() == ["0%", *tables[0].split("\n")[5].split()[1:]]


def test_the_day_has_five_lines_and_its_exchange_s_date(report):
    late = replace(report, as_of=datetime(2026, 7, 29, 1, 0, tzinfo=UTC))
    text = cards.day_text(late, ZONE)
    assert text.startswith("<b>End of day 2026-07-28</b>")
    assert len(text.split("\n")) == 6


def test_a_day_without_any_value_is_said():
    market = {"DARK": Underlying("DARK", Kind.STOCK, None)}
    report = analyse(snapshot([holding("DARK", 1.0, Kind.STOCK)], market), SETTINGS)
    text = cards.day_text(report, ZONE)
    assert "No scenario could be computed." in text and "A 1 % move is worth ?" in text


# Splitting


LINES = st.lists(st.text(LETTERS, max_size=60).map(lambda text: cards.pre([text])[5:-6]), max_size=200)


@settings(max_examples=50, deadline=None)
@given(LINES, LINES, LINES)
def test_splitting_loses_no_line_and_keeps_tables_closed(before, table, after):
    html = "\n".join(["<b>Head</b>", *before, "<pre>" + "\n".join(table) + "</pre>", *after])
    parts = split(html)
    assert all(units(part) <= 4096 for part in parts)
    for part in parts:
        assert_well_formed(part)
    assert "\n".join(map(plain, parts)) == plain(html)


def test_a_short_message_is_not_split():
    assert split("<b>x</b>\ny") == ["<b>x</b>\ny"]


@pytest.mark.parametrize("line", ["x" * 10_000, "😀" * 5_000, "&amp;" * 5_000, "<i>" + "y" * 9_000 + "</i>"])
def test_a_single_line_that_is_too_long_comes_in_pieces(line):
    parts = split(f"<b>Head</b>\n{line}\nfoot")
    assert all(units(part) <= 4096 for part in parts)
    for part in parts:
        assert_well_formed(part)
    assert "".join(map(plain, parts)).replace("\n", "") == plain(f"Head{line}foot")


def test_a_caption_keeps_whole_lines():
    text = "<b>Head</b>\n" + "\n".join(f"<i>{'x' * 300}</i>" for _ in range(9))
    assert caption(text) == "\n".join(text.split("\n")[:4])


# Buttons


@given(st.lists(st.text(LETTERS, max_size=3), max_size=4))
def test_a_button_s_data_comes_back(arguments):
    one = button("x", "positions", *arguments)
    assert len(one.data.encode()) <= 64
    assert parse_data(one.data) == ("positions", arguments)


@pytest.mark.parametrize("arguments", [("x" * 64,), ("é" * 30,), ("a|b",)])
def test_a_button_whose_data_does_not_fit_can_t_be_made(arguments):
    with pytest.raises(ValueError, match="does not fit"):
        button("x", "positions", *arguments)


@pytest.mark.parametrize("text", ["", "-1", "x", "99999", "1.5", " 1"])
def test_a_page_that_is_no_number_is_refused_with_words(text):
    with pytest.raises(RequestError, match="Send the command again"):
        page_number(text)


def test_buttons_come_in_rows():
    rows = rows_of([button(str(i), "a") for i in range(5)], 2)
    assert [len(row) for row in rows] == [2, 2, 1]


def test_a_value_at_risk_of_part_of_the_book_says_so_above_its_figures():
    closes = tuple((AS_OF.date() - timedelta(days=400 - i), 640.0 + (-1) ** i) for i in range(400))
    underlyings = MARKET | {
        "SPY": replace(MARKET["SPY"], closes=closes),
        "NEW": Underlying("NEW", Kind.STOCK, 10.0),
    }
    held = [holding("SPY", 1.0, mark=640.0), holding("NEW", 5.0, Kind.STOCK, mark=10.0)]
    text = risk_text(analyse(snapshot(held, underlyings, net_liquidation=1e5), SETTINGS), 1)
    assert "<b>Without 1 of 2 positions.</b>" in text.partition("<pre>")[0]
    assert "! not in it: NEW: no daily closes, and no beta to SPY stands in" in text
