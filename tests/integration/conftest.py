"""The program as a user runs it: a process of its own, in an empty folder, against a real store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run


@dataclass(frozen=True)
class Folder:
    """An empty working directory in which gdexp is run, and what its store holds afterwards."""

    path: Path

    def gdexp(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "gdexp", *arguments, **environment)

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.path,
            env=clean_environment() | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str, after: str, **environment: str) -> subprocess.Popen[str]:
        """Start gdexp in a session of its own, and return once it has printed a line that begins with `after`."""
        program = subprocess.Popen(
            [sys.executable, "-m", "gdexp", *arguments],
            cwd=self.path,
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert program.stdout is not None
        assert any(line.startswith(after) for line in program.stdout), program.communicate()
        return program

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.path / 'mlflow.db'}")

    def runs(self, experiment: str = "gdexp") -> list[Run]:
        """All runs of an experiment, the oldest first."""
        found = self.client.get_experiment_by_name(experiment)
        assert found is not None
        return list(self.client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"]))

    def parent_and_children(self) -> tuple[Run, list[Run]]:
        """The only sweep of the store, its children in the order of its jobs."""
        runs = self.runs()
        (parent,) = (run for run in runs if "gdexp.axes" in run.data.tags)
        children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        return parent, sorted(children, key=lambda run: int(run.data.tags["gdexp.job"]))

    def artifacts(self, run: Run) -> set[str]:
        """The paths of all artifacts of a run."""
        root = Path(run.info.artifact_uri.removeprefix("file://"))
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def artifact(self, run: Run, name: str) -> Path:
        return Path(run.info.artifact_uri.removeprefix("file://")) / name


def clean_environment() -> dict[str, str]:
    """The environment without what would send runs elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """One folder for the tests of a module that only read what a first run recorded."""
    return Folder(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that keeps the artifacts, too."""
    from tests.integration.server import mlflow_server

    place = tmp_path_factory.mktemp("server")
    store = ("--backend-store-uri", f"sqlite:///{place / 'server.db'}", "--artifacts-destination", str(place / "kept"))
    with mlflow_server(place, *store) as address:
        yield address
