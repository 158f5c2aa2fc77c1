"""The pictures by their structure: size, texts, colours and lines, not the pixels of one machine."""

import io
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from PIL import Image

from engine.reports import charts
from engine.reports.canvas import drawable, png, shorten, text_width, wrap
from engine.reports.chart_bars import scenario_bars_sheet
from engine.reports.chart_heat import heat_map_sheet
from engine.reports.chart_table import table_sheet
from engine.reports.theme import DARK, LIGHT, SMALLEST_SIZE, WIDTH, contrast, diverging, ink_on

NOTE = "as of 15:59:30 New York · oldest price 4 s · not valued: VIX 2026-08-19 22 C"
SPOT = [0.20, 0.15, 0.10, 0.05, 0.0, -0.05, -0.10, -0.15, -0.20]
IV = [-0.5, -0.25, -0.1, 0.0, 0.25, 0.5, 1.0]
THEMES = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)


def matrix(spot=SPOT, iv=IV):
    down, across = np.array(spot)[:, None], np.array(iv)[None, :]
    return pd.DataFrame(
        2e5 * down - 9e5 * down**2 - 14e3 * across + 6e4 * down * across, index=spot, columns=iv
    )


def positions(count):
    rows = [
        [f"AAPL 2026-08-21 {200 + 5 * n} P", f"{-n}", f"{n}.25", f"-{n},480", "-4.9 %"]
        for n in range(1, count + 1)
    ]
    return pd.DataFrame(rows, columns=["Position", "Qty", "Mark", "P&L", "of its value"])


def scenarios(**pnl):
    return pd.DataFrame({"pnl": list(pnl.values())}, index=[name.replace("_", " ") for name in pnl])


def heat(frame, **options):
    return heat_map_sheet(frame, **({"title": "Matrix", "note": NOTE, "unit": "USD"} | options)).figure


def bars(frame, **options):
    return scenario_bars_sheet(frame, **({"title": "Scenarios", "note": NOTE} | options)).figure


def table(frame, **options):
    return table_sheet(frame, **({"title": "Positions", "note": NOTE} | options)).figure


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def text_of(figure, words):
    return next(text for text in figure.axes[0].texts if text.get_text() == words)


def hatched(figure):
    return [patch for patch in figure.axes[0].patches if patch.get_hatch()]


def limit_strokes(figure, theme=DARK):
    """The limit's segments, without its sample in the legend (which is as wide as a sample)."""
    strokes = [
        segment
        for lines in figure.axes[0].collections
        if isinstance(lines, LineCollection) and to_hex(lines.get_colors()[0]) == theme.limit
        for segment in lines.get_segments()
    ]
    return [stroke for stroke in strokes if np.abs(stroke[1] - stroke[0]).sum() > 40]


def opened(data):
    return Image.open(io.BytesIO(data))


@THEMES
def test_every_chart_is_a_png_as_wide_as_three_phone_screens_in_pixels(theme):
    pictures = [
        charts.heat_map(matrix(), title="Matrix", note=NOTE, unit="USD", limit=4e4, theme=theme),
        charts.scenario_bars(
            scenarios(Panic=-4e4, Rally=8e3), title="All", note=NOTE, limit=3e4, theme=theme
        ),
        charts.table_picture(positions(8), title="Positions", note=NOTE, theme=theme),
    ]
    assert [picture[:8] for picture in pictures] == [b"\x89PNG\r\n\x1a\n"] * 3
    assert [opened(picture).width for picture in pictures] == [WIDTH] * 3


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.table_picture(positions(60), title="Positions", note=NOTE),
        lambda: charts.heat_map(
            matrix(np.linspace(-0.2, 0.2, 17), np.linspace(-0.5, 1, 13)), title="", note="", unit=""
        ),
        lambda: charts.scenario_bars(
            scenarios(**{f"S_{n}": n - 20.0 for n in range(40)}), title="All", note=NOTE
        ),
    ],
    ids=["table of 60 rows", "matrix of 17 by 13", "40 scenarios"],
)
def test_the_largest_pictures_stay_below_two_hundred_kilobytes(draw):
    assert len(draw()) <= 200_000


@THEMES
def test_every_text_colour_reads_on_every_ground(theme):
    inks = [theme.text, theme.muted, theme.loss_text, theme.gain_text, theme.unknown_text]
    grounds = [theme.ground, theme.zebra, theme.emphasis]
    assert min(contrast(ink, ground) for ink, ground in itertools.product(inks, grounds)) >= 4.5


@THEMES
def test_a_number_reads_on_every_colour_of_the_scale(theme):
    colours = [diverging(theme)(place)[:3] for place in np.linspace(0.0, 1.0, 201)]
    assert min(contrast(ink_on(colour), colour) for colour in colours) >= 4.5


@THEMES
def test_loss_and_gain_are_not_told_by_red_against_green(theme):
    loss, gain = diverging(theme)(0.0), diverging(theme)(1.0)
    assert loss[0] - loss[2] > 0.5
    assert gain[2] - gain[0] > 0.4


def test_every_cell_of_the_matrix_has_its_number_and_sign():
    frame = pd.DataFrame([[1500.0, -2500.0], [0.0, -1.2e6]], index=[0.05, 0.0], columns=[0.0, 0.25])
    assert {"+1.5k", "−2.5k", "0", "−1.2M"} <= set(texts(heat(frame)))


def test_the_axes_of_the_matrix_are_signed_percentages():
    shown = texts(heat(matrix([0.05, 0.0, -0.025], [-0.5, 0.0, 1.0])))
    assert {"+5 %", "0 %", "−2.5 %", "−50 %", "+100 %"} <= set(shown)


@pytest.mark.parametrize("unknown", [math.nan, math.inf, -math.inf])
def test_an_unknown_cell_is_a_hatched_question_mark_without_a_colour_of_the_scale(unknown):
    frame = matrix()
    frame.iloc[8, 6] = unknown
    figure = heat(frame)
    assert texts(figure).count("?") == 1
    cell = max(hatched(figure), key=Rectangle.get_width)
    assert to_hex(cell.get_facecolor()) == DARK.ground


def test_a_matrix_of_unknowns_is_drawn_as_such():
    figure = heat(matrix() * math.nan, limit=1000.0)
    assert texts(figure).count("?") == len(SPOT) * len(IV)
    assert limit_strokes(figure) == []


def test_the_colour_of_a_loss_mirrors_the_colour_of_an_equal_gain():
    frame = pd.DataFrame([[-500.0, 500.0, 1000.0]], index=[0.0], columns=[-0.1, 0.1, 0.2])
    fills = [patch.get_facecolor() for patch in heat(frame).axes[0].patches[:3]]
    step = round(math.sqrt(0.5) * 30) / 30
    places = [0.5 - 0.5 * step, 0.5 + 0.5 * step, 1.0]
    assert [to_hex(fill) for fill in fills] == [to_hex(diverging(DARK)(place)) for place in places]


def test_the_cell_without_a_shock_is_outlined():
    outlined = [
        patch for patch in heat(matrix()).axes[0].patches if to_hex(patch.get_edgecolor()) == DARK.text
    ]
    cell = max(outlined, key=Rectangle.get_width)
    number = text_of(heat(matrix()), "0")
    assert cell.get_x() < number.get_position()[0] < cell.get_x() + cell.get_width()
    assert cell.get_y() < number.get_position()[1] < cell.get_y() + cell.get_height()


def test_the_limit_line_runs_between_the_cells_on_its_two_sides():
    frame = pd.DataFrame([[-900.0, -900.0], [-900.0, -1100.0]], index=[0.0, -0.1], columns=[0.0, 0.1])
    figure = heat(frame, limit=1000.0)
    beyond, inside = text_of(figure, "−1.1k"), text_of(figure, "−900")
    strokes = limit_strokes(figure)
    assert len(strokes) == 2
    xs, ys = np.vstack(strokes).T
    assert inside.get_position()[0] < xs.min() < beyond.get_position()[0] < xs.max()
    assert inside.get_position()[1] < ys.min() < beyond.get_position()[1] < ys.max()


def test_a_loss_of_exactly_the_limit_is_not_beyond_it():
    frame = pd.DataFrame([[-1000.0, 0.0]], index=[0.0], columns=[0.0, 0.1])
    figure = heat(frame, limit=1000.0)
    assert limit_strokes(figure) == []
    assert "loss limit −1.0k: no cell loses more" in texts(figure)


def test_unknown_cells_are_left_out_of_the_count_beyond_the_limit():
    frame = pd.DataFrame([[-2000.0, math.nan, 5.0]], index=[0.0], columns=[0.0, 0.1, 0.2])
    assert "loss limit −1.0k: 1 of 2 known cells lose more" in texts(heat(frame, limit=1000.0))


def test_the_numbers_of_a_nine_by_seven_matrix_are_eleven_pixels_on_a_phone():
    sizes = [text.get_fontsize() for text in heat(matrix()).axes[0].texts]
    assert min(sizes) >= SMALLEST_SIZE


def test_every_number_stays_inside_its_cell():
    frame = matrix(np.linspace(-0.2, 0.2, 17), np.linspace(-0.5, 1.0, 13)) * 10.0
    figure = heat(frame)
    first, second = (text_of(figure, label) for label in ("−50", "−37.5"))
    pitch = second.get_position()[0] - first.get_position()[0]
    size = first.get_fontsize()
    numbers = [text for text in figure.axes[0].texts if text.get_fontsize() == size]
    assert len(numbers) == 13 + 17 * 13
    assert max(text_width(text.get_text(), size) for text in numbers) < pitch


MARKS = ((0, 6, "Panic"), (2, 1, "Rally"), (2, 1, "Fed"), (5, 3, "Rally"))


def test_a_marked_cell_has_its_letters_over_its_number_and_the_legend_their_words():
    frame = matrix()
    shown = texts(heat(frame, marks=MARKS))
    assert [shown.count(label) for label in ("A", "B", "B C", "Panic", "Rally", "Fed")] == [2, 2, 1, 1, 1, 1]
    figure = heat(frame * 0 + np.arange(frame.size).reshape(frame.shape), marks=MARKS)
    letter, number = text_of(figure, "A"), text_of(figure, "+6")
    assert letter.get_position()[0] == pytest.approx(number.get_position()[0], abs=1.0)
    assert letter.get_position()[1] < number.get_position()[1]


def test_the_letters_of_a_marked_matrix_are_eleven_pixels_on_a_phone():
    assert min(text.get_fontsize() for text in heat(matrix(), marks=MARKS).axes[0].texts) >= SMALLEST_SIZE


def test_many_letters_stay_in_their_cell():
    marks = tuple((0, 0, f"Scenario {n}") for n in range(13))
    figure = heat(matrix(), marks=marks)
    label = text_of(figure, " ".join("ABCDEFGHIJKLM"))
    first, second = (text_of(figure, label) for label in ("−50 %", "−25 %"))
    pitch = second.get_position()[0] - first.get_position()[0]
    assert text_width(label.get_text(), label.get_fontsize(), bold=True) < pitch


def test_the_largest_matrix_with_marks_fits_a_palette():
    frame = matrix(np.linspace(-0.2, 0.2, 17), np.linspace(-0.5, 1.0, 13))
    sheet = heat_map_sheet(frame, title="M", note=NOTE, unit="USD", limit=5e4, marks=((0, 0, "A"),))
    assert len(sheet.colours) <= 256


@pytest.mark.parametrize("mark", [(9, 0, "x"), (0, 7, "x"), (-1, 0, "x")])
def test_a_mark_outside_the_matrix_is_refused(mark):
    with pytest.raises(ValueError, match="outside the matrix"):
        heat(matrix(), marks=(mark,))


def test_more_marks_than_letters_are_refused():
    with pytest.raises(ValueError, match="26 marks, not 27"):
        heat(matrix(), marks=tuple((0, 0, str(n)) for n in range(27)))


def test_the_iv_axis_says_what_it_is():
    assert "IV of a month →" in texts(heat(matrix(), iv_axis="IV of a month"))


@pytest.mark.parametrize("limit", [0.0, -5.0, math.nan, math.inf])
def test_a_limit_that_is_no_positive_amount_is_refused(limit):
    with pytest.raises(ValueError, match="positive amount"):
        heat(matrix(), limit=limit)
    with pytest.raises(ValueError, match="positive amount"):
        bars(scenarios(Panic=-1.0), limit=limit)


def test_a_matrix_without_cells_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        heat(matrix().iloc[:0])


def test_scenarios_keep_their_order_and_carry_signed_amounts():
    shown = texts(bars(scenarios(Market_Panic=-18_200.0, Normal_Day=0.0, FOMO_Rally=6300.0)))
    order = [
        shown.index(words) for words in ("Market Panic", "−18.2k", "Normal Day", "0", "FOMO Rally", "+6.3k")
    ]
    assert order == sorted(order)


def test_a_loss_bar_ends_where_a_gain_bar_begins():
    figure = bars(scenarios(Panic=-1000.0, Rally=500.0))
    loss, gain = (
        next(patch for patch in figure.axes[0].patches if to_hex(patch.get_facecolor()) == colour)
        for colour in (DARK.loss, DARK.gain)
    )
    assert loss.get_x() + loss.get_width() == pytest.approx(gain.get_x())
    assert loss.get_width() == pytest.approx(2.0 * gain.get_width())


def test_an_unknown_scenario_is_a_hatched_question_mark():
    figure = bars(scenarios(Panic=math.nan, Rally=500.0), limit=400.0)
    assert "?" in texts(figure)
    assert max(patch.get_width() for patch in hatched(figure)) > 300
    assert "loss limit −400: no known scenario loses more" in texts(figure)


def test_the_limit_is_a_line_across_the_bars():
    figure = bars(scenarios(Panic=-1000.0, Rally=500.0), limit=1000.0)
    bar = next(patch for patch in figure.axes[0].patches if to_hex(patch.get_facecolor()) == DARK.loss)
    (stroke,) = limit_strokes(figure)
    assert stroke[:, 0] == pytest.approx([bar.get_x()] * 2)


def test_a_limit_far_off_the_scale_is_told_in_words():
    figure = bars(scenarios(Panic=-1000.0), limit=1e6)
    assert limit_strokes(figure) == []
    assert "loss limit −1.0M: no scenario loses more (off this scale)" in texts(figure)


@pytest.mark.parametrize("count", [0, 61])
def test_too_few_or_too_many_scenarios_are_refused(count):
    with pytest.raises(ValueError, match=f"not {count}"):
        bars(scenarios(**{f"S{n}": 1.0 for n in range(count)}))


def test_a_table_shows_its_title_headers_cells_and_note():
    shown = texts(table(positions(2)))
    assert shown[0] == "Positions"
    assert {"Position", "Qty", "AAPL 2026-08-21 205 P", "−1,480", "1.25"} <= set(shown)
    assert NOTE in " ".join(shown)


def test_the_first_column_is_left_aligned_and_the_others_right():
    figure = table(positions(1))
    aligned = {text.get_text(): text.get_horizontalalignment() for text in figure.axes[0].texts}
    assert aligned["AAPL 2026-08-21 205 P"] == "left"
    assert {aligned[words] for words in ("−1", "1.25", "−1,480", "−4.9 %")} == {"right"}


@pytest.mark.parametrize("cell", ["-1,480", "−1,480", "-$1,480", "(1,480)", "▼ 1,480", "-.5"])
def test_a_negative_cell_is_coloured_and_keeps_its_sign(cell):
    figure = table(pd.DataFrame({"Position": ["SPY"], "P&L": [cell]}))
    shown = text_of(figure, drawable(cell))
    assert to_hex(shown.get_color()) == DARK.loss_text
    assert shown.get_text()[0] in "−(▼"


@pytest.mark.parametrize("cell", ["+1,480", "1,480", "0", "-", "2026-08-21", "A-B"])
def test_a_cell_that_is_not_negative_has_the_colour_of_text(cell):
    figure = table(pd.DataFrame({"Position": ["SPY"], "P&L": [cell]}))
    assert to_hex(text_of(figure, cell).get_color()) == DARK.text


def test_an_unknown_cell_of_a_table_stands_out():
    figure = table(pd.DataFrame({"Position": ["SPY"], "P&L": ["?"]}))
    assert to_hex(text_of(figure, "?").get_color()) == DARK.unknown_text


def test_a_row_can_stand_out():
    figure = table(positions(3), emphasis=-1)
    assert [
        text_of(figure, f"−{n},480").get_fontproperties().get_file().endswith("Bold.ttf") for n in (1, 2, 3)
    ] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("emphasis", [3, -4])
def test_a_row_that_is_not_there_can_not_stand_out(emphasis):
    with pytest.raises(ValueError, match="to stand out"):
        table(positions(3), emphasis=emphasis)


def test_a_table_grows_with_its_rows():
    heights = [table(positions(count)).get_size_inches()[1] for count in (10, 20, 30)]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0])
    assert heights[1] > heights[0]


def test_more_than_sixty_rows_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="60 rows, not 61: draw it in pages"):
        table(positions(61))


def test_a_table_without_rows_says_so():
    assert "none" in texts(table(positions(0)))


def test_a_cell_that_is_not_text_is_refused_by_its_place():
    frame = pd.DataFrame({"Position": ["SPY"], "P&L": [1.5]})
    with pytest.raises(TypeError, match=r"row 0, column 'P&L': 1.5 is not a str"):
        table(frame)


def test_a_long_name_keeps_its_ends_and_the_numbers_beside_it_stay_whole():
    frame = positions(1)
    frame.iloc[0, 0] = "An exceedingly long description of a contract on AAPL 2026-08-21 205 P"
    shown = texts(table(frame))
    name = next(words for words in shown if "…" in words)
    assert name.startswith("An exc")
    assert name.endswith(" 205 P")
    assert {"−1", "1.25", "−1,480", "−4.9 %"} <= set(shown)


def test_columns_never_overlap_even_where_the_picture_has_to_grow():
    frame = pd.concat([positions(3), positions(3).iloc[:, 1:].add_suffix(" again")], axis=1)
    figure = table(frame)
    rows = itertools.groupby(
        sorted(figure.axes[0].texts, key=lambda text: text.get_position()[1]),
        key=lambda text: text.get_position()[1],
    )
    renderer = FigureCanvasAgg(figure).get_renderer()
    for _, row in rows:
        ends = sorted(text.get_window_extent(renderer).extents[[0, 2]].tolist() for text in row)
        assert all(left[1] < right[0] for left, right in itertools.pairwise(ends))
        assert ends[-1][1] <= figure.get_size_inches()[0] * figure.dpi


def test_a_note_is_wrapped_and_never_shortened():
    note = "not valued: " + ", ".join(f"AAPL 2026-08-21 {strike} P" for strike in range(200, 260, 2))
    shown = " ".join(texts(table(positions(1), note=note)))
    assert note.replace("-", "") in shown.replace("-", "")


def test_a_picture_has_the_colours_of_its_sheet_alone():
    sheet = heat_map_sheet(matrix(), title="Matrix", note=NOTE, unit="USD", theme=LIGHT)
    used = {colour for _, colour in opened(png(sheet)).convert("RGB").getcolors()}
    assert used <= {tuple(round(255 * part) for part in colour) for colour in sheet.colours}


@THEMES
def test_a_cell_of_the_picture_has_exactly_its_colour_of_the_scale(theme):
    frame = pd.DataFrame([[-1000.0, 1000.0]], index=[0.0], columns=[0.1, 0.2])
    picture = opened(charts.heat_map(frame, title="Matrix", note=NOTE, unit="USD", theme=theme)).convert(
        "RGB"
    )
    used = {f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in picture.getcolors()}
    assert {theme.loss, theme.gain} <= used


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_the_largest_matrix_fits_a_palette(theme):
    steps = np.linspace(-1.0, 1.0, 17 * 13).reshape(17, 13)
    frame = pd.DataFrame(
        1e5 * np.sign(steps) * steps**2, np.linspace(-0.2, 0.2, 17), np.linspace(-0.5, 1.0, 13)
    )
    frame.iloc[0, 0] = math.nan
    assert len(heat_map_sheet(frame, title="M", note=NOTE, unit="USD", limit=5e4, theme=theme).colours) <= 256


def test_dollar_signs_are_text_and_not_mathematics():
    figure = table(pd.DataFrame({"Position": ["a_1 $ and $ b^2"], "P&L": ["$5"]}))
    assert not text_of(figure, "a_1 $ and $ b^2").get_parse_math()


def test_a_character_without_a_glyph_is_marked_and_line_breaks_are_spaces():
    assert drawable("TSLA\n漢 x") == "TSLA \ufffd x"


def test_only_signs_become_typographic_and_hyphens_stay():
    assert drawable("-5 %, SPY 2026-08-21, A-1, -$3, (-.5)") == "−5 %, SPY 2026-08-21, A-1, −$3, (−.5)"


def test_wrapped_lines_fit_and_hold_every_character():
    words = "a bb ccc " + "x" * 80 + " dddd"
    lines = wrap(words, 200, 33)
    assert max(text_width(line, 33) for line in lines) <= 200
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")


def test_a_shortened_text_fits_its_width():
    assert text_width(shorten("AAPL 2026-08-21 205 P", 200, 34), 34) <= 200
