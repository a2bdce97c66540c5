"""The R factor of [X, 1, y]: all that least squares needs to know of the data.

Built piece by piece as in TSQR (Demmel, Grigori, Hoemmen and Langou, "Communication-optimal parallel and
sequential QR and LU factorizations", SIAM J. Sci. Comput. 34, 2012): the R factor of stacked R factors is the
R factor of the stacked rows. Where the rows are cut, and in which order factors merge, depends on the shape of the
data alone: the result is the same to the last bit on any number of cores.
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

CHUNK_NUMBERS = 2**18
"""Numbers that a thread reduces at once: 2 MiB, which stay in its cache."""
PANEL_NUMBERS = 2**13
"""Numbers of one call of LAPACK: they fit a faster cache, and are too few for BLAS to start threads of its own."""


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


def reduced(chunks: Iterable[Chunk]) -> tuple[int, Array]:
    """Return how many rows `chunks` hold and the R factor of [X, 1, y] over them, in their order."""
    pieces = regrouped(chunks)
    first = next(pieces, None)
    if first is None:
        raise DataError("the data have no row")
    pieces = chain([first], pieces)
    # The columns of wide data are enough for the threads of BLAS, which two callers at once only slow down.
    parts = mapped(counted_factor, pieces) if panel_rows(first.shape[1]) else map(counted_factor, pieces)
    n, factor = next(parts)
    for rows, part in parts:
        n, factor = n + rows, merge(factor, part)
    return n, factor


def counted_factor(rows: Array) -> tuple[int, Array]:
    """Return how many `rows` there are, and their R factor."""
    return len(rows), triangular_factor(rows)


def regrouped(chunks: Iterable[Chunk]) -> Iterator[Array]:
    """Yield the rows of [X, 1, y] in copies of equal size, the last of what is left, however `chunks` cut them.

    Raises DataError for a chunk whose shape does not fit.
    """
    piece, filled = np.empty((0, 0)), 0
    for X, y in chunks:
        features = (piece.shape[1] - 2,) if len(piece) else X.shape[1:]
        if len(features) != 1 or X.shape != (*y.shape, *features):
            raise DataError(
                f"a chunk has features of shape {X.shape} and a target of shape {y.shape}; "
                "they must be (rows, d) and (rows,), with the same d in every chunk"
            )
        taken = 0
        while taken < len(y):
            if not filled:
                columns = features[0] + 2
                piece = np.empty((max(CHUNK_NUMBERS // columns, 4 * columns), columns))
            count = min(len(piece) - filled, len(y) - taken)
            into, source = piece[filled : filled + count], slice(taken, taken + count)
            into[:, :-2], into[:, -2], into[:, -1] = X[source], 1, y[source]
            filled, taken = filled + count, taken + count
            if filled == len(piece):
                yield piece
                filled = 0
    if filled:
        yield piece[:filled]
