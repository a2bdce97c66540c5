"""What gdexp's own launchers have in common: they carry out jobs that are checked and composed already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gdexp.core import GdexpError
from gdexp.sweep.jobs import CheckedJob
from gdexp.sweep.sweep import Sweep


class JobsLauncher(Launcher):
    """Hydra's launcher that carries out a sweep's jobs without Hydra's own work for each of them.

    The sweeper hands it the `sweep` and the `jobs` that it has checked. `name` is what `hydra/launcher` calls it.
    """

    name: ClassVar[str]
    sweep: Sweep
    jobs: Sequence[CheckedJob]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Need nothing of what Hydra's own launchers compose jobs from."""

    @classmethod
    def refuse(cls, jobs: Sequence[CheckedJob], hydra: DictConfig) -> None:  # noqa: ARG003
        """Raise GdexpError where `jobs` cannot be carried out as `hydra` says; nothing is recorded before."""
        if hydra.callbacks:
            raise GdexpError(
                f"hydra/launcher={cls.name} calls no hydra.callbacks for each job; leave one of the two out"
            )
