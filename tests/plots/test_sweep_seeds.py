from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdexp.core import near_zero
from gdexp.core.factor import Array
from gdexp.data import Dataset
from gdexp.plots import SweepRun
from gdexp.plots.sweep_seeds import over_seeds, seed_band


@pytest.fixture(scope="module")
def sweep_of(seven: Dataset, child_of: Callable[..., SweepRun]) -> Callable[..., list[SweepRun]]:
    """Make runs over values of lr, given as text, and over so many seeds."""
    problem = seven.problem

    def make(rates: Sequence[str], seeds: int, **stopping: object) -> list[SweepRun]:
        return [
            child_of(
                problem,
                {"lr": lr, "seed": str(seed)},
                float(lr),
                near_zero(problem, seed=seed, scale=20.0),
                **stopping,
            )
            for lr in rates
            for seed in range(seeds)
        ]

    return make


def medians(figure: Figure) -> list[Line2D]:
    (panel,) = figure.axes
    return [line for line in panel.get_lines() if line.get_marker() != "None"]


def caption(figure: Figure) -> str:
    return figure.texts[1].get_text().replace("\n", " ")


def cut(run: SweepRun, steps: int) -> SweepRun:
    return dataclasses.replace(run, step=run.step[: steps + 1], gap=run.gap[: steps + 1], steps=steps)


def test_a_line_is_the_median_over_the_seeds_and_its_band_ends_at_the_quartiles(
    sweep_of: Callable[..., list[SweepRun]],
) -> None:
    sweep = sweep_of(["0.01", "0.05"], 5, max_iterations=100)
    figure = seed_band(sweep, ["lr", "seed"])
    bands = [band for band in figure.axes[0].collections if isinstance(band, PolyCollection)]
    for first, line, band in zip((0, 5), medians(figure), bands, strict=True):
        relative = np.sort([run.gap / run.gap[0] for run in sweep[first : first + 5]], axis=0)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(101))
        np.testing.assert_allclose(np.asarray(line.get_ydata()), relative[2])  # of five values the third is the median
        (path,) = band.get_paths()
        corners = {tuple(np.round(corner, 9)) for corner in np.asarray(path.vertices, dtype=float)}
        for quartile in (relative[1], relative[3]):
            assert {tuple(np.round(corner, 9)) for corner in enumerate(quartile)} <= corners
    assert figure.axes[0].get_yscale() == "log"


def test_each_combination_is_named_with_its_seeds(
    sweep_of: Callable[..., list[SweepRun]], texts_on: Callable[[Figure], list[tuple[str, Array]]]
) -> None:
    figure = seed_band(sweep_of(["0.01", "0.05"], 3)[:-1], ["seed", "lr"])
    assert {"lr=0.01, 3 seeds", "lr=0.05, 2 seeds"} <= {text for text, _ in texts_on(figure)}
    alone = seed_band(sweep_of(["0.01"], 3), ["seed"])
    assert "3 seeds" in {text for text, _ in texts_on(alone)}


def test_a_line_ends_where_the_first_of_its_runs_does_and_the_caption_says_so(
    sweep_of: Callable[..., list[SweepRun]],
) -> None:
    whole = sweep_of(["0.01", "0.02"], 3, max_iterations=60)
    said = "A line ends at the last step that all of its runs reached."
    figure = seed_band([cut(whole[0], 40), *whole[1:]], ["lr", "seed"])
    assert [np.asarray(line.get_xdata())[-1] for line in medians(figure)] == [40, 60]
    assert said in caption(figure)
    assert said not in caption(seed_band(whole, ["lr", "seed"]))


def test_a_group_of_which_one_run_diverges_is_drawn_to_where_it_does(sweep_of: Callable[..., list[SweepRun]]) -> None:
    calm, wild = sweep_of(["0.01"], 2), sweep_of(["0.1"], 1)[0]
    assert wild.diverged
    steps, quartiles = over_seeds([*calm, wild], logarithmic=False)
    assert steps[-1] == wild.steps
    assert np.isfinite(quartiles).all()


def test_of_many_combinations_eight_are_drawn_from_the_first_to_the_last(
    sweep_of: Callable[..., list[SweepRun]], texts_on: Callable[[Figure], list[tuple[str, Array]]]
) -> None:
    rates = [f"{0.005 * k:.3g}" for k in range(1, 12)]
    figure = seed_band(sweep_of(rates, 2), ["lr", "seed"])
    names = {text for text, _ in texts_on(figure)}
    assert len(medians(figure)) == 8
    assert "8 of 11 combinations are drawn, evenly spread; 3 more are not." in caption(figure)
    assert {"lr=0.005, 2 seeds", "lr=0.055, 2 seeds"} <= names


def test_gaps_that_are_lost_in_rounding_are_cut_off(sweep_of: Callable[..., list[SweepRun]]) -> None:
    figure = seed_band(sweep_of(["0.06"], 3, max_iterations=20_000), ["lr", "seed"])
    (panel,) = figure.axes
    assert panel.get_ylim()[0] == 1e-12
    (line,) = medians(figure)
    assert np.asarray(line.get_xdata())[-1] < 10_000
    assert np.asarray(line.get_ydata())[:-1].min() >= 0.5e-12


def test_lines_differ_without_colour(sweep_of: Callable[..., list[SweepRun]]) -> None:
    rates = [f"{0.005 * k:.3g}" for k in range(1, 9)]
    lines = medians(seed_band(sweep_of(rates, 2, max_iterations=5), ["lr", "seed"]))
    assert len({line.get_marker() for line in lines}) == 8
