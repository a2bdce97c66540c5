"""Write runs into the tables of MLflow's database, the same rows as its own store writes."""

from __future__ import annotations

import posixpath
import re
import sqlite3
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from gdexp.tracking.backend import DatasetInput, RunRows, Series
from gdexp.tracking.errors import TrackingError
from gdexp.tracking.recorded import KEY_LENGTH, PARAM_LENGTH, TAG_LENGTH

LARGEST = sys.float_info.max

Row = tuple[Any, ...]


def insert_runs(
    connection: sqlite3.Connection, experiment_id: int, folders: Mapping[str, str], runs: Sequence[RunRows]
) -> None:
    """Insert `runs` with all that is known of them; `folders` says where the artifacts of each id are."""
    connection.executemany(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
        " end_time, source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time)"
        " VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, '', 'active', ?, ?, NULL)",
        (
            (
                run.run_id,
                run.name,
                run.tags.get("mlflow.user", "unknown"),
                run.status,
                run.started,
                run.ended,
                folders[run.run_id],
                experiment_id,
            )
            for run in runs
        ),
    )
    params = (
        (_known("param", key), value[:PARAM_LENGTH], run.run_id) for run in runs for key, value in run.params.items()
    )
    connection.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", params)
    # MLflow takes the tags that a run begins with as they are.
    tags = ((key, value, run.run_id) for run in runs for key, value in {**run.tags, "mlflow.runName": run.name}.items())
    connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
    insert_metrics(connection, [(run.run_id, run.started, run.metrics) for run in runs])
    insert_inputs(connection, experiment_id, {run.run_id: run.dataset for run in runs if run.dataset})


def insert_metrics(connection: sqlite3.Connection, metrics: Sequence[tuple[str, int, Sequence[Series]]]) -> None:
    """Insert the series of each run, given with its id and the time of all its values; what is there already stays."""
    # In the order of the primary key as far as one run goes, so that few pages of the index are visited.
    known = [
        (run_id, time, series)
        for run_id, time, several in metrics
        for series in sorted(several, key=lambda series: _known("metric", series.key))
        if len(series.steps)
    ]
    connection.executemany(
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (row for run_id, time, series in known for row in _points(run_id, time, series)),
    )
    connection.executemany(
        "INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp,"
        " step = excluded.step,"
        " is_nan = excluded.is_nan"
        " WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)",
        (_latest(run_id, time, series) for run_id, time, series in known),
    )


def _points(run_id: str, time: int, series: Series) -> Iterator[Row]:
    values, missing = _stored(series)
    return zip(
        repeat(series.key), values.tolist(), repeat(time), repeat(run_id), series.steps.tolist(), missing, strict=False
    )


def _latest(run_id: str, time: int, series: Series) -> Row:
    """Return the point that counts as the last one: of the largest step, and there of the largest value."""
    values, missing = _stored(series)
    last = int(np.argmax(np.where(series.steps == series.steps.max(), values, -np.inf)))
    return series.key, float(values[last]), time, run_id, int(series.steps[last]), missing[last]


def _stored(series: Series) -> tuple[Any, list[bool]]:
    """Return the values as they are stored, and which of them stand for no number."""
    missing = np.isnan(series.values)
    return np.clip(np.where(missing, 0.0, series.values), -LARGEST, LARGEST), missing.tolist()


def set_tags(connection: sqlite3.Connection, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run, over those that it has."""
    connection.executemany(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)"
        " ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
        ((_known("tag", key), value[:TAG_LENGTH], run_id) for key, value in tags.items()),
    )


def insert_inputs(connection: sqlite3.Connection, experiment_id: int, datasets: Mapping[str, DatasetInput]) -> None:
    """Make each dataset an input of the run whose id it is given with."""
    ids = {dataset: _dataset_id(connection, experiment_id, dataset) for dataset in dict.fromkeys(datasets.values())}
    connection.executemany(
        "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)"
        " VALUES (?, 'DATASET', ?, 'RUN', ?) ON CONFLICT DO NOTHING",
        ((uuid.uuid4().hex, ids[dataset], run_id) for run_id, dataset in datasets.items()),
    )


def _dataset_id(connection: sqlite3.Connection, experiment_id: int, dataset: DatasetInput) -> str:
    """Return the id of a dataset, which the experiment keeps once."""
    connection.execute(
        "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source,"
        " dataset_schema, dataset_profile) VALUES (?, ?, ?, ?, 'gdexp', ?, NULL, ?) ON CONFLICT DO NOTHING",
        (uuid.uuid4().hex, experiment_id, dataset.name, dataset.digest, dataset.source, dataset.profile),
    )
    key = (experiment_id, dataset.name, dataset.digest)
    found = connection.execute(
        "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?", key
    )
    return str(found.fetchone()[0])


def _known(kind: str, key: str) -> str:
    """Return `key`; raises TrackingError where MLflow would not take it as the name of a `kind`."""
    plain = re.fullmatch(r"[/\w.\- :]+", key) and posixpath.normpath(key) == key
    if not plain or key == "." or key.startswith(("..", "/")) or len(key) > KEY_LENGTH:
        raise TrackingError(
            f"a {kind} takes a name of 1 to {KEY_LENGTH} letters, digits, spaces and _ - . : /, not starting with a "
            f"slash or two dots; got {key!r}"
        )
    return key
