"""A store in a SQLite file of this machine, written and read without MLflow, which takes seconds to import."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from gdexp.tracking.backend import DatasetInput, Experiment, NewRun, RunRows, Series, now
from gdexp.tracking.client import ClientBackend
from gdexp.tracking.database import reading, transaction
from gdexp.tracking.errors import TrackingError
from gdexp.tracking.process import PROCESS, is_alive, of_this_process
from gdexp.tracking.query import child_ids, latest_id, running_ids, runs_of
from gdexp.tracking.recorded import RecordedRun, local_path
from gdexp.tracking.rows import insert_inputs, insert_metrics, insert_runs, set_tags

Opened = Callable[[Path], AbstractContextManager[sqlite3.Connection]]
RESERVED = ".reserved"
"""Ends the name of a note beside the runs' folders: which process reserved which of them."""


@dataclass(frozen=True)
class SqliteBackend:
    """The store at `uri` in the database at `path`, whose schema is the one that gdexp knows."""

    path: Path
    uri: str

    @contextlib.contextmanager
    def _using(self, opened: Opened) -> Iterator[sqlite3.Connection]:
        """Give the connection; raises TrackingError for what the database does not let be done with it."""
        try:
            with opened(self.path) as connection:
                yield connection
        except sqlite3.Error as error:
            raise TrackingError(f"the tracking store {self.uri} cannot be used: {error}; see tracking.uri") from error

    def find_experiment(self, name: str) -> Experiment | None:
        """Return the experiment called `name`, deleted or not, None where there is none."""
        query = "SELECT experiment_id, lifecycle_stage, artifact_location FROM experiments WHERE name = ?"
        with self._using(reading) as connection:
            found = connection.execute(query, (name,)).fetchone()
        return None if found is None else Experiment(str(found[0]), found[1] == "active", found[2] or "")

    def create_experiment(self, name: str, location: str | None) -> None:
        """Create an experiment with its artifacts in `location`, unless another process has just done so."""
        time = now()
        with self._using(transaction) as connection:
            connection.execute(
                "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time,"
                " workspace) VALUES (?, ?, 'active', ?, ?, 'default') ON CONFLICT DO NOTHING",
                (name, location, time, time),
            )

    def create_run(self, experiment_id: str, run: NewRun, *, again: bool = False) -> str:
        """Create a run that is RUNNING, with its tags and params, whole or not at all, and return its id.

        `again` where an earlier call may have created it: it is not created twice.
        """
        if again and (found := self.latest(experiment_id, PROCESS, run.tags[PROCESS])):
            return found.run_id
        rows = RunRows(uuid.uuid4().hex, run.name, "RUNNING", run.started, None, run.tags, run.params)
        return self.insert(experiment_id, [rows])[0]

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
        with self._using(transaction) as connection:
            experiment_id, _ = _active_run(connection, run_id)
            insert_metrics(connection, [(run_id, started, metrics)])
            set_tags(connection, run_id, tags or {})
            insert_inputs(connection, experiment_id, {run_id: dataset} if dataset else {})

    def set_status(self, run_id: str, status: str, ended: int | None = None) -> None:
        """End a run as FINISHED, FAILED or KILLED, at `ended` or now."""
        with self._using(transaction) as connection:
            _active_run(connection, run_id)
            connection.execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?", (status, ended or now(), run_id)
            )

    def take_up(self, run_id: str, tags: Mapping[str, str]) -> bool:
        """Have a run that has ended RUNNING again, with `tags`, and return whether it had; only one process does it."""
        with self._using(transaction) as connection:
            _active_run(connection, run_id)
            taken = connection.execute(
                "UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ? AND status <> 'RUNNING'",
                (run_id,),
            ).rowcount
            if taken:
                set_tags(connection, run_id, tags)
        return bool(taken)

    def log_artifacts(self, run_id: str, folder: Path, path: str | None = None) -> None:
        """Copy what is in `folder` to the run's artifacts, below `path` if that is given."""
        with self._using(reading) as connection:
            _, artifacts = _active_run(connection, run_id)
        root = local_path(artifacts)
        if root is None:
            self._client.log_artifacts(run_id, folder, path)
        else:
            _copy(folder, root / (path or ""))

    @contextlib.contextmanager
    def reserved(self, experiment_id: str, count: int) -> Iterator[list[tuple[str, Path]]]:
        """Give the ids of runs that are to be inserted, each with an empty folder for its artifacts.

        The folders of those that are not inserted in the end are removed again: by the next to reserve some, where this
        process is killed.
        """
        # Runs that began together are listed by their ids: the latest first, as it is where they began one by one.
        run_ids = sorted((uuid.uuid4().hex for _ in range(count)), reverse=True)
        with self._using(reading) as connection:
            artifacts = _artifacts(connection, experiment_id)
        root = local_path(artifacts)
        assert root is not None  # else the store would have been opened with MLflow's client
        for left in root.glob(f"*{RESERVED}"):
            with contextlib.suppress(OSError):  # somebody else's, or being removed already
                process, _, ids = left.read_text(encoding="utf-8").partition("\n")
                if is_alive(process) is False:
                    self._release(left, re.findall(r"^[0-9a-f]{32}$", ids, re.MULTILINE))
        root.mkdir(parents=True, exist_ok=True)
        note = root / f"{run_ids[0]}{RESERVED}"
        try:
            note.write_text("\n".join([of_this_process(), *run_ids]), encoding="utf-8")
            for run_id in run_ids:
                (root / run_id / "artifacts").mkdir(parents=True)
            yield [(run_id, root / run_id / "artifacts") for run_id in run_ids]
        finally:
            self._release(note, run_ids)

    def _release(self, note: Path, run_ids: Sequence[str]) -> None:
        """Remove the folders of those of the runs reserved in `note` that were not inserted, and the note."""
        query = "SELECT run_uuid FROM runs WHERE run_uuid IN (SELECT value FROM json_each(?))"
        with self._using(reading) as connection:
            inserted = {run_id for (run_id,) in connection.execute(query, (json.dumps(run_ids),))}
        for run_id in set(run_ids) - inserted:
            shutil.rmtree(note.parent / run_id, ignore_errors=True)
        note.unlink(missing_ok=True)

    def insert(self, experiment_id: str, runs: Sequence[RunRows]) -> list[str]:
        """Record runs whose artifacts are in their folders, all or none, and return their ids."""
        with self._using(transaction) as connection:
            root = _artifacts(connection, experiment_id).rstrip("/")
            folders = {run.run_id: f"{root}/{run.run_id}/artifacts" for run in runs}
            insert_runs(connection, int(experiment_id), folders, runs)
        return list(folders)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an experiment."""
        with self._using(transaction) as connection:
            connection.execute(
                "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?)"
                " ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value",
                (key, value, experiment_id),
            )

    def get_run(self, run_id: str) -> RecordedRun | None:
        """Return a run, None where the store has none of that id."""
        with self._using(reading) as connection:
            found = runs_of(connection, [run_id])
        return found[0] if found else None

    def children(self, experiment_id: str, parent_id: str) -> list[RecordedRun]:
        """Return the children of a run that are not deleted, the latest first."""
        with self._using(reading) as connection:
            return runs_of(connection, child_ids(connection, experiment_id, parent_id))

    def running(self, experiment_id: str) -> list[RecordedRun]:
        """Return the runs of an experiment that are RUNNING, the latest first."""
        with self._using(reading) as connection:
            return runs_of(connection, running_ids(connection, experiment_id))

    def latest(self, experiment_id: str, tag: str, value: str | None = None) -> RecordedRun | None:
        """Return the run that began last of those that have the tag, with `value` unless that is None."""
        with self._using(reading) as connection:
            found = runs_of(connection, latest_id(connection, experiment_id, tag, value))
        return found[0] if found else None

    def download(self, run_id: str, name: str, folder: str) -> Path | None:
        """Fetch an artifact that is not on this machine into `folder`, None where the run has none of that name."""
        return self._client.download(run_id, name, folder)

    def analyze(self) -> None:
        """Let SQLite find out which of its indexes are quick, which it does not by itself."""
        with self._using(reading) as connection:
            connection.execute("PRAGMA analysis_limit=1000")
            connection.execute("ANALYZE")

    @property
    def _client(self) -> ClientBackend:
        return ClientBackend(f"sqlite:///{self.path}")


def _copy(folder: Path, target: Path) -> None:
    """Copy what is in `folder` into `target`; a temporary folder's permissions are not those of what is kept."""
    target.mkdir(parents=True, exist_ok=True)
    for source in sorted(folder.rglob("*")):
        copy = target / source.relative_to(folder)
        if source.is_dir():
            copy.mkdir(exist_ok=True)
        else:
            shutil.copyfile(source, copy)


def _active_run(connection: sqlite3.Connection, run_id: str) -> tuple[int, str]:
    """Return the experiment of a run and where its artifacts are."""
    query = "SELECT experiment_id, artifact_uri FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    found = connection.execute(query, (run_id,)).fetchone()
    if found is None:
        raise TrackingError(f"the run {run_id} is no longer in the store, so nothing can be added to it")
    return found[0], found[1]


def _artifacts(connection: sqlite3.Connection, experiment_id: str) -> str:
    """Return where the artifacts of an experiment are."""
    query = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"
    found = connection.execute(query, (experiment_id,)).fetchone()
    if found is None:
        raise TrackingError("the MLflow experiment was deleted while it was recorded in; restore it or choose another")
    return str(found[0])
