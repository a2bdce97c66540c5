"""The R factor of [X, 1, y]: all that least squares needs to know of the data.

Built piece by piece as in TSQR (Demmel, Grigori, Hoemmen and Langou, "Communication-optimal parallel and
sequential QR and LU factorizations", SIAM J. Sci. Comput. 34, 2012): the R factor of stacked R factors is the
R factor of the stacked rows. A long piece is reduced by products of matrices, which run many times faster than
reflections, as in preconditioned Cholesky QR (Fukaya, Kannan, Nakatsukasa, Yamamoto and Yanagisawa, "Shifted Cholesky
QR for computing the QR factorization of ill-conditioned matrices", SIAM J. Sci. Comput. 42, 2020), where that is
sure to lose no digit; Householder's reflections reduce every other. Where the rows are cut, and in which order factors
merge, depends on the shape of the data alone: the result is the same to the last bit on any number of cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.errors import DataError
from gdexp.core.threads import mapped

Array: TypeAlias = NDArray[np.float64]
Chunk: TypeAlias = tuple[Array, Array]
"""Features of shape (rows, d) and target of shape (rows,)."""

PANEL_NUMBERS = 2**13
"""Numbers of one call of LAPACK: they fit a fast cache, and are too few for BLAS to start threads of its own."""
BLOCK_NUMBERS = 2**12
"""Numbers of one product of matrices, for the same reasons."""
BLOCKS = 8
"""Blocks that one call of NumPy multiplies."""
STACKS = 32
"""Such calls that a thread carries out before it hands in a factor: with half as many, the sample, the checks and the
merge take a tenth of the time or more."""
SAMPLE_ROWS = 16
"""Rows for each column, evenly spread, whose factor is the preconditioner of a piece."""
MOST_GROWTH, WORST_CONDITION = 2e2, 1e2
"""How far the preconditioner, and the Gram matrix, may magnify rounding errors."""


def triangular_factor(rows: Array) -> Array:
    """Return the R factor of `rows`, square: zero rows are added where there are fewer rows than columns."""
    columns = rows.shape[1]
    panel = panel_rows(columns)
    while panel and len(rows) > panel:
        whole = len(rows) - len(rows) % panel
        factors = np.asarray(np.linalg.qr(rows[:whole].reshape(-1, panel, columns), mode="r"))
        rows = np.concatenate([factors.reshape(-1, columns), rows[whole:]])
    factor = np.asarray(np.linalg.qr(rows, mode="r"))
    missing = factor.shape[1] - factor.shape[0]
    return np.pad(factor, ((0, missing), (0, 0))) if missing else factor


def panel_rows(columns: int) -> int:
    """Return how many rows of so many columns one call of LAPACK takes; 0 for all, where the columns are many."""
    rows = PANEL_NUMBERS // columns
    return rows if rows >= 4 * columns else 0  # fewer would hardly shrink


def merge(first: Array, second: Array) -> Array:
    """Return the R factor of the rows of both factors together."""
    return triangular_factor(np.concatenate([first, second]))


def cholesky_factor(X: Array, y: Array) -> Array | None:
    """Return the R factor of [X, 1, y], or None where it might not be as accurate as Householder's.

    The number of rows must be a multiple of stack_rows. Multiplied by the inverse of R0, the R factor of a sample, they
    are Q, whose columns are so near to orthogonal that their Gram matrix loses nothing: R = chol(Q^T Q) R0. To round
    the inverse and Q is to move column k of the data by a few eps of its norm times sum_j (|R0^-1| |R0|)_jk, the
    columns of R0 scaled alike; to round the Gram matrix, by a few eps times its condition number. Both are checked.
    """
    d, columns = X.shape[1], X.shape[1] + 2
    block, stack = BLOCK_NUMBERS // columns, stack_rows(columns)
    step = len(y) // (SAMPLE_ROWS * columns)
    with np.errstate(all="ignore"):
        try:
            preconditioner = triangular_factor(with_ones(X[::step], y[::step]))
            sizes = np.abs(preconditioner).max(axis=0)
            scaled = preconditioner / sizes
            inverse = np.linalg.inv(scaled)
            growth = (np.abs(inverse) @ np.abs(scaled)).sum(axis=0).max()
            if not growth <= MOST_GROWTH:
                return None
            # A last row of zeros keeps NumPy from BLAS's syrk, which takes twice as long for products of this shape.
            left = np.concatenate([(inverse / sizes[:, None]).T, np.zeros((1, columns))])
            A, Q = np.ones((BLOCKS, columns, block)), np.empty((BLOCKS, columns + 1, block))
            products = np.zeros((BLOCKS, columns, columns + 1))
            for first in range(0, len(y), stack):
                rows = slice(first, first + stack)
                A[:, :d] = X[rows].reshape(BLOCKS, block, d).swapaxes(1, 2)
                A[:, -1] = y[rows].reshape(BLOCKS, block)
                np.matmul(left, A, out=Q)
                products += Q[:, :-1] @ Q.swapaxes(1, 2)
            gram = products.sum(axis=0)[:, :-1]
            eigenvalues = np.linalg.eigvalsh(gram)
            if not eigenvalues[-1] <= WORST_CONDITION * eigenvalues[0]:
                return None
            factor: Array = np.linalg.cholesky(gram).T @ preconditioner
        except np.linalg.LinAlgError:
            return None
    return factor


def stack_rows(columns: int) -> int:
    """Return how many rows of so many columns cholesky_factor takes at once."""
    return BLOCKS * (BLOCK_NUMBERS // columns)


def piece_rows(columns: int) -> int:
    """Return how many rows of so many columns a thread reduces at once."""
    return max(STACKS * stack_rows(columns), 4 * columns)


def reduced(chunks: Iterable[Chunk]) -> tuple[int, Array]:
    """Return how many rows `chunks` hold and the R factor of [X, 1, y] over them, in their order."""
    pieces = regrouped(chunks)
    first = next(pieces, None)
    if first is None:
        raise DataError("the data have no row")
    columns = first[0][0].shape[1] + 2
    pieces = chain([first], pieces)
    # The columns of wide data are enough for the threads of BLAS, which two callers at once only slow down.
    parts = mapped(counted_factor, pieces) if panel_rows(columns) else map(counted_factor, pieces)
    n, factor = next(parts)
    for rows, part in parts:
        n, factor = n + rows, merge(factor, part)
    return n, factor


def counted_factor(piece: list[Chunk]) -> tuple[int, Array]:
    """Return how many rows a piece has, and the R factor of [X, 1, y] over them."""
    X, y = (np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*piece, strict=True))
    columns = X.shape[1] + 2
    whole = len(y) - len(y) % stack_rows(columns) if panel_rows(columns) else 0
    factor = cholesky_factor(X[:whole], y[:whole]) if 0 < 2 * stack_rows(columns) <= whole else None
    if factor is None:
        return len(y), triangular_factor(with_ones(X, y))
    rest = with_ones(X[whole:], y[whole:])
    return len(y), merge(factor, triangular_factor(rest)) if len(rest) else factor


def with_ones(X: Array, y: Array) -> Array:
    """Return [X, 1, y]."""
    rows = np.ones((len(y), X.shape[1] + 2))
    rows[:, :-2], rows[:, -1] = X, y
    return rows


def regrouped(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Yield the rows in pieces of equal size, the last of what is left, however `chunks` cut them.

    A piece is the list of the parts of chunks that it takes: copies, but for chunks that are all in memory at once, as
    others may be drawn into a buffer that is used again. Raises DataError for a chunk whose shape does not fit.
    """
    in_memory = isinstance(chunks, list | tuple)
    piece: list[Chunk] = []
    missing, d = 0, None
    for X, y in chunks:
        features = X.shape[1:] if d is None else (d,)
        if len(features) != 1 or X.shape != (*y.shape, *features):
            raise DataError(
                f"a chunk has features of shape {X.shape} and a target of shape {y.shape}; "
                "they must be (rows, d) and (rows,), with the same d in every chunk"
            )
        taken = 0
        while taken < len(y):
            d = features[0]
            if not piece:
                missing = piece_rows(d + 2)
            rows = slice(taken, min(taken + missing, len(y)))
            part = (X[rows], y[rows])
            piece.append(part if in_memory else (part[0].copy(), part[1].copy()))
            missing, taken = missing - len(part[1]), rows.stop
            if not missing:
                yield piece
                piece = []
    if piece:
        yield piece
