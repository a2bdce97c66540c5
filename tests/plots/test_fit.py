from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from gdexp.core.factor import Array
from gdexp.data import Dataset
from gdexp.plots import RunView, final_fit, model

X = np.array([[3.5], [3.69], [3.44], [3.43], [4.34], [4.42], [2.37]])
Y = np.array([18.0, 15, 18, 16, 15, 14, 24])


def line_data(figure: Figure, panel: int, line: int) -> tuple[Array, Array]:
    drawn = figure.axes[panel].get_lines()[line]
    return np.asarray(drawn.get_xdata()), np.asarray(drawn.get_ydata())


@pytest.mark.parametrize("scaling", ["none", "center", "standardize"])
def test_the_model_is_drawn_in_the_units_of_the_data_at_three_moments(
    scaling: str, dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]
) -> None:
    dataset = dataset_of(X, Y, scaling=scaling, features=("weight",), units={"weight": "1000 lb", "y": "mpg"})
    run = run_of(dataset, 0.02)
    figure = model(run.trajectory, dataset)
    assert [panel.get_title(loc="left").split(":")[0] for panel in figure.axes] == ["step 0", "step 500", "step 1,000"]
    assert figure.axes[0].get_ylabel() == "y (mpg)"
    assert {panel.get_xlabel() for panel in figure.axes} == {"weight (1000 lb)"}
    for panel, step in enumerate((0, 500, 1000)):
        weight, bias = dataset.scaling.original(run.trajectory.parameters[step])
        x, y = line_data(figure, panel, 1)
        np.testing.assert_allclose(y, weight * x + bias)
        np.testing.assert_array_equal(line_data(figure, panel, 0), [X[:, 0], Y])
        (losses,) = (shape for shape in figure.axes[panel].collections if isinstance(shape, LineCollection))
        for segment, x_row, y_row in zip(losses.get_segments(), X[:, 0], Y, strict=True):
            np.testing.assert_allclose(segment, [[x_row, y_row], [x_row, weight * x_row + bias]])


def test_several_features_are_drawn_as_predicted_against_actual(
    dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]
) -> None:
    features = np.hstack([X, X**2])
    dataset = dataset_of(features, Y)
    run = run_of(dataset, 0.001)
    figure = model(run.trajectory, dataset)
    theta = run.trajectory.parameters[-1]
    actual, predicted = line_data(figure, 2, 0)
    np.testing.assert_array_equal(actual, Y)
    np.testing.assert_allclose(predicted, features @ theta[:2] + theta[2])
    diagonal = line_data(figure, 2, 1)
    np.testing.assert_array_equal(diagonal[0], diagonal[1])
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("actual y", "predicted y")


def test_a_moment_far_off_gets_its_own_axis_and_says_so(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    run = run_of(seven, 0.1)
    first, _, last = model(run.trajectory, seven).axes
    assert "own axis" in last.get_title(loc="left")
    assert "own axis" not in first.get_title(loc="left")
    assert first.get_ylim()[1] < 50 < 1000 < abs(last.get_ylim()[0])


def test_the_final_fit_stands_beside_least_squares_with_both_losses(
    seven: Dataset, run_of: Callable[..., RunView], texts_on: Callable[[Figure], list[tuple[str, Array]]]
) -> None:
    run = run_of(seven, 0.06)
    shown = [text for text, _ in texts_on(final_fit(run.trajectory, seven))]
    assert "least squares: mpg = 33.59 − 4.569 · weight, MSE 1.47" in shown
    assert any(text.startswith("step 1,000: mpg = ") and text.endswith("MSE 1.508") for text in shown)


def test_a_line_outside_of_the_window_is_announced(seven: Dataset, run_of: Callable[..., RunView]) -> None:
    (panel,) = final_fit(run_of(seven, 0.1).trajectory, seven).axes
    assert panel.get_title(loc="left") == "The line of gradient descent lies outside of this window"
    assert panel.get_ylim()[0] > 0


def test_many_rows_are_sampled_and_the_caption_says_so(
    dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]
) -> None:
    random = np.random.default_rng(0)
    dataset = dataset_of(random.normal(size=(3000, 1)), random.normal(size=3000))
    figure = model(run_of(dataset, 0.1).trajectory, dataset, caption="seed 0")
    rows = len(line_data(figure, 0, 0)[0])
    assert 100 <= rows <= 200
    assert figure.texts[1].get_text() == f"{rows} of 3,000 rows are drawn. seed 0"


def test_the_dashed_line_of_several_features_is_named(
    dataset_of: Callable[..., Dataset],
    run_of: Callable[..., RunView],
    texts_on: Callable[[Figure], list[tuple[str, Array]]],
) -> None:
    dataset = dataset_of(np.hstack([X, X**2]), Y)
    trajectory = run_of(dataset, 0.001).trajectory
    for figure in (model(trajectory, dataset), final_fit(trajectory, dataset)):
        assert {"row", "predicted = actual"} <= {text for text, _ in texts_on(figure)}
