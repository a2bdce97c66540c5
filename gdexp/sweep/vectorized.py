"""Thousands of small runs in this process: descended together, recorded together, the same records as one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from gdexp.command import heed_interrupt
from gdexp.core import GdexpError, Trajectory, descend_all
from gdexp.data import load
from gdexp.run import Plan, write_files
from gdexp.sweep.jobs import CheckedJob, Job
from gdexp.sweep.launcher import JobsLauncher
from gdexp.sweep.outcome import same_plan
from gdexp.sweep.sweep import Sweep, as_child, run_child
from gdexp.terminal import say
from gdexp.tracking import open_store
from gdexp.tracking.backend import now
from gdexp.tracking.record import finished_run
from gdexp.tracking.recorded import CONFIG_HASH
from gdexp.tracking.sqlite import SqliteBackend

NUMBERS_AT_ONCE = 2**23
"""How many numbers the trajectories that are held at once may have."""
RUNS_AT_ONCE = 500
"""How many runs one transaction records: what an interrupt loses."""


class VectorizedLauncher(JobsLauncher):
    """Hydra's launcher that carries out a sweep's jobs together."""

    name = "vectorized"

    @classmethod
    def refuse(cls, jobs: Sequence[CheckedJob], hydra: DictConfig) -> None:
        """Raise GdexpError for what takes runs one by one: the store, an engine, or Hydra's callbacks."""
        super().refuse(jobs, hydra)
        store = open_store(jobs[0].config.tracking)
        if not isinstance(store.backend, SqliteBackend):
            raise GdexpError(
                "hydra/launcher=vectorized records many runs at once, which takes a local SQLite store of MLflow's "
                f"present schema; {store.uri} is none, so leave the launcher out or set tracking.uri"
            )
        for checked in jobs:
            if checked.config.engine != "spectral":
                raise GdexpError(
                    "hydra/launcher=vectorized descends with engine=spectral and not with "
                    f"engine={checked.config.engine}; leave one of the two out "
                    f"(job {checked.job.number + 1} of {len(jobs)}: {checked.job.name})"
                )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:  # noqa: ARG002
        """Return whether each job finished."""
        jobs = [replace(job, config=as_child(job.config, self.sweep.total)) for job in self.jobs]
        finished = [done for batch in batches(jobs) for done in run_batch(self.sweep, batch, jobs)]
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=done)
            for overrides, done in zip(job_overrides, finished, strict=True)
        ]


def batches(jobs: Sequence[CheckedJob]) -> Iterator[range]:
    """Yield the places of the jobs that are carried out at once, in their order."""
    first = 0
    while first < len(jobs):
        longest = max(
            (job.config.stopping.max_iterations + 1) * (load(job.config.data).problem.p + 4)
            for job in jobs[first : first + RUNS_AT_ONCE]
        )
        size = max(1, min(RUNS_AT_ONCE, NUMBERS_AT_ONCE // longest, len(jobs) - first))
        yield range(first, first + size)
        first += size


def run_batch(sweep: Sweep, batch: range, jobs: Sequence[CheckedJob]) -> list[bool]:
    """Carry out the jobs at the places `batch`, and return whether each finished.

    Where something goes wrong they are carried out one by one, so that one failure is one run's.
    """
    chosen = [jobs[place] for place in batch]
    try:
        plans = [same_plan(job) for job in chosen]
        announce(plans)
        trajectories = descended(plans)
        record(sweep, [job.job for job in chosen], plans, trajectories)
    except Exception as error:
        heed_interrupt()
        reason = str(error).partition("\n")[0]
        say(f"{type(error).__name__}: {reason}; the next {len(batch)} runs are carried out one by one", error=True)
        return [run_child(sweep, place, jobs[place].job.overrides, jobs[place].config) for place in batch]
    reasons = Counter(trajectory.reason.tag for trajectory in trajectories)
    outcome = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    sweep.progress.finished(batch[-1], f"{len(batch)} runs to {chosen[-1].job.name}", outcome)
    heed_interrupt()
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
            tags, outcome = {CONFIG_HASH: plan.config_hash, **job.tags}, plan.outcome(trajectory)
            rows.append(
                finished_run(run_id, job.name, plan.params, tags, outcome, started=started, parent=sweep.parent_id)
            )
        store.backend.insert(store.experiment_id, rows)
