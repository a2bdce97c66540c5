"""A SQLite database of MLflow's: made from its schema, and one connection to each in a process."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from gdexp.tracking.backend import now

SCHEMA = Path(__file__).with_name("schema.sql")
"""What MLflow's migrations leave behind, written by `python -m gdexp.tracking.schema`."""
BUSY_SECONDS = 10
"""How long a writer waits for its turn before it says so."""
SLICE_MS = 200
CACHE_KIB = 65536

_lock = threading.RLock()
_connections: dict[tuple[Path, int], sqlite3.Connection] = {}


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give this process's connection to the database at `path`; whoever else wants it waits."""
    with _lock:
        # A file that was removed or replaced would go on being written to, and be gone with the process.
        place = (path, path.stat().st_ino if path.exists() else 0)
        if place not in _connections:
            _connections[place] = _connected(path)
        yield _connections[place]


@contextlib.contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Give the connection for what is to be written whole or not at all."""
    with reading(path) as connection, connection:
        _take_turn(connection)
        yield connection


def _take_turn(connection: sqlite3.Connection) -> None:
    """Begin to write, at once, because a reader that turns into a writer is not made to wait but refused.

    Waiting goes by slices, because SQLite lets no signal through while it waits.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    connection.execute(f"PRAGMA busy_timeout={SLICE_MS}")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            # Nothing that was committed is lost with the process; without a log to replay that takes more care.
            connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _close_and_hold() -> None:
    """Close all connections and let nobody open one: SQLite forbids to carry them over a fork."""
    _lock.acquire()
    while _connections:
        _connections.popitem()[1].close()


def _close_at_exit() -> None:
    if _lock.acquire(blocking=False):
        _close_and_hold()


os.register_at_fork(before=_close_and_hold, after_in_parent=_lock.release, after_in_child=_lock.release)
atexit.register(_close_at_exit)


def has_known_schema(path: Path) -> bool:
    """Tell whether the database at `path` is at the migration whose schema gdexp knows how to write."""
    with reading(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return False
        if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(_header("revision"),)]:
            return False
        # MLflow refuses a store with workspaces unless it is told to use them.
        return not connection.execute("SELECT 1 FROM experiments WHERE workspace <> 'default'").fetchone()


def mlflow_makes_known_schema() -> bool:
    """Tell whether the installed MLflow would make the schema that gdexp knows; MLflow is not imported."""
    return migrations_digest() == _header("migrations")


def migrations_digest() -> str:
    """Return a digest of the names of the migrations that the installed MLflow has."""
    found = find_spec("mlflow")
    root = Path(found.origin).parent if found and found.origin else Path()
    names = sorted(path.name for path in (root / "store" / "db_migrations" / "versions").glob("*.py"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def create(path: Path, artifacts: Path) -> None:
    """Make a database at `path` as MLflow would, with the artifacts of its default experiment in `artifacts`."""
    made_at = now()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # A draft that is not whole is thrown away, so it needs no care until it is.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(SCHEMA.read_text(encoding="utf-8"))
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time,"
            " last_update_time, workspace) VALUES (0, 'Default', ?, 'active', ?, ?, 'default')",
            (str(artifacts / "0"), made_at, made_at),
        )
    with path.open("rb") as made:
        os.fsync(made)


@lru_cache(maxsize=1)
def _headers() -> dict[str, str]:
    """Return what the first lines of the schema say of it."""
    with SCHEMA.open(encoding="utf-8") as lines:
        heads = [next(lines).removeprefix("-- ").partition(":") for _ in range(2)]
    return {key: value.strip() for key, _, value in heads}


def _header(key: str) -> str:
    return _headers()[key]
