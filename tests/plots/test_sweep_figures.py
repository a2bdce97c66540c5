from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gdexp.core import near_zero, zero
from gdexp.core.factor import Array
from gdexp.data import Dataset, load
from gdexp.data.datasets.seven_cars import SevenCars
from gdexp.plots import SweepRun, sweep_figures

Texts = Callable[[Figure], list[tuple[str, Array]]]
Sweep = Callable[..., list[SweepRun]]


def figures(sweep: Sequence[SweepRun], axes: Sequence[str]) -> dict[str, Figure]:
    return dict(sweep_figures(sweep, axes))


def texts(figure: Figure, texts_on: Texts) -> list[str]:
    return [text for text, _ in texts_on(figure)]


def vertical_lines(panel: Axes) -> list[float]:
    places = [np.asarray(line.get_xdata(), dtype=float) for line in panel.get_lines() if line.get_linestyle() == "--"]
    return [float(x[0]) for x in places if len(x) == 2 and x[0] == x[1]]


def points(panel: Axes, marker: str) -> list[list[float]]:
    found: list[Any] = [line.get_xydata() for line in panel.get_lines() if line.get_marker() == marker]
    return sorted(point.tolist() for data in found for point in data if np.isfinite(point).all())


@pytest.fixture(scope="module")
def grid(child_of: Callable[..., SweepRun]) -> list[SweepRun]:
    """Make lr by scaling on the seven cars."""
    sweep = []
    for lr, scaling in itertools.product((0.001, 0.01, 0.05, 0.1, 0.5), ("none", "standardize")):
        problem = load(SevenCars(scaling=scaling)).problem
        sweep.append(child_of(problem, {"lr": f"{lr:g}", "data.scaling": scaling}, lr, zero(problem)))
    return sweep


def test_a_sweep_has_curves_figures_by_each_axis_and_a_heatmap_of_two(grid: list[SweepRun], lr_sweep: Sweep) -> None:
    by = ["gap_by_lr", "steps_by_lr"]
    assert list(figures(lr_sweep(["0.001", "0.1"]), ["lr"])) == ["curves", *by]
    both = ["curves", *by, "gap_by_data_scaling", "steps_by_data_scaling", "heatmap"]
    assert list(figures(grid, ["lr", "data.scaling"])) == both


def test_few_curves_are_named_in_the_order_in_which_they_end(lr_sweep: Sweep, texts_on: Texts) -> None:
    figure = figures(lr_sweep(["0.001", "0.01", "0.1"]), ["lr"])["curves"]
    names = [text for text in texts(figure, texts_on) if text.startswith("lr=")]
    assert names == ["lr=0.1 (diverged)", "lr=0.001", "lr=0.01"]
    (panel,) = figure.axes
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in panel.get_lines()[:3]}
    assert len({look[1] for look in looks}) == len({look[2] for look in looks}) == 3


def test_a_curve_is_the_gap_as_a_fraction_of_the_initial_one(lr_sweep: Sweep) -> None:
    sweep = lr_sweep(["0.05", "0.06"], max_iterations=300)
    (panel,) = figures(sweep, ["lr"])["curves"].axes
    for line, run in zip(panel.get_lines(), sweep, strict=False):
        np.testing.assert_array_equal(line.get_xdata(), run.step)
        np.testing.assert_allclose(np.asarray(line.get_ydata()), run.gap / run.gap[0])
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("step (updates)", "gap to the minimum MSE / initial gap")


def test_many_curves_are_coloured_by_the_first_axis_of_numbers(lr_sweep: Sweep, texts_on: Texts) -> None:
    figure = figures(lr_sweep([f"{lr:.4g}" for lr in np.logspace(-4, -1, 40)]), ["lr"])["curves"]
    panel, bar = figure.axes
    curves = [line for line in panel.get_lines() if len(np.asarray(line.get_xdata())) > 2]
    assert len({line.get_color() for line in curves}) == 40
    assert bar.get_ylabel() == "learning rate lr"
    assert not any(text.startswith("lr=") for text in texts(figure, texts_on))


def test_a_stability_limit_stands_where_lr_stops_being_stable(seven: Dataset, lr_sweep: Sweep, texts_on: Texts) -> None:
    limit = float(2 / seven.problem.spectrum.eigenvalues[0])
    drawn = figures(lr_sweep(["0.001", "0.01", "0.1"]), ["lr"])
    relative = figures(lr_sweep(["0.25", "0.5", "1.2"], unit=limit), ["lr"])
    for name in ("gap_by_lr", "steps_by_lr"):
        assert 0.06982 in [round(place, 5) for place in vertical_lines_of(drawn[name])]
        assert "largest stable lr 0.06982" in texts(drawn[name], texts_on)
        assert vertical_lines_of(relative[name]) == [1.0]
        assert relative[name].axes[0].get_xlabel() == "lr (multiples of the largest stable learning rate)"


def vertical_lines_of(figure: Figure) -> list[float]:
    (panel,) = figure.axes
    return vertical_lines(panel)


def test_each_scaling_has_its_own_limit(grid: list[SweepRun], texts_on: Texts) -> None:
    figure = figures(grid, ["lr", "data.scaling"])["gap_by_lr"]
    assert [round(place, 4) for place in vertical_lines_of(figure)] == [0.0698, 1.0]
    assert {"largest stable lr 0.06982", "largest stable lr 1"} <= set(texts(figure, texts_on))


def test_diverged_runs_stand_as_crosses_at_the_top_edge(lr_sweep: Sweep) -> None:
    drawn = figures(lr_sweep(["0.001", "0.01", "0.1"]), ["lr"])
    for name in ("gap_by_lr", "steps_by_lr"):
        (panel,) = drawn[name].axes
        assert points(panel, "x") == [[0.1, 0.965]]
        assert panel.get_xscale() == "log"


def test_final_gaps_are_drawn_against_lr(lr_sweep: Sweep) -> None:
    sweep = lr_sweep(["0.001", "0.01", "0.1"])
    (panel,) = figures(sweep, ["lr"])["gap_by_lr"].axes
    np.testing.assert_allclose(points(panel, "o"), [[run.lr, run.relative_gap] for run in sweep[:2]])


def test_steps_that_were_seen_are_filled_and_predicted_ones_hollow(lr_sweep: Sweep, texts_on: Texts) -> None:
    figure = figures(lr_sweep(["0.03", "0.06"], max_iterations=2000), ["lr"])["steps_by_lr"]
    (panel,) = figure.axes
    by_fill = {
        line.get_markerfacecolor() == "white": line.get_xydata().tolist()  # type: ignore[union-attr, unused-ignore]
        for line in panel.get_lines()
        if line.get_marker() == "o"
    }
    assert by_fill[False] == [[0.06, 1719]]
    assert by_fill[True][0][0] == 0.03
    assert "predicted by theory" in texts(figure, texts_on)


def test_seeds_are_points_around_the_line_of_their_median(seven: Dataset, child_of: Callable[..., SweepRun]) -> None:
    problem = seven.problem
    sweep = [
        child_of(problem, {"lr": lr, "seed": str(seed)}, float(lr), near_zero(problem, seed=seed, scale=5.0))
        for lr in ("0.01", "0.05")
        for seed in range(5)
    ]
    (panel,) = figures(sweep, ["lr", "seed"])["gap_by_lr"].axes
    assert len(points(panel, "o")) == 10
    medians = np.asarray(panel.get_lines()[0].get_ydata())
    np.testing.assert_allclose(medians, [np.median([run.relative_gap for run in sweep[i : i + 5]]) for i in (0, 5)])


def test_another_axis_gives_a_line_for_each_of_its_values(grid: list[SweepRun], texts_on: Texts) -> None:
    drawn = figures(grid, ["lr", "data.scaling"])
    assert {"data.scaling=none", "data.scaling=standardize"} <= set(texts(drawn["gap_by_lr"], texts_on))
    named = texts(drawn["gap_by_data_scaling"], texts_on)
    assert {"none", "standardize", *(f"lr={lr}" for lr in ("0.001", "0.01", "0.05", "0.1", "0.5"))} <= set(named)


def test_a_cell_of_the_heatmap_holds_the_steps_and_is_hatched_where_runs_diverged(
    grid: list[SweepRun],
) -> None:
    figure = figures(grid, ["lr", "data.scaling"])["heatmap"]
    assert figure.texts[0].get_text().startswith("Steps to 10⁻⁶ of the initial gap by lr and data.scaling")
    panel = figure.axes[0]
    hatched = [patch.get_xy() for patch in panel.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert hatched == [(3, 0), (4, 0)]
    cells: Mapping[tuple[float, float], Any] = {text.get_position(): text for text in panel.texts}
    for run in grid:
        column, row = (
            [0.001, 0.01, 0.05, 0.1, 0.5].index(run.lr),
            ["none", "standardize"].index(run.axes["data.scaling"]),
        )
        if not run.diverged:
            text = cells[(column + 0.5, row + 0.5)]
            assert text.get_text() == f"{run.predicted_steps_to_gap:,}"
            assert text.get_style() == ("normal" if run.steps_to_gap is not None else "italic")
    assert len(cells) == 8


def test_a_heatmap_of_equal_steps_shows_the_final_gap_instead(
    seven: Dataset, child_of: Callable[..., SweepRun]
) -> None:
    problem, keys = seven.problem, ("stopping.max_iterations", "stopping.patience")
    sweep = [
        child_of(problem, {keys[0]: str(k), keys[1]: str(p)}, 0.05, zero(problem), max_iterations=k, patience=p)
        for k in (10, 100)
        for p in (1, 2)
    ]
    title = figures(sweep, keys)["heatmap"].texts[0].get_text()
    assert title.startswith("Final gap / initial gap by stopping.max_iterations and stopping.patience")


def test_a_large_heatmap_carries_no_numbers(seven: Dataset, child_of: Callable[..., SweepRun]) -> None:
    problem = seven.problem
    sweep = [
        child_of(problem, {"lr": f"{lr:.3g}", "init": init}, lr, zero(problem))
        for lr in np.logspace(-3, -1, 11)
        for init in ("zero", "near_zero")
    ]
    assert not figures(sweep, ["lr", "init"])["heatmap"].axes[0].texts


def test_the_caption_counts_the_outcomes_before_the_settings(lr_sweep: Sweep) -> None:
    for _, figure in sweep_figures(lr_sweep(["0.001", "0.01", "0.1"]), ["lr"], caption="seven_cars, zero"):
        caption = figure.texts[1].get_text().replace("\n", " ")
        assert "Outcomes: max_iterations 2, diverged 1; 1 of 3 with lr at or above the largest stable one." in caption
        assert caption.endswith("seven_cars, zero")
