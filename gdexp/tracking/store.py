"""Open the MLflow store that runs are recorded in, and make it where there is none yet."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gdexp.tracking.errors import TrackingError
from gdexp.tracking.settings import Tracking, masked

if TYPE_CHECKING:
    from mlflow import MlflowClient

ANSWER_SECONDS = 9
"""How long a store may take to answer when it is opened."""

T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """An open store: `client` speaks to it, `experiment_id` is where runs go; `uri` has its credentials masked."""

    client: MlflowClient = field(repr=False)
    uri: str
    experiment: str
    experiment_id: str


@lru_cache(maxsize=4)
def open_store(settings: Tracking) -> Store:
    """Return the store of `settings`, made with its experiment where either is missing.

    Raises TrackingError where it does not answer within ANSWER_SECONDS or cannot be used.
    """
    uri = settings.resolved_uri
    path = sqlite_path(uri)
    if path is not None:
        make_folder(path.parent / "mlruns")
        make_sqlite_store(path)
    elif uri.startswith("sqlite"):
        raise TrackingError(
            f"tracking.uri takes a SQLite store in a file, as sqlite:///mlflow.db; got {masked(uri)!r}, "
            "which would be gone with the run"
        )
    return _answering(uri, lambda: _connect(uri, settings.experiment, path))


@lru_cache(maxsize=4)
def existing_store(settings: Tracking) -> Store:
    """Return the store of `settings` to read from, in which nothing is made; an experiment that is missing has no id.

    Raises TrackingError where there is no store, or it does not answer within ANSWER_SECONDS.
    """
    uri = settings.resolved_uri
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        raise TrackingError(
            f"nothing is recorded yet: there is no store {masked(uri)}; run `python -m gdexp` first, change to the "
            "folder where it was run, or name another store with --uri"
        )
    return _answering(uri, lambda: _found(uri, settings.experiment))


def _answering(uri: str, connect: Callable[[], Store]) -> Store:
    """Return what `connect` does, with an error of one line where the store at `uri` does not let it."""
    import_mlflow()
    try:
        return within(ANSWER_SECONDS, connect)
    except TimeoutError:
        raise TrackingError(
            f"the tracking store {masked(uri)} did not answer within {ANSWER_SECONDS} seconds; "
            "start it, or set tracking.uri to one that runs"
        ) from None
    except TrackingError:
        raise
    except Exception as error:
        reason = masked(str(error)).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise TrackingError(f"the tracking store {masked(uri)} cannot be used: {reason}; see tracking.uri") from error


def _found(uri: str, experiment: str) -> Store:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return Store(client, masked(uri), experiment, found.experiment_id if found else "")


def _connect(uri: str, experiment: str, sqlite: Path | None) -> Store:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        # Beside the database, not in whatever folder happens to be the working directory.
        location = str(sqlite.parent / "mlruns" / re.sub(r"[^\w-]", "_", experiment)[:60]) if sqlite else None
        # Another process may create it between the two calls.
        with contextlib.suppress(Exception):
            client.create_experiment(experiment, artifact_location=location)
        found = client.get_experiment_by_name(experiment)
    if found is None:
        raise TrackingError(f"the tracking store {masked(uri)} does not let the experiment {experiment!r} be created")
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"the MLflow experiment {experiment!r} is deleted; restore it or choose another tracking.experiment"
        )
    return Store(client, masked(uri), experiment, found.experiment_id)


def import_mlflow() -> None:
    """Import MLflow, which takes seconds, with its telemetry and chatter switched off."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow would print the address of every run that ends, with the credentials in it.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # A server that has gone away is reported within seconds, not after MLflow's default of several minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    import mlflow  # noqa: F401

    logging.getLogger("mlflow").setLevel(logging.ERROR)


def sqlite_path(uri: str) -> Path | None:
    """Return the absolute path of the database file that a SQLite `uri` names, or None for any other store."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(match[1]).absolute() if match and match[1] != ":memory:" else None


def make_folder(path: Path) -> None:
    """Make the folder of the artifacts, so that one that cannot be had is found out before anything is recorded."""
    try:
        path.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        place = path if path.exists() else path.parent
        raise TrackingError(
            f"the folder {str(place)!r} cannot be written ({error.strerror}), so no run can be recorded there; "
            "change to another folder or set tracking.uri"
        ) from None


def make_sqlite_store(path: Path) -> None:
    """Make the store at `path` unless it exists, whole or not at all.

    MLflow's first migrations take seconds and break when they are killed or run twice at once, so they run on a
    draft, which is then linked into place; whoever comes second keeps the first one's.
    """
    if path.exists():
        return
    try:
        with tempfile.TemporaryDirectory(prefix=".mlflow-draft-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            _migrate(draft, path.parent / "mlruns")
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except OSError as error:
        raise TrackingError(
            f"the folder {str(path.parent)!r} cannot be written ({error.strerror}), so no store can be made there; "
            "change to another folder or set tracking.uri"
        ) from None


def _migrate(path: Path, artifacts: Path) -> None:
    import_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.ERROR)
    store = SqlAlchemyStore(f"sqlite:///{path}", str(artifacts))  # type: ignore[no-untyped-call]
    store.engine.dispose()


def within(seconds: float, action: Callable[[], T]) -> T:
    """Return what `action` returns, or raise TimeoutError after `seconds`: MLflow retries for minutes by itself."""
    results: list[T] = []
    errors: list[BaseException] = []

    def act() -> None:
        try:
            results.append(action())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]
