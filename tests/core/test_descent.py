from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from gdexp.core import (
    DataError,
    LeastSquares,
    ParameterError,
    Stopping,
    StopReason,
    Trajectory,
    descend,
    max_stable_lr,
    near_zero,
    zero,
)
from gdexp.core.descent import steps_to
from gdexp.core.engines import ENGINES

FIELDS = ("mse", "gap", "gradient_norm", "parameters")
each_engine = pytest.mark.parametrize("engine", sorted(ENGINES))
starts = st.lists(st.integers(-8, 8), min_size=5, max_size=5).map(np.array)


@pytest.fixture
def trajectory(seven_cars: LeastSquares) -> Trajectory:
    return descend(seven_cars, lr=0.01, start=zero(seven_cars), stopping=Stopping(max_iterations=20))


@each_engine
@pytest.mark.parametrize("iterations", [1, 15, 16, 17, 255, 256, 257, 1000])
def test_a_history_has_an_entry_for_each_step_and_one_for_the_start(
    seven_cars: LeastSquares, engine: str, iterations: int
) -> None:
    start = np.array([1.0, 2.0])
    stopping = Stopping(max_iterations=iterations)
    trajectory = descend(seven_cars, lr=0.01, start=start, stopping=stopping, engine=engine)
    assert trajectory.steps == iterations
    assert trajectory.reason is StopReason.MAX_ITERATIONS
    assert trajectory.mse.shape == trajectory.gap.shape == trajectory.gradient_norm.shape == (iterations + 1,)
    assert trajectory.parameters.shape == (iterations + 1, 2)
    assert_array_equal(trajectory.parameters[0], start)
    assert trajectory.mse[0] == pytest.approx(float(seven_cars.mse(start)), rel=1e-14)


@each_engine
def test_each_entry_is_of_the_parameters_beside_it(seven_cars: LeastSquares, engine: str) -> None:
    trajectory = descend(seven_cars, lr=0.03, start=np.array([5.0, -3.0]), engine=engine)
    [(X, y)] = seven_cars.rows or []
    A = np.column_stack([X, np.ones(7)])
    residual = trajectory.parameters @ A.T - y
    assert_allclose(trajectory.mse, np.mean(residual**2, axis=1), rtol=1e-12)
    assert_allclose(trajectory.gap, trajectory.mse - seven_cars.minimum_mse, rtol=1e-10, atol=1e-12)
    assert_allclose(trajectory.gradient_norm, np.linalg.norm(2 / 7 * residual @ A, axis=1), rtol=1e-9)


def test_a_thousand_iterations_are_the_default(seven_cars: LeastSquares) -> None:
    assert descend(seven_cars, lr=0.01, start=zero(seven_cars)).steps == 1000


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("steps", [1, 63, 64, 100, 1023, 1024, 1025, 2999])
def test_a_longer_descent_begins_with_the_shorter_one_to_the_last_bit(
    seven_cars: LeastSquares, engine: str, steps: int
) -> None:
    begins_with_the_shorter(seven_cars, engine, 0.02, steps)


@pytest.mark.parametrize("d", [0, 2, 6, 7, 30])
@pytest.mark.parametrize("steps", [1, 64, 77, 1024, 1101])
def test_the_shorter_descent_is_the_same_for_any_number_of_features(d: int, steps: int) -> None:
    generator = np.random.default_rng(d)
    problem = LeastSquares.from_arrays(generator.normal(size=(50, d)), generator.normal(size=50))
    begins_with_the_shorter(problem, "spectral", 0.4 * max_stable_lr(problem), steps)


def begins_with_the_shorter(problem: LeastSquares, engine: str, lr: float, steps: int) -> None:
    short, long = (
        descend(problem, lr=lr, start=zero(problem), stopping=Stopping(max_iterations=last), engine=engine)
        for last in (steps, 3000)
    )
    for name in FIELDS:
        assert_array_equal(getattr(short, name), getattr(long, name)[: steps + 1])


@given(st.from_type(LeastSquares), st.floats(0.001, 0.999), starts, st.sampled_from(sorted(ENGINES)))
def test_the_loss_never_rises_where_the_learning_rate_is_stable(
    problem: LeastSquares, relative_lr: float, start: np.ndarray, engine: str
) -> None:
    lr = relative_lr * max_stable_lr(problem)
    trajectory = descend(problem, lr=lr, start=start[: problem.p], stopping=Stopping(max_iterations=100), engine=engine)
    rounding = 1e-13 * max(trajectory.mse[0], problem.mean_square_target)
    assert (np.diff(trajectory.mse) <= 1e-13 * trajectory.mse[:-1] + rounding * (engine == "iterative")).all()
    assert trajectory.reason is StopReason.MAX_ITERATIONS


@given(st.from_type(LeastSquares), st.floats(0.001, 1.5), starts, st.sampled_from(sorted(ENGINES)))
def test_the_gap_is_what_the_loss_is_above_the_minimum_and_never_negative(
    problem: LeastSquares, relative_lr: float, start: np.ndarray, engine: str
) -> None:
    lr = relative_lr * max_stable_lr(problem)
    trajectory = descend(problem, lr=lr, start=start[: problem.p], stopping=Stopping(max_iterations=50), engine=engine)
    assert (trajectory.gap >= 0).all()
    rounding = 1e-12 * np.maximum(trajectory.mse, max(trajectory.mse[0], problem.mean_square_target))
    assert (np.abs(trajectory.gap - (trajectory.mse - problem.minimum_mse)) <= rounding).all()


@each_engine
def test_descent_converges_to_the_minimum(seven_cars: LeastSquares, engine: str) -> None:
    stopping = Stopping(max_iterations=100_000, relative_decrease=1e-12)
    trajectory = descend(seven_cars, lr=0.06, start=near_zero(seven_cars, seed=1), stopping=stopping, engine=engine)
    assert trajectory.reason is StopReason.CONVERGED
    assert trajectory.gap[-1] < 1e-9 * trajectory.gap[0]
    assert_allclose(trajectory.parameters[-1], seven_cars.minimizer, rtol=1e-4)


@each_engine
def test_an_unstable_learning_rate_diverges_and_keeps_the_step_that_shows_it(
    seven_cars: LeastSquares, engine: str
) -> None:
    trajectory = descend(seven_cars, lr=0.1, start=zero(seven_cars), engine=engine)
    limit = 1e6 * seven_cars.mean_square_target
    assert trajectory.reason is StopReason.DIVERGED
    assert trajectory.steps == 12
    assert trajectory.mse[-1] > limit >= trajectory.mse[-2]


@each_engine
def test_from_a_start_near_the_minimum_the_target_sets_the_limit_of_divergence(
    seven_cars: LeastSquares, engine: str
) -> None:
    start = seven_cars.minimizer + np.array([1e-3, 0])
    trajectory = descend(seven_cars, lr=0.1, start=start, engine=engine)
    assert trajectory.reason is StopReason.DIVERGED
    assert trajectory.mse[0] < 1.5
    assert trajectory.mse[-1] > 1e6 * seven_cars.mean_square_target >= trajectory.mse[-2]


@each_engine
@pytest.mark.parametrize("lr", [1e160, 1e300, 1.7e308])
def test_a_learning_rate_that_overflows_at_once_leaves_step_0(seven_cars: LeastSquares, engine: str, lr: float) -> None:
    trajectory = descend(seven_cars, lr=lr, start=zero(seven_cars), engine=engine)
    assert (trajectory.steps, trajectory.reason) == (0, StopReason.DIVERGED)
    assert trajectory.mse[0] == pytest.approx(2126 / 7)


@each_engine
def test_the_smallest_learning_rate_of_all_does_not_move(seven_cars: LeastSquares, engine: str) -> None:
    trajectory = descend(seven_cars, lr=5e-324, start=np.array([1.0, 1.0]), engine=engine)
    assert_array_equal(trajectory.parameters, np.ones((1001, 2)))
    assert_array_equal(trajectory.mse, np.full(1001, trajectory.mse[0]))


@pytest.mark.parametrize("name", FIELDS)
def test_the_arrays_of_a_trajectory_cannot_be_written_to(trajectory: Trajectory, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(trajectory, name)[0] = 1.0


@pytest.mark.parametrize("name", [*FIELDS, "reason"])
def test_the_fields_of_a_trajectory_cannot_be_replaced(trajectory: Trajectory, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(trajectory, name, None)


@pytest.mark.parametrize("steps", [10, 1000, 5000])
@pytest.mark.parametrize("horizon", [5000, 10**9])
def test_a_trajectory_holds_no_more_memory_than_its_steps(seven_cars: LeastSquares, steps: int, horizon: int) -> None:
    whole = descend(seven_cars, lr=0.001, start=zero(seven_cars), stopping=Stopping(max_iterations=5000))
    threshold = None if steps == horizon else float(whole.mse[steps])
    stopping = Stopping(max_iterations=horizon, loss_threshold=threshold)
    trajectory = descend(seven_cars, lr=0.001, start=zero(seven_cars), stopping=stopping)
    assert trajectory.steps == steps
    for name in FIELDS:
        assert getattr(trajectory, name).base is None
    arrays = sum(getattr(trajectory, name).nbytes for name in FIELDS)
    assert len(pickle.dumps(trajectory)) < arrays + 2000


def test_parameters_that_nobody_looks_at_take_no_memory() -> None:
    problem = LeastSquares.from_arrays(np.eye(100), np.arange(100.0))
    tracemalloc.start()
    trajectory = descend(problem, lr=0.1, start=zero(problem), stopping=Stopping(max_iterations=100_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert trajectory.steps == 100_000
    assert peak < 0.2 * trajectory.parameters.nbytes


@each_engine
def test_a_copy_with_another_reason_has_the_same_parameters(seven_cars: LeastSquares, engine: str) -> None:
    trajectory = descend(seven_cars, lr=0.01, start=zero(seven_cars), engine=engine)
    early = replace(trajectory, reason=StopReason.CONVERGED)
    assert_array_equal(early.parameters, trajectory.parameters)
    assert_array_equal(replace(trajectory, reason=StopReason.CONVERGED).parameters, trajectory.parameters)


def test_parameters_are_computed_once(trajectory: Trajectory) -> None:
    assert trajectory.parameters is trajectory.parameters


@each_engine
def test_a_trajectory_goes_to_another_process_whether_its_parameters_were_looked_at_or_not(
    seven_cars: LeastSquares, engine: str
) -> None:
    trajectory = descend(seven_cars, lr=0.01, start=zero(seven_cars), engine=engine)
    early = pickle.loads(pickle.dumps(trajectory))
    assert_array_equal(early.parameters, trajectory.parameters)
    late = pickle.loads(pickle.dumps(trajectory))
    for name in FIELDS:
        assert_array_equal(getattr(late, name), getattr(trajectory, name))


@each_engine
@pytest.mark.parametrize("steps", [3, 1500, 5000])
def test_the_parameters_of_a_descent_that_is_cut_short_are_those_of_a_longer_one(
    seven_cars: LeastSquares, engine: str, steps: int
) -> None:
    long = descend(seven_cars, lr=0.01, start=zero(seven_cars), stopping=Stopping(max_iterations=6000), engine=engine)
    stopping = Stopping(max_iterations=6000, loss_threshold=float(long.mse[steps]))
    cut = descend(seven_cars, lr=0.01, start=zero(seven_cars), stopping=stopping, engine=engine)
    assert cut.steps == steps
    assert_array_equal(cut.parameters, long.parameters[: steps + 1])


@each_engine
def test_the_start_is_left_as_it_was_and_can_be_changed_afterwards(seven_cars: LeastSquares, engine: str) -> None:
    start = np.array([1.0, 2.0])
    trajectory = descend(seven_cars, lr=0.01, start=start, engine=engine)
    assert_array_equal(start, [1.0, 2.0])
    start[:] = 0
    assert_array_equal(trajectory.parameters[0], [1.0, 2.0])


def test_steps_to_gap_is_the_first_step_with_a_millionth_of_the_gap() -> None:
    gap = np.array([2.0, 1.0, 2.1e-6, 2e-6, 1e-9])
    assert Trajectory(gap, gap, gap, StopReason.MAX_ITERATIONS, 1, {}).steps_to_gap == 3


def test_steps_to_gap_is_none_where_the_gap_stays_larger() -> None:
    gap = np.array([2.0, 1.0])
    assert Trajectory(gap, gap, gap, StopReason.MAX_ITERATIONS, 1, {}).steps_to_gap is None


def test_steps_to_gap_is_0_for_a_start_at_the_minimum() -> None:
    gap = np.zeros(3)
    assert Trajectory(gap, gap, gap, StopReason.MAX_ITERATIONS, 1, {}).steps_to_gap == 0


@pytest.mark.parametrize(("fraction", "step"), [(1, 0), (0.5, 1), (0.1, 3), (0.01, None)])
def test_steps_to_a_fraction_are_those_to_the_first_gap_that_is_at_most_that(fraction: float, step: int | None) -> None:
    assert steps_to(np.array([8.0, 4.0, 5.0, 0.8, 0.4]), fraction) == step


@pytest.mark.parametrize("lr", [0, -0.01, np.nan, np.inf, "0.1", None, True])
def test_a_learning_rate_that_is_no_positive_number_is_refused(seven_cars: LeastSquares, lr: float) -> None:
    with pytest.raises(ParameterError) as error:
        descend(seven_cars, lr=lr, start=zero(seven_cars))
    assert str(error.value) == f"lr takes a finite number above 0; got {lr!r}."


def test_an_engine_that_does_not_exist_is_refused_with_one_that_is_near(seven_cars: LeastSquares) -> None:
    with pytest.raises(ParameterError) as error:
        descend(seven_cars, lr=0.01, start=zero(seven_cars), engine="spectrum")
    text = "engine takes one of spectral, iterative; got 'spectrum'. Did you mean spectral?"
    assert str(error.value) == text


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 2), ()])
def test_a_start_of_another_shape_is_refused(seven_cars: LeastSquares, shape: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError) as error:
        descend(seven_cars, lr=0.01, start=np.zeros(shape))
    assert str(error.value) == (
        f"start takes an array of shape (2,): a weight for each feature in their order, then the bias; got {shape}."
    )


def test_a_start_that_is_not_finite_is_refused(seven_cars: LeastSquares) -> None:
    with pytest.raises(ParameterError, match=r"^start takes finite values; got \[0\.0, inf\]\.$"):
        descend(seven_cars, lr=0.01, start=np.array([0.0, np.inf]))


@each_engine
@pytest.mark.parametrize("start", [[1e200, 1e200], [1e308, -1e308], [0.0, 1e155]])
def test_a_start_whose_loss_is_not_finite_is_refused(seven_cars: LeastSquares, engine: str, start: list[float]) -> None:
    text = "^the loss or the gradient at the start is not finite: rescale the data or start nearer to zero$"
    with pytest.raises(DataError, match=text):
        descend(seven_cars, lr=0.01, start=np.array(start), engine=engine)


def test_a_start_whose_loss_is_not_even_a_number_is_refused() -> None:
    problem = LeastSquares.from_arrays(np.random.default_rng(0).normal(size=(40, 20)), np.ones(40))
    with pytest.raises(DataError, match=r"^the loss or the gradient at the start is not finite"):
        descend(problem, lr=0.01, start=np.resize([1.7e308, -1.7e308], 21))


@each_engine
def test_a_gradient_that_is_not_finite_at_the_start_is_refused(engine: str) -> None:
    problem = LeastSquares.from_arrays([[8e153], [-8e153]], [1.2e154, -1.2e154])
    with pytest.raises(DataError, match=r"^the loss or the gradient at the start is not finite"):
        descend(problem, lr=1e-308, start=zero(problem), engine=engine)
