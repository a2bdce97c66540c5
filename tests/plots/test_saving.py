from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gdexp.core import ParameterError
from gdexp.data import Dataset
from gdexp.plots import FORMATS, RunView, SweepRun, loss_curve, loss_surface, run_figures, save, sweep_figures

DRAW = """
import sys
from pathlib import Path
from gdexp.core import descend, theory, zero
from gdexp.data import load
from gdexp.data.datasets.seven_cars import SevenCars
from gdexp.plots import RunView, run_figures, save
dataset = load(SevenCars())
start = zero(dataset.problem)
trajectory = descend(dataset.problem, lr=0.01, start=start)
expected = theory(dataset.problem, lr=0.01, start=start)
view = RunView(trajectory, expected, dataset, "a run", "its settings")
for name, figure in run_figures("all", view):
    for format in ("png", "svg", "pdf"):
        save(figure, Path(sys.argv[1]) / f"{name}.{format}")
"""


def draw_in_a_process(folder: Path, **environment: str) -> dict[str, str]:
    folder.mkdir()
    variables = os.environ | {"PYTHONHASHSEED": "random"} | environment
    subprocess.run([sys.executable, "-W", "error", "-c", DRAW, str(folder)], check=True, env=variables)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_two_processes_write_the_same_bytes_whatever_the_users_style(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 20\nsavefig.bbox: tight\naxes.grid: False\n")
    plain = draw_in_a_process(tmp_path / "first")
    styled = draw_in_a_process(tmp_path / "second", MATPLOTLIBRC=str(tmp_path / "matplotlibrc"))
    assert len(plain) == 15
    assert plain == styled


def test_the_order_of_formats_does_not_change_a_picture(
    seven: Dataset, run_of: Callable[..., RunView], tmp_path: Path
) -> None:
    figure = loss_surface(run_of(seven, 0.0697).trajectory, seven)
    for name in ("a.png", "b.svg", "c.pdf", "d.png", "e.svg"):
        save(figure, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "d.png").read_bytes()
    assert (tmp_path / "b.svg").read_bytes() == (tmp_path / "e.svg").read_bytes()


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_suffix_chooses_the_format(
    suffix: str, seven: Dataset, run_of: Callable[..., RunView], tmp_path: Path
) -> None:
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    save(loss_curve(run_of(seven, 0.01).trajectory), tmp_path / f"loss.{suffix}")
    assert (tmp_path / f"loss.{suffix}").read_bytes().startswith(start)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="format takes one of png, svg, pdf; got 'gif'"):
        save(Figure(), tmp_path / "loss.gif")
    assert not (tmp_path / "loss.gif").exists()


def test_the_users_settings_are_as_they_were_after_each_figure(
    seven: Dataset, run_of: Callable[..., RunView], lr_sweep: Callable[..., list[SweepRun]], tmp_path: Path
) -> None:
    before = dict(matplotlib.rcParams)
    for _, figure in run_figures("all", run_of(seven, 0.01)):
        assert dict(matplotlib.rcParams) == before
        save(figure, tmp_path / "figure.svg")
        assert dict(matplotlib.rcParams) == before
    for _ in sweep_figures(lr_sweep(["0.001", "0.1"]), ["lr"]):
        assert dict(matplotlib.rcParams) == before


def test_a_notebook_shows_a_figure_as_the_picture_that_is_saved(
    seven: Dataset, run_of: Callable[..., RunView], tmp_path: Path
) -> None:
    for _, figure in run_figures("all", run_of(seven, 0.01)):
        save(figure, tmp_path / "figure.png")
        assert figure._repr_png_() == (tmp_path / "figure.png").read_bytes()  # type: ignore[attr-defined]


def test_a_palette_makes_a_png_smaller_and_leaves_its_picture(
    seven: Dataset, run_of: Callable[..., RunView], tmp_path: Path
) -> None:
    figure = loss_curve(run_of(seven, 0.01).trajectory)
    save(figure, tmp_path / "full.png")
    save(figure, tmp_path / "palette.png", colors=256)
    full, palette = (Image.open(tmp_path / name) for name in ("full.png", "palette.png"))
    assert (palette.size, palette.mode) == (full.size, "P")
    assert (tmp_path / "palette.png").stat().st_size < 0.6 * (tmp_path / "full.png").stat().st_size
    difference = np.abs(np.asarray(full.convert("RGB"), dtype=int) - np.asarray(palette.convert("RGB"), dtype=int))
    assert difference.mean() < 1
