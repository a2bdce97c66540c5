"""What comes of one job, whatever happens to it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gdexp.config import Config
from gdexp.sweep.jobs import jobs_of
from gdexp.sweep.outcome import carry_out
from gdexp.sweep.workers import Task, logged
from gdexp.tracking import Tracking, open_store
from gdexp.tracking.process import PROCESS, of_this_process
from gdexp.tracking.record import start_run


def test_a_job_whose_data_have_gone_is_a_failed_run_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracking = Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    store = open_store(tracking)
    parent = start_run(store, "sweep", {}).run_id
    config = Config.from_mapping(
        {"data": {"name": "file", "path": "gone.csv", "target": "y"}, "plots": {"name": "none"}}
    )
    job = jobs_of([["lr=0.1"], ["lr=0.2"]])[1]
    outcome = carry_out(job, config, tracking, parent, lambda _: None)
    (run,) = store.backend.children(store.experiment_id, parent)
    assert not outcome.finished
    assert "No such file or directory" in outcome.line
    assert outcome.traceback == f"run {run.run_id}"
    assert (run.status, run.name, run.params["data.path"]) == ("FAILED", "lr=0.2", "gone.csv")
    traceback = Path(run.artifact_uri.removeprefix("file://")) / "traceback.txt"
    assert "ParameterError: data.path takes" in traceback.read_text()


@pytest.mark.parametrize("change", ["resumed elsewhere", "ended"])
def test_a_task_whose_turn_comes_too_late_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tracking = Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    store = open_store(tracking)
    parent = start_run(store, "sweep", {}).run_id
    config = Config.from_mapping({"plots": {"name": "none"}, "stopping": {"max_iterations": 5}})
    jobs = jobs_of([["lr=0.1"], ["lr=0.2"]])
    tasks = [Task(job, config, tracking, parent, str(tmp_path), of_this_process()) for job in jobs]
    assert tasks[0]().finished
    store.backend.set_status(parent, "KILLED")
    if change == "resumed elsewhere":
        assert store.backend.take_up(parent, {PROCESS: "elsewhere 7 1 0"})
    outcome = tasks[1]()
    assert not outcome.finished
    assert outcome.line == "left alone, for its sweep has ended or was resumed meanwhile"
    assert [run.name for run in store.backend.children(store.experiment_id, parent)] == ["lr=0.1"]


def test_what_a_worker_logs_of_its_store_is_remarked_on_its_run() -> None:
    remarks: list[str] = []
    with logged(remarks.append):
        logging.getLogger("gdexp").warning("the store is %s", "away")
    logging.getLogger("gdexp").warning("not any more")
    assert remarks == ["the store is away"]
