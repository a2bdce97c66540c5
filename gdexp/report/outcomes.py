"""What came of each run of a sweep, measured on its recorded trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gdexp.core.contraction import measured_contraction
from gdexp.core.descent import TARGETS, steps_to
from gdexp.core.factor import Array
from gdexp.report.audit import audit, audited_rules
from gdexp.tracking import TrackingError
from gdexp.tracking.read import RecordedRun, RecordedSweep, read_trajectories

COLUMNS = ("step", "mse", "gap", "gradient_norm")


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished run with what its trajectory shows.

    `steps_to` maps each target to the first step that reached it, `stops` each audited rule to the step where it would
    have ended the run; None where it never did. `contraction` is the measured factor a step, None where it cannot be
    told.
    """

    run: RecordedRun
    columns: Mapping[str, Array] = field(repr=False)
    steps_to: Mapping[float, int | None]
    stops: Mapping[str, int | None]
    contraction: float | None

    @property
    def steps(self) -> int:
        """The last recorded step."""
        return len(self.columns["gap"]) - 1

    def relative_gap(self, step: int) -> float:
        """Return the gap at `step` as a fraction of the initial one; 0 where the run began at the minimum."""
        initial = self.columns["gap"][0]
        with np.errstate(over="ignore"):
            return float(self.columns["gap"][step] / initial) if initial > 0 else 0.0


def outcomes(sweep: RecordedSweep) -> list[Outcome]:
    """Return what came of each finished run of `sweep`, in the order of its jobs."""
    rules = audited_rules(sweep.finished)
    return [
        Outcome(
            run,
            columns,
            {target: steps_to(columns["gap"], target) for target in TARGETS},
            audit(columns, rules, _minimum(run)),
            measured_contraction(columns["gap"]),
        )
        for run, columns in zip(sweep.finished, read_trajectories(sweep.store, sweep.finished, COLUMNS), strict=True)
    ]


def _minimum(run: RecordedRun) -> float:
    try:
        return run.metrics["theory_minimum_mse"]
    except KeyError:
        raise TrackingError(f"the run {run.run_id} is not as gdexp recorded it: it lacks theory_minimum_mse") from None
