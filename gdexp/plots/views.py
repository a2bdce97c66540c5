"""What figures need to know of a run and of a sweep's runs; nothing here draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gdexp.core.descent import Trajectory
from gdexp.core.factor import Array
from gdexp.core.stopping import StopReason
from gdexp.core.theory import Theory
from gdexp.data.dataset import Dataset


@dataclass(frozen=True, eq=False)
class RunView:
    """A run as its figures show it: `title` names it ("seven_cars, lr=0.01, zero"), `caption` holds its settings."""

    trajectory: Trajectory
    theory: Theory
    dataset: Dataset
    title: str
    caption: str


@dataclass(frozen=True, eq=False)
class SweepRun:
    """One run of a sweep as the sweep's figures show it.

    `axes` maps each swept key to this run's value as text, `stop_reason` is the tag of a StopReason, and `step`
    and `gap` are the recorded steps, each of shape (r,). `steps_to_gap` is what was seen and
    `predicted_steps_to_gap` what theory says; either may be None. `contraction` is what theory says of a step.
    """

    name: str
    axes: Mapping[str, str]
    lr: float
    relative_lr: float
    max_stable_lr: float
    stop_reason: str
    stable: bool
    steps: int
    gap_final: float
    gap_initial: float
    steps_to_gap: int | None
    predicted_steps_to_gap: int | None
    contraction: float
    step: Array = field(repr=False)
    gap: Array = field(repr=False)

    @property
    def diverged(self) -> bool:
        """Whether the run was stopped because its loss grew without bound."""
        return self.stop_reason == StopReason.DIVERGED.tag

    @property
    def relative_gap(self) -> float:
        """The final gap as a fraction of the initial one; 0 for a run that started at the minimum."""
        return self.gap_final / self.gap_initial if self.gap_initial > 0 else 0.0
