from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gdexp.core import max_stable_lr
from gdexp.data import Dataset
from gdexp.plots import RunView, loss_curve, run_figures
from gdexp.plots.losses import guarantee


def test_the_loss_curve_shows_every_step_and_the_minimum(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    run = run_of(seven, 0.01)
    loss, gap = loss_curve(run.trajectory, run.theory, unit="mpg").axes
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("step (updates)", "MSE (mpg squared)")
    descent, minimum = loss.get_lines()
    np.testing.assert_array_equal(descent.get_xdata(), np.arange(1001))
    np.testing.assert_array_equal(descent.get_ydata(), run.trajectory.mse)
    np.testing.assert_allclose(np.asarray(minimum.get_ydata()), 1.46966948)
    assert (loss.get_yscale(), gap.get_yscale()) == ("linear", "log")
    assert gap.get_ylabel() == "MSE above its minimum (mpg squared)"
    np.testing.assert_array_equal(gap.get_lines()[0].get_ydata(), run.trajectory.gap)


def test_the_guarantee_is_never_below_the_gap(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    for lr in (0.001, 0.01, 0.06, 0.0697, 0.1):
        run = run_of(seven, lr)
        gap = run.trajectory.gap
        bound = guarantee(np.arange(len(gap), dtype=float), gap[0], run.theory.contraction)
        assert (gap <= bound * (1 + 1e-9)).all()


def test_a_guarantee_beyond_the_range_of_floats_is_left_out() -> None:
    bound = guarantee(np.array([0.0, 1.0, 1e6]), 2.0, 3.0)
    np.testing.assert_array_equal(bound, [2.0, 18.0, np.nan])
    assert guarantee(np.array([0.0, 1.0]), 5.0, 0.0).tolist() == [5.0, 0.0]


def test_the_axis_of_a_diverging_loss_is_logarithmic_and_says_so(
    seven: Dataset, run_of: Callable[..., RunView]
) -> None:
    run = run_of(seven, 0.1)
    loss, _ = loss_curve(run.trajectory, run.theory).axes
    assert loss.get_yscale() == "log"
    assert loss.get_title(loc="left") == "Loss (logarithmic axis, for it grows)"
    assert loss.get_ylim()[1] > run.trajectory.mse[-1]


def test_the_target_is_drawn_where_the_run_comes_near_it(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    near, far = run_of(seven, 0.06, max_iterations=2000), run_of(seven, 0.01)
    labels = [str(line.get_label()) for line in loss_curve(near.trajectory, near.theory).axes[1].get_lines()]
    assert "10⁻⁶ of the initial gap, reached at step 1,719" in labels
    assert not any("10⁻⁶" in str(line.get_label()) for line in loss_curve(far.trajectory).axes[1].get_lines())


def test_noise_of_rounding_is_not_drawn(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    run = run_of(seven, 0.06, max_iterations=20_000)
    _, gap = loss_curve(run.trajectory, run.theory).axes
    first_lost = int(np.flatnonzero(run.trajectory.gap < 1e-12 * run.trajectory.gap[0])[0])
    assert np.asarray(gap.get_lines()[0].get_xdata())[-1] == first_lost
    assert gap.get_xlim()[1] < 1.05 * first_lost
    assert gap.get_ylim()[0] >= 0.4e-12 * run.trajectory.gap[0]


def test_every_figure_has_a_title_and_the_settings_below(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    run = run_of(seven, 0.01)
    for name, figure in run_figures("all", run):
        title, caption = (text.get_text().replace("\n", " ") for text in figure.texts)
        assert title.endswith(": seven_cars, lr=0.01, zero"), name
        assert run.caption in caption


@pytest.mark.parametrize(
    ("which", "names"),
    [
        ("none", []),
        ("loss_curve", ["loss_curve"]),
        ("all", ["loss_curve", "model", "loss_surface", "final_fit", "parameters"]),
    ],
)
def test_what_is_asked_for_is_drawn(
    which: str, names: list[str], seven: Dataset, run_of: Callable[..., RunView]
) -> None:
    assert [name for name, _ in run_figures(which, run_of(seven, 0.01))] == names


def test_several_features_have_no_surface(dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]) -> None:
    dataset = dataset_of([[1, 2], [2, 1], [3, 5]], [1, 2, 3])
    figures = run_figures("all", run_of(dataset, 0.5 * max_stable_lr(dataset.problem)))
    assert [name for name, _ in figures] == ["loss_curve", "model", "final_fit", "parameters"]
