"""The account over time: gaps are gaps, each day's P&L is right, and the words say what is missing."""

import io
import json
import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bot import cards
from bot.config import Config
from bot.delivery import MOST_CAPTION, plain
from bot.handlers.history import begin, history, history_again
from bot.history_text import NONE_STORED, history_frame, history_json, history_text, notes, summary
from bot.past import print_history
from engine.errors import RequestError
from engine.reports import charts
from engine.reports.chart_history import history_sheet
from engine.reports.history_days import (
    daily_changes,
    daily_strokes,
    day_axis,
    missing_days,
    strokes,
)
from engine.reports.theme import DARK, WIDTH
from engine.settings import EngineSettings, RiskLimits
from engine.store import Headline, Store
from engine.store import headlines as rows
from tests.unit.test_charts import hatched, texts

ZONE = ZoneInfo("America/New_York")
FRIDAY = datetime(2026, 11, 13, 9, 30, tzinfo=ZONE)
MONDAY = datetime(2026, 11, 16, 9, 30, tzinfo=ZONE)
STEP = timedelta(minutes=5)
LIMITS = RiskLimits()


def session(start, count=79):
    return [start + i * STEP for i in range(count)]


def point(at, **figures):
    usual = {"net_liquidation": 250_000.0, "var_99": 4_000.0, "es_975": 5_000.0}
    worst = {"worst_scenario": "Black Swan", "worst_loss": 0.12}
    return Headline(at=at.astimezone(UTC), currency="USD", **(usual | worst | figures))


def frame_of(*points):
    return history_frame(points, ZONE)


# The axis and its gaps


def test_every_weekday_has_a_slot_and_a_weekend_only_where_it_has_figures():
    times = [FRIDAY, datetime(2026, 11, 17, 12, 0, tzinfo=ZONE)]
    assert day_axis(times).days == (date(2026, 11, 13), date(2026, 11, 16), date(2026, 11, 17))
    assert missing_days(times) == [date(2026, 11, 16)]
    saturday = datetime(2026, 11, 14, 12, 0, tzinfo=ZONE)
    assert date(2026, 11, 14) in day_axis([FRIDAY, saturday, MONDAY]).days


def test_places_rise_with_time_and_fill_the_axis():
    times = [*session(FRIDAY), *session(MONDAY)]
    places = [day_axis(times).place(at) for at in times]
    assert places == sorted(places) and 0.0 <= places[0] < 0.1 and 0.9 < places[-1] <= 1.0
    one_day = day_axis(session(FRIDAY))
    assert (one_day.place(FRIDAY), one_day.place(session(FRIDAY)[-1])) == (0.0, 1.0)
    assert day_axis([FRIDAY]).place(FRIDAY) == 0.5


def test_a_weekend_a_night_and_an_outage_part_the_line():
    times = [*session(FRIDAY, 20), *session(FRIDAY + timedelta(hours=3), 20), *session(MONDAY, 20)]
    assert [len(one) for one in strokes(times, np.ones(60))] == [20, 20, 20]


def test_an_unknown_figure_parts_the_line_and_two_late_cycles_do_not():
    values = np.ones(20)
    values[7:9] = math.nan
    times = session(FRIDAY, 20)
    assert [one[0] for one in strokes(times, values)] == [0, 9]
    late = [*times[:10], *[at + 2 * STEP for at in times[10:]]]
    assert len(strokes(late, np.ones(20))) == 1


def test_of_days_a_weekend_and_a_missing_one_part_the_line():
    days = [date(2026, 11, day) for day in (11, 12, 13, 16, 18, 19)]
    assert daily_strokes(days, np.ones(6)) == [[0, 1, 2], [3], [4, 5]]
    assert daily_strokes(days, np.array([1, math.nan, 1, 1, 1, 1])) == [[0], [2], [3], [4, 5]]


def test_a_day_makes_what_lies_between_the_last_figure_before_it_and_its_own_last():
    at = [FRIDAY, FRIDAY + STEP, FRIDAY + 2 * STEP, MONDAY, MONDAY + STEP]
    series = pd.Series([100.0, 104.0, math.nan, 90.0, 97.0], index=pd.DatetimeIndex(at))
    assert daily_changes(series).to_dict() == {FRIDAY.date(): 4.0, MONDAY.date(): -7.0}
    assert daily_changes(series * math.nan).empty


# The picture


def strokes_drawn(sheet, colour):
    """The ends of the strokes of one colour, from left to right."""
    from matplotlib.colors import to_rgba

    return [
        [tuple(end) for end in segment]
        for drawn in sheet.figure.axes[0].collections
        if tuple(drawn.get_colors()[0]) == to_rgba(colour)
        for segment in drawn.get_segments()
    ]


def test_no_stroke_crosses_a_gap():
    times = [*session(FRIDAY, 10), *session(FRIDAY + timedelta(hours=4), 10), *session(MONDAY, 10)]
    frame = frame_of(*(point(at, net_liquidation=250_000.0 + i) for i, at in enumerate(times)))
    sheet = history_sheet(frame, title="History", note="x", loss_limit=0.15)
    drawn = strokes_drawn(sheet, DARK.gain)
    assert len(drawn) == 27
    usual = min(end[0] - begin[0] for begin, end in drawn)
    assert all(end[0] - begin[0] < 1.01 * usual for begin, end in drawn)


def test_a_single_point_is_a_dot_in_every_strip():
    sheet = history_sheet(frame_of(point(FRIDAY)), title="History", note="x", loss_limit=0.15)
    dots = [box for box in sheet.figure.axes[0].patches if box.get_width() == box.get_height() == 12]
    assert len(dots) == 3 and strokes_drawn(sheet, DARK.gain) == []
    assert "09:30" in texts(sheet.figure) and "last day 0" in texts(sheet.figure)


def test_a_figure_that_is_never_known_is_hatched_and_says_so():
    sheet = history_sheet(
        frame_of(*(point(at, var_99=None) for at in session(FRIDAY))), title="History", note="x"
    )
    assert len(hatched(sheet.figure)) == 1 and "last ?" in texts(sheet.figure)


@pytest.mark.parametrize("absurd", [math.inf, 1.797e308, -1.797e308])
def test_an_absurd_figure_is_no_amount(absurd):
    frame = frame_of(*(point(at) for at in session(FRIDAY)))
    frame.iloc[3, 0] = absurd
    sheet = history_sheet(frame, title="History", note="x")
    assert "250k" in texts(sheet.figure)


@pytest.mark.parametrize(("limit", "lines"), [(0.15, 1), (0.05, 1), (0.90, 0), (None, 0)])
def test_the_limit_is_drawn_where_it_is_near_and_always_said(limit, lines):
    sheet = history_sheet(
        frame_of(*(point(at) for at in session(FRIDAY))), title="History", note="x", loss_limit=limit
    )
    assert len(strokes_drawn(sheet, DARK.limit)) == lines
    said = [text for text in texts(sheet.figure) if "limit" in text]
    assert len(said) == (limit is not None)


def test_a_year_is_one_point_a_day_and_small_enough_for_a_chat():
    days = pd.bdate_range("2026-01-01", "2026-11-24", tz=ZONE) + pd.Timedelta(hours=9.5)
    times = [at.to_pydatetime() + i * STEP for at in days for i in range(0, 79, 6)]
    random = Random(3)
    frame = frame_of(*(point(at, net_liquidation=250_000.0 * random.uniform(0.9, 1.1)) for at in times))
    sheet = history_sheet(frame, title="History", note="x", loss_limit=0.15)
    assert len(strokes_drawn(sheet, DARK.gain)) < len(days)
    data = charts.history_picture(frame, title="History", note="x", loss_limit=0.15)
    picture = Image.open(io.BytesIO(data))
    assert picture.width == WIDTH and picture.height < 1.6 * WIDTH and len(data) < 200_000


def test_a_history_of_nothing_is_refused():
    with pytest.raises(ValueError, match="1 to 200000 points"):
        history_sheet(frame_of(), title="History", note="x")


# The words


def test_the_words_say_the_change_the_highest_value_at_risk_and_the_worst_day():
    points = [
        point(FRIDAY, net_liquidation=250_000.0, var_99=4_600.0),
        point(FRIDAY + STEP, net_liquidation=252_000.0, worst_loss=0.14, worst_scenario="Flash Crash"),
        point(MONDAY, net_liquidation=249_000.0, var_99=None, left_out=2),
    ]
    found = summary(points, ZONE)
    assert (found.change, round(found.change_share, 4)) == (-1_000.0, -0.004)
    assert (found.worst_day.day, found.worst_day.value) == (MONDAY.date(), -3_000.0)
    assert (found.highest_var.day, found.highest_var.value) == (FRIDAY.date(), 4_600.0)
    assert (found.highest_loss.value, found.highest_loss_scenario) == (0.14, "Flash Crash")
    assert (found.var, found.var_unknown, found.partial) == (None, 1, 1)
    text = plain(history_text(found, LIMITS, 30, ZONE))
    assert "net liquidation 249k, -1.0k (-0.4 %)" in text
    table = [line.split() for line in text.split("\n")]
    assert ["worst", "day", "-3.0k", "16", "Nov"] in table and ["VaR", "now", "?"] in table
    assert ["highest", "VaR", "4.6k", "13", "Nov"] in table and "limits now: loss 15.0 %, VaR none" in text
    assert "⚠ Value at Risk unknown in 1 of 3" in text and "⚠ 1 of 3 leave out some positions" in text


def test_days_without_a_figure_are_named():
    points = [point(FRIDAY), point(MONDAY + timedelta(days=8))]
    said = " ".join(notes(summary(points, ZONE), ZONE))
    assert "nothing on 6 weekdays: 16 Nov, 17 Nov, 18 Nov, 19 Nov and 2 more" in said


def test_where_nothing_is_known_nothing_is_claimed():
    blank = dict.fromkeys(("net_liquidation", "var_99", "es_975", "worst_scenario", "worst_loss"))
    found = summary([point(FRIDAY, **blank)], ZONE)
    text = plain(history_text(found, LIMITS, 1, ZONE))
    assert text.startswith("History, today, USD\nnet liquidation ?, ? (?)")
    assert "of the worst scenario" not in text


@pytest.mark.parametrize("seed", range(30))
def test_a_card_fits_a_phone_whatever_the_figures(seed):
    random = Random(seed)

    def wild():
        return random.choice([None, random.uniform(-1, 1) * 10.0 ** random.uniform(-9, 14)])

    points = []
    for i in range(random.randint(1, 40)):
        scenario = random.choice([None, "X" * random.randint(1, 30), "<b>&"])
        loss = None if scenario is None else random.uniform(-3, 30)
        figures = {
            "net_liquidation": wild(),
            "var_99": wild(),
            "worst_scenario": scenario,
            "worst_loss": loss,
        }
        points.append(point(FRIDAY + timedelta(hours=7 * i), **figures))
    text = history_text(summary(points, ZONE), LIMITS, 365, ZONE)
    for block in re.findall("<pre>(.*?)</pre>", text, re.DOTALL):
        assert all(len(line) <= cards.WIDTH for line in block.split("\n"))
    assert len(text) < MOST_CAPTION


def test_json_holds_every_point_and_null_for_the_unknown():
    points = [point(FRIDAY), point(FRIDAY + STEP, var_99=None)]
    read = json.loads(history_json(points, summary(points, ZONE), 30))
    assert [one["var_99"] for one in read["points"]] == [4_000.0, None]
    assert read["summary"]["worst_day"] == {"day": "2026-11-13", "value": 0.0} and read["days"] == 30


# The command


class StoredDays:
    def __init__(self, *points):
        self._points = list(points)

    async def headlines(self, since):
        return [one for one in self._points if one.at >= since]


class DrawnWords:
    """Pictures that are their title; None where they can't be drawn."""

    def __init__(self, fails=False):
        self._fails = fails

    async def history(self, frame, *, title, note, loss_limit, var_limit):
        return None if self._fails else f"{title}: {len(frame)} points".encode()


def context(*points, now=MONDAY + timedelta(hours=7), fails=False):
    return SimpleNamespace(
        now=lambda: now,
        zone=ZONE,
        diary=StoredDays(*points),
        pictures=DrawnWords(fails),
        desk=SimpleNamespace(settings=EngineSettings()),
    )


POINTS = [point(at) for at in (*session(FRIDAY), *session(MONDAY))]


@pytest.mark.anyio
async def test_history_is_a_picture_with_its_words_and_other_periods_a_tap_away():
    (reply,) = await history(context(*POINTS), "")
    assert reply.picture == b"History, 30 days, in USD: 158 points"
    assert [one.text for row in reply.keyboard for one in row] == [
        "Today", "7 days", "1 year", "As text", "Refresh",
    ]  # fmt: skip
    (today,) = await history_again(context(*POINTS), reply.keyboard[0][0].data.split("|")[1:])
    assert today.edit and today.picture == b"History, today, in USD: 79 points"


@pytest.mark.anyio
async def test_where_no_picture_can_be_drawn_there_are_the_words():
    (reply,) = await history(context(*POINTS, fails=True), "7d")
    assert reply.picture is None and "highest VaR" in reply.html
    (text,) = await history_again(context(*POINTS), ["7", "t"])
    assert text.picture is None and text.keyboard[1][0].text == "As picture"


@pytest.mark.anyio
async def test_days_without_anything_say_what_there_is():
    (none,) = await history(context(), "")
    assert none.html == NONE_STORED
    later = MONDAY + timedelta(days=20)
    (old,) = await history(context(*POINTS, now=later), "5")
    assert (
        old.html == "Nothing is stored of 5 days; the newest figures are of Mon 16 Nov 2026. Try: /history 30"
    )


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "3661", "9" * 400, "30 days", "²"])
async def test_what_is_no_number_of_days_is_refused_with_an_example(text):
    with pytest.raises(
        RequestError, match=r"is not a number of days from 1 to 3660. Try: /history 30"
    ) as refusal:
        await history(context(*POINTS), text)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 120


def test_today_is_one_of_the_days():
    assert begin(MONDAY, 1, ZONE) == datetime(2026, 11, 16, tzinfo=ZONE)
    assert begin(MONDAY, 30, ZONE) == datetime(2026, 10, 18, tzinfo=ZONE)


# The command line


@pytest.fixture
def config(tmp_path):
    base = Config()
    url = f"sqlite:///{tmp_path / 'riskbot.sqlite3'}"
    return base.model_copy(update={"database": base.database.model_copy(update={"url": url})})


def test_the_command_line_prints_and_draws_what_is_stored(tmp_path, config, capsys):
    long_ago = [replace(one, at=one.at) for one in POINTS]
    with Store.open(config.database.url) as store, store._write("test") as session_:
        for one in long_ago:
            rows.add(session_, one)

    print_history(config, 3660, as_json=False, picture=tmp_path / "history.png")

    said = capsys.readouterr()
    assert said.out.startswith("History, 3660 days, USD\nnet liquidation 250k")
    assert Image.open(io.BytesIO((tmp_path / "history.png").read_bytes())).width == WIDTH
    print_history(config, 3660, as_json=True, picture=None)
    assert len(json.loads(capsys.readouterr().out)["points"]) == 158


def test_without_a_database_or_figures_the_command_line_says_so(config):
    with pytest.raises(RequestError, match="No figures are stored yet"):
        print_history(config, 30, as_json=False, picture=None)
    Store.open(config.database.url).close()
    with pytest.raises(RequestError, match="No figures are stored yet"):
        print_history(config, 30, as_json=False, picture=None)
