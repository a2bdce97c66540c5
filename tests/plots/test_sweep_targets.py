from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdexp.core import LeastSquares, zero
from gdexp.core.factor import Array
from gdexp.plots import SweepRun, report_figures
from gdexp.plots.sweep_targets import targets

# One feature that is its own eigenvector, and a target without a mean: the gap of lr falls by (1 - 2 lr)^2 a step.
LINE = LeastSquares.from_arrays(np.array([[-1.0], [1.0]]), np.array([-3.0, 3.0]))


@pytest.fixture(scope="module")
def runs_of(child_of: Callable[..., SweepRun]) -> Callable[..., list[SweepRun]]:
    """Make runs on LINE whose gap is multiplied by so much at every step."""

    def make(factors: Sequence[float], **stopping: object) -> list[SweepRun]:
        rates = [(1 + factor**0.5 * (-1 if factor < 1 else 1)) / 2 for factor in factors]
        return [child_of(LINE, {"lr": f"{lr:.6g}"}, lr, zero(LINE), **stopping) for lr in rates]

    return make


def profiles(figure: Figure) -> list[Line2D]:
    (panel,) = figure.axes
    return [line for line in panel.get_lines() if line.get_drawstyle() == "steps-post"]


def share_at(curve: Line2D, step: float) -> float:
    steps, shares = (np.asarray(values, dtype=float) for values in curve.get_data())
    return float(shares[np.searchsorted(steps, step, side="right") - 1])


def test_each_target_has_a_curve_that_rises_where_a_run_reaches_it(runs_of: Callable[..., list[SweepRun]]) -> None:
    sweep = runs_of([0.09, 0.009, 0.9], max_iterations=30)
    two, four, six = profiles(targets(sweep))
    assert [round(share_at(two, step), 6) for step in (0, 0.9, 1, 1.9, 2, 30)] == pytest.approx(
        [0, 0, 1 / 3, 1 / 3, 2 / 3, 2 / 3], abs=1e-6
    )
    # 0.009^2 < 1e-4 and 0.009^3 < 1e-6; 0.09^4 < 1e-4 and 0.09^6 < 1e-6; 0.9^30 > 1e-2
    assert np.asarray(four.get_xdata())[1:-1].tolist() == [2, 4]
    assert np.asarray(six.get_xdata())[1:-1].tolist() == [3, 6]


def test_runs_that_never_get_there_keep_the_curve_below_1(
    runs_of: Callable[..., list[SweepRun]], texts_on: Callable[[Figure], list[tuple[str, Array]]]
) -> None:
    figure = targets([*runs_of([0.5], max_iterations=100), *runs_of([0.5], max_iterations=10), *runs_of([9.0])])
    assert [round(share_at(curve, 1e9), 6) for curve in profiles(figure)] == pytest.approx(
        [2 / 3, 1 / 3, 1 / 3], abs=1e-6
    )
    shown = {text for text, _ in texts_on(figure)}
    assert {f"10⁻{digit} of the initial gap: {n} of 3 runs" for digit, n in zip("²⁴⁶", (2, 1, 1), strict=True)} <= shown


def test_a_start_at_the_minimum_is_there_at_step_0(child_of: Callable[..., SweepRun]) -> None:
    problem = LeastSquares.from_arrays(np.array([[1.0], [2.0]]), np.zeros(2))
    run = child_of(problem, {}, 0.1, zero(problem))
    assert run.gap_initial == 0
    for curve in profiles(targets([run])):
        assert share_at(curve, 0) == 1


def test_steps_over_decades_have_a_logarithmic_axis_that_begins_at_0(
    runs_of: Callable[..., list[SweepRun]],
) -> None:
    (panel,) = targets(runs_of([1e-7, 0.99], max_iterations=3000)).axes
    assert panel.get_xscale() == "symlog"
    assert panel.get_xlim()[0] < 0 < 3000 < panel.get_xlim()[1]
    (panel,) = targets(runs_of([0.9, 0.89], max_iterations=200)).axes
    assert panel.get_xscale() == "linear"


def test_the_curves_differ_without_colour(runs_of: Callable[..., list[SweepRun]]) -> None:
    curves = profiles(targets(runs_of([0.5])))
    assert (
        len({str(curve.get_linestyle()) for curve in curves}) == len({curve.get_linewidth() for curve in curves}) == 3
    )


def test_a_report_has_targets_and_contraction_and_seeds_where_there_are_some(child_of: Callable[..., SweepRun]) -> None:
    def names(axes: Sequence[str], seeds: Sequence[str]) -> list[str]:
        sweep = [child_of(LINE, {"lr": "0.1", "seed": seed}, 0.1, zero(LINE), max_iterations=5) for seed in seeds]
        return [name for name, _ in report_figures(sweep, axes)]

    assert names(["lr"], "1") == names(["lr", "seed"], "11") == names([], "1") == ["targets", "contraction"]
    assert names(["seed", "lr"], "12") == ["targets", "contraction", "seeds"]


def test_the_caption_has_the_outcomes_and_the_settings(runs_of: Callable[..., list[SweepRun]]) -> None:
    for name, figure in report_figures(runs_of([0.5, 9.0]), ["lr"], caption="data=line"):
        caption = figure.texts[1].get_text().replace("\n", " ")
        assert "Outcomes: max_iterations 1, diverged 1" in caption, name
        assert caption.endswith("data=line")
