"""Figures of the measured ratios and of how training grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from experiments.performance.measure import Sample
from experiments.performance.results import Case

COLORS = {"peer": "#0072b2", "limit": "#d55e00"}


def draw(folder: Path, cases: Sequence[Case]) -> list[str]:
    """Draw what `cases` allow into `folder` and return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"ratios.png": ratios(cases), "training.png": training(cases)}
    for name, figure in drawn.items():
        (folder / name).unlink(missing_ok=True)
        if figure is not None:
            FigureCanvasAgg(figure)
            figure.savefig(folder / name, dpi=110)
    return [name for name, figure in drawn.items() if figure is not None]


def ratios(cases: Sequence[Case]) -> Figure | None:
    """Return bars of every peer's and limit's time in units of gdexp's."""
    bars = [
        (f"{case.row}: {shortened(case.work)} | {other.name}", other.median / case.of("gdexp")[0].median, other.role)
        for case in cases
        for other in [*case.of("peer"), *case.of("limit")]
        if case.of("gdexp")
    ]
    if not bars:
        return None
    figure = Figure(figsize=(11, 1.2 + 0.26 * len(bars)), layout="constrained")
    axes = figure.subplots()
    labels, values, roles = zip(*bars, strict=True)
    axes.barh(range(len(bars)), [value - 1 for value in values], left=1, color=[COLORS[role] for role in roles])
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:.3g}",
            (value, place),
            xytext=(4 if value >= 1 else -4, 0),
            textcoords="offset points",
            va="center",
            ha="left" if value >= 1 else "right",
            fontsize=7,
        )
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 10, max(values) * 10)  # a decade at either end, for the numbers beside the bars
    axes.set_yticks(range(len(bars)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("time in units of gdexp's (above 1: gdexp is faster); blue: peers, orange: limits")
    axes.grid(axis="x", alpha=0.3)
    return figure


def shortened(work: str) -> str:
    """Return a label's worth of what was done."""
    work = work.replace("`", "")
    return work if len(work) <= 48 else work[:46].rstrip(" ,") + " ..."


def training(cases: Sequence[Case]) -> Figure | None:
    """Return time against the number of steps and of rows, for everybody who trained."""
    trained = [case for case in cases if {"n", "K"} <= case.sizes.keys()]
    if not trained:
        return None
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, varied, fixed in ((left, "K", "n"), (right, "n", "K")):
        groups = [case.sizes[fixed] for case in trained]
        value = max(groups, key=groups.count)
        chosen = [case for case in trained if case.sizes[fixed] == value]
        _curves(axes, sorted(chosen, key=lambda case: case.sizes[varied]), varied)
        axes.set_title(f"{fixed} = {value:,}")
    left.set_xlabel("steps K")
    right.set_xlabel("rows n")
    left.set_ylabel("seconds (median)")
    left.legend(fontsize=8, ncols=2, loc="lower center")
    return figure


def _curves(axes: Axes, cases: Sequence[Case], varied: str) -> None:
    """Draw one line for each contender that trained in the `cases`."""
    names = dict.fromkeys(sample.name for case in cases for sample in case.samples if sample.role != "reference")
    for name in names:
        points: list[tuple[int, Sample]] = [
            (case.sizes[varied], sample)
            for case in cases
            for sample in case.samples
            if sample.name == name and sample.seconds
        ]
        axes.plot(
            [size for size, _ in points],
            [sample.median for _, sample in points],
            marker="o",
            label=name,
            linewidth=2.5 if name == "gdexp" else 1.2,
            linestyle="--" if any(sample.role == "limit" for _, sample in points) else "-",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
