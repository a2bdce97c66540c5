"""Data in many parts: each is reduced by itself, here or on a Ray cluster, and the parts are merged in a fixed tree."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gdexp import cluster
from gdexp.core.errors import GdexpError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares

SUFFIXES = (".csv", ".parquet")
SAMPLE_ROWS = 2000
"""Rows kept for figures, evenly spread."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Part:
    """What is kept of some rows: their problem, the fingerprint of every number, and each `stride`-th row."""

    problem: LeastSquares
    sha256: str
    sample: Array = field(repr=False)
    stride: int

    def merge(self, other: Part) -> Part:
        """Return what is kept of the rows of this part and then those of the `other`.

        The fingerprint is that of both fingerprints, so it depends on where the rows are cut into parts.
        """
        digest = hashlib.sha256((self.sha256 + other.sha256).encode()).hexdigest()
        stride = max(self.stride, other.stride)
        sample = np.concatenate([part.sample[:: stride // part.stride] for part in (self, other)])
        while len(sample) > SAMPLE_ROWS:
            sample, stride = sample[::2], 2 * stride
        return Part(self.problem.merge(other.problem), digest, sample, stride)


def part_files(path: str) -> list[str]:
    """Return the CSV or Parquet files that a folder holds or a pattern with * means, by name; none for a plain path."""
    # Unlike Path's, these take a path that no file can have for one that is not there.
    if os.path.isdir(path):  # noqa: PTH112
        found = [str(file) for file in Path(path).iterdir() if not file.name.startswith((".", "_"))]
    elif any(sign in path for sign in "*?[") and not os.path.exists(path):  # noqa: PTH110
        found = glob.glob(path, recursive=True)  # noqa: PTH207 - the pattern may be absolute
    else:
        return []
    return sorted(file for file in found if Path(file).suffix.lower() in SUFFIXES)


def merged(readers: Sequence[Callable[[], Part]]) -> Part:
    """Return the parts that `readers` give as one, the same to the last bit wherever they are read.

    Where RAY_ADDRESS names a cluster, its workers read and merge them; raises GdexpError where it does not answer.
    """
    if not os.environ.get("RAY_ADDRESS"):
        return tree(len(readers), lambda place: readers[place](), Part.merge)
    return _on_ray(readers)


def tree(count: int, leaf: Callable[[int], T], merge: Callable[[T, T], T]) -> T:
    """Return `count` leaves merged pairwise, those of each pair merged pairwise, and so on; drawn in their order."""

    def node(first: int, last: int) -> T:
        if last - first == 1:
            return leaf(first)
        middle = first + 2 ** ((last - first - 1).bit_length() - 1)
        left = node(first, middle)
        return merge(left, node(middle, last))

    return node(0, count)


def _on_ray(readers: Sequence[Callable[[], Part]]) -> Part:
    cluster.connect()
    import ray

    read, merge = ray.remote(_read_in), ray.remote(Part.merge)
    folder = str(Path.cwd())
    try:
        whole: Part = ray.get(tree(len(readers), lambda place: read.remote(readers[place], folder), merge.remote))
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, GdexpError) else error from None
    return whole


def _read_in(reader: Callable[[], Part], folder: str) -> Any:
    os.chdir(folder)  # where relative paths begin
    return reader()
