from __future__ import annotations

import sys
import time

import pytest

from gdexp.sweep.progress import Progress


def test_without_a_terminal_there_is_a_line_for_each_finished_run(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=2, started=time.time() - 10)
    for job, name in enumerate(["lr=0.1", "lr=0.2"]):
        progress.running(job, name)
        progress.finished(job, name, "converged")
    output, errors = capsys.readouterr()
    assert output == "[1/2] lr=0.1: converged (about 00:10 left)\n[2/2] lr=0.2: converged\n"
    assert errors == ""


def test_on_a_terminal_a_bar_names_the_run_being_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Progress(total=4, started=time.time() - 10).running(1, "lr=0.1")
    bar = capsys.readouterr().err
    assert "lr=0.1" in bar
    assert " 25%|" in bar
    assert "1/4 [00:10<00:30" in bar
