"""The same sweep by worker processes: the same records as one by one, whatever happens to a worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.conftest import Folder, clean_environment
from tests.integration.test_failures import store_that_refuses

__all__ = ["store_that_refuses"]

SWEEP = ("-m", "lr=0.01,0.3", "init=zero,near_zero", "lr_unit=limit", "plots=none", "stopping.max_iterations=50")
# Wide enough for BLAS to use threads, whose number decides the last bits.
DATA = ("data=synthetic", "data.n=600", "data.d=150")
LAUNCHERS = {
    "joblib": ("joblib", "hydra.launcher.n_jobs=2"),
    "slurm": ("submitit", "hydra.launcher.cluster=local"),
    "ray": ("ray", "hydra.launcher.num_cpus=2"),
}
OF_THE_MOMENT = ("gdexp.process", "mlflow.parentRunId")
SLOW = ("data=synthetic", "data.n=20000", "data.d=20", "engine=iterative", "stopping.max_iterations=500")


def needs(package: str) -> None:
    """Skip the test where `package` is not installed, or fail it where it has to be."""
    if find_spec(package) is None:
        absent = pytest.fail if os.environ.get(f"GDEXP_{package.upper()}") == "required" else pytest.skip
        absent(f"{package} is not installed: `make ray`")


def chosen(name: str) -> tuple[str, str]:
    needs(LAUNCHERS[name][0])
    return f"hydra/launcher={name}", LAUNCHERS[name][1]


@pytest.fixture(scope="module")
def serial(shared_folder: Folder) -> list[object]:
    done = shared_folder.gdexp(*SWEEP, *DATA)
    assert done.returncode == 0, done.stderr
    return records(shared_folder)


def records(folder: Folder) -> list[object]:
    """Everything that is recorded of the children, but for times, ids and processes."""
    return [
        (
            run.info.run_name,
            run.info.status,
            run.data.params,
            {key: value for key, value in run.data.tags.items() if key not in OF_THE_MOMENT},
            {
                key: [(point.step, point.value) for point in folder.client.get_metric_history(run.info.run_id, key)]
                for key in run.data.metrics
            },
            # What is installed where the worker looks is the worker's own.
            {
                name: folder.artifact(run, name).read_bytes()
                for name in sorted(folder.artifacts(run))
                if name != "environment.txt"
            },
        )
        for run in folder.parent_and_children()[1]
    ]


@pytest.mark.parametrize("name", LAUNCHERS)
def test_workers_record_what_one_process_records_to_the_last_bit(
    folder: Folder, serial: list[object], name: str
) -> None:
    done = folder.gdexp(*SWEEP, *DATA, *chosen(name))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert folder.parent_and_children()[0].info.status == "FINISHED"
    assert records(folder) == serial
    told = re.findall(r"^\[(\d)/4\] (.*): max_iterations at step 50", done.stdout, flags=re.MULTILINE)
    assert [place for place, _ in told] == ["1", "2", "3", "4"]
    assert len({run for _, run in told}) == 4


def test_a_failing_run_is_told_of_and_does_not_stop_the_others(store_that_refuses: Folder) -> None:
    done = store_that_refuses.gdexp("-m", "lr=0.01,0.02,0.03", "stopping.max_iterations=5", *chosen("joblib"))
    parent, children = store_that_refuses.parent_and_children()
    assert done.returncode == 1
    assert parent.info.status == "FAILED"
    assert [run.info.status for run in children] == ["FINISHED", "FAILED", "FINISHED"]
    assert re.search(r"^\[\d/3\] lr=0\.02: FAILED, ", done.stdout, flags=re.MULTILINE)
    assert done.stderr == f"gdexp: lr=0.02 failed; traceback.txt of run {children[1].info.run_id} tells more\n"


def under_way(folder: Folder, *arguments: str, after: str = "[1/8]", **environment: str) -> subprocess.Popen[str]:
    """A sweep of which one run has ended, or that has printed what it is to be looked at `after`."""
    return folder.start("-m", "lr=logspace(1e-4,1e-2,8)", "plots=none", *SLOW, *arguments, after=after, **environment)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_worker_that_is_killed_takes_no_more_with_it_than_was_under_way(folder: Folder, name: str) -> None:
    with under_way(folder, *chosen(name), after="8 runs over lr") as process:
        running: list[str] = []
        while not running:
            found = [run for run in folder.runs() if "gdexp.job" in run.data.tags and run.info.status == "RUNNING"]
            running = [run.data.tags["gdexp.process"].split()[1] for run in found]
        os.kill(int(running[0]), signal.SIGKILL)
        output, errors = process.communicate(timeout=120)
    parent, children = folder.parent_and_children()
    killed = [run.info.run_name for run in children if run.info.status == "KILLED"]
    assert process.returncode == 1
    assert errors == ""
    assert parent.info.status == "FAILED"
    assert 1 <= len(killed) <= (2 if name == "joblib" else 1)
    assert all(f"{name}: KILLED: its worker process ended" in output for name in killed)
    assert sum(run.info.status == "FINISHED" for run in children) == 8 - len(killed)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_an_interrupt_ends_the_workers_and_what_they_record(folder: Folder, name: str) -> None:
    with under_way(folder, *chosen(name)) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to all of them
        _, errors = process.communicate(timeout=60)
    parent, children = folder.parent_and_children()
    assert process.returncode == 130, errors
    assert errors == "gdexp: interrupted; what had finished is recorded\n"
    assert parent.info.status == "KILLED"
    assert {run.info.status for run in children} <= {"FINISHED", "KILLED"}
    assert any(run.info.status == "FINISHED" for run in children)
    assert max(run.info.end_time for run in children) <= parent.info.end_time
    if name == "slurm":
        # A job that was only just starting may still write that it has not found its task.
        assert not list(folder.path.glob(".submitit/**/*_submitted.pkl"))


@pytest.mark.parametrize("name", LAUNCHERS)
def test_an_engine_that_is_not_installed_is_named_with_what_installs_it(folder: Folder, name: str) -> None:
    engine = LAUNCHERS[name][0]
    program = f"import sys; sys.modules[{engine!r}] = None; from gdexp.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "-m", "lr=0.01,0.02", f"hydra/launcher={name}"],
        cwd=folder.path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"gdexp: hydra/launcher={name} needs {engine}: pip install 'gdexp[{name}]'\n"
    assert not list(folder.path.iterdir())


@pytest.mark.parametrize(
    ("name", "setting", "said"),
    [
        ("joblib", "hydra.launcher.n_jobs=0", "hydra.launcher.n_jobs takes"),
        ("slurm", "hydra.launcher.cluster=moon", "hydra.launcher.cluster takes one of slurm, local"),
        ("slurm", "hydra.launcher.cluster=slurm", "hydra/launcher=slurm needs Slurm's sbatch on PATH"),
        ("slurm", "+hydra.launcher.colour=red", "submitit does not take"),
        ("ray", "hydra.launcher.address=127.0.0.1:1", "the Ray cluster 127.0.0.1:1 does not answer"),
    ],
)
def test_a_setting_that_an_engine_does_not_take_is_refused_before_anything_is_recorded(
    folder: Folder, name: str, setting: str, said: str
) -> None:
    local = ["hydra.launcher.cluster=local"] if setting.startswith("+") else []
    launcher, _ = chosen(name)
    done = folder.gdexp("-m", "lr=0.01,0.02", launcher, setting, *local, PATH=str(Path(sys.executable).parent))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(folder.path.glob("*"))


def test_what_slurm_refuses_is_told_in_its_own_words(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    needs("submitit")
    programs = tmp_path_factory.mktemp("programs")
    for name, script in (
        ("sbatch", "echo 'sbatch: error: Invalid partition name specified' >&2; exit 1"),
        ("srun", ""),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = folder.gdexp("-m", "lr=0.01,0.02", "plots=none", "hydra/launcher=slurm", PATH=path)
    assert done.returncode == 1
    said = "gdexp: Slurm takes no more jobs (Invalid partition name specified); resume the sweep once it does\n"
    assert done.stderr.endswith(said)
    assert "Traceback" not in done.stderr
    assert [run.info.status for run in folder.runs()] == ["FAILED"]
    assert not list(folder.path.glob(".submitit/**/*.pkl"))
