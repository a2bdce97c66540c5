"""What a sweep does: one parent run, a child for each job, and at the end a table, figures and links."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gdexp.command import heed_interrupt
from gdexp.config import Config
from gdexp.core import GdexpError, ParameterError
from gdexp.report.figures import draw_sweep
from gdexp.report.table import sweep_description, text_table, write_csv
from gdexp.run import plan_run
from gdexp.sweep.jobs import CheckedJob, Job, job_of
from gdexp.sweep.outcome import carry_out, tell
from gdexp.sweep.progress import Progress
from gdexp.terminal import say
from gdexp.tracking import RunRecord, Store, Tracking, TrackingError, masked, open_store
from gdexp.tracking.context import typed_arguments, typed_command
from gdexp.tracking.errors import is_away
from gdexp.tracking.links import sweep_links, ui_hint
from gdexp.tracking.process import PROCESS, is_alive, of_this_process
from gdexp.tracking.read import (
    ARGUMENTS,
    AXES,
    COMMAND,
    RUNS,
    STUDY,
    SWEEP_HASH,
    RecordedRun,
    children,
    find_run,
)
from gdexp.tracking.record import start_run
from gdexp.tracking.recorded import CONFIG_HASH, PARENT, in_tags
from gdexp.tracking.store import existing_store

DRAWN_RUNS = 100
"""In a sweep of more runs than this no run draws figures of its own unless it is told to."""


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

    `hashes` are those of all its runs. `numbers` are those of the jobs that are still to be done, None for all.
    `draws` tells whether figures over its runs are wanted.
    """

    parent_id: str
    tracking: Tracking
    axes: tuple[str, ...]
    hashes: tuple[str, ...]
    progress: Progress
    draws: bool
    numbers: tuple[int, ...] | None = None

    @property
    def total(self) -> int:
        """How many runs it has."""
        return len(self.hashes)

    def job(self, place: int, overrides: Sequence[str]) -> Job:
        """Return the job that a launcher counts as `place`, from 0, among those that are still to be done."""
        return job_of(place if self.numbers is None else self.numbers[place], overrides, self.axes)


def checked(jobs: Sequence[Job], settings: Sequence[Mapping[str, Any]]) -> list[CheckedJob]:
    """Return each job with its configuration after planning its run; raises GdexpError for one that cannot be had.

    `settings` are those of each job; `plots.name` stays None where they leave it to the sweep.
    """
    found = []
    for job, given in zip(jobs, settings, strict=True):
        try:
            config = Config.from_mapping(given, plots=None)
            plan = plan_run(config)  # and not kept: a plan holds its data
        except GdexpError as error:
            quoted = isinstance(error, ParameterError) and isinstance(error.got, str) and re.search("[(,]", error.got)
            hint = " In quotes it is one text: without them it is several values." if quoted else ""
            raise GdexpError(f"{error}{hint} (job {job.number + 1} of {len(jobs)}: {job.name})") from None
        found.append(CheckedJob(job, config, plan.config_hash))
    return found


def begin(jobs: Sequence[CheckedJob], axes: Sequence[str]) -> Sweep:
    """Open the store and record the parent of `jobs`, a sweep of the keys `axes`.

    Raises TrackingError before anything is recorded.
    """
    first = jobs[0].config
    store = open_store(first.tracking)
    tags = {AXES: json.dumps(axes), RUNS: str(len(jobs)), SWEEP_HASH: sweep_hash(jobs)}
    tags |= in_tags(COMMAND, masked(typed_command())) | in_tags(ARGUMENTS, masked(json.dumps(typed_arguments())))
    title = " x ".join(axes)
    if first.experiment:
        tags[STUDY] = first.experiment
        title = f"{first.experiment}: {title}"
    count = runs_in_words(len(jobs))
    # Its children are tagged with its id, so it must have one.
    record = start_run(store, f"sweep of {title} ({count})", tags, kept=False)
    say(f"{count} over {', '.join(axes)}, checked; recorded in experiment {store.experiment!r} of {store.uri}")
    if len(jobs) > DRAWN_RUNS and any(job.config.plots.name is None for job in jobs):
        say(f"More than {DRAWN_RUNS} runs: the sweep's figures are drawn, its runs' own only with plots=loss_curve")
    progress = Progress(len(jobs), time.time())
    return Sweep(record.run_id, first.tracking, tuple(axes), hashes_of(jobs), progress, draws(jobs))


def preview(jobs: Sequence[CheckedJob], axes: Sequence[str], resume: str | None = None) -> None:
    """Say which runs would be done, those that the sweep `resume` lacks or else all, and do nothing."""
    tracking = jobs[0].config.tracking
    place = f"experiment {tracking.experiment!r} of {masked(tracking.resolved_uri)}"
    wanted = jobs
    if resume is not None:
        store = existing_store(tracking)
        check_same(store, resume, jobs)
        wanted = missing(store, resume, jobs)
    where = f"recorded in {place}" if resume is None else f"done in the sweep {resume} of {place}"
    say(f"{runs_in_words(len(wanted))} over {', '.join(axes)}, checked; to be {where}")
    for job in wanted:
        say(f"  {job.job.number + 1}  {job.job.name}")
    say("Nothing was run: dry_run=true.")


def missing(store: Store, parent_id: str, jobs: Sequence[CheckedJob]) -> list[CheckedJob]:
    """Return those of `jobs` that did not finish in the sweep with the parent `parent_id`."""
    found = children(store, parent_id, find_run(store, parent_id).experiment_id)
    finished = {(run.job, run.tags.get(CONFIG_HASH)) for run in found if run.finished}
    return [job for job in jobs if (job.job.number, job.config_hash) not in finished]


def under_way(store: Store, parent_id: str) -> list[RecordedRun]:
    """Return the runs of the sweep with the parent `parent_id` that say RUNNING."""
    running = store.delivery.insist(lambda _: store.backend.running(store.experiment_id))
    return [run for run in running if run.tags.get(PARENT) == parent_id]


def check_same(store: Store, parent_id: str, jobs: Sequence[CheckedJob]) -> None:
    """Raise GdexpError where `jobs` are not those that the sweep with the parent `parent_id` began with."""
    parent = find_run(store, parent_id)
    if parent.tags.get(SWEEP_HASH) != sweep_hash(jobs):
        raise GdexpError(
            f"the sweep {parent_id} cannot be resumed: the configuration or the data are not those that it began with; "
            "restore them, or begin the sweep anew"
        )


def resumed(parent_id: str, jobs: Sequence[CheckedJob], axes: Sequence[str]) -> Sweep:
    """Take up the sweep with the parent `parent_id`, whose `jobs` these are, to carry out those that did not finish.

    Raises GdexpError where `jobs` are not those that it began with, or where it is under way.
    """
    tracking = jobs[0].config.tracking
    store = open_store(tracking)
    check_same(store, parent_id, jobs)
    if not store.backend.take_up(parent_id, {PROCESS: of_this_process()}):
        raise GdexpError(f"the sweep {parent_id} is RUNNING: another process has just resumed it")
    try:
        send_kept(store)
        # Looked for only now: whoever had it before may have finished it meanwhile, or have left workers behind.
        if any(is_alive(run.tags.get(PROCESS, "")) for run in under_way(store, parent_id)):
            raise GdexpError(f"a worker of the sweep {parent_id} is still at work: resume once it has ended")
        undone = missing(store, parent_id, jobs)
    except Exception:
        RunRecord(store, parent_id).end("KILLED")
        raise
    numbers = tuple(job.job.number for job in undone)
    say(f"{len(numbers)} of {runs_in_words(len(jobs))} over {', '.join(axes)} to be done in the sweep {parent_id}")
    progress = Progress(len(numbers), time.time())
    return Sweep(parent_id, tracking, tuple(axes), hashes_of(jobs), progress, draws(jobs), numbers)


def hashes_of(jobs: Sequence[CheckedJob]) -> tuple[str, ...]:
    """Return the hash of each job, in their order."""
    return tuple(job.config_hash for job in jobs)


def sweep_hash(jobs: Sequence[CheckedJob]) -> str:
    """Return the hash of everything that decides the numbers of all runs."""
    return hashlib.sha256("\n".join(hashes_of(jobs)).encode()).hexdigest()


def draws(jobs: Sequence[CheckedJob]) -> bool:
    """Tell whether figures over the runs are wanted: whether any of them draws some."""
    return any(job.config.plots.name != "none" for job in jobs)


def runs_in_words(count: int) -> str:
    """Return how many runs, as in `1 run`."""
    return f"{count} run{'s' * (count != 1)}"


def run_child(sweep: Sweep, place: int, overrides: Sequence[str], config: Config) -> bool:
    """Carry out one job and return whether it finished; a failure is printed and does not stop the others."""
    job = sweep.job(place, overrides)
    sweep.progress.running(place, job.name)
    checked = CheckedJob(job, config, sweep.hashes[job.number])
    outcome = carry_out(checked, open_store(sweep.tracking), sweep.parent_id, lambda text: say(f"{job.name}: {text}"))
    tell(sweep.progress, place, job.name, outcome)
    heed_interrupt()
    return outcome.finished


def finish(sweep: Sweep, status: str) -> bool:
    """End the parent with what its children recorded: table, figures and links, printed and kept.

    `status` is FINISHED, FAILED where some run failed, or KILLED after an interrupt, which spends no time on figures.
    Returns whether the store has all of it; otherwise the rest is left to a resumption.
    """
    store = open_store(sweep.tracking)
    if status == "KILLED":
        store.delivery.hurry()
        # Before all that may take longer than there is time.
        RunRecord(store, sweep.parent_id).end(status)
    try:
        deliver(store)
        conclude(store, sweep, store.delivery.insist(lambda _: children(store, sweep.parent_id)), status)
    except KeyboardInterrupt:
        store.delivery.hurry()
        RunRecord(store, sweep.parent_id).end("KILLED")
        raise
    except Exception as error:
        if not is_away(error) and status != "KILLED":
            raise
        say(f"gdexp: the sweep is brought to its end by `python -m gdexp.resume {sweep.parent_id}`", error=True)
        return False
    return not store.delivery.unsent.holds(sweep.parent_id)


def deliver(store: Store) -> None:
    """Send what is kept for `store`, and say so; raises StoreAwayError where it is away."""
    store.delivery.insist(lambda _: send_kept(store))


def send_kept(store: Store, *, assume_dead: bool = False) -> None:
    """Send what is kept for `store`, and say so; raises whatever keeps the store from taking it.

    `assume_dead` counts the processes of other machines as gone.
    """
    sent = sum(1 for _ in store.delivery.unsent.send(store.backend, assume_dead=assume_dead))
    if sent:
        say(f"Sent what was kept of {runs_in_words(sent)}")


def conclude(store: Store, sweep: Sweep, runs: Sequence[RecordedRun], status: str) -> None:
    """Make the table, the figures and the links of `runs`, and end the parent."""
    parent, axes = RunRecord(store, sweep.parent_id), list(sweep.axes)
    seconds = time.time() - sweep.progress.started
    done = sum(run.finished for run in runs)
    took = f"{done} of {sweep.total} runs in {seconds:.1f} s, {seconds / max(1, done):.2f} s a run"
    if sweep.numbers is not None:
        took = f"{done} of {sweep.total} runs, the last {len(sweep.numbers)} in {seconds:.1f} s"
    say(f"\n{text_table(runs, axes)}\n\n{took}.")
    links = sweep_links(store, sweep.parent_id, [run.run_id for run in runs], axes)
    parent.note(sweep_description(took, links, runs, axes))
    try:
        with parent.files() as folder:
            write_csv(folder / "table.csv", runs, axes)
        with parent.files() as folder:
            if sweep.draws and status != "KILLED":
                draw_sweep(store, runs, axes, folder / "plots")
    except Exception as error:
        if not is_away(error):
            parent.failed(error)
        raise
    parent.end(status)
    say("\n".join([f"\nTo look: {ui_hint(store)}", *(f"  {label}: {link}" for label, link in links.items())]))
    # Only speed is at stake: a store that is busy is left as it is.
    with contextlib.suppress(TrackingError):
        store.backend.analyze()
