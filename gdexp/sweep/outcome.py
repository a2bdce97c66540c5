"""What came of a job: carried out in any process, told about in the sweep's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gdexp.core import DataError
from gdexp.report.words import line
from gdexp.run import Plan, execute, plan_run
from gdexp.sweep.jobs import CheckedJob
from gdexp.sweep.progress import Progress
from gdexp.terminal import say
from gdexp.tracking import Store, recorded_run
from gdexp.tracking.unsent import FOLDER


@dataclass(frozen=True)
class Outcome:
    """Whether a job finished, that in one line, what is to be remarked on it, and where a failure is told in full."""

    finished: bool
    line: str
    remarks: tuple[str, ...] = ()
    traceback: str = ""


def carry_out(
    checked: CheckedJob,
    store: Store,
    parent_id: str,
    remark: Callable[[str], object],
    wanted: Callable[[], bool] = lambda: True,
) -> Outcome:
    """Carry out one job as a child of the run `parent_id`, and print nothing.

    `remark` is called before the run with each thing that is to be said about it, and last of all `wanted`, whether it
    is to be carried out still.
    """
    job = checked.job
    try:
        plan = planned(checked, store, parent_id)
        for text in plan.remarks:
            remark(text)
        if not wanted():
            return Outcome(False, "left alone, for its sweep has ended or was resumed meanwhile")
        result = execute(plan, store, job.overrides, name=job.name, parent=parent_id, tags=job.tags)
        kept = f"; kept in {FOLDER}" if store.delivery.unsent.holds(result.run_id) else ""
    except Exception as error:
        return failure(error)
    return Outcome(True, line(result.trajectory) + kept)


def failure(error: BaseException) -> Outcome:
    """Return the outcome of a job that `error` ended."""
    reason = str(error).partition("\n")[0]
    return Outcome(
        False, f"FAILED, {type(error).__name__}: {reason}", traceback=" ".join(getattr(error, "__notes__", []))
    )


def planned(checked: CheckedJob, store: Store, parent_id: str) -> Plan:
    """Return the plan of a job; what keeps it from being made, although it was checked, is recorded as its failure."""
    job, config = checked.job, checked.config
    try:
        return same_plan(checked)
    except Exception:
        with recorded_run(store, job.name, config.params(), job.tags, parent_id):
            raise


def same_plan(checked: CheckedJob) -> Plan:
    """Return the plan of a job; raises DataError where it is not what was checked, and GdexpError as plan_run does."""
    plan = plan_run(checked.config)
    if plan.config_hash != checked.config_hash:
        raise DataError("the data have changed since the sweep began: restore them and resume it, or begin it anew")
    return plan


def tell(progress: Progress, done: int, name: str, outcome: Outcome) -> None:
    """Say what came of the run called `name`, before which `done` others of its sweep had ended."""
    for remark in outcome.remarks:
        say(f"{name}: {remark}")
    progress.finished(done, name, outcome.line)
    if outcome.traceback:
        say(f"gdexp: {name} failed; traceback.txt of {outcome.traceback} tells more", error=True)
