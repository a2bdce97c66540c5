"""Memory for numbers that begins at a cache line, where BLAS reads and writes it faster."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LINE = 8
"""Numbers in a cache line."""


def aligned(*shape: int) -> NDArray[np.float64]:
    """Return an array of this shape, not yet written to."""
    numbers = math.prod(shape)
    room = np.empty(numbers + LINE)
    first = -(room.ctypes.data // room.itemsize) % LINE
    return room[first : first + numbers].reshape(shape)
