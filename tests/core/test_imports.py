from __future__ import annotations

import subprocess
import sys


def test_the_core_imports_numpy_alone() -> None:
    heavy = {"mlflow", "matplotlib", "hydra", "omegaconf", "pyarrow", "pandas", "scipy", "tqdm", "tabulate"}
    program = f"import sys, gdexp.core; print(*sorted({heavy} & set(sys.modules)), 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]
