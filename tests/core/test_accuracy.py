"""The recorded minimum against exact rational arithmetic, within what a backward error of a few eps allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp.core import DataError, LeastSquares
from gdexp.core.factor import BLOCK_NUMBERS, BLOCKS, Array

EPS = float(np.finfo(np.float64).eps)
LINE = np.linspace(0, 1, 12)


def exact(X: Array, y: Array) -> tuple[Fraction, list[Fraction]]:
    """Return n times the least mean squared error, and parameters that reach it, exactly.

    Elimination on the rational Gram matrix of [X, 1, y]; a column that depends on earlier ones gets the parameter 0.
    """
    columns = [*X.T.tolist(), [1] * len(y), y.tolist()]
    whole = [[Fraction(value) for value in column] for column in columns]
    # Sums of integers are quick: every column is a multiple of a power of two.
    units = [max((value.denominator for value in column), default=1) for column in whole]
    integers = [[int(value * unit) for value in column] for column, unit in zip(whole, units, strict=True)]
    gram = [
        [
            Fraction(sum(map(int.__mul__, one, other)), unit * another)
            for other, another in zip(integers, units, strict=True)
        ]
        for one, unit in zip(integers, units, strict=True)
    ]
    p = len(gram) - 1
    pivots = []
    for k in range(p):
        if not gram[k][k]:
            continue
        pivots.append(k)
        for i in range(k + 1, p + 1):
            factor = gram[i][k] / gram[k][k]
            if factor:
                gram[i] = [a - factor * b for a, b in zip(gram[i], gram[k], strict=True)]
    theta = [Fraction(0)] * p
    for k in reversed(pivots):
        known = sum((gram[k][j] * theta[j] for j in range(k + 1, p)), Fraction(0))
        theta[k] = (gram[k][p] - known) / gram[k][k]
    return gram[p][p], theta


def root(value: Fraction) -> float:
    """Return the square root of a rational, whatever its size."""
    shift = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    return float(np.ldexp(np.sqrt(float(value / Fraction(4) ** shift)), shift)) if value else 0.0


def assert_least(X: Array, y: Array) -> None:
    """Assert that the recorded minimum is that of data which differ by a few eps from these, and no other.

    Where A theta = y is moved to (A + E) theta = y + e, the least residual moves by at most |E| |theta| + |e| (the
    residual of the one's solution in the other). Householder's reflections have |E_j| <= c n p eps |A_j| in each column
    (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, theorem 19.4, where n is seldom felt); null modes
    take away another p eps |A|.
    """
    problem = LeastSquares.from_arrays(X, y)
    squares, theta = exact(X, y)
    A = np.column_stack([X, np.ones(len(y))])
    norms = np.array([math.hypot(*column) for column in A.T])
    p = problem.p
    largest = Fraction(np.finfo(np.float64).max)
    sizes = np.maximum([float(min(abs(value), largest)) for value in theta], np.abs(problem.minimizer))
    with np.errstate(over="ignore"):
        moved = p * EPS * (norms @ sizes + math.hypot(*y))
    if len(problem.spectrum.eigenvalues) < p:
        moved += p * EPS * math.hypot(*norms) * math.hypot(*sizes)
    found, least = np.sqrt(len(y)) * np.sqrt(problem.minimum_mse), root(squares)
    assert abs(found - least) <= moved


@pytest.mark.parametrize(
    "columns",
    [
        [LINE],
        [LINE, np.full(12, 7.0)],
        [np.full(12, 7.0)],
        [np.full(12, 0.1)],
        [np.zeros(12)],
        [LINE, 2 * LINE, 3 * LINE + 1],
        [1e4 * LINE, 1e-4 * LINE**2],
        [1e8 * LINE, 1e-8 * LINE**2],
        [1e150 * LINE, 1e-150 * LINE**2],
        [1e150 * LINE],
        [1e-150 * LINE],
        [5e-324 * np.arange(12)],
        [1e-310 * np.arange(12)],
        [1e8 + LINE],
        [LINE**k for k in range(1, 9)],
        [1 / (np.arange(12) + k) for k in range(1, 7)],
        [LINE, np.nextafter(LINE, 2)],
    ],
    ids=[
        "line", "constant beside a line", "constant", "inexact constant", "zeros", "dependent", "mixed scales",
        "very mixed scales", "huge and tiny", "huge", "tiny", "subnormal", "nearly subnormal", "far from zero",
        "powers", "Hilbert", "equal but for the last bit",
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", [LINE**2 + 1, np.cos(9 * LINE), 1e12 + LINE, 1e140 * LINE**2, 1e-140 * LINE**2])
def test_the_minimum_of_a_hard_problem_is_exact_to_a_few_eps(columns: Sequence[Array], target: Array) -> None:
    assert_least(np.column_stack(columns), target)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 5), (3, 8), (2, 2), (6, 5)])
def test_the_minimum_of_few_rows_is_exact_to_a_few_eps(n: int, d: int) -> None:
    generator = np.random.default_rng(n)
    assert_least(generator.normal(size=(n, d)), generator.normal(size=n))


@pytest.mark.parametrize("spread", [1, 10, 1000, 10**6])
@pytest.mark.parametrize("offset", [0, 1000, 10**6])
def test_the_minimum_of_many_rows_is_exact_to_a_few_eps(spread: int, offset: int) -> None:
    n = 2 * BLOCKS * BLOCK_NUMBERS // 5 + 7  # long enough for products of matrices
    generator = np.random.default_rng(spread)
    x = generator.integers(-spread, spread, n, endpoint=True) + offset
    twin = x + generator.integers(-1, 1, n, endpoint=True)
    target = 3 * x - 2 * twin + generator.integers(-2, 2, n, endpoint=True)
    assert_least(np.column_stack([x, twin]).astype(float), target.astype(float))


small = st.integers(-4, 4)
scales = st.integers(-300, 300).map(lambda exponent: 2.0**exponent)


@given(rows=st.lists(st.tuples(small, small, small, small), min_size=1, max_size=8), scale=st.tuples(*[scales] * 4))
def test_the_minimum_of_columns_of_any_scale_is_exact_to_a_few_eps(
    rows: list[tuple[int, ...]], scale: tuple[float, ...]
) -> None:
    table = np.array(rows, dtype=float) * scale
    assert_least(table[:, :3], table[:, 3])


@given(rows=st.lists(st.tuples(small, small, small), min_size=1, max_size=8), exponent=st.integers(-400, 400))
def test_the_minimum_scales_with_the_target_to_the_last_bit(rows: list[tuple[int, ...]], exponent: int) -> None:
    table = np.array(rows, dtype=float)
    minimum = LeastSquares.from_arrays(table[:, :2], table[:, 2]).minimum_mse
    scaled = LeastSquares.from_arrays(table[:, :2], np.ldexp(table[:, 2], exponent)).minimum_mse
    assert scaled == np.ldexp(minimum, 2 * exponent)


@pytest.mark.parametrize("size", [1e155, 1e300])
def test_data_whose_squares_overflow_are_refused(size: float) -> None:
    for X, y in ((size * LINE, LINE), (LINE, size * LINE)):
        with pytest.raises(DataError, match=r"rescale|too large to be squared"):
            LeastSquares.from_arrays(X[:, None], y)
