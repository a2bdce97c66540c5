"""Fewer points of a long line that look the same: the extremes of every stretch are kept, so no swing is lost."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.factor import Array

Indices: TypeAlias = NDArray[np.integer[Any]]

STRETCHES = 400


def kept(values: Array, *, stretches: int = STRETCHES, logarithmic: bool = False) -> Indices:
    """Return the indices of the points of `values`, shape (n,) or (n, m), that a line needs, in order.

    Of each stretch, and each column, that is the first, the last, the least and the greatest. With `logarithmic`
    the stretches are equally long on a logarithmic axis.
    """
    n = len(values)
    if n <= 4 * stretches:
        return np.arange(n)
    columns = values.reshape(n, -1)
    ends = np.geomspace(1, n, stretches) if logarithmic else np.linspace(0, n, stretches + 1)[1:]
    edges = np.unique(np.concatenate([[0], np.rint(ends).astype(np.intp)]))
    found = [edges[:-1], edges[1:] - 1]
    for first, end in pairwise(edges):
        found += [first + columns[first:end].argmin(axis=0), first + columns[first:end].argmax(axis=0)]
    return np.unique(np.concatenate(found))
