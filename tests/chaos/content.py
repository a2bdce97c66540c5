"""What a store holds of its sweeps, value for value, and how that differs from what an undisturbed sweep leaves."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

Point = tuple[str, int, str]
OF_ONE_RUN_ONLY = ("gdexp.process", "mlflow.parentRunId")
OF_THE_CHECKOUT = ("gdexp.git_", "mlflow.source.git.")
"""How tags begin that change when somebody commits meanwhile."""


@dataclass(frozen=True)
class Child:
    """A run of a sweep as the store has it; `points` are all of its metrics' points, each value to the bit."""

    status: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[Point]
    data: Sequence[str]
    trajectory: bytes
    files: frozenset[str]


@dataclass(frozen=True)
class Sweep:
    """A sweep as the store has it: its attempts at each job."""

    run_id: str
    status: str
    table: bytes
    attempts: Mapping[int, Sequence[Child]]


@dataclass(frozen=True)
class Difference:
    """How many runs are lost, doubled and wrong, and what is wrong with them."""

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    said: tuple[str, ...] = field(default=())

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            self.lost + other.lost, self.doubled + other.doubled, self.wrong + other.wrong, self.said + other.said
        )


def wrong(*said: str) -> Difference:
    """Return a difference that counts each of `said` as something wrong."""
    return Difference(wrong=len(said), said=said)


@dataclass(frozen=True)
class Recorded:
    """The database of a store, in which `experiment` is looked at, and the folder that `mlflow-artifacts:` names."""

    database: Path
    experiment: str = "gdexp"
    served: Path | None = None

    def sweeps(self) -> list[Sweep]:
        """Return the sweeps of the experiment, the oldest first; none where there is no store yet."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            rows = connection.execute(
                "SELECT run_uuid, status, runs.artifact_uri FROM runs JOIN experiments USING (experiment_id)"
                " WHERE experiments.name = ? ORDER BY start_time",
                (self.experiment,),
            ).fetchall()
            tags = {run: dict(_pairs(connection, "tags", run)) for run, _, _ in rows}
            return [
                self._sweep(connection, run, rows, tags) for run, _, _ in rows if "mlflow.parentRunId" not in tags[run]
            ]

    def _sweep(
        self,
        connection: sqlite3.Connection,
        parent: str,
        rows: Sequence[tuple[str, str, str]],
        tags: Mapping[str, Mapping[str, str]],
    ) -> Sweep:
        attempts: dict[int, list[Child]] = {}
        for run, status, uri in rows:
            if tags[run].get("mlflow.parentRunId") == parent:
                child = self._child(connection, run, status, self._folder(uri), tags[run])
                attempts.setdefault(int(tags[run]["gdexp.job"]), []).append(child)
        ((status, uri),) = [(status, uri) for run, status, uri in rows if run == parent]
        return Sweep(parent, status, _bytes(self._folder(uri) / "table.csv"), attempts)

    def _child(
        self, connection: sqlite3.Connection, run: str, status: str, folder: Path, tags: Mapping[str, str]
    ) -> Child:
        points = connection.execute("SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?", (run,))
        data = connection.execute(
            "SELECT dataset_profile FROM inputs JOIN datasets ON dataset_uuid = source_id WHERE destination_id = ?",
            (run,),
        )
        return Child(
            status,
            {key: value for key, value in _pairs(connection, "params", run) if not key.startswith("tracking.")},
            {key: value for key, value in tags.items() if not key.startswith((*OF_ONE_RUN_ONLY, *OF_THE_CHECKOUT))},
            sorted((key, step, repr(math.nan if nan else value)) for key, step, value, nan in points),
            [profile for (profile,) in data],
            _bytes(folder / "trajectory.parquet"),
            frozenset(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()),
        )

    def _folder(self, uri: str) -> Path:
        if uri.startswith("mlflow-artifacts:"):
            assert self.served is not None
            return self.served / uri.removeprefix("mlflow-artifacts:").lstrip("/")
        return Path(uri.removeprefix("file://"))

    def execute(self, statement: str) -> None:
        """Execute a statement in the database."""
        with closing(sqlite3.connect(self.database, timeout=60)) as connection, connection:
            connection.execute(statement)

    def unopened(self) -> Difference:
        """Return what MLflow's own client, and SQLite's check of the file, have against the store."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            client = MlflowClient(f"sqlite:///{self.database}")
            found = client.get_experiment_by_name(self.experiment)
            assert found is not None
            client.search_runs([found.experiment_id])
            with closing(sqlite3.connect(self.database, timeout=60)) as connection:
                said = [text for (text,) in connection.execute("PRAGMA integrity_check")]
        except (MlflowException, sqlite3.Error, AssertionError) as error:
            return wrong(f"the store does not open: {error!r}")
        return Difference() if said == ["ok"] else wrong(f"integrity_check says {said[:3]}")


def _pairs(connection: sqlite3.Connection, table: str, run: str) -> list[tuple[str, str]]:
    return connection.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", (run,)).fetchall()


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def difference(expected: Sweep, found: Sequence[Sweep], count: int = 1) -> Difference:
    """Return how `found` differs from `count` sweeps that each are the `expected` one, in which each job has one run.

    Attempts that did not finish may stand beside the one that did; none may say that it still runs.
    """
    total = Difference(
        lost=max(0, count - len(found)) * len(expected.attempts),
        doubled=max(0, len(found) - count),
        said=() if len(found) == count else (f"{len(found)} sweeps where {count} were to be",),
    )
    for sweep in found:
        total += _against(expected, sweep)
    return total


def _against(expected: Sweep, found: Sweep) -> Difference:
    total = Difference() if found.status == "FINISHED" else wrong(f"the parent is {found.status}")
    if found.table != expected.table:
        total += wrong("table.csv differs")
    for job, (wanted,) in expected.attempts.items():
        attempts = found.attempts.get(job, ())
        finished = [child for child in attempts if child.status == "FINISHED"]
        if not finished:
            total += Difference(lost=1, said=(f"job {job} is {[child.status for child in attempts]}",))
        if len(finished) > 1:
            total += Difference(doubled=len(finished) - 1, said=(f"job {job} has finished {len(finished)} times",))
        if any(child.status in ("RUNNING", "SCHEDULED") for child in attempts):
            total += wrong(f"job {job} still says RUNNING")
        for child in finished[:1]:
            parts = [part for part in vars(wanted) if getattr(child, part) != getattr(wanted, part)]
            if parts:
                total += wrong(f"job {job}: {', '.join(_told(part, wanted, child) for part in parts)}")
    if unknown := set(found.attempts) - set(expected.attempts):
        total += wrong(f"runs of jobs that are none: {sorted(unknown)}")
    return total


def _told(part: str, wanted: Child, child: Child) -> str:
    if part != "points":
        return f"{part} differ"
    missing, more = Counter(wanted.points) - Counter(child.points), Counter(child.points) - Counter(wanted.points)
    return f"{missing.total()} points missing, {more.total()} too many"
