from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from gdexp.core import DataError, LeastSquares, ParameterError
from gdexp.core.factor import Array, Chunk

EPS = np.finfo(np.float64).eps


def rows_of(problem: LeastSquares) -> Chunk:
    [(X, y)] = problem.rows or []
    return X, y


def same(first: LeastSquares, second: LeastSquares) -> None:
    """Assert that two problems are equal but for rounding, relative to the size of their numbers."""
    size = float(np.abs(first.factor).max()) ** 2 + 1
    assert first.n == second.n
    assert_allclose(first.factor.T @ first.factor, second.factor.T @ second.factor, rtol=0, atol=1e-13 * size)
    assert_allclose(first.minimum_mse, second.minimum_mse, rtol=1e-9, atol=1e-13 * first.mean_square_target)


def from_spectrum(singular_values: list[float], n: int = 1) -> LeastSquares:
    """Return a problem that has these singular values, with a target of 1 in each mode."""
    p = len(singular_values)
    factor = np.zeros((p + 1, p + 1))
    factor[range(p), range(p)] = singular_values
    factor[:p, p] = 1
    return LeastSquares(n, factor, None)


@dataclass
class CountedRows:
    """Rows that count how often they are read."""

    chunk: Chunk
    readings: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Chunk]:
        self.readings.append(1)
        yield self.chunk


def test_the_loss_is_the_mean_of_the_squared_errors(seven_cars: LeastSquares) -> None:
    X, y = rows_of(seven_cars)
    assert seven_cars.mse(np.array([2.0, 3.0])) == pytest.approx(np.mean((2 * X[:, 0] + 3 - y) ** 2), rel=1e-14)


def test_loss_and_gap_are_one_number_for_each_row_of_parameters(seven_cars: LeastSquares) -> None:
    theta = np.arange(6.0).reshape(3, 2)
    assert_allclose(seven_cars.mse(theta), [seven_cars.mse(row) for row in theta], rtol=1e-14)
    assert_allclose(seven_cars.gap(theta), [seven_cars.gap(row) for row in theta], rtol=1e-14)


def test_the_loss_at_zero_is_the_mean_square_of_the_target(seven_cars: LeastSquares) -> None:
    assert seven_cars.mean_square_target == pytest.approx(2126 / 7, rel=1e-15)
    assert seven_cars.mse(np.zeros(2)) == pytest.approx(2126 / 7, rel=1e-15)


@given(st.from_type(LeastSquares))
def test_the_minimum_is_that_of_lstsq_for_any_data(problem: LeastSquares) -> None:
    X, y = rows_of(problem)
    A = np.column_stack([X, np.ones(problem.n)])
    theta, _, rank, _ = np.linalg.lstsq(A, y, rcond=problem.p * EPS)
    assert len(problem.spectrum.eigenvalues) == rank
    assert_allclose(problem.minimizer, theta, rtol=1e-8, atol=1e-8 * float(np.abs(theta).max()))
    least = float(np.mean((A @ theta - y) ** 2))
    assert_allclose(problem.minimum_mse, least, rtol=1e-9, atol=1e-13 * problem.mean_square_target)


@given(st.from_type(LeastSquares), st.integers(0, 10))
def test_the_gap_is_never_negative_and_is_what_the_loss_is_above_the_minimum(problem: LeastSquares, seed: int) -> None:
    theta = np.random.default_rng(seed).normal(size=(20, problem.p))
    loss, gap = problem.mse(theta), problem.gap(theta)
    assert (gap >= 0).all()
    assert_allclose(gap, loss - problem.minimum_mse, rtol=0, atol=1e-12 * float(loss.max()))


def test_the_gap_is_the_sum_of_the_squared_amplitudes(seven_cars: LeastSquares) -> None:
    theta = np.array([1.0, -1.0])
    assert seven_cars.gap(theta) == pytest.approx(np.sum(seven_cars.amplitudes(theta) ** 2), rel=1e-15)


def test_without_features_the_bias_is_the_mean() -> None:
    problem = LeastSquares.from_arrays(np.empty((4, 0)), [1.0, 2.0, 3.0, 6.0])
    assert problem.p == 1
    assert_allclose(problem.minimizer, [3.0], rtol=1e-15)
    assert problem.minimum_mse == pytest.approx(3.5)
    assert_allclose(problem.spectrum.eigenvalues, [2.0], rtol=1e-15)


def test_one_row_is_met_exactly_by_the_shortest_parameters() -> None:
    problem = LeastSquares.from_arrays([[2.0, 2.0]], [9.0])
    assert_allclose(problem.minimizer, [2.0, 2.0, 1.0], rtol=1e-15)
    assert problem.minimum_mse <= 1e-30
    assert_allclose(problem.spectrum.eigenvalues, [18.0], rtol=1e-15)


def test_more_features_than_rows_leave_null_modes_and_no_loss() -> None:
    generator = np.random.default_rng(1)
    problem = LeastSquares.from_arrays(generator.normal(size=(4, 9)), generator.normal(size=4))
    assert len(problem.spectrum.eigenvalues) == 4
    assert problem.minimum_mse <= 1e-28 * problem.mean_square_target


def test_a_constant_feature_shares_its_mode_with_the_bias() -> None:
    problem = LeastSquares.from_arrays([[2.0], [2.0], [2.0]], [1.0, 5.0, 9.0])
    assert_allclose(problem.minimizer, [2.0, 1.0], rtol=1e-14)
    assert_allclose(problem.spectrum.eigenvalues, [10.0], rtol=1e-14)
    assert problem.minimum_mse == pytest.approx(32 / 3)


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_the_zero_minimum_of_an_ill_conditioned_polynomial_is_found_in_any_chunking(chunk: int) -> None:
    x = np.linspace(0, 1, 60)
    X = np.stack([x**power for power in range(1, 10)], axis=1)
    y = X.sum(axis=1)
    parts = [(X[first : first + chunk], y[first : first + chunk]) for first in range(0, 60, chunk)]
    problem = LeastSquares.from_chunks(parts)
    steepest, flattest = problem.spectrum.eigenvalues[[0, -1]]
    assert steepest / flattest > 1e12
    assert len(problem.spectrum.eigenvalues) == 10
    assert problem.minimum_mse < 1e-31 * problem.mean_square_target


def test_the_eigenvalues_are_those_of_the_hessian(seven_cars: LeastSquares) -> None:
    X, _ = rows_of(seven_cars)
    A = np.column_stack([X, np.ones(7)])
    assert_allclose(seven_cars.spectrum.eigenvalues[::-1], np.linalg.eigvalsh(2 / 7 * A.T @ A), rtol=1e-12)


def test_the_eigenvalues_are_two_nths_of_the_squared_singular_values() -> None:
    assert_allclose(from_spectrum([3.0, 2.0], n=4).spectrum.eigenvalues, [4.5, 2.0], rtol=1e-15)


def test_a_singular_value_up_to_p_eps_of_the_largest_is_null_and_its_loss_belongs_to_the_minimum() -> None:
    problem = from_spectrum([1.0, 2 * EPS])
    assert_array_equal(problem.spectrum.singular_values, [1.0])
    assert problem.minimum_mse == 1
    assert_array_equal(problem.minimizer, [1.0, 0.0])


def test_the_bound_of_null_modes_grows_with_the_number_of_columns() -> None:
    assert len(from_spectrum([1.0, 2.5 * EPS]).spectrum.eigenvalues) == 2
    assert len(from_spectrum([1.0, 0.5, 2.5 * EPS]).spectrum.eigenvalues) == 2


def test_a_singular_value_just_above_p_eps_of_the_largest_is_not_null() -> None:
    problem = from_spectrum([1.0, 2 * EPS * (1 + EPS)])
    assert_array_equal(problem.spectrum.singular_values, [1.0, 2 * EPS * (1 + EPS)])
    assert problem.minimum_mse == 0


@pytest.mark.parametrize("size", [1e-150, 1e-10, 1e10, 1e150])
def test_the_size_of_the_target_is_only_a_unit(seven_cars: LeastSquares, size: float) -> None:
    X, y = rows_of(seven_cars)
    problem = LeastSquares.from_arrays(X, y * size)
    assert_allclose(problem.minimizer, seven_cars.minimizer * size, rtol=1e-13)
    assert problem.minimum_mse == pytest.approx(seven_cars.minimum_mse * size**2, rel=1e-13)
    assert_allclose(problem.spectrum.eigenvalues, seven_cars.spectrum.eigenvalues, rtol=1e-13)


@given(st.from_type(LeastSquares), st.integers(0, 100))
def test_the_order_of_the_rows_does_not_matter(problem: LeastSquares, seed: int) -> None:
    X, y = rows_of(problem)
    order = np.random.default_rng(seed).permutation(problem.n)
    same(problem, LeastSquares.from_arrays(X[order], y[order]))


@given(st.from_type(LeastSquares), st.integers(1, 5))
def test_the_chunks_that_the_rows_come_in_do_not_matter(problem: LeastSquares, chunk: int) -> None:
    X, y = rows_of(problem)
    parts = [(X[first : first + chunk], y[first : first + chunk]) for first in range(0, problem.n, chunk)]
    same(problem, LeastSquares.from_chunks(parts))


@given(st.from_type(LeastSquares), st.integers(1, 11))
def test_two_parts_merge_into_the_problem_of_all_rows(problem: LeastSquares, first: int) -> None:
    X, y = rows_of(problem)
    first = min(first, problem.n)
    head = LeastSquares.from_arrays(X[:first], y[:first])
    merged = head.merge(LeastSquares.from_arrays(X[first:], y[first:])) if first < problem.n else head
    same(problem, merged)
    assert_array_equal(np.concatenate([y for _, y in merged.rows or []]), y)


def test_a_merge_does_not_read_the_rows() -> None:
    first = CountedRows((np.ones((2, 1)), np.ones(2)))
    second = CountedRows((np.zeros((3, 1)), np.zeros(3)))
    merged = LeastSquares.from_chunks(first).merge(LeastSquares.from_chunks(second))
    assert (len(first.readings), len(second.readings)) == (1, 1)
    assert merged.rows is not None
    assert [len(y) for _ in range(2) for _, y in merged.rows] == [2, 3, 2, 3]


def test_a_merge_with_rows_that_cannot_be_read_again_has_none(seven_cars: LeastSquares) -> None:
    once = LeastSquares.from_chunks(iter([rows_of(seven_cars)]))
    assert once.rows is None
    assert seven_cars.merge(once).rows is None
    assert seven_cars.merge(once).n == 14


def test_a_merge_with_other_features_is_refused(seven_cars: LeastSquares) -> None:
    with pytest.raises(ParameterError, match=r"^other takes a problem of 1 features; got 2\.$"):
        seven_cars.merge(LeastSquares.from_arrays([[1.0, 2.0]], [3.0]))


def test_means_and_deviations_are_those_of_numpy() -> None:
    X = np.random.default_rng(3).normal(loc=[1.0, -2.0, 0.0], scale=[1.0, 5.0, 0.1], size=(40, 3))
    problem = LeastSquares.from_arrays(X, np.ones(40))
    assert_allclose(problem.feature_means, X.mean(axis=0), rtol=1e-13)
    assert_allclose(problem.feature_deviations, X.std(axis=0), rtol=1e-13)


def test_means_and_deviations_of_large_features_do_not_overflow() -> None:
    problem = LeastSquares.from_arrays(np.array([[1.0], [3.0]] * 500) * 3e153, np.ones(1000))
    assert_allclose(problem.feature_means, [6e153], rtol=1e-13)
    assert_allclose(problem.feature_deviations, [3e153], rtol=1e-13)


def test_a_rescaled_problem_is_the_problem_of_the_rescaled_rows(seven_cars: LeastSquares) -> None:
    offset, scale = np.array([3.5]), np.array([0.25])
    rescaled = seven_cars.rescaled(offset, scale)
    X, y = rows_of(seven_cars)
    same(rescaled, LeastSquares.from_arrays((X - offset) / scale, y))
    assert rescaled.rows is not None
    [(features, target)] = rescaled.rows
    assert_array_equal(features, (X - offset) / scale)
    assert_array_equal(target, y)


def test_a_rescaled_problem_without_rows_has_none(seven_cars: LeastSquares) -> None:
    once = LeastSquares.from_chunks(iter([rows_of(seven_cars)]))
    assert once.rescaled(np.array([1.0]), np.array([2.0])).rows is None


NOT_FINITE = "the data hold a value that is not finite, or too large to be squared"
STEEP = "the features are so large that the Hessian's largest eigenvalue overflows; rescale them"
LARGE = "the target is so large that the loss overflows; rescale it"


@pytest.mark.parametrize(
    ("X", "y", "text"),
    [
        ([[np.nan], [1.0]], [1.0, 2.0], NOT_FINITE),
        ([[0.0], [np.inf]], [1.0, 2.0], NOT_FINITE),
        ([[0.0], [1.0]], [1.0, np.nan], NOT_FINITE),
        ([[0.0], [1.0]], [-np.inf, 1.0], NOT_FINITE),
        ([[1e308], [1e308]], [1.0, 2.0], NOT_FINITE),
        ([[1e155], [1.0]], [1.0, 2.0], STEEP),
        ([[0.0], [1.0]], [1e155, 1.0], LARGE),
        (np.empty((0, 1)), [], "the data have no row"),
    ],
)
def test_data_that_cannot_be_used_are_refused_by_what_is_wrong(X: Array, y: Array, text: str) -> None:
    with pytest.raises(DataError) as error:
        LeastSquares.from_arrays(X, y)
    assert str(error.value) == text


def test_features_that_are_not_a_table_are_named() -> None:
    text = r"^X takes an array of shape \(n, d\); got \(2,\)\. For one feature pass X\[:, None\]\.$"
    with pytest.raises(ParameterError, match=text):
        LeastSquares.from_arrays([1.0, 2.0], [1.0, 2.0])


@pytest.mark.parametrize("y", [[1.0], [[1.0], [2.0]]])
def test_a_target_of_another_length_is_named(y: list[float]) -> None:
    text = rf"^y takes an array of shape \(2,\), a value for each row of X; got \({str(np.shape(y))[1:-1]}\)\.$"
    with pytest.raises(ParameterError, match=text):
        LeastSquares.from_arrays([[1.0], [2.0]], y)
