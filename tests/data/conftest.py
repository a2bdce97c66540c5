from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from gdexp.core.factor import Chunk
from gdexp.data import Source, Table


@dataclass(frozen=True)
class Rows(Source):
    """Rows whose last column is the target, read in chunks that end before the rows `cuts`."""

    rows: tuple[tuple[float, ...], ...] = ()
    cuts: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def table(self) -> Table:
        d = len(self.rows[0]) - 1 if self.rows else 1
        values = np.array(self.rows).reshape(-1, d + 1)

        def read() -> Iterator[Chunk]:
            for part in np.split(values, self.cuts):
                yield part[:, :-1], part[:, -1]

        names = self.names or tuple(f"x{i}" for i in range(1, d + 1))
        return Table(names, "y", read, {"x1": "kg"}, "All rows are made up.")


@pytest.fixture(scope="session")
def source_of() -> Callable[..., Source]:
    """Make a dataset of the rows given, the target last."""

    def make(rows: Sequence[Sequence[float]], **settings: object) -> Source:
        return Rows(rows=tuple(tuple(row) for row in rows), **settings)  # type: ignore[arg-type]

    return make
