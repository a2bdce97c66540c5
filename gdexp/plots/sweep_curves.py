"""All runs of a sweep in one picture: the gap to the minimum over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from gdexp.core.contraction import ROUNDING
from gdexp.core.descent import TARGET_GAP
from gdexp.core.factor import Array
from gdexp.plots import ticks
from gdexp.plots.canvas import Sheet, color_bar, drawn, legend_above
from gdexp.plots.labels import STEP
from gdexp.plots.style import GREY, SERIES, Series, Stroke, sequential
from gdexp.plots.sweep_ticks import join_minor_ticks
from gdexp.plots.swept import SEED, Swept
from gdexp.plots.text import plain, shorten
from gdexp.plots.thinning import kept
from gdexp.plots.views import SweepRun

MOST_NAMED = 10
"""Up to so many runs each is named in the legend, and so many values each have a colour of their own."""
CEILING = 100.0
"""Curves are drawn up to this many times the initial gap."""
MANY_RUNS = 60
"""More runs are drawn as thinner lines, all at once."""
STRETCHES, FEWER_STRETCHES = 120, 60
"""In how many stretches the curves of few and of many runs are thinned."""
STROKES: tuple[Stroke, ...] = ("-", "--", ":", "-.")

Curve: TypeAlias = tuple[Array, Array]
"""Steps and relative gaps."""


@drawn
def curves(sweep: Sequence[SweepRun], axes: Sequence[str], *, title: str = "", caption: str = "") -> Sheet:
    """Return the gap to the minimum of every run against the step, as a fraction of the initial gap."""
    bottom = lowest_gap(sweep)
    if bottom < TARGET_GAP:
        caption = f"The dotted line is 10⁻⁶ of the initial gap. {caption}"
    sheet = Sheet(9.5, 4.8, title or "Loss curves", caption)
    part = sheet.laid_out()
    panel = part.subplots()
    seen = [_visible(run) for run in sweep]
    lengths = [steps[-1] for steps, _ in seen]
    logarithmic = spans_decades(sweep, lengths)
    if len(sweep) <= MOST_NAMED:
        _draw_named(part, panel, sweep, seen, logarithmic)
    else:
        _draw_coloured(part, panel, sweep, seen, [Swept.of(name, sweep) for name in axes], logarithmic)
    finish(panel, sweep, bottom)
    step_range(panel, max(lengths), logarithmic)
    join_minor_ticks(sheet)
    return sheet


def relative_gaps(run: SweepRun) -> Array:
    """Return the gaps of `run` as fractions of the initial one; those out of the picture stand just outside of it."""
    gap = np.asarray(run.gap, dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        relative = gap / run.gap_initial if run.gap_initial > 0 else np.full(len(gap), ROUNDING)
    relative = np.clip(np.nan_to_num(relative, nan=np.inf), 1e-3 * ROUNDING, 1e3 * CEILING)
    return np.asarray(relative, dtype=float)


def visible(relative: Array) -> int:
    """Return how many of the gaps that `relative_gaps` gives are drawn: to the first that leaves the picture."""
    beyond = np.flatnonzero((relative < ROUNDING) | (relative > CEILING))
    return int(beyond[0]) + 1 if len(beyond) else len(relative)


def _visible(run: SweepRun) -> Curve:
    relative = relative_gaps(run)
    end = visible(relative)
    return np.asarray(run.step, dtype=float)[:end], relative[:end]


def last_steps(sweep: Sequence[SweepRun]) -> list[float]:
    """Return the last step of each run that is drawn."""
    return [_visible(run)[0][-1] for run in sweep]


def spans_decades(sweep: Sequence[SweepRun], lengths: Sequence[float]) -> bool:
    """Return whether some runs are so much slower than others that a linear axis would hide the fast ones.

    `lengths` are their last steps that are drawn.
    """
    rates = [run.lr for run in sweep]
    ends = [max(length, 1.0) for run, length in zip(sweep, lengths, strict=True) if not run.diverged] or [1.0]
    return max(rates) >= 10 * min(rates) or max(ends) >= 10 * min(ends)


def _thinned(curve: Curve, logarithmic: bool, stretches: int = STRETCHES) -> Curve:
    steps, relative = curve
    shown = kept(relative, stretches=stretches, logarithmic=logarithmic)
    return steps[shown], relative[shown]


def _draw_named(
    part: SubFigure, panel: Axes, sweep: Sequence[SweepRun], seen: Sequence[Curve], logarithmic: bool
) -> None:
    """Draw each run in a style of its own and name them in the order in which the curves end."""
    lines = []
    for rank, (run, curve, series) in enumerate(zip(sweep, seen, SERIES, strict=False)):
        style = _style(series) | {"markevery": (0.02 + 0.012 * rank, 0.13), "markersize": 4.5}
        (line,) = panel.plot(*_thinned(curve, logarithmic), **style)
        lines.append((line, run))
    lines.sort(key=lambda drawn_run: np.inf if drawn_run[1].diverged else drawn_run[1].relative_gap, reverse=True)
    names = [plain(shorten(run.name, 40)) + " (diverged)" * run.diverged for _, run in lines]
    part.legend([line for line, _ in lines], names, loc="outside right upper")


def _style(series: Series) -> dict[str, Any]:
    return {"color": series.color, "linestyle": series.stroke, "marker": series.marker}


def _draw_coloured(
    part: SubFigure,
    panel: Axes,
    sweep: Sequence[SweepRun],
    seen: Sequence[Curve],
    axes: Sequence[Swept],
    logarithmic: bool,
) -> None:
    """Colour the runs by the first axis of numbers, and tell the values of another axis by the stroke."""
    color = color_axis(axes)
    stroke = shape_axis(axes, color)
    mappable, places = colors_of(color, len(sweep))
    shapes = [STROKES[i] for i in stroke.index] if stroke else ["-"] * len(sweep)
    colors = mappable.to_rgba(places)
    if len(sweep) <= MANY_RUNS:
        for curve, color_of_run, shape in zip(seen, colors, shapes, strict=True):
            panel.plot(*_thinned(curve, logarithmic), color=tuple(color_of_run), linestyle=shape, linewidth=1.1)
    else:
        lines = [np.column_stack(_thinned(curve, logarithmic, FEWER_STRETCHES)) for curve in seen]
        panel.add_collection(LineCollection(lines, colors=colors, linestyles=shapes, linewidths=0.7), autolim=False)
    if color is not None:
        name_colors(part, panel, mappable, color, sweep)
    if stroke is not None:
        entries = [
            (Line2D([], [], color=GREY, linestyle=shape), name)
            for shape, name in zip(STROKES, shape_names(stroke), strict=False)
        ]
        legend_above(part, entries, len(entries))


def color_axis(axes: Sequence[Swept]) -> Swept | None:
    """Return the key that the colours of many runs tell: the first of numbers, and seeds where nothing else is left."""
    varied = _varied(axes)
    return next(iter([axis for axis in varied if axis.numbers is not None] or varied), None)


def shape_axis(axes: Sequence[Swept], color: Swept | None) -> Swept | None:
    """Return the key that strokes or markers tell beside the one that colours do: the first of few values."""
    return next((axis for axis in _varied(axes) if axis is not color and len(axis.values) <= len(STROKES)), None)


def _varied(axes: Sequence[Swept]) -> list[Swept]:
    return sorted((axis for axis in axes if len(axis.values) > 1), key=lambda axis: axis.name == SEED)


def shape_names(axis: Swept) -> list[str]:
    """Return what the legend says of each value of the key that strokes or markers tell."""
    return [plain(f"{shorten(axis.name)}={shorten(value or 'not set')}") for value in axis.values]


def colors_of(axis: Swept | None, runs: int) -> tuple[ScalarMappable, Any]:
    """Return the colour map of `axis`, and the place of each run on it."""
    if axis is None:
        return ScalarMappable(Normalize(0, 1), sequential()), np.zeros(runs)
    count = len(axis.values)
    if count <= MOST_NAMED or axis.numbers is None:
        colors = ListedColormap(sequential()(np.linspace(0, 1, count)))
        return ScalarMappable(BoundaryNorm(np.arange(count + 1) - 0.5, count), colors), axis.index
    low, high = float(axis.numbers[0]), float(axis.numbers[-1])
    return ScalarMappable((LogNorm if axis.logarithmic else Normalize)(low, high), sequential()), axis.places


def name_colors(
    part: SubFigure, panels: Axes | Sequence[Axes], colors: ScalarMappable, axis: Swept, sweep: Sequence[SweepRun]
) -> None:
    """Put the scale of the colours that `colors_of` gives to the right of `panels`."""
    bar = color_bar(part, panels, colors, axis.label(sweep))
    if isinstance(colors.norm, BoundaryNorm):
        bar.set_ticks(list(range(len(axis.values))), labels=axis.tick_names())
        bar.ax.minorticks_off()


def lowest_gap(sweep: Sequence[SweepRun]) -> float:
    """Return where the gap axis ends: below the target where runs come near it, but not in the noise of rounding."""
    lowest = min((run.relative_gap for run in sweep if not run.diverged), default=1.0)
    bottom = min(max(0.5 * lowest, ROUNDING), 0.5)
    return min(bottom, 0.5 * TARGET_GAP) if bottom <= 1e3 * TARGET_GAP else bottom


def finish(panel: Axes, sweep: Sequence[SweepRun], bottom: float) -> None:
    """Make the axes of `panel` those of a gap that ends at `bottom`, and of the step."""
    if bottom < TARGET_GAP:
        panel.axhline(TARGET_GAP, color=GREY, linestyle=(0, (1, 3)), linewidth=1.0, zorder=1)
    grows = any(np.max(run.gap) > 2 * run.gap_initial for run in sweep)
    ticks.logarithmic(panel, "y")
    panel.set_ylim(bottom, CEILING if grows else 2)
    panel.set(xlabel=STEP, ylabel="gap to the minimum MSE / initial gap")


def step_range(panel: Axes, last: float, logarithmic: bool) -> None:
    """Let the horizontal axis of `panel` go from step 0 to the last one, on a logarithmic axis or a linear one."""
    if logarithmic:
        ticks.symmetric(panel, "x", 1)
        panel.set_xlim(0, 1.1 * max(last, 1.0))
    else:
        ticks.step_axis(panel, int(last))
