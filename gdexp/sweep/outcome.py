"""What came of a job: carried out in any process, told about in the sweep's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gdexp.config import Config
from gdexp.report.words import line
from gdexp.run import Plan, execute, plan_run
from gdexp.sweep.jobs import Job
from gdexp.sweep.progress import Progress
from gdexp.terminal import say
from gdexp.tracking import Store, Tracking, open_store, recorded_run
from gdexp.tracking.unsent import FOLDER


@dataclass(frozen=True)
class Outcome:
    """Whether a job finished, that in one line, what is to be remarked on it, and where a failure is told in full."""

    finished: bool
    line: str
    remarks: tuple[str, ...] = ()
    traceback: str = ""


def carry_out(job: Job, config: Config, tracking: Tracking, parent_id: str, remark: Callable[[str], object]) -> Outcome:
    """Carry out one job as a child of the run `parent_id` in the store of `tracking`, and print nothing.

    `remark` is called before the run with each thing that is to be said about it.
    """
    try:
        store = open_store(tracking)
        plan = planned(job, config, store, parent_id)
        for text in plan.remarks:
            remark(text)
        result = execute(plan, store, job.overrides, name=job.name, parent=parent_id, tags=job.tags)
        kept = f"; kept in {FOLDER}" if store.delivery.unsent.holds(result.run_id) else ""
    except Exception as error:
        reason = str(error).partition("\n")[0]
        traceback = " ".join(getattr(error, "__notes__", []))
        return Outcome(False, f"FAILED, {type(error).__name__}: {reason}", traceback=traceback)
    return Outcome(True, line(result.trajectory) + kept)


def planned(job: Job, config: Config, store: Store, parent_id: str) -> Plan:
    """Return the plan of `job`; what keeps it from being made, although it was checked, is recorded as its failure."""
    try:
        return plan_run(config)
    except Exception:
        with recorded_run(store, job.name, config.params(), job.tags, parent_id):
            raise


def tell(progress: Progress, done: int, name: str, outcome: Outcome) -> None:
    """Say what came of the run called `name`, before which `done` others of its sweep had ended."""
    for remark in outcome.remarks:
        say(f"{name}: {remark}")
    progress.finished(done, name, outcome.line)
    if outcome.traceback:
        say(f"gdexp: {name} failed; traceback.txt of {outcome.traceback} tells more", error=True)
