"""What a sweep does: one parent run, a child for each job, and at the end a table, figures and links."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gdexp.config import Config
from gdexp.core import GdexpError
from gdexp.report.figures import draw_sweep
from gdexp.report.table import sweep_description, text_table, write_csv
from gdexp.report.words import line, short
from gdexp.run import execute, plan_run
from gdexp.sweep.progress import Progress
from gdexp.terminal import say
from gdexp.tracking import RunRecord, Tracking, TrackingError, open_store
from gdexp.tracking.context import typed_command
from gdexp.tracking.links import sweep_links, ui_hint
from gdexp.tracking.read import AXES, COMMAND, JOB, RUNS, STUDY, SWEPT, children
from gdexp.tracking.record import start_run

DRAWN_RUNS = 100
"""In a sweep of more runs than this no run draws figures of its own unless it is told to."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its number from 0, what the user typed for it, and the values that set it apart."""

    number: int
    overrides: tuple[str, ...]
    swept: Mapping[str, str]

    @property
    def name(self) -> str:
        """The run's name: its own values, as in `lr=0.01, init=zero`."""
        return ", ".join(f"{key}={short(value)}" for key, value in self.swept.items()) or "defaults"


def jobs_of(overrides: Sequence[Sequence[str]]) -> list[Job]:
    """Return the jobs of the given overrides; what they differ in is what is swept, or all they set if there is one."""
    pairs = [{key.lstrip("+"): value for key, _, value in (text.partition("=") for text in job)} for job in overrides]
    keys = dict.fromkeys(key for job in pairs for key in job)
    varied = [key for key in keys if any(job.get(key) != pairs[0].get(key) for job in pairs)]
    if any(key.startswith("tracking.") for key in varied):
        raise GdexpError("tracking.* takes one value for a whole sweep: its runs are compared in one place")
    axes = varied or [key for key in pairs[0] if key != "experiment" and not key.startswith("tracking.")]
    if not axes:
        raise GdexpError("a sweep takes at least one key with its values, as in lr=0.001,0.01,0.1")
    return [
        Job(number, tuple(job), {key: value for key, value in given.items() if key in axes})
        for number, (job, given) in enumerate(zip(overrides, pairs, strict=True))
    ]


def axes_of(jobs: Sequence[Job]) -> list[str]:
    """Return the keys in which `jobs` differ; not every job has to set each."""
    return list(dict.fromkeys(key for job in jobs for key in job.swept))


def child_config(settings: Mapping[str, Any], runs: int) -> Config:
    """Return the configuration of one of `runs` runs: of few each draws its loss curve, of many none draws any."""
    return as_child(Config.from_mapping(settings, plots=None), runs)


def as_child(config: Config, runs: int) -> Config:
    """Return `config` with the figures that one of `runs` runs draws where it leaves them to the sweep."""
    name = config.plots.name or ("loss_curve" if runs <= DRAWN_RUNS else "none")
    return replace(config, plots=replace(config.plots, name=name))


@dataclass(frozen=True)
class Sweep:
    """A sweep under way; it goes along with each job, to another process if need be.

    `draws` tells whether figures over its runs are wanted.
    """

    parent_id: str
    tracking: Tracking
    jobs: tuple[Job, ...]
    progress: Progress
    draws: bool

    @property
    def axes(self) -> list[str]:
        """The keys that are swept."""
        return axes_of(self.jobs)


def checked(jobs: Sequence[Job], settings: Sequence[Mapping[str, Any]]) -> list[Config]:
    """Return the configuration of each job after planning its run; raises GdexpError for one that cannot be had.

    `settings` are those of each job; `plots.name` stays None where they leave it to the sweep.
    """
    configs = []
    for job, given in zip(jobs, settings, strict=True):
        try:
            configs.append(Config.from_mapping(given, plots=None))
            plan_run(configs[-1])  # and not kept: a plan holds its data
        except GdexpError as error:
            raise GdexpError(f"{error} (job {job.number + 1} of {len(jobs)}: {job.name})") from None
    return configs


def begin(jobs: Sequence[Job], configs: Sequence[Config]) -> Sweep:
    """Open the store and record the parent of `jobs`, whose `configs` have been checked.

    Raises TrackingError before anything is recorded.
    """
    first = configs[0]
    store = open_store(first.tracking)
    axes = axes_of(jobs)
    tags = {AXES: json.dumps(axes), RUNS: str(len(jobs)), COMMAND: typed_command()}
    title = " x ".join(axes)
    if first.experiment:
        tags[STUDY] = first.experiment
        title = f"{first.experiment}: {title}"
    count = f"{len(jobs)} run{'s' * (len(jobs) != 1)}"
    record = start_run(store, f"sweep of {title} ({count})", tags)
    say(f"{count} over {', '.join(axes)}, checked; recorded in experiment {store.experiment!r} of {store.uri}")
    if len(jobs) > DRAWN_RUNS and any(config.plots.name is None for config in configs):
        say(f"More than {DRAWN_RUNS} runs: the sweep's figures are drawn, its runs' own only with plots=loss_curve")
    draws = any(config.plots.name != "none" for config in configs)
    return Sweep(record.run_id, first.tracking, tuple(jobs), Progress(len(jobs), time.time()), draws)


def child_tags(job: Job) -> dict[str, str]:
    """Return what a child is tagged with: its place in the sweep and its own values."""
    return {JOB: str(job.number)} | {f"{SWEPT}{key}": value for key, value in job.swept.items()}


def run_child(sweep: Sweep, number: int, config: Config) -> bool:
    """Carry out one job and return whether it finished; a failure is printed and does not stop the others."""
    job = sweep.jobs[number]
    sweep.progress.running(number, job.name)
    try:
        plan = plan_run(config)
        for remark in plan.remarks:
            say(f"{job.name}: {remark}")
        store = open_store(sweep.tracking)
        result = execute(plan, store, job.overrides, name=job.name, parent=sweep.parent_id, tags=child_tags(job))
    except Exception as error:
        where = " ".join(getattr(error, "__notes__", []))
        reason = str(error).partition("\n")[0]
        sweep.progress.finished(number, job.name, f"FAILED, {type(error).__name__}: {reason}")
        if where:
            say(f"gdexp: {job.name} failed; traceback.txt of {where} tells more", error=True)
        return False
    sweep.progress.finished(number, job.name, line(result.trajectory))
    return True


def finish(sweep: Sweep, status: str) -> None:
    """End the parent with what its children recorded: table, figures and links, printed and kept.

    `status` is FINISHED, FAILED where some run failed, or KILLED after an interrupt, which spends no time on figures.
    """
    store = open_store(sweep.tracking)
    parent = RunRecord(store, sweep.parent_id)
    runs = children(store, sweep.parent_id)
    seconds = time.time() - sweep.progress.started
    took = f"{len(runs)} of {len(sweep.jobs)} runs in {seconds:.1f} s, {seconds / max(1, len(runs)):.2f} s a run"
    say(f"\n{text_table(runs, sweep.axes)}\n\n{took}.")
    links = sweep_links(store, sweep.parent_id, [run.run_id for run in runs], sweep.axes)
    parent.note(sweep_description(took, links, runs, sweep.axes))
    try:
        with parent.files() as folder:
            write_csv(folder / "table.csv", runs, sweep.axes)
        with parent.files() as folder:
            if sweep.draws and status != "KILLED":
                draw_sweep(store, runs, sweep.axes, folder / "plots")
    except Exception as error:
        parent.failed(error)
        raise
    parent.end(status)
    say("\n".join([f"\nTo look: {ui_hint(store)}", *(f"  {label}: {link}" for label, link in links.items())]))
    # Only speed is at stake: a store that is busy is left as it is.
    with contextlib.suppress(TrackingError):
        store.backend.analyze()
