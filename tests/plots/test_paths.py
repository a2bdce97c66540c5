from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gdexp.core import max_stable_lr
from gdexp.data import Dataset
from gdexp.plots import RunView, parameters

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize("d", [1, 3, 7])
def test_each_parameter_is_drawn_over_the_steps_with_its_least_squares_value(
    d: int, dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]
) -> None:
    dataset = dataset_of(RANDOM.normal(size=(40, d)), RANDOM.normal(size=40))
    run = run_of(dataset, 0.1)
    figure = parameters(run.trajectory, dataset)
    panels = [panel for panel in figure.axes if panel.get_visible()]
    assert len(panels) == d + 1
    for index, panel in enumerate(panels):
        path, best = panel.get_lines()
        np.testing.assert_array_equal(path.get_ydata(), run.trajectory.parameters[:, index])
        np.testing.assert_array_equal(best.get_ydata(), [dataset.problem.minimizer[index]] * 2)
        assert panel.get_xscale() == "symlog"
    assert panels[-1].get_title(loc="left").startswith("parameter bias\n")


def test_of_many_parameters_the_first_and_the_bias_are_drawn(
    dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]
) -> None:
    dataset = dataset_of(RANDOM.normal(size=(40, 12)), RANDOM.normal(size=40))
    figure = parameters(run_of(dataset, 0.01).trajectory, dataset)
    names = [panel.get_title(loc="left").splitlines()[0] for panel in figure.axes]
    assert names == [*(f"parameter x{i}" for i in range(1, 8)), "parameter bias"]
    assert figure.texts[1].get_text().startswith("8 of 13 parameters are drawn")


def test_parameters_that_grow_without_bound_have_a_logarithmic_axis(
    seven: Dataset, run_of: Callable[..., RunView]
) -> None:
    diverging = parameters(run_of(seven, 1.5 * max_stable_lr(seven.problem)).trajectory, seven)
    assert [panel.get_yscale() for panel in diverging.axes] == ["symlog", "symlog"]
    stable = parameters(run_of(seven, 0.01, max_iterations=50).trajectory, seven)
    assert [panel.get_yscale() for panel in stable.axes] == ["linear", "linear"]
    assert [panel.get_xscale() for panel in stable.axes] == ["linear", "linear"]
