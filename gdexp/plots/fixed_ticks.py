"""Ticks of a panel whose place and limits are final, in few artists, for figures that are drawn by the thousand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from gdexp.core.factor import Array
from gdexp.plots.style import BLACK, SMALL_SIZE, STYLE
from gdexp.plots.text import width
from gdexp.plots.ticks import power_of_ten

PAD = 3.5
"""Points between a tick and its label."""


@dataclass(frozen=True, eq=False)
class Ticks:
    """Ticks of one kind: `places` along the axis as fractions of it (t,), and the label of each, "" for none."""

    kind: str
    places: Array
    labels: list[str]

    @property
    def size(self) -> float:
        """The length in points."""
        return float(STYLE[f"xtick.{self.kind}.size"])

    @property
    def width(self) -> float:
        """The width in points."""
        return float(STYLE[f"xtick.{self.kind}.width"])


def fix_ticks(panel: Axes) -> None:
    """Draw the ticks, the grid and the labels that the axes of `panel` would have, which they have no more after this.

    Matplotlib makes five artists of each tick, and asks them for their sizes several times: most of what a simple
    figure costs.
    """
    extent = panel.get_window_extent()
    points = np.array([extent.height, extent.width]) * 72 / panel.figure.dpi  # across the axis of x, and of y
    grid, marks, widths = [], [], []
    for axis, along, across in ((panel.xaxis, 0, points[0]), (panel.yaxis, 1, points[1])):
        for ticks in _ticks(axis, along):
            if ticks.kind == "major":
                grid += _segments(ticks.places, along, 1)
            marks += _segments(ticks.places, along, -ticks.size / across)
            widths += [ticks.width] * len(ticks.places)
            _label(panel, ticks, along, across)
    style = {"color": STYLE["grid.color"], "linewidth": STYLE["grid.linewidth"]}
    panel.add_collection(LineCollection(grid, transform=panel.transAxes, zorder=0.5, **style), autolim=False)
    ticks_style = {"color": BLACK, "linewidths": widths, "clip_on": False}
    panel.add_collection(LineCollection(marks, transform=panel.transAxes, zorder=2.01, **ticks_style), autolim=False)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(NullLocator())
        axis.set_minor_locator(NullLocator())
        axis.get_offset_text().set_visible(False)
    panel.set_title(panel.get_title(loc="left"), y=1.0)  # or matplotlib would measure everything to place it


def _ticks(axis: Axis, along: int) -> list[Ticks]:
    """Return the major and the minor ticks within the limits of `axis`; what multiplies all labels goes to its name."""
    panel = axis.axes
    kinds = []
    for kind, places, formatter in (
        ("major", axis.get_majorticklocs(), axis.get_major_formatter()),
        ("minor", axis.get_minorticklocs(), axis.get_minor_formatter()),
    ):
        labels = formatter.format_ticks(list(places))
        points = np.full((len(places), 2), 1.0)
        points[:, along] = places
        fractions = (panel.transScale + panel.transLimits).transform(points)[:, along]
        inside = (fractions > -1e-9) & (fractions < 1 + 1e-9)
        kinds.append(Ticks(kind, fractions[inside], list(compress(labels, inside))))
    factor = axis.get_major_formatter().get_offset()
    if factor:
        axis.set_label_text(f"{axis.get_label_text()} in {power_of_ten(factor.removeprefix('1e'))}")
    return kinds


def _segments(places: Array, along: int, length: float) -> list[ArrayLike]:
    """Return a line at each of `places`, from the axis to `length`, in fractions of the panel."""
    ends = np.zeros((len(places), 2, 2))
    ends[:, :, along] = places[:, None]
    ends[:, 1, 1 - along] = length
    return list(ends)


def _label(panel: Axes, ticks: Ticks, along: int, across: float) -> None:
    axis, beyond = (panel.xaxis, panel.yaxis)[along], ticks.size + PAD
    aligned: dict[str, Any] = {"ha": "center", "va": "top"} if along == 0 else {"ha": "right", "va": "center_baseline"}
    for place, label in zip(ticks.places, ticks.labels, strict=True):
        if label:
            at = (place, -beyond / across) if along == 0 else (-beyond / across, place)
            panel.text(at[0], at[1], label, transform=panel.transAxes, size=SMALL_SIZE, **aligned)
            room = 1.16 * SMALL_SIZE if along == 0 else 72 * width(label, SMALL_SIZE)
            axis.labelpad = max(axis.labelpad, beyond + room + STYLE["axes.labelpad"])
