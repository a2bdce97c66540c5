"""`python -m gdexp.replay`: what it says and its exit status, on runs recorded by the program itself."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

import gdexp
from gdexp.core import LeastSquares, descend, zero
from gdexp.replay.__main__ import main
from tests.integration.conftest import Folder, clean_environment

SHORT = ("stopping.max_iterations=20", "plots=none")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gdexp.replay", *arguments]


def replay(folder: Folder, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder.path,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def record(folder: Folder, *arguments: str) -> str:
    """Record a run, and return its id as the terminal shows it."""
    done = folder.gdexp(*SHORT, *arguments)
    assert done.returncode == 0, done.stderr
    (run_id,) = re.findall(r"recorded   run ([0-9a-f]{32})", done.stdout)
    return str(run_id)


Refused = Callable[[Folder, list[str], str], None]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Refused]:
    """Check that replay ends with 2 and one line that starts as given; in this process, which saves MLflow's start."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def check(folder: Folder, arguments: list[str], message: str) -> None:
        monkeypatch.chdir(folder.path)
        monkeypatch.setattr(sys, "argv", ["replay", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        output, errors = capfd.readouterr()
        assert (caught.value.code, output) == (2, "")
        assert errors.startswith(f"gdexp.replay: {message}")
        assert errors.count("\n") == 1

    yield check
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A sweep of a study's name with three runs, the last of which says that it was killed, and one run by itself."""
    folder = Folder(tmp_path_factory.mktemp("sweep"))
    assert folder.gdexp("-m", "lr=0.01,0.02,0.03", *SHORT).returncode == 0
    parent, children = folder.parent_and_children()
    folder.client.set_tag(parent.info.run_id, "gdexp.experiment", "three_rates")
    folder.client.set_terminated(children[2].info.run_id, "KILLED")
    return folder


@pytest.fixture
def copied(sweep: Folder) -> Iterator[Path]:
    """The trajectory of the sweep's second run, which may be changed; it is put back afterwards."""
    _, children = sweep.parent_and_children()
    path = sweep.artifact(children[1], "trajectory.parquet")
    kept = path.read_bytes()
    yield path
    path.write_bytes(kept)


def test_a_run_repeats_in_another_process(folder: Folder) -> None:
    run_id = record(folder, "data=synthetic", "init=near_zero", "lr=0.3", "lr_unit=limit", "data.scaling=standardize")
    before = len(folder.runs())
    done = replay(folder, run_id)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{run_id} (synthetic, lr=0.3 x limit, near_zero): identical to the bit, steps 0 to 20\n"
    assert not [line for line in done.stderr.splitlines() if not line.startswith("the program had uncommitted changes")]
    assert len(folder.runs()) == before


def test_a_run_recorded_in_another_experiment_is_found_by_its_id(folder: Folder) -> None:
    run_id = record(folder, "tracking.experiment=mine")
    assert replay(folder, run_id).returncode == 0


def test_data_changed_by_one_digit_are_told_beforehand_and_the_run_differs(folder: Folder) -> None:
    cars = folder.path / "cars.csv"
    cars.write_text("weight,mpg\n3.5,18\n3.69,15\n3.44,18\n3.43,16\n")
    run_id = record(folder, "data=file", "data.path=cars.csv", "data.target=mpg")
    assert replay(folder, run_id).returncode == 0
    cars.write_text("weight,mpg\n3.5,18\n3.69,15\n3.44,18\n3.42,16\n")
    done = replay(folder, run_id)
    assert done.returncode == 1
    assert re.search(
        r"^the data are not the recorded ones: sha256 \w{12}\.\.\. now, \w{12}\.\.\. recorded$", done.stderr, re.M
    )
    assert re.search(r": differs: the largest relative difference is \S+, of \w+; step 0 is the first", done.stdout)

    cars.unlink()
    done = replay(folder, run_id)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gdexp.replay: data.path takes the path of a file that can be read; got 'cars.csv'. No such file or directory. "
        f"A relative path starts at the working directory {str(folder.path)!r}.\n"
    )


def test_another_program_and_other_packages_are_told_beforehand(folder: Folder) -> None:
    run_id = record(folder)
    folder.client.set_tag(run_id, "gdexp.git_trees", f"gdexp/ {'a' * 40}, conf/ {'b' * 40}")
    path = folder.artifact(folder.client.get_run(run_id), "environment.txt")
    path.write_text(re.sub(r"(?m)^numpy==.*", "numpy==1.0.0", path.read_text()))
    done = replay(folder, run_id)
    assert done.returncode == 0
    assert "the program is not the recorded one: " in done.stderr
    assert "gdexp/ aaaaaaaaaaaa, conf/ bbbbbbbbbbbb recorded\n" in done.stderr
    assert f"numpy {np.__version__} is installed, 1.0.0 was recorded\n" in done.stderr


def test_every_run_of_a_sweep_is_replayed_and_those_that_cannot_be_are_counted(sweep: Folder) -> None:
    parent, children = sweep.parent_and_children()
    done = replay(sweep, "--sweep", parent.info.run_id)
    assert done.returncode == 2
    killed = children[2].info.run_id
    assert done.stdout.splitlines() == [
        "[1/3] lr=0.01: identical to the bit, steps 0 to 20",
        "[2/3] lr=0.02: identical to the bit, steps 0 to 20",
        f"[3/3] lr=0.03: cannot be repeated: the run {killed} (lr=0.03) was interrupted, "
        "so there is no whole record to compare with",
        "3 runs: 2 identical to the bit, 0 differing, 1 not to be repeated",
    ]


def test_a_sweep_named_by_its_study_ends_with_1_where_a_run_differs(sweep: Folder, copied: Path) -> None:
    _, children = sweep.parent_and_children()
    copied.write_bytes(sweep.artifact(children[0], "trajectory.parquet").read_bytes())
    sweep.client.set_terminated(children[2].info.run_id, "FINISHED")
    try:
        done = replay(sweep, "three_rates", "--sweep")
    finally:
        sweep.client.set_terminated(children[2].info.run_id, "KILLED")
    assert done.returncode == 1, done.stdout
    assert "[2/3] lr=0.02: differs: the record contradicts itself: its mse_final is " in done.stdout
    assert "step 1 is the first beyond 1e-12" in done.stdout
    assert done.stdout.endswith("3 runs: 2 identical to the bit, 1 differing, 0 not to be repeated\n")


def test_what_cannot_be_repeated_is_refused_in_one_line(sweep: Folder, refused: Refused) -> None:
    parent, children = sweep.parent_and_children()
    parent_id, killed, uri = parent.info.run_id, children[2].info.run_id, f"sqlite:///{sweep.path / 'mlflow.db'}"
    for run, message in {
        parent_id: f"{parent_id} ({parent.info.run_name}) is a sweep; add --sweep to replay all its runs",
        killed: f"the run {killed} (lr=0.03) was interrupted, so there is no whole record",
        "0" * 32: f"there is no run {'0' * 32} in {uri}; --uri names another store",
        "three_rates": "'three_rates' is not a run id",
        "--sweep=no_such_study": "argument --sweep: ignored explicit argument 'no_such_study'; see --help",
    }.items():
        refused(sweep, ["--uri", uri, run], message)
    refused(sweep, ["--uri", uri, "--sweep", "no_such_study"], "no study 'no_such_study' is recorded")


def test_a_run_made_by_hand_or_by_a_newer_gdexp_is_refused(sweep: Folder, copied: Path, refused: Refused) -> None:
    problem = LeastSquares.from_arrays(np.array([[1.0], [2.0]]), np.array([1.0, 3.0]))
    uri = f"sqlite:///{sweep.path / 'mlflow.db'}"
    by_hand = gdexp.record(problem, descend(problem, lr=0.01, start=zero(problem)), lr=0.01, uri=uri)
    refused(sweep, ["--uri", uri, by_hand], f"the run {by_hand} (descent) was made by hand with gdexp.record")
    newer = sweep.parent_and_children()[1][1].info.run_id
    config = copied.with_name("config.yaml")
    kept = config.read_text()
    config.write_text(f"{kept}momentum: 0.9\n")
    try:
        refused(sweep, ["--uri", uri, newer], f"config.yaml of the run {newer} (recorded by gdexp ")
    finally:
        config.write_text(kept)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: RUN; see --help"),
        (["--swep", "x"], "unrecognized arguments: --swep"),
        (["--uri", "sqlite:///no.db", "0" * 32], "nothing is recorded yet: there is no store sqlite:///no.db"),
        (["--uri", "", "0" * 32], "uri takes an MLflow tracking URI"),
        (["--uri", "sqlite:///notes.txt", "0" * 32], "the tracking store sqlite:///notes.txt cannot be used: "),
        (["--uri", "http://me:secret@127.0.0.1:9", "0" * 32], "the tracking store http://***@127.0.0.1:9 did not"),
    ],
    ids=["no run", "no option", "no store", "no uri", "no database", "no server"],
)
def test_a_mistake_on_the_command_line_is_told_in_one_line(
    folder: Folder, refused: Refused, arguments: list[str], message: str
) -> None:
    (folder.path / "notes.txt").write_text("not a database " * 100)
    refused(folder, arguments, message)


def test_a_run_and_a_sweep_on_a_server_are_replayed_from_it(server: str, folder: Folder) -> None:
    done = folder.gdexp("-m", "init=zero,near_zero", *SHORT, "tracking.experiment=replayed", MLFLOW_TRACKING_URI=server)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("replayed")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (run for run in runs if "gdexp.axes" in run.data.tags)
    child = next(run for run in runs if run is not parent)
    done = replay(folder, "--uri", server, child.info.run_id)
    assert (done.returncode, done.stdout.count("identical to the bit")) == (0, 1), done.stderr
    done = replay(folder, "--sweep", parent.info.run_id, MLFLOW_TRACKING_URI=server)
    assert (done.returncode, done.stdout.count("identical to the bit, steps 0 to 20")) == (0, 2), done.stderr
    assert not list(folder.path.iterdir())


def test_an_interrupt_ends_a_replay_with_130(folder: Folder) -> None:
    long = ["engine=iterative", "stopping.max_iterations=30000", "tracking.every=30000", "plots=none"]
    assert folder.gdexp("-m", "lr=0.001,0.002,0.003,0.004,0.005,0.006", *long).returncode == 0
    parent, _ = folder.parent_and_children()
    with subprocess.Popen(
        command("--sweep", parent.info.run_id),
        cwd=folder.path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("[1/6]")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("gdexp.replay: interrupted\n")
    assert "Traceback" not in errors


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys, atexit\n"
        "heavy = {'mlflow', 'matplotlib', 'pandas', 'pyarrow', 'hydra'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(set(sys.modules) & heavy)))\n"
        "sys.argv[1:] = ['--help']\n"
        "from gdexp.replay.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("usage: python -m gdexp.replay")
    assert done.stdout.splitlines()[-1] == "HEAVY []"
