"""What is recorded of a run after its creation, in pieces that can be sent again: a second time changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gdexp.tracking.backend import Backend, DatasetInput, Series

STATUS = "status.json"


class Operation(Protocol):
    """A piece of a run's record."""

    def send(self, backend: Backend, run_id: str) -> None:
        """Add the piece to the run; it may have been added before."""

    def keep(self, folder: Path) -> None:
        """Write the piece into an empty folder."""


@dataclass(frozen=True, eq=False)
class Log:
    """Metrics, tags and a dataset of a run that began at `started`."""

    started: int
    metrics: Sequence[Series] = field(default=(), repr=False)
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    dataset: DatasetInput | None = None

    def send(self, backend: Backend, run_id: str) -> None:
        """Add them to the run; points are told apart by step and time, so none is doubled."""
        backend.log(run_id, metrics=self.metrics, tags=self.tags, dataset=self.dataset, started=self.started)

    def keep(self, folder: Path) -> None:
        """Write them into an empty folder."""
        keys = [series.key for series in self.metrics]
        plain = {"started": self.started, "tags": dict(self.tags), "keys": keys}
        dataset = asdict(self.dataset) if self.dataset else None
        _write(folder / "log.json", {**plain, "dataset": dataset})
        parts = {f"{part}{i}": getattr(one, part) for i, one in enumerate(self.metrics) for part in ("steps", "values")}
        np.savez(folder / "metrics.npz", allow_pickle=False, **parts)

    @staticmethod
    def kept(folder: Path) -> Log:
        """Return what was kept in `folder`."""
        plain = _read(folder / "log.json")
        with np.load(folder / "metrics.npz", allow_pickle=False) as parts:
            metrics = [Series(key, parts[f"steps{i}"], parts[f"values{i}"]) for i, key in enumerate(plain["keys"])]
        dataset = DatasetInput(**plain["dataset"]) if plain["dataset"] else None
        return Log(plain["started"], metrics, plain["tags"], dataset)


@dataclass(frozen=True)
class Files:
    """Artifacts: what is in `folder`."""

    folder: Path

    def send(self, backend: Backend, run_id: str) -> None:
        """Copy the files to the run's artifacts."""
        backend.log_artifacts(run_id, self.folder)

    def keep(self, folder: Path) -> None:
        """Copy the files into an empty folder."""
        shutil.copytree(self.folder, folder / "files")

    @staticmethod
    def kept(folder: Path) -> Files:
        """Return what was kept in `folder`."""
        return Files(folder / "files")


@dataclass(frozen=True)
class Status:
    """The end of a run as FINISHED, FAILED or KILLED, at `ended` in milliseconds since 1970."""

    status: str
    ended: int

    def send(self, backend: Backend, run_id: str) -> None:
        """End the run."""
        backend.set_status(run_id, self.status, self.ended)

    def keep(self, folder: Path) -> None:
        """Write it into an empty folder."""
        _write(folder / STATUS, asdict(self))

    @staticmethod
    def kept(folder: Path) -> Status:
        """Return what was kept in `folder`."""
        return Status(**_read(folder / STATUS))


def kept_operation(folder: Path) -> Operation:
    """Return the operation that was kept in `folder`."""
    if (folder / "log.json").exists():
        return Log.kept(folder)
    return Files.kept(folder) if (folder / "files").exists() else Status.kept(folder)


def is_end(folder: Path) -> bool:
    """Tell whether the operation that was kept in `folder` ends its run."""
    return (folder / STATUS).exists()


def _write(path: Path, plain: Mapping[str, object]) -> None:
    path.write_text(json.dumps(plain), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return plain
