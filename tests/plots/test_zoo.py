from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from gdexp.core import LeastSquares, max_stable_lr, near_zero, zero
from gdexp.data import Dataset
from gdexp.plots import RunView, SweepRun, report_figures, run_figures, sweep_figures

RANDOM = np.random.default_rng(0)
X7 = np.array([[3.5], [3.69], [3.44], [3.43], [4.34], [4.42], [2.37]])
Y7 = np.array([18.0, 15, 18, 16, 15, 14, 24])
X30, W30 = RANDOM.normal(size=(80, 30)), RANDOM.normal(size=30)
UNITS = {"x1": "1000 lb", "y": "miles per gallon"}
HOSTILE = (
    "$x_1^2$",
    "_under{score}\\",
    "a_very_long_name_of_a_feature_that_never_ends_and_then_some",
    "重量",
    "two\nlines",
)

# name: features, target, lr in multiples of the limit, stopping
ZOO: dict[str, tuple[object, object, float, dict[str, object]]] = {
    "the default run": (X7, Y7, 0.143, {}),
    "a run that diverges": (X7, Y7, 1.43, {}),
    "a run that diverges at once": (X7, Y7, 1e150, {}),
    "a run at the edge of stability": (X7, Y7, 0.998, {}),
    "a run slightly beyond it": (X7, Y7, 1.0026, {}),
    "a run that converges": (X7, Y7, 0.86, {"max_iterations": 100_000, "relative_decrease": 1e-12}),
    "a single step": (X7, Y7, 0.5, {"max_iterations": 1}),
    "two steps": (X7, Y7, 0.5, {"max_iterations": 2}),
    "no step, for the threshold holds at once": (X7, Y7, 0.5, {"loss_threshold": 1e6}),
    "a loss that hardly changes": (X7, Y7, 1e-13, {}),
    "many steps": (X7, Y7, 0.3, {"max_iterations": 200_000}),
    "one row": (X7[:1], Y7[:1], 0.5, {}),
    "two rows, fitted exactly": (X7[:2], Y7[:2], 0.9, {}),
    "a target of zeros, met at the start": (X7, 0 * Y7, 0.5, {}),
    "a constant target": (X7, 0 * Y7 + 3, 0.5, {}),
    "a constant feature": (0 * X7 + 2, Y7, 0.5, {}),
    "a feature of zeros": (0 * X7, Y7, 0.5, {}),
    "large numbers": (1e9 * X7, 1e7 * Y7, 0.7, {}),
    "small numbers": (1e-9 * X7, 1e-7 * Y7, 0.7, {}),
    "gigantic numbers": (1e60 * X7, 1e60 * Y7, 1.5, {}),
    "two features, one a copy": (np.hstack([X7, X7]), Y7, 0.7, {}),
    "thirty features": (X30, X30 @ W30, 0.7, {}),
    "thirty features, diverging": (X30, X30 @ W30, 1.2, {}),
    "eight parameters": (X30[:, :7], X30 @ W30, 0.7, {"max_iterations": 20}),
    "many rows": (RANDOM.normal(size=(5000, 1)), RANDOM.normal(size=5000), 0.3, {}),
}


@pytest.fixture(scope="module", params=ZOO)
def run(request: pytest.FixtureRequest, dataset_of: Callable[..., Dataset], run_of: Callable[..., RunView]) -> RunView:
    X, y, relative_lr, stopping = ZOO[request.param]
    dataset = dataset_of(X, y, units=UNITS)
    return run_of(dataset, relative_lr * max_stable_lr(dataset.problem), **stopping)


def test_every_figure_of_a_hard_run_is_drawn_without_a_warning_and_without_overlapping_text(
    run: RunView, faults_of: Callable[[Figure], list[str]]
) -> None:
    for name, figure in run_figures("all", run):
        assert faults_of(figure) == [], name


@pytest.mark.parametrize("scaling", ["center", "standardize"])
def test_a_start_at_the_minimum_can_be_drawn(
    scaling: str,
    dataset_of: Callable[..., Dataset],
    run_of: Callable[..., RunView],
    faults_of: Callable[[Figure], list[str]],
) -> None:
    dataset = dataset_of(X7, Y7, scaling=scaling)
    for _, figure in run_figures("all", run_of(dataset, 0.1, dataset.problem.minimizer)):
        assert faults_of(figure) == []


@pytest.mark.parametrize("features", [HOSTILE[:1], HOSTILE[2:3], HOSTILE])
def test_no_name_of_a_column_spoils_a_figure(
    features: tuple[str, ...],
    dataset_of: Callable[..., Dataset],
    run_of: Callable[..., RunView],
    faults_of: Callable[[Figure], list[str]],
) -> None:
    d = len(features)
    units = {features[0]: "$\\frac{1}{2}$", "$y$": "a unit as long as it can be, per second squared"}
    dataset = dataset_of(X30[:, :d], X30 @ W30, features=features, target="$y$", units=units)
    for _, figure in run_figures("all", run_of(dataset, 0.1)):
        assert faults_of(figure) == []


def test_a_long_title_and_caption_wrap_within_the_sheet(
    seven: Dataset, run_of: Callable[..., RunView], faults_of: Callable[[Figure], list[str]]
) -> None:
    run = run_of(seven, 0.01)
    path = "/".join(["a_folder_with_a_long_name"] * 20)
    long = RunView(run.trajectory, run.theory, seven, f"file, {path}, lr=0.01", f"data.path={path} " * 3)
    for _, figure in run_figures("all", long):
        assert faults_of(figure) == []


def sweep_of(name: str, seven: Dataset, child_of: Callable[..., SweepRun]) -> tuple[list[SweepRun], list[str]]:
    problem, start = seven.problem, zero(seven.problem)

    def over_lr(values: object, **stopping: object) -> list[SweepRun]:
        return [child_of(problem, {"lr": f"{lr:.6g}"}, lr, start, **stopping) for lr in np.atleast_1d(values)]  # type: ignore[call-overload]

    if name == "two keys and seeds":
        keys = ["lr", "init.$name_x$", "seed"]
        return [
            child_of(
                problem, dict(zip(keys, map(str, values), strict=True)), values[0], near_zero(problem, seed=values[2])
            )
            for values in itertools.product((0.01, 0.05, 0.2), ("zero", "$near_zero"), (0, 1))
        ], keys
    if name == "many names":
        values = [f"a_rather_long_value_{i}" for i in range(40)]
        return [child_of(problem, {"data": v, "k": str(i)}, 0.01, start) for i, v in enumerate(values)], ["data", "k"]
    if name == "seeds of names that look like formulas and tags":
        keys = ["$x_1$<b>", "seed"]
        return [
            child_of(problem, {keys[0]: value, "seed": str(seed)}, lr, near_zero(problem, seed=seed, scale=9.0))
            for (value, lr), seed in itertools.product((("<i>$y_2$", 0.01), ("_&amp;\\", 0.05)), range(20))
        ], keys
    if name == "one run that sweeps nothing":
        return [child_of(problem, {}, 0.01, start)], []
    if name == "a start at the exact minimum":
        easy = LeastSquares.from_arrays(X7, 0 * Y7)
        return [child_of(easy, {"lr": "0.01"}, 0.01, zero(easy)), child_of(problem, {"lr": "0.1"}, 0.1, start)], ["lr"]
    if name == "runs at the minimum":
        return [child_of(problem, {"lr": f"{lr}"}, lr, problem.minimizer) for lr in (0.01, 0.05)], ["lr"]
    return {
        "one run": over_lr(0.01),
        "the two commands' sweep": over_lr([0.001, 0.01, 0.1]),
        "all diverged": over_lr([0.1, 0.5, 3.0]),
        "one step each": over_lr([0.001, 0.01, 0.1], max_iterations=1),
        "beyond the limit, not diverged": over_lr([0.06, 0.0699, 0.071], max_iterations=10),
        "fifty": over_lr(np.logspace(-4, -1, 50)),
        "three hundred": over_lr(np.logspace(-5, 0, 300)),
        "hardly any progress": over_lr([1e-17, 1e-16]),
    }[name], ["lr"]


@pytest.mark.parametrize(
    "name",
    [
        "one run",
        "the two commands' sweep",
        "all diverged",
        "one step each",
        "beyond the limit, not diverged",
        "fifty",
        "three hundred",
        "hardly any progress",
        "two keys and seeds",
        "many names",
        "runs at the minimum",
        "seeds of names that look like formulas and tags",
        "one run that sweeps nothing",
        "a start at the exact minimum",
    ],
)
def test_every_figure_of_a_sweep_is_drawn_without_a_warning_and_without_overlapping_text(
    name: str,
    seven: Dataset,
    child_of: Callable[..., SweepRun],
    faults_of: Callable[[Figure], list[str]],
) -> None:
    sweep, axes = sweep_of(name, seven, child_of)
    for figures in (sweep_figures, report_figures):
        for figure_name, figure in figures(sweep, axes, caption="data seven_cars; engine spectral"):
            assert faults_of(figure) == [], figure_name


def test_a_sweep_without_a_run_has_no_figure() -> None:
    assert list(sweep_figures([], ["lr"])) == []
    assert list(report_figures([], ["lr"])) == []
