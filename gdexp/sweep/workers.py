"""A sweep's jobs carried out by other processes, here or on a cluster: what every engine for it has in common."""

from __future__ import annotations

import contextlib
import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from gdexp.cluster import require
from gdexp.command import heed_interrupt
from gdexp.sweep.jobs import CheckedJob
from gdexp.sweep.launcher import JobsLauncher
from gdexp.sweep.outcome import Outcome, carry_out, failure, tell
from gdexp.sweep.sweep import as_child, under_way
from gdexp.tracking import Store, Tracking, open_store
from gdexp.tracking.errors import StoreAwayError
from gdexp.tracking.process import PROCESS, of_this_process, same_process
from gdexp.tracking.record import end_killed
from gdexp.tracking.store import open_patiently

LOST = Outcome(
    False, "KILLED: its worker process ended (by a signal, or for want of memory); resume the sweep to repeat it"
)


@dataclass(frozen=True)
class Task:
    """One job as a worker gets it, with the store in which the parent is, and the folder where paths begin.

    `process` is what handed it out. A task may wait for hours until its turn comes, and the sweep be another's then.
    """

    checked: CheckedJob
    tracking: Tracking
    parent_id: str
    folder: str
    process: str

    def __call__(self) -> Outcome:
        """Carry the job out and print nothing."""
        remarks: list[str] = []
        try:
            os.chdir(self.folder)
            with logged(remarks.append):
                store = open_patiently(self.tracking)
                wanted = partial(self._is_wanted, store)
                outcome = carry_out(self.checked, store, self.parent_id, remarks.append, wanted)
        except Exception as error:
            outcome = failure(error)
        return replace(outcome, remarks=tuple(remarks))

    def _is_wanted(self, store: Store) -> bool:
        """Tell whether the sweep is still that of the `process` that began it, as far as the store tells."""
        try:
            parent = store.delivery.insist(lambda _: store.backend.get_run(self.parent_id))
        except StoreAwayError:
            return True
        tag = parent.tags.get(PROCESS, "") if parent else ""
        return parent is not None and parent.status == "RUNNING" and same_process(tag, self.process)


@contextlib.contextmanager
def logged(remark: Callable[[str], object]) -> Iterator[None]:
    """Call `remark` with what gdexp logs inside, as that a store is away: nobody sees the worker's terminal."""
    handler = logging.Handler()
    handler.emit = lambda record: remark(record.getMessage())  # type: ignore[method-assign,assignment]
    log = logging.getLogger("gdexp")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class WorkersLauncher(JobsLauncher):
    """Hydra's launcher that has workers carry out a sweep's jobs.

    `engine` is the package that it needs; gdexp's extra that installs it is called as the launcher is.
    """

    engine: ClassVar[str]

    @classmethod
    def refuse(cls, jobs: Sequence[CheckedJob], hydra: DictConfig) -> None:
        """Raise GdexpError where the engine cannot be had as `hydra.launcher` sets it."""
        require(cls.engine, f"hydra/launcher={cls.name}", cls.name)
        super().refuse(jobs, hydra)

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
            place: Task(
                replace(checked, config=as_child(checked.config, total)), tracking, parent_id, folder, of_this_process()
            )
            for place, checked in enumerate(self.jobs)
        }
        finished: dict[int, bool] = {}
        try:
            with contextlib.closing(self.outcomes(tasks)) as outcomes:  # type: ignore[type-var]
                for place, outcome in outcomes:
                    tell(self.sweep.progress, len(finished), tasks[place].checked.job.name, outcome or LOST)
                    finished[place] = outcome is not None and outcome.finished
                    heed_interrupt()
        except KeyboardInterrupt:
            open_store(self.sweep.tracking).delivery.hurry()
            raise
        finally:
            self.end_lost()
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=finished[place])
            for place, overrides in enumerate(job_overrides)
        ]

    def end_lost(self) -> None:
        """End the runs as KILLED whose workers are gone; a store that is gone is left alone."""
        store = open_store(self.sweep.tracking)
        with contextlib.suppress(Exception):
            end_killed(store, under_way(store, self.sweep.parent_id))
