"""Nothing heavy is imported before it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Folder

HEAVY = ("mlflow", "matplotlib", "pandas", "pyarrow")


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["lrr=1"]], ids=" ".join)
def test_help_configuration_and_refusals_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    program = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('HEAVY', sorted(set(sys.modules) & set({HEAVY!r}))))\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "from gdexp.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert not list(tmp_path.iterdir())


def test_a_run_on_a_file_imports_no_pandas(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("x,y\n1,2\n2,3\n3,5\n")
    program = (
        "import sys\n"
        "sys.argv[1:] = ['data=file', 'data.path=d.csv', 'data.target=y', 'plots=none']\n"
        "from gdexp.cli import main\n"
        "main()\n"
        "print('pyarrow' in sys.modules, 'pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True False"


def test_importing_the_library_imports_nothing_heavy() -> None:
    program = f"import sys, gdexp, gdexp.core; print(sorted(set(sys.modules) & set({(*HEAVY, 'hydra')!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_says_how_to_run_what_to_choose_and_what_to_set(folder: Folder) -> None:
    shown = folder.gdexp("--help").stdout
    for text in ("python -m gdexp -m lr=0.001,0.01,0.1", "data: auto_mpg, file, seven_cars, synthetic", "patience: 5"):
        assert text in shown
