"""Each parameter over the steps, with the value that descent is on its way to."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gdexp.core.descent import Trajectory
from gdexp.core.factor import Array
from gdexp.data.dataset import Dataset
from gdexp.plots.canvas import Sheet, drawn, legend_above
from gdexp.plots.labels import STEP, parameter, parameter_names, parameter_unit
from gdexp.plots.losses import FEW_STEPS, UNREADABLE
from gdexp.plots.style import BLACK, BLUE, LABEL_SIZE
from gdexp.plots.text import short, wrapped
from gdexp.plots.thinning import kept
from gdexp.plots.ticks import step_axis, symmetric

MOST_PARAMETERS = 8
MANY_STEPS = 100
"""From so many steps on, the first ones are hidden on a linear axis."""


@drawn
def parameters(trajectory: Trajectory, dataset: Dataset, *, title: str = "", caption: str = "") -> Sheet:
    """Return each parameter against the step with its least-squares value, in the units that are descended in.

    More than MOST_PARAMETERS are represented by the first features and the bias.
    """
    names = parameter_names(dataset)
    shown = list(range(len(names)))
    if len(names) > MOST_PARAMETERS:
        shown = [*shown[: MOST_PARAMETERS - 1], shown[-1]]
        caption = f"{len(shown)} of {len(names)} parameters are drawn: the first features and the bias. {caption}"
    columns = len(shown) if len(shown) <= 3 else -(-len(shown) // 2)
    lines = -(-len(shown) // columns)
    sheet = Sheet(max(7.5, 3.3 * columns), 0.7 + 2.6 * lines, title or "Parameters", caption)
    part = sheet.laid_out()
    grows = bool(trajectory.gap.max() > UNREADABLE * trajectory.gap[0] > 0)
    panels = part.subplots(lines, columns, squeeze=False).ravel()
    for panel, index in zip(panels, shown, strict=False):
        _draw(panel, trajectory.parameters[:, index], float(dataset.problem.minimizer[index]), grows)
        panel.set_title(f"{parameter(dataset, index)}\nleast squares: {short(dataset.problem.minimizer[index])}")
        panel.set_ylabel("\n".join(wrapped(parameter_unit(dataset, index), LABEL_SIZE, 1.5)))
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    for panel in panels[max(0, len(shown) - columns) : len(shown)]:
        panel.set_xlabel(STEP)
    descent, target = panels[0].get_lines()
    legend_above(part, [(descent, "gradient descent"), (target, "least squares")], 2)
    return sheet


def _draw(panel: Axes, values: Array, best: float, grows: bool) -> None:
    last = len(values) - 1
    shown = kept(values, logarithmic=True)
    marker = "o" if last <= FEW_STEPS else ""
    panel.plot(shown, values[shown], color=BLUE, marker=marker, markersize=3.5, linewidth=1.3)
    panel.axhline(best, color=BLACK, linestyle="--", linewidth=1.1)
    if last >= MANY_STEPS:
        symmetric(panel, "x", 1)
        panel.set_xlim(0, 1.1 * last)
    else:
        step_axis(panel, last)
    middle, largest = float(values.mean()), float(np.abs(values).max())
    if max(np.ptp(values), abs(best - middle)) <= 1e-6 * abs(middle) > 0:
        panel.set_ylim(middle - 0.1 * abs(middle), middle + 0.1 * abs(middle))
    if grows and largest > 0:
        threshold = 10 ** np.ceil(np.log10(max(abs(best), abs(float(values[0])), 1e-6 * largest)))
        decades = max(np.log10(largest / threshold), 0.0)
        panel.set_ylim(3 * min(values.min(), 0.0) - threshold, 3 * max(values.max(), 0.0) + threshold)
        symmetric(panel, "y", threshold, linear=max(0.5, decades / 4))
