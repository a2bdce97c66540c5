"""A sweep on a Ray cluster: one task of Ray's for each run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gdexp import cluster
from gdexp.sweep.outcome import Outcome
from gdexp.sweep.workers import Task, WorkersLauncher


class RayLauncher(WorkersLauncher):
    """Hydra's launcher that hands a sweep's jobs to the Ray cluster at `address`.

    Without an address it is RAY_ADDRESS, else a cluster of this machine that ends with the sweep, with `num_cpus`
    workers, or one a core.
    """

    engine, extra = "ray", "ray"

    def __init__(self, address: str | None = None, num_cpus: int | None = None) -> None:
        """Take what `refuse` has connected with."""

    @classmethod
    def refuse(cls, settings: Mapping[str, Any], callbacks: object) -> None:
        """Raise GdexpError where Ray cannot be had, or its cluster does not answer."""
        super().refuse(settings, callbacks)
        cluster.connect(settings.get("address"), settings.get("num_cpus"))

    def outcomes(self, tasks: Mapping[int, Task]) -> Iterator[tuple[int, Outcome | None]]:
        """Carry out `tasks`, each in a worker of its own; what is left of them is cancelled."""
        import ray

        # A run that died is not begun again behind the user's back.
        remote = ray.remote(Task.__call__).options(max_retries=0)
        places = {remote.remote(task): place for place, task in tasks.items()}
        try:
            while places:
                (done,), _ = ray.wait(list(places))
                try:
                    outcome = ray.get(done)
                except ray.exceptions.RayError:
                    outcome = None
                yield places.pop(done), outcome
        finally:
            for task in places:
                ray.cancel(task, force=True)
            ray.shutdown()
