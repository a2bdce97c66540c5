"""A local store without MLflow: nothing is half recorded, whoever else writes, and any other store still works."""

from __future__ import annotations

import contextlib
import pickle
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from gdexp.tracking import Store, Tracking, TrackingError, open_store, recorded_run
from gdexp.tracking.backend import RunRows, Series, now
from gdexp.tracking.client import ClientBackend
from gdexp.tracking.database import create, transaction
from gdexp.tracking.read import children, find_run
from gdexp.tracking.record import Outcome, finished_run, start_run
from gdexp.tracking.sqlite import SqliteBackend
from gdexp.tracking.store import existing_store


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def store(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return open_store(Tracking(uri=uri, patience=0))


def change(path: Path, statement: str, *values: str) -> None:
    """Carry out one statement as somebody else."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def names(uri: str) -> list[str]:
    return sorted(run.info.run_name for run in MlflowClient(uri).search_runs(["1"]))


def test_a_run_is_recorded_and_read_without_mlflow(uri: str) -> None:
    program = (
        "import sys\n"
        "from gdexp.config import Config\n"
        "from gdexp.run import execute, plan_run\n"
        "from gdexp.tracking import Tracking, open_store\n"
        "from gdexp.tracking.read import find_run, read_trajectory\n"
        "settings = {'tracking': {'uri': sys.argv[1]}, 'plots': {'name': 'none'}}\n"
        "store = open_store(Tracking(uri=sys.argv[1]))\n"
        "run = find_run(store, execute(plan_run(Config.from_mapping(settings)), store).run_id)\n"
        "assert len(read_trajectory(store, run)['mse']) == 1001\n"
        "print(sorted({'mlflow', 'sqlalchemy', 'alembic'} & set(sys.modules)))\n"
    )
    done = python(program, uri)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    (run,) = MlflowClient(uri).search_runs(["1"])
    assert run.info.status == "FINISHED"


def test_a_store_of_another_version_is_left_to_mlflow(store: Store, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(store.backend, SqliteBackend)
    monkeypatch.setattr("gdexp.tracking.database._headers", lambda: {"revision": "another", "migrations": ""})
    open_store.cache_clear()
    other = open_store(Tracking(uri=uri))
    assert isinstance(other.backend, ClientBackend)
    with recorded_run(other, "left to MLflow", {"lr": "1"}, {}) as record:
        record.outcome(Outcome([Series("mse", np.arange(3), np.array([3.0, 2.0, np.nan]))], {"a": "b"}))
        with record.files() as folder:
            (folder / "note.txt").write_text("kept")
    run = find_run(other, record.run_id)
    assert (run.status, run.params["lr"], run.tags["a"]) == ("FINISHED", "1", "b")
    assert np.isnan(run.metrics["mse"])
    assert (Path(run.artifact_uri) / "note.txt").read_text() == "kept"


def test_mlflow_makes_the_store_where_it_would_make_another_schema(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdexp.tracking.store.mlflow_makes_known_schema", lambda: False)
    store = open_store(Tracking(uri=uri))
    with recorded_run(store, "run", {}, {}):
        pass
    assert names(uri) == ["run"]
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_experiment_with_its_artifacts_elsewhere_is_left_to_mlflow(store: Store, uri: str) -> None:
    MlflowClient(store.uri).create_experiment("elsewhere", artifact_location="s3://bucket/runs")
    assert isinstance(open_store(Tracking(uri=uri, experiment="elsewhere")).backend, ClientBackend)


def finished(run_id: str, name: str, key: str = "lr", parent: str | None = None) -> RunRows:
    outcome = Outcome([Series("mse", np.arange(3), np.array([3.0, 2.0, 1.0]))], {"gdexp.job": "0"})
    return finished_run(run_id, name, {key: "0.1"}, {}, outcome, started=now(), parent=parent)


def test_many_finished_runs_are_recorded_with_their_artifacts(store: Store) -> None:
    parent = start_run(store, "parent", {})
    assert isinstance(store.backend, SqliteBackend)
    with store.backend.reserved(store.experiment_id, 2) as reserved:
        rows = []
        for name, (run_id, folder) in zip("ab", reserved, strict=True):
            (folder / "note.txt").write_text(name)
            rows.append(finished(run_id, name, parent=parent.run_id))
        store.backend.insert(store.experiment_id, rows)
    runs = children(store, parent.run_id)
    assert sorted(run.name for run in runs) == ["a", "b"]
    for run in runs:
        assert run.status == "FINISHED"
        assert run.metrics == {"mse": 1.0}
        assert (Path(run.artifact_uri) / "note.txt").read_text() == run.name


def test_of_many_runs_all_are_recorded_or_none_and_no_folder_is_left(store: Store, uri: str, tmp_path: Path) -> None:
    def insert() -> None:
        assert isinstance(store.backend, SqliteBackend)
        with store.backend.reserved(store.experiment_id, 2) as reserved:
            keys = zip(("lr", "l(r"), reserved, strict=True)
            store.backend.insert(store.experiment_id, [finished(run_id, key, key) for key, (run_id, _) in keys])

    with pytest.raises(TrackingError, match="a param takes a name of"):
        insert()
    assert names(uri) == []
    assert not any(path.is_dir() for path in (tmp_path / "mlruns").glob("gdexp/*"))


def test_what_a_note_of_reserved_runs_names_is_removed_only_where_no_run_and_no_living_process_has_it(
    store: Store, tmp_path: Path
) -> None:
    backend, kept = store.backend, start_run(store, "kept", {}).run_id
    assert isinstance(backend, SqliteBackend)
    root, other = tmp_path / "mlruns" / "gdexp", tmp_path / "other"
    left, reserved_elsewhere = "a" * 32, "b" * 32
    for folder in (root / kept, root / left, root / reserved_elsewhere, other):
        folder.mkdir(parents=True, exist_ok=True)
    dead = f"{socket.gethostname()} {2**22 + 1} 1 0"
    (root / f"{left}.reserved").write_text("\n".join([dead, left, kept, str(other), "../../other", ""]))
    (root / f"{reserved_elsewhere}.reserved").write_text(f"another-machine 1 1 0\n{reserved_elsewhere}")
    (root / "unreadable.reserved").mkdir()
    with backend.reserved(store.experiment_id, 1) as [(run_id, folder)]:
        assert {path.name for path in root.iterdir()} == {
            *(kept, reserved_elsewhere, f"{reserved_elsewhere}.reserved", "unreadable.reserved"),
            *(run_id, f"{run_id}.reserved"),
        }
        assert folder.is_dir()
    left_alone = {kept, reserved_elsewhere, f"{reserved_elsewhere}.reserved", "unreadable.reserved"}
    assert {path.name for path in root.iterdir()} == left_alone
    assert other.is_dir()


def test_mlflow_finds_the_artifacts_in_a_folder_with_a_percent_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "half%20done"
    folder.mkdir()
    monkeypatch.chdir(folder)
    uri = "sqlite:///half.db"
    with recorded_run(open_store(Tracking(uri=uri)), "run", {}, {}) as record, record.files() as files:
        (files / "note.txt").write_text("here")
    assert [file.path for file in MlflowClient(uri).list_artifacts(record.run_id)] == ["note.txt"]


def test_an_escape_in_an_address_stands_for_what_it_does_to_mlflow(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    uri = f"sqlite:///{tmp_path}/a%20b/mlflow.db"
    start_run(open_store(Tracking(uri=uri)), "run", {})
    assert (tmp_path / "a b" / "mlflow.db").exists()
    assert names(uri) == ["run"]


def test_a_database_that_somebody_holds_is_told_within_seconds(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdexp.tracking.store.ANSWER_SECONDS", 0.5)
    create(tmp_path / "mlflow.db", tmp_path / "mlruns")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingError, match=r"did not answer within 0\.5 seconds"):
            existing_store(Tracking(uri=uri))


def test_a_store_that_was_removed_meanwhile_is_not_written_to_in_secret(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = start_run(store, "run", {})
    for file in tmp_path.glob("mlflow.db*"):
        file.unlink()
    record.end("FINISHED")
    assert "unable to open database file; given up for now" in caplog.text
    assert "What the store does not take is kept in gdexp-unsent" in caplog.text
    assert (tmp_path / "gdexp-unsent" / record.run_id).is_dir()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_run_that_was_deleted_meanwhile_is_told(store: Store, uri: str) -> None:
    record = start_run(store, "deleted", {})
    MlflowClient(uri).delete_run(record.run_id)
    with pytest.raises(TrackingError, match=f"the run {record.run_id} is no longer in the store"):
        record.end("FINISHED")


def test_what_the_database_refuses_is_told_in_one_line(store: Store, tmp_path: Path, uri: str) -> None:
    change(tmp_path / "mlflow.db", "CREATE TRIGGER t BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no more'); END")
    with pytest.raises(TrackingError, match=r"^the tracking store sqlite:///.* cannot be used: no more; see tracking"):
        start_run(store, "refused", {})
    change(tmp_path / "mlflow.db", "DROP TRIGGER t")
    start_run(store, "taken", {})
    assert names(uri) == ["taken"]


def test_an_interrupt_in_a_transaction_leaves_nothing_behind(store: Store, tmp_path: Path, uri: str) -> None:
    with contextlib.suppress(KeyboardInterrupt), transaction(tmp_path / "mlflow.db") as connection:
        connection.execute("DELETE FROM experiments")
        raise KeyboardInterrupt
    start_run(store, "after", {})
    assert names(uri) == ["after"]


def test_a_process_that_is_killed_in_a_transaction_leaves_nothing_behind(store: Store, uri: str) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from gdexp.tracking.database import transaction\n"
        "with transaction(Path(sys.argv[1])) as connection:\n"
        "    connection.execute('DELETE FROM experiments')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert python(program, uri.removeprefix("sqlite:///")).returncode == -9
    start_run(store, "after", {})
    assert names(uri) == ["after"]


WRITERS = """
import multiprocessing, sys, threading
from gdexp.tracking import Tracking, open_store, recorded_run

def write(store, name):
    for number in range(5):
        with recorded_run(store, f"{name} {number}", {}, {}):
            pass

if __name__ == "__main__":
    store = open_store(Tracking(uri=sys.argv[1]))
    write(store, "before")
    for start in ("fork", "spawn"):
        context = multiprocessing.get_context(start)
        writers = [context.Process(target=write, args=(store, f"{start} {n}")) for n in range(3)]
        writers += [threading.Thread(target=write, args=(store, f"thread of {start}"))]
        for writer in writers:
            writer.start()
        write(store, f"beside {start}")
        for writer in writers:
            writer.join()
        assert all(writer.exitcode == 0 for writer in writers[:-1])
"""


def test_processes_and_threads_write_at_once(uri: str, tmp_path: Path) -> None:
    (tmp_path / "writers.py").write_text(WRITERS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "writers.py"), uri], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(set(names(uri))) == 5 * (1 + 2 * 5)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_store_goes_to_another_process(store: Store) -> None:
    start_run(store, "opened", {})
    assert pickle.loads(pickle.dumps(store)) == store


def test_runs_read_the_same_once_the_store_is_analyzed(store: Store, tmp_path: Path) -> None:
    parent = start_run(store, "parent", {})
    for name in ("a", "b", "c"):
        start_run(store, name, {}, parent.run_id, {"lr": name})
    before = [run.run_id for run in children(store, parent.run_id)]
    store.backend.analyze()
    assert [run.run_id for run in children(store, parent.run_id)] == before
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM sqlite_stat1 WHERE tbl = 'params'").fetchone() != (0,)
