"""A folder in which the program runs, dies and is resumed."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.content import Difference, Recorded, Sweep, difference, wrong

SWEEP = ("-m", "lr=logspace(1e-3,6e-2,6)", "seed=0,1", "init=near_zero", "stopping.max_iterations=200")
SECONDS = 180
"""After so many seconds a program is taken to hang."""


@dataclass(frozen=True)
class Ended:
    """A program that ended: its exit status, negative for a signal, what it said, and how long it took."""

    status: int
    output: str
    errors: str
    seconds: float = 0.0

    def expected(self, what: str, *statuses: int, says: str = "") -> Difference:
        """Return what is wrong: another exit status, a traceback, `says` that is not said."""
        said = []
        if self.status not in statuses:
            said.append(f"{what} ended with {self.status} and not {statuses}: {self.errors.strip()[-600:]}")
        if "Traceback" in self.output + self.errors:
            said.append(f"{what} printed a traceback: {self.errors.strip()[-600:]}")
        if says not in self.output + self.errors:
            said.append(f"{what} did not say {says!r}: {(self.output[-300:] + self.errors[-600:]).strip()}")
        return wrong(*said)


@dataclass
class Running:
    """A program that was started, with the files that hold what it says."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path
    began: float = field(default_factory=time.monotonic)

    def lines(self) -> int:
        """Return how many lines the program has printed."""
        return self.output.read_bytes().count(b"\n")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float = SECONDS) -> Ended:
        """Return how it ended; a program that hangs is killed, and its status is that of SIGKILL."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        texts = [path.read_text(errors="replace") for path in (self.output, self.errors)]
        return Ended(self.process.returncode, texts[0], texts[1], time.monotonic() - self.began)

    def stop(self, number: int) -> Ended:
        """Send a signal, and return how the program ended and how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        ended = self.wait(60)
        return Ended(ended.status, ended.output, ended.errors, time.monotonic() - began)


@dataclass(frozen=True)
class Place:
    """A working directory `work` in the folder `root`, and the store that its sweeps are recorded in.

    `settings` are added to every sweep. `environment` is that of all programs.
    """

    root: Path
    recorded: Recorded
    settings: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @staticmethod
    def empty(root: Path, *settings: str) -> Place:
        """Return a new place whose store will be ./mlflow.db, whose sweeps draw nothing unless `settings` say so."""
        (root / "work").mkdir(parents=True)
        plots = () if any(text.startswith("plots=") for text in settings) else ("plots=none",)
        return Place(root, Recorded(root / "work" / "mlflow.db"), (*settings, *plots))

    @property
    def work(self) -> Path:
        return self.root / "work"

    def start(self, *arguments: str) -> Running:
        """Start `python` with `arguments` in the working directory."""
        number = next(self.numbers)
        output, errors = (self.root / f"{number}-{name}.txt" for name in ("output", "errors"))
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=self.work, env=inherited | self.environment, stdout=out, stderr=err
            )
        return Running(process, output, errors)

    def sweep(self, *settings: str) -> Running:
        """Start the sweep."""
        return self.start("-m", "gdexp", *SWEEP, *self.settings, *settings)

    def resume(self, *arguments: str) -> Ended:
        """Resume the latest sweep of the store, and return how that ended."""
        return self.resuming(*arguments).wait()

    def resuming(self, *arguments: str) -> Running:
        """Start to resume the latest sweep of the store."""
        uri = [text.removeprefix("tracking.uri=") for text in self.settings if text.startswith("tracking.uri=")]
        named = ["--experiment", self.recorded.experiment] + [part for text in uri for part in ("--uri", text)]
        return self.start("-m", "gdexp.resume", *named, *arguments)


@dataclass(frozen=True)
class Moment:
    """A moment in the life of a sweep: `delay` seconds after its start, its first file, or a line of its output."""

    after: Callable[[Place, Running], bool]
    delay: float

    def come(self, place: Place, program: Running) -> None:
        """Wait for the moment, or for the end of the program."""
        while program.alive and not self.after(place, program):
            time.sleep(0.001)
        passed = time.monotonic()
        while program.alive and time.monotonic() < passed + self.delay:
            time.sleep(0.001)


def at_start(_place: Place, _program: Running) -> bool:
    return True


def at_first_file(place: Place, _program: Running) -> bool:
    return any(place.work.iterdir())


def at_line(number: int) -> Callable[[Place, Running], bool]:
    """Return what tells whether a program has printed `number` lines."""
    return lambda _, program: program.lines() >= number


def mended(place: Place, expected: Sweep, count: int = 1) -> Difference:
    """Resume twice, and return how the store differs then from `count` undisturbed sweeps.

    Where the sweep had not begun to be recorded, it is begun once more.
    """
    total, first, began = Difference(), place.resume(), time.monotonic()
    # A worker that outlives the program that was killed is still at work on its run.
    while first.status == 2 and " still " in first.errors and time.monotonic() < began + SECONDS:
        first = place.resume()
    if "no sweep is recorded" in first.output or "nothing is recorded yet" in first.errors:
        first = place.sweep().wait()
    total += first.expected("resume", 0)
    total += place.resume().expected("the second resume", 0, says="nothing to resume")
    if (place.work / "gdexp-unsent").exists():
        total += wrong("gdexp-unsent is left")
    return total + difference(expected, place.recorded.sweeps(), count) + place.recorded.unopened()


def in_one_line(ended: Ended) -> Difference:
    """Return what is wrong unless an error was said in one line."""
    lines = ended.errors.strip().splitlines()
    return Difference() if len(lines) == 1 else wrong(f"said in {len(lines)} lines: {ended.errors[-600:]}")
