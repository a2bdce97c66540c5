"""`python -m gdexp.resume` and `dry_run=true`: what is missing is done, into the same sweep, and nothing twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gdexp.tracking.process import PROCESS
from tests.integration.conftest import Folder

SWEEP = ("-m", "lr=0.01,0.02,0.03,0.06", "seed=0,1", "init=near_zero", "stopping.max_iterations=100", "plots=none")
LONG = ("-m", "lr=logspace(1e-4,1e-2,200)", "plots=none")


def killed(folder: Folder, *arguments: str, after: str) -> None:
    """Kill a sweep that has printed a line that begins with `after`."""
    with folder.start(*arguments, after=after) as program:
        program.kill()


def resume(folder: Folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    return folder.python("-m", "gdexp.resume", *arguments)


def rows(folder: Folder, query: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder.path / "mlflow.db")) as connection, connection:
        return connection.execute(query, values).fetchall()


def statuses(folder: Folder) -> dict[str, int]:
    return dict(rows(folder, "SELECT status, count(*) FROM runs GROUP BY status"))


def content(path: Path) -> dict[str, bytes]:
    """What every file below a folder holds but SQLite's index of its log, which readers change."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and not file.name.endswith("-shm")
    }


@pytest.fixture
def interrupted(folder: Folder) -> Folder:
    """A folder whose sweep was killed after its second run."""
    killed(folder, *SWEEP, after="[2/8]")
    return folder


def test_a_killed_sweep_is_brought_to_its_end_and_a_second_time_changes_nothing(
    interrupted: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    undisturbed = Folder(tmp_path_factory.mktemp("undisturbed"))
    assert undisturbed.gdexp(*SWEEP).returncode == 0
    done = resume(interrupted)
    assert done.returncode == 0, done.stderr
    assert " of 8 runs over lr, seed to be done in the sweep " in done.stdout
    parent, children = interrupted.parent_and_children()
    expected_parent, expected = undisturbed.parent_and_children()
    finished = [run for run in children if run.info.status == "FINISHED"]
    assert parent.info.status == "FINISHED"
    assert [run.info.run_name for run in finished] == [run.info.run_name for run in expected]
    assert "RUNNING" not in statuses(interrupted)
    for run, other in zip(finished, expected, strict=True):
        assert run.data.params == other.data.params
        assert run.data.metrics == other.data.metrics
        for name in interrupted.artifacts(run):
            assert interrupted.artifact(run, name).read_bytes() == undisturbed.artifact(other, name).read_bytes(), name
    tables = [interrupted.artifact(parent, "table.csv"), undisturbed.artifact(expected_parent, "table.csv")]
    assert tables[0].read_bytes() == tables[1].read_bytes()

    before = statuses(interrupted)
    again = resume(interrupted)
    assert again.returncode == 0, again.stderr
    assert "has finished: nothing to resume" in again.stdout
    assert statuses(interrupted) == before


def test_a_preview_lists_what_would_be_done_and_changes_nothing(interrupted: Folder) -> None:
    rows(interrupted, "PRAGMA wal_checkpoint(TRUNCATE)")  # which the first reader after a kill would do
    before = content(interrupted.path)
    done = resume(interrupted, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "  8  lr=0.06, seed=1\n" in done.stdout
    assert "  1  lr=0.01, seed=0\n" not in done.stdout
    assert "Nothing was run: dry_run=true." in done.stdout
    assert content(interrupted.path) == before


@pytest.mark.parametrize("arguments", [("lr=0.01",), SWEEP], ids=["one run", "sweep"])
def test_a_dry_run_leaves_no_file(folder: Folder, arguments: tuple[str, ...]) -> None:
    done = folder.gdexp(*arguments, "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("othing was run: dry_run=true.\n")
    assert not list(folder.path.iterdir())


def test_a_study_is_resumed_by_its_name(folder: Folder) -> None:
    killed(folder, "experiment=learning_rate", "plots=none", after="[2/")
    done = resume(folder, "learning_rate")
    assert done.returncode == 0, done.stderr
    parent, children = folder.parent_and_children()
    planned = int(parent.data.tags["gdexp.runs"])
    assert parent.info.status == "FINISHED"
    assert len({run.data.tags["gdexp.job"] for run in children if run.info.status == "FINISHED"}) == planned


def test_a_sweep_on_data_that_have_changed_since_is_refused_in_one_line(folder: Folder) -> None:
    (folder.path / "cars.csv").write_text("weight,mpg\n1,3\n2,5\n3,6\n")
    data = ("data=file", "data.path=cars.csv", "data.target=mpg")
    killed(folder, "-m", "lr=logspace(1e-3,1e-2,40)", "plots=none", *data, after="[1/40]")
    (folder.path / "cars.csv").write_text("weight,mpg\n1,3\n2,5\n3,7\n")
    done = resume(folder)
    assert done.returncode == 2
    assert "cannot be resumed: the configuration or the data are not those that it began with" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_sweep_that_is_under_way_is_not_resumed(folder: Folder) -> None:
    with folder.start(*LONG, after="[1/200]") as program:
        os.kill(program.pid, signal.SIGSTOP)
        done = resume(folder)
        program.kill()
    assert done.returncode == 2
    assert f"is still RUNNING in process {program.pid} of " in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_of_another_machine_is_taken_for_dead_only_when_told_so(interrupted: Folder) -> None:
    rows(interrupted, "UPDATE tags SET value = 'elsewhere 7 1 ' || rowid WHERE key = ?", PROCESS)
    refused = resume(interrupted)
    assert refused.returncode == 2
    assert "says RUNNING in process 7 of elsewhere, which this machine cannot look at" in refused.stderr
    assert "--assume-dead" in refused.stderr
    assert refused.stderr.count("\n") == 1
    done = resume(interrupted, "--assume-dead")
    assert done.returncode == 0, done.stderr
    assert "RUNNING" not in statuses(interrupted)


def test_where_nothing_was_recorded_nothing_is_resumed(folder: Folder) -> None:
    done = resume(folder)
    assert done.returncode == 2
    assert done.stderr.startswith("gdexp.resume: nothing is recorded yet: there is no store sqlite:///mlflow.db")
    assert not list(folder.path.iterdir())
