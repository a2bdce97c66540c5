"""Read recorded runs back: what tables, figures and reports are made of."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gdexp.core.factor import Array
from gdexp.tracking.errors import TrackingError
from gdexp.tracking.recorded import (
    ARGUMENTS,
    AXES,
    COMMAND,
    JOB,
    RUNS,
    STUDY,
    SWEEP_HASH,
    SWEPT,
    RecordedData,
    RecordedRun,
    local_path,
)
from gdexp.tracking.store import Store
from gdexp.tracking.trajectory import read_columns

__all__ = [
    "ARGUMENTS",
    "AXES",
    "COMMAND",
    "JOB",
    "RUNS",
    "STUDY",
    "SWEEP_HASH",
    "SWEPT",
    "RecordedData",
    "RecordedRun",
    "RecordedSweep",
    "artifact",
    "children",
    "find_run",
    "find_sweep",
    "is_run_id",
    "local_path",
    "read_trajectories",
    "read_trajectory",
]

AT_ONCE = 8
"""Artifacts of a server that are fetched at the same time."""


@dataclass(frozen=True, eq=False)
class RecordedSweep:
    """A sweep as the store has it, its `runs` in the order of its jobs; a single run is a sweep of itself."""

    store: Store = field(repr=False)
    parent: RecordedRun
    runs: Sequence[RecordedRun] = field(repr=False)

    @property
    def axes(self) -> list[str]:
        """The keys that were swept, none for a single run; raises TrackingError where the tag was changed."""
        try:
            axes = json.loads(self.parent.tags.get(AXES, "[]"))
        except ValueError:
            axes = None
        if not isinstance(axes, list) or not all(isinstance(axis, str) for axis in axes):
            raise self.parent.not_ours(AXES)
        return axes

    @property
    def planned(self) -> int:
        """How many runs the sweep was to have; some may never have begun."""
        return self.parent.count(RUNS, len(self.runs))

    @property
    def study(self) -> str | None:
        """The name of the study that this is a run of."""
        return self.parent.tags.get(STUDY)

    @property
    def finished(self) -> list[RecordedRun]:
        """The runs that were carried out to their end."""
        return [run for run in self.runs if run.finished]


def is_run_id(text: str) -> bool:
    """Tell whether `text` has the form of a run's id."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


def find_run(store: Store, run_id: str) -> RecordedRun:
    """Return the run with the id `run_id`; raises TrackingError where the store has none."""
    if not is_run_id(run_id):
        raise TrackingError(f"{run_id!r} is not a run id, which is 32 letters from 0 to f, as `recorded run ...` shows")
    found = store.backend.get_run(run_id)
    if found is None:
        raise TrackingError(f"there is no run {run_id} in {store.uri}; --uri names another store")
    return found


def find_sweep(store: Store, name: str | None = None) -> RecordedSweep:
    """Return the sweep whose parent has the id `name`, the latest of the study `name`, or the latest of all if None.

    A run that has no children is a sweep of itself. Raises TrackingError where there is no such run.
    """
    if name is None:
        parent = _latest(store, "sweep", AXES)
    elif is_run_id(name):
        parent = find_run(store, name)
    elif re.fullmatch(r"[\w./-]+", name):
        parent = _latest(store, f"study {name!r}", STUDY, name)
    else:
        raise TrackingError(f"a sweep is named by the id of its parent run or by its study; got {name!r}")
    runs = children(store, parent.run_id, parent.experiment_id) if AXES in parent.tags else [parent]
    return RecordedSweep(store, parent, runs)


def _latest(store: Store, what: str, tag: str, value: str | None = None) -> RecordedRun:
    found = store.backend.latest(store.experiment_id, tag, value) if store.experiment_id else None
    if found is None:
        raise TrackingError(
            f"no {what} is recorded in the experiment {store.experiment!r} of {store.uri}; "
            "run one first, or name a run by its id, or another store with --uri"
        )
    return found


def children(store: Store, parent_id: str, experiment_id: str | None = None) -> list[RecordedRun]:
    """Return the runs of a sweep in the order of its jobs, without attempts at a job that was done in a later one."""
    found = store.backend.children(experiment_id or store.experiment_id, parent_id)
    finished = [run for run in found if run.status == "FINISHED"]
    latest = {run.job: run for run in reversed(found)}
    for run in finished:
        latest.pop(run.job, None)
    return sorted([*finished, *latest.values()], key=lambda run: run.job)


def artifact(store: Store, run: RecordedRun, name: str, folder: str) -> Path:
    """Return the path of a run's artifact: in place on this machine, else fetched into `folder`.

    Raises TrackingError where the run has no such artifact.
    """
    root = local_path(run.artifact_uri)
    path = store.backend.download(run.run_id, name, folder) if root is None else root / name
    if path is None or (root is not None and not path.is_file()):
        raise TrackingError(f"the run {run.run_id} ({run.name}, {run.status.lower()}) has no artifact {name}")
    return path


@contextlib.contextmanager
def _at_hand(store: Store, run: RecordedRun, name: str) -> Iterator[Path]:
    """Give the path of a run's artifact while it is needed."""
    if local_path(run.artifact_uri) is not None:
        yield artifact(store, run, name, "")
        return
    with tempfile.TemporaryDirectory(prefix="gdexp-") as folder:
        yield artifact(store, run, name, folder)


def read_trajectory(store: Store, run: RecordedRun, columns: Sequence[str] | None = None) -> dict[str, Array]:
    """Return the named columns of a run's trajectory, or all of them, every step.

    Raises TrackingError where the run has none, or a damaged one.
    """
    from pyarrow import ArrowException

    with _at_hand(store, run, "trajectory.parquet") as path:
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
    if all(local_path(run.artifact_uri) is not None for run in runs):
        return [read_trajectory(store, run, columns) for run in runs]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda run: read_trajectory(store, run, columns), runs))
