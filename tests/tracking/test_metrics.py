from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gdexp.core import LeastSquares, Stopping, Trajectory, descend, theory, zero
from gdexp.tracking import Tracking
from gdexp.tracking.metrics import outcome_series, parameter_names, step_series


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


def test_every_step_has_a_value_by_default(trajectory: Trajectory) -> None:
    mse, bias, a, b = step_series(trajectory, ["a", "b", "bias"], Tracking())
    assert [series.key for series in (mse, bias, a, b)] == ["mse", "parameter_bias", "parameter_a", "parameter_b"]
    assert mse.steps.tolist() == list(range(26))
    np.testing.assert_array_equal(mse.values, trajectory.mse)
    np.testing.assert_array_equal(b.values, trajectory.parameters[:, 1])


@pytest.mark.parametrize(
    ("every", "steps"), [(10, [0, 10, 20, 25]), (5, [0, 5, 10, 15, 20, 25]), (99, [0, 25]), (10**23, [0, 25])]
)
def test_thinning_keeps_the_first_and_the_last_step(trajectory: Trajectory, every: int, steps: list[int]) -> None:
    for series in step_series(trajectory, ["a", "b", "bias"], Tracking(every=every)):
        assert series.steps.tolist() == steps


def test_a_run_that_ends_where_it_began_has_one_step(problem: LeastSquares) -> None:
    still = descend(problem, lr=0.1, start=zero(problem), stopping=Stopping(loss_threshold=1e9))
    assert step_series(still, ["a", "b", "bias"], Tracking())[0].steps.tolist() == [0]


def test_the_bias_is_the_first_of_the_parameters_that_become_metrics(trajectory: Trajectory) -> None:
    found = step_series(trajectory, ["a", "b", "bias"], Tracking(max_parameters=2))
    assert [series.key for series in found] == ["mse", "parameter_bias", "parameter_a"]


def test_infinity_is_never_recorded(problem: LeastSquares, trajectory: Trajectory) -> None:
    known = replace(theory(problem, lr=0.1, start=zero(problem)), condition_number=math.inf)
    found = outcome_series(trajectory, known, ["a", "b", "bias"], np.array([1.0, np.nan, np.inf]))
    assert all(math.isfinite(series.values[0]) for series in found)
    assert {series.steps.tolist() == [0] for series in found} == {True}
    keys = {series.key for series in found}
    assert {"original_a", "theory_contraction"} <= keys
    assert not {"original_b", "original_bias", "theory_condition_number"} & keys


def test_original_parameters_are_left_out_where_nothing_was_scaled(
    problem: LeastSquares, trajectory: Trajectory
) -> None:
    known = theory(problem, lr=0.1, start=zero(problem))
    found = outcome_series(trajectory, known, ["a", "b", "bias"], None)
    assert not [series for series in found if series.key.startswith("original_")]
