"""Predicted against measured contraction: whether descent shrinks a step as theory says, run by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gdexp.core.contraction import measured_contraction
from gdexp.core.factor import Array
from gdexp.plots.canvas import Sheet, drawn, legend_above
from gdexp.plots.style import BLACK, GREY, SERIES
from gdexp.plots.sweep_curves import MOST_NAMED, color_axis, colors_of, name_colors, shape_axis, shape_names
from gdexp.plots.sweep_ticks import join_minor_ticks
from gdexp.plots.swept import Swept
from gdexp.plots.text import plain, shorten
from gdexp.plots.ticks import logarithmic
from gdexp.plots.views import SweepRun

NOTE = (
    "Contraction: the factor of the distance to the minimum, √gap. Predicted: the largest over all modes, which no "
    "step exceeds. Measured: the mean over the last tenth of the steps above 10⁻¹² of the initial gap."
)

LEAST = 1e-14
"""A contraction that is closer to 1 differs from it by little more than its own rounding."""


@dataclass(frozen=True, eq=False)
class Side:
    """What a panel shows: how far from 1 the contraction of its runs is, `predicted` and `measured`, both (m,).

    `members` (m,) are the places of the runs in the sweep.
    """

    title: str
    quantity: str
    members: NDArray[np.intp]
    predicted: Array
    measured: Array

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Where both distances have a place on the logarithmic axes."""
        return np.asarray((self.predicted >= LEAST) & (self.measured >= LEAST))

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of both axes, with room for the runs at the lower edge."""
        values = np.concatenate([self.predicted, self.measured])
        known = np.log10(values[values >= LEAST]) if (values >= LEAST).any() else np.array([-3.0, 0.0])
        half = max((known.max() - known.min()) / 2, 1.0)
        middle = (known.max() + known.min()) / 2
        return float(10 ** (middle - 1.2 * half)), float(10 ** min(middle + 1.15 * half, 307))

    @property
    def places(self) -> Array:
        """Where the runs stand, shape (m, 2): those off the axes at the lower edge."""
        low, high = self.limits
        edge = low * (high / low) ** 0.02
        distances = np.column_stack([self.predicted, self.measured])
        return np.where(distances >= LEAST, distances, edge)


@drawn
def contraction(sweep: Sequence[SweepRun], axes: Sequence[str], *, title: str = "", caption: str = "") -> Sheet:
    """Return the contraction a step that each run has shown against the one that theory predicts.

    Both are drawn by their distance from 1, so that 0.9994 and 0.99999 lie apart; stable runs and the others each
    have a panel.
    """
    measured = np.array([np.nan if (seen := measured_contraction(run.gap)) is None else seen for run in sweep])
    sides = sides_of(sweep, measured)
    left_out = int(np.isnan(measured).sum())
    note = f"{NOTE} Not drawn: {left_out} of {len(sweep)} runs, with fewer than two such steps." if left_out else NOTE
    sheet = Sheet(5.2 * len(sides) + 2.3, 4.6, title or "Contraction a step", f"{note} {caption}".strip())
    part = sheet.laid_out()
    panels = list(part.subplots(1, len(sides), squeeze=False)[0])
    diagonals = [_prepare(panel, side) for panel, side in zip(panels, sides, strict=True)]
    entries: list[tuple[Artist, str]] = [(diagonals[0], "as predicted")]
    if not all(side.sure.all() for side in sides):
        hollow = Line2D([], [], marker="o", color="white", markeredgecolor=BLACK, linestyle="none")
        entries.append((hollow, "at an edge: below 10⁻¹⁴, or negative"))
    if len(sweep) <= MOST_NAMED:
        entries = _draw_named(panels, sides, sweep) + entries
        part.legend(*map(list, zip(*entries, strict=True)), loc="outside right upper")
    else:
        entries += _draw_coloured(part, panels, sides, sweep, [Swept.of(name, sweep) for name in axes])
        legend_above(part, entries, len(entries))
    join_minor_ticks(sheet)
    return sheet


def sides_of(sweep: Sequence[SweepRun], measured: Array) -> list[Side]:
    """Return the stable runs and the others, as far as there are any; runs whose `measured` is NaN have no place."""
    stable = np.array([run.stable for run in sweep])
    predicted = np.array([run.contraction for run in sweep])
    sides = []
    for chosen, sign, name, quantity in (
        (stable, -1, "Stable runs: above the line means faster", "1 − contraction a step"),
        (~stable, 1, "Runs whose lr is not stable", "contraction a step − 1"),
    ):
        members = np.flatnonzero(chosen & ~np.isnan(measured))
        if len(members):
            distances = sign * (predicted[members] - 1), sign * (measured[members] - 1)
            sides.append(Side(name, quantity, members, *distances))
    nobody = np.empty(0)
    return sides or [
        Side("No run has a measured one", "1 − contraction a step", nobody.astype(np.intp), nobody, nobody)
    ]


def _prepare(panel: Axes, side: Side) -> Line2D:
    """Make the axes of `panel` and return the line on which runs do as predicted."""
    logarithmic(panel, "x")
    logarithmic(panel, "y")
    panel.set(xlim=side.limits, ylim=side.limits)
    panel.set_title(side.title, y=1.0)  # or matplotlib would measure everything to place it
    panel.set(xlabel=f"predicted {side.quantity}", ylabel=f"measured {side.quantity}")
    (line,) = panel.plot(side.limits, side.limits, color=GREY, linestyle="--", linewidth=1.1, zorder=1)
    return line


def _draw_named(panels: Sequence[Axes], sides: Sequence[Side], sweep: Sequence[SweepRun]) -> list[tuple[Artist, str]]:
    """Draw each run with a marker of its own and return the legend's entries, in the order of the sweep."""
    entries: dict[int, tuple[Artist, str]] = {}
    for panel, side in zip(panels, sides, strict=True):
        for run, place, sure in zip(side.members, side.places, side.sure, strict=True):
            series = SERIES[run]
            style: dict[str, Any] = {"marker": series.marker, "markeredgecolor": series.color, "linestyle": "none"}
            (point,) = panel.plot(*place, color=series.color if sure else "white", markersize=6.5, **style)
            entries[run] = (point, plain(shorten(sweep[run].name, 40)) + " (diverged)" * sweep[run].diverged)
    return [entries[run] for run in sorted(entries)]


def _draw_coloured(
    part: SubFigure, panels: Sequence[Axes], sides: Sequence[Side], sweep: Sequence[SweepRun], axes: Sequence[Swept]
) -> list[tuple[Artist, str]]:
    """Colour the runs by the first key of numbers, tell the values of another by the marker, and return their names."""
    color = color_axis(axes)
    shape = shape_axis(axes, color)
    names = shape_names(shape) if shape else [""]
    mappable, places = colors_of(color, len(sweep))
    style: dict[str, Any] = {"s": 28 if len(sweep) <= 60 else 12, "linewidths": 0.9}
    for panel, side in zip(panels, sides, strict=True):
        rank = shape.index[side.members] if shape else np.zeros(len(side.members))
        for value in range(len(names)):
            chosen = rank == value
            edges: Any = mappable.to_rgba(places[side.members[chosen]])
            faces = np.where(side.sure[chosen, None], edges, 1.0)
            x, y = side.places[chosen].T
            panel.scatter(x, y, facecolors=faces, edgecolors=edges, marker=SERIES[value].marker, **style)
    if color is not None:
        name_colors(part, panels, mappable, color, sweep)
    keys = [Line2D([], [], color=GREY, marker=series.marker, linestyle="none") for series in SERIES[: len(names)]]
    return list(zip(keys, names, strict=True)) if shape else []
