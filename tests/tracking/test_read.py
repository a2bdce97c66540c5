from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gdexp
from gdexp.core import LeastSquares, Stopping, descend
from gdexp.tracking import Tracking, TrackingError
from gdexp.tracking.read import AXES, STUDY, find_run, find_sweep, local_path, read_trajectories, read_trajectory
from gdexp.tracking.record import start_run
from gdexp.tracking.store import Store, existing_store, open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(Tracking(uri=f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"))


@pytest.fixture(scope="module")
def by_hand(store: Store) -> str:
    problem = LeastSquares.from_arrays([[1.0], [2.0], [4.0]], [1.0, 0.0, 3.0])
    trajectory = descend(problem, lr=0.05, start=np.zeros(2), stopping=Stopping(max_iterations=20))
    return gdexp.record(problem, trajectory, lr=0.05, features=["weight"], uri=store.uri)


@pytest.fixture(scope="module")
def studies(store: Store) -> list[str]:
    ids = []
    for axes in ('["lr"]', '["seed"]'):
        parent = start_run(store, "sweep", {AXES: axes, STUDY: "mine"})
        for job in (1, 0):
            tags = {"gdexp.job": str(job), "gdexp.swept.lr": f"0.{job}"}
            start_run(store, f"child {job}", tags, parent.run_id).end("FINISHED" if job else "FAILED")
        ids.append(parent.run_id)
    return ids


def test_a_sweep_has_its_children_in_the_order_of_its_jobs(store: Store, studies: list[str]) -> None:
    sweep = find_sweep(store, studies[0])
    assert (sweep.parent.run_id, sweep.axes, sweep.study) == (studies[0], ["lr"], "mine")
    assert [run.name for run in sweep.runs] == ["child 0", "child 1"]
    assert [run.name for run in sweep.finished] == ["child 1"]


def test_a_study_is_its_latest_sweep_and_no_name_the_latest_of_all(store: Store, studies: list[str]) -> None:
    assert find_sweep(store, "mine").parent.run_id == studies[1]
    assert find_sweep(store).parent.run_id == studies[1]


def test_a_single_run_is_a_sweep_of_itself(store: Store, by_hand: str) -> None:
    sweep = find_sweep(store, by_hand)
    assert ([run.run_id for run in sweep.runs], sweep.axes, sweep.study) == ([by_hand], [], None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "no study 'nothing' is recorded in the experiment 'gdexp'"),
        ("0" * 32, "there is no run 00000000000000000000000000000000"),
        ("' OR '1'='1", "a sweep is named by the id of its parent run or by its study"),
    ],
)
def test_what_is_not_there_is_said(store: Store, name: str, said: str) -> None:
    with pytest.raises(TrackingError, match=said):
        find_sweep(store, name)


@pytest.mark.parametrize("run_id", ["", "abc", "../../etc", "0" * 31 + "\n"])
def test_a_run_id_is_checked_before_the_store_is_asked(store: Store, run_id: str) -> None:
    with pytest.raises(TrackingError, match="is not a run id"):
        find_run(store, run_id)


def test_a_trajectory_is_read_whole_or_in_columns(store: Store, by_hand: str) -> None:
    run = find_run(store, by_hand)
    whole = read_trajectory(store, run)
    assert list(whole) == ["step", "mse", "gap", "gradient_norm", "parameter_weight", "parameter_bias"]
    (columns,) = read_trajectories(store, [run], ["gap"])
    np.testing.assert_array_equal(columns["gap"], whole["gap"])
    assert len(whole["step"]) == 21


def test_a_run_without_a_trajectory_is_named(store: Store, studies: list[str]) -> None:
    failed = find_sweep(store, studies[0]).runs[0]
    with pytest.raises(TrackingError, match=r"\(child 0, failed\) has no artifact trajectory.parquet"):
        read_trajectory(store, failed)


def test_reading_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="nothing is recorded yet"):
        existing_store(Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db"))
    assert not list(tmp_path.iterdir())


def test_only_a_folder_of_this_machine_is_read_in_place() -> None:
    assert local_path("/data/my runs") == Path("/data/my runs")
    assert local_path("file:///data/my%20runs") == Path("/data/my runs")
    assert local_path("mlflow-artifacts:/1/2") is None
    assert local_path("file://host/data") is None
