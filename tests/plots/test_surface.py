from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gdexp.core import max_stable_lr
from gdexp.data import Dataset, load
from gdexp.data.datasets.seven_cars import SevenCars
from gdexp.plots import RunView, loss_surface
from gdexp.plots.style import sequential
from gdexp.plots.surface import Window


def contours(figure: Figure) -> Axes:
    return figure.axes[1]


def test_the_path_and_the_minimum_are_on_the_contours(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    run = run_of(seven, 0.01)
    panel = contours(loss_surface(run.trajectory, seven))
    path, start, minimum, end = panel.get_lines()
    np.testing.assert_array_equal(np.column_stack(path.get_data()), run.trajectory.parameters)
    np.testing.assert_array_equal(start.get_xydata(), [[0, 0]])
    np.testing.assert_allclose(np.asarray(minimum.get_xydata()), [[-4.5691095, 33.585124]], rtol=1e-7)
    np.testing.assert_array_equal(end.get_xydata(), run.trajectory.parameters[-1:])
    (low, high), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    for line in (path, minimum):
        x, y = (np.asarray(values) for values in line.get_data())
        assert (low < x).all() and (x < high).all() and (bottom < y).all() and (y < top).all()  # noqa: PT018


def test_axes_say_the_units_that_are_descended_in(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    panel = contours(loss_surface(run_of(seven, 0.01).trajectory, seven))
    assert panel.get_xlabel() == "parameter weight (miles per gallon per 1000 lb)"
    assert panel.get_ylabel() == "parameter bias (miles per gallon)"
    scaled = load(SevenCars(scaling="standardize"))
    panel = contours(loss_surface(run_of(scaled, 0.1).trajectory, scaled))
    assert panel.get_xlabel() == "parameter weight (scaled units)"


def test_a_diverging_path_is_cut_and_the_panel_says_where(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    trajectory = run_of(seven, 0.1).trajectory
    panel = contours(loss_surface(trajectory, seven))
    assert panel.get_title(loc="left") == "The path leaves this window at step 2"
    low, high = panel.get_xlim()
    assert low < trajectory.parameters[1, 0] < high
    assert not low < trajectory.parameters[2, 0] < high


def test_the_bands_between_contours_have_the_colors_of_their_middles(
    seven: Dataset, run_of: Callable[..., RunView]
) -> None:
    panel = contours(loss_surface(run_of(seven, 0.01).trajectory, seven))
    filled = panel.collections[0]
    np.testing.assert_array_equal(filled.get_facecolor(), sequential()([0, *range(8, 256, 16)]))


@pytest.mark.parametrize("relative_lr", [0.01, 0.9, 0.998, 1.001, 1.5])
def test_the_window_holds_the_valley_in_all_its_depth(
    relative_lr: float, seven: Dataset, run_of: Callable[..., RunView]
) -> None:
    run = run_of(seven, relative_lr * max_stable_lr(seven.problem))
    window = Window.around(seven.problem, run.trajectory)
    assert window.gap.min() < 1e-4 * window.gap.max()
    grid = np.stack(np.meshgrid(window.weight, window.bias), axis=-1)
    np.testing.assert_allclose(window.gap + seven.problem.minimum_mse, seven.problem.mse(grid), rtol=1e-9)


def test_a_path_that_turns_at_every_step_is_drawn_as_dots(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    trajectory = run_of(seven, 0.0697).trajectory
    joined, dots, *_ = contours(loss_surface(trajectory, seven)).get_lines()
    assert len(np.asarray(joined.get_xdata())) == 4
    assert dots.get_linestyle() == "None"
    np.testing.assert_array_equal(np.column_stack(dots.get_data()), trajectory.parameters[3:])


def test_the_solid_surface_names_its_units_and_the_power_of_ten_of_its_numbers(
    seven: Dataset, dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]
) -> None:
    solid = loss_surface(run_of(seven, 0.01).trajectory, seven).axes[0]
    assert solid.get_xlabel() == "parameter weight\nmiles per gallon per 1000 lb"
    assert solid.get_ylabel() == "parameter bias\nmiles per gallon"
    assert solid.get_title(loc="left") == "Loss surface: MSE (miles per gallon, squared)"
    large = dataset_of([[1e9], [2e9], [4e9]], [1e7, 3e7, 2e7], units={"y": "m"})
    figure = loss_surface(run_of(large, 0.7 * max_stable_lr(large.problem)).trajectory, large)
    solid = figure.axes[0]
    assert solid.get_title(loc="left").startswith("Loss surface: MSE (m squared) × 10¹")
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    assert solid.zaxis.get_offset_text().get_text() == ""  # type: ignore[attr-defined]
    heights = [tick.get_text() for tick in solid.get_zticklabels()]  # type: ignore[attr-defined]
    assert max(map(len, heights)) <= 4
