"""What the README shows is what happens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Folder, clean_environment

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def block(opening: str, language: str) -> str:
    """The first fenced block of a language after `opening`."""
    found = re.search(rf"```{language}\n(.*?)```", README[README.index(opening) :], flags=re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the program that a test may add to."""
    for name in ("gdexp", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dataset_is_one_file_and_one_line_of_configuration(checkout: Path) -> None:
    (checkout / "gdexp/data/datasets/straight_line.py").write_text(block("**A dataset**", "python"))
    (checkout / "conf/data/straight_line.yaml").write_text(block("**A dataset**", "yaml"))
    run(checkout, "-m", "gdexp", "data=straight_line", "data.slope=3", "data.scaling=standardize", "plots=none")
    (recorded,) = Folder(checkout).runs()
    assert recorded.data.params["data.slope"] == "3"
    assert recorded.data.metrics["theory_minimum_mse"] < 1e-20


def test_an_initialization_is_one_file_and_one_line_of_configuration(checkout: Path) -> None:
    (checkout / "gdexp/core/initialization/all_equal.py").write_text(block("**An initialization**", "python"))
    (checkout / "conf/init/all_equal.yaml").write_text(block("**An initialization**", "yaml"))
    run(checkout, "-m", "gdexp", "init=all_equal", "init.value=2", "plots=none", "stopping.max_iterations=1")
    (recorded,) = Folder(checkout).runs()
    history = Folder(checkout).client.get_metric_history(recorded.info.run_id, "parameter_weight")
    assert next(point.value for point in history if point.step == 0) == 2


def test_a_stopping_rule_is_one_function_one_field_and_one_preset(checkout: Path) -> None:
    patch = block("**A stopping rule**", "diff")
    # Its own repository keeps git from taking the copy for a part of one that lies around it.
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    subprocess.run(["git", "apply", "-"], cwd=checkout, input=patch, text=True, check=True)
    (checkout / "conf/stopping/parameter_norm.yaml").write_text(block("**A stopping rule**", "yaml"))
    run(checkout, "-m", "gdexp", "stopping=parameter_norm", "plots=none")
    (recorded,) = Folder(checkout).runs()
    assert recorded.data.tags["gdexp.stop_reason"] == "parameter_norm"


def test_the_library_example_runs(tmp_path: Path) -> None:
    output = run(tmp_path, "-c", block("## As a library", "python"))
    assert "The maximum number of iterations was reached." in output
    assert len(Folder(tmp_path).runs()) == 1


def test_the_analysis_of_a_recorded_sweep_runs(folder: Folder) -> None:
    recorded = folder.gdexp("-m", "lr=0.01,0.03,0.06", "init=near_zero", "seed=range(5)", "plots=none")
    assert recorded.returncode == 0, recorded.stderr
    lines = run(folder.path, "-c", block("Recorded sweeps come back", "python")).splitlines()
    assert re.fullmatch(r"14 +0\.06 +4 +max_iterations +1000\.0 +1\.507547 +1718\.0", lines[16])
    assert "1000  0.034163  0.003633  0.000125" in lines
    assert any(re.match(r"0\.06 +5\.0 +350\.0 ", line) for line in lines)


def test_a_study_of_ones_own_is_swept_and_its_claims_are_checked(checkout: Path) -> None:
    (checkout / "conf/experiment/mine.yaml").write_text(block("A study of your own", "yaml"))
    (checkout / "experiments/mine").mkdir(parents=True)
    (checkout / "experiments/mine/claims.yaml").write_text(block("**Claims.**", "yaml"))
    run(checkout, "-m", "gdexp", "experiment=mine", "plots=none", "stopping.max_iterations=3000")
    assert [child.info.run_name for child in Folder(checkout).parent_and_children()[1]] == [
        "lr=0.5, stopping=convergence, stopping.relative_decrease=1e-06",
        "lr=0.9, stopping=convergence, stopping.relative_decrease=1e-06",
        "lr=0.5, stopping=gradient_norm, stopping.gradient_norm=0.001",
        "lr=0.9, stopping=gradient_norm, stopping.gradient_norm=0.001",
    ]
    verdicts = run(checkout, "-m", "gdexp.report").splitlines()
    assert verdicts[0].startswith(
        "not reproduced  steps: steps, stopping=convergence, lr=0.9: published 1200, here 1698"
    )
    assert [verdict.split(":")[0].split()[-1] for verdict in verdicts[1:3]] == ["flat", "faster"]
    assert (checkout / "report-mine" / "report.html").is_file()


@pytest.mark.parametrize("target", ["sweep", "test", "browser", "experiments", "ui", "lint", "lock", "clean"])
def test_every_make_target_is_listed_by_make_help(target: str) -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^make {target} ", shown, flags=re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http|#)[^)]+)\)", README))
def test_every_file_that_the_readme_links_to_is_there(path: str) -> None:
    assert (ROOT / path).is_file()
