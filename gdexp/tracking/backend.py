"""What a store of runs does, whichever it is, and the plain values that go in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from numpy import int64
from numpy.typing import NDArray

from gdexp.core.factor import Array
from gdexp.tracking.recorded import RecordedRun


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return int(time.time() * 1000)


@dataclass(frozen=True, eq=False)
class Series:
    """One metric of one run: `values`, none of them infinite, at `steps`; both of shape (k,)."""

    key: str
    steps: NDArray[int64]
    values: Array


@dataclass(frozen=True)
class DatasetInput:
    """The dataset of a run as MLflow keeps it; a store keeps each `name` and `digest` once."""

    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True, eq=False)
class NewRun:
    """A run that begins, at `started` in milliseconds since 1970."""

    name: str
    started: int
    tags: Mapping[str, str] = field(repr=False)
    params: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, eq=False)
class RunRows:
    """Everything that is recorded of one run but its artifacts; times are in milliseconds since 1970.

    The metrics' time is that of the run's start, so that no value is doubled when it is sent again.
    """

    run_id: str
    name: str
    status: str
    started: int
    ended: int | None
    tags: Mapping[str, str] = field(repr=False)
    params: Mapping[str, str] = field(repr=False)
    metrics: Sequence[Series] = field(default=(), repr=False)
    dataset: DatasetInput | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Experiment:
    """An experiment of a store, and where the artifacts of its runs are."""

    experiment_id: str
    active: bool
    artifact_location: str


class Backend(Protocol):
    """A store of runs; a store that cannot be used raises TrackingError, or what its client raises."""

    def find_experiment(self, name: str) -> Experiment | None:
        """Return the experiment called `name`, deleted or not, None where there is none."""

    def create_experiment(self, name: str, location: str | None) -> None:
        """Create an experiment, with its artifacts in `location` unless the store decides where."""

    def create_run(self, experiment_id: str, run: NewRun, *, again: bool = False) -> str:
        """Create a run that is RUNNING, with its tags and params, and return its id.

        `again` where an earlier call may have created it, although it failed: it is not created twice.
        """

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[Series] = (),
        tags: Mapping[str, str] | None = None,
        dataset: DatasetInput | None = None,
        started: int,
    ) -> None:
        """Add `metrics`, `tags` and `dataset` to a run that began at `started`."""

    def set_status(self, run_id: str, status: str, ended: int | None = None) -> None:
        """End a run as FINISHED, FAILED or KILLED, at `ended` or now."""

    def take_up(self, run_id: str, tags: Mapping[str, str]) -> bool:
        """Have a run that has ended RUNNING again, with `tags`, and return whether it had; only one process does it."""

    def log_artifacts(self, run_id: str, folder: Path, path: str | None = None) -> None:
        """Copy what is in `folder` to the run's artifacts, below `path` if that is given."""

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an experiment."""

    def get_run(self, run_id: str) -> RecordedRun | None:
        """Return a run, None where the store has none of that id."""

    def children(self, experiment_id: str, parent_id: str) -> list[RecordedRun]:
        """Return the children of a run that are not deleted, the latest first."""

    def running(self, experiment_id: str) -> list[RecordedRun]:
        """Return the runs of an experiment that are RUNNING, the latest first."""

    def latest(self, experiment_id: str, tag: str, value: str | None = None) -> RecordedRun | None:
        """Return the run that began last of those that have the tag, with `value` unless that is None."""

    def download(self, run_id: str, name: str, folder: str) -> Path | None:
        """Fetch an artifact into `folder` and return where it is, None where the run has none of that name."""

    def analyze(self) -> None:
        """Let the store find out which of its indexes are quick, which it does not by itself."""
