"""What an engine yields: consecutive steps of a descent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.factor import Array

Steps: TypeAlias = NDArray[np.signedinteger[Any]]
Marks: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive `steps`, b of them: `mse`, `gap` and `gradient_norm` have shape (b,).

    `fill_parameters` writes the `p` parameters of each into the rows of an array, as many as there are of both.
    They are so many numbers that the spectral engine computes them only there.
    """

    steps: range
    mse: Array
    gap: Array
    gradient_norm: Array
    p: int
    fill_parameters: Callable[[Array], None] = field(repr=False)

    @property
    def parameters(self) -> Array:
        """The parameters, shape (b, p), computed anew each time."""
        values = np.empty((len(self.steps), self.p))
        self.fill_parameters(values)
        return values


Blocks: TypeAlias = Generator[Block, None, None]


def joined(parts: Iterable[Array], length: int) -> Array:
    """Return the first `length` rows of `parts`, one after the other, in memory of their own."""
    kept: list[Array] = []
    for part in parts:
        kept.append(part[:length])
        length -= len(kept[-1])
    return np.concatenate(kept)


def copy_rows(values: Array, out: Array) -> None:
    """Write `values` into the rows of `out`: as many as there are of both."""
    rows = min(len(values), len(out))
    out[:rows] = values[:rows]
