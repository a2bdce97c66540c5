"""`python -m gdexp.replay RUN`: carry a recorded run out again, and say whether it repeats to the bit."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdexp.command import command, parser, store_of
from gdexp.comparison import Replay, compared, contradictions
from gdexp.core import GdexpError
from gdexp.core.factor import Array
from gdexp.terminal import printable, say
from gdexp.tracking.origin import differences_of_origin

if TYPE_CHECKING:
    from gdexp.run import Plan
    from gdexp.tracking import Store
    from gdexp.tracking.read import RecordedRun

IDLE = ("tracking", "plots", "experiment")
"""Keys that decide no number."""


class ReplayError(GdexpError):
    """A run cannot be repeated; the text says why."""


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A recorded run that can be carried out again.

    `columns` are those of its trajectory, `remarks` what is not as it was recorded, a line each.
    """

    run: RecordedRun
    plan: Plan = field(repr=False)
    columns: Mapping[str, Array] = field(repr=False)
    remarks: tuple[str, ...]


def replay(store: Store, run: RecordedRun) -> Replay:
    """Carry out `run` again as it was recorded in `store`, and return how the outcome compares; nothing is recorded.

    Raises GdexpError where it cannot be repeated.
    """
    return repeat(rebuild(store, run))


def rebuild(store: Store, run: RecordedRun) -> Rebuilt:
    """Return `run` with the plan to carry it out again, rebuilt from its artifacts alone.

    Raises GdexpError where it cannot be repeated: it did not finish, it was recorded without its configuration, its
    artifacts or its data cannot be read.
    """
    from gdexp.run import plan_run
    from gdexp.tracking import TrackingError
    from gdexp.tracking.read import artifact, read_trajectory

    check_replayable(run)
    with tempfile.TemporaryDirectory() as folder:
        config, remarks = recorded_config(run, artifact(store, run, "config.yaml", folder))
        try:
            environment = artifact(store, run, "environment.txt", folder).read_text(encoding="utf-8")
        except (TrackingError, OSError, UnicodeError):
            environment = None
    with readable(run, "trajectory.parquet"):
        columns = read_trajectory(store, run)
        if not len(columns["step"]):
            raise ReplayError(f"trajectory.parquet of the run {run.run_id} holds no step")
    plan = plan_run(config)
    remarks += differences_of_origin(run, plan.dataset.sha256, environment)
    return Rebuilt(run, plan, columns, tuple(remarks))


def check_replayable(run: RecordedRun) -> None:
    """Raise ReplayError for what is no run of gdexp that was carried out to its end."""
    from gdexp.tracking.read import AXES

    what = f"{run.run_id} ({run.name})"
    if AXES in run.tags:
        raise ReplayError(f"{what} is a sweep; add --sweep to replay all its runs, or name one of them")
    if run.status != "FINISHED":
        state = {"RUNNING": "is still running, or was killed", "KILLED": "was interrupted", "FAILED": "failed"}
        told = state.get(run.status, f"is {run.status.lower()}")
        raise ReplayError(f"the run {what} {told}, so there is no whole record to compare with")
    if "gdexp.version" not in run.tags:
        raise ReplayError(f"the run {what} was not recorded by gdexp")
    if "gdexp.config_hash" not in run.tags:
        raise ReplayError(f"the run {what} was made by hand with gdexp.record, so it has no config.yaml to rebuild it")


def recorded_config(run: RecordedRun, path: Path) -> tuple[Any, list[str]]:
    """Return the configuration that was recorded in `path`, and a remark for each key that it does not have.

    What decides no number is left out: a tracking URI is recorded without its credentials anyway.
    """
    import yaml

    from gdexp.config import Config
    from gdexp.tracking.context import context_tags

    with readable(run, "config.yaml"):
        recorded = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    settings = {key: value for key, value in recorded.items() if key not in IDLE}
    try:
        with readable(run, "config.yaml"):
            config = Config.from_mapping(settings)
    except ReplayError:
        raise
    except GdexpError as error:
        versions = f"recorded by gdexp {run.tags['gdexp.version']}, this is {context_tags()['gdexp.version']}"
        raise ReplayError(f"config.yaml of the run {run.run_id} ({versions}): {error}") from None
    new = [
        f"{key} was not recorded; today's default {value} is taken"
        for key, value in config.params().items()
        if key.partition(".")[0] not in IDLE and not has(settings, key)
    ]
    return config, new


def has(settings: Mapping[str, Any], key: str) -> bool:
    """Tell whether nested `settings` have a `key` that is flattened with a dot."""
    group, _, leaf = key.partition(".")
    return group in settings and (not leaf or leaf in settings[group])


@contextlib.contextmanager
def readable(run: RecordedRun, name: str) -> Iterator[None]:
    """Raise ReplayError where the artifact `name` of `run` is not what it should be: anything may have changed it."""
    try:
        yield
    except GdexpError:
        raise
    except Exception as error:
        reason = printable(str(error)) or type(error).__name__
        raise ReplayError(f"{name} of the run {run.run_id} cannot be read: {reason}") from None


def repeat(rebuilt: Rebuilt) -> Replay:
    """Descend once more as `rebuilt` says and compare every step; nothing is recorded."""
    from gdexp.core import descend
    from gdexp.tracking.metrics import parameter_names
    from gdexp.tracking.trajectory import read_columns, write_trajectory

    plan, run, recorded = rebuilt.plan, rebuilt.run, rebuilt.columns
    try:
        trajectory = descend(
            plan.dataset.problem,
            lr=plan.lr,
            start=plan.start,
            stopping=plan.config.stopping,
            engine=plan.config.engine,
        )
    except MemoryError as error:
        raise ReplayError(f"there is not enough memory to repeat the run {run.run_id} ({error})") from None
    # The columns as a file gives them back, so that they are compared with their like.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.parquet"
        write_trajectory(path, trajectory, parameter_names(plan.dataset.features))
        now = read_columns(path, None)
    differences, first, faults = compared(recorded, now)
    stopped = run.tags.get("gdexp.stop_reason", "none")
    if stopped != trajectory.reason.tag:
        faults.append(f"the stop reason is {trajectory.reason.tag}, {stopped} was recorded")
    faults += contradictions(run, recorded)
    return Replay(run.run_id, len(recorded["step"]) - 1, differences, first, tuple(faults), rebuilt.remarks)


def main() -> None:
    """Run `python -m gdexp.replay`: exit 0 repeated, 1 differs, 2 cannot be repeated, 130 interrupted."""
    # Status 1 says that numbers differ, so a fault of gdexp's own must not end with it.
    with command("gdexp.replay", failed=2):
        arguments = parser(
            "gdexp.replay",
            "Carry a recorded run out again and compare every step. Exit status: 0 identical to the bit, 1 differs, "
            "2 cannot be repeated.",
        )
        arguments.add_argument("run", metavar="RUN", help="a run's id, as `recorded run ...` showed it")
        arguments.add_argument(
            "--sweep", action="store_true", help="all runs of a sweep: RUN is its parent's id, or a study's name"
        )
        options = arguments.parse_args()
        store = store_of(options)
        sys.exit(replay_sweep(store, options.run) if options.sweep else replay_one(store, options.run))


def replay_one(store: Store, run_id: str) -> int:
    """Replay one run, say how it compares, and return the exit status."""
    from gdexp.tracking.read import find_run

    run = find_run(store, run_id)
    rebuilt = rebuild(store, run)
    for remark in rebuilt.remarks:
        say(printable(remark), error=True)
    result = repeat(rebuilt)
    say(printable(f"{run.run_id} ({run.name}): {result}"))
    return int(not result.identical)


def replay_sweep(store: Store, name: str) -> int:
    """Replay every run of a sweep, say how each compares, and return the exit status."""
    from gdexp.tracking.read import find_sweep

    runs: Sequence[RecordedRun] = find_sweep(store, name).runs
    if not runs:
        raise ReplayError(f"the sweep {name} has no run")
    said: set[str] = set()
    counts = {"identical to the bit": 0, "differing": 0, "not to be repeated": 0}
    for number, run in enumerate(runs, start=1):
        try:
            rebuilt = rebuild(store, run)
            for remark in rebuilt.remarks:
                # Mostly the same of every run; each once is enough.
                if remark not in said:
                    say(printable(remark), error=True)
                said.add(remark)
            result = repeat(rebuilt)
        except GdexpError as error:
            outcome, kind = f"cannot be repeated: {error}", "not to be repeated"
        else:
            outcome, kind = str(result), "identical to the bit" if result.identical else "differing"
        counts[kind] += 1
        say(printable(f"[{number}/{len(runs)}] {run.name}: {outcome}"))
    say(f"{len(runs)} run{'s' * (len(runs) != 1)}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
    return 2 if counts["not to be repeated"] else int(counts["differing"] > 0)


if __name__ == "__main__":
    main()
