from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gdexp.tracking import Store, Tracking, TrackingError, open_store
from gdexp.tracking.store import existing_store, sqlite_path
from gdexp.tracking.within import within


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:///mlflow.db", Path("mlflow.db").absolute()),
        ("sqlite:////tmp/a b.db", Path("/tmp/a b.db")),
        ("sqlite+pysqlite:///x.db?timeout=5", Path("x.db").absolute()),
        ("sqlite:///:memory:", None),
        ("http://127.0.0.1:5000", None),
    ],
)
def test_the_file_of_a_sqlite_uri_is_found(uri: str, path: Path | None) -> None:
    assert sqlite_path(uri) == path


def test_a_new_store_is_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    store = open_store(Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", experiment="a/b: c"))
    experiment = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").get_experiment(store.experiment_id)
    assert experiment.name == "a/b: c"
    assert experiment.artifact_location == str(tmp_path / "mlruns" / "a_b__c")
    assert not list(tmp_path.glob(".mlflow-draft-*"))
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("name", ["..", "x" * 500, "/abs"])
def test_artifacts_stay_beside_the_database_whatever_the_experiment_is_called(tmp_path: Path, name: str) -> None:
    store = open_store(Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", experiment=name))
    location = Path(MlflowClient(store.uri).get_experiment(store.experiment_id).artifact_location)
    assert location.resolve().parent == tmp_path / "mlruns"
    location.mkdir(parents=True)


def test_processes_that_make_one_store_at_once_all_get_it(tmp_path: Path) -> None:
    program = (
        "from gdexp.tracking import Tracking, open_store\n"
        f"print(open_store(Tracking(uri='sqlite:///{tmp_path}/mlflow.db')).experiment_id)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, answers
    assert len({output for output, _ in answers}) == 1


def test_a_deleted_experiment_is_named(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    store = open_store(Tracking(uri=uri, experiment="gone"))
    MlflowClient(uri).delete_experiment(store.experiment_id)
    open_store.cache_clear()
    with pytest.raises(TrackingError, match=r"^the MLflow experiment 'gone' is deleted; restore it or choose another"):
        open_store(Tracking(uri=uri, experiment="gone"))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database " * 100)
    with pytest.raises(TrackingError, match=r"^the tracking store sqlite:///.*mlflow\.db cannot be used: .*"):
        open_store(Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}"))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"^the folder '.*nowhere' cannot be written \(No such file or directory\)"):
        open_store(Tracking(uri=f"sqlite:///{tmp_path / 'nowhere' / 'mlflow.db'}"))


def test_waiting_for_an_answer_ends() -> None:
    with pytest.raises(TimeoutError):
        within(0.01, lambda: time.sleep(0.5))
    assert within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


@pytest.mark.parametrize("opened", [open_store, existing_store])
@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_is_in_no_file_is_refused(opened: Callable[[Tracking], Store], uri: str) -> None:
    with pytest.raises(TrackingError, match=r"^tracking\.uri takes a SQLite store in a file"):
        opened(Tracking(uri=uri))
