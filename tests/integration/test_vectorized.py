"""`hydra/launcher=vectorized`: the same records as the plain launcher leaves, run for run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.integration.conftest import Folder

HARD = (
    "-m",
    "lr=0.001,0.01,0.0699,0.1,1e300",
    "init=zero,near_zero",
    "stopping=max_iterations,convergence",
    "stopping.max_iterations=300",
    "seed=0,1",
    "tracking.every=7",
    "plots=none",
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, Folder]:
    plain, vectorized = Folder(tmp_path_factory.mktemp("plain")), Folder(tmp_path_factory.mktemp("vectorized"))
    for folder, launcher in ((plain, ()), (vectorized, ("hydra/launcher=vectorized",))):
        done = folder.gdexp(*HARD, *launcher)
        assert done.returncode == 0, done.stdout + done.stderr
    return plain, vectorized


def test_every_run_has_the_same_params_tags_and_metrics(both: tuple[Folder, Folder]) -> None:
    pairs = list(zip(both[0].parent_and_children()[1], both[1].parent_and_children()[1], strict=True))
    assert len(pairs) == 40
    for plain, vectorized in pairs:
        assert vectorized.info.run_name == plain.info.run_name
        assert vectorized.info.status == plain.info.status == "FINISHED"
        assert vectorized.data.params == plain.data.params
        assert repr(sorted(vectorized.data.metrics.items())) == repr(sorted(plain.data.metrics.items()))
        assert tags(vectorized) == tags(plain)
        assert dataset(vectorized) == dataset(plain)
        assert 0 < vectorized.info.start_time <= vectorized.info.end_time


def test_every_run_has_the_same_points_at_every_step(both: tuple[Folder, Folder]) -> None:
    pairs = zip(both[0].parent_and_children()[1], both[1].parent_and_children()[1], strict=True)
    for plain, vectorized in list(pairs)[::5]:
        for key in plain.data.metrics:
            points = [
                sorted((point.step, point.value) for point in folder.client.get_metric_history(run.info.run_id, key))
                for folder, run in zip(both, (plain, vectorized), strict=True)
            ]
            assert points[0] == points[1], key


def test_every_run_has_the_same_artifacts_to_the_byte(both: tuple[Folder, Folder]) -> None:
    for plain, vectorized in zip(both[0].parent_and_children()[1], both[1].parent_and_children()[1], strict=True):
        assert both[0].artifacts(plain) == both[1].artifacts(vectorized)
        for name in both[0].artifacts(plain):
            assert both[0].artifact(plain, name).read_bytes() == both[1].artifact(vectorized, name).read_bytes(), name


def test_the_parent_has_the_same_table(both: tuple[Folder, Folder]) -> None:
    tables = [folder.artifact(folder.parent_and_children()[0], "table.csv").read_text() for folder in both]
    assert tables[0] == tables[1]


def test_what_it_cannot_train_together_is_refused_before_anything_is_recorded(folder: Folder) -> None:
    done = folder.gdexp("-m", "lr=0.01,0.1", "engine=spectral,iterative", "hydra/launcher=vectorized")
    assert done.returncode == 2
    assert "hydra/launcher=vectorized descends with engine=spectral and not with engine=iterative" in done.stderr
    assert "(job 2 of 4: lr=0.01, engine=iterative)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert folder.runs() == []


def test_few_runs_draw_their_loss_curves_as_they_do_with_any_launcher(folder: Folder) -> None:
    done = folder.gdexp("-m", "lr=0.01,0.1", "hydra/launcher=vectorized")
    assert done.returncode == 0, done.stderr
    assert "1 of the next 2 runs have an lr above the largest stable one, up to 1.43225 times" in done.stdout
    assert all("plots/loss_curve.png" in folder.artifacts(run) for run in folder.parent_and_children()[1])


def test_a_store_that_takes_runs_one_by_one_is_refused(folder: Folder, server: str) -> None:
    done = folder.gdexp("-m", "lr=0.01,0.1", "hydra/launcher=vectorized", f"tracking.uri={server}")
    assert done.returncode == 2
    assert "takes a local SQLite store" in done.stderr
    assert server in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_interrupt_keeps_whole_batches_and_leaves_no_folder_without_a_run(folder: Folder) -> None:
    sweep = ("-m", "seed=range(1001)", "init=near_zero", "hydra/launcher=vectorized")
    program = folder.start(*sweep, after="[500/1001]")
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=60)
    assert program.returncode == 130
    parent, children = folder.parent_and_children()
    assert parent.info.status == "KILLED"
    assert len(children) % 500 == 0
    assert len(children) < 1001
    assert {run.info.status for run in children} == {"FINISHED"}
    kept = {run.info.run_id for run in folder.runs()}
    assert {path.name for path in (folder.path / "mlruns" / "gdexp").iterdir()} == kept


def test_a_kill_leaves_no_folder_without_a_run_once_the_sweep_is_resumed(folder: Folder) -> None:
    sweep = ("-m", "seed=range(700)", "init=near_zero", "hydra/launcher=vectorized", "tracking.every=100")
    program = folder.start(*sweep, after="[500/700]")
    artifacts = folder.path / "mlruns" / "gdexp"
    while len(list(artifacts.iterdir())) < 600:
        assert program.poll() is None
    program.kill()
    program.communicate(timeout=60)
    done = folder.python("-m", "gdexp.resume")
    assert done.returncode == 0, done.stderr
    recorded = {run.info.run_id for run in folder.runs()}
    assert len(recorded) == 701
    assert {path.name for path in artifacts.iterdir()} == recorded


def test_it_sweeps_over_datasets_too(folder: Folder) -> None:
    done = folder.gdexp("-m", "data=seven_cars,synthetic", "lr=0.01,0.02", "hydra/launcher=vectorized")
    assert done.returncode == 0, done.stderr
    _, children = folder.parent_and_children()
    assert [run.data.params["data.name"] for run in children] == ["seven_cars"] * 2 + ["synthetic"] * 2
    assert [run.data.params["lr"] for run in children] == ["0.01", "0.02"] * 2


def test_more_than_a_hundred_runs_leave_the_figures_of_the_sweep_only_and_say_so(folder: Folder) -> None:
    done = folder.gdexp("-m", "seed=range(101)", "init=near_zero", "hydra/launcher=vectorized", "tracking.every=500")
    assert done.returncode == 0, done.stderr
    assert "More than 100 runs: the sweep's figures are drawn, its runs' own only with plots=loss_curve" in done.stdout
    assert "101 of 101 runs" in done.stdout
    parent, children = folder.parent_and_children()
    assert len(children) == 101
    assert {name for run in children for name in folder.artifacts(run)} == {
        "config.yaml",
        "environment.txt",
        "overrides.yaml",
        "trajectory.parquet",
    }
    assert "plots/curves.png" in folder.artifacts(parent)


def tags(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.data.tags.items() if key not in ("mlflow.parentRunId", "gdexp.process")}


def dataset(run: Run) -> list[object]:
    assert run.inputs is not None
    return [given.dataset.to_dictionary() for given in run.inputs.dataset_inputs]


def test_the_files_of_its_runs_lie_where_mlflow_looks_for_them(both: tuple[Folder, Folder]) -> None:
    for run in both[1].parent_and_children()[1][:3]:
        listed = both[1].client.list_artifacts(run.info.run_id)
        assert "trajectory.parquet" in {file.path for file in listed}
        assert Path(run.info.artifact_uri.removeprefix("file://")).parts[-2:] == (run.info.run_id, "artifacts")
