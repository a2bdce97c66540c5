"""A sweep on a Ray cluster: one task of Ray's for each run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from gdexp import cluster
from gdexp.command import heed_interrupt
from gdexp.core import GdexpError
from gdexp.sweep.jobs import CheckedJob
from gdexp.sweep.outcome import Outcome, failure
from gdexp.sweep.workers import Task, WorkersLauncher

LOOK_SECONDS = 0.1
"""How often it is looked for interrupts and for runs that have ended."""


class RayLauncher(WorkersLauncher):
    """Hydra's launcher that hands a sweep's jobs to the Ray cluster at `address`.

    Without an address it is RAY_ADDRESS, else a cluster of this machine that ends with the sweep, with `num_cpus`
    workers, or one a core.
    """

    engine = name = "ray"

    def __init__(self, address: str | None = None, num_cpus: int | None = None) -> None:
        """Take what `refuse` has connected with."""

    @classmethod
    def refuse(cls, jobs: Sequence[CheckedJob], hydra: DictConfig) -> None:
        """Raise GdexpError where Ray cannot be had, or its cluster does not answer."""
        super().refuse(jobs, hydra)
        address, other = hydra.launcher.get("address"), os.environ.get("RAY_ADDRESS")
        if address and other and address != other:
            raise GdexpError(
                f"hydra.launcher.address={address} and RAY_ADDRESS={other} name two clusters; leave one of the two out"
            )
        cluster.connect(address, hydra.launcher.get("num_cpus"))

    def outcomes(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Outcome | None]]:
        """Carry out `tasks`, each in a worker of its own; what is left of them ends with this process's job on Ray."""
        import ray

        # A run that died is not begun again behind the user's back.
        remote = ray.remote(Task.__call__).options(max_retries=0)
        places: dict[Any, int] = {}
        try:
            for place, task in tasks.items():
                places[remote.remote(task)] = place
            while places:
                heed_interrupt()
                # Ray itself looks for an interrupt once in a second.
                ended, _ = ray.wait(list(places), num_returns=len(places), timeout=LOOK_SECONDS)
                for reference in ended:
                    try:
                        outcome = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        outcome = failure(error.cause)
                    except ray.exceptions.RayError:
                        outcome = None
                    yield places.pop(reference), outcome
        finally:
            # Not ray.cancel: of a task that is just ending it makes Ray end this whole process.
            cluster.leave()
