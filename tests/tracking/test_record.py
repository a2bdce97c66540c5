from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from gdexp.tracking import Store, Tracking, TrackingError, open_store, recorded_run
from gdexp.tracking.backend import Series
from gdexp.tracking.record import Outcome


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(Tracking(uri=f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"))


@pytest.fixture(scope="module")
def client(store: Store) -> MlflowClient:
    return MlflowClient(store.uri)


def test_a_run_that_raises_is_failed_with_its_traceback(store: Store, client: MlflowClient) -> None:
    with pytest.raises(ZeroDivisionError), recorded_run(store, "broken", {"lr": "1"}, {}) as record:
        1 / 0  # noqa: B018
    run = client.get_run(record.run_id)
    assert run.info.status == "FAILED"
    assert run.data.params == {"lr": "1"}
    text = (Path(run.info.artifact_uri) / "traceback.txt").read_text()
    assert "ZeroDivisionError: division by zero" in text


def test_a_run_that_is_interrupted_is_killed(store: Store, client: MlflowClient) -> None:
    with pytest.raises(KeyboardInterrupt), recorded_run(store, "interrupted", {}, {}) as record:
        raise KeyboardInterrupt
    assert client.get_run(record.run_id).info.status == "KILLED"


def test_credentials_in_a_param_are_masked(store: Store, client: MlflowClient) -> None:
    with recorded_run(store, "masked", {"tracking.uri": "http://me:secret@host"}, {}) as record:
        pass
    assert client.get_run(record.run_id).data.params == {"tracking.uri": "http://***@host"}


def test_values_that_are_sent_twice_are_recorded_once(store: Store, client: MlflowClient) -> None:
    steps = np.arange(2500)
    with recorded_run(store, "twice", {}, {}) as record:
        record.outcome(Outcome([Series("mse", steps, 1 / (steps + 1))], {}))
        record.outcome(Outcome([Series("mse", steps[1000:], 1 / (steps[1000:] + 1))], {}))
    history = client.get_metric_history(record.run_id, "mse")
    assert [point.step for point in history] == steps.tolist()
    assert [point.value for point in history] == (1 / (steps + 1)).tolist()


@pytest.mark.parametrize("name", ["a(b", "../up", "/top", "x" * 251, "", "a//b"])
def test_a_name_that_mlflow_does_not_take_is_told_and_nothing_recorded(
    store: Store, client: MlflowClient, name: str
) -> None:
    before = len(client.search_runs([store.experiment_id]))
    with pytest.raises(TrackingError, match="a param takes a name of"), recorded_run(store, "p", {name: "1"}, {}):
        pass
    assert len(client.search_runs([store.experiment_id])) == before


def test_a_long_description_is_cut_to_what_mlflow_keeps(store: Store, client: MlflowClient) -> None:
    with recorded_run(store, "long", {}, {}) as record:
        record.note("x" * 10_000)
    assert len(client.get_run(record.run_id).data.tags["mlflow.note.content"]) == 8000
