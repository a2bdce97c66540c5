"""Time to target: how many of a sweep's runs have come close to the minimum, by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from gdexp.core.descent import TARGETS, steps_to
from gdexp.core.factor import Array
from gdexp.plots import ticks
from gdexp.plots.canvas import Sheet, drawn, legend_above
from gdexp.plots.labels import STEP
from gdexp.plots.losses import FEW_STEPS
from gdexp.plots.style import SERIES
from gdexp.plots.sweep_ticks import join_minor_ticks
from gdexp.plots.views import SweepRun

NAMES = dict(zip(TARGETS, ("10⁻²", "10⁻⁴", "10⁻⁶"), strict=True))
WIDTHS = (3.2, 2.0, 1.2)
"""A curve that lies on another is thinner, so that both show."""


@drawn
def targets(sweep: Sequence[SweepRun], *, title: str = "", caption: str = "") -> Sheet:
    """Return the share of all runs whose gap has fallen to each of TARGETS, as a fraction of its own initial gap.

    These are the data profiles of Moré and Wild, "Benchmarking derivative-free optimization algorithms", SIAM Journal
    on Optimization 20 (2009), with a run for a problem and a step for an evaluation. A run that ended before it
    reached a target counts as one that has not.
    """
    note = "Shares are of all runs; one that ended before it reached a target, or diverged, counts as not there."
    sheet = Sheet(8.5, 4.2, title or "Time to target", f"{note} {caption}".strip())
    part = sheet.laid_out()
    panel = part.subplots()
    reached = {target: steps_of_all(sweep, target) for target in TARGETS}
    last = max(max(run.steps for run in sweep), 1)
    logarithmic = _spans_decades(np.concatenate(list(reached.values())), last)
    entries: list[tuple[Artist, str]] = []
    for rank, (target, steps) in enumerate(reached.items()):
        artist = _draw(panel, steps, len(sweep), 1.2 * last, rank)
        entries.append((artist, f"{NAMES[target]} of the initial gap: {len(steps):,} of {len(sweep):,} runs"))
    if logarithmic:
        ticks.symmetric(panel, "x", 1)
        panel.set_xlim(-0.15, 1.1 * last)
    else:
        ticks.step_axis(panel, last)
    panel.set(xlabel=STEP, ylabel="share of the runs", ylim=(-0.04, 1.06))
    legend_above(part, entries, len(entries))
    join_minor_ticks(sheet)
    return sheet


def steps_of_all(sweep: Sequence[SweepRun], target: float) -> Array:
    """Return the steps, ascending, at which those runs reach `target`, a fraction of their initial gap, that do."""
    steps = [steps_to(run.gap, target) for run in sweep]
    return np.sort(np.array([step for step in steps if step is not None], dtype=float))


def _spans_decades(steps: Array, last: int) -> bool:
    """Return whether a linear axis would hide the first runs that reach a target."""
    return last >= FEW_STEPS and bool((steps < 0.1 * last).any())


def _draw(panel: Axes, steps: Array, runs: int, end: float, rank: int) -> Artist:
    """Draw a curve that goes up by one run's share at each of `steps`, from step 0 to beyond the panel's end."""
    series = SERIES[rank]
    at, counts = np.unique(steps, return_counts=True)
    shares = np.cumsum(counts) / runs
    style: dict[str, Any] = {"color": series.color, "linestyle": series.stroke, "linewidth": WIDTHS[rank]}
    marker = series.marker if len(at) <= FEW_STEPS else ""
    (line,) = panel.plot([0, *at, end], [0, *shares, shares[-1] if len(at) else 0], drawstyle="steps-post", **style)
    panel.plot(at, shares, color=series.color, linestyle="", marker=marker, markersize=4.5)
    return line
