"""Open the MLflow store that runs are recorded in, and make it where there is none yet."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from gdexp.tracking.backend import Backend, Experiment
from gdexp.tracking.client import ClientBackend, import_mlflow, migrate
from gdexp.tracking.database import create, has_known_schema, mlflow_makes_known_schema
from gdexp.tracking.delivery import FIRST_WAIT, LONGEST_WAIT, Delivery
from gdexp.tracking.errors import StoreAwayError, TrackingError, is_away, reason
from gdexp.tracking.recorded import local_path
from gdexp.tracking.settings import Tracking, masked
from gdexp.tracking.sqlite import SqliteBackend
from gdexp.tracking.unsent import FOLDER, Unsent
from gdexp.tracking.within import within

ANSWER_SECONDS = 9
"""How long a store may take to answer when it is opened."""
log = logging.getLogger("gdexp")


@dataclass(frozen=True)
class Store:
    """An open store: `backend` speaks to it, `delivery` even where it goes away; `experiment_id` is where runs go.

    `uri` has its credentials masked.
    """

    backend: Backend = field(repr=False)
    delivery: Delivery = field(repr=False)
    uri: str
    experiment: str
    experiment_id: str


@lru_cache(maxsize=4)
def open_store(settings: Tracking) -> Store:
    """Return the store of `settings`, made with its experiment where either is missing.

    Raises TrackingError where it does not answer within ANSWER_SECONDS or cannot be used.
    """
    uri = settings.resolved_uri
    path = database_path(uri)
    if path is not None:
        make_folder(path.parent / "mlruns")
        make_sqlite_store(path)
    return _answering(uri, lambda: _opened(uri, path, settings))


def open_patiently(settings: Tracking) -> Store:
    """Return the store of `settings`; one that is away is waited for as long as patience lasts, which is logged."""
    until, wait = time.monotonic() + settings.patience, FIRST_WAIT
    while True:
        try:
            return open_store(settings)
        except StoreAwayError as error:
            left = until - time.monotonic()
            if left <= 0:
                raise
            if wait == FIRST_WAIT:
                log.warning("%s; trying again for %.0f s", str(error).partition(";")[0], left)
        time.sleep(min(wait, left))
        wait = min(2 * wait, LONGEST_WAIT)


@lru_cache(maxsize=4)
def existing_store(settings: Tracking) -> Store:
    """Return the store of `settings` to read from, in which nothing is made; an experiment that is missing has no id.

    Raises TrackingError where there is no store, or it does not answer within ANSWER_SECONDS.
    """
    uri = settings.resolved_uri
    path = database_path(uri)
    if path is not None and not path.exists():
        raise TrackingError(
            f"nothing is recorded yet: there is no store {masked(uri)}; run `python -m gdexp` first, change to the "
            "folder where it was run, or name another store with --uri"
        )
    return _answering(uri, lambda: _found(uri, path, settings)[0])


def _answering(uri: str, connect: Callable[[], Store]) -> Store:
    """Return what `connect` does, with an error of one line where the store at `uri` does not let it."""
    path = sqlite_path(uri)
    try:
        if path is None or not within(ANSWER_SECONDS, lambda: _is_known(uri, path)):
            # Takes seconds that are not the store's.
            import_mlflow()
        return within(ANSWER_SECONDS, connect)
    except TimeoutError:
        raise StoreAwayError(
            f"the tracking store {masked(uri)} did not answer within {ANSWER_SECONDS} seconds; "
            "start it, or set tracking.uri to one that runs"
        ) from None
    except TrackingError:
        raise
    except Exception as error:
        if path is None and is_away(error):
            raise StoreAwayError(
                f"the tracking store {masked(uri)} did not answer ({reason(error)}); "
                "start it, or set tracking.uri to one that runs"
            ) from None
        why = reason(error).partition(". ")[0]
        raise TrackingError(f"the tracking store {masked(uri)} cannot be used: {why}; see tracking.uri") from error


def _is_known(uri: str, path: Path) -> bool:
    """Tell whether gdexp itself can write what `uri` names; what stands behind a ? is for MLflow to understand."""
    return "?" not in uri and has_known_schema(path)


def _found(uri: str, path: Path | None, settings: Tracking) -> tuple[Store, Experiment | None]:
    """Return the store as it is, and its experiment, None where that is missing."""
    backend: Backend = SqliteBackend(path, masked(uri)) if path and _is_known(uri, path) else ClientBackend(uri)
    found = backend.find_experiment(settings.experiment)
    if found and local_path(found.artifact_location) is None:
        backend = ClientBackend(uri)
    # However it was spelled.
    place = f"sqlite:///{path}" if path else masked(uri).rstrip("/")
    delivery = Delivery(backend, masked(uri), settings.patience, Unsent(Path(FOLDER).absolute(), place))
    return Store(backend, delivery, masked(uri), settings.experiment, found.experiment_id if found else ""), found


def _opened(uri: str, path: Path | None, settings: Tracking) -> Store:
    """Return the store with its experiment, made if need be."""
    experiment = settings.experiment
    store, found = _found(uri, path, settings)
    if found is None:
        # Beside the database, not in whatever folder happens to be the working directory.
        folder = path.parent / "mlruns" / re.sub(r"[^\w-]", "_", experiment)[:60] if path else None
        # MLflow takes a percent sign in a plain path for the beginning of an escape.
        location = None if folder is None else folder.as_uri() if "%" in str(folder) else str(folder)
        # Another process may create it between the two calls.
        with contextlib.suppress(Exception):
            store.backend.create_experiment(experiment, location)
        store, found = _found(uri, path, settings)
    if found is None:
        raise TrackingError(f"the tracking store {masked(uri)} does not let the experiment {experiment!r} be created")
    if not found.active:
        raise TrackingError(
            f"the MLflow experiment {experiment!r} is deleted; restore it or choose another tracking.experiment"
        )
    return store


def database_path(uri: str) -> Path | None:
    """Return what sqlite_path does; raises TrackingError for a SQLite store that is in no file."""
    path = sqlite_path(uri)
    if path is None and uri.startswith("sqlite"):
        raise TrackingError(
            f"tracking.uri takes a SQLite store in a file, as sqlite:///mlflow.db; got {masked(uri)!r}, "
            "which would be gone with the run"
        )
    return path


def sqlite_path(uri: str) -> Path | None:
    """Return the absolute path of the database file that a SQLite `uri` names, or None for any other store."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    # MLflow takes escapes for what they stand for.
    return Path(unquote(match[1])).absolute() if match and match[1] != ":memory:" else None


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

    MLflow's first migrations break when they are killed or run twice at once, so a store is made as a draft, which
    is then linked into place; whoever comes second keeps the first one's.
    """
    if path.exists():
        return
    try:
        with tempfile.TemporaryDirectory(prefix=".mlflow-draft-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            make = create if mlflow_makes_known_schema() else migrate
            make(draft, path.parent / "mlruns")
            with contextlib.closing(sqlite3.connect(draft)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TrackingError(
            f"the folder {str(path.parent)!r} cannot be written ({reason}), so no store can be made there; "
            "change to another folder or set tracking.uri"
        ) from None
