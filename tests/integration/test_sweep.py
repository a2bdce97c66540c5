"""`python -m gdexp -m ...`: one parent, a child for each job, and what is said of them."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import pytest
from pyarrow import parquet

from tests.integration.conftest import Folder, clean_environment


@pytest.fixture(scope="module")
def swept(shared_folder: Folder) -> tuple[Folder, str]:
    done = shared_folder.gdexp("-m", "lr=0.001,0.01,0.1")
    assert done.returncode == 0, done.stderr
    return shared_folder, done.stdout


def test_a_sweep_is_one_parent_with_a_child_for_each_job(swept: tuple[Folder, str]) -> None:
    folder, _ = swept
    parent, children = folder.parent_and_children()
    assert parent.info.run_name == "sweep of lr (3 runs)"
    assert [run.info.run_name for run in children] == ["lr=0.001", "lr=0.01", "lr=0.1"]
    assert len(folder.runs()) == 4
    assert {run.info.status for run in folder.runs()} == {"FINISHED"}


def test_the_unstable_learning_rate_is_tagged_diverged(swept: tuple[Folder, str]) -> None:
    _, children = swept[0].parent_and_children()
    assert [run.data.tags["gdexp.stop_reason"] for run in children] == ["max_iterations", "max_iterations", "diverged"]
    assert [run.data.tags["gdexp.stable"] for run in children] == ["true", "true", "false"]


def test_every_child_has_a_loss_for_each_step_and_only_the_loss_curve(swept: tuple[Folder, str]) -> None:
    folder, _ = swept
    for run in folder.parent_and_children()[1]:
        history = folder.client.get_metric_history(run.info.run_id, "mse")
        exact = parquet.read_table(folder.artifact(run, "trajectory.parquet"))["mse"].to_pylist()
        assert len(history) == run.data.metrics["steps"] + 1
        assert [point.value for point in sorted(history, key=lambda point: point.step)] == exact
        assert {name for name in folder.artifacts(run) if name.startswith("plots/")} == {"plots/loss_curve.png"}


def test_the_terminal_shows_progress_table_time_and_links(swept: tuple[Folder, str]) -> None:
    output = swept[1]
    assert "3 runs over lr, checked" in output
    assert re.search(r"\[1/3\] lr=0\.001: max_iterations at step 1000, MSE 29\.7402.* \(about 00:\d\d left\)", output)
    assert re.search(r"0\.01 +max_iterations +yes +1000 +11\.7902 +10\.3205 +- +10324", output)
    assert re.search(r"0\.1 +diverged +no +12 ", output)
    assert re.search(r"3 of 3 runs in \d+\.\d s, \d+\.\d\d s a run", output)
    assert output.count("http://127.0.0.1:5000/#/") == 3


def test_the_parent_keeps_table_figures_and_links(swept: tuple[Folder, str]) -> None:
    folder, _ = swept
    parent, children = folder.parent_and_children()
    with folder.artifact(parent, "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["lr"] for row in rows] == ["0.001", "0.01", "0.1"]
    assert rows[2]["stop reason"] == "diverged"
    assert {"table.csv", "plots/curves.png", "plots/gap_by_lr.png", "plots/steps_by_lr.png"} <= folder.artifacts(parent)
    note = parent.data.tags["mlflow.note.content"]
    assert "| 0.01" in note
    assert all(run.info.run_id in note for run in children)


def test_the_experiment_holds_the_prepared_view_that_the_link_opens(swept: tuple[Folder, str]) -> None:
    folder, output = swept
    experiment = folder.client.get_experiment_by_name("gdexp")
    assert experiment is not None
    (key,) = re.findall(r"viewStateShareKey=([\w-]+)", output)
    assert "groupByKeys" in experiment.tags[f"mlflow.sharedViewState.{key}"]


def test_axes_of_every_kind_can_be_swept_together(folder: Folder) -> None:
    done = folder.gdexp(
        "-m",
        "lr=0.01,0.05",
        "init=zero,near_zero",
        "stopping=max_iterations,convergence",
        "seed=0,1",
        "plots=none",
        "tracking.every=1000",
    )
    assert done.returncode == 0, done.stderr
    _, children = folder.parent_and_children()
    starts = {run.info.run_name: first_parameters(folder, run.info.run_id) for run in children}
    near = {name: start for name, start in starts.items() if "near_zero" in name}
    assert len(children) == len(starts) == 16
    assert {start for name, start in starts.items() if "near_zero" not in name} == {(0.0, 0.0)}
    by_seed = {seed: {start for name, start in near.items() if f"seed={seed}" in name} for seed in (0, 1)}
    assert [len(found) for found in by_seed.values()] == [1, 1]
    assert by_seed[0] != by_seed[1]


def first_parameters(folder: Folder, run_id: str) -> tuple[float, ...]:
    histories = (folder.client.get_metric_history(run_id, f"parameter_{name}") for name in ("weight", "bias"))
    return tuple(next(point.value for point in history if point.step == 0) for history in histories)


def test_logspace_and_range_are_understood(folder: Folder) -> None:
    done = folder.gdexp("-m", "lr=logspace(1e-3,1e-1,3)", "seed=range(2)", "plots=none", "stopping.max_iterations=3")
    assert done.returncode == 0, done.stderr
    _, children = folder.parent_and_children()
    assert [run.info.run_name for run in children] == [
        f"lr={lr}, seed={seed}" for lr in ("0.001", "0.01", "0.1") for seed in (0, 1)
    ]


def test_a_study_sweeps_what_it_names_and_the_command_line_replaces_it(folder: Folder) -> None:
    done = folder.gdexp("experiment=learning_rate", "lr=logspace(0.01,1,2)", "plots=none", "stopping.max_iterations=3")
    assert done.returncode == 0, done.stderr
    parent, children = folder.parent_and_children()
    assert parent.info.run_name == "sweep of learning_rate: lr (2 runs)"
    assert parent.data.tags["gdexp.experiment"] == "learning_rate"
    assert [run.data.params["lr"] for run in children] == ["0.01", "1.0"]
    assert {run.data.params["lr_unit"] for run in children} == {"limit"}


def test_a_wrong_value_in_the_third_job_records_nothing(folder: Folder) -> None:
    done = folder.gdexp("-m", "lr=0.1,0.01,-1")
    assert done.returncode == 2
    assert done.stderr == "gdexp: lr takes a finite number above 0; got -1. (job 3 of 3: lr=-1)\n"
    assert not list(folder.path.iterdir())


def test_a_start_that_fits_no_data_in_one_job_records_nothing(folder: Folder) -> None:
    done = folder.gdexp("-m", "data=seven_cars,synthetic", "init=explicit", "init.values=[1,2]")
    assert done.returncode == 2
    assert "init.values takes a list of 6 numbers" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(folder.path.iterdir())


def test_a_reader_who_goes_away_does_not_end_the_sweep(folder: Folder) -> None:
    command = f"{sys.executable} -m gdexp -m lr=0.01,0.02 plots=none stopping.max_iterations=3 | head -n 1"
    done = subprocess.run(
        command, shell=True, cwd=folder.path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    parent, children = folder.parent_and_children()
    assert done.stderr == ""
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert len(children) == 2


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("5", "hydra.sweeper.runs takes a list with the keys and values of each run; got 5."),
        (
            "[{lr: 0.1}]",
            "hydra.sweeper.runs[0].lr takes a key that hydra.sweeper.params does not sweep as well; got 0.1.",
        ),
        ("[{seed: '1,2'}]", "hydra.sweeper.runs[0].seed takes one value; several belong into hydra.sweeper.params"),
        (
            "[{seed: 1}, {init: {name: zero}}]",
            "hydra.sweeper.runs[1].init takes one value; a key of a group is written",
        ),
    ],
)
def test_a_mistake_in_the_runs_of_a_sweep_is_told_with_its_place(folder: Folder, runs: str, said: str) -> None:
    study = f"# @package _global_\nhydra: {{mode: MULTIRUN, sweeper: {{params: {{lr: '0.01,0.02'}}, runs: {runs}}}}}\n"
    (folder.path / "experiment").mkdir()
    (folder.path / "experiment" / "mine.yaml").write_text(study)
    done = folder.gdexp("--config-dir", ".", "experiment=mine")
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (folder.path / "mlflow.db").exists()
