"""Fewer points of a long line that look the same: the extremes of every stretch are kept, so no swing is lost."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.factor import Array

Indices: TypeAlias = NDArray[np.integer[Any]]

STRETCHES = 400


def kept(values: Array, *, stretches: int = STRETCHES, logarithmic: bool = False) -> Indices:
    """Return the indices of the points of `values`, finite, shape (n,) or (n, m), that a line needs, in order.

    Of each stretch, and each column, that is the first, the last, the least and the greatest. With `logarithmic`
    the stretches are equally long on a logarithmic axis.
    """
    n = len(values)
    if n <= 4 * stretches:
        return np.arange(n)
    edges = _edges(n, stretches, logarithmic)
    found = [edges[:-1], edges[1:] - 1]
    for column in values.reshape(n, -1).T:
        found += [_first(column, edges, np.minimum), _first(column, edges, np.maximum)]
    return np.unique(np.concatenate(found))


@lru_cache(maxsize=16)
def _edges(n: int, stretches: int, logarithmic: bool) -> Indices:
    ends = np.geomspace(1, n, stretches) if logarithmic else np.linspace(0, n, stretches + 1)[1:]
    return np.unique(np.concatenate([[0], np.rint(ends).astype(np.intp)]))


def _first(values: Array, edges: Indices, extreme: np.ufunc) -> Indices:
    """Return where `values`, finite, have the extreme of each stretch between `edges` first."""
    starts = edges[:-1]
    places = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), np.diff(edges)))
    return places[np.searchsorted(places, starts)]
