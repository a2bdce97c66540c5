"""Minor ticks in one artist an axis, for matplotlib makes five of each tick and measures them over and over."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from gdexp.plots.style import BLACK, STYLE

MARKERS: dict[str, Any] = {"bottom": 3, "left": 0, "right": 1}
"""What a tick looks like on each side of a panel that may have some: matplotlib's TICKDOWN, TICKLEFT, TICKRIGHT."""


class MinorTicks(Artist):
    """The minor ticks of an axis, whose places follow its limits and its length when they are drawn."""

    def __init__(self, panel: Axes, axis: Axis, side: str) -> None:
        super().__init__()
        self._axis, self._side, self._locator = axis, side, axis.get_minor_locator()
        axis.set_minor_locator(NullLocator())
        self.set_zorder(axis.get_zorder() + 0.01)
        self.set_in_layout(False)
        panel.add_artist(self)
        size, width = STYLE["xtick.minor.size"], STYLE["xtick.minor.width"]
        style: dict[str, Any] = {"markersize": size, "markeredgewidth": width, "color": BLACK, "linestyle": "none"}
        self._marks = Line2D([], [], marker=MARKERS[side], **style)
        self._marks.set_transform(panel.get_xaxis_transform() if side == "bottom" else panel.get_yaxis_transform())

    def draw(self, renderer: RendererBase) -> None:
        """Draw the ticks where the axis would."""
        places = self._places()
        edge = np.full(len(places), float(self._side == "right"))
        self._marks.set_data(*((places, edge) if self._side == "bottom" else (edge, places)))
        self._marks.draw(renderer)

    def _places(self) -> Any:
        axis = self._axis
        axis.set_minor_locator(self._locator)
        places = np.asarray(axis.get_minorticklocs())  # without those of the major ticks
        axis.set_minor_locator(NullLocator())
        scaled, ends = (axis.get_transform().transform(np.asarray(at)) for at in (places, axis.get_view_interval()))
        margin = 1e-10 * np.ptp(ends)  # as much as matplotlib itself allows for
        return places[(scaled > ends.min() - margin) & (scaled < ends.max() + margin)]


def join_minor_ticks(figure: Figure) -> None:
    """Make the minor ticks of each axis of `figure`, whose limits are final, one artist where none has a label."""
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            side = axis.get_ticks_position()
            if side in MARKERS and not isinstance(axis.get_minor_locator(), NullLocator):
                labels = axis.get_minor_formatter().format_ticks(list(axis.get_minorticklocs()))
                if not any(labels):
                    MinorTicks(panel, axis, side)
