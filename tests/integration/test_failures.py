"""Something breaks in the middle: the run says so, the others are complete, and the exit status is 1."""

from __future__ import annotations

import sqlite3

import pytest

from tests.integration.conftest import Folder


@pytest.fixture
def store_that_refuses(folder: Folder) -> Folder:
    """A folder whose store takes no metric of a run with lr=0.02."""
    assert folder.gdexp("plots=none", "stopping.max_iterations=1", "tracking.experiment=first").returncode == 0
    with sqlite3.connect(folder.path / "mlflow.db") as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON metrics "
            "WHEN (SELECT value FROM params WHERE run_uuid = NEW.run_uuid AND key = 'lr') = '0.02' "
            "BEGIN SELECT RAISE(ABORT, 'this store is out of order'); END"
        )
    return folder


def test_a_failing_run_does_not_stop_its_sweep(store_that_refuses: Folder) -> None:
    done = store_that_refuses.gdexp("-m", "lr=0.01,0.02,0.03", "stopping.max_iterations=5")
    parent, children = store_that_refuses.parent_and_children()
    assert done.returncode == 1
    assert parent.info.status == "FAILED"
    assert [run.info.status for run in children] == ["FINISHED", "FAILED", "FINISHED"]
    assert [run.data.metrics.get("steps") for run in children] == [5, None, 5]
    assert "[2/3] lr=0.02: FAILED, " in done.stdout
    assert f"lr=0.02 failed; traceback.txt of run {children[1].info.run_id} tells more" in done.stderr
    assert "Traceback" not in done.stderr
    assert "out of order" in store_that_refuses.artifact(children[1], "traceback.txt").read_text()
    assert "plots/curves.png" in store_that_refuses.artifacts(parent)


def test_a_failing_single_run_points_to_its_traceback(store_that_refuses: Folder) -> None:
    done = store_that_refuses.gdexp("lr=0.02", "plots=none")
    (run,) = store_that_refuses.runs()
    assert done.returncode == 1
    assert run.info.status == "FAILED"
    assert f"traceback.txt of run {run.info.run_id} tells more" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_artifacts_folder_that_cannot_be_written_is_found_before_the_first_run(folder: Folder) -> None:
    (folder.path / "mlruns").write_text("a file where the artifacts' folder should be")
    done = folder.gdexp("-m", "lr=0.01,0.02")
    assert done.returncode == 2
    assert done.stderr.startswith(f"gdexp: the folder '{folder.path / 'mlruns'}' cannot be written (File exists)")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in folder.path.iterdir()] == ["mlruns"]
