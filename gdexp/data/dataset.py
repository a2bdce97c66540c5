"""Read a dataset once: the problem to descend on, its fingerprint, and a few rows for the figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from gdexp.core.factor import Array, Chunk
from gdexp.core.problem import LeastSquares, RescaledRows
from gdexp.data.parts import SAMPLE_ROWS as SAMPLE_ROWS
from gdexp.data.parts import Part, merged
from gdexp.data.scaling import Scaling
from gdexp.data.source import Source, Table

BYTES_IN_MEMORY = 2**26
"""Bytes of rows kept for the iterative engine; larger data are read again at every step."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset, read.

    `problem` is in the units that are descended in, which `scaling` leads back to the data's own. `sha256` is the
    fingerprint of the names and of every number used, before scaling. `sample_features` (m, d) and `sample_target`
    (m,) are at most SAMPLE_ROWS rows in the data's own units. `units` and `note` are those of the Table.
    """

    features: tuple[str, ...]
    target: str
    problem: LeastSquares
    scaling: Scaling
    scaled: bool
    sha256: str
    sample_features: Array = field(repr=False)
    sample_target: Array = field(repr=False)
    units: Mapping[str, str]
    note: str

    def label(self, name: str) -> str:
        """Return the name of a column with its unit, for an axis."""
        return f"{name} ({self.units[name]})" if self.units.get(name) else name


def load(source: Source) -> Dataset:
    """Return the dataset of `source`; the last few are remembered, so a sweep reads its data once."""
    return _load(source, source.version())


@lru_cache(maxsize=8)
def _load(source: Source, version: Hashable) -> Dataset:  # noqa: ARG001 - the version is part of the cache's key
    table, scaled = source.table(), source.scaling != "none"
    whole, shift, kept = reduced(table, scaled)
    problem = whole.problem
    rows: Iterable[Chunk] = RowsOf(table.read) if kept is None else kept
    scaling = Scaling.fitted(source.scaling, problem)
    if scaled:
        scaling = Scaling(scaling.offset + shift, scaling.scale)
        # The sum was rounded: taking off what it came to, not what was fitted, keeps the problem true to the rows.
        problem = problem.rescaled(scaling.offset - shift, scaling.scale)
        rows = RescaledRows(rows, scaling.offset, scaling.scale)
    return Dataset(
        features=table.features,
        target=table.target,
        problem=replace(problem, rows=rows),
        scaling=scaling,
        scaled=scaled,
        sha256=whole.sha256,
        sample_features=whole.sample[:, :-1],
        sample_target=whole.sample[:, -1],
        units=table.units,
        note=table.note,
    )


def reduced(table: Table, shifted: bool) -> tuple[Part, Array, list[Chunk] | None]:
    """Return what is kept of the rows less a shift (d,), that shift, and the rows if they fit and are no parts."""
    if not table.parts:
        reading = Reading(table, shifted)
        return reading.part(), reading.shift, reading.kept
    first = next(iter(table.parts[0]()))[0][0] if shifted else np.zeros(len(table.features))
    readers = [partial(part_of, replace(table, read=read, parts=()), shifted, first) for read in table.parts]
    return merged(readers), first, None


def part_of(table: Table, shifted: bool, shift: Array) -> Part:
    """Return what is kept of the rows of one part less `shift`."""
    return Reading(table, shifted, shift).part()


class Reading:
    """One pass over a table's rows that takes along what must be known of them.

    `shift` (d,) is the one given, else the first row's features where the rows are `shifted`, else zero. `kept` are
    the chunks as they were read, or None where they are too large. `sample` (m, d + 1) are evenly spread rows, the
    target last; neither it nor the fingerprint depends on how the rows are cut into chunks.
    """

    def __init__(self, table: Table, shifted: bool, shift: Array | None = None) -> None:
        self._table, self._shifted, self._given = table, shifted, shift
        self._digest = hashlib.sha256(json.dumps([*table.features, table.target]).encode())
        self._rows, self._bytes, self._stride = 0, 0, 1
        self.shift = np.zeros(len(table.features)) if shift is None else shift
        self.kept: list[Chunk] | None = []
        self.sample = np.empty((0, len(table.features) + 1))

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows less `shift`, which keeps the digits of a spread that is small beside its mean."""
        for X, y in self._table.read():
            rows = side_by_side(X, y)
            if self._shifted and self._given is None and self._rows == 0 and len(X):
                self.shift = X[0].copy()
            self._digest.update(np.ascontiguousarray(rows, dtype="<f8").data)
            self._keep(X, y)
            self._sample(rows)
            with np.errstate(over="ignore"):  # the problem refuses what is not finite
                shifted = X - self.shift if self._shifted else X
            yield shifted, y

    def _keep(self, X: Array, y: Array) -> None:
        self._bytes += X.nbytes + y.nbytes
        if self._bytes > BYTES_IN_MEMORY:
            self.kept = None
        elif self.kept is not None:
            self.kept.append((X, y))

    def _sample(self, rows: Array) -> None:
        first = -self._rows % self._stride
        self._rows += len(rows)
        self.sample = np.concatenate([self.sample, rows[first :: self._stride]])
        while len(self.sample) > SAMPLE_ROWS:
            self.sample, self._stride = self.sample[::2], 2 * self._stride

    def part(self) -> Part:
        """Read the rows, and return what is kept of them; the fingerprint is of the names and of every number."""
        problem = LeastSquares.from_chunks(self.chunks(), copy=False)
        return Part(problem, self._digest.hexdigest(), self.sample, self._stride)


def side_by_side(X: Array, y: Array) -> Array:
    """Return [X, y] as one array: the one that both are views of, if there is such a one, else a copy."""
    whole = y.base
    if isinstance(whole, np.ndarray) and whole.ndim == 2:
        parts = (whole[:, :-1], whole[:, -1])
        if all(mine.__array_interface__ == its.__array_interface__ for mine, its in zip((X, y), parts, strict=True)):
            return whole
    return np.column_stack([X, y])


@dataclass(frozen=True)
class RowsOf(Iterable[Chunk]):
    """Rows that are read anew from their source each time."""

    read: Callable[[], Iterator[Chunk]]

    def __iter__(self) -> Iterator[Chunk]:
        """Read the rows once more."""
        return self.read()
