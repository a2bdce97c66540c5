"""Two keys that were swept at once: a coloured cell for each pair of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from gdexp.core.contraction import ROUNDING
from gdexp.core.factor import Array
from gdexp.plots.canvas import Sheet, color_bar, drawn, legend_above
from gdexp.plots.style import GREY, sequential
from gdexp.plots.sweep_axes import Quantity, steps_to_gap
from gdexp.plots.sweep_ticks import join_minor_ticks
from gdexp.plots.swept import SEED, Swept
from gdexp.plots.text import short, width
from gdexp.plots.views import SweepRun

MOST_NAMED = 10
"""Cells carry their value where neither side has more of them."""


def heatmap_axes(axes: Sequence[Swept]) -> tuple[Swept, Swept] | None:
    """Return the two keys of most values, the longer one first; seeds only where nothing else is left."""
    long = sorted(
        (axis for axis in axes if len(axis.values) > 1), key=lambda axis: (axis.name == SEED, -len(axis.values))
    )
    if len(long) < 2:
        return None
    first, second = sorted(long[:2], key=lambda axis: -len(axis.values))
    return first, second


def heatmap_quantity(sweep: Sequence[SweepRun]) -> Quantity:
    """Return the steps to 1e-6 of the initial gap, or the final gap where those do not differ."""
    steps = steps_to_gap(sweep)
    if len(np.unique(steps.values[np.isfinite(steps.values)])) > 1:
        return steps
    relative = np.array([np.nan if run.diverged else max(run.relative_gap, ROUNDING) for run in sweep])
    return Quantity("final gap / initial gap", relative, np.ones(len(sweep), dtype=bool), "", "")


@drawn
def heatmap(sweep: Sequence[SweepRun], across: Swept, up: Swept, *, title: str = "", caption: str = "") -> Sheet:
    """Return what `heatmap_quantity` gives for each pair of values.

    A cell shows the median of its runs that have a value, and is hatched where none has.
    """
    quantity = heatmap_quantity(sweep)
    shape = len(up.values), len(across.values)
    rows = min(max(0.42 * shape[0], 2.4), 6.5)
    if max(shape) <= MOST_NAMED and not quantity.sure[np.isfinite(quantity.values)].all():
        caption = f"In italics: predicted by theory, not seen in every run. {caption}"
    sheet = Sheet(min(max(0.95 * shape[1] + 3.2, 7), 11.5), rows + 1.2, title or "Heatmap", caption)
    part = sheet.laid_out()
    panel = part.subplots()
    cells = _cells(quantity, across, up, shape)
    known = cells[np.isfinite(cells)]
    low, high = (known.min(), known.max()) if len(known) else (1.0, 10.0)
    norm = LogNorm(low, high if high > low else 10 * low)
    drawn_cells = panel.pcolormesh(np.ma.masked_invalid(cells), norm=norm, cmap=sequential())
    color_bar(part, panel, drawn_cells, quantity.label)
    tried = np.zeros(shape, dtype=bool)
    tried[up.index, across.index] = True
    hatched = tried & np.isnan(cells)
    for row, column in np.argwhere(hatched):
        panel.add_patch(
            Rectangle((column, row), 1, 1, facecolor="#eeeeee", edgecolor=GREY, hatch="////", linewidth=0.3)
        )
    if max(shape) <= MOST_NAMED:
        _name_cells(panel, cells, _sure(quantity, across, up, shape), norm)
    _finish(panel, sweep, across, up)
    if hatched.any():
        key = Patch(facecolor="#eeeeee", edgecolor=GREY, hatch="////", linewidth=0.3)
        legend_above(part, [(key, "diverged" if not quantity.never else "diverged, or never there")], 1)
    join_minor_ticks(sheet)
    return sheet


def _cells(quantity: Quantity, across: Swept, up: Swept, shape: tuple[int, int]) -> Array:
    """Return the median of the known values in each cell, NaN where there is none."""
    values: dict[tuple[int, int], list[float]] = {}
    for row, column, value in zip(up.index, across.index, quantity.values, strict=True):
        if np.isfinite(value):
            values.setdefault((row, column), []).append(value)
    cells = np.full(shape, np.nan)
    for place, known in values.items():
        cells[place] = np.median(known)
    return cells


def _sure(quantity: Quantity, across: Swept, up: Swept, shape: tuple[int, int]) -> NDArray[np.bool_]:
    sure = np.ones(shape, dtype=bool)
    np.logical_and.at(sure, (up.index, across.index), quantity.sure)
    return sure


def _name_cells(panel: Axes, cells: Array, sure: NDArray[np.bool_], norm: LogNorm) -> None:
    """Write each cell's value into it: in italics where it is a prediction, in white where the cell is dark."""
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            red, green, blue, _ = sequential()(norm(value))
            panel.text(
                column + 0.5,
                row + 0.5,
                f"{value:,.0f}" if 1 <= value < 1e7 else short(value, 2),
                ha="center",
                va="center",
                size=8.5,
                style="normal" if sure[row, column] else "italic",
                color="black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white",
            )


def _finish(panel: Axes, sweep: Sequence[SweepRun], across: Swept, up: Swept) -> None:
    panel.grid(visible=False)
    names = across.tick_names()
    crowded = max(width(name, 9) for name in names) > 0.75
    turn: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    panel.set_xticks(*_named(names), **turn)
    panel.set_yticks(*_named(up.tick_names()))
    panel.tick_params(length=0)
    panel.set(xlabel=across.label(sweep), ylabel=up.label(sweep))


def _named(names: Sequence[str]) -> tuple[list[float], list[str]]:
    """Return the middles of the rows or columns that have a name, and those names."""
    places = [place for place, name in enumerate(names) if name]
    return [place + 0.5 for place in places], [names[place] for place in places]
