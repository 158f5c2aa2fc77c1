"""A sheet of pixels to lay out a picture on: the origin is top left, a unit is a pixel, text is measured.

Matplotlib's object interface alone is used, so that no figure is held after its picture is made. Text is drawn
as it is given (no '$' mathematics), on one line, with a typographic minus, and with a mark in place of a
character that the fonts do not have.
"""

import io
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.patches import Rectangle
from PIL import Image

from engine.reports.theme import (
    MARGIN,
    NOTE_SIZE,
    SANS,
    SANS_BOLD,
    TITLE_SIZE,
    Colour,
    Theme,
    edge_colours,
)

Align = Literal["left", "center", "right"]
Segment = tuple[tuple[float, float], tuple[float, float]]

ELLIPSIS = "…"
LINE_HEIGHT = 1.35

# At 72 dots per inch a typographic point is a pixel, so sizes need no conversion.
_DPI = 72
_MEASURED_AT = 1000
_MOST_COLOURS = 256
_SIGN = re.compile(r"(?<![\w.])-(?=[$€£]?\.?\d)")


class Sheet:
    """One picture under construction: `figure` holds what was drawn, `width` and `height` are pixels."""

    def __init__(self, width: int, height: int, theme: Theme) -> None:
        self.width = width
        self.height = height
        self.theme = theme
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=theme.ground)
        self._colours = dict.fromkeys([to_rgb(theme.ground)])
        self._axes: Axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.set_axis_off()

    @property
    def colours(self) -> list[tuple[float, float, float]]:
        """Every colour drawn so far, in order of first use, with those of the texts' smooth edges."""
        return list(self._colours)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float,
        colour: str | None = None,
        ground: Colour | None = None,
        bold: bool = False,
        align: Align = "left",
        upwards: bool = False,
    ) -> None:
        """Write one line with the middle of its digits at height y; `ground` is the colour below it.

        `upwards` it is turned to the left, begins at y and has the middle of its digits at x.
        """
        self._use(*edge_colours(ground or self.theme.ground, colour or self.theme.text))
        below = 0.36 * size
        self._axes.text(
            x + below if upwards else x,
            y if upwards else y + below,
            drawable(words),
            color=colour or self.theme.text,
            fontproperties=_font(SANS_BOLD if bold else SANS, size),
            horizontalalignment="right" if upwards else align,
            verticalalignment="bottom" if upwards else "baseline",
            rotation=90 if upwards else 0,
            parse_math=False,
            zorder=5,
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: Colour | None = None,
        edge: str | None = None,
        line_width: float = 0.0,
        hatched: bool = False,
    ) -> None:
        """A rectangle from its top left corner; `hatched` marks what is unknown."""
        outline = self.theme.hatch if hatched else edge
        self._use(*(to_rgb(colour) for colour in (fill, outline) if colour))
        patch = Rectangle(
            (x, y),
            width,
            height,
            facecolor=fill or "none",
            edgecolor=outline or "none",
            linewidth=line_width,
            hatch="///" if hatched else None,
            zorder=4 if edge else 2,
        )
        self._axes.add_patch(patch)

    def lines(
        self, segments: list[Segment], *, colour: str, line_width: float, slanting: bool = False
    ) -> None:
        """Straight strokes, over the boxes and under the text; `slanting` ones have smooth edges on the bare ground."""
        self._use(*edge_colours(self.theme.ground, colour) if slanting else [to_rgb(colour)])
        strokes = LineCollection(
            segments, colors=colour, linewidths=line_width, capstyle="projecting", zorder=3
        )
        self._axes.add_collection(strokes, autolim=False)

    def _use(self, *colours: tuple[float, float, float]) -> None:
        self._colours.update(dict.fromkeys(colours))

    def heading(self, title: list[str], top: float) -> float:
        """Write a title's lines from `top` down; returns the height below them."""
        return self._paragraph(title, top, size=TITLE_SIZE, colour=self.theme.text, bold=True)

    def footnote(self, note: list[str], top: float) -> float:
        """Write a note's lines from `top` down; returns the height below them."""
        return self._paragraph(note, top, size=NOTE_SIZE, colour=self.theme.muted, bold=False)

    def _paragraph(self, lines: list[str], top: float, *, size: float, colour: str, bold: bool) -> float:
        for number, line in enumerate(lines):
            self.text(
                MARGIN, top + (number + 0.5) * size * LINE_HEIGHT, line, size=size, colour=colour, bold=bold
            )
        return top + paragraph_height(lines, size)


def png(sheet: Sheet) -> bytes:
    """The picture as an opaque PNG of the sheet's own colours, a third of the full one's size."""
    canvas = FigureCanvasAgg(sheet.figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
    palette = _palette_image(sheet.colours)
    image = Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=8)
    return file.getvalue()


def _palette_image(palette: Sequence[tuple[float, float, float]]) -> Image.Image:
    """The colours as Pillow takes them, the first repeated: a short palette would be filled with foreign ones."""
    assert len(palette) <= _MOST_COLOURS
    colours = [*palette, *[palette[0]] * (_MOST_COLOURS - len(palette))]
    image = Image.new("P", (1, 1))
    image.putpalette([round(255 * part) for colour in colours for part in colour])
    return image


def paragraph_height(lines: list[str], size: float) -> float:
    return len(lines) * size * LINE_HEIGHT


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """The width of a line in pixels, without kerning."""
    path = SANS_BOLD if bold else SANS
    return sum(_advance(path, character) for character in drawable(words)) * size / _MEASURED_AT


def shorten(words: str, width: float, size: float, *, bold: bool = False) -> str:
    """The words, or both their ends around an ellipsis: the end of a contract's name holds strike and right."""
    words = " ".join(words.split())
    if text_width(words, size, bold=bold) <= width:
        return words
    for kept in range(len(words) - 1, 0, -1):
        tail = kept // 2
        shown = words[: kept - tail].rstrip() + ELLIPSIS + words[len(words) - tail :].lstrip()
        if text_width(shown, size, bold=bold) <= width:
            return shown
    return ELLIPSIS


def wrap(words: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """The words in lines of at most `width` pixels, nothing left out; a longer word is broken."""
    lines: list[str] = []
    line = ""
    for word in words.split():
        joined = f"{line} {word}" if line else word
        if text_width(joined, size, bold=bold) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, width, size, bold=bold)
        lines.extend(full)
    return [*lines, line] if line else lines


def drawable(words: str) -> str:
    """One line of characters that the fonts have, signs as the typographic minus."""
    line = _SIGN.sub("−", " ".join(words.split()))
    return "".join(character if _has(character) else "\ufffd" for character in line)


def _pieces(word: str, width: float, size: float, *, bold: bool) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, size, bold=bold) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


@lru_cache(maxsize=256)
def _font(path: Path, size: float) -> FontProperties:
    return FontProperties(fname=str(path), size=size)


@lru_cache(maxsize=4096)
def _advance(path: Path, character: str) -> float:
    font = get_font(str(path))
    font.set_size(_MEASURED_AT, _DPI)
    return font.load_char(ord(character), flags=LoadFlags.NO_HINTING).linearHoriAdvance / 65536


@lru_cache(maxsize=4096)
def _has(character: str) -> bool:
    return all(get_font(str(path)).get_char_index(ord(character)) != 0 for path in (SANS, SANS_BOLD))
