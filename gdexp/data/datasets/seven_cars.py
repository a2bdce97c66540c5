"""The worked example's seven cars: weight in 1000 lb against miles per gallon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gdexp.core.factor import Chunk
from gdexp.data.source import Source, Table

ROWS = ((3.50, 18.0), (3.69, 15.0), (3.44, 18.0), (3.43, 16.0), (4.34, 15.0), (4.42, 14.0), (2.37, 24.0))


@dataclass(frozen=True)
class SevenCars(Source):
    """Seven rows of Auto MPG, as Google's Machine Learning Crash Course rounds them."""

    def table(self) -> Table:
        """Return the seven rows."""
        return Table(("weight",), "mpg", rows, {"weight": "1000 lb", "mpg": "miles per gallon"})


def rows() -> Iterator[Chunk]:
    """Yield the seven rows as one chunk."""
    values = np.array(ROWS)
    yield values[:, :1], values[:, 1]
