"""The figures of a sweep, drawn from what its runs recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gdexp.plots import SweepRun, save, sweep_figures
from gdexp.report.words import short
from gdexp.tracking import Store
from gdexp.tracking.read import RecordedRun, read_trajectory


def draw_sweep(store: Store, runs: Sequence[RecordedRun], axes: Sequence[str], folder: Path) -> None:
    """Write the figures over the finished ones of `runs` into `folder`, unless the runs were told to draw none."""
    finished = [run for run in runs if run.status == "FINISHED" and run.params["plots.name"] != "none"]
    if not finished:
        return
    folder.mkdir()
    drawn = [drawable(store, run) for run in finished]
    for name, figure in sweep_figures(drawn, axes, caption=common_settings(finished)):
        save(figure, folder / f"{name}.{finished[0].params['plots.format']}")


def common_settings(runs: Sequence[RecordedRun]) -> str:
    """Return the settings that all `runs` share, in one line; those that are off or decide no number are left out."""
    shared = set.intersection(*(set(run.params.items()) for run in runs))
    decisive = {key for key in runs[0].params if key.partition(".")[0] not in ("tracking", "plots", "experiment")}
    if all(run.params["stopping.relative_decrease"] == "null" for run in runs):
        decisive.discard("stopping.patience")
    return ", ".join(f"{key}={value}" for key, value in sorted(shared) if key in decisive and value != "null")


def drawable(store: Store, run: RecordedRun) -> SweepRun:
    """Return what the figures need to know of a finished run."""
    columns = read_trajectory(store, run, ["step", "mse", "gap"])
    to_gap, predicted = (run.metrics.get(key) for key in ("steps_to_gap", "theory_steps_to_gap"))
    limit, relative = run.metrics["theory_max_stable_lr"], run.metrics["theory_relative_lr"]
    return SweepRun(
        name=run.name,
        axes={key: short(value) for key, value in run.swept.items()},
        lr=relative * limit,
        relative_lr=relative,
        max_stable_lr=limit,
        stop_reason=run.tags["gdexp.stop_reason"],
        stable=run.tags["gdexp.stable"] == "true",
        steps=int(run.metrics["steps"]),
        mse_final=run.metrics["mse_final"],
        gap_final=run.metrics["mse_gap"],
        gap_initial=float(columns["gap"][0]),
        steps_to_gap=None if to_gap is None else int(to_gap),
        predicted_steps_to_gap=None if predicted is None else int(predicted),
        minimum_mse=run.metrics["theory_minimum_mse"],
        **columns,
    )
