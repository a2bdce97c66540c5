"""A sweep on a Slurm cluster, by submitit: one job of Slurm's for each run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gdexp.core import GdexpError
from gdexp.core.checks import choice
from gdexp.sweep.outcome import Outcome
from gdexp.sweep.sweep import CheckedJob
from gdexp.sweep.workers import Task, WorkersLauncher

CLUSTERS = ("slurm", "local")
ARRAY_JOBS = 1000
"""Jobs that are submitted as one array; Slurm by default takes no index above 1000."""
POLL_SECONDS = 0.2
"""How often the files of the jobs are looked at; submitit asks Slurm itself once a minute at most."""


class SlurmLauncher(WorkersLauncher):
    """Hydra's launcher that submits a sweep's jobs to Slurm as arrays.

    `cluster` local runs them as processes of this machine instead, to try it out. `folder`, which all nodes see, gets
    a folder for the sweep with what submitit writes. `parameters` are submitit's own; those that are None keep their
    defaults.
    """

    engine, name = "submitit", "slurm"

    def __init__(self, cluster: str, folder: str, **parameters: Any) -> None:
        self.cluster, self.folder = cluster, Path(folder)
        self.parameters = {key: value for key, value in parameters.items() if value is not None}

    @classmethod
    def refuse(cls, jobs: Sequence[CheckedJob], hydra: DictConfig) -> None:
        """Raise GdexpError where submitit or Slurm cannot be had, or does not know a parameter."""
        super().refuse(jobs, hydra)
        settings = hydra.launcher
        if choice("hydra.launcher.cluster", settings.get("cluster"), CLUSTERS) == "slurm" and not shutil.which(
            "sbatch"
        ):
            raise GdexpError(
                "hydra/launcher=slurm needs Slurm's sbatch on PATH: start the sweep on a login node, "
                "or try it out on this machine with hydra.launcher.cluster=local"
            )
        try:
            with tempfile.TemporaryDirectory() as folder:
                given = {key: value for key, value in settings.items() if key != "_target_"}
                cls(**{**given, "folder": folder}).executor(Path(folder))
        except Exception as error:
            raise GdexpError(f"submitit does not take these hydra.launcher.* ({error})") from error

    def executor(self, folder: Path) -> Any:
        """Return submitit's executor, which writes into `folder`, with the parameters that are set."""
        import submitit

        executor = submitit.AutoExecutor(folder=folder, cluster=self.cluster)
        executor.update_parameters(name="gdexp", **self.parameters)
        return executor

    def outcomes(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Outcome | None]]:
        """Submit `tasks` and wait for them; what is left of them is cancelled."""
        folder = self.folder / self.sweep.parent_id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the tasks may hold a store's credentials
        executor = self.executor(folder)
        jobs: dict[int, Any] = {}
        places = list(tasks)
        try:
            for first in range(0, len(places), ARRAY_JOBS):
                with deaf_to_interrupts(), executor.batch():
                    chosen = places[first : first + ARRAY_JOBS]
                    jobs |= {place: executor.submit(mortal, tasks[place]) for place in chosen}
            while jobs:
                for place, job in [(place, job) for place, job in jobs.items() if job.done()]:
                    del jobs[place]
                    yield place, None if job.exception() else job.result()
                time.sleep(POLL_SECONDS)
        finally:
            self._cancel([job.job_id for job in jobs.values()])
            for pickle in folder.glob("*.pkl"):
                pickle.unlink(missing_ok=True)

    def _cancel(self, ids: list[str]) -> None:
        if self.cluster == "local":
            for number in ids:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(int(number), signal.SIGTERM)
        elif ids:
            # All of an array at once: one by one, thousands would take minutes.
            subprocess.run(["scancel", *{number.partition("_")[0] for number in ids}], check=False)


def mortal(task: Task) -> Outcome:
    """Carry out `task` in a process that ends when it is told to, where submitit would have it go on."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return task()


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are started inside never hear a Ctrl-C, which this one hears at the end."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
