"""A store behind MLflow's own client: a server, a SQLite store of another version."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gdexp.tracking.backend import DatasetInput, Experiment, NewRun, Series
from gdexp.tracking.errors import TrackingError, is_away
from gdexp.tracking.process import PROCESS
from gdexp.tracking.recorded import PARENT, RecordedRun, recorded_data
from gdexp.tracking.settings import masked
from gdexp.tracking.within import within

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

METRICS_AT_ONCE = 1000
"""MLflow takes so many in one call; more would only fill the memory."""
PARAMS_AT_ONCE = 100
DATABASES = ("postgresql", "postgres", "mysql", "mssql")
"""Schemes of the databases that MLflow's client would write to by itself."""


def import_mlflow() -> None:
    """Import MLflow, which takes seconds, with its telemetry and chatter switched off."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow would print the address of every run that ends, with the credentials in it.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Whether and how long to try again is decided in `delivery`, and said; MLflow would be silent for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    import mlflow  # noqa: F401

    logging.getLogger("mlflow").setLevel(logging.ERROR)


@lru_cache(maxsize=4)
def mlflow_client(uri: str) -> MlflowClient:
    """Return MLflow's client for the store at `uri`; raises TrackingError for a database without a server before it."""
    # MLflow would scatter the artifacts over the disks of those who happen to create an experiment or a run.
    if uri.partition(":")[0].partition("+")[0].lower() in DATABASES:
        raise TrackingError(
            f"tracking.uri takes the address of a server or a SQLite file; got {masked(uri)!r}, a database, which "
            "keeps no artifacts; start `mlflow server --backend-store-uri DATABASE --artifacts-destination FOLDER`, "
            "and set tracking.uri to its address"
        )
    import_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def migrate(path: Path, artifacts: Path) -> None:
    """Let MLflow make a SQLite store at `path`, with the artifacts of its default experiment in `artifacts`."""
    import_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.ERROR)
    store = SqlAlchemyStore(f"sqlite:///{path}", str(artifacts))  # type: ignore[no-untyped-call]
    store.engine.dispose()


@dataclass(frozen=True)
class ClientBackend:
    """The store at `uri`, whatever MLflow takes."""

    uri: str

    @property
    def _client(self) -> MlflowClient:
        return mlflow_client(self.uri)

    def find_experiment(self, name: str) -> Experiment | None:
        """Return the experiment called `name`, deleted or not, None where there is none."""
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return None
        return Experiment(found.experiment_id, found.lifecycle_stage == "active", found.artifact_location)

    def create_experiment(self, name: str, location: str | None) -> None:
        """Create an experiment, with its artifacts in `location` unless the store decides where."""
        self._client.create_experiment(name, artifact_location=location)

    def create_run(self, experiment_id: str, run: NewRun, *, again: bool = False) -> str:
        """Create a run that is RUNNING, with its tags and params, and return its id.

        `again` where an earlier call may have created it, although it failed: it is not created twice.
        """
        found = self.latest(experiment_id, PROCESS, run.tags[PROCESS]) if again else None
        if found:
            run_id = found.run_id
        else:
            run_id = self._client.create_run(experiment_id, run.started, dict(run.tags), run.name).info.run_id
        try:
            self._params(run_id, run.params)
        except BaseException as error:
            if not is_away(error):
                status = "FAILED" if isinstance(error, Exception) else "KILLED"
                with contextlib.suppress(Exception):
                    within(1.0, lambda: self.set_status(run_id, status))
            raise
        return run_id

    def _params(self, run_id: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        remaining = iter([Param(key, value) for key, value in params.items()])
        while batch := list(islice(remaining, PARAMS_AT_ONCE)):
            self._client.log_batch(run_id, params=batch)

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
        from mlflow import entities

        if dataset is not None:
            self._dataset(run_id, dataset)
        remaining = _points(metrics, started)
        while batch := list(islice(remaining, METRICS_AT_ONCE)):
            self._client.log_batch(run_id, metrics=batch)
        if tags:
            self._client.log_batch(run_id, tags=[entities.RunTag(key, value) for key, value in tags.items()])

    def _dataset(self, run_id: str, dataset: DatasetInput) -> None:
        from mlflow import entities
        from mlflow.exceptions import MlflowException

        kept = entities.Dataset(dataset.name, dataset.digest, "gdexp", dataset.source, profile=dataset.profile)
        try:
            self._client.log_inputs(run_id, [entities.DatasetInput(kept)])
        except MlflowException as error:
            # Where another process brought the same dataset after MLflow had looked for it, a second look finds it.
            if error.error_code != "BAD_REQUEST":
                raise
            self._client.log_inputs(run_id, [entities.DatasetInput(kept)])

    def set_status(self, run_id: str, status: str, ended: int | None = None) -> None:
        """End a run as FINISHED, FAILED or KILLED, at `ended` or now."""
        self._client.set_terminated(run_id, status, ended)

    def take_up(self, run_id: str, tags: Mapping[str, str]) -> bool:
        """Have a run that has ended RUNNING again, with `tags`, and return whether it had.

        MLflow has no way to do both at once: two processes can do it within the time of a question and an answer.
        """
        if self._client.get_run(run_id).info.status == "RUNNING":
            return False
        self.log(run_id, tags=tags, started=0)
        self._client.update_run(run_id, "RUNNING")
        return True

    def log_artifacts(self, run_id: str, folder: Path, path: str | None = None) -> None:
        """Copy what is in `folder` to the run's artifacts, below `path` if that is given."""
        self._client.log_artifacts(run_id, str(folder), path)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an experiment."""
        self._client.set_experiment_tag(experiment_id, key, value)

    def get_run(self, run_id: str) -> RecordedRun | None:
        """Return a run, None where the store has none of that id."""
        with _absent():
            return _recorded(self._client.get_run(run_id))
        return None

    def children(self, experiment_id: str, parent_id: str) -> list[RecordedRun]:
        """Return the children of a run that are not deleted, the latest first."""
        return [_recorded(run) for run in self._pages(experiment_id, f"tags.`{PARENT}` = '{parent_id}'")]

    def _pages(self, experiment_id: str, condition: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs([experiment_id], condition, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def running(self, experiment_id: str) -> list[RecordedRun]:
        """Return the runs of an experiment that are RUNNING, the latest first."""
        return [_recorded(run) for run in self._pages(experiment_id, "attributes.status = 'RUNNING'")]

    def latest(self, experiment_id: str, tag: str, value: str | None = None) -> RecordedRun | None:
        """Return the run that began last of those that have the tag, with `value` unless that is None."""
        condition = f"tags.`{tag}` LIKE '%'" if value is None else f"tags.`{tag}` = '{value}'"
        order = ["attributes.start_time DESC"]
        found = self._client.search_runs([experiment_id], condition, max_results=1, order_by=order)
        return _recorded(found[0]) if found else None

    def download(self, run_id: str, name: str, folder: str) -> Path | None:
        """Fetch an artifact into `folder` and return where it is, None where the run has none of that name."""
        with _absent():
            return Path(self._client.download_artifacts(run_id, name, folder))
        return None

    def analyze(self) -> None:
        """Do nothing: whoever runs the store looks after its indexes."""


def _points(metrics: Sequence[Series], started: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for series in metrics:
        for step, value in zip(series.steps.tolist(), series.values.tolist(), strict=True):
            yield Metric(series.key, value, started, step)


@contextlib.contextmanager
def _absent() -> Iterator[None]:
    """Go on where the store says that it does not have what was asked for."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            raise


def _recorded(run: Run) -> RecordedRun:
    given = run.inputs.dataset_inputs if run.inputs else []
    return RecordedRun(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status or "UNKNOWN",
        experiment_id=run.info.experiment_id,
        artifact_uri=run.info.artifact_uri or "",
        params=run.data.params,
        metrics=run.data.metrics,
        tags=run.data.tags,
        data=recorded_data(given[0].dataset.name, given[0].dataset.profile) if given else None,
    )
