from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from gdexp.core import LeastSquares, ParameterError, explicit, near_zero, zero
from gdexp.core.initialization import INITIALIZATIONS, start_function


@pytest.fixture(params=[0, 1, 3, 50])
def problem(request: pytest.FixtureRequest) -> LeastSquares:
    return LeastSquares.from_arrays(np.ones((2, request.param)), [1.0, 2.0])


def test_zero_is_zero_for_any_number_of_features(problem: LeastSquares) -> None:
    assert_array_equal(zero(problem), np.zeros(problem.p))


def test_near_zero_is_the_same_for_the_same_seed_and_another_for_another(problem: LeastSquares) -> None:
    assert_array_equal(near_zero(problem, seed=3), near_zero(problem, seed=3))
    assert (near_zero(problem, seed=3) != near_zero(problem, seed=4)).all()
    assert near_zero(problem, seed=3).shape == (problem.p,)


def test_near_zero_draws_from_a_normal_distribution_of_the_given_scale() -> None:
    problem = LeastSquares.from_arrays(np.ones((1, 200)), [1.0])
    expected = np.random.default_rng(7).normal(size=201)
    np.testing.assert_allclose(near_zero(problem, seed=7), 0.01 * expected, rtol=1e-15)
    np.testing.assert_allclose(near_zero(problem, seed=7, scale=2.0), 2 * expected, rtol=1e-15)
    assert not near_zero(problem, scale=0).any()


def test_explicit_is_what_is_given(problem: LeastSquares) -> None:
    values = [float(value) for value in range(problem.p)]
    assert_array_equal(explicit(problem, values=values), values)
    assert_array_equal(explicit(problem, values=tuple(values)), values)


def test_explicit_takes_whole_numbers(seven_cars: LeastSquares) -> None:
    start = explicit(seven_cars, values=[1, 2])
    assert start.dtype == np.float64


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 3.0], [], 5, None, "12"])
def test_explicit_refuses_another_number_of_values(seven_cars: LeastSquares, values: Sequence[float]) -> None:
    with pytest.raises(ParameterError) as error:
        explicit(seven_cars, values=values)
    text = f"values takes a list of 2 numbers: 1 weight in the features' order, then the bias; got {values!r}."
    assert str(error.value) == text


def test_explicit_counts_the_weights_in_its_error() -> None:
    problem = LeastSquares.from_arrays(np.ones((1, 2)), [1.0])
    with pytest.raises(ParameterError, match=r"^values takes a list of 3 numbers: 2 weights in the features' order"):
        explicit(problem, values=[1.0])


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), ("a", "'a'"), (None, "None")])
def test_explicit_refuses_a_value_that_is_no_finite_number(seven_cars: LeastSquares, value: float, shown: str) -> None:
    with pytest.raises(ParameterError) as error:
        explicit(seven_cars, values=[1.0, value])
    assert str(error.value) == f"values takes a finite number; got {shown}."


@pytest.mark.parametrize("seed", [-1, 0.5, "a"])
def test_near_zero_refuses_a_seed_that_is_no_whole_number(seven_cars: LeastSquares, seed: int) -> None:
    with pytest.raises(ParameterError, match=r"^seed takes a whole number of at least 0; got"):
        near_zero(seven_cars, seed=seed)


@pytest.mark.parametrize("scale", [-0.1, np.inf, "a"])
def test_near_zero_refuses_a_scale_that_is_no_size(seven_cars: LeastSquares, scale: float) -> None:
    with pytest.raises(ParameterError, match=r"^scale takes a finite number of at least 0; got"):
        near_zero(seven_cars, scale=scale)


def test_each_module_of_the_folder_is_an_initialization() -> None:
    assert INITIALIZATIONS == ("explicit", "near_zero", "zero")
    assert [start_function(name) for name in INITIALIZATIONS] == [explicit, near_zero, zero]


def test_an_initialization_that_does_not_exist_is_refused_with_one_that_is_near() -> None:
    with pytest.raises(ParameterError) as error:
        start_function("nearzero")
    text = "name takes one of explicit, near_zero, zero; got 'nearzero'. Did you mean near_zero?"
    assert str(error.value) == text
