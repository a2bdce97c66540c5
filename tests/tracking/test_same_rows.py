"""What gdexp writes into a SQLite store is, row for row, what MLflow's own client writes."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from gdexp.tracking import Store, Tracking, open_store
from gdexp.tracking.backend import Backend, DatasetInput, NewRun, RunRows, Series
from gdexp.tracking.client import ClientBackend
from gdexp.tracking.database import SCHEMA, create, has_known_schema
from gdexp.tracking.schema import schema_of_mlflow
from gdexp.tracking.sqlite import SqliteBackend

STARTED = 1_700_000_000_000
TIMES = ("creation_time", "last_update_time", "end_time")
DATA = DatasetInput(
    "cars", "a" * 36, '{"name": "cars"}', '{"sha256": "aa", "rows": 1, "features": ["x"], "target": "y"}'
)


def run(name: str, metrics: Sequence[Series] = (), **other: Any) -> RunRows:
    given = {"status": "FINISHED", "started": STARTED, "ended": STARTED + 5, "tags": {}, "params": {}}
    return RunRows(**{"run_id": "", "name": name, "metrics": metrics, **given, **other})


def series(key: str, values: Sequence[float], steps: Sequence[int] | None = None) -> Series:
    return Series(key, np.asarray(range(len(values)) if steps is None else steps), np.asarray(values, dtype=float))


RUNS = [
    run("plain", [series("mse", [3.0, 2.0, 1.0]), series("mse_final", [1.0], [0])], dataset=DATA),
    run(
        "same data", tags={"mlflow.user": "ann", "mlflow.parentRunId": "0" * 32, "gdexp.swept.lr": "0.1"}, dataset=DATA
    ),
    run(
        "other data",
        params={"lr": "0.1", "init.scale": "", "a b": "x" * 6001},
        dataset=DatasetInput("b", "c", "d", "{}"),
    ),
    run("odd values", [series("mse", [-0.0, 0.0, math.nan, math.nan, 1e308, 5e-324, 2.0], [0, 0, 1, 1, 7, 7, 3])]),
    run("nan last", [series("mse", [1.0, math.nan]), series("tie", [math.nan, 0.0, -1.0], [4, 4, 4])]),
    run("one key twice", [series("mse", [1.0, 2.0]), series("mse", [2.0, 9.0], [1, 1])]),
    run("failed", status="FAILED"),
    run("größe / ü", params={"ü": "größe"}, tags={"mlflow.note.content": "ä" * 50}),
]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """A store for each way to write, alike before anything is written."""
    found = {}
    for name in ("mlflow", "plain", "bulk"):
        path = tmp_path_factory.mktemp("store") / "mlflow.db"
        found[name] = open_store(Tracking(uri=f"sqlite:///{path}"))
    return found


def write_plainly(backend: Backend, runs: Sequence[RunRows]) -> None:
    for one in runs:
        run_id = backend.create_run("1", NewRun(one.name, one.started, one.tags, one.params))
        backend.log(run_id, metrics=one.metrics, dataset=one.dataset, tags={"late": "x" * 8001}, started=one.started)
        backend.log(run_id, metrics=one.metrics, dataset=one.dataset, tags={"late": "y"}, started=one.started)
        backend.set_status(run_id, one.status)


def write_at_once(backend: Backend, runs: Sequence[RunRows]) -> list[str]:
    assert isinstance(backend, SqliteBackend)
    with backend.reserved("1", len(runs)) as reserved:
        tagged = (replace(one, tags={**one.tags, "late": "y"}) for one in runs)
        whole = [replace(one, run_id=run_id) for (run_id, _), one in zip(reserved, tagged, strict=True)]
        inserted = backend.insert("1", whole)
    assert inserted == [run_id for run_id, _ in reserved]
    return inserted


def write_with_mlflow(path: Path, runs: Sequence[RunRows]) -> None:
    """Write with the stock client, value by value where that is what it takes."""
    write_plainly(ClientBackend(f"sqlite:///{path}"), runs)


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, with what is different each time replaced by what it stands for."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}
    stands_for = {row["run_uuid"]: f"run {row['name']}" for row in found["runs"]}
    stands_for |= {row["dataset_uuid"]: f"data {row['name']}" for row in found["datasets"]}
    stands_for |= {row["input_uuid"]: f"input of {stands_for[row['destination_id']]}" for row in found["inputs"]}
    stands_for |= {str(path.parent): "here"}

    def told(column: str, value: Any) -> Any:
        if column in TIMES:
            return None if value is None else "a time"
        if isinstance(value, str):
            for old, new in stands_for.items():
                value = value.replace(old, new)
        return (type(value).__name__, value)

    return {
        name: sorted(({column: told(column, value) for column, value in row.items()} for row in rows), key=repr)
        for name, rows in found.items()
        if not name.startswith("sqlite_stat")
    }


def path_of(store: Store) -> Path:
    return Path(store.uri.removeprefix("sqlite:///"))


def assert_same_tables(ours: Path, theirs: Path) -> None:
    found, wanted = tables(ours), tables(theirs)
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        assert found[name] == rows, name


def test_every_table_holds_the_rows_that_mlflow_writes(stores: dict[str, Store]) -> None:
    for name, store in stores.items():
        location = f"{path_of(store).parent}/elsewhere"
        if name == "mlflow":
            MlflowClient(store.uri).create_experiment("new", location)
        else:
            store.backend.create_experiment("new", location)
        store.backend.set_experiment_tag("1", "view", "old")
    write_with_mlflow(path_of(stores["mlflow"]), RUNS)
    ClientBackend(stores["mlflow"].uri).set_experiment_tag("1", "view", "new")
    write_plainly(stores["plain"].backend, RUNS)
    write_at_once(stores["bulk"].backend, RUNS)
    for name in ("plain", "bulk"):
        stores[name].backend.set_experiment_tag("1", "view", "new")
        assert isinstance(stores[name].backend, SqliteBackend)
        assert_same_tables(path_of(stores[name]), path_of(stores["mlflow"]))


def test_a_run_reads_the_same_through_either_backend(stores: dict[str, Store]) -> None:
    store = stores["plain"]
    if not store.backend.latest("1", "late"):
        write_plainly(store.backend, RUNS)
    stock = ClientBackend(store.uri)
    for info in MlflowClient(store.uri).search_runs(["1"]):
        ours, theirs = store.backend.get_run(info.info.run_id), stock.get_run(info.info.run_id)
        assert ours is not None
        assert theirs is not None
        for name in ("run_id", "name", "status", "experiment_id", "artifact_uri", "params", "tags"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert ours.metrics.keys() == theirs.metrics.keys()
        np.testing.assert_equal([*ours.metrics.values()], [theirs.metrics[key] for key in ours.metrics])
        assert (ours.data is None) == (theirs.data is None)
    for backend in (store.backend, stock):
        assert backend.get_run("f" * 32) is None
        assert backend.latest("1", "no such tag") is None
        assert backend.latest("1", "gdexp.swept.lr", "0.2") is None
        latest = backend.latest("1", "gdexp.swept.lr")
        assert latest is not None
        assert latest.name == "same data"
        assert [child.name for child in backend.children("1", "0" * 32)] == ["same data"]


values = st.one_of(st.floats(allow_infinity=False), st.sampled_from([0.0, -0.0, math.nan, 1.0]))
keys = st.sampled_from(["mse", "a b", "x/y", "x.y-z", "_", "ä"])
points = st.lists(st.tuples(st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1), values), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(keys, points), max_size=4))
def test_any_values_and_steps_become_the_rows_that_mlflow_writes(
    stores: dict[str, Store], metrics: list[tuple[str, list[tuple[int, float]]]]
) -> None:
    drawn = [series(key, [value for _, value in several], [step for step, _ in several]) for key, several in metrics]
    drawn = [Series(one.key, one.steps.astype(np.int64), one.values) for one in drawn]
    rows = {}
    for name, store in stores.items():
        backend = ClientBackend(store.uri) if name == "mlflow" else store.backend
        if name == "bulk":
            (run_id,) = write_at_once(backend, [RunRows("", "any", "FINISHED", STARTED, STARTED, {}, {}, drawn)])
        else:
            run_id = backend.create_run("1", NewRun("any", STARTED, {}, {}))
            backend.log(run_id, metrics=drawn, started=STARTED)
        with closing(sqlite3.connect(path_of(store))) as connection:
            rows[name] = [
                sorted(
                    connection.execute(
                        f"SELECT key, value, timestamp, step, is_nan FROM {table} WHERE run_uuid = ?", [run_id]
                    )
                )
                for table in ("metrics", "latest_metrics")
            ]
    assert rows["plain"] == rows["bulk"] == rows["mlflow"]


def test_the_schema_that_is_kept_is_the_one_that_mlflow_makes() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_of_mlflow(), (
        "MLflow makes another schema than gdexp/tracking/schema.sql: run "
        "`python -m gdexp.tracking.schema > gdexp/tracking/schema.sql`, look at the difference, and mend what "
        "gdexp/tracking/rows.py and query.py say of the tables they name"
    )


def test_a_new_store_is_the_one_that_mlflow_makes(tmp_path: Path) -> None:
    from gdexp.tracking.client import migrate

    for name, make in (("ours", create), ("theirs", migrate)):
        (tmp_path / name).mkdir()
        make(tmp_path / name / "mlflow.db", tmp_path / name / "mlruns")
    assert_same_tables(tmp_path / "ours" / "mlflow.db", tmp_path / "theirs" / "mlflow.db")
    assert has_known_schema(tmp_path / "theirs" / "mlflow.db")
