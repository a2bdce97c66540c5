"""A sweep on a Slurm cluster, by submitit: one job of Slurm's for each run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gdexp.command import INTERRUPTS
from gdexp.core import GdexpError
from gdexp.core.checks import choice
from gdexp.sweep.jobs import CheckedJob
from gdexp.sweep.outcome import Outcome
from gdexp.sweep.workers import Task, WorkersLauncher

CLUSTERS = ("slurm", "local")
ARRAY_JOBS = 1000
"""Jobs that are submitted as one array; Slurm by default takes no index above 1000."""
POLL_SECONDS = 0.2
"""How often the folder of the jobs is looked at."""
QUEUE_SECONDS = 10
"""How often Slurm is asked which jobs it has. submitit asks sacct, up to ten minutes apart, which knows nothing on a
cluster without accounts."""
NAME = "gdexp"
"""What the jobs are called in Slurm's queue."""


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
        executor.update_parameters(name=NAME, **self.parameters)
        return executor

    def outcomes(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Outcome | None]]:
        """Submit `tasks` and wait for them; what is left of them is cancelled."""
        folder = self.folder / self.sweep.parent_id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the tasks may hold a store's credentials
        if self.cluster == "slurm":
            # Jobs of this sweep may be queued still that were submitted by a program that was killed.
            self._cancel([script.name for script in folder.glob("*_submission.sh")])
        clear(folder)
        executor, places = self.executor(folder), list(tasks)
        jobs: dict[int, Any] = {}
        try:
            for first in range(0, len(places), ARRAY_JOBS):
                with interrupts_later():
                    with refused_in_one_line(), executor.batch():
                        chosen = places[first : first + ARRAY_JOBS]
                        array = {place: executor.submit(mortal, tasks[place]) for place in chosen}
                    jobs |= array  # before, they have no number by which they could be cancelled
            yield from self._ended(jobs, folder)
        finally:
            self._cancel([job.job_id for job in jobs.values()])
            clear(folder)

    def _ended(self, jobs: dict[int, Any], folder: Path) -> Iterator[tuple[int, Outcome | None]]:
        """Yield the place of each of `jobs` as it ends, with its outcome or None, and take it out of `jobs`."""
        asked, gone = time.monotonic(), set[int]()
        while jobs:
            folder.chmod(0o700)  # so that NFS looks again
            written = {path.name for path in folder.iterdir()}
            for place in [place for place, job in jobs.items() if job.paths.result_pickle.name in written]:
                job = jobs.pop(place)
                yield place, outcome_of(job)
            if self.cluster == "local" or time.monotonic() > asked + QUEUE_SECONDS:
                asked, before, gone = time.monotonic(), gone, self._gone(jobs)
                # Only the second time, for what it wrote may still be on its way.
                for place in before & gone:
                    del jobs[place]
                    yield place, None
            time.sleep(POLL_SECONDS)

    def _gone(self, jobs: Mapping[int, Any]) -> set[int]:
        """Return the places of those of `jobs` that Slurm no longer has; none where it does not answer."""
        if self.cluster == "local":
            return {place for place, job in jobs.items() if job.done()}
        asking = ["squeue", f"--user={os.getuid()}", f"--name={NAME}", "--array", "--noheader", "--format=%F_%K %i"]
        answer = subprocess.run(asking, capture_output=True, text=True, check=False)
        known = set(answer.stdout.split())
        return {place for place, job in jobs.items() if job.job_id not in known} if answer.returncode == 0 else set()

    def _cancel(self, ids: list[str]) -> None:
        if self.cluster == "local":
            for number in ids:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(int(number), signal.SIGTERM)
        elif ids:
            # All of an array at once: one by one, thousands would take minutes.
            with contextlib.suppress(OSError):
                subprocess.run(["scancel", "--quiet", *{number.partition("_")[0] for number in ids}], check=False)


def outcome_of(job: Any) -> Outcome | None:
    """Return the outcome of a job that has written one, None where it was ended before."""
    from submitit.core.utils import FailedJobError

    error = job.exception()
    if isinstance(error, FailedJobError):
        # The trace of what kept the task from being carried out at all, between two lines of signs.
        last = [line for line in str(error).splitlines() if re.match(r"[\w.]+(Error|Exception)\b", line)]
        return Outcome(False, f"FAILED, {last[-1] if last else 'for a reason that its log tells'}")
    return None if error else job.result()


def mortal(task: Task) -> Outcome:
    """Carry out `task` in a process that ends when it is told to, where submitit would have it go on."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, end_run)
    return task()


def end_run(*_: object) -> None:
    """End the run that is under way as FAILED: Slurm says some seconds before that it will end a job."""
    raise GdexpError(
        "Slurm is about to end the job: hydra.launcher.timeout_min is up, or its node is wanted; resume the sweep"
    )


@contextlib.contextmanager
def refused_in_one_line() -> Iterator[None]:
    """Raise GdexpError with Slurm's own reason where it takes no job."""
    from submitit.core.utils import FailedJobError

    try:
        yield
    except FailedJobError as error:
        reason = (str(error).strip().splitlines() or ["no reason is given"])[-1].removeprefix("sbatch: error: ")
        raise GdexpError(f"Slurm takes no more jobs ({reason}); resume the sweep once it does") from None


@contextlib.contextmanager
def interrupts_later() -> Iterator[None]:
    """Put interrupts off to the end; processes that are started inside never hear a Ctrl-C."""
    came: list[int] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    # Not blocked as well: whoever is started inside is to be ended by SIGTERM.
    others = [number for number in INTERRUPTS if number != signal.SIGINT and callable(signal.getsignal(number))]
    heard = {number: signal.signal(number, lambda came_in, _: came.append(came_in)) for number in others}
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if came:
            signal.raise_signal(came[0])


def clear(folder: Path) -> None:
    """Remove what the jobs were told and what came of them; what they printed stays."""
    for pickle in folder.glob("*.pkl"):
        pickle.unlink(missing_ok=True)
