"""Record one run: everything about it, in few calls."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

from gdexp.core import Theory, Trajectory
from gdexp.core.factor import Array
from gdexp.data import Dataset, Source
from gdexp.tracking.context import context_tags
from gdexp.tracking.metrics import Point, outcome_points, step_points
from gdexp.tracking.settings import Tracking, masked
from gdexp.tracking.store import Store

METRICS_AT_ONCE = 1000
"""MLflow takes so many in one call; more would only fill the memory."""
PARAM_LENGTH = 6000
"""The longest param that MLflow stores whole."""
NOTE_LENGTH = 8000
"""The longest tag that MLflow stores whole."""


@dataclass(frozen=True)
class RunRecord:
    """A run that is being recorded in `store`."""

    store: Store
    run_id: str
    started: int = field(default_factory=lambda: int(time.time() * 1000))

    def params(self, values: Mapping[str, str]) -> None:
        """Record `values` as params."""
        from mlflow.entities import Param

        params = [Param(key, _cut(masked(value))) for key, value in values.items()]
        for first in range(0, len(params), 100):
            self.store.client.log_batch(self.run_id, params=params[first : first + 100])

    def metrics(self, points: Iterable[Point]) -> None:
        """Record `points`, all with the time of the run's start, so that none is doubled when it is sent again."""
        from mlflow.entities import Metric

        remaining = iter(points)
        while batch := list(islice(remaining, METRICS_AT_ONCE)):
            metrics = [Metric(point.key, point.value, self.started, point.step) for point in batch]
            self.store.client.log_batch(self.run_id, metrics=metrics)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set `values` as tags."""
        from mlflow.entities import RunTag

        self.store.client.log_batch(self.run_id, tags=[RunTag(key, masked(value)) for key, value in values.items()])

    def descent(
        self,
        trajectory: Trajectory,
        theory: Theory,
        names: Sequence[str],
        settings: Tracking,
        original: Array | None = None,
    ) -> None:
        """Record what descent did, with parameters called `names`; `original` are the last ones in the data's units."""
        self.metrics(step_points(trajectory, names, settings))
        self.metrics(outcome_points(trajectory, theory, names, original))
        self.tags({"gdexp.stop_reason": trajectory.reason.tag, "gdexp.stable": str(theory.stable).lower()})

    def note(self, text: str) -> None:
        """Set the description that the UI shows, in Markdown."""
        self.tags({"mlflow.note.content": text[:NOTE_LENGTH]})

    def dataset(self, dataset: Dataset, source: Source) -> None:
        """Record the dataset that was used; MLflow's digest holds 36 characters, so the profile has the whole hash."""
        from mlflow import entities

        profile = {
            "sha256": dataset.sha256,
            "rows": dataset.problem.n,
            "features": dataset.features,
            "target": dataset.target,
            "units": dict(dataset.units),
        }
        recorded = entities.Dataset(
            name=source.name,
            digest=dataset.sha256[:36],
            source_type="gdexp",
            source=json.dumps({"name": source.name, **asdict(source)}),
            profile=json.dumps(profile),
        )
        self.store.client.log_inputs(self.run_id, [entities.DatasetInput(recorded)])

    def end(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        self.store.client.set_terminated(self.run_id, status=status)

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
            self.store.client.log_artifacts(self.run_id, folder)


def start_run(store: Store, name: str, tags: Mapping[str, str], parent: str | None = None) -> RunRecord:
    """Create a run, as a child of the run `parent` where one is given."""
    of_parent = {"mlflow.parentRunId": parent} if parent else {}
    known = {key: masked(value) for key, value in {**context_tags(), **tags, **of_parent}.items()}
    run = store.client.create_run(store.experiment_id, run_name=masked(name)[:250], tags=known)
    return RunRecord(store, run.info.run_id)


@contextlib.contextmanager
def recorded_run(
    store: Store, name: str, params: Mapping[str, str], tags: Mapping[str, str], parent: str | None = None
) -> Iterator[RunRecord]:
    """Record what happens inside as one run: FINISHED, or FAILED with its traceback, or KILLED by an interrupt."""
    record = start_run(store, name, tags, parent)
    try:
        record.params(params)
        yield record
    except KeyboardInterrupt:
        record.end("KILLED")
        raise
    except Exception as error:
        record.failed(error)
        raise
    record.end("FINISHED")


def _cut(text: str) -> str:
    """Return `text` as it fits into a param, and where it does not, say so at its end."""
    said = " ... (config.yaml has the whole)"
    return text if len(text) <= PARAM_LENGTH else text[: PARAM_LENGTH - len(said)] + said
