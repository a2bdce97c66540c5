"""Ctrl-C and SIGTERM: what has finished is kept, and nothing claims to be still running."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.integration.conftest import Folder

INTERRUPTED_AT = """
import sys
from gdexp.tracking.sqlite import SqliteBackend

create, left = SqliteBackend.create_run, int(sys.argv.pop(1))

def create_run(*args, **kwargs):
    global left
    left -= 1
    run_id = create(*args, **kwargs)
    if left == 0:
        raise KeyboardInterrupt
    return run_id

SqliteBackend.create_run = create_run
from gdexp.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_keeps_what_finished(folder: Folder, number: signal.Signals) -> None:
    arguments = ["-m", "lr=logspace(1e-4,1e-2,40)", "plots=none"]
    with folder.start(*arguments, after="[2/40]") as process:
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


@pytest.mark.parametrize(
    ("created", "arguments"),
    [(1, ("lr=0.01",)), (1, ("-m", "lr=0.01,0.02")), (3, ("-m", "lr=0.01,0.02,0.03"))],
    ids=["run", "parent", "child"],
)
def test_an_interrupt_before_a_run_that_was_created_is_known_leaves_none_running(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory, created: int, arguments: tuple[str, ...]
) -> None:
    program = Path(tmp_path_factory.mktemp("program")) / "program.py"
    program.write_text(INTERRUPTED_AT)
    done = folder.python(str(program), str(created), *arguments, "plots=none", "stopping.max_iterations=5")
    assert done.returncode == 130, done.stderr
    assert done.stderr == "gdexp: interrupted; what had finished is recorded\n"
    runs = folder.runs()
    assert len(runs) == created
    assert [run.info.status for run in runs].count("FINISHED") == max(created - 2, 0)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}


SWALLOWED = """
import os, signal
import gdexp.sweep.sweep as sweep

carry_out = sweep.carry_out

def swallowing(*args):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        {instead}
    return carry_out(*args)

sweep.carry_out = swallowing
from gdexp.cli import main
main()
"""


@pytest.mark.parametrize("instead", ["pass", "raise ValueError('broken in the middle')"])
def test_an_interrupt_of_which_other_code_makes_something_else_ends_the_sweep_nevertheless(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory, instead: str
) -> None:
    program = Path(tmp_path_factory.mktemp("program")) / "program.py"
    program.write_text(SWALLOWED.format(instead=instead))
    done = folder.python(str(program), "-m", "lr=0.01,0.02,0.03", "plots=none", "stopping.max_iterations=5")
    parent, children = folder.parent_and_children()
    assert done.returncode == 130, done.stderr
    assert done.stderr == "gdexp: interrupted; what had finished is recorded\n"
    assert parent.info.status == "KILLED"
    assert len(children) == 1
