"""A recorded run beside its repetition: identical to the bit, or how far apart, and from which step on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gdexp.core.factor import Array

if TYPE_CHECKING:
    from gdexp.tracking.read import RecordedRun

TOLERANCE = 1e-12
"""A relative difference beyond it is named with its step."""


@dataclass(frozen=True, eq=False)
class Replay:
    """What came out when the run `run_id` was carried out again.

    `steps` is the last recorded step. `differences` has the largest relative difference of each column that is not
    identical to the bit, `largest_difference` is the largest of them and `first_step_beyond` the first step where
    one exceeds TOLERANCE. `faults` say in words what else differs: columns, steps, the stop reason, or metrics that
    contradict the trajectory. `remarks` say what was not as it was recorded before the run began.
    """

    run_id: str
    steps: int
    differences: Mapping[str, float]
    first_step_beyond: int | None
    faults: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether every column of every step is identical to the bit, and the rest of the record agrees."""
        return not self.differences and not self.faults

    @property
    def largest_difference(self) -> float:
        """The largest relative difference of any step, 0 where there is none."""
        return max(self.differences.values(), default=0.0)

    def __str__(self) -> str:
        """The outcome in one line."""
        if self.identical:
            return f"identical to the bit, steps 0 to {self.steps}"
        texts = list(self.faults)
        if self.differences:
            column = max(self.differences, key=lambda name: self.differences[name])
            beyond = (
                f"no step exceeds {TOLERANCE:g}"
                if self.first_step_beyond is None
                else f"step {self.first_step_beyond} is the first beyond {TOLERANCE:g}"
            )
            texts.append(f"the largest relative difference is {self.largest_difference:.6g}, of {column}; {beyond}")
        else:
            texts.append("the steps that can be compared are identical to the bit")
        return f"differs: {'; '.join(texts)}"


def compared(recorded: Mapping[str, Array], now: Mapping[str, Array]) -> tuple[dict[str, float], int | None, list[str]]:
    """Return the largest relative difference by column, the first step beyond TOLERANCE, and what else differs.

    Columns that are identical to the bit have no difference, not even of 0, which two NaN or a zero of the other
    sign have.
    """
    faults = []
    if list(recorded) != list(now):
        faults.append(f"the columns are {', '.join(now)}; {', '.join(recorded)} were recorded")
    lengths = len(now["step"]), len(recorded["step"])
    if lengths[0] != lengths[1]:
        faults.append(f"the last step is {lengths[0] - 1}, {lengths[1] - 1} was recorded")
    differences, beyond = {}, np.zeros(min(lengths), dtype=bool)
    for name in (name for name in now if name in recorded):
        a, b = recorded[name][: len(beyond)], now[name][: len(beyond)]
        if a.dtype == b.dtype and a.tobytes() == b.tobytes():
            continue
        if not np.issubdtype(a.dtype, np.number):
            faults.append(f"the recorded column {name} does not hold numbers")
            continue
        relative = relative_difference(a.astype(np.float64), b.astype(np.float64))
        differences[name] = float(relative.max())
        beyond |= relative > TOLERANCE
    return differences, int(np.argmax(beyond)) if beyond.any() else None, faults


def relative_difference(a: Array, b: Array) -> Array:
    """Return |a - b| / max(|a|, |b|) by element, 0 where both are the same or NaN, infinite if only one is finite."""
    size = np.maximum(np.abs(a), np.abs(b))
    half = np.where(size > 1, 0.5, 1.0)  # the difference of two finite numbers may be too large for a float
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(a * half - b * half) / (size * half)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    relative = np.where(np.isfinite(size), relative, np.inf)
    return np.where(same, 0.0, relative)


def contradictions(run: RecordedRun, columns: Mapping[str, Array]) -> list[str]:
    """Return in words which outcome metrics of `run` are not those of its recorded trajectory."""
    texts = []
    for metric, column in {"mse_final": "mse", "mse_gap": "gap", "steps": "step"}.items():
        last, metered = columns[column][-1] if column in columns else None, run.metrics.get(metric)
        if last is not None and last != metered:
            texts.append(f"the record contradicts itself: its {metric} is {metered!r}, its trajectory ends at {last!s}")
    return texts
