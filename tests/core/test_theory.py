from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gdexp.core import DataError, LeastSquares, ParameterError, Stopping, descend, max_stable_lr, theory, zero
from gdexp.core.factor import Array


def two_modes(steepest: float, flattest: float, amplitudes: tuple[float, float] = (1.0, 1.0)) -> LeastSquares:
    """Return a problem with these eigenvalues, whose modes are the parameters and start, from zero, with these
    amplitudes.
    """
    factor = np.zeros((3, 3))
    factor[0, 0], factor[1, 1] = np.sqrt(steepest / 2), np.sqrt(flattest / 2)
    factor[:2, 2] = amplitudes
    return LeastSquares(1, factor, None)


def test_the_numbers_of_two_known_modes_are_exact() -> None:
    problem = two_modes(8.0, 2.0)
    numbers = theory(problem, lr=0.1, start=zero(problem))
    assert numbers.max_stable_lr == pytest.approx(0.25, rel=1e-15)
    assert numbers.optimal_lr == pytest.approx(0.2, rel=1e-15)
    assert numbers.relative_lr == pytest.approx(0.4, rel=1e-15)
    assert numbers.condition_number == pytest.approx(4.0, rel=1e-15)
    assert numbers.contraction == pytest.approx(0.8, rel=1e-15)
    assert numbers.minimum_mse == 0
    assert numbers.steps_to_gap == 30  # 0.2^2k + 0.8^2k <= 2e-6 where 0.64^k <= 2e-6
    assert numbers.stable


def test_the_contraction_is_least_at_the_optimal_learning_rate() -> None:
    problem = two_modes(9.0, 1.0)
    optimal = theory(problem, lr=0.2, start=zero(problem))
    assert optimal.optimal_lr == pytest.approx(0.2, rel=1e-15)
    assert optimal.contraction == pytest.approx((9 - 1) / (9 + 1), rel=1e-14)
    for lr in (0.19, 0.21):
        assert theory(problem, lr=lr, start=zero(problem)).contraction > optimal.contraction


@pytest.mark.parametrize(
    ("lr", "contraction"), [(1e-3, 0.999), (0.2, 0.8), (0.21, 0.89), (0.3, 1.7), (1e-10, 1 - 1e-10)]
)
def test_the_contraction_is_the_factor_of_the_slowest_mode(lr: float, contraction: float) -> None:
    problem = two_modes(9.0, 1.0)
    assert theory(problem, lr=lr, start=zero(problem)).contraction == pytest.approx(contraction, rel=1e-15)


def test_null_modes_do_not_count() -> None:
    problem = LeastSquares.from_arrays([[1.0, 1.0], [1.0, 1.0]], [1.0, 3.0])
    numbers = theory(problem, lr=0.1, start=zero(problem))
    assert numbers.condition_number == 1
    assert numbers.minimum_mse == pytest.approx(1.0)
    assert numbers.max_stable_lr == pytest.approx(1 / 3)


@pytest.mark.parametrize("features", [1.0, 0.1, 3.7, 1e-5, 1e6, 1e150])
def test_the_largest_stable_learning_rate_itself_is_exactly_the_limit_and_not_stable(
    seven_cars: LeastSquares, features: float
) -> None:
    [(X, y)] = seven_cars.rows or []
    problem = LeastSquares.from_arrays(X * features, y)
    limit = max_stable_lr(problem)
    at_the_limit = theory(problem, lr=limit, start=zero(problem))
    assert at_the_limit.relative_lr == 1
    assert not at_the_limit.stable
    assert at_the_limit.steps_to_gap is None
    below = theory(problem, lr=math.nextafter(limit, 0), start=zero(problem))
    assert below.stable
    assert below.relative_lr < 1


@given(st.from_type(LeastSquares), st.floats(1e-6, 10))
def test_a_multiple_of_the_largest_stable_learning_rate_is_its_relative_one(
    problem: LeastSquares, multiple: float
) -> None:
    numbers = theory(problem, lr=multiple * max_stable_lr(problem), start=zero(problem))
    assert numbers.relative_lr == pytest.approx(multiple, rel=4e-16)
    assert numbers.stable == (multiple < 1)


@pytest.mark.parametrize("relative_lr", [0.01, 0.2, 0.499, 0.501, 0.7, 0.9, 0.999])
def test_one_mode_takes_the_steps_of_the_logarithm(relative_lr: float) -> None:
    problem = LeastSquares.from_arrays(np.empty((3, 0)), [1.0, 2.0, 6.0])
    predicted = math.ceil(math.log(1e-6) / (2 * math.log(abs(1 - 2 * relative_lr))))
    numbers = theory(problem, lr=relative_lr * max_stable_lr(problem), start=zero(problem))
    assert numbers.steps_to_gap == predicted


@given(
    st.from_type(LeastSquares),
    st.sampled_from([0.01, 0.1, 0.3, 0.5, 0.8, 0.95]),
    st.lists(st.integers(-8, 8), min_size=5, max_size=5).map(np.array),
)
def test_descent_takes_the_steps_that_theory_predicts(problem: LeastSquares, relative_lr: float, start: Array) -> None:
    lr, start = relative_lr * max_stable_lr(problem), start[: problem.p]
    predicted = theory(problem, lr=lr, start=start).steps_to_gap
    trajectory = descend(problem, lr=lr, start=start, stopping=Stopping(max_iterations=3000))
    assert trajectory.steps_to_gap == (None if predicted is None or predicted > 3000 else predicted)


@given(st.from_type(LeastSquares), st.sampled_from([0.1, 0.5, 0.95]))
def test_the_literal_loop_takes_the_steps_that_theory_predicts(problem: LeastSquares, relative_lr: float) -> None:
    lr = relative_lr * max_stable_lr(problem)
    assume(problem.gap(zero(problem)) > 1e-20 * problem.mean_square_target)  # else the gap is rounding alone
    predicted = theory(problem, lr=lr, start=zero(problem)).steps_to_gap
    stopping = Stopping(max_iterations=300)
    trajectory = descend(problem, lr=lr, start=zero(problem), stopping=stopping, engine="iterative")
    assert trajectory.steps_to_gap == (None if predicted is None or predicted > 300 else predicted)


def test_the_steps_of_a_tiny_learning_rate_are_predicted_exactly() -> None:
    problem = LeastSquares.from_arrays(np.empty((1, 0)), [1.0])
    steps = theory(problem, lr=1e-13, start=zero(problem)).steps_to_gap
    assert steps == pytest.approx(math.log(1e6) / 2 / 2e-13, rel=1e-12)


def test_steps_beyond_a_thousand_million_million_are_not_predicted() -> None:
    problem = LeastSquares.from_arrays(np.empty((1, 0)), [1.0])
    fewest = math.log(1e6) / 4e15
    assert theory(problem, lr=fewest * 1.001, start=zero(problem)).steps_to_gap is not None
    assert theory(problem, lr=fewest * 0.999, start=zero(problem)).steps_to_gap is None
    assert theory(problem, lr=5e-324, start=zero(problem)).steps_to_gap is None


def test_an_unstable_learning_rate_predicts_no_steps(seven_cars: LeastSquares) -> None:
    numbers = theory(seven_cars, lr=0.1, start=zero(seven_cars))
    assert numbers.steps_to_gap is None
    assert not numbers.stable
    assert numbers.relative_lr == pytest.approx(1.43225, rel=1e-5)


def test_the_limit_itself_predicts_no_steps_even_where_the_steepest_mode_is_at_rest() -> None:
    problem = two_modes(8.0, 2.0, (0.0, 1.0))
    assert theory(problem, lr=0.25, start=zero(problem)).steps_to_gap is None
    assert theory(problem, lr=0.249, start=zero(problem)).steps_to_gap == 11  # ln(1e-6) / (2 ln 0.502) = 10.02


def test_a_start_at_the_minimum_takes_no_step() -> None:
    problem = two_modes(8.0, 2.0, (0.0, 0.0))
    assert theory(problem, lr=0.1, start=zero(problem)).steps_to_gap == 0


def test_a_mode_that_starts_at_its_minimum_takes_no_step() -> None:
    problem = two_modes(8.0, 1e-9, (1.0, 0.0))
    assert theory(problem, lr=0.125, start=zero(problem)).steps_to_gap == 1


def test_the_numbers_are_plain_floats(seven_cars: LeastSquares) -> None:
    numbers = theory(seven_cars, lr=np.float64(0.01), start=zero(seven_cars))
    assert {type(value) for value in vars(numbers).values()} == {float, int}


@pytest.mark.parametrize("lr", [0, -1.0, np.nan, np.inf])
def test_a_learning_rate_that_is_no_positive_number_is_refused(seven_cars: LeastSquares, lr: float) -> None:
    with pytest.raises(ParameterError, match=r"^lr takes a finite number above 0; got"):
        theory(seven_cars, lr=lr, start=zero(seven_cars))


def test_a_start_that_descent_refuses_is_refused(seven_cars: LeastSquares) -> None:
    with pytest.raises(ParameterError, match=r"^start takes an array of shape"):
        theory(seven_cars, lr=0.1, start=np.zeros(3))
    with pytest.raises(DataError, match=r"^the loss or the gradient at the start is not finite"):
        theory(seven_cars, lr=0.1, start=np.array([1e160, 0.0]))
