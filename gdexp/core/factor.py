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
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import gcd
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
BLOCK_NUMBERS = 5 * 2**10
"""Numbers of one product of matrices, for the same reasons: BLAS starts threads where its rows times the square of its
columns are 2**18 or more."""
BLOCKS = 54
"""Blocks that one call of NumPy multiplies: with far fewer, threads wait for the interpreter's lock."""
FEW_COLUMNS, FULL_COLUMNS = 8, 4
"""With fewer, BLAS multiplies rows side by side in less time than one below the other; such a multiple fills the
registers that it multiplies with."""
STACKS = 4
"""Such calls that a thread carries out before it hands in a factor: with half as many, the checks and the merge take a
tenth of the time or more. So many are 50,000 rows of 20 features: round numbers of rows leave no short last piece."""
FEWEST_BLOCKS = 16
"""With fewer, Householder's reflections are as fast as products of matrices."""
SAMPLE_ROWS = 16
"""Rows for each column, evenly spread, whose factor the preconditioner is."""
MOST_GROWTH, WORST_CONDITION = 2e2, 1e2
"""The most that the preconditioner may magnify rounding errors, and the largest condition number of a piece's Gram
matrix, its columns in units of their sizes in the sample."""
KEPT_CONDITION = 50.0
"""The largest condition number in the sample of the Gram matrix of columns that stay as they are, scaled to norm 1:
half of WORST_CONDITION, as a later piece may be worse."""
COPIED_COLUMNS = 4
"""No more are copied one by one out of wider rows: NumPy is slow with short rows that lie apart."""
FREED_BYTES = 2**24
"""The size of an array that is freed before any other. From then on glibc takes smaller ones from memory that this
process keeps, up to twice as much, where otherwise the system would clear pages for each."""
LEAST_SQUARE = 1e-280
"""Of a column's norm: so it, and the squares of the numbers that count in it, keep all their digits."""


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


def merge(*factors: Array) -> Array:
    """Return the R factor of the rows of all factors together: a single one as it is."""
    return triangular_factor(np.concatenate(factors)) if len(factors) > 1 else factors[0]


@dataclass(frozen=True)
class Preconditioner:
    """An upper triangular R0 such that the columns of Q = [X, 1, y] R0^-1 are nearly orthogonal.

    `factor` is R0, of shape (d + 2, d + 2); `inverse` its inverse, or only the last two columns where all others of Q
    are those of X. `sizes` (d + 2,) are the norms of Q's columns in the sample that R0 comes from.
    """

    factor: Array
    inverse: Array
    sizes: Array

    @classmethod
    def of_sample(cls, X: Array, y: Array, *, keep: bool) -> Preconditioner | None:
        """Return the R factor of evenly spread rows; if `keep`, X and 1, or X, stay if they are nearly orthogonal.

        Return None where rounding errors grow too much, or where the rows are too few for products to be faster.
        """
        d = X.shape[1]
        columns = d + 2
        if not panel_rows(columns) or len(y) < FEWEST_BLOCKS * block_rows(columns):
            return None
        step = len(y) // (SAMPLE_ROWS * columns)
        with np.errstate(all="ignore"):
            try:
                factor = triangular_factor(with_ones(X[::step], y[::step]))
                largest = np.abs(factor).max(axis=0)
                scaled = factor / largest
                inverse = np.linalg.inv(scaled)
            except np.linalg.LinAlgError:
                return None
            growth = (np.abs(inverse) @ np.abs(scaled)).sum(axis=0)
            if not growth.max() <= MOST_GROWTH:
                return None
            inverse /= largest[:, None]
            norms = np.hypot.reduce(factor[:, :-1], axis=0)
            fit = (k for k in (d + 1, d) if k and np.linalg.cond(factor[:k, :k] / norms[:k]) ** 2 <= KEPT_CONDITION)
            kept = next(fit, 0) if keep else 0
            sizes = np.append(norms[:kept], np.ones(columns - kept))
            factor[:kept, kept:] = inverse[:kept, :kept] @ factor[:kept, kept:]
            factor[:kept, :kept] = inverse[:kept, :kept] = np.eye(kept)
        return cls(factor, inverse[:, d:] if kept else inverse, sizes)

    def gram(self, X: Array, y: Array) -> Array:
        """Return Q^T Q over blocks of rows, (blocks, rows, d) and (blocks, rows)."""
        d = X.shape[2]
        if self.inverse.shape[1] > 2:
            return products_of_columns(with_ones(X, y) @ self.inverse)
        # The columns that stay are multiplied where they are, in a fraction of the time.
        of_ones, of_target = self.inverse.T
        ones = X @ of_ones[:d] + of_ones[d] if of_ones[:d].any() else np.full(y.shape, of_ones[d])
        target = X @ of_target[:d] + (of_target[d] + of_target[d + 1] * y)
        gram = np.empty((d + 2, d + 2))
        gram[:d, :d] = products_of_columns(X)
        for k, q in enumerate((ones, target), start=d):
            gram[k, :d] = gram[:d, k] = (q[:, None] @ X).sum(axis=(0, 1))
            gram[k, k] = (q[:, None] @ q[..., None]).sum()
        gram[d, -1] = gram[-1, d] = (ones[:, None] @ target[..., None]).sum()
        return gram


def products_of_columns(rows: Array) -> Array:
    """Return the sum of A^T A, of shape (columns, columns), over blocks A of `rows`, (blocks, rows, columns)."""
    blocks, height, columns = rows.shape
    # BLAS is slow with few columns, least so with a multiple of four: then as many rows side by side as make one are
    # one row, and the products of one with another are left out.
    side = FULL_COLUMNS // gcd(FULL_COLUMNS, columns)
    if columns >= FEW_COLUMNS or height % side:
        side = 1
    rows = rows.reshape(blocks, height // side, side * columns)
    products = (rows.swapaxes(1, 2) @ rows).sum(axis=0)
    return np.asarray(products.reshape(side, columns, side, columns).trace(axis1=0, axis2=2))


def cholesky_factor(X: Array, y: Array, preconditioner: Preconditioner | None) -> Array | None:
    """Return the R factor of [X, 1, y], or None where it might not be as accurate as Householder's.

    Multiplied by the inverse of R0 the rows are Q, whose columns are so near to orthogonal that their Gram matrix loses
    nothing: R = chol(Q^T Q) R0. To round the inverse and Q is to move column k of the data by a few eps of its norm
    times sum_j (|R0^-1| |R0|)_jk, the columns of R0 scaled alike; to round the Gram matrix, by a few eps times its
    condition number, which is that of the columns in units of their sizes in the sample: so it is large, too, where the
    rows are not scaled as R0 is. Both are checked, and that no square leaves the range of floats.
    """
    if preconditioner is None:
        return None
    # BLAS rounds in other ways what lies otherwise in memory, and integers would overflow.
    X, y = (np.require(part, np.float64, ["C", "ALIGNED"]) for part in (X, y))
    with np.errstate(all="ignore"):
        gram = np.sum([preconditioner.gram(*stack) for stack in stacks(X, y)], axis=0)
        scaled = gram / preconditioner.sizes / preconditioner.sizes[:, None]
        try:
            eigenvalues = np.linalg.eigvalsh(scaled)
            if not (np.diag(gram).min() > LEAST_SQUARE and eigenvalues[-1] <= WORST_CONDITION * eigenvalues[0]):
                return None
            factor: Array = np.linalg.cholesky(gram).T @ preconditioner.factor
        except np.linalg.LinAlgError:
            return None
    return factor


def block_rows(columns: int) -> int:
    """Return how many rows of so many columns one product of matrices takes."""
    rows = BLOCK_NUMBERS // columns
    return rows - rows % FULL_COLUMNS


def piece_rows(columns: int) -> int:
    """Return how many rows of so many columns a thread reduces at once."""
    return max(STACKS * BLOCKS * block_rows(columns), 4 * columns)


def stacks(X: Array, y: Array) -> Iterator[Chunk]:
    """Yield the rows in stacks of up to BLOCKS whole blocks, (blocks, rows, d) and (blocks, rows).

    The rows that are left over, perhaps none, come last as a shorter block.
    """
    d = X.shape[1]
    block = block_rows(d + 2)
    blocks = len(y) // block
    whole = blocks * block
    features, target = X[:whole].reshape(blocks, block, d), y[:whole].reshape(blocks, block)
    for first in range(0, blocks, BLOCKS):
        yield features[first : first + BLOCKS], target[first : first + BLOCKS]
    yield X[None, whole:], y[None, whole:]


def reduced(chunks: Iterable[Chunk], *, copy: bool = True) -> tuple[int, Array]:
    """Return how many rows `chunks` hold and the R factor of [X, 1, y] over them, in their order.

    With `copy=False` no chunk may be overwritten once it is drawn, else the result is wrong; a list needs no copies.
    """
    np.empty(FREED_BYTES, np.uint8)
    pieces = regrouped(chunks, copy=copy and not isinstance(chunks, list | tuple))
    first = next(pieces, None)
    if first is None:
        raise DataError("the data have no row")
    X, y = joined(first)
    columns = X.shape[1] + 2
    reduce = partial(counted_factor, preconditioner=Preconditioner.of_sample(X, y, keep=True))
    pieces = chain([[(X, y)]], pieces)
    # The columns of wide data are enough for the threads of BLAS, which two callers at once only slow down.
    parts = mapped(reduce, pieces) if panel_rows(columns) else map(reduce, pieces)
    n, factors = 0, []
    for rows, factor in parts:
        n += rows
        factors.append(factor)
        if len(factors) * columns >= panel_rows(columns):
            factors = [merge(*factors)]
    return n, merge(*factors)


def counted_factor(piece: list[Chunk], preconditioner: Preconditioner | None) -> tuple[int, Array]:
    """Return how many rows a piece has, and the R factor of [X, 1, y] over them.

    `preconditioner` is that of the first piece. A piece that it does not suit, as its rows are quite different, gets
    one of its own, for all columns; one that none suits is left to Householder's reflections.
    """
    X, y = joined(piece)
    factor = cholesky_factor(X, y, preconditioner)
    if factor is None:
        factor = cholesky_factor(X, y, Preconditioner.of_sample(X, y, keep=False))
    return len(y), factor if factor is not None else triangular_factor(with_ones(X, y))


def joined(piece: list[Chunk]) -> Chunk:
    """Return the parts of a piece as one."""
    if len(piece) == 1:
        return piece[0]
    features = [X for X, _ in piece]
    y = np.concatenate([target for _, target in piece])
    d = features[0].shape[1]
    if d > COPIED_COLUMNS or features[0].flags.c_contiguous:
        return np.concatenate(features), y
    X = np.empty((len(y), d))
    for k in range(d):
        np.concatenate([rows[:, k] for rows in features], out=X[:, k], casting="unsafe")
    return X, y


def with_ones(X: Array, y: Array) -> Array:
    """Return [X, 1, y], of shape (..., d + 2), for X of shape (..., d) and y of shape (...)."""
    rows = np.ones((*y.shape, X.shape[-1] + 2))
    rows[..., :-2], rows[..., -1] = X, y
    return rows


def regrouped(chunks: Iterable[Chunk], *, copy: bool) -> Iterator[list[Chunk]]:
    """Yield the rows in pieces of equal size, the last of what is left, however `chunks` cut them.

    A piece is the list of the parts of chunks that it takes, or of their copies. Raises DataError for a chunk whose
    shape does not fit.
    """
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
            piece.append((part[0].copy(), part[1].copy()) if copy else part)
            missing, taken = missing - len(part[1]), rows.stop
            if not missing:
                yield piece
                piece = []
    if piece:
        yield piece
