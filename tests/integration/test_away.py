"""A server that goes away: what it does not take is kept, and sent exactly once when it is back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.chaos.proxy import Mood, Proxy
from tests.integration.conftest import Folder, clean_environment

SWEEP = ("-m", "lr=0.01,0.02,0.03", "stopping.max_iterations=20", "plots=none")
KEPT = "gdexp-unsent"
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with closing(Proxy(server)) as made:
        yield made


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    """An experiment for each test, in the server that they share."""
    return str(request.node.name.replace("[", "-").rstrip("]"))


def runs(server: str, experiment: str) -> list[Run]:
    client = MlflowClient(server)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"]))


def has_all(server: str, run: Run, steps: int) -> None:
    """Check that a run has finished with a loss for each step, once, and with its files."""
    client = MlflowClient(server)
    assert run.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "mse")] == list(range(steps + 1))
    assert "trajectory.parquet" in {file.path for file in client.list_artifacts(run.info.run_id)}


def started(folder: Folder, proxy: Proxy, experiment: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the program on the server behind a proxy, with little patience."""
    where = (f"tracking.uri={proxy.address}", f"tracking.experiment={experiment}")
    return subprocess.Popen(
        [sys.executable, "-m", "gdexp", *arguments, *where],
        cwd=folder.path,
        env=clean_environment() | IMPATIENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def goes_away_at(program: subprocess.Popen[str], line: str, proxy: Proxy, mood: Mood) -> None:
    """Let the server go away once the program has printed a line that begins with `line`."""
    assert program.stdout is not None
    assert any(text.startswith(line) for text in program.stdout)
    proxy.turn(mood)


def resume(
    folder: Folder, proxy: Proxy, experiment: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    where = {"MLFLOW_TRACKING_URI": proxy.address} | environment
    return folder.python("-m", "gdexp.resume", "--experiment", experiment, *arguments, **(IMPATIENT | where))


def test_what_a_server_does_not_take_any_more_is_kept_and_sent_once(
    folder: Folder, server: str, proxy: Proxy, experiment: str
) -> None:
    program = started(folder, proxy, experiment, *SWEEP, "tracking.patience=1")
    goes_away_at(program, "[1/3]", proxy, "refuses")
    output, errors = program.communicate(timeout=120)
    assert program.returncode == 1, errors
    assert "[3/3] lr=0.03: max_iterations at step 20" in output
    assert "What the store does not take is kept in gdexp-unsent until `python -m gdexp.resume` sends it" in errors
    assert "Traceback" not in errors
    assert (folder.path / KEPT).is_dir()

    proxy.turn("passes")
    done = resume(folder, proxy, experiment)
    assert done.returncode == 0, done.stderr
    assert "Sent what was kept of " in done.stdout
    assert not (folder.path / KEPT).exists()
    recorded = runs(server, experiment)
    again = resume(folder, proxy, experiment)
    assert again.returncode == 0, again.stderr
    assert [run.info.run_id for run in runs(server, experiment)] == [run.info.run_id for run in recorded]
    (parent,) = (run for run in recorded if "gdexp.axes" in run.data.tags)
    children = [run for run in recorded if run is not parent and run.info.status == "FINISHED"]
    assert parent.info.status == "FINISHED"
    assert sorted(run.info.run_name for run in children) == ["lr=0.01", "lr=0.02", "lr=0.03"]
    for run in children:
        has_all(server, run, 20)


def test_answers_that_get_lost_after_the_work_was_done_double_nothing(
    folder: Folder, server: str, proxy: Proxy, experiment: str
) -> None:
    program = started(folder, proxy, experiment, *SWEEP, "tracking.patience=60")
    goes_away_at(program, "3 runs over lr", proxy, "cuts")
    _, errors = program.communicate(timeout=120)
    assert program.returncode == 0, errors
    assert proxy.cuts > 0
    recorded = runs(server, experiment)
    assert len(recorded) == 4
    for run in recorded:
        if "gdexp.axes" not in run.data.tags:
            has_all(server, run, 20)


def test_a_single_run_is_kept_and_sent(folder: Folder, server: str, proxy: Proxy, experiment: str) -> None:
    program = started(folder, proxy, experiment, "lr=0.1", "plots=none", "tracking.patience=0")
    # What is said of the learning rate comes once the store is open, and before anything is recorded in it.
    assert program.stderr is not None
    assert "times the largest stable one" in program.stderr.readline()
    proxy.turn("refuses")
    _, errors = program.communicate(timeout=120)
    assert program.returncode == 1, errors
    assert "gdexp: the run is kept in gdexp-unsent until `python -m gdexp.resume` sends it" in errors
    proxy.turn("passes")
    done = resume(folder, proxy, experiment)
    assert done.returncode == 0, done.stderr
    assert "Sent what was kept of 1 run" in done.stdout
    (run,) = runs(server, experiment)
    has_all(server, run, int(run.data.metrics["steps"]))
    assert not (folder.path / KEPT).exists()


@pytest.mark.parametrize("mood", ["refuses", "hangs"])
def test_an_interrupt_does_not_wait_for_a_server_that_is_away(
    folder: Folder, server: str, proxy: Proxy, experiment: str, mood: Mood
) -> None:
    program = started(
        folder, proxy, experiment, "-m", "lr=logspace(1e-4,1e-2,5)", "stopping.max_iterations=20", "plots=none"
    )
    goes_away_at(program, "[1/5]", proxy, mood)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=20)  # patience is 90 s
    assert program.returncode == 130, errors
    assert "Traceback" not in errors
    proxy.turn("passes")
    done = resume(folder, proxy, experiment)
    assert done.returncode == 0, done.stderr
    statuses = [run.info.status for run in runs(server, experiment)]
    assert statuses.count("FINISHED") == 6
    assert "RUNNING" not in statuses
    assert not Path(folder.path / KEPT).exists()


def test_credentials_that_were_not_recorded_are_asked_for(
    folder: Folder, server: str, proxy: Proxy, experiment: str
) -> None:
    uri = proxy.address.replace("//", "//bob:sekretpw@")
    where = (f"tracking.uri='{uri}'", f"tracking.experiment={experiment}")
    program = subprocess.Popen(
        [sys.executable, "-m", "gdexp", *SWEEP, *where],
        cwd=folder.path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    goes_away_at(program, "[1/3]", proxy, "passes")
    program.kill()
    program.communicate()
    refused = resume(folder, proxy, experiment, MLFLOW_TRACKING_URI=server)
    assert refused.returncode == 2
    assert "begun with credentials, which are not recorded: name its store with --uri" in refused.stderr
    done = resume(folder, proxy, experiment, "--uri", uri)
    assert done.returncode == 0, done.stderr
    assert "sekretpw" not in refused.stdout + refused.stderr + done.stdout + done.stderr
