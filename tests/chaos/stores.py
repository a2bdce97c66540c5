"""Faults of a local store: its database is locked, it cannot be written, or its disk is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tests.chaos.case import Case, Lab
from tests.chaos.content import Difference, Recorded, wrong
from tests.chaos.place import Moment, Place, at_line, at_start, in_one_line, mended

SMALL, LARGE = "16m", "64m"
LEAST_ROOM, MOST_ROOM = 9 << 18, 9 << 19
"""How many bytes a file system has left that is to become full in the middle of a sweep."""


def locks(lab: Lab, count: int, seconds: float) -> Iterator[Case]:
    """Yield databases that another program locks for longer than patience lasts, once for `seconds` in all patience."""
    for _ in range(count):
        moment = Moment(at_line(2), lab.random.uniform(0, 0.5))
        yield Case("database locked beyond patience", partial(_locked, lab, moment))
        yield Case("kill -9 while what was kept is sent", partial(_killed_while_sending, lab, lab.random.random()))
        for number in (signal.SIGINT, signal.SIGTERM):
            name = f"{number.name} while the database is locked"
            yield Case(name, partial(_interrupted, lab, moment, number), alone=True)
    if seconds:
        yield Case(f"database locked for {seconds:.0f} s", partial(_locked_for, lab, seconds))


def _locked(lab: Lab, moment: Moment, root: Path) -> Difference:
    place = Place.empty(root, "tracking.patience=1")
    program = place.sweep()
    moment.come(place, program)
    with locked(place.recorded):
        ended = program.wait()
        total = ended.expected("the sweep", 1, says="is kept in gdexp-unsent")
        refused = place.resume()
        total += refused.expected("resume of a locked store", 2, says="locked") + in_one_line(refused)
    return total + mended(place, lab.expected)


def _killed_while_sending(lab: Lab, share: float, root: Path) -> Difference:
    place = Place.empty(root, "tracking.patience=0")
    program = place.sweep()
    Moment(at_line(2), 0).come(place, program)
    with locked(place.recorded):
        total = program.wait().expected("the sweep", 1, says="is kept in gdexp-unsent")
    kept = place.work / "gdexp-unsent"
    for part in range(4):
        before = _writes(kept)
        program = place.resuming()
        Moment(lambda *_, before=before: _writes(kept) > before, 0.04 * (part + share)).come(place, program)
        program.stop(signal.SIGKILL)
    return total + mended(place, lab.expected)


def _writes(kept: Path) -> float:
    """Return when somebody last sent all that was kept of a run."""
    try:
        return kept.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _interrupted(lab: Lab, moment: Moment, number: signal.Signals, root: Path) -> Difference:
    place = Place.empty(root)
    program = place.sweep()
    moment.come(place, program)
    with locked(place.recorded):
        Moment(at_start, 1).come(place, program)
        ended = program.stop(number)
    total = lab.measured(ended.seconds) + ended.expected("the sweep", 130, says="gdexp: interrupted")
    return total + mended(place, lab.expected)


def _locked_for(lab: Lab, seconds: float, root: Path) -> Difference:
    place = Place.empty(root)
    program = place.sweep()
    moment = Moment(at_line(2), 0)
    moment.come(place, program)
    with locked(place.recorded):
        Moment(lambda *_: True, seconds).come(place, program)
        total = Difference() if program.alive else wrong("the sweep ended while its store was locked")
    total += program.wait().expected("the sweep", 0, says="answers again")
    return total + mended(place, lab.expected)


@contextlib.contextmanager
def locked(recorded: Recorded) -> Iterator[None]:
    """Hold the store's database as its only writer."""
    with contextlib.closing(sqlite3.connect(recorded.database, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def read_only(lab: Lab) -> Iterator[Case]:
    """Yield a store that cannot be written from the start, and a folder of artifacts that can be no longer."""
    name = "read-only store"
    if not _can_protect(lab):
        yield Case(name, None, "not done: this file system has no chattr, and root writes everywhere")
        return
    yield Case(name, partial(_read_only_from_the_start, lab))
    for _ in range(2):
        yield Case(name, partial(_read_only_files, lab, Moment(at_line(2), lab.random.uniform(0, 0.5))))


def _read_only_from_the_start(lab: Lab, root: Path) -> Difference:
    place = Place.empty(root)
    total = place.start("-m", "gdexp", "plots=none", "tracking.experiment=other").wait().expected("a run", 0)
    before = place.recorded.database.read_bytes()
    with protected(place.recorded.database):
        ended = place.sweep().wait()
        total += ended.expected("the sweep", 2, says="mlflow.db") + in_one_line(ended)
    if place.recorded.database.read_bytes() != before:
        total += wrong("the store that cannot be written has changed")
    return total + place.sweep().wait().expected("the sweep", 0) + mended(place, lab.expected)


def _read_only_files(lab: Lab, moment: Moment, root: Path) -> Difference:
    place = Place.empty(root, "tracking.patience=1")
    program = place.sweep()
    moment.come(place, program)
    with protected(place.work / "mlruns" / "gdexp"):
        total = program.wait().expected("the sweep", 1)
        refused = place.resume()
        total += refused.expected("resume of a store that cannot be written", 2) + in_one_line(refused)
    return total + mended(place, lab.expected)


@contextlib.contextmanager
def protected(path: Path) -> Iterator[None]:
    """Let nobody write to a file or a folder, not even root."""
    if os.geteuid():
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222)
        try:
            yield
        finally:
            path.chmod(mode)
        return
    subprocess.run(["chattr", "+i", str(path)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True, capture_output=True)


def _can_protect(lab: Lab) -> bool:
    file = lab.root / "protected"
    file.touch()
    return _can(lambda: protected(file))


def _can(try_it: Callable[[], AbstractContextManager[None]]) -> bool:
    try:
        with try_it():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def full_disks(lab: Lab, count: int) -> Iterator[Case]:
    """Yield disks that are full from the start, or become full in the middle of a sweep."""
    name = "full disk"
    folder = lab.root / "mounted"
    folder.mkdir()
    if not _can(lambda: mounted(folder)):
        yield Case(name, None, "not done: only root may mount a small file system")
        return
    yield Case(name, partial(_full, lab, 0))
    for _ in range(count):
        yield Case(name, partial(_full, lab, lab.random.randrange(LEAST_ROOM, MOST_ROOM)))


def _full(lab: Lab, room: int, root: Path) -> Difference:
    place = Place.empty(root, "tracking.patience=1")
    with mounted(place.work):
        with (place.work / "ballast").open("wb") as ballast:
            ballast.write(bytes(shutil.disk_usage(place.work).free - room))
        ended = place.sweep().wait()
        total = ended.expected("the sweep", 1 if room else 2, says="full")
        total += Difference() if room else in_one_line(ended)
        before = {job for sweep in place.recorded.sweeps() for job, tries in sweep.attempts.items() if _finished(tries)}
        lab.note(f"{len(before)} of {len(lab.expected.attempts)} runs fitted on the disk")
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(place.work)], check=True)
        total += mended(place, lab.expected)
    return total


def _finished(tries: object) -> bool:
    return any(child.status == "FINISHED" for child in tries)  # type: ignore[attr-defined]


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Mount a small file system at a folder."""
    options = ["-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
