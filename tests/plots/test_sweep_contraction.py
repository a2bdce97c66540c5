from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdexp.core import LeastSquares, max_stable_lr, near_zero, zero
from gdexp.core.factor import Array
from gdexp.data import Dataset
from gdexp.plots import SweepRun
from gdexp.plots.sweep_contraction import contraction

Texts = Callable[[Figure], list[tuple[str, Array]]]


@pytest.fixture(scope="module")
def sweep_of(seven: Dataset, child_of: Callable[..., SweepRun]) -> Callable[..., list[SweepRun]]:
    """Make runs at the given multiples of the largest stable lr."""
    problem = seven.problem

    def make(*shares: float, **stopping: object) -> list[SweepRun]:
        limit = max_stable_lr(problem)
        return [child_of(problem, {"lr": f"{s:.6g}"}, s * limit, zero(problem), **stopping) for s in shares]

    return make


def points(panel: Axes) -> list[list[float]]:
    """Return the points of a panel and leave out the line as predicted."""
    lines = [np.asarray(line.get_xydata(), dtype=float) for line in panel.get_lines() if line.get_marker() != "None"]
    return [point for line in lines for point in line.tolist()]


def test_stable_runs_stand_on_the_line_of_the_prediction_by_their_distance_from_1(
    sweep_of: Callable[..., list[SweepRun]],
) -> None:
    sweep = sweep_of(0.01, 0.1, 0.9, max_iterations=20_000)
    (panel,) = contraction(sweep, ["lr"]).axes
    found = np.array(points(panel))
    np.testing.assert_allclose(found[:, 0], [1 - run.contraction for run in sweep])
    np.testing.assert_allclose(found[:, 1], found[:, 0], rtol=1e-3)
    (diagonal,) = [line for line in panel.get_lines() if line.get_marker() == "None"]
    assert np.array_equal(*diagonal.get_data())
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    assert panel.get_xlim() == panel.get_ylim()


def test_runs_that_are_not_stable_have_a_panel_of_their_own(
    sweep_of: Callable[..., list[SweepRun]], texts_on: Texts
) -> None:
    sweep = sweep_of(0.9, 1.2, 3.0)
    figure = contraction(sweep, ["lr"])
    stable, other = figure.axes
    assert len(points(stable)) == 1
    np.testing.assert_allclose(np.array(points(other)), np.array([[1.4, 1.4], [5, 5]]) - 1, rtol=1e-6)
    assert (stable.get_xlabel(), other.get_ylabel()) == (
        "predicted 1 − contraction a step",
        "measured contraction a step − 1",
    )
    assert {"lr=0.9", "lr=1.2 (diverged)", "lr=3 (diverged)"} <= {text for text, _ in texts_on(figure)}


def test_a_run_that_still_shrinks_above_the_limit_is_hollow_at_the_edge(
    sweep_of: Callable[..., list[SweepRun]], texts_on: Texts
) -> None:
    problem_is_slow = sweep_of(1.0 + 1e-6, max_iterations=3)
    figure = contraction([*problem_is_slow, *sweep_of(1.5)], ["lr"])
    (panel,) = figure.axes
    hollow, filled = (line for line in panel.get_lines() if line.get_marker() != "None")
    (x, y) = points(panel)[0]
    assert x == pytest.approx(2e-6, rel=1e-4)
    assert (hollow.get_color(), filled.get_color() != "white") == ("white", True)
    assert panel.get_ylim()[0] < y < 1.5 * panel.get_ylim()[0]
    assert "at an edge: below 10⁻¹⁴, or negative" in {text for text, _ in texts_on(figure)}


def test_a_run_without_a_measured_contraction_is_counted_in_the_caption(
    sweep_of: Callable[..., list[SweepRun]], child_of: Callable[..., SweepRun]
) -> None:
    easy = LeastSquares.from_arrays(np.array([[1.0], [2.0]]), np.zeros(2))
    at_minimum = child_of(easy, {"lr": "0.1"}, 0.1, zero(easy))
    figure = contraction([*sweep_of(0.5), at_minimum], ["lr"])
    assert len(points(figure.axes[0])) == 1
    assert "Not drawn: 1 of 2 runs" in figure.texts[1].get_text().replace("\n", " ")
    (empty,) = contraction([at_minimum], []).axes
    assert points(empty) == []


def test_many_runs_are_coloured_by_the_first_key_of_numbers_and_shaped_by_another(
    seven: Dataset, child_of: Callable[..., SweepRun], texts_on: Texts
) -> None:
    problem = seven.problem
    sweep = [
        child_of(
            problem, {"init": init, "lr": lr, "seed": str(seed)}, float(lr), near_zero(problem, seed=seed, scale=5.0)
        )
        for init in ("near", "far")
        for lr in ("0.01", "0.02", "0.05")
        for seed in (0, 1)
    ]
    figure = contraction(sweep, ["init", "seed", "lr"])
    panel, bar = figure.axes
    assert bar.get_ylabel() == "learning rate lr"
    assert [len(np.asarray(shape.get_offsets())) for shape in panel.collections] == [6, 6]
    assert len({tuple(color) for shape in panel.collections for color in np.asarray(shape.get_edgecolor())}) == 3
    assert {"init=near", "init=far", "0.01", "0.02", "0.05"} <= {text for text, _ in texts_on(figure)}
