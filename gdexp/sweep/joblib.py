"""A sweep on all cores of this machine, by joblib's worker processes."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence

from omegaconf import DictConfig

from gdexp.cluster import blas_threads
from gdexp.core.checks import whole_number
from gdexp.sweep.jobs import CheckedJob
from gdexp.sweep.outcome import Outcome
from gdexp.sweep.sweep import missing, under_way
from gdexp.sweep.workers import Task, WorkersLauncher
from gdexp.tracking import open_store

FINISHED = Outcome(True, "finished, as the store says; the worker that it was to tell died")


class JoblibLauncher(WorkersLauncher):
    """Hydra's launcher that has `n_jobs` processes carry out a sweep's jobs; -1 for one a core."""

    engine = name = "joblib"

    def __init__(self, n_jobs: int = -1) -> None:
        self.n_jobs = n_jobs

    @classmethod
    def refuse(cls, jobs: Sequence[CheckedJob], hydra: DictConfig) -> None:
        """Raise GdexpError where joblib cannot be had, or n_jobs is no number of processes."""
        super().refuse(jobs, hydra)
        if hydra.launcher.get("n_jobs") != -1:
            whole_number("hydra.launcher.n_jobs", hydra.launcher.get("n_jobs"), least=1)

    def outcomes(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Outcome | None]]:
        """Carry out `tasks`; a worker that dies takes those that are under way with it, and no others."""
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        left, fruitless = dict(tasks), False
        while left:
            try:
                for place, outcome in self._parallel(dict(left)):
                    del left[place]
                    yield place, outcome
            except TerminatedWorkerError:
                # What the other workers have under way ends with them, and must not be recorded any more.
                get_reusable_executor().shutdown(wait=True, kill_workers=True)
                store, parent_id = open_store(self.sweep.tracking), self.sweep.parent_id
                begun = {run.job for run in under_way(store, parent_id)}
                self.end_lost()
                undone = {checked.job.number for checked in missing(store, parent_id, self.jobs)}
                ended = {place: FINISHED for place, task in left.items() if task.checked.job.number not in undone}
                lost = {place: None for place, task in left.items() if task.checked.job.number in begun}
                # A worker that died before it began a run takes none with it, unless it is the second in a row.
                known = ended | lost or (dict.fromkeys(left) if fruitless else {})
                fruitless = not known
                for place, ending in known.items():
                    del left[place]
                    yield place, ending

    def _parallel(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Outcome]]:
        import joblib

        with joblib.parallel_config("loky", inner_max_num_threads=blas_threads()), warnings.catch_warnings():
            # After an interrupt joblib has advice for whoever wrote the loop.
            warnings.filterwarnings("ignore", message=".*still being processed by the workers")
            parallel = joblib.Parallel(n_jobs=self.n_jobs, batch_size=1, return_as="generator_unordered")
            yield from parallel(joblib.delayed(carried_out)(place, task) for place, task in tasks.items())


def carried_out(place: int, task: Task) -> tuple[int, Outcome]:
    """Return the place of `task` with its outcome, deaf to a Ctrl-C that is meant for the process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return place, task()
