"""`python -m gdexp`: what a single run prints and records."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mlflow.entities import Run
from omegaconf import OmegaConf
from pyarrow import parquet

from tests.integration.conftest import Folder

WORKED_EXAMPLE = [
    (0.0, 0.0, 303.714),
    (1.1972, 0.3429, 170.843),
    (2.0500, 0.5927, 103.174),
    (2.6572, 0.7762, 68.703),
    (3.0890, 0.9123, 51.134),
    (3.3957, 1.0145, 42.172),
]


@pytest.fixture(scope="module")
def recorded(shared_folder: Folder) -> tuple[Folder, Run, str]:
    done = shared_folder.gdexp("tracking.every=1")
    assert done.returncode == 0, done.stderr
    (run,) = shared_folder.runs()
    return shared_folder, run, done.stdout


def test_the_summary_says_outcome_steps_loss_gap_stability_and_place(recorded: tuple[Folder, Run, str]) -> None:
    _, run, output = recorded
    assert "The maximum number of iterations was reached. The loss is 10.3205 above the minimum" in output
    assert "steps      1000" in output
    assert "final MSE  11.7902, where the minimum is 1.46967" in output
    assert "lr is 0.143225 times the largest stable one, 0.0698201: stable." in output
    assert f"run {run.info.run_id} in experiment 'gdexp' of sqlite:///mlflow.db" in output


def test_every_step_is_recorded_exactly(recorded: tuple[Folder, Run, str]) -> None:
    folder, run, _ = recorded
    table = parquet.read_table(folder.artifact(run, "trajectory.parquet"))
    assert table.column_names == ["step", "mse", "gap", "gradient_norm", "parameter_weight", "parameter_bias"]
    for metric in ("mse", "parameter_weight", "parameter_bias"):
        history = sorted(folder.client.get_metric_history(run.info.run_id, metric), key=lambda point: point.step)
        assert [point.step for point in history] == list(range(1001))
        assert [point.value for point in history] == table[metric].to_pylist()


def test_the_first_steps_are_those_of_the_worked_example(recorded: tuple[Folder, Run, str]) -> None:
    folder, run, _ = recorded
    table = parquet.read_table(folder.artifact(run, "trajectory.parquet")).slice(0, 6)
    columns = (table[name].to_numpy() for name in ("parameter_weight", "parameter_bias", "mse"))
    np.testing.assert_allclose(np.column_stack(list(columns)), WORKED_EXAMPLE, atol=5.1e-4)


def test_every_setting_is_a_param(recorded: tuple[Folder, Run, str]) -> None:
    _, run, _ = recorded
    assert run.data.params == {
        "lr": "0.01",
        "lr_unit": "absolute",
        "seed": "0",
        "engine": "spectral",
        "experiment": "null",
        "data.name": "seven_cars",
        "data.scaling": "none",
        "init.name": "zero",
        "stopping.max_iterations": "1000",
        "stopping.loss_threshold": "null",
        "stopping.relative_decrease": "null",
        "stopping.patience": "5",
        "stopping.gradient_norm": "null",
        "tracking.uri": "null",
        "tracking.experiment": "gdexp",
        "tracking.max_parameters": "8",
        "tracking.every": "1",
        "tracking.patience": "90",
        "plots.name": "all",
        "plots.format": "png",
    }


def test_outcome_and_theory_are_metrics_at_step_0(recorded: tuple[Folder, Run, str]) -> None:
    folder, run, _ = recorded
    expected = {
        "mse_final": 11.790160315,
        "mse_gap": 10.3204908,
        "steps": 1000,
        "theory_minimum_mse": 1.46966948,
        "theory_max_stable_lr": 0.0698201289,
        "theory_optimal_lr": 2 / (0.05596554 + 28.64503446),
        "theory_relative_lr": 0.14322517,
        "theory_condition_number": 511.83347,
        "theory_contraction": 0.99944034,
        "theory_steps_to_gap": 10324,
    }
    for key, value in expected.items():
        (point,) = folder.client.get_metric_history(run.info.run_id, key)
        assert point.step == 0
        assert point.value == pytest.approx(value, rel=1e-6)
    assert "mse_gradient_norm" in run.data.metrics
    assert "steps_to_gap" not in run.data.metrics
    assert not [key for key in run.data.metrics if key.startswith("original_")]


def test_tags_tell_outcome_code_and_configuration(recorded: tuple[Folder, Run, str]) -> None:
    _, run, _ = recorded
    tags = run.data.tags
    assert run.info.status == "FINISHED"
    assert tags["gdexp.stop_reason"] == "max_iterations"
    assert tags["gdexp.stable"] == "true"
    assert len(tags["gdexp.config_hash"]) == 64
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert tags["mlflow.source.git.dirty"] in ("true", "false")
    assert tags["mlflow.user"]
    assert tags["mlflow.note.content"].startswith("The maximum number of iterations was reached.")
    assert "mlflow.parentRunId" not in tags


def test_the_dataset_is_an_input_with_its_hash(recorded: tuple[Folder, Run, str]) -> None:
    _, run, _ = recorded
    assert run.inputs is not None
    (dataset,) = (found.dataset for found in run.inputs.dataset_inputs)
    profile = json.loads(dataset.profile or "")
    assert dataset.name == "seven_cars"
    assert len(profile["sha256"]) == 64
    assert profile["sha256"].startswith(dataset.digest)
    assert profile["rows"] == 7


def test_artifacts_hold_configuration_environment_and_all_figures(recorded: tuple[Folder, Run, str]) -> None:
    folder, run, _ = recorded
    figures = {"loss_curve", "model", "loss_surface", "final_fit", "parameters"}
    files = {"config.yaml", "overrides.yaml", "environment.txt", "trajectory.parquet"}
    assert folder.artifacts(run) == files | {f"plots/{name}.png" for name in figures}
    assert OmegaConf.select(OmegaConf.load(folder.artifact(run, "config.yaml")), "stopping.max_iterations") == 1000
    assert OmegaConf.load(folder.artifact(run, "overrides.yaml")) == ["tracking.every=1"]
    assert "numpy==" in folder.artifact(run, "environment.txt").read_text()


def test_nothing_but_the_store_is_left_in_the_folder(recorded: tuple[Folder, Run, str]) -> None:
    folder, _, _ = recorded
    assert {path.name.split("-")[0] for path in folder.path.iterdir()} == {"mlflow.db", "mlruns"}


def test_a_diverging_run_is_finished_tagged_and_announced(folder: Folder) -> None:
    done = folder.gdexp("lr=0.1", "plots=none")
    (run,) = folder.runs()
    assert done.returncode == 0
    assert "lr is 1.43225 times the largest stable one" in done.stderr
    assert run.info.status == "FINISHED"
    assert run.data.tags["gdexp.stop_reason"] == "diverged"
    assert run.data.tags["gdexp.stable"] == "false"
    assert "theory_steps_to_gap" not in run.data.metrics
    history = folder.client.get_metric_history(run.info.run_id, "mse")
    assert len(history) == run.data.metrics["steps"] + 1
    assert all(np.isfinite(point.value) and point.value < 1e300 for point in history)


def test_standardized_auto_mpg_converges_to_the_least_squares_fit_in_original_units(folder: Folder) -> None:
    done = folder.gdexp("lr=0.3", "data=auto_mpg", "data.scaling=standardize", "stopping=convergence", "plots=none")
    assert done.returncode == 0, done.stderr
    (run,) = folder.runs()
    table = parquet.read_table(folder.artifact(run, "trajectory.parquet"))
    assert run.data.tags["gdexp.stop_reason"] == "converged"
    assert run.data.metrics["mse_gap"] < 1e-9 * table["gap"][0].as_py()
    weight, mpg = auto_mpg()
    fit, *_ = np.linalg.lstsq(np.column_stack([weight, np.ones(len(weight))]), mpg, rcond=None)
    assert run.data.metrics["original_weight"] == pytest.approx(fit[0], rel=1e-6)
    assert run.data.metrics["original_bias"] == pytest.approx(fit[1], rel=1e-6)


def auto_mpg() -> tuple[np.ndarray, np.ndarray]:
    from gdexp.data import dataset_class

    ((features, target),) = dataset_class("auto_mpg")().table().read()
    return features[:, 0], target


def test_thinned_metrics_keep_first_and_last_step_and_the_trajectory_keeps_all(folder: Folder) -> None:
    done = folder.gdexp("stopping.max_iterations=25", "tracking.every=10", "tracking.max_parameters=1", "plots=none")
    assert done.returncode == 0, done.stderr
    (run,) = folder.runs()
    steps = [point.step for point in folder.client.get_metric_history(run.info.run_id, "mse")]
    assert sorted(steps) == [0, 10, 20, 25]
    assert "parameter_bias" in run.data.metrics
    assert "parameter_weight" not in run.data.metrics
    assert parquet.read_table(folder.artifact(run, "trajectory.parquet")).num_rows == 26


def test_a_multiple_of_the_limit_becomes_an_absolute_learning_rate(folder: Folder) -> None:
    assert folder.gdexp("lr=1", "lr_unit=limit", "plots=none").returncode == 0
    (run,) = folder.runs()
    assert run.data.metrics["theory_relative_lr"] == 1
    assert run.data.tags["gdexp.stable"] == "false"


def test_the_run_goes_to_the_uri_and_experiment_that_are_set(folder: Folder) -> None:
    elsewhere = folder.path / "elsewhere"
    elsewhere.mkdir()
    uri = f"sqlite:///{elsewhere / 'runs.db'}"
    done = folder.gdexp(
        "plots=none",
        "tracking.experiment=mine",
        MLFLOW_TRACKING_URI=uri,
        MLFLOW_RUN_ID="0" * 32,
        MLFLOW_EXPERIMENT_ID="7",
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.path.iterdir()] == ["elsewhere"]
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("mine")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 1
