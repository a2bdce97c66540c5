"""The wheel, installed by itself with nothing but what it declares, run in a folder far from the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Folder, clean_environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a fresh virtual environment that holds the wheel at the pinned versions."""
    place = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place), cwd=ROOT)
    (wheel,) = place.glob("*.whl")
    pins = re.findall(r"^([\w.-]+==[^\\\n]+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    (place / "constraints.txt").write_text("\n".join(pins))
    run(sys.executable, "-m", "venv", str(place / "venv"))
    commands = place / "venv" / "bin"
    pip = [str(commands / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    run(*pip, "--constraint", str(place / "constraints.txt"), str(wheel))
    return commands


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_of_the_wheel_finds_its_configuration_and_data_anywhere(installed: Path, folder: Folder) -> None:
    arguments = ["-m", "lr=0.1,0.2", "data=auto_mpg", "data.scaling=standardize", "stopping.max_iterations=5"]
    output = run(str(installed / "gdexp"), *arguments, cwd=folder.path)
    parent, children = folder.parent_and_children()
    assert "2 of 2 runs in" in output
    assert parent.info.status == "FINISHED"
    assert len(children) == 2
    assert "mlflow.source.git.commit" not in parent.data.tags
    python = str(installed / "python")
    run(python, "-m", "gdexp.report", "--out", "out", cwd=folder.path)
    assert (folder.path / "out" / "report.html").is_file()
    assert "2 identical to the bit" in run(python, "-m", "gdexp.replay", "--sweep", parent.info.run_id, cwd=folder.path)


def test_python_m_gdexp_works_too(installed: Path, tmp_path: Path) -> None:
    shown = run(str(installed / "python"), "-m", "gdexp", "--cfg", "job", cwd=tmp_path)
    assert shown.startswith("lr: 0.01\n")
