"""The loss over the two parameters of one feature, as a surface and as contours, with the path of descent on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from gdexp.core.descent import Trajectory
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares
from gdexp.data.dataset import Dataset
from gdexp.plots.canvas import Sheet, color_bar, drawn, legend_above
from gdexp.plots.labels import parameter, parameter_unit, squared, target_unit
from gdexp.plots.losses import FEW_STEPS
from gdexp.plots.style import BLACK, ORANGE, SMALL_SIZE, sequential
from gdexp.plots.text import short
from gdexp.plots.thinning import kept
from gdexp.plots.ticks import power_of_ten

GRID = 241
"""Points a side at which the contours are computed."""
DEEPEST = 1e-4
"""The innermost contour is at most this fraction of the highest gap, so that a narrow valley shows."""
BANDS = 16
"""Colors between the contours."""
JOINED = 3
"""Of a path that turns back at every step, so many steps are joined by a line."""
MARK: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "black", "zorder": 7}
ESCAPED = 10.0
"""The window holds a path until its gap is this many times that of the start."""


@dataclass(frozen=True, eq=False)
class Window:
    """What is shown: `weight` and `bias`, shape (g,), the `gap` on their grid (g, g), and the `path` (k, 2) within."""

    weight: Array
    bias: Array
    gap: Array
    path: Array

    @classmethod
    def around(cls, problem: LeastSquares, trajectory: Trajectory) -> Window:
        """Return the window that holds the minimum and the path, or what a diverging path does before it escapes."""
        escaped = np.flatnonzero(trajectory.gap > ESCAPED * trajectory.gap[0])
        seen = trajectory.parameters[: escaped[0]] if len(escaped) else trajectory.parameters
        bowl = 0.35 * _reach(problem, trajectory)
        points = np.vstack([seen, problem.minimizer - bowl, problem.minimizer + bowl])
        low, high = points.min(axis=0), points.max(axis=0)
        room = 0.07 * (high - low)
        weight, bias = np.linspace(low - room, high + room, GRID).T
        grid = np.stack(np.meshgrid(weight, bias), axis=-1)
        with np.errstate(over="ignore"):
            gap = problem.gap(grid)
        path = trajectory.parameters
        outside = np.flatnonzero(((path < low - room) | (path > high + room)).any(axis=1))
        return cls(weight, bias, gap, path[: outside[0]] if len(outside) else path)


def _reach(problem: LeastSquares, trajectory: Trajectory) -> Array:
    """Return how far each parameter alone must go from the minimum for the gap of the start, shape (2,)."""
    curvatures = np.square(problem.factor[:2, :2]).sum(axis=0) / problem.n
    beyond_rounding = 1e-6 * problem.mean_square_target
    gap = max(float(trajectory.gap[0]), beyond_rounding) or 1.0
    return np.sqrt(gap / np.where(curvatures > 0, curvatures, 1.0))


@drawn
def loss_surface(trajectory: Trajectory, dataset: Dataset, *, title: str = "", caption: str = "") -> Sheet:
    """Return the loss of one feature over weight and bias, in the units that are descended in, and the path."""
    window = Window.around(dataset.problem, trajectory)
    sheet = Sheet(11.5, 4.9, title or "Loss surface", caption)
    part = sheet.laid_out()
    solid = part.add_subplot(1, 2, 1, projection="3d", computed_zorder=False)
    flat = part.add_subplot(1, 2, 2)
    highest = float(window.gap.max())
    norm = LogNorm(max(DEEPEST * highest, np.finfo(float).tiny), highest)
    _draw_solid(solid, window, dataset, norm)
    _draw_flat(flat, window, norm)
    flat.set(xlabel=_axis(dataset, 0), ylabel=_axis(dataset, 1))
    loss = squared("MSE above its minimum", target_unit(dataset), inches=3.5)
    color_bar(part, flat, ScalarMappable(norm, sequential()), loss, extend="min")
    inside = len(window.path)
    leaves = f"The path leaves this window at step {inside:,}"
    flat.set_title(leaves if inside <= trajectory.steps else "Contours, seen from above")
    legend_above(part, _draw_path(flat, dataset.problem.minimizer, trajectory, inside), 5)
    return sheet


def _axis(dataset: Dataset, index: int) -> str:
    unit = parameter_unit(dataset, index)
    return f"{parameter(dataset, index)} ({unit})" if unit else parameter(dataset, index)


def _draw_flat(panel: Axes, window: Window, norm: LogNorm) -> None:
    levels = np.geomspace(norm.vmin or 1.0, norm.vmax or 1.0, BANDS + 1)
    gap = np.maximum(window.gap, 0.1 * levels[0])
    # Computed from the levels, the middle of a band could round to either of two colors: the last digit would decide.
    colors = sequential()([0.0, *(np.arange(BANDS) + 0.5) / BANDS])
    panel.contourf(window.weight, window.bias, gap, levels=levels, colors=list(colors), extend="min")
    panel.contour(window.weight, window.bias, gap, levels=levels[:-1], colors="white", linewidths=0.5)
    panel.grid(visible=False)


def _draw_path(panel: Axes, minimum: Array, trajectory: Trajectory, inside: int) -> list[tuple[Any, str]]:
    """Draw the path on the contours, one step beyond the window where it leaves it, and return the legend's entries."""
    path = trajectory.parameters[: inside + 1]
    limits = panel.get_xlim(), panel.get_ylim()
    joined, dots = _parts(path)
    marker = "o" if len(path) <= FEW_STEPS else ""
    halo = [withStroke(linewidth=3.0, foreground="white")]
    (line,) = panel.plot(*joined.T, color=BLACK, linewidth=1.4, marker=marker, markersize=3.5, path_effects=halo)
    entries: list[tuple[Any, str]] = [(line, "path of descent")]
    if len(dots):
        (points,) = panel.plot(*dots.T, color=BLACK, linestyle="none", marker="o", markersize=1.6)
        entries.append((points, f"its steps from {JOINED} on"))
    (start,) = panel.plot(*path[0], marker="s", markersize=7, color="white", **MARK)
    (best,) = panel.plot(*minimum, marker="*", markersize=13, color=ORANGE, **MARK)
    entries.append((start, "start"))
    if inside > trajectory.steps:
        (end,) = panel.plot(*path[-1], marker="o", markersize=7, color="white", **MARK)
        entries.append((end, f"step {trajectory.steps:,}"))
    panel.set(xlim=limits[0], ylim=limits[1])
    return [*entries, (best, "minimum")]


def _parts(path: Array) -> tuple[Array, Array]:
    """Return the points that a line joins, and those drawn as dots because their line would cover everything."""
    moves = np.diff(path, axis=0)
    turns = np.mean((moves[1:] * moves[:-1]).sum(axis=1) < 0) if len(moves) > JOINED else 0.0
    if turns < 0.5:
        return path[kept(path)], path[:0]
    later = path[JOINED:]
    return path[: JOINED + 1], later[kept(later)]


def _draw_solid(panel: Any, window: Window, dataset: Dataset, norm: LogNorm) -> None:
    every = slice(None, None, 5)
    weight, bias = np.meshgrid(window.weight[every], window.bias[every])
    minimum = dataset.problem.minimum_mse
    height = window.gap[every, every]
    panel.plot_surface(
        weight,
        bias,
        height + minimum,
        facecolors=sequential()(norm(np.maximum(height, norm.vmin or 0.0))),
        rcount=len(height),
        ccount=len(height),
        linewidth=0.15,
        edgecolor=(1, 1, 1, 0.35),
        alpha=0.75,
        shade=False,
        zorder=1,
    )
    joined, dots = _parts(window.path)
    mse = dataset.problem.mse
    panel.plot(*joined.T, mse(joined), color=BLACK, linewidth=1.6, zorder=5)
    panel.plot(*dots.T, mse(dots), color=BLACK, linestyle="none", marker="o", markersize=1.4, zorder=5)
    panel.plot(*joined[:1].T, mse(joined[:1]), marker="s", markersize=6, color="white", **MARK)
    panel.plot(*dataset.problem.minimizer[:, None], [minimum], marker="*", markersize=12, color=ORANGE, **MARK)
    panel.view_init(elev=32, azim=_view(height))
    names = [f"{parameter(dataset, i)}\n{parameter_unit(dataset, i, most=30)}" for i in (0, 1)]
    panel.set_xlabel(_number(panel.xaxis, names[0].strip(), weight), size=SMALL_SIZE, labelpad=9)
    panel.set_ylabel(_number(panel.yaxis, names[1].strip(), bias), size=SMALL_SIZE, labelpad=9)
    loss = squared("Loss surface: MSE", target_unit(dataset), inches=4.5)
    panel.set_title(_number(panel.zaxis, loss, height + minimum), loc="left")
    panel.set_box_aspect((1, 1, 0.8), zoom=1.0)


def _number(axis: Any, name: str, values: Array) -> str:
    """Give `axis` a few short numbers, and return its `name` with the power of ten that they are multiples of.

    Matplotlib would write that power beside the axis, where in three dimensions it covers the name.
    """
    power = math.floor(math.log10(np.abs(values).max() or 1.0))
    shared = 0 if -4 < power < 7 else power
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(lambda value, _: short(value / 10.0**shared))
    return f"{name} × {power_of_ten(shared)}" if shared else name


def _view(height: Array) -> float:
    """Return the direction to look from: over the lowest corner, which hides least."""
    corners = {45.0: height[-1, -1], 135.0: height[-1, 0], 225.0: height[0, 0], 315.0: height[0, -1]}
    return min(corners, key=lambda direction: float(corners[direction])) + 10
