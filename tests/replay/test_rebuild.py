"""A recorded run is carried out again: from its record alone, and compared step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mlflow import MlflowClient
from pyarrow import parquet

import gdexp
from gdexp.config import Config
from gdexp.core import GdexpError, LeastSquares, descend, zero
from gdexp.core.factor import Array
from gdexp.replay import rebuild, replay
from gdexp.run import execute, plan_run
from gdexp.tracking import Store, Tracking, open_store, recorded_run
from gdexp.tracking.read import AXES, RecordedRun, find_run
from gdexp.tracking.trajectory import read_columns

SHORT: dict[str, Any] = {"stopping": {"max_iterations": 20}, "plots": {"name": "none"}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(Tracking(uri=f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"))


def recorded(store: Store, **settings: Any) -> RecordedRun:
    result = execute(plan_run(Config.from_mapping(SHORT | settings)), store)
    return find_run(store, result.run_id)


def tamper(run: RecordedRun, change: Callable[[dict[str, Array]], None]) -> None:
    """Let `change` change the columns of the recorded trajectory."""
    path = Path(run.artifact_uri) / "trajectory.parquet"
    columns = {name: values.copy() for name, values in read_columns(path, None).items()}
    change(columns)
    parquet.write_table(pa.table(columns), path)


def edit(run: RecordedRun, name: str, change: Callable[[str], str]) -> None:
    """Let `change` change the text of an artifact."""
    path = Path(run.artifact_uri) / name
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize("engine", ["spectral", "iterative"])
@pytest.mark.parametrize("init", [{"name": "zero"}, {"name": "near_zero", "scale": 0.5}, {"name": "explicit"}])
@pytest.mark.parametrize(
    "data",
    [
        {"name": "seven_cars"},
        {"name": "seven_cars", "scaling": "standardize"},
        {"name": "auto_mpg", "scaling": "center", "features": ["weight", "horsepower"]},
        {"name": "synthetic", "n": 40, "d": 3, "seed": 5},
    ],
    ids=["cars", "standardized", "centered", "synthetic"],
)
def test_a_run_repeats_to_the_bit(
    store: Store, engine: str, init: Mapping[str, object], data: Mapping[str, object]
) -> None:
    if init["name"] == "explicit":
        parameters = {"seven_cars": 2, "synthetic": 4, "auto_mpg": 3}[str(data["name"])]
        init = {**init, "values": [0.1 * i for i in range(parameters)]}
    run = recorded(store, engine=engine, init=init, data=data, seed=3, lr=0.3, lr_unit="limit")
    result = replay(store, run)
    assert result.identical
    assert (result.differences, result.largest_difference, result.first_step_beyond) == ({}, 0.0, None)
    assert str(result) == "identical to the bit, steps 0 to 20"


@pytest.mark.parametrize(
    "stopping",
    [
        {"max_iterations": 500, "loss_threshold": 60.0},
        {"max_iterations": 5000, "relative_decrease": 1e-3, "patience": 3},
        {"max_iterations": 500, "gradient_norm": 10.0},
    ],
)
def test_a_run_that_a_rule_stops_repeats(store: Store, stopping: Mapping[str, object]) -> None:
    run = recorded(store, stopping=stopping)
    assert run.tags["gdexp.stop_reason"] != "max_iterations"
    assert replay(store, run).identical


def test_a_run_that_diverged_repeats(store: Store) -> None:
    run = recorded(store, lr=0.3, stopping={"max_iterations": 1000})
    assert run.tags["gdexp.stop_reason"] == "diverged"
    assert replay(store, run).identical


def test_nothing_is_recorded_by_a_replay(store: Store) -> None:
    run = recorded(store)
    before = [found.info.run_id for found in MlflowClient(store.uri).search_runs([store.experiment_id])]
    replay(store, run)
    assert [found.info.run_id for found in MlflowClient(store.uri).search_runs([store.experiment_id])] == before


def test_one_unit_in_the_last_place_is_a_difference(store: Store) -> None:
    run = recorded(store)
    tamper(run, lambda columns: columns["mse"].__setitem__(5, np.nextafter(columns["mse"][5], np.inf)))
    changed = read_columns(Path(run.artifact_uri) / "trajectory.parquet", ["mse"])["mse"][5]
    result = replay(store, run)
    assert not result.identical
    assert result.differences == {"mse": np.spacing(np.nextafter(changed, 0)) / changed}
    assert result.first_step_beyond is None
    told = f"differs: the largest relative difference is {result.largest_difference:.6g}, of mse; no step exceeds 1e-12"
    assert str(result) == told


def test_the_first_step_beyond_the_tolerance_is_named_over_all_columns(store: Store) -> None:
    run = recorded(store)

    def change(columns: dict[str, Array]) -> None:
        columns["gap"][3] *= 1 + 1e-13
        columns["parameter_bias"][9] *= 2
        columns["mse"][12] *= 4

    tamper(run, change)
    result = replay(store, run)
    assert result.first_step_beyond == 9
    assert result.largest_difference == 0.75
    assert result.differences["parameter_bias"] == 0.5
    assert 0.9e-13 < result.differences["gap"] < 1.1e-13
    assert str(result) == "differs: the largest relative difference is 0.75, of mse; step 9 is the first beyond 1e-12"


def test_a_zero_of_the_other_sign_is_not_identical_to_the_bit(store: Store) -> None:
    run = recorded(store)
    tamper(run, lambda columns: columns["parameter_bias"].__setitem__(0, -0.0))
    result = replay(store, run)
    assert result.differences == {"parameter_bias": 0.0}
    assert not result.identical


def test_other_steps_and_columns_are_told_in_words(store: Store) -> None:
    run = recorded(store)

    def change(columns: dict[str, Array]) -> None:
        columns["parameter_horsepower"] = columns.pop("parameter_weight")
        for name in columns:
            columns[name] = columns[name][:-1]

    tamper(run, change)
    result = replay(store, run)
    assert not result.identical
    assert result.differences == {}
    told = str(result)
    assert "parameter_horsepower were recorded" in told
    assert "the last step is 20, 19 was recorded" in told
    assert "the record contradicts itself: its steps is 20.0, its trajectory ends at 19" in told
    assert told.endswith("the steps that can be compared are identical to the bit")


def test_another_stop_reason_is_a_difference(store: Store) -> None:
    run = recorded(store)
    MlflowClient(store.uri).set_tag(run.run_id, "gdexp.stop_reason", "converged")
    result = replay(store, find_run(store, run.run_id))
    assert not result.identical
    assert result.faults == ("the stop reason is max_iterations, converged was recorded",)


@pytest.mark.parametrize("metric", ["mse_final", "mse_gap", "steps"])
def test_a_metric_that_is_not_the_trajectorys_is_a_difference(store: Store, metric: str) -> None:
    run = recorded(store)
    MlflowClient(store.uri).log_metric(run.run_id, metric, 7.5, timestamp=2**42)
    (fault,) = replay(store, find_run(store, run.run_id)).faults
    assert fault.startswith(f"the record contradicts itself: its {metric} is 7.5, its trajectory ends at ")


def test_the_run_is_rebuilt_from_its_own_settings_whatever_the_store_was_called(store: Store) -> None:
    run = recorded(store, lr=0.02)
    edit(run, "config.yaml", lambda text: text.replace("uri: null", "uri: http://***@nowhere.invalid"))
    rebuilt = rebuild(store, run)
    assert rebuilt.plan.config.lr == 0.02
    assert rebuilt.plan.config.tracking.uri is None
    assert replay(store, run).identical


def test_a_setting_that_was_not_recorded_is_named_with_the_value_taken(store: Store) -> None:
    run = recorded(store)
    params = {key: value for key, value in run.params.items() if key not in ("lr_unit", "stopping.patience")}
    run = replace(run, params=params)
    edit(run, "config.yaml", lambda text: text.replace("lr_unit: absolute\n", "").replace("  patience: 5\n", ""))
    assert rebuild(store, run).remarks[:2] == (
        "lr_unit was not recorded; today's default absolute is taken",
        "stopping.patience was not recorded; today's default 5 is taken",
    )


def test_a_setting_that_was_recorded_is_not_taken_from_todays_defaults(store: Store) -> None:
    run = recorded(store)
    edit(run, "config.yaml", lambda text: text.replace("lr_unit: absolute\n", ""))
    assert refused(store, run).endswith("is not the recorded one: it lacks lr_unit")


def test_a_changed_configuration_is_not_replayed(store: Store) -> None:
    run = recorded(store)
    edit(run, "config.yaml", lambda text: text.replace("seed: 0", "seed: 1"))
    assert refused(store, run).endswith("is not the recorded one: its hash is another")


def test_data_that_were_changed_by_one_digit_are_told_before_the_run(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "cars.csv"
    path.write_text("weight,mpg\n3.5,18\n3.69,15\n3.44,18\n")
    run = recorded(store, data={"name": "file", "path": str(path), "target": "mpg"})
    assert not any("data" in remark for remark in rebuild(store, run).remarks)
    path.write_text("weight,mpg\n3.5,18\n3.69,15\n3.44,17\n")
    assert run.data is not None
    rebuilt = rebuild(store, run)
    now = rebuilt.plan.dataset.sha256
    told = f"the data are not the recorded ones: sha256 {now[:12]}... now, {run.data.sha256[:12]}... recorded"
    assert told in rebuilt.remarks
    result = replay(store, run)
    assert result.first_step_beyond == 0
    assert told in result.remarks


def test_a_missing_environment_is_told_and_does_not_matter(store: Store) -> None:
    run = recorded(store)
    (Path(run.artifact_uri) / "environment.txt").unlink()
    result = replay(store, run)
    assert "the packages were not recorded" in result.remarks
    assert result.identical


def refused(store: Store, run: RecordedRun) -> str:
    with pytest.raises(GdexpError) as caught:
        replay(store, find_run(store, run.run_id))
    return str(caught.value)


@pytest.mark.parametrize(
    ("status", "why"),
    [("RUNNING", "is still running, or was killed"), ("FAILED", "failed"), ("KILLED", "was interrupted")],
)
def test_a_run_that_did_not_finish_is_refused(store: Store, status: str, why: str) -> None:
    run = recorded(store)
    if status == "RUNNING":
        MlflowClient(store.uri).update_run(run.run_id, status)
    else:
        MlflowClient(store.uri).set_terminated(run.run_id, status)
    told = f"the run {run.run_id} ({run.name}) {why}, so there is no whole record to compare with"
    assert refused(store, run) == told


def test_a_sweep_is_refused_with_the_option_to_add(store: Store) -> None:
    with recorded_run(store, "sweep of lr (2 runs)", {}, {AXES: '["lr"]'}) as parent:
        pass
    told = refused(store, find_run(store, parent.run_id))
    assert "is a sweep; add --sweep to replay all its runs" in told


def test_a_run_made_by_hand_is_refused(tmp_path: Path) -> None:
    problem = LeastSquares.from_arrays(np.array([[1.0], [2.0]]), np.array([1.0, 3.0]))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run_id = gdexp.record(problem, descend(problem, lr=0.01, start=zero(problem)), lr=0.01, uri=uri)
    by_hand = open_store(Tracking(uri=uri))
    assert "was made by hand with gdexp.record" in refused(by_hand, find_run(by_hand, run_id))


def test_a_run_of_another_program_is_refused(store: Store) -> None:
    run_id = MlflowClient(store.uri).create_run(store.experiment_id).info.run_id
    MlflowClient(store.uri).set_terminated(run_id)
    assert refused(store, find_run(store, run_id)).endswith("was not recorded by gdexp")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("config.yaml", "momentum: 0.9\n", "momentum is not a setting"),
        ("config.yaml", "init:\n  name: orthogonal\n", "name takes one of"),
        ("config.yaml", "lr: [", "config.yaml of the run "),
        ("config.yaml", "5", "cannot be read"),
        ("config.yaml", "1: 2", "cannot be read"),
        ("trajectory.parquet", "PAR1", "trajectory.parquet of the run "),
    ],
    ids=["newer key", "newer value", "broken", "a number", "no names", "no table"],
)
def test_a_record_that_cannot_be_read_is_refused_with_the_reason(store: Store, name: str, text: str, why: str) -> None:
    run = recorded(store)
    (Path(run.artifact_uri) / name).write_text(text)
    told = refused(store, run)
    assert why in told
    assert run.run_id in told
    assert "\n" not in told


@pytest.mark.parametrize("name", ["config.yaml", "trajectory.parquet"])
def test_a_record_that_is_gone_is_refused(store: Store, name: str) -> None:
    run = recorded(store)
    (Path(run.artifact_uri) / name).unlink()
    assert refused(store, run).endswith(f"has no artifact {name}")


def test_a_data_file_that_is_gone_is_refused_with_the_folder_where_it_was_looked_for(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cars.csv").write_text("weight,mpg\n3.5,18\n3.69,15\n3.44,18\n")
    run = recorded(store, data={"name": "file", "path": "cars.csv", "target": "mpg"})
    Path("cars.csv").unlink()
    told = refused(store, run)
    assert told.startswith("data.path takes the path of a file that can be read; got 'cars.csv'.")
    assert told.endswith(f"A relative path starts at the working directory {str(tmp_path)!r}.")
