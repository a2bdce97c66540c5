"""How every figure looks: fonts, and colours, strokes and markers that differ in black and white too.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which the colour-blind tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import matplotlib
from matplotlib.colors import Colormap, LinearSegmentedColormap

from gdexp.plots.text import FONT

Stroke: TypeAlias = Literal["-", "--", "-.", ":"] | tuple[float, tuple[float, ...]]

BLACK, GREY, LIGHT = "#000000", "#555555", "#bbbbbb"
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE = "#56B4E9", "#CC79A7"

TITLE_SIZE, PANEL_SIZE, LABEL_SIZE, SMALL_SIZE, CAPTION_SIZE = 12.0, 10.0, 9.5, 8.5, 8.0

_MACHINE = ("backend", "interactive", "toolbar", "timezone", "date.epoch", "webagg", "tk.", "docstring")
_FIGURE = ("figure.max_open_warning", "figure.raise_window", "figure.hooks", "savefig.directory")

STYLE: Any = {
    key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(_MACHINE + _FIGURE)
} | {
    "font.family": FONT,
    "font.size": LABEL_SIZE,
    "axes.titlesize": PANEL_SIZE,
    "axes.titlelocation": "left",
    "axes.labelsize": LABEL_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.limits": (-4, 7),
    "axes.unicode_minus": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "xtick.labelsize": SMALL_SIZE,
    "ytick.labelsize": SMALL_SIZE,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": SMALL_SIZE,
    "legend.handlelength": 2.6,
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "svg.hashsalt": "gdexp",
}
"""Matplotlib's own defaults, whatever the user's matplotlibrc says, and what differs from them here."""


@dataclass(frozen=True)
class Series:
    """How one of several lines is told from the others."""

    color: str
    stroke: Stroke
    marker: str


SERIES = (
    Series(BLUE, "-", "o"),
    Series(VERMILION, "--", "s"),
    Series(BLACK, "-.", "^"),
    Series(ORANGE, (0, (6, 1.5, 1.5, 1.5, 1.5, 1.5)), "D"),
    Series(GREEN, ":", "v"),
    Series(SKY, (0, (8, 2)), "P"),
    Series(PURPLE, (0, (3, 1)), "X"),
    Series(GREY, "-", "*"),
    Series(BLUE, ":", "<"),
    Series(VERMILION, "-.", ">"),
)


def sequential() -> Colormap:
    """Return the colour map of ordered values: viridis without its yellow end, which is lost on white paper."""
    viridis = matplotlib.colormaps["viridis"]
    return LinearSegmentedColormap.from_list("viridis_dark", viridis([0.88 * i / 255 for i in range(256)]))
