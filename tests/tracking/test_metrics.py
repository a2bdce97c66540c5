from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gdexp.core import LeastSquares, Stopping, Trajectory, descend, theory, zero
from gdexp.tracking import Tracking
from gdexp.tracking.metrics import outcome_points, parameter_names, step_points


@pytest.fixture(scope="module")
def problem() -> LeastSquares:
    return LeastSquares.from_arrays(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 0.5]]), np.arange(4.0))


@pytest.fixture(scope="module")
def trajectory(problem: LeastSquares) -> Trajectory:
    return descend(problem, lr=0.1, start=zero(problem), stopping=Stopping(max_iterations=25))


@pytest.mark.parametrize(
    ("features", "names"),
    [
        (["weight"], ["weight", "bias"]),
        (["bias"], ["bias_2", "bias"]),
        (["a b", "a(b", "a[b"], ["a b", "a_b", "a_b_2", "bias"]),
        (["a_2", "a(", "a[", "a_"], ["a_2", "a_", "a__2", "a__3", "bias"]),
        (["größe", ""], ["gr__e", "_", "bias"]),
        (["../../etc", "a/b", "a:b"], [".._.._etc", "a_b", "a_b_2", "bias"]),
    ],
)
def test_parameter_names_are_what_mlflow_takes_and_never_collide(features: list[str], names: list[str]) -> None:
    assert parameter_names(features) == names


def test_long_names_stay_within_what_mlflow_takes() -> None:
    names = parameter_names(["x" * 300, "x" * 301])
    assert len(set(names)) == 3
    assert all(len(f"parameter_{name}") <= 250 for name in names)


def test_every_step_is_a_point_by_default(trajectory: Trajectory) -> None:
    points = list(step_points(trajectory, ["a", "b", "bias"], Tracking()))
    assert [point.step for point in points if point.key == "mse"] == list(range(26))
    assert [point.value for point in points if point.key == "parameter_b"] == trajectory.parameters[:, 1].tolist()


@pytest.mark.parametrize(("every", "steps"), [(10, [0, 10, 20, 25]), (5, [0, 5, 10, 15, 20, 25]), (99, [0, 25])])
def test_thinning_keeps_the_first_and_the_last_step(trajectory: Trajectory, every: int, steps: list[int]) -> None:
    points = step_points(trajectory, ["a", "b", "bias"], Tracking(every=every))
    assert [point.step for point in points if point.key == "mse"] == steps


def test_the_bias_is_the_first_of_the_parameters_that_become_metrics(trajectory: Trajectory) -> None:
    points = step_points(trajectory, ["a", "b", "bias"], Tracking(max_parameters=2))
    assert {point.key for point in points} == {"mse", "parameter_bias", "parameter_a"}


def test_infinity_is_never_a_point(problem: LeastSquares, trajectory: Trajectory) -> None:
    known = replace(theory(problem, lr=0.1, start=zero(problem)), condition_number=math.inf)
    points = list(outcome_points(trajectory, known, ["a", "b", "bias"], np.array([1.0, np.nan, np.inf])))
    assert all(math.isfinite(point.value) for point in points)
    assert {point.step for point in points} == {0}
    assert {"original_a", "theory_contraction"} <= {point.key for point in points}
    assert not {"original_b", "original_bias", "theory_condition_number"} & {point.key for point in points}


def test_original_parameters_are_left_out_where_nothing_was_scaled(
    problem: LeastSquares, trajectory: Trajectory
) -> None:
    known = theory(problem, lr=0.1, start=zero(problem))
    points = outcome_points(trajectory, known, ["a", "b", "bias"], None)
    assert not [point for point in points if point.key.startswith("original_")]
