"""Read recorded runs back: what a sweep's table and figures are made of."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gdexp.core.factor import Array
from gdexp.tracking.store import Store
from gdexp.tracking.trajectory import read_columns

if TYPE_CHECKING:
    from mlflow.entities import Run

SWEPT = "gdexp.swept."
"""Prefix of the tags that say what a child's own values are, a tag for each swept key."""
JOB = "gdexp.job"
"""The tag with a child's place in its sweep."""


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run as the store has it; `metrics` holds each metric's last value, `swept` the run's own values in a sweep."""

    run_id: str
    name: str
    status: str
    params: Mapping[str, str] = field(repr=False)
    metrics: Mapping[str, float] = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)

    @property
    def swept(self) -> dict[str, str]:
        """The values that set this run apart from the others of its sweep, by key."""
        return {key.removeprefix(SWEPT): value for key, value in self.tags.items() if key.startswith(SWEPT)}


def children(store: Store, parent_id: str) -> list[RecordedRun]:
    """Return the runs of a sweep in the order of its jobs."""
    found: list[Run] = []
    token: str | None = None
    while True:
        page = store.client.search_runs(
            [store.experiment_id],
            filter_string=f"tags.`mlflow.parentRunId` = '{parent_id}'",
            max_results=1000,
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            break
    runs = [
        RecordedRun(
            run.info.run_id,
            run.info.run_name,
            run.info.status,
            run.data.params,
            run.data.metrics,
            run.data.tags,
        )
        for run in found
    ]
    return sorted(runs, key=lambda run: int(run.tags.get(JOB, 0)))


def read_trajectory(store: Store, run: RecordedRun, columns: Sequence[str]) -> dict[str, Array]:
    """Return the columns of a run's trajectory, every step."""
    with tempfile.TemporaryDirectory() as folder:
        path = store.client.download_artifacts(run.run_id, "trajectory.parquet", folder)
        return read_columns(Path(path), columns)
