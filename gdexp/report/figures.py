"""The figures of a sweep, drawn from what its runs recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gdexp.core.factor import Array
from gdexp.plots import SweepRun, save, sweep_figures
from gdexp.report.words import caption, decisive, short
from gdexp.tracking import Store
from gdexp.tracking.read import RecordedRun, read_trajectories


def draw_sweep(store: Store, runs: Sequence[RecordedRun], axes: Sequence[str], folder: Path) -> None:
    """Write the figures over the finished ones of `runs` into `folder`, which is made if there are any."""
    finished = [run for run in runs if run.finished]
    if not finished:
        return
    folder.mkdir()
    axes = drawn_axes(finished, axes)
    trajectories = read_trajectories(store, finished, ["step", "gap"])
    drawn = [drawable(run, columns, axes) for run, columns in zip(finished, trajectories, strict=True)]
    for name, figure in sweep_figures(drawn, axes, caption=caption(shared_settings(finished))):
        save(figure, folder / f"{name}.{finished[0].params['plots.format']}")


def drawn_axes(runs: Sequence[RecordedRun], axes: Sequence[str]) -> list[str]:
    """Return those of `axes` that every run sets, so that a figure over one has a place for each run."""
    return [axis for axis in axes if all(axis in run.swept for run in runs)]


def shared_settings(runs: Sequence[RecordedRun]) -> dict[str, str]:
    """Return the settings that all `runs` share; those that are off or decide no number are left out."""
    shared = set.intersection(*(set(decisive(run.params).items()) for run in runs))
    return dict(sorted(shared))


def drawable(run: RecordedRun, columns: Mapping[str, Array], axes: Sequence[str]) -> SweepRun:
    """Return what the figures need to know of a finished run; `columns` of its trajectory hold `step` and `gap`."""
    to_gap, predicted = (run.metrics.get(key) for key in ("steps_to_gap", "theory_steps_to_gap"))
    limit, relative = run.metrics["theory_max_stable_lr"], run.metrics["theory_relative_lr"]
    return SweepRun(
        name=run.name,
        axes={axis: short(run.value(axis)) for axis in axes},
        lr=relative * limit,
        relative_lr=relative,
        max_stable_lr=limit,
        stop_reason=run.tags["gdexp.stop_reason"],
        stable=run.tags["gdexp.stable"] == "true",
        steps=int(run.metrics["steps"]),
        gap_final=run.metrics["mse_gap"],
        gap_initial=float(columns["gap"][0]),
        steps_to_gap=None if to_gap is None else int(to_gap),
        predicted_steps_to_gap=None if predicted is None else int(predicted),
        contraction=run.metrics["theory_contraction"],
        step=columns["step"],
        gap=columns["gap"],
    )
