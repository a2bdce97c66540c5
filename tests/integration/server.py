"""A real `mlflow server` on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.integration.conftest import clean_environment

# The server's job runner would be seven more processes, and has nothing to do here.
LEAN = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextlib.contextmanager
def mlflow_server(place: Path, *options: str) -> Iterator[str]:
    """Serve with `options`, with the log in `place`, and give the address once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options]
    with (place / "server.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=place, env=clean_environment() | LEAN, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, place / "server.txt")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(address: str, log: Path) -> None:
    """Wait until the server has made its store, which its first answer from there shows."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=30):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()}")
