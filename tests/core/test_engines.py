from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, localcontext
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from gdexp.core import DataError, LeastSquares, Stopping, Trajectory, descend, max_stable_lr, zero
from gdexp.core.blocks import Block
from gdexp.core.engines import ENGINES, GROUP, ITERATIVE_BLOCK, Modes, negligible, norms, progress, shrinkage, spans
from gdexp.core.factor import Array
from gdexp.core.stopping import StopReason

each_engine = pytest.mark.parametrize("engine", sorted(ENGINES))
relative_lrs = st.sampled_from([0.001, 0.1, 0.25, 0.5, 0.7, 0.9, 0.99, 1.1, 1.5])
starts = st.lists(st.integers(-8, 8), min_size=5, max_size=5).map(lambda values: np.array(values) / 2)


def blocks_of(
    problem: LeastSquares, *, engine: str = "spectral", lr: float = 0.01, horizon: int = 10**6
) -> Iterator[Block]:
    return ENGINES[engine](problem, lr, zero(problem), horizon)


def both(
    problem: LeastSquares, lr: float, start: Array, stopping: Stopping | None = None
) -> tuple[Trajectory, Trajectory]:
    fast = descend(problem, lr=lr, start=start, stopping=stopping, engine="spectral")
    return fast, descend(problem, lr=lr, start=start, stopping=stopping, engine="iterative")


def exactly(problem: LeastSquares, lr: float, start: Array, step: int) -> tuple[float, float, Array]:
    """Return loss, gradient norm and parameters at `step`, from the rows in decimals of 100 digits.

    A step is an affine map of the parameters, so the step-th power of its matrix makes all steps at once.
    """
    with localcontext() as context:
        context.prec = 100
        [(X, y)] = problem.rows or []
        A = decimals(np.column_stack([X, np.ones(len(y))]))
        target, twice, rate = decimals(y), Decimal(2) / len(y), Decimal(lr)
        step_matrix = decimals(np.eye(problem.p + 1))
        step_matrix[:-1, :-1] -= rate * twice * (A.T @ A)
        step_matrix[:-1, -1] = rate * twice * (A.T @ target)
        theta = (np.linalg.matrix_power(step_matrix, step) @ decimals(np.append(start, 1.0)))[:-1]
        residual = A @ theta - target
        gradient = twice * (A.T @ residual)
        loss, norm = residual @ residual / len(y), (gradient @ gradient).sqrt()
        return float(loss), float(norm), theta.astype(np.float64)


def decimals(values: Array) -> Any:
    return np.vectorize(Decimal, otypes=[object])(values)


@given(st.from_type(LeastSquares), relative_lrs, starts)
def test_the_engines_agree_on_every_recorded_loss(problem: LeastSquares, relative_lr: float, start: Array) -> None:
    start = start[: problem.p]
    assume(problem.minimum_mse > 1e-10 * problem.mse(start))  # where a loss is far above the rounding of the rows
    fast, slow = both(problem, relative_lr * max_stable_lr(problem), start, Stopping(max_iterations=200))
    assert (fast.steps, fast.reason) == (slow.steps, slow.reason)
    compared = slow.mse > 1e-12 * slow.mse[0]
    assert_allclose(fast.mse[compared], slow.mse[compared], rtol=1e-9)


@given(st.from_type(LeastSquares), relative_lrs, starts)
def test_the_engines_agree_on_residuals_to_rounding_for_data_of_any_rank(
    problem: LeastSquares, relative_lr: float, start: Array
) -> None:
    start = start[: problem.p]
    fast, slow = both(problem, relative_lr * max_stable_lr(problem), start, Stopping(max_iterations=200))
    assert (fast.steps, fast.reason) == (slow.steps, slow.reason)
    size = float(np.abs(problem.factor).max()) * float(np.abs(start).max() + 1)
    assert_allclose(np.sqrt(fast.mse), np.sqrt(slow.mse), rtol=1e-9, atol=1e-13 * size)
    assert_allclose(np.sqrt(fast.gap), np.sqrt(slow.gap), rtol=1e-9, atol=1e-13 * size)
    reach = float(np.abs(slow.parameters).max()) + 1
    assert_allclose(fast.parameters, slow.parameters, rtol=1e-9, atol=1e-9 * reach)


@given(
    st.from_type(LeastSquares),
    relative_lrs,
    starts,
    st.sampled_from(
        [
            Stopping(relative_decrease=1e-3, patience=1),
            Stopping(relative_decrease=1e-6),
            Stopping(relative_decrease=1e-6, patience=40),
            Stopping(gradient_norm=1e-2),
        ]
    ),
)
def test_the_engines_stop_for_the_same_reason_at_the_same_step(
    problem: LeastSquares, relative_lr: float, start: Array, stopping: Stopping
) -> None:
    fast, slow = both(problem, relative_lr * max_stable_lr(problem), start[: problem.p], stopping)
    assume(fast.mse[-1] > 1e-10 * fast.mse[0])  # below, the decision is within the rounding of the rows
    assert (fast.steps, fast.reason) == (slow.steps, slow.reason)


@pytest.mark.parametrize("lr", [1e-12, 1e-4, 0.01, 0.0174, 0.03491, 0.05, 0.0698])
@pytest.mark.parametrize("step", [0, 1, 2, 5, 300, 2000])
def test_the_spectral_engine_is_exact_to_the_last_digits(seven_cars: LeastSquares, lr: float, step: int) -> None:
    trajectory = descend(seven_cars, lr=lr, start=zero(seven_cars), stopping=Stopping(max_iterations=2000))
    loss, norm, theta = exactly(seven_cars, lr, zero(seven_cars), step)
    assert trajectory.mse[step] == pytest.approx(loss, rel=1e-11)
    assert trajectory.gradient_norm[step] == pytest.approx(norm, rel=1e-11)
    assert_allclose(trajectory.parameters[step], theta, rtol=1e-11)


@pytest.mark.parametrize("lr", [1e-9, 1e-5, 0.01, 0.0698])
def test_the_spectral_engine_is_exact_after_a_million_steps(seven_cars: LeastSquares, lr: float) -> None:
    trajectory = descend(seven_cars, lr=lr, start=zero(seven_cars), stopping=Stopping(max_iterations=10**6))
    assert len(trajectory.mse) == 10**6 + 1
    loss, _, theta = exactly(seven_cars, lr, zero(seven_cars), 10**6)
    assert trajectory.mse[-1] == pytest.approx(loss, rel=1e-13)
    assert_allclose(trajectory.parameters[-1], theta, rtol=1e-13)


@each_engine
def test_each_engine_is_exact_on_an_ill_conditioned_polynomial(engine: str) -> None:
    x = np.linspace(0, 1, 12)
    X = np.stack([x**power for power in range(1, 6)], axis=1)
    problem = LeastSquares.from_arrays(X, np.round(np.sin(5 * x), 3))
    lr, start = 0.9 * max_stable_lr(problem), np.arange(6.0)
    trajectory = descend(problem, lr=lr, start=start, stopping=Stopping(max_iterations=500), engine=engine)
    for step in (1, 20, 500):
        loss, norm, theta = exactly(problem, lr, start, step)
        assert trajectory.mse[step] == pytest.approx(loss, rel=1e-11)
        assert trajectory.gradient_norm[step] == pytest.approx(norm, rel=1e-11)
        assert_allclose(trajectory.parameters[step], theta, rtol=1e-11)


@pytest.fixture(scope="module")
def six_scales() -> LeastSquares:
    """Features whose modes die out one after the other in 50,000 steps, some of them never."""
    X = np.round(np.random.default_rng(0).normal(size=(12, 5)) * np.geomspace(1, 0.01, 5), 4)
    return LeastSquares.from_arrays(X, np.round(X @ np.arange(5.0), 2) + 1)


@pytest.mark.parametrize("relative_lr", [0.05, 0.5, 0.9, 1.0001])
@pytest.mark.parametrize("step", [1024, 3072, 7168, 15_360, 50_000])
def test_modes_that_are_left_out_when_they_have_died_change_no_digit(
    six_scales: LeastSquares, relative_lr: float, step: int
) -> None:
    lr, start = relative_lr * max_stable_lr(six_scales), np.arange(6.0)
    trajectory = descend(six_scales, lr=lr, start=start, stopping=Stopping(max_iterations=50_000))
    loss, norm, theta = exactly(six_scales, lr, start, min(step, trajectory.steps))
    step = min(step, trajectory.steps)
    assert trajectory.mse[step] == pytest.approx(loss, rel=1e-10)
    assert trajectory.gradient_norm[step] == pytest.approx(norm, rel=1e-10)
    assert_allclose(trajectory.parameters[step], theta, rtol=1e-10)


@pytest.mark.parametrize("slow", [1e-3, 1e-9, 1e-14])
def test_a_slow_mode_counts_as_soon_as_the_fast_ones_have_gone(slow: float) -> None:
    X = np.array([[8.0, 0.0], [-8.0, 0.0], [0.0, 0.5], [0.0, -0.5]])
    problem = LeastSquares.from_arrays(X, [4.0, -4.0, 1.0, -1.0])
    start, lr = np.array([1e3, 2 + slow, 0.0]), 0.1 * max_stable_lr(problem)
    trajectory = descend(problem, lr=lr, start=start, stopping=Stopping(max_iterations=4000))
    offset, rates = float(start[1] - 2), lr * np.array([64.0, 0.25])
    for step in (0, 5, 60, 70, 200, 1023, 1024, 2500, 4000):
        fast, slow_part = (1e3 - 0.5) * (1 - rates[0]) ** step, offset * (1 - rates[1]) ** step
        assert trajectory.gap[step] == pytest.approx(32 * fast**2 + 0.125 * slow_part**2, rel=1e-9)
        assert trajectory.gradient_norm[step] == pytest.approx(math.hypot(64 * fast, 0.25 * slow_part), rel=1e-9)


@pytest.mark.parametrize("relative_lr", [0.05, 0.5, 0.9, 0.99, 1.0001])
@pytest.mark.parametrize("start", [np.arange(6.0), np.array([1e6, 0.0, 0.0, 0.0, 0.0, -1e-6])])
def test_what_is_left_out_is_below_the_last_digit(
    six_scales: LeastSquares, monkeypatch: pytest.MonkeyPatch, relative_lr: float, start: Array
) -> None:
    lr, stopping = relative_lr * max_stable_lr(six_scales), Stopping(max_iterations=20_000)
    short = descend(six_scales, lr=lr, start=start, stopping=stopping)
    monkeypatch.setattr("gdexp.core.engines.NEGLIGIBLE_MOVE", 0.0)
    monkeypatch.setattr("gdexp.core.engines.NEGLIGIBLE_PART", 0.0)
    whole = descend(six_scales, lr=lr, start=start, stopping=stopping)
    for name in ("mse", "gap", "gradient_norm"):
        assert_allclose(getattr(short, name), getattr(whole, name), rtol=1e-15)
    reach = float(np.linalg.norm(start - six_scales.minimizer))
    assert_allclose(short.parameters, whole.parameters, rtol=1e-15, atol=4e-16 * reach)


def test_the_first_modes_are_negligible_if_they_are_small_beside_the_slowest_in_every_run() -> None:
    parts, slowest = np.array([[[1.0, 1.0, 1e-9, 1.0], [1.0, 1.0, 1e-9, 1.0]]]), np.array([3])
    assert negligible(np.array([[1e-30, 1e-30, 0.5, 1.0]]), parts, slowest) == 2
    assert negligible(np.array([[1e-30, 0.5, 1e-30, 1.0]]), parts, slowest) == 1
    assert negligible(np.array([[0.5, 1e-30, 1e-30, 1.0]]), parts, slowest) == 0
    assert negligible(np.array([[1e-30, 1e-30, 0.5, 1e-30]]), parts, slowest) == 0
    assert negligible(np.zeros((1, 4)), parts, slowest) == 0
    only_the_gradient = np.array([[[1e-14, 1e-3], [1.0, 1e-3]]])
    assert negligible(np.array([[1e-3, 0.5]]), only_the_gradient, np.array([1])) == 0
    two = np.array([[1e-30, 1e-30, 0.5, 1.0], [1e-30, 0.5, 0.5, 1.0]])
    assert negligible(two, np.concatenate([parts, parts]), np.array([3, 3])) == 1


def test_what_parameters_follow_from_holds_on_to_no_other_run(seven_cars: LeastSquares) -> None:
    course = Modes(seven_cars, np.array([0.01, 0.1]), np.zeros((2, 2))).course(1)
    assert all(values.base is None for values in vars(course).values())


@pytest.mark.parametrize(("unit", "longest"), [(1024, 25_000), (16, 700), (16, 0), (576, 5000)])
@pytest.mark.parametrize("horizon", [1, 1023, 1024, 5000, 100_000])
def test_steps_are_cut_into_ever_longer_spans_that_end_soon_after_the_horizon(
    unit: int, longest: int, horizon: int
) -> None:
    cut = list(spans(0, horizon, unit=unit, longest=longest))
    assert cut[0].start == 0
    assert all(len(span) % unit == 0 and 0 < len(span) < max(longest, 1) + unit for span in cut)
    assert all(earlier.stop == later.start for earlier, later in pairwise(cut))
    assert horizon < cut[-1].stop <= horizon + unit
    assert list(spans(cut[0].stop, horizon, unit=unit, longest=longest)) == cut[1:]
    assert len(cut[0]) >= min(1024, horizon + 1, max(longest, 1))


def test_a_span_is_four_times_as_long_as_the_one_before() -> None:
    cut = spans(0, 10**6, unit=1024, longest=10**5)
    assert [len(span) for span in islice(cut, 5)] == [1024, 4096, 16_384, 65_536, 98 * 1024]


@pytest.mark.parametrize("d", [1, 40])
def test_a_mode_that_begins_too_small_for_a_square_counts_when_it_has_grown(d: int) -> None:
    X = np.sqrt(d + 1) * np.concatenate([np.eye(d), -np.eye(d), np.zeros((2, d))])
    X[:, 0] *= np.sqrt(0.006)
    problem = LeastSquares.from_arrays(X, np.zeros(len(X)))
    start = np.zeros(d + 1)
    start[[0, -1]] = 1.0, 1e-160
    trajectory = descend(problem, lr=70.0, start=start, stopping=Stopping(max_iterations=66))
    shrinks, grows = (float(np.log(abs(1 - 70.0 * 2 * size))) for size in (0.006, 1.0))
    for step in range(67):
        parts = np.sqrt(0.006) * np.exp(step * shrinks), 1e-160 * np.exp(step * grows)
        assert trajectory.gap[step] == pytest.approx(math.hypot(*parts) ** 2, rel=1e-11, abs=0)


@each_engine
def test_a_rate_of_exactly_one_reaches_the_minimum_in_one_step(engine: str) -> None:
    problem = LeastSquares.from_arrays(np.empty((4, 0)), [1.0, 2.0, 3.0, 6.0])
    trajectory = descend(problem, lr=0.5, start=zero(problem), stopping=Stopping(max_iterations=3), engine=engine)
    assert_allclose(trajectory.parameters[:, 0], [0.0, 3.0, 3.0, 3.0], rtol=1e-15)
    assert trajectory.gradient_norm[0] == pytest.approx(6.0, rel=1e-15)
    assert not trajectory.gradient_norm[1:].any()


@each_engine
def test_a_rate_of_exactly_two_goes_to_and_fro_for_ever(engine: str) -> None:
    problem = LeastSquares.from_arrays(np.empty((4, 0)), [1.0, 2.0, 3.0, 6.0])
    trajectory = descend(problem, lr=1.0, start=zero(problem), engine=engine)
    assert trajectory.steps == 1000
    assert_allclose(trajectory.parameters[:, 0], np.arange(1001) % 2 * 6.0)
    assert_allclose(trajectory.mse, np.full(1001, 12.5))


@each_engine
def test_at_the_minimum_nothing_moves_even_where_the_learning_rate_is_unstable(engine: str) -> None:
    problem = LeastSquares.from_arrays([[1.0], [3.0]], [0.0, 0.0])
    trajectory = descend(problem, lr=10.0, start=zero(problem), engine=engine)
    assert trajectory.steps == 1000
    assert not trajectory.mse.any()
    assert not trajectory.gap.any()
    assert not trajectory.gradient_norm.any()
    assert not trajectory.parameters.any()


@each_engine
@pytest.mark.parametrize(
    ("features", "target"), [(1e150, 1e150), (1e150, 1e-150), (1e-150, 1e150), (1e-150, 1e-150), (2.5e153, 1.0)]
)
def test_numbers_near_the_ends_of_the_floats_give_the_same_descent(
    seven_cars: LeastSquares, engine: str, features: float, target: float
) -> None:
    [(X, y)] = seven_cars.rows or []
    problem = LeastSquares.from_arrays(X * features, y * target)
    lr = 0.3 * max_stable_lr(problem)
    trajectory = descend(problem, lr=lr, start=zero(problem), stopping=Stopping(max_iterations=5), engine=engine)
    for step in range(6):
        loss, norm, theta = exactly(problem, lr, zero(problem), step)
        assert trajectory.mse[step] == pytest.approx(loss, rel=1e-13)
        assert trajectory.gradient_norm[step] == pytest.approx(norm, rel=1e-13)
        assert_allclose(trajectory.parameters[step], theta, rtol=1e-12, atol=1e-14 * float(np.abs(theta).max()))


@each_engine
def test_a_null_mode_does_not_move_the_parameters(engine: str) -> None:
    problem = LeastSquares.from_arrays([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]], [1.0, 5.0, 2.0])
    start = np.array([3.0, -1.0, 0.5])
    trajectory = descend(problem, lr=0.03, start=start, engine=engine)
    difference = trajectory.parameters[:, 0] - trajectory.parameters[:, 1]
    assert_allclose(difference, np.full(1001, 4.0), rtol=1e-13)


@each_engine
def test_blocks_are_consecutive_and_begin_with_step_0(seven_cars: LeastSquares, engine: str) -> None:
    blocks = list(islice(blocks_of(seven_cars, engine=engine), 5))
    assert_array_equal(np.concatenate([block.steps for block in blocks]), np.arange(sum(len(b.steps) for b in blocks)))
    for block in blocks:
        b = len(block.steps)
        assert block.mse.shape == block.gap.shape == block.gradient_norm.shape == (b,)
        assert block.parameters.shape == (b, 2)


@each_engine
@pytest.mark.parametrize("rows", [0, 3, 1024, 5000])
def test_parameters_fill_as_many_rows_as_there_are(seven_cars: LeastSquares, engine: str, rows: int) -> None:
    block = next(blocks_of(seven_cars, engine=engine))
    values = np.full((rows, 2), -1.0)
    block.fill_parameters(values)
    filled = min(rows, len(block.steps))
    assert_array_equal(values[:filled], block.parameters[:filled])
    assert (values[filled:] == -1).all()


def test_a_block_of_many_parameters_stays_small() -> None:
    problem = LeastSquares.from_arrays(np.ones((2, 300)), np.ones(2))
    for block in islice(blocks_of(problem, lr=1e-4), 5):
        assert block.parameters.size <= 2**21


@each_engine
@pytest.mark.parametrize("horizon", [1, 15, 16, 100, 1023, 1024, 5000])
def test_no_step_comes_after_the_horizon(seven_cars: LeastSquares, engine: str, horizon: int) -> None:
    stopping = Stopping(max_iterations=horizon)
    trajectory = descend(seven_cars, lr=0.01, start=zero(seven_cars), stopping=stopping, engine=engine)
    assert trajectory.steps == horizon
    assert trajectory.reason is StopReason.MAX_ITERATIONS


sizes = st.floats(-1e300, 1e300)


@given(
    st.lists(st.lists(sizes, min_size=3, max_size=3), min_size=GROUP, max_size=GROUP),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_a_norm_is_right_for_numbers_of_any_size(columns: list[list[float]], shrunk: list[float]) -> None:
    far, near = np.array([columns]).swapaxes(1, 2), np.stack([np.ones(3), shrunk], axis=1)
    lengths = norms(far, near[None]).reshape(GROUP, 2)
    expected = [[math.hypot(*(near[:, j] * column)) for j in range(2)] for column in np.array(columns)]
    assert_allclose(lengths, expected, rtol=1e-15, atol=1e-322)


def test_a_norm_is_right_where_only_its_square_is_out_of_range() -> None:
    far, near = np.full((1, 1, GROUP), 1.9), np.array([[[1.0, 1e154]]])
    with np.errstate(over="ignore"):
        lengths = norms(far, near).reshape(GROUP, 2)
    assert_allclose(lengths, [[1.9, 1.9e154]] * GROUP, rtol=1e-15)


def test_the_norm_of_what_is_not_finite_is_not() -> None:
    far = np.zeros((1, 2, GROUP))
    far[0, :, :3] = [[np.inf, np.nan, 0.0], [1.0, 1.0, 0.0]]
    with np.errstate(invalid="ignore"):
        assert_array_equal(norms(far, np.ones((1, 2, 1)))[0, :3], [np.inf, np.nan, 0.0])


@each_engine
def test_an_engine_leaves_the_callers_treatment_of_overflow_alone(seven_cars: LeastSquares, engine: str) -> None:
    before = np.geterr()
    next(blocks_of(seven_cars, engine=engine))
    assert np.geterr() == before


def test_the_iterative_engine_refuses_rows_that_can_be_read_only_once(seven_cars: LeastSquares) -> None:
    problem = LeastSquares.from_chunks(iter(seven_cars.rows or []))
    text = "^the iterative engine reads the rows at every step, and these came from an iterator: pass a list$"
    with pytest.raises(DataError, match=text):
        descend(problem, lr=0.01, start=zero(problem), engine="iterative")
    assert descend(problem, lr=0.01, start=zero(problem), engine="spectral").steps == 1000


def test_the_iterative_engine_reads_all_chunks_at_every_step(seven_cars: LeastSquares) -> None:
    [(X, y)] = seven_cars.rows or []
    split = LeastSquares.from_chunks([(X[:2], y[:2]), (X[2:3], y[2:3]), (X[3:], y[3:])])
    whole, parts = (next(blocks_of(problem, engine="iterative")) for problem in (seven_cars, split))
    assert len(parts.steps) == ITERATIVE_BLOCK
    assert_allclose(parts.mse, whole.mse, rtol=1e-13)
    assert_allclose(parts.parameters, whole.parameters, rtol=1e-13)


def test_powers_of_tiny_rates_keep_all_digits() -> None:
    rates, steps = np.array([1e-3, 1e-9, 1e-14, 1e-17]), np.array([1, 1000, 10**6])
    factors = shrinkage(rates, steps)
    with localcontext() as context:
        context.prec = 60
        exact = [[(1 - Decimal(float(rate))) ** int(step) for step in steps] for rate in rates]
        assert_allclose(factors, np.array(exact, dtype=np.float64), rtol=1e-13)
        done = np.array([[1 - power for power in row] for row in exact], dtype=np.float64)
    assert_allclose(progress(rates, steps, factors), done, rtol=1e-13)


def test_powers_of_large_rates_are_those_of_numpy() -> None:
    rates, steps = np.array([0.5, 0.9, 1.0, 1.5, 2.0, 3.0]), np.arange(5)
    powers = np.power(1 - rates[:, None], steps)
    assert_array_equal(shrinkage(rates, steps), powers)
    assert_array_equal(progress(rates, steps, powers), 1 - powers)
