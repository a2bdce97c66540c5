"""Ctrl-C and SIGTERM: what has finished is kept, and nothing claims to be still running."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.integration.conftest import Folder, clean_environment


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_keeps_what_finished(folder: Folder, number: signal.Signals) -> None:
    arguments = ["-m", "lr=logspace(1e-4,1e-2,40)", "plots=none"]
    with subprocess.Popen(
        [sys.executable, "-m", "gdexp", *arguments],
        cwd=folder.path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("[2/40]"):
            assert process.poll() is None
        process.send_signal(number)
        process.send_signal(number)  # as an impatient user does
        output, errors = process.communicate(timeout=60)
    parent, children = folder.parent_and_children()
    assert process.returncode == 130
    assert "gdexp: interrupted; what had finished is recorded" in errors
    assert "Traceback" not in errors
    assert "stop reason" in output
    assert parent.info.status == "KILLED"
    finished = [run for run in children if run.info.status == "FINISHED"]
    assert 2 <= len(finished) < 40
    assert {run.info.status for run in children} <= {"FINISHED", "KILLED"}
    assert all(run.data.metrics["steps"] == 1000 for run in finished)
