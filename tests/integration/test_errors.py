"""A user's mistake: one line that helps, exit status 2, and nothing recorded."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.conftest import Folder, clean_environment

MISTAKES = {
    "lr=0": "lr takes a finite number above 0; got 0.",
    "lr=-1": "lr takes a finite number above 0; got -1.",
    "lr=nan": "lr takes a finite number above 0; got nan.",
    "lr=inf": "lr takes a finite number above 0; got inf.",
    "lr=fast": "lr takes a finite number above 0; got 'fast'.",
    "lr=logspace(0,1,3)": "lr takes logspace(start,stop,count) with start and stop above 0 and a count of 2 to "
    "100,000; got 'logspace(0,1,3)'.",
    "lr=0.1,0.2": "lr=0.1,0.2 has several values: add -m to sweep over them, or quote them if they are one text.",
    "lrr=1": "lrr is not a setting. Near it: lr.",
    "+rate=1": "rate is not a setting. See --help.",
    "stopping.max_iteration=5": "stopping.max_iteration is not a setting. Near it: stopping.max_iterations",
    "data.n=5": "data.n is a setting of data=synthetic only.",
    "init=zeroo": "init takes one of explicit, near_zero, zero; got 'zeroo'. Did you mean zero?",
    "stopping=5": "data, init, stopping, tracking, plots, experiment each take the name of a preset, as in init=zero; "
    "see --help.",
    "--multirum": "--multirum is not an option. Near it: --multirun.",
    "lr": "lr cannot be read as KEY=VALUE.",
    "tracking.experiment=größe": "tracking.experiment=größe cannot be read as KEY=VALUE. A value with signs or letters",
    "~lr": "~lr: a setting cannot be taken away, only set; null switches off what can be off",
    "data=[seven_cars,synthetic]": "data takes the name of one preset, or in a sweep several with commas; "
    "got '[seven_cars,synthetic]'",
    "experiment=learning_rate,learning_rate": "experiment takes the name of one study, which sweeps by itself",
    "lr=${foo}": "Interpolation key 'foo' not found",
    "data=": "data takes one of auto_mpg, file, seven_cars, synthetic; got ''.",
    "lr=1e308": "lr takes a number whose product with the largest eigenvalue is finite; got 1e+308.",
    "stopping.max_iterations=1e15": "stopping.max_iterations takes at most ",
    "tracking.uri=sqlite://": "tracking.uri takes a SQLite store in a file, as sqlite:///mlflow.db; got 'sqlite://'",
    "engine=spectal": "engine takes one of spectral, iterative; got 'spectal'. Did you mean spectral?",
    "lr_unit=max": "lr_unit takes one of absolute, limit; got 'max'.",
    "seed=-1": "seed takes a whole number of at least 0; got -1.",
    "stopping.max_iterations=0": "stopping.max_iterations takes a whole number of at least 1; got 0.",
    "stopping.max_iterations=-3": "stopping.max_iterations takes a whole number of at least 1; got -3.",
    "stopping.max_iterations=1.5": "stopping.max_iterations takes a whole number of at least 1; got 1.5.",
    "stopping.relative_decrease=-1e-9": "stopping.relative_decrease takes a finite number of at least 0, or null for "
    "off; got -1e-09.",
    "stopping.gradient_norm=-1": "stopping.gradient_norm takes a finite number of at least 0, or null for off; got -1.",
    "stopping.patience=0": "stopping.patience takes a whole number of at least 1; got 0.",
    "data.scaling=standardise": "data.scaling takes one of none, center, standardize; got 'standardise'. "
    "Did you mean standardize?",
    "plots.format=gif": "plots.format takes one of png, svg, pdf; got 'gif'.",
    "tracking.every=0": "tracking.every takes a whole number of at least 1; got 0.",
    "experiment=learning": "experiment takes one of auto_mpg, convergence, initialization, learning_rate, "
    "loss_surface, stopping, worked_example; got 'learning'. Did you mean learning_rate?",
}


@pytest.mark.parametrize(("argument", "message"), MISTAKES.items(), ids=list(MISTAKES))
def test_a_wrong_setting_is_refused_in_one_line(folder: Folder, argument: str, message: str) -> None:
    refused(folder, [argument], message)


def refused(folder: Folder, arguments: list[str], message: str, **environment: str) -> None:
    before = set(folder.path.iterdir())
    done = folder.gdexp(*arguments, **environment)
    assert done.stderr.startswith(f"gdexp: {message}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert done.returncode == 2
    assert set(folder.path.iterdir()) == before


def test_a_start_of_the_wrong_length_says_what_it_takes(folder: Folder) -> None:
    message = "init.values takes a list of 2 numbers: 1 weight in the features' order, then the bias; got [1, 2, 3]."
    refused(folder, ["init=explicit", "init.values=[1,2,3]"], message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "lr=glob(*)"], "the sweep has no run: a value in lr=glob(*) stands for nothing"),
        (["-m", "hydra.sweeper.params=5"], "hydra.sweeper.params takes keys, each with its values; got 5."),
        (["data=synthetic", "data.d=1e6", "data.n=1e7"], "data=synthetic: there is not enough memory"),
        (["-m"], "a sweep takes at least one key with its values, as in lr=0.001,0.01,0.1"),
        (["-m", "tracking.every=1,2"], "tracking.* takes one value for a whole sweep"),
        (
            ["-m", "lr='logspace(1e-3,1,4)'"],
            "lr takes a finite number above 0; got 'logspace(1e-3,1,4)'. In quotes it is one text: without them it is "
            "several values. (job 1 of 1: lr='logspace(1e-3,1,4)')",
        ),
    ],
    ids=["no run", "no values", "no memory", "no key", "two stores", "quoted"],
)
def test_what_cannot_be_carried_out_is_refused_in_one_line(folder: Folder, arguments: list[str], message: str) -> None:
    refused(folder, arguments, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cars.csv"),
        ("", "cars.csv"),
        ("weight,mpg\n", "cars.csv"),
        ("name,weight,mpg\na,1,2\n", "name"),
        ("weight,mpg\n1,2\n,3\n", "weight"),
        ("weight,miles\n1,2\n", "mpg"),
    ],
    ids=["missing", "empty", "header only", "not numeric", "missing value", "no such target"],
)
def test_a_data_file_that_cannot_be_used_is_named(folder: Folder, content: str | None, message: str) -> None:
    if content is not None:
        (folder.path / "cars.csv").write_text(content)
    before = set(folder.path.iterdir())
    done = folder.gdexp("data=file", "data.path=cars.csv", "data.target=mpg")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("gdexp: data")
    assert message in done.stderr
    assert set(folder.path.iterdir()) == before


def test_a_sweep_of_more_runs_than_anybody_can_look_at_is_refused_before_it_fills_the_memory(folder: Folder) -> None:
    message = "a sweep takes at most 100,000 runs; this one would have 200,000,000: make it several"
    refused(folder, ["-m", "seed=range(100000000)", "lr=0.1,0.2"], message)


def test_hydras_own_print_of_the_configuration_has_no_credentials(folder: Folder) -> None:
    done = folder.gdexp("--cfg", "job", "tracking.uri=http://me:secret@host")
    assert done.returncode == 0
    assert "uri: http://***@host" in done.stdout
    assert "secret" not in done.stdout + done.stderr


def test_a_server_that_refuses_is_reported_in_time(folder: Folder) -> None:
    started = time.monotonic()
    refused(folder, ["tracking.uri=http://me:secret@127.0.0.1:9"], "the tracking store http://***@127.0.0.1:9 did not")
    assert time.monotonic() - started < 30  # MLflow would try for minutes


def test_a_server_that_is_silent_is_reported_in_time(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused(folder, [], f"the tracking store {uri} did not answer within", MLFLOW_TRACKING_URI=uri)
        assert time.monotonic() - started < 30  # MLflow would try for minutes


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write: Linux's /proc")
def test_a_folder_that_cannot_be_written_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gdexp"],
        cwd="/proc",
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("gdexp: the folder '/proc' cannot be written")
    assert done.stderr.count("\n") == 1
