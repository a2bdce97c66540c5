"""Read recorded runs back: what tables, figures and reports are made of."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gdexp.core.factor import Array
from gdexp.tracking.errors import TrackingError
from gdexp.tracking.store import Store
from gdexp.tracking.trajectory import read_columns

if TYPE_CHECKING:
    from mlflow.entities import Run

SWEPT = "gdexp.swept."
"""Prefix of the tags that say what a child's own values are, a tag for each swept key."""
JOB = "gdexp.job"
"""The tag with a child's place in its sweep."""
AXES = "gdexp.axes"
"""The tag of a sweep's parent that lists the swept keys, as JSON."""
RUNS = "gdexp.runs"
"""The tag of a sweep's parent that says how many runs it was to have."""
STUDY = "gdexp.experiment"
"""The tag with the study's name, of a sweep's parent or of a run that belongs to no sweep."""
COMMAND = "gdexp.command"
"""The tag with what was typed, of a sweep's parent or of a run that belongs to no sweep."""
PARENT = "mlflow.parentRunId"
AT_ONCE = 8
"""Artifacts of a server that are fetched at the same time."""


@dataclass(frozen=True, eq=False)
class RecordedData:
    """The dataset of a run as it was recorded: its SHA-256, how many rows, its columns and their units."""

    name: str
    sha256: str
    rows: int
    features: tuple[str, ...]
    target: str
    units: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run as the store has it; `metrics` holds each metric's last value, `data` is None where none was recorded."""

    run_id: str
    name: str
    status: str
    experiment_id: str = field(repr=False)
    artifact_uri: str = field(repr=False)
    params: Mapping[str, str] = field(repr=False)
    metrics: Mapping[str, float] = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)
    data: RecordedData | None = field(repr=False)

    @property
    def swept(self) -> dict[str, str]:
        """The values that set this run apart from the others of its sweep, by key."""
        return {key.removeprefix(SWEPT): value for key, value in self.tags.items() if key.startswith(SWEPT)}

    def value(self, key: str) -> str:
        """Return the run's value of a swept key: what was typed for it, else what the configuration said."""
        return self.swept.get(key) or self.params.get(key) or self.params.get(f"{key}.name", "-")


@dataclass(frozen=True, eq=False)
class RecordedSweep:
    """A sweep as the store has it, its `runs` in the order of its jobs; a single run is a sweep of itself."""

    store: Store = field(repr=False)
    parent: RecordedRun
    runs: Sequence[RecordedRun] = field(repr=False)

    @property
    def axes(self) -> list[str]:
        """The keys that were swept, none for a single run."""
        axes: list[str] = json.loads(self.parent.tags.get(AXES, "[]"))
        return axes

    @property
    def planned(self) -> int:
        """How many runs the sweep was to have; some may never have begun."""
        return int(self.parent.tags.get(RUNS, len(self.runs)))

    @property
    def study(self) -> str | None:
        """The name of the study that this is a run of."""
        return self.parent.tags.get(STUDY)

    @property
    def finished(self) -> list[RecordedRun]:
        """The runs that were carried out to their end."""
        return [run for run in self.runs if run.status == "FINISHED"]


def find_run(store: Store, run_id: str) -> RecordedRun:
    """Return the run with the id `run_id`; raises TrackingError where the store has none."""
    if not re.fullmatch(r"[0-9a-f]{32}", run_id):
        raise TrackingError(f"{run_id!r} is not a run id, which is 32 letters from 0 to f, as `recorded run ...` shows")
    with _missing(f"there is no run {run_id} in {store.uri}; --uri names another store"):
        return _recorded(store.client.get_run(run_id))


def find_sweep(store: Store, name: str | None = None) -> RecordedSweep:
    """Return the sweep whose parent has the id `name`, the latest of the study `name`, or the latest of all if None.

    A run that has no children is a sweep of itself. Raises TrackingError where there is no such run.
    """
    if name is not None and re.fullmatch(r"[0-9a-f]{32}", name):
        parent = find_run(store, name)
    elif name is None:
        parent = _latest(store, f"tags.`{AXES}` LIKE '[%'", "sweep")
    elif re.fullmatch(r"[\w./-]+", name):
        parent = _latest(store, f"tags.`{STUDY}` = '{name}'", f"study {name!r}")
    else:
        raise TrackingError(f"a sweep is named by the id of its parent run or by its study; got {name!r}")
    runs = children(store, parent.run_id, parent.experiment_id) if AXES in parent.tags else [parent]
    return RecordedSweep(store, parent, runs)


@contextlib.contextmanager
def _missing(text: str) -> Iterator[None]:
    """Raise TrackingError with `text` where the store says that it does not have what was asked for."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            raise
        raise TrackingError(text) from None


def _latest(store: Store, condition: str, what: str) -> RecordedRun:
    order = ["attributes.start_time DESC"]
    places = [store.experiment_id] if store.experiment_id else []
    found = store.client.search_runs(places, condition, max_results=1, order_by=order) if places else []
    if not found:
        raise TrackingError(
            f"no {what} is recorded in the experiment {store.experiment!r} of {store.uri}; "
            "run one first, or name a run by its id, or another store with --uri"
        )
    return _recorded(found[0])


def children(store: Store, parent_id: str, experiment_id: str | None = None) -> list[RecordedRun]:
    """Return the runs of a sweep in the order of its jobs."""
    runs = [_recorded(run) for run in _pages(store, experiment_id or store.experiment_id, parent_id)]
    return sorted(runs, key=lambda run: int(run.tags.get(JOB, 0)))


def _pages(store: Store, experiment_id: str, parent_id: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        condition = f"tags.`{PARENT}` = '{parent_id}'"
        page = store.client.search_runs([experiment_id], condition, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _recorded(run: Run) -> RecordedRun:
    return RecordedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        experiment_id=run.info.experiment_id,
        artifact_uri=run.info.artifact_uri,
        params=run.data.params,
        metrics=run.data.metrics,
        tags=run.data.tags,
        data=next((_data(given.dataset) for given in run.inputs.dataset_inputs), None) if run.inputs else None,
    )


def _data(dataset: Any) -> RecordedData | None:
    profile = json.loads(dataset.profile or "{}")
    if "sha256" not in profile:
        return None  # somebody else's
    features, units = tuple(profile["features"]), profile.get("units", {})
    return RecordedData(dataset.name, profile["sha256"], profile["rows"], features, profile["target"], units)


def artifact(store: Store, run: RecordedRun, name: str, folder: str) -> Path:
    """Return the path of a run's artifact: in place on this machine, else fetched into `folder`.

    Raises TrackingError where the run has no such artifact.
    """
    root = local_path(run.artifact_uri)
    missing = f"the run {run.run_id} ({run.name}, {run.status.lower()}) has no artifact {name}"
    if root is not None:
        if not (root / name).is_file():
            raise TrackingError(missing)
        return root / name
    with _missing(missing):
        return Path(store.client.download_artifacts(run.run_id, name, folder))


def local_path(artifact_uri: str) -> Path | None:
    """Return the folder that `artifact_uri` names on this machine, None where it is elsewhere."""
    parts = urlsplit(artifact_uri)
    if parts.scheme not in ("", "file") or parts.netloc:
        return None
    return Path(unquote(parts.path) if parts.scheme else artifact_uri)


def read_trajectory(store: Store, run: RecordedRun, columns: Sequence[str] | None = None) -> dict[str, Array]:
    """Return the named columns of a run's trajectory, or all of them, every step.

    Raises TrackingError where the run has none, or a damaged one.
    """
    from pyarrow import ArrowException

    with tempfile.TemporaryDirectory() as folder:
        path = artifact(store, run, "trajectory.parquet", folder)
        try:
            return read_columns(path, columns)
        except (ArrowException, OSError, KeyError) as error:
            reason = str(error).partition("\n")[0]
            raise TrackingError(
                f"trajectory.parquet of the run {run.run_id} ({run.name}) cannot be read: {reason}"
            ) from None


def read_trajectories(
    store: Store, runs: Sequence[RecordedRun], columns: Sequence[str] | None = None
) -> list[dict[str, Array]]:
    """Return what `read_trajectory` returns for each of `runs`; a server is asked for several at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda run: read_trajectory(store, run, columns), runs))
