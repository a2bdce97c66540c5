"""Thousands of small runs in this process: descended together, recorded together, the same records as one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gdexp.config import Config
from gdexp.core import GdexpError, Trajectory, descend_all
from gdexp.data import load
from gdexp.run import Plan, plan_run, write_files
from gdexp.sweep.sweep import Job, Sweep, as_child, child_tags, run_child
from gdexp.terminal import say
from gdexp.tracking import open_store
from gdexp.tracking.record import finished_run, now
from gdexp.tracking.sqlite import SqliteBackend

NUMBERS_AT_ONCE = 2**23
"""How many numbers the trajectories that are held at once may have."""
RUNS_AT_ONCE = 500
"""How many runs one transaction records: what an interrupt loses."""


class VectorizedLauncher(Launcher):
    """Hydra's launcher that carries out a sweep's jobs together, without Hydra's own work for each of them.

    The sweeper hands it the `sweep` and the `configs` of its runs, which it has checked.
    """

    sweep: Sweep
    configs: Sequence[Config]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Need nothing of what Hydra's own launchers compose jobs from."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:  # noqa: ARG002
        """Return whether each job finished."""
        configs = [as_child(config, len(self.configs)) for config in self.configs]
        finished = [done for batch in batches(configs) for done in run_batch(self.sweep, batch, configs)]
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=done)
            for overrides, done in zip(job_overrides, finished, strict=True)
        ]


def refuse(jobs: Sequence[Job], configs: Sequence[Config], callbacks: object) -> None:
    """Raise GdexpError for what takes runs one by one: the store, an engine, or Hydra's `callbacks`."""
    store = open_store(configs[0].tracking)
    if not isinstance(store.backend, SqliteBackend):
        raise GdexpError(
            "hydra/launcher=vectorized records many runs at once, which takes a local SQLite store of MLflow's present "
            f"schema; {store.uri} is none, so leave the launcher out or set tracking.uri"
        )
    if callbacks:
        raise GdexpError("hydra/launcher=vectorized calls no hydra.callbacks for each job; leave one of the two out")
    for job, config in zip(jobs, configs, strict=True):
        if config.engine != "spectral":
            raise GdexpError(
                f"hydra/launcher=vectorized descends with engine=spectral and not with engine={config.engine}; "
                f"leave one of the two out (job {job.number + 1} of {len(jobs)}: {job.name})"
            )


def batches(configs: Sequence[Config]) -> Iterator[range]:
    """Yield the numbers of the jobs that are carried out at once, in their order."""
    first = 0
    while first < len(configs):
        longest = max(
            (config.stopping.max_iterations + 1) * (load(config.data).problem.p + 4)
            for config in configs[first : first + RUNS_AT_ONCE]
        )
        size = max(1, min(RUNS_AT_ONCE, NUMBERS_AT_ONCE // longest, len(configs) - first))
        yield range(first, first + size)
        first += size


def run_batch(sweep: Sweep, batch: range, configs: Sequence[Config]) -> list[bool]:
    """Carry out the jobs of the numbers `batch`, and return whether each finished.

    Where something goes wrong they are carried out one by one, so that one failure is one run's.
    """
    jobs = [sweep.jobs[number] for number in batch]
    try:
        plans = [plan_run(configs[number]) for number in batch]
        announce(plans)
        trajectories = descended(plans)
        record(sweep, jobs, plans, trajectories)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        say(f"{type(error).__name__}: {reason}; the next {len(batch)} runs are carried out one by one", error=True)
        return [run_child(sweep, number, configs[number]) for number in batch]
    reasons = Counter(trajectory.reason.tag for trajectory in trajectories)
    outcome = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    sweep.progress.finished(batch[-1], f"{len(batch)} runs to {jobs[-1].name}", outcome)
    return [True] * len(batch)


def announce(plans: Sequence[Plan]) -> None:
    """Say before the runs what each of them alone would have said."""
    for note in dict.fromkeys(plan.dataset.note for plan in plans if plan.dataset.note):
        say(note)
    unstable = [plan.theory.relative_lr for plan in plans if not plan.theory.stable]
    if unstable:
        say(
            f"{len(unstable)} of the next {len(plans)} runs have an lr above the largest stable one, "
            f"up to {max(unstable):.6g} times"
        )


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
