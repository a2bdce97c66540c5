"""A sweep's jobs carried out by other processes, here or on a cluster: what every engine for it has in common."""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gdexp.cluster import require
from gdexp.config import Config
from gdexp.core import GdexpError
from gdexp.sweep.jobs import Job
from gdexp.sweep.outcome import Outcome, carry_out, tell
from gdexp.sweep.sweep import CheckedJob, Sweep, as_child
from gdexp.tracking import RunRecord, Tracking, open_store
from gdexp.tracking.read import children
from gdexp.tracking.recorded import PARENT, RecordedRun

LOST = Outcome(
    False, "KILLED: its worker process ended (by a signal, or for want of memory); resume the sweep to repeat it"
)


@dataclass(frozen=True)
class Task:
    """One job as a worker gets it, with the store in which the parent is, and the folder where paths begin."""

    job: Job
    config: Config
    tracking: Tracking
    parent_id: str
    folder: str

    def __call__(self) -> Outcome:
        """Carry the job out and print nothing."""
        os.chdir(self.folder)
        remarks: list[str] = []
        outcome = carry_out(self.job, self.config, self.tracking, self.parent_id, remarks.append)
        return replace(outcome, remarks=tuple(remarks))


class WorkersLauncher(Launcher):
    """Hydra's launcher that has workers carry out a sweep's jobs, without Hydra's own work for each of them.

    The sweeper hands it the `sweep` and the `jobs` that it has checked. `engine` is the package that it needs, and
    `extra` the name under which gdexp installs that.
    """

    engine: ClassVar[str]
    extra: ClassVar[str]
    sweep: Sweep
    jobs: Sequence[CheckedJob]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Need nothing of what Hydra's own launchers compose jobs from."""

    @classmethod
    def refuse(cls, settings: Mapping[str, Any], callbacks: object) -> None:  # noqa: ARG003
        """Raise GdexpError where the engine cannot be had as `hydra.launcher` sets it; nothing is recorded before."""
        require(cls.engine, f"hydra/launcher={cls.extra}", cls.extra)
        if callbacks:
            raise GdexpError(
                f"hydra/launcher={cls.extra} calls no hydra.callbacks for each job; leave one of the two out"
            )

    @abstractmethod
    def outcomes(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Outcome | None]]:
        """Carry out `tasks` and yield the place of each as it ends, with its outcome or None where its worker died.

        No worker goes on once the iterator is closed.
        """

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:  # noqa: ARG002
        """Return whether each job finished."""
        # Resolved here: a worker may not have the environment.
        tracking = replace(self.sweep.tracking, uri=self.sweep.tracking.resolved_uri)
        folder, parent_id, total = str(Path.cwd()), self.sweep.parent_id, self.sweep.total
        tasks = {
            place: Task(checked.job, as_child(checked.config, total), tracking, parent_id, folder)
            for place, checked in enumerate(self.jobs)
        }
        finished: dict[int, bool] = {}
        try:
            with contextlib.closing(self.outcomes(tasks)) as outcomes:  # type: ignore[type-var]
                for place, outcome in outcomes:
                    tell(self.sweep.progress, len(finished), tasks[place].job.name, outcome or LOST)
                    finished[place] = outcome is not None and outcome.finished
        except KeyboardInterrupt:
            open_store(self.sweep.tracking).delivery.hurry()
            raise
        finally:
            self.end_lost()
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=finished[place])
            for place, overrides in enumerate(job_overrides)
        ]

    def under_way(self) -> list[RecordedRun]:
        """Return the runs of the sweep that say RUNNING."""
        store = open_store(self.sweep.tracking)
        running = store.delivery.insist(lambda _: store.backend.running(store.experiment_id))
        return [run for run in running if run.tags.get(PARENT) == self.sweep.parent_id]

    def finished(self) -> set[int]:
        """Return the numbers of the jobs of the sweep that are recorded as finished."""
        store = open_store(self.sweep.tracking)
        return {run.job for run in children(store, self.sweep.parent_id) if run.finished}

    def end_lost(self) -> None:
        """End the runs as KILLED whose workers are gone; a store that is gone is left alone."""
        with contextlib.suppress(Exception):
            store = open_store(self.sweep.tracking)
            for run in self.under_way():
                # What is kept of a run may well have its end in it.
                if not store.delivery.unsent.holds(run.run_id):
                    RunRecord(store, run.run_id).end("KILLED")
