"""The same runs against a real `mlflow server` on loopback, which keeps the artifacts too."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from tests.integration.conftest import Folder


def test_a_sweep_is_recorded_on_a_server_with_its_artifacts(server: str, folder: Folder) -> None:
    done = folder.gdexp("-m", "lr=0.01,0.1", "stopping.max_iterations=20", MLFLOW_TRACKING_URI=server)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("gdexp")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (run for run in runs if "gdexp.axes" in run.data.tags)
    children = [run for run in runs if run is not parent]
    assert {run.info.run_name for run in children} == {"lr=0.01", "lr=0.1"}
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"plots", "table.csv"}
    assert "trajectory.parquet" in {file.path for file in client.list_artifacts(children[0].info.run_id)}
    assert f"  runs compared: {server}/#/compare-runs" in done.stdout
    assert not list(folder.path.iterdir())


def test_a_password_is_neither_shown_nor_recorded(server: str, folder: Folder) -> None:
    uri = server.replace("//", "//bob:sekretpw@")
    done = folder.gdexp("-m", f"tracking.uri='{uri}'", "lr=0.03", "stopping.max_iterations=3", "plots=none")
    assert done.returncode == 0, done.stderr
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("gdexp")
    assert experiment is not None
    run = client.search_runs([experiment.experiment_id], filter_string="params.lr = '0.03'")[0]
    kept = Path(client.download_artifacts(run.info.run_id, "", str(folder.path)))
    texts = [path.read_text() for path in kept.glob("*") if path.suffix in (".yaml", ".txt")]
    assert len(texts) == 3
    assert "sekretpw" not in "".join([done.stdout, done.stderr, str(run), *texts])
