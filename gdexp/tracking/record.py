"""Record runs: one as it goes along, or many that have finished."""

from __future__ import annotations

import contextlib
import json
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gdexp.core import Theory, Trajectory
from gdexp.core.factor import Array
from gdexp.data import Dataset, Source
from gdexp.tracking.backend import DatasetInput, NewRun, RunRows, Series, now
from gdexp.tracking.context import context_tags
from gdexp.tracking.metrics import outcome_series, step_series
from gdexp.tracking.operations import Files, Log, Operation, Status
from gdexp.tracking.process import PROCESS, is_own, of_this_process
from gdexp.tracking.recorded import KEY_LENGTH, NOTE, PARAM_LENGTH, PARENT, TAG_LENGTH, RecordedRun
from gdexp.tracking.settings import Tracking, masked
from gdexp.tracking.store import Store


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is recorded of a run once it has ended: metrics, tags and the dataset."""

    metrics: Sequence[Series]
    tags: Mapping[str, str]
    dataset: DatasetInput | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run that is being recorded in `store`."""

    store: Store
    run_id: str
    started: int = field(default_factory=now)

    def outcome(self, outcome: Outcome) -> None:
        """Record what came of the run."""
        self._send(Log(self.started, outcome.metrics, outcome.tags, outcome.dataset))

    def note(self, text: str) -> None:
        """Set the description that the UI shows, in Markdown."""
        self._send(Log(self.started, tags={NOTE: _note(text)}))

    def end(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        self._send(Status(status, now()))

    def failed(self, error: BaseException) -> None:
        """End the run as FAILED, with the traceback of `error` as an artifact; a store that is gone is left alone."""
        with contextlib.suppress(Exception):
            with self.files() as folder:
                text = masked("".join(traceback.format_exception(error)))
                (folder / "traceback.txt").write_text(text, encoding="utf-8")
            error.add_note(f"run {self.run_id}")
        with contextlib.suppress(Exception):
            self.end("FAILED")

    @contextlib.contextmanager
    def files(self) -> Iterator[Path]:
        """Give an empty folder; what is in it at the end becomes the run's artifacts."""
        with tempfile.TemporaryDirectory(prefix="gdexp-") as folder:
            yield Path(folder)
            self._send(Files(Path(folder)))

    def _send(self, operation: Operation) -> None:
        self.store.delivery.send(self.run_id, operation)


def start_run(
    store: Store,
    name: str,
    tags: Mapping[str, str],
    parent: str | None = None,
    params: Mapping[str, str] | None = None,
    *,
    kept: bool = True,
) -> RunRecord:
    """Create a run with its params, as a child of the run `parent` where one is given.

    A run that is not to be `kept` for a store that is away raises StoreAwayError.
    """
    started = now()
    run = NewRun(_name(name), started, _run_tags(tags, parent), _params(params or {}))
    if kept:
        return RunRecord(store, store.delivery.create_run(store.experiment_id, run), started)
    run_id = store.delivery.insist(lambda again: store.backend.create_run(store.experiment_id, run, again=again))
    return RunRecord(store, run_id, started)


@contextlib.contextmanager
def recorded_run(
    store: Store, name: str, params: Mapping[str, str], tags: Mapping[str, str], parent: str | None = None
) -> Iterator[RunRecord]:
    """Record what happens inside as one run: FINISHED, or FAILED with its traceback, or KILLED by an interrupt."""
    with killed_by_interrupt(store):
        record = start_run(store, name, tags, parent, params)
    try:
        yield record
    except KeyboardInterrupt:
        store.delivery.hurry()
        record.end("KILLED")
        raise
    except Exception as error:
        record.failed(error)
        raise
    with killed_by_interrupt(store):
        record.end("FINISHED")


@contextlib.contextmanager
def killed_by_interrupt(store: Store) -> Iterator[None]:
    """End as KILLED what an interrupt leaves RUNNING that comes while a run is created or ended."""
    try:
        yield
    except KeyboardInterrupt:
        end_own(store)
        raise


def end_own(store: Store) -> None:
    """End as KILLED what this process has begun in `store` and not ended; a store that is gone is left alone.

    An interrupt may come when a run is created and its id is not known yet.
    """
    store.delivery.hurry()
    with contextlib.suppress(Exception):
        running = store.delivery.insist(lambda _: store.backend.running(store.experiment_id))
        end_killed(store, [run for run in running if is_own(run.tags.get(PROCESS, ""))])


def end_killed(store: Store, runs: Sequence[RecordedRun]) -> None:
    """End `runs`, whose processes are gone, as KILLED, but for those of which something is kept, maybe the end."""
    for run in runs:
        if not store.delivery.unsent.holds(run.run_id):
            RunRecord(store, run.run_id).end("KILLED")


def finished_run(
    run_id: str,
    name: str,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    outcome: Outcome,
    *,
    started: int,
    parent: str | None = None,
) -> RunRows:
    """Return the rows of a run that has finished, to be inserted: the same as those that a `recorded_run` leaves.

    `started` is in milliseconds since 1970.
    """
    known = {**_run_tags(tags, parent), **_masked(outcome.tags)}
    return RunRows(
        run_id, _name(name), "FINISHED", started, now(), known, _params(params), outcome.metrics, outcome.dataset
    )


def descent_outcome(
    trajectory: Trajectory,
    theory: Theory,
    names: Sequence[str],
    settings: Tracking,
    *,
    original: Array | None = None,
    dataset: DatasetInput | None = None,
    note: str = "",
) -> Outcome:
    """Return what descent did, with parameters called `names`; `original` are the last ones in the data's units."""
    metrics = [*step_series(trajectory, names, settings), *outcome_series(trajectory, theory, names, original)]
    tags = {"gdexp.stop_reason": trajectory.reason.tag, "gdexp.stable": str(theory.stable).lower()}
    return Outcome(metrics, tags | ({NOTE: _note(note)} if note else {}), dataset)


def dataset_input(dataset: Dataset, source: Source) -> DatasetInput:
    """Return the dataset as it is recorded; MLflow's digest holds 36 characters, so the profile has the whole hash."""
    profile = {
        "sha256": dataset.sha256,
        "rows": dataset.problem.n,
        "features": dataset.features,
        "target": dataset.target,
        "units": dict(dataset.units),
    }
    return DatasetInput(
        name=source.name,
        digest=dataset.sha256[:36],
        source=json.dumps({"name": source.name, **asdict(source)}),
        profile=json.dumps(profile),
    )


def _name(text: str) -> str:
    return masked(text)[:KEY_LENGTH]


def _note(text: str) -> str:
    return masked(text[:TAG_LENGTH])


def _masked(values: Mapping[str, str]) -> dict[str, str]:
    return {key: masked(value) for key, value in values.items()}


def _run_tags(tags: Mapping[str, str], parent: str | None) -> dict[str, str]:
    known = {**context_tags(), PROCESS: of_this_process(), **tags, **({PARENT: parent} if parent else {})}
    return {key: text[:TAG_LENGTH] for key, text in _masked(known).items()}


def _params(values: Mapping[str, str]) -> dict[str, str]:
    """Return `values` as they fit into params, and where one does not, say so at its end."""
    said = " ... (config.yaml has the whole)"
    masks = _masked(values)
    return {
        key: text if len(text) <= PARAM_LENGTH else text[: PARAM_LENGTH - len(said)] + said
        for key, text in masks.items()
    }
