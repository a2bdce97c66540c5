"""Read a dataset once: the problem to descend on, its fingerprint, and a few rows for the figures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from gdexp.core.factor import Array, Chunk
from gdexp.core.problem import LeastSquares, RescaledRows
from gdexp.data.scaling import Scaling
from gdexp.data.source import Source, Table

ROWS_IN_MEMORY = 2**26
"""Bytes of rows kept for the iterative engine; larger data are read again at every step."""
SAMPLE_ROWS = 2000
"""Rows kept for figures, evenly spread."""


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
    table = source.table()
    reading = Reading(table)
    problem = LeastSquares.from_chunks(reading.shifted(source.scaling != "none"))
    scaling = Scaling.fitted(source.scaling, problem)
    problem = problem.rescaled(scaling.offset, scaling.scale) if source.scaling != "none" else problem
    scaling = Scaling(scaling.offset + reading.shift, scaling.scale)
    rows = reading.kept if reading.kept is not None else RowsOf(table.read)
    return Dataset(
        features=table.features,
        target=table.target,
        problem=replace(
            problem,
            rows=RescaledRows(rows, scaling.offset, scaling.scale) if source.scaling != "none" else rows,
        ),
        scaling=scaling,
        scaled=source.scaling != "none",
        sha256=reading.sha256,
        sample_features=reading.sample[:, :-1],
        sample_target=reading.sample[:, -1],
        units=table.units,
        note=table.note,
    )


class Reading:
    """One pass over a table's rows that takes along what must be known of them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._digest = hashlib.sha256("\0".join([*table.features, table.target]).encode())
        self._stride, self._row, self._sampled = 1, 0, np.empty((0, len(table.features) + 1))
        self.shift = np.zeros(len(table.features))
        self.kept: list[Chunk] | None = []
        self._bytes = 0

    def shifted(self, shift: bool) -> Iterator[Chunk]:
        """Yield the rows; with `shift` less the first row's features, which keeps the digits of a spread that is
        small beside its mean.
        """
        for X, y in self._table.read():
            rows = np.column_stack([X, y])
            if self._row == 0 and shift and len(X):
                self.shift = X[0].copy()
            self._digest.update(np.ascontiguousarray(rows, dtype="<f8").tobytes())
            self._keep(X, y)
            self._sample(rows)
            yield (X - self.shift if shift else X), y

    def _keep(self, X: Array, y: Array) -> None:
        self._bytes += X.nbytes + y.nbytes
        if self._bytes > ROWS_IN_MEMORY:
            self.kept = None
        elif self.kept is not None:
            self.kept.append((X, y))

    def _sample(self, rows: Array) -> None:
        first = -self._row % self._stride
        self._row += len(rows)
        self._sampled = np.concatenate([self._sampled, rows[first :: self._stride]])
        while len(self._sampled) > SAMPLE_ROWS:
            self._sampled, self._stride = self._sampled[::2], 2 * self._stride

    @property
    def sample(self) -> Array:
        """Rows that are evenly spread over those read, features and target side by side."""
        return self._sampled

    @property
    def sha256(self) -> str:
        """The fingerprint of what was read, which does not depend on how it was cut into chunks."""
        return self._digest.hexdigest()


@dataclass(frozen=True)
class RowsOf(Iterable[Chunk]):
    """Rows that are read anew from their source each time."""

    read: Callable[[], Iterator[Chunk]]

    def __iter__(self) -> Iterator[Chunk]:
        """Read the rows once more."""
        return self.read()
