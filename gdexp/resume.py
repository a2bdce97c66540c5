"""`python -m gdexp.resume [SWEEP]`: do what an interrupted sweep has left undone, and nothing twice."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from gdexp import cli
from gdexp.command import command, parser, store_of
from gdexp.core import GdexpError
from gdexp.terminal import printable, say

if TYPE_CHECKING:
    import argparse

    from gdexp.tracking import Store
    from gdexp.tracking.read import RecordedRun, RecordedSweep


class ResumeError(GdexpError):
    """A sweep cannot be resumed; the text says why."""


def main() -> None:
    """Run `python -m gdexp.resume`: exit 0 all runs have finished, 1 some failed, 2 refused, 130 interrupted."""
    with command("gdexp.resume"):
        arguments = parser(
            "gdexp.resume",
            "Run what is missing of a sweep that was killed, interrupted or had failures, into the same parent run. "
            "Nothing that has finished is repeated. Exit status: as for python -m gdexp.",
        )
        arguments.add_argument(
            "sweep",
            metavar="SWEEP",
            nargs="?",
            help="the id of the sweep's parent run, or a study's name for its latest; without it the latest sweep",
        )
        arguments.add_argument(
            "overrides", metavar="KEY=VALUE", nargs="*", help="what is to be set otherwise, as hydra/launcher=joblib"
        )
        arguments.add_argument("--dry-run", action="store_true", help="list what would run, and change nothing")
        arguments.add_argument(
            "--assume-dead", action="store_true", help="take runs of other machines that say RUNNING for dead"
        )
        options = arguments.parse_args()
        if options.sweep and "=" in options.sweep:
            options.sweep, options.overrides = None, [options.sweep, *options.overrides]
        sys.argv = ["gdexp", *what_is_left(options)]
    # From here on it is the sweep that is run, and that says what goes wrong.
    if len(sys.argv) > 1:
        cli.main()


def what_is_left(options: argparse.Namespace) -> list[str]:
    """Mark what died as KILLED, and return the arguments with which gdexp does the rest; none where nothing is left."""
    from gdexp.sweep.sweep import send_kept
    from gdexp.tracking.errors import is_away, reason
    from gdexp.tracking.read import AXES, find_sweep
    from gdexp.tracking.unsent import FOLDER

    store = store_of(options)
    if not options.dry_run:
        try:
            send_kept(store, assume_dead=options.assume_dead)
        except Exception as error:
            if not is_away(error):
                raise
            raise ResumeError(
                f"the tracking store {store.uri} does not take what is kept for it in {FOLDER} ({reason(error)}); "
                "all of it is still there: resume once it does"
            ) from None
    none = options.sweep is None and not (store.experiment_id and store.backend.latest(store.experiment_id, AXES))
    sweep = None if none else find_sweep(store, options.sweep)
    bury(store, sweep, assume=options.assume_dead, change=not options.dry_run)
    if sweep is None:
        say(f"no sweep is recorded in experiment {store.experiment!r} of {store.uri}: nothing to resume")
        return []
    if sweep.parent.status == "FINISHED" and len({run.job for run in sweep.finished}) == sweep.planned:
        say(f"the sweep {sweep.parent.run_id} ({printable(sweep.parent.name)}) has finished: nothing to resume")
        return []
    recorded = recorded_arguments(sweep)
    given = [f"tracking.uri={quoted(options.uri)}"] if options.uri else []
    if options.uri:
        recorded = [text for text in recorded if not text.lstrip("+").startswith("tracking.uri=")]
    if any("***" in text for text in recorded):
        raise ResumeError("the sweep was begun with credentials, which are not recorded: name its store with --uri")
    return [
        *recorded,
        *given,
        *options.overrides,
        f"hydra.sweeper.resume={sweep.parent.run_id}",
        *(["dry_run=true"] if options.dry_run else []),
    ]


def bury(store: Store, sweep: RecordedSweep | None, *, assume: bool, change: bool) -> None:
    """Mark as KILLED what says RUNNING and whose process is gone: the runs of `sweep`, and others of this machine.

    `assume` counts those of other machines as gone where they are runs of `sweep`; without `change` nothing is marked.
    Raises ResumeError where the sweep may still be under way.
    """
    from gdexp.tracking.process import PROCESS, is_alive

    own = {sweep.parent.run_id, *(run.run_id for run in sweep.runs)} if sweep else set()
    experiment_id = sweep.parent.experiment_id if sweep else store.experiment_id
    running = store.backend.running(experiment_id) if experiment_id else []
    states = {run.run_id: is_alive(run.tags.get(PROCESS, "")) for run in running}
    for run in running:
        if run.run_id in own and states[run.run_id] is not False and not (states[run.run_id] is None and assume):
            raise ResumeError(still_running(run, states[run.run_id]))
    for run in running:
        if not change or not (states[run.run_id] is False or run.run_id in own):
            continue
        # Another resumption may have done so meanwhile, and taken the sweep up.
        now = store.backend.get_run(run.run_id)
        if now and now.status == "RUNNING" and now.tags.get(PROCESS) == run.tags.get(PROCESS):
            store.backend.set_status(run.run_id, "KILLED")
            say(f"killed     {run.run_id} ({printable(run.name)}): its process is gone")


def still_running(run: RecordedRun, alive: bool | None) -> str:
    """Return why a sweep of which `run` says RUNNING cannot be resumed; `alive` is None where nobody can tell."""
    from gdexp.tracking.process import PROCESS

    host, number = [*run.tags.get(PROCESS, "").split(" "), ""][:2]
    where = f"process {number} of {host}" if host else "a process of which nothing is recorded"
    if alive:
        return f"the run {run.run_id} ({run.name}) is still RUNNING in {where}: wait for it, or end it"
    return (
        f"the run {run.run_id} ({run.name}) says RUNNING in {where}, which this machine cannot look at: "
        "resume there, or add --assume-dead once you know that it is gone"
    )


def recorded_arguments(sweep: RecordedSweep) -> list[str]:
    """Return the arguments that `sweep` was begun with; raises ResumeError for one that gdexp did not begin."""
    from gdexp.tracking.recorded import ARGUMENTS, of_tags

    try:
        arguments = json.loads(of_tags(ARGUMENTS, sweep.parent.tags))
    except (KeyError, ValueError):
        raise ResumeError(
            f"the run {sweep.parent.run_id} ({sweep.parent.name}) was not begun as a sweep by this version of gdexp"
        ) from None
    return [str(argument) for argument in arguments]


def quoted(text: str) -> str:
    """Return `text` as Hydra takes it, whatever is in it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    main()
