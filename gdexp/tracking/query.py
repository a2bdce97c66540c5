"""Read runs out of the tables of MLflow's database: one query a table, however many runs."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from typing import Any

from gdexp.tracking.recorded import PARENT, RecordedData, RecordedRun, recorded_data

# The ids go in as one JSON list, which may be of any length; CROSS JOIN has SQLite look each of them up in a table's
# index of runs, whatever its statistics make it believe.
_ASKED = "WITH asked (place, id) AS (SELECT key, value FROM json_each(?))"
_LATEST_FIRST = "ORDER BY start_time IS NULL, start_time DESC, runs.run_uuid"


def runs_of(connection: sqlite3.Connection, run_ids: Sequence[str]) -> list[RecordedRun]:
    """Return the runs with the given ids, in their order, without those that the store does not have."""
    asked = (json.dumps(list(run_ids)),)
    params = _by_run(
        connection, f"{_ASKED} SELECT run_uuid, key, value FROM asked CROSS JOIN params ON run_uuid = id", asked
    )
    tags = _by_run(
        connection, f"{_ASKED} SELECT run_uuid, key, value FROM asked CROSS JOIN tags ON run_uuid = id", asked
    )
    metrics = _metrics(connection, asked)
    data = _data(connection, asked)
    rows = connection.execute(
        f"{_ASKED} SELECT run_uuid, name, status, experiment_id, artifact_uri"
        " FROM asked CROSS JOIN runs ON run_uuid = id ORDER BY place",
        asked,
    )
    return [
        RecordedRun(
            run_id,
            name or "",
            status or "UNKNOWN",
            str(experiment_id),
            artifact_uri or "",
            params.get(run_id, {}),
            metrics.get(run_id, {}),
            tags.get(run_id, {}),
            data.get(run_id),
        )
        for run_id, name, status, experiment_id, artifact_uri in rows
    ]


def _by_run(connection: sqlite3.Connection, query: str, asked: tuple[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run_id, key, value in connection.execute(query, asked):
        found.setdefault(run_id, {})[key] = value
    return found


def _metrics(connection: sqlite3.Connection, asked: tuple[str]) -> dict[str, dict[str, float]]:
    query = f"{_ASKED} SELECT run_uuid, key, value, is_nan FROM asked CROSS JOIN latest_metrics ON run_uuid = id"
    found: dict[str, dict[str, float]] = {}
    for run_id, key, value, is_nan in connection.execute(query, asked):
        found.setdefault(run_id, {})[key] = math.nan if is_nan else value
    return found


def _data(connection: sqlite3.Connection, asked: tuple[str]) -> dict[str, RecordedData | None]:
    query = (
        f"{_ASKED} SELECT id, name, dataset_profile FROM asked CROSS JOIN inputs ON destination_type = 'RUN'"
        " AND destination_id = id AND source_type = 'DATASET' JOIN datasets ON dataset_uuid = source_id"
    )
    profiles: dict[tuple[str, str | None], RecordedData | None] = {}
    found: dict[str, RecordedData | None] = {}
    for run_id, *dataset in connection.execute(query, asked):
        key: Any = tuple(dataset)
        if key not in profiles:
            profiles[key] = recorded_data(*key)
        found.setdefault(run_id, profiles[key])
    return found


def child_ids(connection: sqlite3.Connection, experiment_id: str, parent_id: str) -> list[str]:
    """Return the ids of the children of a run that are not deleted, the latest first."""
    return _tagged(connection, experiment_id, PARENT, "AND value = ?", parent_id)


def running_ids(connection: sqlite3.Connection, experiment_id: str) -> list[str]:
    """Return the ids of the runs of an experiment that are RUNNING and not deleted, the latest first."""
    found = connection.execute(
        "SELECT run_uuid FROM runs WHERE status = 'RUNNING' AND experiment_id = ? AND lifecycle_stage = 'active'"
        f" {_LATEST_FIRST}",
        (experiment_id,),
    )
    return [run_id for (run_id,) in found]


def latest_id(connection: sqlite3.Connection, experiment_id: str, tag: str, value: str | None) -> list[str]:
    """Return the id of the run that began last of those with the tag, a list of one or none."""
    condition, values = ("", ()) if value is None else ("AND value = ?", (value,))
    return _tagged(connection, experiment_id, tag, condition, *values)[:1]


def _tagged(connection: sqlite3.Connection, experiment_id: str, tag: str, condition: str, *values: str) -> list[str]:
    found = connection.execute(
        "SELECT runs.run_uuid FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid"
        f" WHERE key = ? {condition} AND experiment_id = ? AND lifecycle_stage = 'active' {_LATEST_FIRST}",
        (tag, *values, experiment_id),
    )
    return [run_id for (run_id,) in found]
