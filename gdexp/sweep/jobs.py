"""The jobs of a sweep: what each sets, and the values that set it apart from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gdexp.config import Config
from gdexp.core import GdexpError
from gdexp.report.words import short
from gdexp.tracking.recorded import JOB, SWEPT

COMMON = ("experiment", "dry_run")
"""Keys that belong to a sweep as a whole, besides `tracking`."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its number from 0, what the user typed for it, and the values that set it apart."""

    number: int
    overrides: tuple[str, ...]
    swept: Mapping[str, str]

    @property
    def tags(self) -> dict[str, str]:
        """What the run is tagged with: its place in the sweep and its own values."""
        return {JOB: str(self.number)} | {f"{SWEPT}{key}": value for key, value in self.swept.items()}

    @property
    def name(self) -> str:
        """The run's name: its own values, as in `lr=0.01, init=zero`."""
        return ", ".join(f"{key}={short(value)}" for key, value in self.swept.items()) or "defaults"


@dataclass(frozen=True)
class CheckedJob:
    """A job whose run can be carried out, with its configuration and the hash of what decides its numbers."""

    job: Job
    config: Config
    config_hash: str


def jobs_of(overrides: Sequence[Sequence[str]]) -> list[Job]:
    """Return the jobs of the given overrides, in their order."""
    axes = axes_of(overrides)
    return [job_of(number, given, axes) for number, given in enumerate(overrides)]


def job_of(number: int, overrides: Sequence[str], axes: Sequence[str]) -> Job:
    """Return the job of this number that sets `overrides` in a sweep of the keys `axes`."""
    return Job(number, tuple(overrides), {key: value for key, value in _pairs(overrides).items() if key in axes})


def axes_of(overrides: Sequence[Sequence[str]]) -> list[str]:
    """Return the keys in which jobs with these overrides differ, or all that they set if there is one job only.

    Not every job has to set each. Raises GdexpError for a sweep of what takes one value, and of nothing.
    """
    jobs = [_pairs(given) for given in overrides]
    keys = dict.fromkeys(key for job in jobs for key in job)
    varied = [key for key in keys if any(job.get(key) != jobs[0].get(key) for job in jobs)]
    if any(key.startswith("tracking.") for key in varied):
        raise GdexpError("tracking.* takes one value for a whole sweep: its runs are compared in one place")
    if "dry_run" in varied:
        raise GdexpError("dry_run takes one value for a whole sweep")
    axes = varied or [key for key in jobs[0] if key not in COMMON and not key.startswith("tracking.")]
    if not axes:
        raise GdexpError("a sweep takes at least one key with its values, as in lr=0.001,0.01,0.1")
    return axes


def _pairs(overrides: Sequence[str]) -> dict[str, str]:
    return {key.lstrip("+"): value for key, _, value in (text.partition("=") for text in overrides)}
