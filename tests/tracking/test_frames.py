from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import gdexp
from gdexp.sweep.jobs import axes_of, jobs_of
from gdexp.sweep.sweep import begin, checked, finish, run_child
from gdexp.tracking import TrackingError
from gdexp.tracking.frames import LoadedSweep


def swept(folder: Path, *jobs: dict[str, object]) -> str:
    """Record a sweep of seven cars with the stopping rules given, and return the store's address."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    settings = [
        {"stopping": {"max_iterations": 30, **job}, "plots": {"name": "none"}, "tracking": {"uri": uri}} for job in jobs
    ]
    typed = [[f"stopping.{key}={value}" for key, value in job.items()] for job in jobs]
    planned = checked(jobs_of(typed), settings)
    sweep = begin(planned, axes_of(typed))
    assert all(run_child(sweep, place, one.job.overrides, one.config) for place, one in enumerate(planned))
    finish(sweep, "FINISHED")
    return uri


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedSweep:
    folder = tmp_path_factory.mktemp("sweep")
    return gdexp.load_sweep(
        uri=swept(folder, {"loss_threshold": 100.0}, {"gradient_norm": 10.0}, {"max_iterations": 5})
    )


def test_a_sweep_comes_back_as_a_row_for_each_run(loaded: LoadedSweep) -> None:
    runs = loaded.runs
    assert runs.index.name == "job"
    assert runs.index.tolist() == [0, 1, 2]
    assert runs["stop_reason"].tolist() == ["loss_threshold", "gradient_norm", "max_iterations"]
    assert runs["stable"].tolist() == [True] * 3
    assert runs["lr"].dtype == float
    assert runs["steps"].tolist() == [3, 8, 5]


def test_what_is_off_is_not_a_number(loaded: LoadedSweep) -> None:
    thresholds = loaded.runs["stopping.loss_threshold"].tolist()
    assert thresholds[0] == 100
    assert all(math.isnan(value) for value in thresholds[1:])


def test_the_trajectories_are_one_tidy_frame_with_every_step(loaded: LoadedSweep) -> None:
    steps = loaded.trajectories
    assert list(steps.columns[-6:]) == ["step", "mse", "gap", "gradient_norm", "parameter_weight", "parameter_bias"]
    assert steps.groupby("job")["step"].max().tolist() == loaded.runs["steps"].tolist()
    np.testing.assert_allclose(steps.loc[steps["step"] == 1, "mse"], 170.843118, rtol=1e-8)


def test_a_damaged_trajectory_is_named(tmp_path: Path) -> None:
    uri = swept(tmp_path, {"max_iterations": 3}, {"max_iterations": 4})
    damaged = next(iter(tmp_path.rglob("trajectory.parquet")))
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(
        TrackingError, match=r"trajectory\.parquet of the run [0-9a-f]{32} \(stopping.*\) cannot be read: "
    ):
        gdexp.load_sweep(uri=uri)


def test_a_sweep_without_a_finished_run_has_all_columns_and_no_row(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    typed = [["lr=0.01"], ["lr=0.02"]]
    jobs = checked(jobs_of(typed), [{"lr": lr, "tracking": {"uri": uri}} for lr in (0.01, 0.02)])
    finish(begin(jobs, axes_of(typed)), "KILLED")
    empty = gdexp.load_sweep(uri=uri)
    assert len(empty.runs) == len(empty.trajectories) == 0
    assert {"job", "lr", "step", "mse", "gap", "gradient_norm"} <= set(empty.trajectories.columns)
