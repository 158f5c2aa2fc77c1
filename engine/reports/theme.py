"""One visual language for every picture and page: colours, the diverging scale, fonts and sizes.

Losses are orange and gains are blue, a pair that every common kind of colour blindness keeps apart; a sign
is always printed as well. Sizes are pixels of a picture 1170 px wide, which a phone shows 390 px wide: divide
by three for what the eye gets.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap, to_rgb

WIDTH = 1170
MARGIN = 36
TITLE_SIZE = 46
TEXT_SIZE = 34
NOTE_SIZE = 33
SMALLEST_SIZE = 33

_FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
SANS = _FONTS / "DejaVuSans.ttf"
SANS_BOLD = _FONTS / "DejaVuSans-Bold.ttf"


Colour = str | tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one look, as '#rrggbb'; every text colour has at least 4.5:1 contrast on its ground."""

    name: str
    ground: str
    zebra: str
    emphasis: str
    rule: str
    text: str
    muted: str
    loss_text: str
    gain_text: str
    unknown_text: str
    loss: str
    middle: str
    gain: str
    limit: str
    limit_casing: str
    hatch: str


DARK = Theme(
    name="dark",
    ground="#12171e",
    zebra="#1a212b",
    emphasis="#2a3646",
    rule="#3b4859",
    text="#eef2f6",
    muted="#a9b4c0",
    loss_text="#ffa657",
    gain_text="#79bbff",
    unknown_text="#ffe08a",
    loss="#e8791c",
    middle="#232c38",
    gain="#2f8be0",
    limit="#ffffff",
    limit_casing="#05080c",
    hatch="#5a6675",
)

LIGHT = Theme(
    name="light",
    ground="#ffffff",
    zebra="#f3f5f8",
    emphasis="#dfe8f3",
    rule="#c3ccd6",
    text="#15191e",
    muted="#55606d",
    loss_text="#a34700",
    gain_text="#0b5cad",
    unknown_text="#6b5500",
    loss="#e8791c",
    middle="#f3f5f8",
    gain="#3d8fe0",
    limit="#15191e",
    limit_casing="#ffffff",
    hatch="#a4aebb",
)


@cache
def diverging(theme: Theme) -> LinearSegmentedColormap:
    """The theme's scale from the worst loss (0.0) over nothing (0.5) to the best gain (1.0)."""
    return LinearSegmentedColormap.from_list(f"riskbot-{theme.name}", [theme.loss, theme.middle, theme.gain])


def edge_colours(ground: Colour, ink: Colour) -> list[tuple[float, float, float]]:
    """What text in that ink on that ground is made of: the ink and two mixtures for its smooth edges."""
    pairs = list(zip(to_rgb(ground), to_rgb(ink), strict=True))
    steps = [[below + (above - below) * step / 3 for below, above in pairs] for step in (1, 2, 3)]
    return [(red, green, blue) for red, green, blue in steps]


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(ground: Colour) -> str:
    """Black or white, whichever reads better on that ground: one of them always has 4.58:1."""
    return max(("#ffffff", "#000000"), key=lambda ink: contrast(ink, ground))


def _luminance(colour: Colour) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
