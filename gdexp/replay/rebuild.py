"""Rebuild a recorded run from its own record, and carry it out again."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdexp.core import GdexpError
from gdexp.core.factor import Array
from gdexp.replay.comparison import Replay, compared, contradictions
from gdexp.terminal import printable
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
    # A key that was not recorded changes the hash, too, and has its remark.
    if not remarks and run.data and config.sha256(run.data.sha256) != run.tags["gdexp.config_hash"]:
        raise ReplayError(f"config.yaml of the run {run.run_id} is not the recorded one: its hash is another")
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
    for key in config.params():
        if key in run.params and key.partition(".")[0] not in IDLE and not has(settings, key):
            raise ReplayError(f"config.yaml of the run {run.run_id} is not the recorded one: it lacks {key}")
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
