"""Time contenders for the same work side by side, in this process or in fresh ones."""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

Role = Literal["gdexp", "peer", "limit", "reference"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt, from malloc.h."""
REST_SECONDS = 0.15
"""How long nobody works before a repetition: for a tenth of a second threads of BLAS wait for more work, and take a
core from whoever comes next."""

# A process inherits the peak memory of the one that starts it, so a small one stands between the benchmark and a child.
LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
print()
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss]))
"""


class UnavailableError(Exception):
    """A contender or a row that cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Measured:
    """What a contender measured itself: `seconds`, and `peak` bytes of resident memory where it was a process."""

    seconds: float
    result: Any = None
    peak: int | None = None


@dataclass(frozen=True)
class Contender:
    """One way to do the work. `work` returns a result to be checked, or a Measured; its time is times `scale`.

    It takes part in so many `rounds` of each turn: who needs a few milliseconds is disturbed by little, and needs more.
    """

    name: str
    role: Role
    work: Callable[[], Any]
    note: str = ""
    scale: float = 1.0
    rounds: int = 1


@dataclass(frozen=True)
class Sample:
    """The seconds of a contender's repetitions, in order; none where it is `missing`, which says why."""

    name: str
    role: Role
    seconds: tuple[float, ...]
    note: str = ""
    peak: int | None = None
    missing: str = ""
    result: Any = field(default=None, repr=False, compare=False)

    @property
    def median(self) -> float:
        """The median time in seconds."""
        return float(np.median(self.seconds))

    @property
    def quartiles(self) -> tuple[float, float]:
        """The quartiles of the time in seconds."""
        low, high = np.percentile(self.seconds, [25, 75])
        return float(low), float(high)


def interleaved(contenders: Sequence[Contender], repetitions: int) -> dict[str, Sample]:
    """Return a sample of each of `contenders`, which take turns (A B C A B C ...); the last result of each is kept.

    All take part in a turn's first round, and in the later ones those whose `rounds` are as many. A contender that
    raises UnavailableError is missing.
    """
    times: dict[str, list[float]] = {one.name: [] for one in contenders}
    peaks: dict[str, list[int]] = {one.name: [] for one in contenders}
    results: dict[str, Any] = {}
    missing: dict[str, str] = {}
    rounds = range(max(one.rounds for one in contenders))
    for _, round_ in product(range(repetitions), rounds):
        for one in contenders:
            if round_ >= one.rounds or one.name in missing:
                continue
            gc.collect()
            rest()
            started = time.perf_counter()
            try:
                result = one.work()
            except UnavailableError as error:
                missing[one.name] = str(error)
                continue
            seconds = time.perf_counter() - started
            measured = result if isinstance(result, Measured) else Measured(seconds, result)
            times[one.name].append(measured.seconds * one.scale)
            results[one.name] = measured.result
            if measured.peak is not None:
                peaks[one.name].append(measured.peak)
    return {
        one.name: Sample(
            name=one.name,
            role=one.role,
            seconds=tuple(times[one.name]),
            note=one.note,
            peak=max(peaks[one.name], default=None),
            missing=missing.get(one.name, ""),
            result=results.get(one.name),
        )
        for one in contenders
    }


def fastest(work: Callable[[], Any], times: int = 10) -> Measured:
    """Return the shortest of some repetitions in a row: what the machine can do, with its threads awake."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return Measured(min(seconds), result)


def keep_memory() -> None:
    """Let memory that is given back stay with the process, where the C library can be asked to (glibc)."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, 2**25)
        library.mallopt(M_TRIM_THRESHOLD, 2**30)


def rest() -> None:
    """Let REST_SECONDS pass, awake: a processor that has slept begins slowly."""
    end = time.perf_counter() + REST_SECONDS
    while time.perf_counter() < end:
        pass


def child(arguments: Sequence[str | Path], folder: Path) -> Measured:
    """Run `python ARGUMENTS` as a fresh process in `folder` and return its time, peak memory and standard output.

    Raises RuntimeError with the end of what it said where it fails.
    """
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", LAUNCHER, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    output, _, last = done.stdout.rstrip("\n").rpartition("\n")
    status, seconds, peak = json.loads(last)
    if status != 0:
        said = "\n".join((output + "\n" + done.stderr).strip().splitlines()[-12:])
        raise RuntimeError(f"a process ended with {status}:\n{said}")
    return Measured(seconds, output, peak if sys.platform == "darwin" else peak * 1024)
