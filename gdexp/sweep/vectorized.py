"""Thousands of small runs in this process: descended together, recorded together, the same records as one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gdexp.config import Config
from gdexp.core import GdexpError, Trajectory, descend_all
from gdexp.run import Plan, plan_run, write_files
from gdexp.sweep.composition import JobConfigs
from gdexp.sweep.sweep import Job, Sweep, child_config, child_tags, run_child
from gdexp.terminal import say
from gdexp.tracking import open_store
from gdexp.tracking.record import finished_run, now
from gdexp.tracking.sqlite import SqliteBackend

NUMBERS_AT_ONCE = 2**23
"""How many numbers the trajectories that are held at once may have."""
RUNS_AT_ONCE = 500
"""How many runs one transaction records: what an interrupt loses."""


class VectorizedLauncher(Launcher):
    """Hydra's launcher that carries out a sweep's jobs together, without Hydra's own work for each of them."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what the jobs need."""
        assert isinstance(task_function, partial)
        assert isinstance(hydra_context.config_loader, JobConfigs)
        (self.sweep,), self.configs, self.config = task_function.args, hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:  # noqa: ARG002
        """Return whether each job finished."""
        settings = (self.configs.settings(self.config, list(overrides)) for overrides in job_overrides)
        runs = len(self.sweep.jobs)
        configs = [child_config(given, runs) for given in settings]
        finished = [done for batch in batches(configs) for done in run_batch(self.sweep, batch, configs)]
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=done)
            for overrides, done in zip(job_overrides, finished, strict=True)
        ]


def refuse(jobs: Sequence[Job], configs: Sequence[Config]) -> None:
    """Raise GdexpError for a store that takes runs one by one, or a job that cannot be carried out with others."""
    store = open_store(configs[0].tracking)
    if not isinstance(store.backend, SqliteBackend):
        raise GdexpError(
            "hydra/launcher=vectorized records many runs at once, which takes a local SQLite store of MLflow's present "
            f"schema; {store.uri} is none, so leave the launcher out or set tracking.uri"
        )
    for job, config in zip(jobs, configs, strict=True):
        reasons = {
            f"engine={config.engine}": config.engine != "spectral" and "it descends with engine=spectral",
            f"plots={config.plots.name}": config.plots.name not in (None, "none") and "it draws no figure of a run",
        }
        for setting, reason in reasons.items():
            if reason:
                raise GdexpError(
                    f"hydra/launcher=vectorized does not take {setting}, for {reason}; leave one of the two out "
                    f"(job {job.number + 1} of {len(jobs)}: {job.name})"
                )


def batches(configs: Sequence[Config]) -> Iterator[range]:
    """Yield the numbers of the jobs that are carried out at once, in their order."""
    first = 0
    while first < len(configs):
        # Before the data are read the number of parameters is not known: a run is taken for one of 16 columns.
        longest = max(config.stopping.max_iterations + 1 for config in configs[first : first + RUNS_AT_ONCE])
        size = max(1, min(RUNS_AT_ONCE, NUMBERS_AT_ONCE // (16 * longest), len(configs) - first))
        yield range(first, first + size)
        first += size


def run_batch(sweep: Sweep, batch: range, configs: Sequence[Config]) -> list[bool]:
    """Carry out the jobs of the numbers `batch`, and return whether each finished.

    Where something goes wrong they are carried out one by one, so that one failure is one run's.
    """
    try:
        plans = [plan_run(configs[number]) for number in batch]
        unstable = sum(not plan.theory.stable for plan in plans)
        if unstable:
            say(f"{unstable} of the next {len(plans)} runs have an lr above the largest stable one")
        trajectories = descended(plans)
        record(sweep, [sweep.jobs[number] for number in batch], plans, trajectories)
    except Exception as error:
        say(f"{type(error).__name__}: {error}; the next {len(batch)} runs are carried out one by one", error=True)
        return [run_child(sweep, number, configs[number]) for number in batch]
    reasons = Counter(trajectory.reason.tag for trajectory in trajectories)
    outcome = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    sweep.progress.finished(batch[-1], f"{len(batch)} runs to {sweep.jobs[batch[-1]].name}", outcome)
    return [True] * len(batch)


def descended(plans: Sequence[Plan]) -> list[Trajectory]:
    """Return the trajectory of each plan; those on the same data with the same stopping rules are computed at once."""
    alike: dict[object, list[int]] = {}
    for place, plan in enumerate(plans):
        alike.setdefault((plan.dataset.sha256, plan.config.data.scaling, plan.config.stopping), []).append(place)
    found: dict[int, Trajectory] = {}
    for places in alike.values():
        first = plans[places[0]]
        lrs, starts = [plans[place].lr for place in places], [plans[place].start for place in places]
        trajectories = descend_all(first.dataset.problem, lrs=lrs, starts=starts, stopping=first.config.stopping)
        found |= dict(zip(places, trajectories, strict=True))
    return [found[place] for place in range(len(plans))]


def record(sweep: Sweep, jobs: Sequence[Job], plans: Sequence[Plan], trajectories: Sequence[Trajectory]) -> None:
    """Record the runs: their files first, then everything else at once, so that none is ever half recorded."""
    store, started, rows = open_store(sweep.tracking), now(), []
    assert isinstance(store.backend, SqliteBackend)  # `refuse` saw to that
    with store.backend.reserved(store.experiment_id, len(jobs)) as reserved:
        for (run_id, folder), job, plan, trajectory in zip(reserved, jobs, plans, trajectories, strict=True):
            write_files(plan, trajectory, job.overrides, folder)
            tags, outcome = {**plan.tags, **child_tags(job)}, plan.outcome(trajectory)
            rows.append(
                finished_run(run_id, job.name, plan.params, tags, outcome, started=started, parent=sweep.parent_id)
            )
        store.backend.insert(store.experiment_id, rows)
