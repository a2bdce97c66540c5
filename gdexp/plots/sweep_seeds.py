"""What the seed alone changes: the median gap over the seeds of a sweep, and the band that half of the runs lie in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gdexp.core.descent import TARGET_GAP
from gdexp.core.factor import Array
from gdexp.plots.canvas import Sheet, drawn
from gdexp.plots.style import SERIES
from gdexp.plots.sweep_axes import MOST_GROUPS, Group, combinations
from gdexp.plots.sweep_curves import finish, last_steps, lowest_gap, relative_gaps, spans_decades, step_range, visible
from gdexp.plots.sweep_ticks import join_minor_ticks
from gdexp.plots.swept import SEED, Swept
from gdexp.plots.text import plain
from gdexp.plots.thinning import kept
from gdexp.plots.views import SweepRun

DOTTED = " The dotted line is 10⁻⁶ of the initial gap."


@drawn
def seed_band(sweep: Sequence[SweepRun], axes: Sequence[str], *, title: str = "", caption: str = "") -> Sheet:
    """Return the median of the relative gap over the seeds at each step, with a band between its quartiles.

    There is a line for each combination of the other keys; of more than MOST_GROUPS, so many from the first to the
    last. A line ends at the last step that all of its runs recorded: beyond it the median would be that of those runs
    that happen to last longest.
    """
    groups = combinations([Swept.of(name, sweep) for name in axes if name != SEED], len(sweep))
    chosen = np.unique(np.linspace(0, len(groups) - 1, MOST_GROUPS).round().astype(int))
    shown = [groups[i] for i in chosen]
    runs = [sweep[i] for group in shown for i in group.members]
    bottom = lowest_gap(runs)
    note = f"{_note(sweep, groups, shown)}{DOTTED if bottom < TARGET_GAP else ''}"
    sheet = Sheet(9.5, 4.8, title or "Gap over the seeds", f"{note} {caption}".strip())
    part = sheet.laid_out()
    panel = part.subplots()
    logarithmic = spans_decades(runs, last_steps(runs))
    lines, names, last = [], [], 0.0
    for rank, group in enumerate(shown):
        steps, quartiles = over_seeds([sweep[i] for i in group.members], logarithmic)
        lines.append(_draw(panel, steps, quartiles, rank))
        names.append(plain(", ".join(filter(None, [group.name, f"{len(group.members)} seeds"]))))
        last = max(last, steps[-1])
    part.legend(lines, names, loc="outside right upper")
    finish(panel, runs, bottom)
    step_range(panel, last, logarithmic)
    join_minor_ticks(sheet)
    return sheet


def over_seeds(runs: Sequence[SweepRun], logarithmic: bool) -> tuple[Array, Array]:
    """Return the steps to draw, shape (k,), and the lower quartile, median and upper quartile of the gaps, (3, k)."""
    gaps = [relative_gaps(run) for run in runs]
    end = min(min(map(len, gaps)), max(map(visible, gaps)))
    # A gap is a sum of powers, one a mode, so that none of the runs has a swing that the others' steps would miss.
    steps = kept(gaps[0][:end], stretches=120, logarithmic=logarithmic)
    return np.asarray(runs[0].step, dtype=float)[steps], np.quantile(
        [gap[steps] for gap in gaps], [0.25, 0.5, 0.75], axis=0
    )


def _draw(panel: Axes, steps: Array, quartiles: Array, rank: int) -> Line2D:
    series = SERIES[rank]
    low, middle, high = quartiles
    panel.fill_between(steps, low, high, color=series.color, alpha=0.18, linewidth=0)
    for edge in (low, high):
        panel.plot(steps, edge, color=series.color, linewidth=0.6, alpha=0.7)
    every = (0.02 + 0.015 * rank, 0.13)
    (line,) = panel.plot(
        steps,
        middle,
        color=series.color,
        linestyle=series.stroke,
        marker=series.marker,
        markevery=every,
        markersize=4.5,
    )
    return line


def _note(sweep: Sequence[SweepRun], groups: Sequence[Group], shown: Sequence[Group]) -> str:
    """Return what the caption says of the lines: what they are, where they end, which ones are left out."""
    note = "Lines: the median over the seeds at each step; bands: from the lower to the upper quartile."
    if any(len({len(sweep[i].step) for i in group.members}) > 1 for group in shown):
        note += " A line ends at the last step that all of its runs reached."
    if len(shown) < len(groups):
        more = len(groups) - len(shown)
        note += f" {len(shown)} of {len(groups)} combinations are drawn, evenly spread; {more} more are not."
    return note
