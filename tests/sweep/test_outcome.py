"""What comes of one job, whatever happens to it."""

from __future__ import annotations

import logging
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from gdexp.config import Config
from gdexp.run import plan_run
from gdexp.sweep.jobs import CheckedJob, jobs_of
from gdexp.sweep.outcome import carry_out
from gdexp.sweep.slurm import interrupts_later
from gdexp.sweep.workers import Task, logged
from gdexp.tracking import Store, Tracking, open_store
from gdexp.tracking.errors import StoreAwayError
from gdexp.tracking.process import PROCESS, of_this_process
from gdexp.tracking.record import start_run
from gdexp.tracking.recorded import RecordedRun


@dataclass(frozen=True)
class Place:
    """A folder with a store and the parent of a sweep in it."""

    path: Path
    tracking: Tracking
    store: Store
    parent: str

    def children(self) -> list[RecordedRun]:
        return self.store.backend.children(self.store.experiment_id, self.parent)

    def task(self, checked: CheckedJob, folder: str = "") -> Task:
        return Task(checked, self.tracking, self.parent, folder or str(self.path), of_this_process())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    tracking = Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    store = open_store(tracking)
    return Place(tmp_path, tracking, store, start_run(store, "sweep", {}).run_id)


def jobs(**data: object) -> list[CheckedJob]:
    """Two jobs, with the hashes that they have now."""
    settings = {"plots": {"name": "none"}, "stopping": {"max_iterations": 5}} | ({"data": data} if data else {})
    config = Config.from_mapping(settings)
    return [CheckedJob(job, config, plan_run(config).config_hash) for job in jobs_of([["lr=0.1"], ["lr=0.2"]])]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "ParameterError: data.path takes"), ("x,y\n1,2\n3,5\n", "the data have changed since the sweep began")],
)
def test_a_job_whose_data_are_others_by_now_is_a_failed_run_with_its_traceback(
    place: Place, content: str | None, said: str
) -> None:
    file = place.path / "d.csv"
    file.write_text("x,y\n1,2\n3,4\n")
    checked = jobs(name="file", path="d.csv", target="y")[1]
    file.unlink()
    if content:
        file.write_text(content)
    outcome = carry_out(checked, place.store, place.parent, lambda _: None)
    (run,) = place.children()
    assert not outcome.finished
    assert outcome.line.startswith("FAILED, ")
    assert outcome.traceback == f"run {run.run_id}"
    assert (run.status, run.name, run.params["data.path"]) == ("FAILED", "lr=0.2", "d.csv")
    assert said in (Path(run.artifact_uri.removeprefix("file://")) / "traceback.txt").read_text()


@pytest.mark.parametrize("change", ["resumed elsewhere", "ended"])
def test_a_task_whose_turn_comes_too_late_does_nothing(place: Place, change: str) -> None:
    first, second = map(place.task, jobs())
    assert first().finished
    place.store.backend.set_status(place.parent, "KILLED")
    if change == "resumed elsewhere":
        assert place.store.backend.take_up(place.parent, {PROCESS: "elsewhere 7 1 0"})
    outcome = second()
    assert not outcome.finished
    assert outcome.line == "left alone, for its sweep has ended or was resumed meanwhile"
    assert [run.name for run in place.children()] == ["lr=0.1"]


def test_a_task_that_cannot_begin_says_why(place: Place) -> None:
    outcome = place.task(jobs()[0], folder="/nowhere")()
    assert outcome.line == "FAILED, FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'"


def test_a_task_waits_for_a_store_that_is_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [replace(place.task(checked), tracking=replace(place.tracking, patience=3)) for checked in jobs()]
    waited: list[float] = []
    answers = [StoreAwayError("the store did not answer (it rests); start it"), place.store]
    monkeypatch.setattr("gdexp.tracking.store.open_store", Mock(side_effect=answers))
    monkeypatch.setattr("gdexp.tracking.store.time.sleep", waited.append)
    outcome = tasks[0]()
    assert outcome.finished
    assert outcome.remarks[0] == "the store did not answer (it rests); trying again for 3 s"
    assert waited == [1.0]


def test_interrupts_during_a_submission_come_after_it() -> None:
    came: list[str] = []

    def hear(number: int, _: object) -> None:
        came.append(signal.Signals(number).name)

    heard = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in heard:
            with interrupts_later():
                signal.raise_signal(number)
                came.append("submitted")
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
    assert came == ["submitted", "SIGINT", "submitted", "SIGTERM"]


def test_what_a_worker_logs_of_its_store_is_remarked_on_its_run() -> None:
    remarks: list[str] = []
    with logged(remarks.append):
        logging.getLogger("gdexp").warning("the store is %s", "away")
    logging.getLogger("gdexp").warning("not any more")
    assert remarks == ["the store is away"]
