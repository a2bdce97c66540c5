"""What the rows of the benchmark yield: cases, the aims they meet or miss, and the numbers as a table."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from experiments.performance.measure import Sample

TOLERANCE = 1e-9
"""The largest relative difference at which losses count as the same."""
TIMES = ["median", "quartile_1", "quartile_3"]
COLUMNS = ["row", "work", "contender", "role", "repetitions", *TIMES, "peak_bytes", "note"]


@dataclass(frozen=True)
class Settings:
    """How the rows are run: in the folder `work`, so many times each, with tiny sizes where `quick`."""

    work: Path
    repetitions: int
    quick: bool

    def size(self, full: int, quick: int) -> int:
        """Return `full`, or `quick` in a quick run."""
        return quick if self.quick else full

    def folder(self, name: str) -> Path:
        """Return the folder `name` below `work`, made where it is missing."""
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True)
class Aim:
    """A number that shall be `at_least` or `at_most` something."""

    text: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the number is what it shall be."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


@dataclass(frozen=True)
class Share:
    """Seconds that a profile attributes to `where`."""

    where: str
    seconds: float


@dataclass(frozen=True)
class Profile:
    """Where the time of one process goes: `what` was profiled and how, the largest shares first, and their `total`."""

    what: str
    shares: Sequence[Share]
    total: float


@dataclass(frozen=True)
class Case:
    """One piece of work at one size: the samples of all who did it, how their results were compared, the aims."""

    row: int
    work: str
    samples: Sequence[Sample] = ()
    aims: Sequence[Aim] = ()
    checked: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    profiles: Sequence[Profile] = ()
    skipped: str = ""

    def of(self, role: str) -> list[Sample]:
        """Return the samples of a role that were measured."""
        return [sample for sample in self.samples if sample.role == role and sample.seconds]


Row = Callable[[Settings], list[Case]]


def check_same(ours: ArrayLike, theirs: ArrayLike, who: str) -> None:
    """Raise RuntimeError unless the losses of `who` are gdexp's, shape (k,), within TOLERANCE of each."""
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if a.shape != b.shape:
        raise RuntimeError(f"{who} recorded {b.size} losses, gdexp {a.size}: the work is not the same")
    difference = float(np.max(np.abs(a - b) / np.abs(a)))
    if not difference <= TOLERANCE:
        raise RuntimeError(f"the losses of {who} differ from gdexp's by {difference:.1e}: the work is not the same")


def write_csv(path: Path, cases: Sequence[Case]) -> None:
    """Write a line for each contender of each case, in seconds and bytes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for case in cases:
            for one in case.samples:
                numbers = [f"{value:.6g}" for value in (one.median, *one.quartiles)] if one.seconds else [""] * 3
                note = "; ".join(text for text in (one.missing, one.note) if text)
                table.writerow(
                    [case.row, case.work, one.name, one.role, len(one.seconds), *numbers, one.peak or "", note]
                )
            if case.skipped:
                table.writerow([case.row, case.work, "", "skipped", 0, "", "", "", "", case.skipped])
