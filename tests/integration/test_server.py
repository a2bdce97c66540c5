"""The same runs against a real `mlflow server` on loopback, which keeps the artifacts too."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient

from tests.integration.conftest import Folder, clean_environment


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{place / 'server.db'}", "--artifacts-destination", str(place / "kept")]
    with (place / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command, *store], cwd=place, env=clean_environment(), stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, place / "log.txt")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(address: str, log: Path) -> None:
    """Wait until the server has made its store, which its first answer from there shows."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=30):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()}")


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
