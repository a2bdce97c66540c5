"""What a store did not take, kept whole in the working directory until it can be sent: a folder for each run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gdexp.tracking.backend import Backend, NewRun, now
from gdexp.tracking.errors import TrackingError, is_away, reason
from gdexp.tracking.operations import Operation, is_end, kept_operation
from gdexp.tracking.process import is_alive, of_this_process

FOLDER = "gdexp-unsent"
log = logging.getLogger("gdexp")


@dataclass(frozen=True)
class Unsent:
    """The runs that are kept in `root` for the store at `uri`, whose credentials are masked."""

    root: Path
    uri: str

    def begin(self, experiment_id: str, run: NewRun) -> str:
        """Keep the beginning of a run that the store does not know yet, and return a name for it until it does."""
        name = f"unsent-{uuid.uuid4().hex}"
        self._write(name, {"experiment_id": experiment_id, "new": asdict(run)})
        return name

    def holds(self, run_id: str) -> bool:
        """Tell whether something of the run is kept, so that what comes after it must wait for its turn."""
        return (self.root / run_id).is_dir()

    def add(self, run_id: str, operation: Operation) -> None:
        """Keep one more piece of a run; raises TrackingError where even that cannot be done."""
        if not self.holds(run_id):
            self._write(run_id, {"run_id": run_id})
        folder = self.root / run_id
        with self._writing() as draft:
            operation.keep(draft)
            draft.rename(folder / f"{len(list(folder.glob('[0-9]*'))):06d}")

    def _write(self, name: str, about: dict[str, Any]) -> None:
        with self._writing() as draft:
            about = {"uri": self.uri, "process": of_this_process(), **about}
            (draft / "run.json").write_text(json.dumps(about), encoding="utf-8")
            draft.rename(self.root / name)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Path]:
        """Give an empty folder that is to be renamed once it is whole."""
        try:
            draft = self._draft()
            try:
                yield draft
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError as error:
            raise TrackingError(
                f"what the tracking store does not take cannot be kept in {str(self.root)!r} either: {error.strerror}"
            ) from error

    def _draft(self) -> Path:
        for _ in range(9):
            self.root.mkdir(exist_ok=True)
            # Whoever has sent all there was may be removing the folder.
            with contextlib.suppress(FileNotFoundError):
                return Path(tempfile.mkdtemp(prefix=".draft-", dir=self.root))
        raise FileNotFoundError(2, "it is removed again and again")

    def send(self, backend: Backend, *, assume_dead: bool = False) -> Iterator[str]:
        """Send the runs that are kept for this store, and yield the name of each once the store has all of it.

        Those that another process is still adding to are left alone, and so are those of other machines unless
        `assume_dead`. One that the store refuses for its own sake is set aside. Whoever sends, sends alone.
        """
        with contextlib.suppress(FileNotFoundError), self._locked():
            for folder in sorted(self.root.iterdir()):
                about = _about(folder)
                if about.get("uri") == self.uri and _is_ready(folder, about, assume_dead):
                    with self._set_aside(folder):
                        yield self._send(backend, folder, about)
            with contextlib.suppress(OSError):
                self.root.rmdir()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        place = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(place, fcntl.LOCK_EX)
            yield
        finally:
            os.close(place)

    @contextlib.contextmanager
    def _set_aside(self, folder: Path) -> Iterator[None]:
        """Go on where a run cannot be sent for a reason that stays, as when it was deleted, and keep its folder."""
        try:
            yield
        except Exception as error:
            if is_away(error):
                raise
            aside = folder.with_name(f".refused-{folder.name}")
            folder.rename(aside)
            log.warning("%s is not taken by the tracking store (%s) and set aside", aside, reason(error))

    def _send(self, backend: Backend, folder: Path, about: dict[str, Any]) -> str:
        if "run_id" not in about:
            about["run_id"] = backend.create_run(about["experiment_id"], NewRun(**about["new"]), again=True)
            draft = folder / ".run.json"
            draft.write_text(json.dumps(about), encoding="utf-8")
            draft.replace(folder / "run.json")
        run_id: str = about["run_id"]
        whole = _is_whole(folder)
        for piece in _pieces(folder):
            kept_operation(piece).send(backend, run_id)
        if not whole:
            backend.set_status(run_id, "KILLED", now())
        # Renamed first, so that what is left of a removal is nothing to send.
        done = folder.with_name(f".sent-{folder.name}")
        folder.rename(done)
        shutil.rmtree(done, ignore_errors=True)
        return run_id


def _about(folder: Path) -> dict[str, Any]:
    """Return what is known of the run that is kept in `folder`, nothing where none is."""
    try:
        about: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {} if folder.name.startswith(".") else about


def _is_ready(folder: Path, about: dict[str, Any], assume_dead: bool) -> bool:
    """Tell whether nobody adds to the run that is kept in `folder` any more."""
    if _is_whole(folder):
        return True
    alive = is_alive(about["process"])
    return alive is False or (alive is None and assume_dead)


def _pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*"))


def _is_whole(folder: Path) -> bool:
    """Tell whether the end of the run is among what is kept of it."""
    pieces = _pieces(folder)
    return bool(pieces) and is_end(pieces[-1])
