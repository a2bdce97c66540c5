"""The table of a report: what was swept, and what came of each run."""

from __future__ import annotations

from collections.abc import Sequence

from gdexp.core.descent import TARGETS
from gdexp.report.numbers import ABSENT, fraction, number
from gdexp.report.outcomes import Outcome
from gdexp.report.table import swept_values
from gdexp.tracking.read import RecordedRun, RecordedSweep

MOST_AXES = 3
"""Swept keys that have a column each."""


def outcome_header(sweep: RecordedSweep) -> list[str]:
    """Return the names of the columns of `outcome_rows`, with units."""
    to = [f"steps to {target:g}" for target in TARGETS]
    unit, theory = loss_unit(sweep.finished), f"{to[-1]} by theory"
    return [*run_header(sweep), "stop reason", "stable", "steps", f"final MSE{unit}", "gap / initial", *to, theory]


def outcome_rows(sweep: RecordedSweep, outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Return a row of texts for each run, with dashes where it has not finished or never got so far."""
    known = {outcome.run.run_id: outcome for outcome in outcomes}
    return [[*run_cells(sweep, run), *_outcome(run, known.get(run.run_id))] for run in sweep.runs]


def run_header(sweep: RecordedSweep) -> list[str]:
    """Return the columns that say which run a row is about: each swept key, or its name where they are many."""
    if len(sweep.axes) > MOST_AXES:
        return ["run"]
    of_limit = all(run.params.get("lr_unit") == "limit" for run in sweep.runs)
    return ["lr (x largest stable)" if axis == "lr" and of_limit else axis for axis in sweep.axes]


def run_cells(sweep: RecordedSweep, run: RecordedRun) -> list[str]:
    """Return the cells of `run` in the columns of `run_header`."""
    return swept_values(run, sweep.axes) if len(sweep.axes) <= MOST_AXES else [run.name]


def loss_unit(runs: Sequence[RecordedRun]) -> str:
    """Return the unit of the loss in brackets behind a space, nothing where it is not known or not the same for all."""
    units = {run.data.units.get(run.data.target, "") if run.data else "" for run in runs}
    unit = units.pop() if len(units) == 1 else ""
    return f" ({unit} squared)" if unit else ""


def _outcome(run: RecordedRun, outcome: Outcome | None) -> list[str]:
    if outcome is None:
        return [run.status.lower(), *[ABSENT] * (5 + len(TARGETS))]
    return [
        run.tags.get("gdexp.stop_reason", ABSENT),
        {"true": "yes", "false": "no"}.get(run.tags.get("gdexp.stable", ""), ABSENT),
        str(outcome.steps),
        number(run.metrics.get("mse_final")),
        fraction(outcome.relative_gap(outcome.steps)),
        *(whole(outcome.steps_to[target]) for target in TARGETS),
        whole(run.metrics.get("theory_steps_to_gap")),
    ]


def whole(value: float | None) -> str:
    """Return a number of steps, whole or halfway between two, and a dash for None."""
    return ABSENT if value is None else f"{value:.15g}"
