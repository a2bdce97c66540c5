"""The model against the data: on its way at three moments, and at the end beside the least-squares solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from gdexp.core.descent import Trajectory
from gdexp.core.factor import Array
from gdexp.data.dataset import Dataset
from gdexp.plots.canvas import Sheet, drawn, legend_above
from gdexp.plots.labels import column
from gdexp.plots.style import BLACK, BLUE, GREY, ORANGE, VERMILION
from gdexp.plots.text import plain, short, shorten

ROWS_WITH_LOSS = 200
"""Rows whose loss is drawn as a line: more would be a grey area."""
FAR = 10.0
"""Predictions that span this many times the target's own span get an axis of their own."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of the data in their own units: `features` (m, d) and `target` (m,)."""

    features: Array
    target: Array

    @classmethod
    def of(cls, dataset: Dataset, most: int) -> Rows:
        """Return at most so many rows, evenly spread over the sample."""
        stride = -(-len(dataset.sample_target) // most)
        return cls(dataset.sample_features[::stride], dataset.sample_target[::stride])

    def predicted(self, theta: Array) -> Array:
        """Return what the model with parameters `theta`, in the data's own units, says of each row."""
        values: Array = self.features @ theta[:-1] + theta[-1]
        return values

    def note(self, n: int) -> str:
        """Return the sentence that says how many of `n` rows are drawn, where not all are."""
        return f"{len(self.target):,} of {n:,} rows are drawn. " if len(self.target) < n else ""


@dataclass(frozen=True, eq=False)
class Fit:
    """A model of the data in their own units: its name, parameters (p,) and loss over all rows."""

    name: str
    theta: Array
    mse: float


@drawn
def model(trajectory: Trajectory, dataset: Dataset, *, title: str = "", caption: str = "") -> Sheet:
    """Return the model against the data at the first, the middle and the last step, with a line for each row's loss.

    One feature is drawn with the data, several as predicted against actual values; all in the data's own units.
    """
    rows = Rows.of(dataset, ROWS_WITH_LOSS)
    steps = sorted({0, trajectory.steps // 2, trajectory.steps})
    thetas = dataset.scaling.original(trajectory.parameters[steps])
    caption = f"{rows.note(dataset.problem.n)}{caption}"
    sheet = Sheet(max(3.6 * len(steps) + 0.4, 5.5), 3.9, title or "Model and data", caption)
    part = sheet.laid_out()
    panels = part.subplots(1, len(steps), squeeze=False)[0]
    single = len(dataset.features) == 1
    for panel, step, theta in zip(panels, steps, thetas, strict=True):
        (_draw_line if single else _draw_against)(panel, rows, theta)
        panel.set_title(f"step {step:,}: MSE {short(trajectory.mse[step])}")
        panel.set_xlabel(column(dataset, *((dataset.features[0],) if single else (dataset.target, "actual"))))
    panels[0].set_ylabel(column(dataset, dataset.target, "" if single else "predicted"))
    _common_limits(panels, rows, [rows.predicted(theta) for theta in thetas])
    point = Line2D([], [], color=BLUE, marker="o", markersize=4, linestyle="none")
    line = Line2D([], [], color=VERMILION if single else BLACK, linestyle="-" if single else "--")
    loss = Line2D([], [], color=ORANGE, linewidth=1)
    names = ("data", "model", "error of a row") if single else ("row", "predicted = actual", "error of a row")
    legend_above(part, list(zip((point, line, loss), names, strict=True)), 3)
    return sheet


@drawn
def final_fit(trajectory: Trajectory, dataset: Dataset, *, title: str = "", caption: str = "") -> Sheet:
    """Return the model at the last step beside the least-squares solution, with the loss of both."""
    rows = Rows.of(dataset, len(dataset.sample_target))
    problem, original = dataset.problem, dataset.scaling.original
    final = Fit(f"step {trajectory.steps:,}", original(trajectory.parameters[-1]), float(trajectory.mse[-1]))
    best = Fit("least squares", original(problem.minimizer), problem.minimum_mse)
    caption = f"{rows.note(problem.n)}{caption}"
    single = len(dataset.features) == 1
    sheet = Sheet(7 if single else 9, 4.6, title or "Final fit", caption)
    (_final_lines if single else _final_against)(sheet, dataset, rows, final, best)
    return sheet


def _final_lines(sheet: Sheet, dataset: Dataset, rows: Rows, final: Fit, best: Fit) -> None:
    part = sheet.laid_out()
    panel = part.subplots()
    _scatter(panel, rows.features[:, 0], rows.target)
    ends = _ends(rows.features[:, 0])
    lines = [fit.theta[0] * ends + fit.theta[1] for fit in (final, best)]
    (solid,) = panel.plot(ends, lines[0], color=VERMILION)
    (dashed,) = panel.plot(ends, lines[1], color=BLACK, linestyle="--")
    low, high = _span(np.concatenate([rows.target, lines[1]]))
    room = 3 * (high - low)
    if lines[0].min() >= low - room and lines[0].max() <= high + room:
        low, high = _span(np.concatenate([rows.target, *lines]))
    else:
        missed = lines[0].min() > high or lines[0].max() < low
        panel.set_title(f"The line of gradient descent {'lies outside of' if missed else 'leaves'} this window")
    panel.set(xlim=ends, ylim=(low, high))
    panel.set(xlabel=column(dataset, dataset.features[0]), ylabel=column(dataset, dataset.target))
    entries = [
        (line, f"{fit.name}: {equation(dataset, fit.theta)}, MSE {short(fit.mse)}")
        for line, fit in ((solid, final), (dashed, best))
    ]
    legend_above(part, entries, 1)


def _final_against(sheet: Sheet, dataset: Dataset, rows: Rows, final: Fit, best: Fit) -> None:
    part = sheet.laid_out()
    panels = part.subplots(1, 2)
    for panel, fit in zip(panels, (final, best), strict=True):
        _scatter(panel, rows.target, rows.predicted(fit.theta))
        (line,) = panel.plot(_span(rows.target), _span(rows.target), color=BLACK, linestyle="--", linewidth=1.1)
        panel.set_title(f"{fit.name}: MSE {short(fit.mse)}")
        panel.set(xlabel=column(dataset, dataset.target, "actual"), xlim=_span(rows.target))
    panels[0].set_ylabel(column(dataset, dataset.target, "predicted"))
    _common_limits(panels, rows, [rows.predicted(fit.theta) for fit in (final, best)])
    point = Line2D([], [], color=BLUE, marker="o", markersize=4, linestyle="none")
    legend_above(part, [(point, "row"), (line, "predicted = actual")], 2)


def equation(dataset: Dataset, theta: Array) -> str:
    """Return the line of one feature as a formula, in the data's own units."""
    sign = "−" if theta[0] < 0 else "+"
    target, feature = shorten(dataset.target, 18), shorten(dataset.features[0], 18)
    return plain(f"{target} = {short(theta[1])} {sign} {short(abs(theta[0]))} · {feature}")


def _draw_line(panel: Axes, rows: Rows, theta: Array) -> None:
    x, predicted = rows.features[:, 0], rows.predicted(theta)
    _loss_lines(panel, x, rows.target, predicted)
    _scatter(panel, x, rows.target)
    ends = _ends(x)
    panel.plot(ends, theta[0] * ends + theta[1], color=VERMILION, zorder=3)
    panel.set_xlim(*ends)


def _draw_against(panel: Axes, rows: Rows, theta: Array) -> None:
    predicted = rows.predicted(theta)
    _loss_lines(panel, rows.target, rows.target, predicted)
    _scatter(panel, rows.target, predicted)
    ends = _span(rows.target)
    panel.plot(ends, ends, color=BLACK, linestyle="--", linewidth=1.1, zorder=3)
    panel.set_xlim(*ends)


def _scatter(panel: Axes, x: Array, y: Array) -> None:
    size = 5.0 if len(x) <= 50 else 3.5 if len(x) <= 500 else 2.0
    panel.plot(
        x, y, color=BLUE, marker="o", markersize=size, markeredgecolor="white", markeredgewidth=0.4, linestyle=""
    )


def _loss_lines(panel: Axes, x: Array, first: Array, second: Array) -> None:
    segments = np.stack([np.column_stack([x, first]), np.column_stack([x, second])], axis=1)
    panel.add_collection(LineCollection(list(segments), colors=ORANGE, linewidths=1.2 if len(x) <= 50 else 0.6))


def _common_limits(panels: list[Axes], rows: Rows, predictions: list[Array]) -> None:
    """Give the panels one vertical axis, save those whose predictions would make the others unreadable."""
    own = _span(rows.target)
    spans = [_span(np.concatenate([rows.target, predicted])) for predicted in predictions]
    near = [high - low <= FAR * (own[1] - own[0]) for low, high in spans]
    common = [span for span, is_near in zip(spans, near, strict=True) if is_near]
    for panel, span, is_near in zip(panels, spans, near, strict=True):
        if is_near:
            span = min(low for low, _ in common), max(high for _, high in common)
        elif common:
            panel.set_title(f"{panel.get_title(loc='left')} (own axis)", color=GREY)
        panel.set_ylim(*span)


def _span(values: Array) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 0.1 * abs(low) or 1.0
    return low - room, high + room


def _ends(values: Array) -> Array:
    return np.array(_span(values))
