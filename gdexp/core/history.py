"""The steps of a descent, in memory that an engine fills block by block."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.factor import Array

Steps: TypeAlias = NDArray[np.signedinteger[Any]]
Marks: TypeAlias = NDArray[np.bool_]

WHOLE = 1024
"""There is room for a multiple of so many steps: engines compute whole blocks, also past the horizon."""
FIRST_ROOM = 2**23
"""Numbers that the parameters of a descent may take before more room is made for them."""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive `steps`, b of them: `mse`, `gap` and `gradient_norm` of shape (b,), `parameters` of shape (b, p)."""

    steps: range
    mse: Array
    gap: Array
    gradient_norm: Array
    parameters: Array


Blocks: TypeAlias = Generator[Block, None, None]


class History:
    """The steps of a descent from step 0 to `horizon`, or to where it ends before, with `p` parameters each."""

    def __init__(self, p: int, horizon: int) -> None:
        self.horizon = horizon
        self.length = 0
        # Memory that is not written to is none: most descents never need more than this.
        room = min(-(-(horizon + 1) // WHOLE) * WHOLE, max(FIRST_ROOM // p, 1))
        self._arrays = [np.empty((room, *shape)) for shape in ((), (), (), (p,))]

    def block(self, size: int) -> Block:
        """Return the next `size` steps, for an engine to fill in."""
        first, end = self.length, self.length + size
        if end > len(self._arrays[0]):
            self._grow(max(min(2 * end, self.horizon + WHOLE), end))
        self.length = end
        mse, gap, gradient_norm, parameters = (kept[first:end] for kept in self._arrays)
        return Block(range(first, end), mse, gap, gradient_norm, parameters)

    def _grow(self, room: int) -> None:
        for place, kept in enumerate(self._arrays):
            self._arrays[place] = np.empty((room, *kept.shape[1:]))
            self._arrays[place][: self.length] = kept[: self.length]

    def losses(self, first: int, end: int) -> Array:
        """Return the losses of steps `first` to `end`, that one not among them."""
        return self._arrays[0][max(first, 0) : end]

    def cut(self, length: int) -> list[Array]:
        """Return mse, gap, gradient norm and parameters of the first `length` steps, and give back all other memory.

        No block may be looked at any more.
        """
        if len(self._arrays[0]) > 1.125 * length:
            for kept in self._arrays:
                kept.resize((length, *kept.shape[1:]), refcheck=False)
        return [kept[:length] for kept in self._arrays]
