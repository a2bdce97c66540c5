"""Look into SQLite stores: what a run left there, copies of the schema, raw inserts of the same rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.performance.results import check_same

TABLES = ("runs", "params", "tags", "metrics", "latest_metrics", "datasets", "inputs", "input_tags")
CHUNK = 50_000


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to the store at `path`."""
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def runs(path: Path) -> list[str]:
    """Return the ids of the finished runs in a store, in the order in which they began."""
    with opened(path) as store:
        rows = store.execute("SELECT run_uuid FROM runs WHERE status = 'FINISHED' ORDER BY start_time")
        return [run for (run,) in rows]


def losses(path: Path, run_id: str) -> NDArray[np.float64]:
    """Return the recorded losses of a run, in the order of the steps."""
    with opened(path) as store:
        rows = store.execute("SELECT value FROM metrics WHERE run_uuid = ? AND key = 'mse' ORDER BY step", [run_id])
        return np.array([value for (value,) in rows])


def metric_rows(path: Path, run_id: str) -> list[tuple[str, int, float]]:
    """Return key, step and value of every metric row of a run, sorted."""
    with opened(path) as store:
        rows = store.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ? ORDER BY key, step", [run_id])
        return list(rows)


def runs_by_lr(path: Path, where: str = "") -> dict[str, str]:
    """Return the latest finished run for each value of the param `lr`, among those that satisfy the SQL `where`."""
    with opened(path) as store:
        rows = store.execute(
            "SELECT p.value, r.run_uuid FROM runs r JOIN params p ON p.run_uuid = r.run_uuid AND p.key = 'lr' "
            f"WHERE r.status = 'FINISHED' {where} ORDER BY r.start_time"
        )
        return dict(rows)


def check_same_runs(ours: Path, theirs: Path, who: str, where: str = "") -> None:
    """Compare the losses of the runs in `theirs` with those in `ours` that have the same learning rate."""
    mine = {float(lr): run for lr, run in runs_by_lr(ours, where).items()}
    other = {float(lr): run for lr, run in runs_by_lr(theirs).items()}
    if not set(other) <= set(mine):
        raise RuntimeError(f"{who} and gdexp have different learning rates: the work is not the same")
    for lr, run in other.items():
        check_same(losses(ours, mine[lr]), losses(theirs, run), who)


def insert_raw(source: Path, target: Path, tables: Sequence[str] = TABLES, run_id: str | None = None) -> float:
    """Insert the rows of `source`, of one run or of all, into a fresh copy of its schema; return the seconds for that.

    One transaction; reading and making the tables are not part of the time.
    """
    for suffix in ("", "-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    seconds = 0.0
    with opened(source) as store, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode=WAL")
        for (statement,) in store.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type != 'table'"
        ):
            copy.execute(statement)
        copy.execute("BEGIN IMMEDIATE")
        for table in tables:
            where, values = ("WHERE run_uuid = ?", [run_id]) if run_id else ("", [])
            rows = store.execute(f"SELECT * FROM {table} {where}", values)
            marks = ", ".join("?" * len(rows.description))
            while chunk := rows.fetchmany(CHUNK):
                started = time.perf_counter()
                copy.executemany(f"INSERT INTO {table} VALUES ({marks})", chunk)
                seconds += time.perf_counter() - started
        started = time.perf_counter()
        copy.execute("COMMIT")
        return seconds + time.perf_counter() - started


def without_statistics(source: Path, target: Path) -> None:
    """Copy a store as MLflow leaves it: without the statistics that ANALYZE gives the query planner."""
    with opened(source) as store, opened(target) as copy:
        store.backup(copy)
        for (table,) in copy.execute("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat%'").fetchall():
            copy.execute(f"DROP TABLE {table}")
        copy.commit()
