from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gdexp.core import DataError
from gdexp.core.factor import (
    BLOCKS,
    FEW_COLUMNS,
    FEWEST_BLOCKS,
    FULL_COLUMNS,
    SAMPLE_ROWS,
    Array,
    Chunk,
    Preconditioner,
    block_rows,
    cholesky_factor,
    counted_factor,
    merge,
    panel_rows,
    piece_rows,
    reduced,
    regrouped,
    triangular_factor,
    with_ones,
)

CHUNK_ROWS = piece_rows(4)
"""Rows of two features that are reduced at once."""


def rows(n: int, d: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(n)
    return generator.normal(size=(n, d)), generator.normal(size=n)


def many_rows(columns: int) -> int:
    """Return a number of rows that products of matrices reduce, in more than one stack and by one thread."""
    return (BLOCKS + FEWEST_BLOCKS) * block_rows(columns)


def test_the_factor_is_triangular_and_has_the_products_of_the_columns() -> None:
    X, y = rows(50, 3)
    columns = np.column_stack([X, np.ones(50), y])
    n, factor = reduced([(X, y)])
    assert n == 50
    assert_array_equal(factor, np.triu(factor))
    assert_allclose(factor.T @ factor, columns.T @ columns, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_factor_is_square_where_rows_are_fewer_than_columns(n: int) -> None:
    factor = triangular_factor(rows(n, 5)[0])
    assert factor.shape == (5, 5)
    assert not factor[n:].any()


def test_merging_factors_gives_the_factor_of_all_rows() -> None:
    X, _ = rows(40, 4)
    merged = merge(triangular_factor(X[:3]), triangular_factor(X[3:]))
    assert_allclose(merged.T @ merged, X.T @ X, rtol=1e-13, atol=1e-13)


def test_rows_beyond_one_chunk_are_all_counted() -> None:
    X, y = rows(2 * CHUNK_ROWS + 5, 2)
    n, factor = reduced([(X, y)])
    columns = np.column_stack([X, np.ones(n), y])
    assert n == 2 * CHUNK_ROWS + 5
    assert_allclose(factor.T @ factor, columns.T @ columns, rtol=1e-11, atol=1e-8)


@pytest.mark.parametrize(
    "cuts", [[1], [CHUNK_ROWS], [CHUNK_ROWS - 1, CHUNK_ROWS + 1], range(0, 3 * CHUNK_ROWS, 10_000)]
)
def test_the_factor_is_the_same_to_the_last_bit_however_the_rows_are_handed_in(cuts: Sequence[int]) -> None:
    X, y = rows(3 * CHUNK_ROWS + 7, 2)
    parts = list(zip(np.split(X, cuts), np.split(y, cuts), strict=True))
    assert_array_equal(reduced(parts)[1], reduced([(X, y)])[1])
    assert_array_equal(reduced(iter(parts))[1], reduced([(X, y)])[1])
    assert_array_equal(reduced(iter(parts), copy=False)[1], reduced([(X, y)])[1])


@pytest.mark.parametrize("d", [1, 20, 60])
def test_the_factor_is_the_same_to_the_last_bit_on_any_number_of_cores(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = rows(5 * piece_rows(d + 2) + 3, d)
    factors = []
    for cores in (1, 2, 7):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        factors.append(reduced([(X, y)])[1])
    assert_array_equal(factors[1], factors[0])
    assert_array_equal(factors[2], factors[0])


@pytest.mark.parametrize("columns", [1, 3, 22, 44, 46])
def test_many_rows_are_reduced_panel_by_panel_to_the_factor_of_them_all(columns: int) -> None:
    A = np.random.default_rng(columns).normal(size=(30_001, columns))
    factor = triangular_factor(A)
    assert_array_equal(factor, np.triu(factor))
    assert_allclose(np.abs(factor), np.abs(np.linalg.qr(A, mode="r")), rtol=1e-9, atol=1e-10)


def whole_numbers(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    """Return features and a target near their plane, small whole numbers, whose products float64 holds exactly."""
    generator = np.random.default_rng(seed)
    X = np.round(1000 * generator.normal(size=(n, d)))
    return X, X @ np.arange(1.0, d + 1) + np.round(10 * generator.normal(size=n))


def assert_products_agree(factor: Array, columns: Array, eps: float) -> None:
    """Assert that a factor of whole numbers moved no column by more than so much of its norm."""
    exact = (columns.T @ columns).astype(float)
    norms = np.sqrt(np.diag(exact))
    assert_allclose((factor / norms).T @ (factor / norms), exact / np.outer(norms, norms), rtol=0, atol=eps)


def by_products(X: Array, y: Array, *, keep: bool = True) -> Array | None:
    return cholesky_factor(X, y, Preconditioner.of_sample(X, y, keep=keep))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("more", [0, 1, 1000])
@pytest.mark.parametrize("d", [0, 1, 3, 20, 43])
def test_products_of_matrices_give_a_factor_as_accurate_as_reflections(d: int, more: int, keep: bool) -> None:
    X, y = whole_numbers(many_rows(d + 2) + more, d)
    y = y + np.round(1000 * np.random.default_rng(d).normal(size=len(y)))
    factor = by_products(X, y, keep=keep)
    assert factor is not None
    assert_array_equal(factor, np.triu(factor))
    assert_products_agree(factor, with_ones(X, y), 1e-14)


@pytest.mark.parametrize("spread", [1.0, 1e-1, 1e-2, 1e-3, 1e-5])
def test_nearly_dependent_columns_cost_no_digit(spread: float) -> None:
    X, y = whole_numbers(many_rows(5), 3)
    X[:, 1] = 1000 * X[:, 0] + np.round(1000 * spread * X[:, 1])
    y = y + X[:, 1]
    assert_products_agree(reduced([(X, y)])[1], with_ones(X, y).astype(np.int64), 1e-14)


@pytest.mark.parametrize("offset", [1, 5, 50, 5000])
@pytest.mark.parametrize("d", [1, 3, 20])
def test_columns_far_from_zero_cost_no_digit(d: int, offset: int) -> None:
    X, y = whole_numbers(many_rows(d + 2) + 1, d)
    X[:, -1] += 1000 * offset
    assert_products_agree(reduced([(X, y)])[1], with_ones(X, y).astype(np.int64), 1e-14)


def test_the_minimum_and_the_parameters_of_many_rows_are_the_exact_ones() -> None:
    X, y = whole_numbers(many_rows(5), 3)
    pivots = [[Fraction(int(product)) for product in row] for row in with_ones(X, y).T @ with_ones(X, y)]
    for k in range(4):
        for row in pivots[k + 1 :]:
            row[k:] = [value - row[k] / pivots[k][k] * top for value, top in zip(row[k:], pivots[k][k:], strict=True)]
    factor = reduced([(X, y)])[1]
    assert_allclose(np.diag(factor) ** 2, [float(pivots[k][k]) for k in range(5)], rtol=1e-12)
    assert_allclose(factor[3, 4] / factor[3, 3], float(pivots[3][4] / pivots[3][3]), rtol=1e-10)


@pytest.mark.parametrize("d", [1, 20])
def test_the_minimum_of_many_rows_that_lie_in_a_plane_is_zero(d: int) -> None:
    X, _ = rows(many_rows(d + 2) + 5, d)
    factor = reduced([(X, X @ np.arange(1.0, d + 1) + 1)])[1]
    assert factor[-1, -1] ** 2 < 1e-30 * np.sum(factor[:, -1] ** 2)


def test_columns_of_very_different_size_are_reduced_alike() -> None:
    X, y = rows(many_rows(5), 3)
    sizes = 2.0 ** np.array([-490, 0, 490])
    factor, scaled = by_products(X, y, keep=False), by_products(X * sizes, y * 2.0**-400, keep=False)
    assert factor is not None
    assert scaled is not None
    assert_allclose(scaled, factor * np.append(sizes, [1, 2.0**-400]), rtol=1e-12)
    assert by_products(X * sizes, y * 2.0**-400) is None  # where columns stay, squares would be out of range
    assert_array_equal(reduced([(X * sizes, y * 2.0**-400)])[1], scaled)


@pytest.mark.parametrize("size", [1e-170, 1e-158, 1e-150, 1e-130, 1e130, 1e150, 1e160])
def test_columns_whose_squares_are_hardly_numbers_lose_no_digit(size: float) -> None:
    X, y = rows(many_rows(5), 3)
    factor, scaled = reduced([(X, y)])[1], reduced([(X * size, y * size)])[1] / np.array([size, size, size, 1, size])
    signs = np.sign(np.diag(factor) * np.diag(scaled))
    assert_allclose(scaled * signs[:, None], factor, rtol=1e-11)


def test_columns_that_are_nearly_orthogonal_stay_as_they_are() -> None:
    X, y = rows(many_rows(6), 4)

    def kept(X: Array, y: Array) -> int:
        preconditioner = Preconditioner.of_sample(X, y, keep=True)
        assert preconditioner is not None
        return int((preconditioner.factor == np.eye(6)).all(axis=0).sum())

    assert kept(X, y) == 5
    assert kept(X, X @ np.ones(4) + 0.01 * y) == 5
    assert kept(X + np.array([0, 0, 0, 100]), y) == 4  # oblique to the column of ones, not to the others
    assert kept(np.random.default_rng(0).random(X.shape), y) == 4
    assert kept(X + 5, y) == 0
    assert kept(X @ [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0.01, 0], [0, 0, 0, 1]], y) == 0


@pytest.mark.parametrize("d", [1, 20])
@pytest.mark.parametrize("sort", [True, False])
def test_later_rows_that_are_quite_different_are_reduced_as_well(d: int, sort: bool) -> None:
    X, y = whole_numbers(4 * piece_rows(d + 2) + 5, d)
    half = len(y) // 2
    if sort:
        order = np.argsort(X[:, 0])
        X, y = X[order], y[order]
    else:
        X[half:, -1] = 1000 * X[half:, 0] + np.round(X[half:, -1] / 100)
        y[half:] += X[half:, -1]
    factor = reduced([(X, y)])[1]
    assert_products_agree(factor, with_ones(X, y), 1e-14)


@pytest.mark.parametrize("size", [1, 10**3, 10**6])
def test_later_rows_of_another_scale_lose_no_digit(size: int) -> None:
    # In a sample of the first piece the factors are exactly orthogonal: nothing there warns of what comes.
    n = piece_rows(5)
    sampled = np.arange(n) // (n // (5 * SAMPLE_ROWS))
    design = np.stack([1 - 2 * (sampled >> shift & 1) for shift in range(4)], axis=1) * (sampled < 80)[:, None]
    later = np.round(1000 * np.random.default_rng(0).normal(size=(n, 4))) * [size, 1, 1, 1]
    *factors, y = np.concatenate([design, later]).T
    X = np.stack([5 * factors[0], 5 * factors[0] + factors[1], 5 * factors[1] + factors[2]], axis=1)
    assert_products_agree(reduced([(X, y)])[1], with_ones(X, y), 1e-14)


def test_rows_that_the_first_preconditioner_does_not_suit_get_their_own() -> None:
    X, y = rows(many_rows(5), 3)
    other = X.copy()
    other[:, 1] = other[:, 0] + 0.01 * other[:, 1]
    first = Preconditioner.of_sample(X, y, keep=True)
    assert cholesky_factor(other, y, first) is None
    assert_array_equal(counted_factor([(other, y)], first)[1], by_products(other, y, keep=False))
    nearly_dependent(other)
    assert_array_equal(counted_factor([(other, y)], first)[1], triangular_factor(with_ones(other, y)))


def constant(X: Array) -> None:
    X[:, 1] = 2


def dependent(X: Array) -> None:
    X[:, 2] = X[:, 0] - X[:, 1]


def nearly_dependent(X: Array) -> None:
    X[:, 1] = X[:, 0] + 1e-6 * X[:, 1]


def one_row_far_away(X: Array) -> None:
    X[7] *= 1e6


def zero_but_for_one_row(X: Array) -> None:
    X[:, 1] = 0
    X[7, 1] = 1


def too_small(X: Array) -> None:
    X[:, 1] *= 1e-310


def too_large(X: Array) -> None:
    X[:, 1] = 1e308


def not_finite(X: Array) -> None:
    X[7, 1] = np.nan


@pytest.mark.parametrize(
    "spoil",
    [constant, dependent, nearly_dependent, one_row_far_away, zero_but_for_one_row, too_small, too_large, not_finite],
)
def test_data_that_products_might_lose_digits_of_are_left_to_reflections(spoil: Callable[[Array], None]) -> None:
    X, y = rows(many_rows(5), 3)
    spoil(X)
    assert by_products(X, y) is None
    assert_array_equal(reduced([(X, y)])[1], triangular_factor(with_ones(X, y)))


def test_short_data_are_reduced_by_reflections_alone() -> None:
    X, y = rows(1000, 20)
    assert_array_equal(reduced([(X, y)])[1], triangular_factor(with_ones(X, y)))


def test_few_rows_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", None)
    X, y = rows(1000, 2)
    assert reduced([(X[:3], y[:3]), (X[3:500], y[3:500]), (X[500:], y[500:])])[0] == 1000


def test_rows_in_a_buffer_that_is_used_again_are_read_as_they_were() -> None:
    X, y = rows(40 * (CHUNK_ROWS // 10), 2)
    features, target = np.empty((CHUNK_ROWS // 10, 2)), np.empty(CHUNK_ROWS // 10)

    def chunks() -> Iterator[Chunk]:
        for first in range(0, len(y), len(target)):
            features[:], target[:] = X[first : first + len(target)], y[first : first + len(target)]
            yield features, target

    assert_array_equal(reduced(chunks())[1], reduced([(X, y)])[1])


@pytest.mark.parametrize("copy", [True, False])
def test_chunks_are_copied_only_if_asked(copy: bool) -> None:
    X, y = rows(5, 2)
    [[(features, target)]] = regrouped(iter([(X, y)]), copy=copy)
    assert np.shares_memory(features, X) == np.shares_memory(target, y) == (not copy)


def test_what_reading_raises_behind_many_chunks_is_raised() -> None:
    X, y = rows(CHUNK_ROWS, 2)

    def chunks() -> Iterator[Chunk]:
        for _ in range(6):
            yield X, y
        raise OSError("gone")

    with pytest.raises(OSError, match=r"^gone$"):
        reduced(chunks())


def test_chunks_without_rows_change_nothing() -> None:
    X, y = rows(5, 2)
    n, factor = reduced([(X[:0], y[:0]), (X, y), (X[:0], y[:0])])
    assert n == 5
    assert_array_equal(factor, reduced([(X, y)])[1])


def test_integers_are_rows_like_any_other() -> None:
    X, y = np.array([[1], [2], [4]]), np.array([1, 0, 1])
    assert_array_equal(reduced([(X, y)])[1], reduced([(X.astype(float), y.astype(float))])[1])


@pytest.mark.parametrize("d", [1, 3, 20])
@pytest.mark.parametrize("dtype", ["int8", "int64", "float32"])
def test_many_rows_of_another_type_are_reduced_as_floats(dtype: str, d: int) -> None:
    X, y = (np.round(10 * values).astype(dtype) for values in rows(many_rows(d + 2), d))
    assert_array_equal(reduced([(X, y)])[1], reduced([(X.astype(float), y.astype(float))])[1])


@pytest.mark.parametrize("d", [1, 4, 20, 43])
def test_where_the_numbers_lie_in_memory_changes_no_bit(d: int) -> None:
    X, y = rows(many_rows(d + 2) + 7, d)
    factor = reduced([(X, y)])[1]
    beside = np.column_stack([y, X, y])
    backwards = np.ascontiguousarray(X[::-1])[::-1], np.ascontiguousarray(y[::-1])[::-1]
    for features, target in [(np.asfortranarray(X), y), (beside[:, 1:-1], beside[:, 0]), backwards]:
        assert_array_equal(reduced([(features, target)])[1], factor)
    for shift in (1, 4, 8, 16, 24, 32, 40, 48, 56):
        features, target = (np.frombuffer(bytes(shift) + part.tobytes(), offset=shift) for part in (X, y))
        assert_array_equal(reduced([(features.reshape(X.shape), target)])[1], factor)


@pytest.mark.parametrize("columns", [columns for columns in range(2, 100) if panel_rows(columns)])
def test_products_are_too_small_for_threads_of_blas(columns: int) -> None:
    side_by_side = FULL_COLUMNS if columns < FEW_COLUMNS else 1
    assert block_rows(columns) * columns * (side_by_side * columns + 1) <= 2**18
    assert block_rows(columns) * columns <= 2304 * 4


@pytest.mark.parametrize("chunks", [[], [(np.empty((0, 2)), np.empty(0))]])
def test_data_without_a_row_are_refused(chunks: list[tuple[Array, Array]]) -> None:
    with pytest.raises(DataError, match=r"^the data have no row$"):
        reduced(chunks)


@pytest.mark.parametrize(
    ("features", "target"),
    [((5000, 1), (4096,)), ((3, 3), (3,)), ((3, 1), (3, 1)), ((3,), (3,)), ((3, 1), ()), ((1, 3, 1), (3,))],
)
def test_a_chunk_of_another_shape_is_refused(features: tuple[int, ...], target: tuple[int, ...]) -> None:
    first = (np.ones((2, 1)), np.ones(2))
    with pytest.raises(DataError) as error:
        reduced([first, (np.ones(features), np.ones(target))])
    assert str(error.value) == (
        f"a chunk has features of shape {features} and a target of shape {target}; "
        "they must be (rows, d) and (rows,), with the same d in every chunk"
    )


def test_a_piece_of_thousands_of_columns_is_reduced() -> None:
    rows = np.random.default_rng(0).standard_normal((3, 4100))
    n, factor = reduced([(rows[:, 2:], rows[:, 0])])
    assert (n, factor.shape) == (3, (4100, 4100))
