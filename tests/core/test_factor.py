from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gdexp.core import DataError
from gdexp.core.factor import CHUNK_NUMBERS, Array, Chunk, merge, reduced, triangular_factor

CHUNK_ROWS = CHUNK_NUMBERS // 4
"""Rows of two features that are reduced at once."""


def rows(n: int, d: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(n)
    return generator.normal(size=(n, d)), generator.normal(size=n)


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
    parts = zip(np.split(X, cuts), np.split(y, cuts), strict=True)
    assert_array_equal(reduced(parts)[1], reduced([(X, y)])[1])


@pytest.mark.parametrize("d", [1, 20, 60])
def test_the_factor_is_the_same_to_the_last_bit_on_any_number_of_cores(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = rows(5 * CHUNK_NUMBERS // (d + 2) + 3, d)
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
