"""The R factor of [X, 1, y]: all that least squares needs to know of the data.

Built chunk by chunk as in TSQR (Demmel, Grigori, Hoemmen and Langou, "Communication-optimal parallel and
sequential QR and LU factorizations", SIAM J. Sci. Comput. 34, 2012): the R factor of stacked R factors is the
R factor of the stacked rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.errors import DataError

Array: TypeAlias = NDArray[np.float64]
Chunk: TypeAlias = tuple[Array, Array]
"""Features of shape (rows, d) and target of shape (rows,)."""

CHUNK_ROWS = 4096
"""Rows reduced at once: fixed, so that the result never depends on the machine."""


def triangular_factor(rows: Array) -> Array:
    """Return the R factor of `rows`, square: zero rows are added where there are fewer rows than columns."""
    factor = np.asarray(np.linalg.qr(rows, mode="r"))
    missing = factor.shape[1] - factor.shape[0]
    return np.pad(factor, ((0, missing), (0, 0))) if missing else factor


def merge(first: Array, second: Array) -> Array:
    """Return the R factor of the rows of both factors together."""
    return triangular_factor(np.vstack([first, second]))


def reduced(chunks: Iterable[Chunk]) -> tuple[int, Array]:
    """Return how many rows `chunks` hold and the R factor of [X, 1, y] over them, in their order."""
    n, factor = 0, None
    for X, y in chunks:
        features = X.shape[1:] if factor is None else (len(factor) - 2,)
        if len(features) != 1 or X.shape != (*y.shape, *features):
            raise DataError(
                f"a chunk has features of shape {X.shape} and a target of shape {y.shape}; "
                "they must be (rows, d) and (rows,), with the same d in every chunk"
            )
        for first in range(0, len(y), CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            part = triangular_factor(np.column_stack([X[rows], np.ones(len(y[rows])), y[rows]]))
            factor = part if factor is None else merge(factor, part)
        n += len(y)
    if factor is None:
        raise DataError("the data have no row")
    return n, factor
