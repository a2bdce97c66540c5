from __future__ import annotations

import subprocess
import sys

import pytest

import gdexp.plots


def modules_after(code: str) -> set[str]:
    text = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_no_matplotlib() -> None:
    code = "from gdexp.plots import FORMATS, PLOTS, Plots, RunView, SweepRun, report_figures, run_figures, save"
    assert "matplotlib" not in modules_after(code)


def test_asking_for_no_figures_imports_no_matplotlib() -> None:
    nothing = "run_figures('none', None)", "sweep_figures([], [])", "report_figures([], [])"
    code = "import gdexp.plots as plots" + "".join(f"\nlist(plots.{figures})" for figures in nothing)
    assert "matplotlib" not in modules_after(code)


def test_drawing_imports_no_pyplot() -> None:
    modules = modules_after(
        "import gdexp.plots.losses, gdexp.plots.surface, gdexp.plots.sweep_curves, gdexp.plots.canvas"
    )
    assert "matplotlib" in modules
    assert "matplotlib.pyplot" not in modules


@pytest.mark.parametrize("name", ["loss_curve", "model", "loss_surface", "final_fit", "parameters"])
def test_single_figures_are_there_for_notebooks(name: str) -> None:
    assert callable(getattr(gdexp.plots, name))


def test_a_name_that_is_not_there_is_refused_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match=r"module 'gdexp.plots' has no attribute 'no_such'"):
        _ = gdexp.plots.no_such
