"""Which figures a run and a sweep have, and what they are called.

What draws a figure is imported when that figure is asked for: a run of a sweep draws its loss curve only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdexp.core.checks import choice
from gdexp.plots.labels import target_unit
from gdexp.plots.settings import PLOTS
from gdexp.plots.swept import SEED, Swept
from gdexp.plots.views import RunView, SweepRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures_of_run(which: str, run: RunView) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of all that `which` asks for."""
    from gdexp.plots.losses import loss_curve

    which = choice("which", which, PLOTS)
    trajectory, dataset, caption = run.trajectory, run.dataset, run.caption
    unit = target_unit(dataset)
    yield "loss_curve", loss_curve(trajectory, run.theory, title=f"Loss: {run.title}", caption=caption, unit=unit)
    if which == "all":
        from gdexp.plots.fit import final_fit, model
        from gdexp.plots.paths import parameters

        yield "model", model(trajectory, dataset, title=f"Model and data: {run.title}", caption=caption)
        if len(dataset.features) == 1:
            from gdexp.plots.surface import loss_surface

            title = f"Loss surface: {run.title}"
            yield "loss_surface", loss_surface(trajectory, dataset, title=title, caption=caption)
        yield "final_fit", final_fit(trajectory, dataset, title=f"Final fit: {run.title}", caption=caption)
        yield "parameters", parameters(trajectory, dataset, title=f"Parameters: {run.title}", caption=caption)


def figures_of_sweep(sweep: Sequence[SweepRun], axes: Sequence[str], caption: str) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of all that `sweep`, of at least one run, can show."""
    from gdexp.plots.sweep_axes import gap_by, steps_by
    from gdexp.plots.sweep_curves import curves
    from gdexp.plots.sweep_heatmap import heatmap, heatmap_axes, heatmap_quantity

    swept = [Swept.of(name, sweep) for name in axes]
    runs, over = _titles(sweep, axes)
    caption = f"{_outcomes(sweep)} {caption}".strip()
    yield "curves", curves(sweep, axes, title=f"Gap to the minimum: {over}", caption=caption)
    over = over if len(axes) > 1 else runs
    for axis in swept:
        title = f"Final gap by {axis.name}: {over}"
        yield f"gap_by_{axis.file_name}", gap_by(sweep, axis, swept, title=title, caption=caption)
        title = f"Steps to 10⁻⁶ of the initial gap by {axis.name}: {over}"
        yield f"steps_by_{axis.file_name}", steps_by(sweep, axis, swept, title=title, caption=caption)
    pair = heatmap_axes(swept)
    if pair:
        across, up = pair
        title = f"{heatmap_quantity(sweep).label.capitalize()} by {across.name} and {up.name}: {runs}"
        yield "heatmap", heatmap(sweep, across, up, title=title, caption=caption)


def figures_of_report(sweep: Sequence[SweepRun], axes: Sequence[str], caption: str) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of what a report shows of `sweep`, of at least one run, beside its own figures."""
    from gdexp.plots.sweep_contraction import contraction
    from gdexp.plots.sweep_seeds import seed_band
    from gdexp.plots.sweep_targets import targets

    _, over = _titles(sweep, axes)
    caption = f"{_outcomes(sweep)} {caption}".strip()
    yield "targets", targets(sweep, title=f"Time to target: {over}", caption=caption)
    title = f"Contraction a step, predicted and measured: {over}"
    yield "contraction", contraction(sweep, axes, title=title, caption=caption)
    if SEED in axes and len(Swept.of(SEED, sweep).values) > 1:
        yield "seeds", seed_band(sweep, axes, title=f"Gap to the minimum over the seeds: {over}", caption=caption)


def _titles(sweep: Sequence[SweepRun], axes: Sequence[str]) -> tuple[str, str]:
    """Return how many runs there are, and the same with the keys that they went over."""
    runs = f"{len(sweep):,} run{'s' * (len(sweep) > 1)}"
    return runs, f"{runs} over {', '.join(axes)}" if axes else runs


def _outcomes(sweep: Sequence[SweepRun]) -> str:
    counts = Counter(run.stop_reason for run in sweep)
    ends = ", ".join(f"{reason} {count}" for reason, count in counts.most_common())
    unstable = sum(not run.stable for run in sweep)
    return f"Outcomes: {ends}; {unstable} of {len(sweep)} with lr at or above the largest stable one."
