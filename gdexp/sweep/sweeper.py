"""Hydra's side of a sweep: the plugin that checks all jobs before the first one starts."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_class
from omegaconf import DictConfig

from gdexp.command import heed_interrupt, was_interrupted
from gdexp.config import typed
from gdexp.core import GdexpError, ParameterError
from gdexp.sweep.composition import JobConfigs, settings_of
from gdexp.sweep.joblib import JoblibLauncher
from gdexp.sweep.jobs import CheckedJob, axes_of, jobs_of
from gdexp.sweep.launcher import JobsLauncher
from gdexp.sweep.logspace import MOST_RUNS, expanded
from gdexp.sweep.ray import RayLauncher
from gdexp.sweep.slurm import SlurmLauncher
from gdexp.sweep.sweep import Sweep, begin, checked, child_config, finish, preview, resumed, run_child
from gdexp.sweep.vectorized import VectorizedLauncher
from gdexp.terminal import say
from gdexp.tracking import open_store
from gdexp.tracking.record import end_own


class CheckedSweeper(Sweeper):
    """Hydra's basic sweep over all combinations, as one parent run with children.

    `params` is what a study sweeps: for each key the text of its values. `runs` is what it tries one by one, where
    not every combination is meant: for each run the keys that it sets. Both together try each run in every combination.
    `resume` is the id of the parent whose missing runs are to be done.
    """

    def __init__(
        self, params: dict[str, Any] | None, runs: list[dict[str, Any]] | None = None, resume: str | None = None
    ) -> None:
        self.params, self.runs, self.resume = params or {}, runs or [{}], resume

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:  # noqa: ARG002
        """Remember what a launcher will need."""
        self.configs = JobConfigs(hydra_context.config_loader.get_search_path())
        self.context, self.job_config = HydraContext(self.configs, hydra_context.callbacks), config

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Check every job, run them all, and end the process with status 1 where some failed."""
        overrides = self._combinations(arguments)
        settings = [self.configs.settings(self.job_config, job) for job in overrides]
        jobs, axes = checked(jobs_of(overrides), settings), axes_of(overrides)
        if jobs[0].config.dry_run:
            preview(jobs, axes, self.resume)
            return []
        launcher = get_class(self.job_config.hydra.launcher._target_)
        if issubclass(launcher, JobsLauncher):
            launcher.refuse(jobs, self.job_config.hydra)
        store = open_store(jobs[0].config.tracking)
        try:
            sweep = begin(jobs, axes) if self.resume is None else resumed(self.resume, jobs, axes)
            if sweep.numbers is not None:
                jobs, overrides = (
                    [jobs[number] for number in sweep.numbers],
                    [overrides[number] for number in sweep.numbers],
                )
            try:
                return self._carried_out(sweep, jobs, overrides)
            except GdexpError as error:
                heed_interrupt()
                # Something is recorded, so this is no refusal any more.
                say(f"gdexp: {error}", error=True)
                sys.exit(1)
        except KeyboardInterrupt:
            end_own(store)
            raise

    def _carried_out(
        self, sweep: Sweep, jobs: Sequence[CheckedJob], overrides: Sequence[Sequence[str]]
    ) -> Sequence[JobReturn]:
        """Run all jobs and bring the sweep to its end, whatever happens."""
        status = "KILLED"
        try:
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=self.context, task_function=partial(run_job, sweep), config=self.job_config
            )
            if isinstance(launcher, JobsLauncher):
                launcher.sweep, launcher.jobs = sweep, jobs
            # A launcher of gdexp's also clears away what one that was killed has left behind.
            mends = isinstance(launcher, JobsLauncher)
            results = launcher.launch(overrides, initial_job_idx=0) if overrides or mends else []
            status = "FINISHED" if all(result.return_value for result in results) else "FAILED"
        except Exception:
            status = "KILLED" if was_interrupted() else "FAILED"
            raise
        finally:
            whole = finish(sweep, status)
        if status == "FAILED" or not whole:
            sys.exit(1)
        return results

    def _combinations(self, arguments: list[str]) -> list[list[str]]:
        """Return the overrides of each job; a key on the command line replaces the study's."""
        if not isinstance(self.params, Mapping):
            raise ParameterError("hydra.sweeper.params", "keys, each with its values", self.params)
        self._check_runs()
        texts = [expanded(f"{key}={value}") for key, value in self.params.items()] + arguments
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        overrides = parser.parse_overrides(texts)
        count = math.prod(map(_values, overrides)) * len(self.runs)
        if count > MOST_RUNS:
            raise GdexpError(
                f"a sweep takes at most {MOST_RUNS:,} runs; this one would have {count:,}: make it several"
            )
        combinations = BasicSweeper.split_arguments(overrides, None)[0]
        if not combinations:
            raise GdexpError(f"the sweep has no run: a value in {' '.join(texts)} stands for nothing")
        given = {text.partition("=")[0].lstrip("+") for text in arguments}
        singly = [[f"{key}={typed(value)}" for key, value in run.items() if key not in given] for run in self.runs]
        return [[*combination, *one] for one in singly for combination in combinations]

    def _check_runs(self) -> None:
        """Raise ParameterError unless each of `runs` gives keys one value each, and none that `params` sweeps."""
        if not isinstance(self.runs, Sequence) or not all(isinstance(run, Mapping) for run in self.runs):
            raise ParameterError("hydra.sweeper.runs", "a list with the keys and values of each run", self.runs)
        for place, run in enumerate(self.runs):
            for key, value in run.items():
                name = f"hydra.sweeper.runs[{place}].{key}"
                if isinstance(value, Mapping):
                    raise ParameterError(name, f"one value; a key of a group is written {key}.KEY", dict(value))
                if isinstance(value, str) and "," in value and value[:1] not in "[\"'":
                    raise ParameterError(name, "one value; several belong into hydra.sweeper.params", value)
                if key in self.params:
                    raise ParameterError(name, "a key that hydra.sweeper.params does not sweep as well", value)


def _values(override: Override) -> int:
    """Return how many values `override` gives its key, without making a list of them."""
    value = override.value() if override.is_sweep_override() else None
    if isinstance(value, RangeSweep):
        steps = (float(value.stop or 0) - float(value.start or 0)) / float(value.step or 1)
        return max(0, math.ceil(steps)) if math.isfinite(steps) else MOST_RUNS + 1
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


def run_job(sweep: Sweep, config: DictConfig) -> bool:
    """Carry out the job that Hydra is running; a top-level function, so that launchers can send it to workers."""
    job = HydraConfig.get()
    return run_child(sweep, job.job.num, job.overrides.task, child_config(settings_of(config), sweep.total))


def register() -> None:
    """Make the plugins known to Hydra, which takes them only from a package called hydra_plugins."""
    plugins = Plugins.instance()
    if "hydra_plugins" not in sys.modules and importlib.util.find_spec("hydra_plugins") is None:
        sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
    sys.modules["hydra_plugins.gdexp"] = sys.modules[__name__]
    for plugin in (CheckedSweeper, VectorizedLauncher, JoblibLauncher, SlurmLauncher, RayLauncher):
        plugin.__module__ = "hydra_plugins.gdexp"
        plugins.register(plugin)
    # A launcher of the same name that is installed beside gdexp would have ours take its settings.
    for name in ("joblib", "slurm", "ray"):
        ConfigStore.instance().repo["hydra"].get("launcher", {}).pop(f"{name}.yaml", None)
