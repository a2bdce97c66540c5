from __future__ import annotations

from pathlib import Path

import pytest

from gdexp.tracking import Store, Tracking, open_store, recorded_run
from gdexp.tracking.metrics import Point


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(Tracking(uri=f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"))


def test_a_run_that_raises_is_failed_with_its_traceback(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), recorded_run(store, "broken", {"lr": "1"}, {}) as record:
        1 / 0  # noqa: B018
    run = store.client.get_run(record.run_id)
    assert run.info.status == "FAILED"
    assert run.data.params == {"lr": "1"}
    text = (Path(run.info.artifact_uri) / "traceback.txt").read_text()
    assert "ZeroDivisionError: division by zero" in text


def test_a_run_that_is_interrupted_is_killed(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), recorded_run(store, "interrupted", {}, {}) as record:
        raise KeyboardInterrupt
    assert store.client.get_run(record.run_id).info.status == "KILLED"


def test_credentials_in_a_param_are_masked(store: Store) -> None:
    with recorded_run(store, "masked", {"tracking.uri": "http://me:secret@host"}, {}) as record:
        pass
    assert store.client.get_run(record.run_id).data.params == {"tracking.uri": "http://***@host"}


def test_points_that_are_sent_twice_are_recorded_once(store: Store) -> None:
    points = [Point("mse", 1 / (k + 1), k) for k in range(2500)]
    with recorded_run(store, "twice", {}, {}) as record:
        record.metrics(points)
        record.metrics(points[1000:])
    history = store.client.get_metric_history(record.run_id, "mse")
    assert [(point.step, point.value) for point in history] == [(point.step, point.value) for point in points]


def test_a_long_description_is_cut_to_what_mlflow_keeps(store: Store) -> None:
    with recorded_run(store, "long", {}, {}) as record:
        record.note("x" * 10_000)
    assert len(store.client.get_run(record.run_id).data.tags["mlflow.note.content"]) == 8000
